# SPDX-License-Identifier: GPL-2.0-only
"""For virtual machines in which the time that they spend asleep passes at once (``--skip-idle`` of
tools/kernel_vm.py).

A program that waits for a file of the machine outside would there have waited for minutes, and so
would a case that waits for the program.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PROGRAMS: Final = ("ip", "nft", "iptables-restore", "sleep")
_READ: Final = ("/etc/ld.so.cache", "/etc/localtime", "/etc/iproute2/group")
_XTABLES: Final = "xtables/lib*t_*.so"


def load_programs() -> None:
    """Bring the programs that cases start into memory, which is where the guest keeps what it
    writes: their times are written, as they are.
    """
    for path in _files():
        with suppress(FileNotFoundError):
            found = path.stat()
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _files() -> Iterator[Path]:
    yield from map(Path, _READ)
    for program in _PROGRAMS:
        place = shutil.which(program)
        if place is None:
            continue
        yield Path(place)
        listed = subprocess.run(["ldd", place], capture_output=True, text=True, check=False)
        for library in map(Path, re.findall(r"(/\S+)", listed.stdout)):
            yield library
            yield from library.parent.glob(_XTABLES)


@contextmanager
def busy() -> Iterator[None]:
    """Keeps the processor awake that has nothing else to do."""
    parent = os.getpid()
    child = os.fork()
    if not child:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while os.getppid() == parent:
            pass
        os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
