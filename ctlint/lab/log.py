# SPDX-License-Identifier: GPL-2.0-only
"""What netfilter logs, heard at once and in order through nfnetlink_log.

Source: include/uapi/linux/netfilter/nfnetlink_log.h, net/netfilter/nfnetlink_log.c.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ctlint.lab.errors import LabError
from ctlint.lab.netlink import NETFILTER, Netlink, Request, attribute

_PACKET, _CONFIG = 0x0400, 0x0401
_CFG_CMD, _CFG_MODE, _CFG_QTHRESH = 1, 2, 5
_BIND, _COPY_PACKET = 1, 2
_PAYLOAD, _PREFIX = 9, 10
_HEADER = struct.Struct("=IH")
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER: Final = 8 << 20

KERNEL_GROUP: Final = 0
"""Where the lines come that name no group: of TRACE and of conntrack."""

WATCH_GROUP: Final = 25460
"""Where our own rules log; a number that no rule set is likely to use for NFLOG."""

COPIED: Final = 128
"""Bytes of each packet that come with a line: IPv6, TCP and all its options."""


class Line(NamedTuple):
    """One line as it was written, and the first bytes of the packet that it is about."""

    prefix: bytes
    data: bytes


class Log:
    """Hears what is logged in the namespace in which it is made. Raises OSError."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETFILTER, buffer=_BUFFER)
        try:
            for group in (KERNEL_GROUP, WATCH_GROUP):
                self._configure(group, attribute(_CFG_CMD, bytes([_BIND])))
                self._configure(
                    group,
                    attribute(_CFG_MODE, struct.pack("!IBx", COPIED, _COPY_PACKET))
                    + attribute(_CFG_QTHRESH, struct.pack("!I", 1)),
                )
        except OSError:
            self._netlink.close()
            raise
        self._netlink.socket.setblocking(False)
        self._buffer = bytearray(1 << 17)

    def _configure(self, group: int, attributes: bytes) -> None:
        head = struct.pack("!BBH", socket.AF_UNSPEC, 0, group)
        self._netlink.ask(Request(_CONFIG, 0, head + attributes))

    def close(self) -> None:
        """Give the groups back."""
        self._netlink.close()

    def fileno(self) -> int:
        """The descriptor that is readable when something was logged."""
        return self._netlink.socket.fileno()

    def lines(self) -> Iterator[Line]:
        """All that was logged since the last call. Raises LabError where lines were lost."""
        buffer = self._buffer
        receive = self._netlink.socket.recv_into
        while True:
            try:
                size = receive(buffer)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise LabError("the kernel logged more than the lab could take in") from None
                raise
            start = 0
            while start < size:
                length, kind = _HEADER.unpack_from(buffer, start)
                if kind == _PACKET:
                    yield _line(buffer, start + 20, start + length)
                start += length + 3 & ~3


def _line(buffer: bytearray, start: int, end: int) -> Line:
    prefix = payload = b""
    while start < end:
        length, kind = _ATTRIBUTE.unpack_from(buffer, start)
        if kind == _PREFIX:
            prefix = bytes(buffer[start + 4 : start + length - 1])
        elif kind == _PAYLOAD:
            payload = bytes(buffer[start + 4 : start + length])
        start += length + 3 & ~3
    return Line(prefix, payload)
