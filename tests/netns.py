# SPDX-License-Identifier: GPL-2.0-only
"""Private network namespaces in which tests may use the real netfilter tools.

Nothing here touches the firewall of the machine: every program runs in a namespace that this
process has made and deletes again.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

_numbers = itertools.count()
_OURS = re.compile(r"ctlint-(\d+)-\d+")


class PrivateNetns(NamedTuple):
    """A network namespace that this process owns."""

    name: str

    def run(
        self,
        arguments: Sequence[str],
        input: str = "",  # noqa: A002 - the name subprocess.run uses
        *,
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program inside; raises CalledProcessError if it fails, unless ``check`` is off."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *arguments],
            input=input,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=check,
            timeout=timeout,
        )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _sweep() -> None:
    """Deletes the namespaces of test runs that have died."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        found = _OURS.fullmatch(line.split()[0]) if line.strip() else None
        if found is not None and not _is_alive(int(found[1])):
            subprocess.run(["ip", "netns", "delete", found[0]], capture_output=True)


@cache
def why_no_netns(*programs: str) -> str | None:
    """Why no namespace can be made here, or which program is absent; None where all is well."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("ip", *programs):
        if shutil.which(program) is None:
            return f"needs {program}"
    try:
        with private_netns():
            return None
    except subprocess.CalledProcessError as error:
        return f"cannot make a network namespace: {error.stderr.strip()}"


@contextmanager
def private_netns() -> Iterator[PrivateNetns]:
    """A fresh namespace with its loopback up, deleted at the end; sweeps what dead runs left."""
    _sweep()
    namespace = PrivateNetns(f"ctlint-{os.getpid()}-{next(_numbers)}")
    subprocess.run(
        ["ip", "netns", "add", namespace.name], check=True, capture_output=True, text=True
    )
    try:
        namespace.run(["ip", "link", "set", "lo", "up"])
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "delete", namespace.name], check=True, capture_output=True)
