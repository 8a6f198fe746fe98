# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of a socket: what its program notices, and what the kernel does with it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.wire.moments import Micros

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket


class Errno(Enum):
    """Why a call failed; the value is what strerror(3) says."""

    EPIPE = "Broken pipe"
    ENOTCONN = "Transport endpoint is not connected"
    EADDRINUSE = "Address already in use"
    EADDRNOTAVAIL = "Cannot assign requested address"
    ENETUNREACH = "Network is unreachable"
    EHOSTUNREACH = "No route to host"
    ENOPROTOOPT = "Protocol not available"
    ECONNREFUSED = "Connection refused"
    ECONNRESET = "Connection reset by peer"
    ETIMEDOUT = "Connection timed out"


class SocketError(Exception):
    """A call on a socket failed at once."""

    def __init__(self, error: Errno) -> None:
        super().__init__(error.value)
        self.error = error


class HappeningKind(Enum):
    """What happened to a socket."""

    CONNECTED = "connected"
    CONNECT_FAILED = "connect failed"
    ACCEPTED = "can be accepted"
    DATA = "data arrived"
    EOF = "end of file"
    RESET = "reset"
    TIMED_OUT = "timed out"
    STATE = "state changed"
    GONE = "gone"


class Happening(NamedTuple):
    """Something that happened to a socket.

    `error` is that of a failure. `before` and `after` are the states of a change. ACCEPTED names
    the new socket, whose `listener` can accept it. GONE: the socket has left the table of
    sockets; a program that still owns it may read what is left.
    """

    at: Micros
    socket: Socket
    kind: HappeningKind
    error: Errno | None = None
    before: TcpState | None = None
    after: TcpState | None = None
