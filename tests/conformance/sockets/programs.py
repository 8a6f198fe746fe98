# SPDX-License-Identifier: GPL-2.0-only
"""The programs of a case: real sockets, and what can be noticed of them."""

from __future__ import annotations

import errno
import fcntl
import select
import socket
import struct
import subprocess
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tests.conformance.sockets.case import (
    Abort,
    Accept,
    Case,
    Close,
    Connect,
    Host,
    Keepalive,
    Kill,
    Listen,
    Read,
    Send,
    Shutdown,
    Step,
)
from tests.conformance.sockets.network import Network
from tests.conformance.sockets.recording import Notice

if TYPE_CHECKING:
    from tests.conformance.sockets.play import Clock

_EVENTS: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_LONG: Final = 1 << 20
_TCP_INFO: Final = (socket.IPPROTO_TCP, 11)
_SYN_SENT: Final = 2
"""As getsockopt(TCP_INFO) tells it first (include/net/tcp_states.h)."""


class Programs:
    """The sockets of a case by name. `now` tells the time of the case;
    `connects` is told the client's port of each connection.
    """

    def __init__(
        self,
        case: Case,
        network: Network,
        clock: Clock,
        now: Callable[[], float],
        connects: Callable[[int], None],
    ) -> None:
        self._case = case
        self._network = network
        self._clock = clock
        self._now = now
        self._connects = connects
        self._sockets: dict[str, socket.socket] = {}
        self._connecting: set[str] = set()
        self._ended: set[str] = set()
        self.notices: list[Notice] = []

    def forget(self) -> None:
        """Notice nothing any more."""
        for each in self._sockets.values():
            self._clock.forget(each.fileno())

    def close(self) -> None:
        """Close all sockets."""
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()

    def do(self, step: Step) -> int | None:
        """Do a step; returns a count of bytes where there is one. Raises OSError."""
        match step:
            case Listen():
                made = self._make(Host.SERVER)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(("0.0.0.0", step.port))
                made.listen(step.backlog)
                self._watch(step.socket, made, self._listener_noticed)
            case Connect():
                self._connect(step)
            case Accept():
                made, _ = self._sockets[step.listener].accept()
                made.setblocking(False)
                self._watch(step.socket, made, self._noticed)
            case Send():
                return self._sockets[step.socket].send(bytes(step.length))
            case Read():
                return len(self._sockets[step.socket].recv(_LONG))
            case Shutdown():
                self._sockets[step.socket].shutdown(socket.SHUT_WR)
            case Keepalive():
                _set_keepalive(self._sockets[step.socket], step)
            case Close():
                self._remove(step.socket).close()
            case Abort():
                removed = self._remove(step.socket)
                linger = struct.pack("ii", 1, 0)
                removed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                removed.close()
            case Kill():
                _die_with(self._remove(step.socket))
            case _:
                raise AssertionError(step)
        return None

    def _make(self, host: Host) -> socket.socket:
        with self._network.hosts[self._case.host(host)].inside():
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    def _connect(self, step: Connect) -> None:
        made = self._make(Host.CLIENT)
        try:
            if step.local_port is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind((self._network.client_address, step.local_port))
            with suppress(BlockingIOError):
                made.connect((self._network.server_address, step.port))
        except OSError:
            made.close()
            raise
        self._connecting.add(step.socket)
        self._connects(made.getsockname()[1])
        self._watch(step.socket, made, self._noticed)

    def _watch(
        self, name: str, made: socket.socket, noticed: Callable[[str, socket.socket, int], None]
    ) -> None:
        assert name not in self._sockets
        self._sockets[name] = made
        self._clock.watch(made.fileno(), _EVENTS, lambda events: noticed(name, made, events))

    def _remove(self, name: str) -> socket.socket:
        removed = self._sockets.pop(name)
        self._clock.forget(removed.fileno())
        return removed

    def _tell(self, name: str, kind: str, count: int | None, error: str | None) -> None:
        self.notices.append(Notice(self._now(), name, kind, count, error))

    def _listener_noticed(self, name: str, _: socket.socket, events: int) -> None:
        if events & select.EPOLLIN:
            self._tell(name, "acceptable", None, None)

    def _noticed(self, name: str, made: socket.socket, events: int) -> None:
        is_connecting = name in self._connecting
        asked = events & select.EPOLLERR
        if is_connecting and asked and made.getsockopt(*_TCP_INFO, 1)[0] == _SYN_SENT:
            return  # of an ICMP error that connect(2) survives; it waits on
        code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if asked else 0
        if code:
            self._connecting.discard(name)
            self._ended.add(name)
            kind = "failed" if is_connecting else "error"
            self._tell(name, kind, None, errno.errorcode.get(code, str(code)))
            return
        if is_connecting and events & select.EPOLLOUT:
            self._connecting.discard(name)
            self._tell(name, "connected", None, None)
        if name in self._connecting or name in self._ended:
            return
        if events & select.EPOLLIN and (count := _readable(made)):
            self._tell(name, "data", count, None)
        if events & select.EPOLLRDHUP:
            self._ended.add(name)
            self._tell(name, "eof", None, None)


def errno_name(error: OSError) -> str:
    """The name of an errno."""
    code = error.errno or 0
    return errno.errorcode.get(code, str(code))


def _readable(made: socket.socket) -> int:
    answer = fcntl.ioctl(made, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def _set_keepalive(made: socket.socket, step: Keepalive) -> None:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, step.time),
        (socket.TCP_KEEPINTVL, step.interval),
        (socket.TCP_KEEPCNT, step.probes),
    ):
        made.setsockopt(socket.IPPROTO_TCP, option, value)


def _die_with(owned: socket.socket) -> None:
    """Hand a socket to a process, which is then killed."""
    owner = subprocess.Popen(["sleep", "60"], pass_fds=[owned.fileno()], stdin=subprocess.DEVNULL)
    owned.close()
    owner.kill()
    owner.wait()
