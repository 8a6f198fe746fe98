# SPDX-License-Identifier: GPL-2.0-only
"""``--live`` and ``--netns``: commands read the host that they run on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click

from ctlint.cli.streams import tell
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, UnknownKernel, profile
from ctlint.source.errors import SourceError
from ctlint.source.host_folders import HostTexts
from ctlint.source.inputs import HostInput, HostReader, read_inputs, read_shared
from ctlint.source.live_host import HERE, LiveHost, live_host

_F = TypeVar("_F", bound=Callable[..., Any])
_NAMESPACES: Final = Path("/run/netns")
_MOST_SHOWN: Final = 8
_WHY: Final = {
    errno.ENOENT: "no such network namespace",
    errno.EACCES: "no permission: needs root",
    errno.EPERM: "no permission: needs root",
    errno.EINVAL: "this is no network namespace",
}


class Live(NamedTuple):
    """What of the running machine is asked for: names of namespaces, or its own."""

    wants_own: bool
    namespaces: tuple[str, ...]

    @property
    def is_wanted(self) -> bool:
        """Whether anything is."""
        return self.wants_own or bool(self.namespaces)

    @property
    def places(self) -> tuple[str | None, ...]:
        """The namespaces that are read; None is the one that ctlint itself is in."""
        return self.namespaces or ((None,) if self.wants_own else ())


class Running(NamedTuple):
    """What was read of hosts that run, and why nothing could be read of others, by their names."""

    texts: tuple[HostTexts, ...]
    wrong: tuple[tuple[str, SourceError], ...]


def live_options(command: _F) -> _F:
    """``--live`` and ``--netns``; the command gets a Live."""

    @wraps(command)
    def wrapped(*held: Any, wants_live: bool, netns: tuple[str, ...], **given: Any) -> Any:
        return command(*held, live=Live(wants_live, netns), **given)

    result: Any = wrapped
    for option in (
        click.option(
            "--netns",
            multiple=True,
            metavar="NAME|PID|FILE",
            help="Read another network namespace of this host, that of a container or pod; "
            "repeatable.",
        ),
        click.option("--live", "wants_live", is_flag=True, help="Read this host: docs/live.md."),
    ):
        result = option(result)
    found: _F = result
    return found


def running_kernel() -> KernelProfile:
    """The profile of the running kernel. Raises SourceError."""
    try:
        return profile(os.uname().release)
    except UnknownKernel as error:
        raise SourceError(f"the running kernel: {error}", "name one with --kernel") from None


def one_host(
    rules: str | None,
    live: Live,
    sysctls: Sequence[str],
    sets: Sequence[str],
    kernel: KernelProfile | None,
) -> tuple[HostInput, KernelProfile]:
    """The one host that a command is asked of, and its kernel: the one that is named, else the
    running one of a live host, else the newest. Raises UsageError, SourceError, ParseError.
    """
    if rules is not None and live.is_wanted:
        raise click.UsageError("--rules and --live are two hosts: give one of them")
    if len(live.namespaces) > 1:
        raise click.UsageError("one --netns at most: this is asked of one host")
    if rules is not None:
        (host,) = read_inputs([rules], sysctls, sets)
        return host, kernel or NEWEST
    if not live.is_wanted:
        raise click.UsageError("no rules: give --rules FILE, or --live to read this host")
    kernel = kernel or running_kernel()
    running = read_running(live)
    for _, error in running.wrong:
        raise error
    reader = HostReader(read_shared(sysctls, sets), running=running.texts)
    return reader.read(running.texts[0].name), kernel


def read_running(live: Live, *, quiet: bool = False) -> Running:
    """Reads the hosts that are asked for; says on standard error what was read, and what was not,
    unless that is not wanted.
    """
    texts: list[HostTexts] = []
    wrong: list[tuple[str, SourceError]] = []
    for place in live.places:
        name = HERE if place is None else place
        try:
            with nullcontext() if place is None else inside(place):
                host = live_host(name)
            if not quiet:
                tell(*_in_words(host))
            texts.append(host.texts())
        except SourceError as error:
            wrong.append((name, error))
    return Running(tuple(texts), tuple(wrong))


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Moves this thread, and what it starts, into a network namespace for a while. Raises
    SourceError.
    """
    from ctlint.lab.namespace import inside_netns

    with ExitStack() as stack:
        try:
            stack.enter_context(inside_netns(_path(name)))
        except OSError as error:
            why = _WHY.get(error.errno or 0, error.strerror or str(error))
            raise SourceError(f"--netns {name}: {why}", _known_namespaces(error)) from None
        yield


def _path(name: str) -> Path:
    """Where a namespace is found: a file, a name of ip-netns(8), or a process."""
    if "/" in name:
        return Path(name)
    if name in ("", ".", "..") or "\0" in name:
        raise SourceError(f"--netns {name!r}: no name of a network namespace")
    path = _NAMESPACES / name
    if not os.path.lexists(path) and name.isascii() and name.isdigit():
        return Path("/proc", name, "ns", "net")
    return path


def _known_namespaces(error: OSError) -> str | None:
    if error.errno != errno.ENOENT:
        return None
    try:
        names = sorted(os.listdir(_NAMESPACES))  # noqa: PTH208 - names, not paths
    except OSError:
        names = []
    known = f"`ip netns list` has {', '.join(names[:_MOST_SHOWN])}" if names else ""
    return known or "give the process id of what runs in it"


def _in_words(host: LiveHost) -> Iterator[str]:
    rules = []
    for dump in host.rules:
        count = sum(line.startswith("-A ") for line in dump.text.splitlines())
        rules.append(f"{dump.program} {count:,} rule{'' if count == 1 else 's'}")
    name = host.name
    tracked = host.conntrack
    if tracked.entries is None:
        conntrack = "conntrack not loaded"
    elif tracked.is_used:
        conntrack = f"conntrack in use, {tracked.entries:,} entries of {tracked.most or 0:,}"
    else:
        conntrack = "conntrack loaded, not in use"
    yield f"{name}: kernel {host.release}; {'; '.join(rules) or 'no rules'}; {conntrack}"
    links = host.links
    shown = [" ".join((link.name, *link.addresses)) for link in links.links if link.is_up]
    if shown:
        more = f" and {len(shown) - _MOST_SHOWN:,} more" if len(shown) > _MOST_SHOWN else ""
        yield f"{name}: interfaces {', '.join(shown[:_MOST_SHOWN])}{more}"
    ways = dict.fromkeys(r.interface for r in links.routes if r.destination == "default")
    if ways:
        yield f"{name}: default route over {', '.join(ways)}"
    for missing in (*host.missing, *links.missing):
        yield f"{name}: not read: {missing}"
