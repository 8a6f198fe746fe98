# SPDX-License-Identifier: GPL-2.0-only
"""``--live`` and ``--netns``: commands read the host that they run on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click

from ctlint.cli.streams import tell
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, UnknownKernel, profile
from ctlint.source.errors import SourceError
from ctlint.source.host_folders import HostTexts
from ctlint.source.inputs import HostInput, HostReader, read_inputs, read_shared
from ctlint.source.live_host import LiveHost, live_host

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

    def read(self) -> tuple[LiveHost, ...]:
        """Reads all of it. Raises SourceError."""
        own = (live_host(),) if self.wants_own and not self.namespaces else ()
        return (*own, *map(_read, self.namespaces))


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


def running_kernel(hosts: Sequence[LiveHost]) -> KernelProfile:
    """The profile of the running kernel. Raises SourceError."""
    try:
        return profile(hosts[0].release)
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
    running = live.read()
    tell_read(running)
    kernel = kernel or running_kernel(running)
    texts = running[0].texts()
    reader = HostReader(read_shared(sysctls, sets), running=[texts])
    return reader.read(texts.name), kernel


def texts_and_wrong(
    hosts: Iterable[LiveHost],
) -> tuple[tuple[HostTexts, ...], tuple[tuple[str, SourceError], ...]]:
    """What was read of hosts, and why nothing can be read of the others, by their names."""
    texts: list[HostTexts] = []
    wrong: list[tuple[str, SourceError]] = []
    for host in hosts:
        try:
            texts.append(host.texts())
        except SourceError as error:
            wrong.append((host.name, error))
    return tuple(texts), tuple(wrong)


def tell_read(hosts: Iterable[LiveHost]) -> None:
    """Says on standard error what was read, and what was not."""
    for host in hosts:
        tell(*_in_words(host))


def _read(name: str) -> LiveHost:
    from ctlint.lab.namespace import inside_netns

    path = _path(name)
    try:
        with inside_netns(path):
            return live_host(name)
    except OSError as error:
        why = _WHY.get(error.errno or 0, error.strerror or str(error))
        raise SourceError(f"--netns {name}: {why}", _known_namespaces(error)) from None


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
