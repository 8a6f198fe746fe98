# SPDX-License-Identifier: GPL-2.0-only
"""Which rules of iptables-nft match, through the trace of nf_tables itself.

The kernel names a rule by its handle; what stands where in a chain is asked once for each rule set.
Only the first message of a packet at a hook holds its headers; those that follow have its id.

Source: include/uapi/linux/netfilter/nf_tables.h, net/netfilter/nf_tables_trace.c.
"""

from __future__ import annotations

import errno
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ctlint.lab.errors import LabError
from ctlint.lab.netlink import DUMP, NETFILTER, Netlink, Request, attributes
from ctlint.wire.addresses import Family

_SUBSYSTEM: Final = 10 << 8
_GET_RULE, _TRACE = _SUBSYSTEM | 7, _SUBSYSTEM | 17
_GROUP: Final = 9
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1

_TABLE, _CHAIN, _HANDLE = 1, 2, 3
"""The same in rules and in messages of the trace."""
_TYPE, _ID, _NETWORK_HEADER, _TRANSPORT_HEADER = 4, 6, 8, 9
_POLICY: Final = 1

_FAMILY: Final = {2: Family.IPV4, 10: Family.IPV6}
_PROTOCOL: Final = {family: number for number, family in _FAMILY.items()}
_HEADER = struct.Struct("=IH")
_BUFFER: Final = 8 << 20


class TraceStep(NamedTuple):
    """One message: the rule that matched (0: the end of a chain), and the packet's first bytes."""

    family: Family
    table: str
    chain: str
    handle: int
    is_policy: bool
    data: bytes


class NftTrace:
    """Hears the trace in the namespace in which it is made. Raises OSError."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETFILTER, buffer=_BUFFER)
        self._packets: dict[bytes, bytes] = {}
        try:
            self._netlink.socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
        except OSError:
            self._netlink.close()
            raise
        self._netlink.socket.setblocking(False)

    def close(self) -> None:
        """Close what holds the namespace open."""
        self._netlink.close()

    def steps(self) -> Iterator[TraceStep]:
        """All of both families' tables since the last call. Raises LabError where some is lost."""
        while True:
            try:
                data = self._netlink.socket.recv(1 << 17)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise LabError("the kernel traced more than the lab could take in") from None
                raise
            start = 0
            while start < len(data):
                length, kind = _HEADER.unpack_from(data, start)
                if kind == _TRACE and data[start + 16] in _FAMILY:
                    yield self._read(data[start + 16 : start + length])
                start += length + 3 & ~3

    def _read(self, body: bytes) -> TraceStep:
        found = dict(attributes(body, 4))
        packet = found[_ID]
        if _NETWORK_HEADER in found:
            self._packets[packet] = found[_NETWORK_HEADER] + found.get(_TRANSPORT_HEADER, b"")
        return TraceStep(
            _FAMILY[body[0]],
            _text(found[_TABLE]),
            _text(found[_CHAIN]),
            int.from_bytes(found.get(_HANDLE, b""), "big"),
            int.from_bytes(found[_TYPE], "big") == _POLICY,
            self._packets.get(packet, b""),
        )

    def forget(self) -> None:
        """What comes next is about other packets."""
        self._packets.clear()


def rule_numbers(netlink: Netlink, family: Family) -> Mapping[tuple[str, int], int]:
    """The number of each rule in its chain, from 1, by its table and handle. Raises OSError."""
    head = bytes((_PROTOCOL[family], 0, 0, 0))
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, int], int] = {}
    for body in netlink.ask(Request(_GET_RULE, DUMP, head)):
        rule = dict(attributes(body, 4))
        table, chain = _text(rule[_TABLE]), _text(rule[_CHAIN])
        counts[table, chain] += 1
        found[table, int.from_bytes(rule[_HANDLE], "big")] = counts[table, chain]
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")
