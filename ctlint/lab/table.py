# SPDX-License-Identifier: GPL-2.0-only
"""The table of tracked connections, through ctnetlink.

Source: include/uapi/linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ctlint.lab.netlink import (
    DUMP,
    NETFILTER,
    Netlink,
    Request,
    attribute,
    attributes,
    nested,
)
from ctlint.scenario.answer import Ends
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import ICMP, ICMPV6

_NEW, _GET, _DELETE = 0x0100, 0x0101, 0x0102

_TUPLE_ORIG, _TUPLE_REPLY, _STATUS, _PROTOINFO = 1, 2, 3, 4
_TIMEOUT, _MARK, _ZONE, _TIMESTAMP = 7, 8, 18, 20
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IP_V4_SRC, _IP_V6_SRC = 1, 3
_PROTO_NUM, _SRC_PORT, _DST_PORT = 1, 2, 3
_ICMP_ID, _ICMPV6_ID = 4, 7
_INFO_TCP = 1
_TCP_STATE, _TCP_WSCALE, _TCP_FLAGS = 1, 2, 4

_IP_VERSION: Final = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}
_FAMILY: Final = {int(number): family for family, number in _IP_VERSION.items()}

_COUNT: Final = "/proc/sys/net/netfilter/nf_conntrack_count"

# A batch must fit into the socket's buffer, the answers too.
_BATCH: Final = 200


class TcpInfo(NamedTuple):
    """What conntrack keeps of TCP: `wscale` and `flags` of both directions, as numbers."""

    state: int
    wscale: tuple[int, int]
    flags: tuple[int, int]


class Tracked(NamedTuple):
    """An entry as ctnetlink shows it.

    `timeout` is in whole seconds, cut. `start` is when the entry was confirmed, in nanoseconds: no
    two entries have the same. `key` is what ctnetlink finds the entry by.
    """

    key: bytes
    protocol: int
    orig: Ends
    reply: Ends
    status: int
    timeout: int
    mark: int
    start: int
    tcp: TcpInfo | None


class Table:
    """Conntrack's table in the namespace in which this is made. All methods raise OSError."""

    def __init__(self) -> None:
        self._count = os.open(_COUNT, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._netlink = Netlink(NETFILTER)
        except OSError:
            os.close(self._count)
            raise

    def close(self) -> None:
        """Close what holds the namespace open."""
        self._netlink.close()
        os.close(self._count)

    def count(self) -> int:
        """How many entries there are; expired ones count until the kernel comes across them."""
        return int(os.pread(self._count, 32, 0))

    def flush(self) -> None:
        """Delete all entries."""
        self._netlink.ask(Request(_DELETE, 0, _message(socket.AF_UNSPEC)))

    def get(self, key: bytes) -> Tracked | None:
        """The entry that has this tuple in either direction; see `key_of`."""
        (found,) = self.get_all([key])
        return found

    def get_all(self, keys: Sequence[bytes]) -> list[Tracked | None]:
        """The entry of each key."""
        found: list[Tracked | None] = []
        for start in range(0, len(keys), _BATCH):
            requests = [Request(_GET, 0, key) for key in keys[start : start + _BATCH]]
            for reply in self._netlink.ask_all(requests):
                # EINVAL: ICMP types that are no queries have no tuple.
                if reply.error not in (0, errno.ENOENT, errno.EINVAL):
                    raise OSError(reply.error, os.strerror(reply.error))
                found.append(None if reply.error else _read(reply.bodies[0]))
        return found

    def dump(self) -> list[Tracked]:
        """All entries that have not expired; this takes milliseconds, since the kernel looks at
        the whole table of the machine.
        """
        while True:
            (reply,) = self._netlink.ask_all([Request(_GET, DUMP, _message(socket.AF_UNSPEC))])
            if reply.error != errno.EINTR:
                break
        if reply.error:
            raise OSError(reply.error, os.strerror(reply.error))
        return [_read(body) for body in reply.bodies]

    def set_timeouts(self, wanted: Sequence[tuple[bytes, int]]) -> list[bool]:
        """Set what is left of entries, in seconds; 0 expires one.

        Tells for each whether the entry is there afterwards.
        """
        alive: list[bool] = []
        for start in range(0, len(wanted), _BATCH):
            requests: list[Request] = []
            for key, seconds in wanted[start : start + _BATCH]:
                body = key + attribute(_TIMEOUT, seconds.to_bytes(4, "big"))
                requests.append(Request(_NEW, 0, body))
                if not seconds:
                    # Whether it is gone; asking for it removes it from the table as well.
                    requests.append(Request(_GET, 0, key))
            for request, reply in zip(requests, self._netlink.ask_all(requests), strict=True):
                # ENOENT: what the entry was about has destroyed it. ETIME: it is being destroyed.
                if reply.error not in (0, errno.ENOENT, errno.ETIME):
                    raise OSError(reply.error, os.strerror(reply.error))
                if request.kind == _GET:
                    alive[-1] = not reply.error
                else:
                    alive.append(not reply.error)
        return alive


def icmp_code_of(entry: Tracked) -> int:
    """The code of ICMP that both tuples of an entry have; 0 for other protocols."""
    parts = dict(attributes(entry.key, 4))
    proto = dict(attributes(dict(attributes(parts[_TUPLE_ORIG]))[_TUPLE_PROTO]))
    return next((proto[kind][0] for kind in (_ICMP_ID + 2, _ICMPV6_ID + 2) if kind in proto), 0)


@lru_cache(maxsize=1 << 12)
def key_of(family: Family, protocol: int, addresses: bytes, ports: bytes, code: int = 0) -> bytes:
    """What finds the entry of a packet.

    `addresses` are source and destination, `ports` four bytes: of ICMP the identifier and the
    type, of protocols without ports none.
    """
    half = len(addresses) // 2
    first = _IP_V4_SRC if family is Family.IPV4 else _IP_V6_SRC
    parts = [attribute(_PROTO_NUM, bytes([protocol]))]
    if protocol in (ICMP, ICMPV6):
        kind = _ICMP_ID if protocol == ICMP else _ICMPV6_ID
        parts += [
            attribute(kind, ports[:2]),
            attribute(kind + 1, ports[3:]),
            attribute(kind + 2, bytes([code])),
        ]
    elif ports:
        parts += [attribute(_SRC_PORT, ports[:2]), attribute(_DST_PORT, ports[2:])]
    return _message(_IP_VERSION[family]) + nested(
        _TUPLE_ORIG,
        nested(
            _TUPLE_IP, attribute(first, addresses[:half]), attribute(first + 1, addresses[half:])
        ),
        nested(_TUPLE_PROTO, *parts),
    )


def _message(family: int) -> bytes:
    """The head of every nfnetlink message: struct nfgenmsg."""
    return bytes((family, 0, 0, 0))


def _read(body: bytes) -> Tracked:
    status = timeout = mark = start = 0
    tuples: dict[int, bytes] = {}
    zone = b""
    tcp = None
    for kind, value in attributes(body, 4):
        if kind in (_TUPLE_ORIG, _TUPLE_REPLY):
            tuples[kind] = value
        elif kind == _STATUS:
            status = int.from_bytes(value, "big")
        elif kind == _TIMEOUT:
            timeout = int.from_bytes(value, "big")
        elif kind == _PROTOINFO:
            tcp = _tcp_info(value)
        elif kind == _MARK:
            mark = int.from_bytes(value, "big")
        elif kind == _TIMESTAMP:
            start = next(
                (int.from_bytes(at, "big") for each, at in attributes(value) if each == 1), 0
            )
        elif kind == _ZONE:
            zone = attribute(_ZONE, value)
    protocol, orig = _ends(tuples[_TUPLE_ORIG])
    _, reply = _ends(tuples[_TUPLE_REPLY])
    key = _message(body[0]) + nested(_TUPLE_ORIG, tuples[_TUPLE_ORIG]) + zone
    return Tracked(key, protocol, orig, reply, status, timeout, mark, start, tcp)


@lru_cache(maxsize=1 << 12)
def _tcp_info(info: bytes) -> TcpInfo | None:
    for kind, value in attributes(info):
        if kind == _INFO_TCP:
            found = {each: data[0] for each, data in attributes(value)}
            return TcpInfo(
                found[_TCP_STATE],
                (found.get(_TCP_WSCALE, 0), found.get(_TCP_WSCALE + 1, 0)),
                (found.get(_TCP_FLAGS, 0), found.get(_TCP_FLAGS + 1, 0)),
            )
    return None


@lru_cache(maxsize=1 << 12)
def _ends(data: bytes) -> tuple[int, Ends]:
    """Protocol and ends of a tuple; of ICMP the identifier and the type stand for ports."""
    parts = dict(attributes(data))
    source, target = (value for _, value in _pairs(parts[_TUPLE_IP]))
    family = socket.AF_INET if len(source) == 4 else socket.AF_INET6
    proto = {kind: int.from_bytes(value, "big") for kind, value in _pairs(parts[_TUPLE_PROTO])}
    number = proto[_PROTO_NUM]
    ids = (_SRC_PORT, _DST_PORT)
    if number in (ICMP, ICMPV6):
        first = _ICMP_ID if number == ICMP else _ICMPV6_ID
        ids = first, first + 1
    sport, dport = (proto.get(each, 0) for each in ids)
    return number, (
        socket.inet_ntop(family, source),
        sport,
        socket.inet_ntop(family, target),
        dport,
    )


def _pairs(data: bytes) -> Iterable[tuple[int, bytes]]:
    return sorted(attributes(data))
