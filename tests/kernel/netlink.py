# SPDX-License-Identifier: GPL-2.0-only
"""The two netlink talks of the player: hear what netfilter logs, and empty conntrack's table.

Source: include/uapi/linux/netfilter/nfnetlink.h, nfnetlink_log.h, nfnetlink_conntrack.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

_NETFILTER = 12  # NETLINK_NETFILTER
_REQUEST_ACK = 0x05
_ERROR = 2
_ULOG_PACKET, _ULOG_CONFIG = 0x0400, 0x0401
_CT_DELETE = 0x0102
_SO_RCVBUFFORCE = 33

_CFG_CMD, _CFG_MODE, _CFG_QTHRESH = 1, 2, 5
_BIND, _COPY_PACKET = 1, 2
_PAYLOAD, _PREFIX = 9, 10

TRACE_GROUP = 0
"""Where TRACE lines come: the group of loggers that name none."""

WATCH_GROUP = 1
"""Where the player's own rules log."""

_COPIED = 128
"""Bytes of each packet that come with a log line: IPv6, TCP and all its options."""


class LogLine(NamedTuple):
    """One line, and the first bytes of the packet it is about."""

    prefix: str
    data: bytes


class Log:
    """Hears what is logged in the namespace in which it is made, at once and in order."""

    def __init__(self) -> None:
        self._socket = _open()
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
        for group in (TRACE_GROUP, WATCH_GROUP):
            _ask(self._socket, _ULOG_CONFIG, _attribute(_CFG_CMD, bytes([_BIND])), group)
            mode = struct.pack("!IBx", _COPIED, _COPY_PACKET)
            settings = _attribute(_CFG_MODE, mode) + _attribute(_CFG_QTHRESH, struct.pack("!I", 1))
            _ask(self._socket, _ULOG_CONFIG, settings, group)
        self._socket.setblocking(False)

    def lines(self) -> Iterator[LogLine]:
        """Everything that was logged since the last call."""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            for kind, body in _messages(data):
                if kind == _ULOG_PACKET:
                    found = dict(_attributes(body[4:]))
                    prefix = found.get(_PREFIX, b"").rstrip(b"\0").decode("ascii", "replace")
                    yield LogLine(prefix, found.get(_PAYLOAD, b""))

    def close(self) -> None:
        """Give the groups back."""
        self._socket.close()


class Table:
    """Conntrack's table in the namespace in which this is made."""

    def __init__(self) -> None:
        self._socket = _open()

    def flush(self) -> None:
        """Delete all entries."""
        _ask(self._socket, _CT_DELETE, b"", 0)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open() -> socket.socket:
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    found.bind((0, 0))
    found.settimeout(10)
    return found


def _ask(sock: socket.socket, kind: int, attributes: bytes, resource: int) -> None:
    """Send a request and wait until the kernel has done it."""
    body = struct.pack("!BBH", socket.AF_UNSPEC, 0, resource) + attributes
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_ACK, 0, 0) + body)
    while True:
        for answer, data in _messages(sock.recv(1 << 16)):
            if answer == _ERROR:
                code = -struct.unpack_from("=i", data)[0]
                if code:
                    raise OSError(code, os.strerror(code))
                return


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[length + 3 & ~3 :]


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[length + 3 & ~3 :]
