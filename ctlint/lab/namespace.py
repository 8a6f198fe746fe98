# SPDX-License-Identifier: GPL-2.0-only
"""Private network namespaces, in which programs and sockets see a firewall of their own.

Nothing here touches the firewall of the machine. A namespace is named after the process that made
it (`ctlint-PID-N`), so what a killed process leaves behind is found and deleted by the next one.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_NAMESPACES: Final = Path("/run/netns")
"""Where ip-netns(8) keeps names."""

_CLONE_NEWNET: Final = 0x40000000

_numbers = itertools.count()
_OURS = re.compile(r"ctlint-(\d+)-\d+")


class PrivateNetns(NamedTuple):
    """A network namespace that this process owns."""

    name: str

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Moves this thread into the namespace for a while.

        Sockets, devices and sysctl files that are opened there, and programs that are started
        there, stay there.
        """
        with Path("/proc/thread-self/ns/net").open("rb") as home:
            with (_NAMESPACES / self.name).open("rb") as there:
                _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def run(
        self,
        arguments: Sequence[str],
        input: str = "",  # noqa: A002 - the name subprocess.run uses
        *,
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program inside; raises CalledProcessError if it fails, unless `check` is off."""
        with self.inside():
            return subprocess.run(
                arguments,
                input=input,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                check=check,
                timeout=timeout,
            )


@contextmanager
def private_netns() -> Iterator[PrivateNetns]:
    """A fresh namespace with its loopback up, deleted at the end; sweeps what dead processes left.

    Raises CalledProcessError.
    """
    sweep()
    namespace = PrivateNetns(f"ctlint-{os.getpid()}-{next(_numbers)}")
    _ip_netns("add", namespace.name)
    try:
        namespace.run(["ip", "link", "set", "lo", "up"])
        yield namespace
    finally:
        _ip_netns("delete", namespace.name)


def sweep() -> None:
    """Deletes the namespaces of processes that have died."""
    with suppress(FileNotFoundError):
        for name in os.listdir(_NAMESPACES):  # noqa: PTH208 - names, not paths
            found = _OURS.fullmatch(name)
            if found is not None and not _is_alive(int(found[1])):
                # Another process may be sweeping it too.
                with suppress(subprocess.CalledProcessError):
                    _ip_netns("delete", name)


@cache
def why_no_netns(*programs: str) -> str | None:
    """Why no namespace can be made here, or which program is absent; None where all is well."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("ip", *programs):
        if shutil.which(program) is None:
            return f"needs the program {program}"
    try:
        with private_netns():
            return None
    except subprocess.CalledProcessError as error:
        return f"cannot make a network namespace: {error.stderr.strip()}"
    except OSError as error:
        return f"cannot enter a network namespace: {error.strerror}"


def _ip_netns(verb: str, name: str) -> None:
    subprocess.run(["ip", "netns", verb, name], check=True, capture_output=True, text=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _enter(descriptor: int) -> None:
    # os.setns() came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
