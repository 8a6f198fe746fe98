# SPDX-License-Identifier: GPL-2.0-only
"""How a TCP socket of a namespace is, as `ss -tano` shows it.

Source: include/uapi/linux/inet_diag.h, net/ipv4/inet_diag.c (inet_diag_find_one_icsk).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from ctlint.lab.netlink import Netlink, Request

_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20
_NO_COOKIE: Final = 0xFFFFFFFF
_ALL_STATES: Final = 0xFFFFFFFF
_HEAD = struct.Struct("=BBBxI")
_ID = struct.Struct("!HH4s12x4s12x")
_TAIL: Final = struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
_REST = struct.Struct("=IIIII")

_STATES: Final = (
    "?",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSE",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
    "SYN-RECV",
)
_TIMERS: Final = ("", "on", "keepalive", "timewait", "persist")


class Tuple(NamedTuple):
    """What a socket is found by: its own address and port, and the other's, packed."""

    address: bytes
    port: int
    other: bytes
    remote: int


class Socket(NamedTuple):
    """How a socket is. `inode` is 0 where no program owns it."""

    state: str
    timer: str
    inode: int


class SockDiag:
    """Tells of sockets of the namespace in which it is made. Raises OSError.

    A dump of all would cost milliseconds: the kernel looks at each bucket of a table that all
    namespaces share.
    """

    def __init__(self) -> None:
        self._netlink = Netlink(_SOCK_DIAG)

    def close(self) -> None:
        """Close what holds the namespace open."""
        self._netlink.close()

    def find(self, wanted: Sequence[Tuple]) -> list[Socket | None]:
        """The TCP sockets over IPv4 of these tuples, listeners left out. Raises OSError."""
        replies = self._netlink.ask_all([Request(_BY_FAMILY, 0, _request(each)) for each in wanted])
        return [_read(reply.bodies[0]) if reply.bodies else None for reply in replies]


def _request(wanted: Tuple) -> bytes:
    head = _HEAD.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _ALL_STATES)
    return head + _ID.pack(wanted.port, wanted.remote, wanted.address, wanted.other) + _TAIL


def _read(body: bytes) -> Socket | None:
    state, timer = _STATES[body[1]], _TIMERS[body[2]]
    (*_, inode) = _REST.unpack_from(body, 52)
    return None if state == "LISTEN" else Socket(state, timer, inode)
