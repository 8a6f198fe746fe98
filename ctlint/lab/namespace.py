# SPDX-License-Identifier: GPL-2.0-only
"""Private network namespaces, in which programs and sockets see a firewall of their own.

Nothing here touches the firewall of the machine. A namespace is named after the process that made
it (`ctlint-PID-N`). The process holds a lock on a file of that name for as long as it needs the
namespace, so what a killed process leaves behind is found and deleted by the next one. A process
id alone would not do: containers that share /run see one another's namespaces, but not one
another's processes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
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

_LOCKS: Final = Path("/run/ctlint")
"""Where the owner of a namespace holds a lock (flock(2)): the file NAME.lock."""

_TAKEN: Final = os.strerror(errno.EEXIST)
_MOST_TAKEN: Final = 100
"""Names in a row that may belong to others of the same process id, before we give up."""

_CLONE_NEWNET: Final = 0x40000000

_numbers = itertools.count()
_LOCK_FILE = re.compile(r"(ctlint-\d+-\d+)\.lock", re.ASCII)


class PrivateNetns(NamedTuple):
    """A network namespace that this process owns."""

    name: str

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Moves this thread into the namespace for a while.

        Sockets, devices and sysctl files that are opened there, and programs that are started
        there, stay there.
        """
        with inside_netns(_NAMESPACES / self.name):
            yield

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
def inside_netns(path: Path) -> Iterator[None]:
    """Moves this thread into a network namespace for a while, as PrivateNetns.inside() does.

    Raises OSError.
    """
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        with path.open("rb") as there:
            _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


class _Lock(NamedTuple):
    """The right to a name: whoever holds it owns the namespace, if there is one."""

    name: str
    descriptor: int

    def release(self) -> None:
        """Give the name up. The namespace is gone."""
        _lock_path(self.name).unlink(missing_ok=True)
        os.close(self.descriptor)


@contextmanager
def private_netns() -> Iterator[PrivateNetns]:
    """A fresh namespace with its loopback up, deleted at the end; sweeps what dead processes left.

    Raises CalledProcessError, OSError.
    """
    sweep()
    lock = _add()
    try:
        namespace = PrivateNetns(lock.name)
        namespace.run(["ip", "link", "set", "lo", "up"])
        yield namespace
    finally:
        try:
            _delete(lock.name)
        finally:
            lock.release()


def _add() -> _Lock:
    """A new namespace, under the next name that nobody has."""
    _LOCKS.mkdir(parents=True, exist_ok=True)
    for _ in range(_MOST_TAKEN):
        lock = _try_lock(f"ctlint-{os.getpid()}-{next(_numbers)}", os.O_CREAT)
        if lock is None:
            continue
        try:
            _ip_netns("add", lock.name)
            return lock
        except subprocess.CalledProcessError as error:
            # Others may share the names, but not the locks; theirs is not ours to delete.
            if _TAKEN not in error.stderr:
                with suppress(subprocess.CalledProcessError):
                    _delete(lock.name)
                lock.release()
                raise
            lock.release()
        except BaseException:
            lock.release()
            raise
    raise FileExistsError(errno.EEXIST, "all names are taken", str(_NAMESPACES))


def sweep() -> None:
    """Deletes the namespaces whose owners have died. Raises OSError."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for file in os.listdir(_LOCKS):  # noqa: PTH208 - names, not paths
            found = _LOCK_FILE.fullmatch(file)
            lock = None if found is None else _try_lock(found[1], 0)
            if lock is None:
                continue
            try:
                _delete(lock.name)
            except subprocess.CalledProcessError:
                # It stays, and so does the file by which it is found.
                os.close(lock.descriptor)
            else:
                lock.release()


def _try_lock(name: str, flags: int) -> _Lock | None:
    """The lock of a name; None where another process has it. Raises OSError."""
    path = _lock_path(name)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have removed the file in the meantime: then this is no lock.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return _Lock(name, descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _lock_path(name: str) -> Path:
    return _LOCKS / f"{name}.lock"


def _exists(name: str) -> bool:
    return (_NAMESPACES / name).exists()


def _delete(name: str) -> None:
    """Delete a namespace, if somebody has not done so already."""
    try:
        _ip_netns("delete", name)
    except subprocess.CalledProcessError:
        if _exists(name):
            raise


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
        where = "" if error.filename is None else f"{error.filename}: "
        return f"cannot make a network namespace: {where}{error.strerror}"


def _ip_netns(verb: str, name: str) -> None:
    subprocess.run(
        ["ip", "netns", verb, name],
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
    )


def _enter(descriptor: int) -> None:
    # os.setns() came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
