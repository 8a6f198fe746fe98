# SPDX-License-Identifier: GPL-2.0-only
"""Reads the elements of sets: what may stand in an ``add`` line, by the type of the set.

Source: ipset(8), and what ipset 7.17 answers on Linux 6.18; net/netfilter/ipset/ for what an
element must be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

from ctlint.ir.ipset import Element, Interface, Part, Service
from ctlint.parse.extensions.match_icmp import ICMP_TYPES
from ctlint.parse.extensions.match_icmp6 import ICMPV6_TYPES
from ctlint.wire.addresses import Family, Net, parse_exact_address
from ctlint.wire.networks import cover
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP, parse_port, parse_protocol

_NUMERIC: Final = re.compile(r"[0-9./-]+|[0-9A-Fa-f.:/-]*:[0-9A-Za-z.:/%-]*")
_MAC: Final = re.compile(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}")
_WITH_PORTS: Final = frozenset({TCP, UDP, 132, 136})
"""TCP, UDP, SCTP, UDP-Lite (ip_set_proto_with_ports())."""

TYPES: Final = {
    name: tuple(name.partition(":")[2].split(","))
    for name in (
        *("hash:ip", "hash:net", "hash:ip,port", "hash:net,port", "hash:ip,port,ip"),
        *("hash:ip,port,net", "hash:net,port,net", "hash:net,net", "hash:net,iface"),
        *("hash:ip,mark", "hash:mac", "hash:ip,mac", "bitmap:ip", "bitmap:ip,mac"),
        *("bitmap:port", "list:set"),
    )
}
"""The types of Linux 6.18, and the dimensions of each."""

_EMPTY_PREFIX: Final = frozenset({"hash:net,iface", "hash:net,net", "hash:net,port,net"})
"""Types whose networks may hold all addresses."""


MOST_AT_ONCE: Final = 1 << 20
"""Elements that one line with ranges may stand for; more would need memory without bound."""


class InvalidElementError(Exception):
    """A value that the set cannot have or hold."""


class UnresolvedError(Exception):
    """A host's name, which stands for whatever a resolver says when the set is loaded."""


class SetType(NamedTuple):
    """What decides how an element of a set is read; see :class:`ctlint.ir.ipset.Ipset`."""

    name: str
    family: Family
    mask: int
    mark_mask: int
    range: tuple[int, int] | None
    max_elements: int


def element_net(text: str, kind: SetType) -> Iterator[Net]:
    """The networks that an element of a set of one address stands for.

    Raises InvalidElementError, UnresolvedError.
    """
    family = kind.family
    low, high = address_range(text, family)
    if kind.name == "hash:net":
        if high - low == family.full_mask:
            raise InvalidElementError(f"{text}: a hash:net cannot hold all addresses")
    else:
        _require_range(low, high, text, kind)
    is_range = low != high and (kind.name == "hash:ip" or "/" not in text)
    if is_range and family is Family.IPV6:
        raise InvalidElementError(f"{text}: only IPv4 elements may be ranges")
    for part in cover(low, high, family):
        net = Net(family, part.address & kind.mask, part.mask & kind.mask)
        if kind.name == "hash:ip" and net.address == 0:
            raise InvalidElementError(f"{text}: a hash:ip cannot hold the address zero")
        yield net


def elements(text: str, kind: SetType, *, is_wildcard: bool = False) -> Iterator[Element]:
    """The elements of a set of several dimensions that an element with ranges stands for.

    Raises InvalidElementError, UnresolvedError.
    """
    parts = TYPES[kind.name]
    words = text.split(",")
    if len(words) > len(parts):
        raise InvalidElementError(f"{text[:60]}: more than {len(parts)} parts")
    if kind.name == "bitmap:ip,mac" and len(words) == 1:
        words.append("")
    if len(words) < len(parts):
        raise InvalidElementError(f"{text[:60]}: fewer than {len(parts)} parts")
    found: list[list[Part]] = []
    most = min(kind.max_elements, MOST_AT_ONCE)
    size = 1
    for number, (part, word) in enumerate(zip(parts, words, strict=True)):
        values = _part(part, word, kind, is_first=number == 0, is_wildcard=is_wildcard)
        found.append([])
        for value in values:
            found[-1].append(value)
            if size * len(found[-1]) > most:
                raise InvalidElementError(f"{text[:60]}: more than {most:,} elements")
        size *= len(found[-1])
    yield from product(*found)


def _part(
    part: str, word: str, kind: SetType, *, is_first: bool, is_wildcard: bool
) -> Iterator[Part]:
    if part == "ip":
        yield from _hosts(word, kind, is_first=is_first)
    elif part == "net":
        yield from _nets(word, kind)
    elif part == "port":
        if kind.name == "bitmap:port":
            yield from _bitmap_ports(word, kind)
        else:
            yield from _services(word)
    elif part == "iface":
        yield _interface(word, is_wildcard=is_wildcard)
    elif part == "mark":
        yield parse_number(word, (1 << 32) - 1) & kind.mark_mask
    else:
        yield _mac(word, kind)


def _hosts(word: str, kind: SetType, *, is_first: bool) -> Iterator[Net]:
    family = kind.family
    low, high = address_range(word, family)
    is_range = "/" in word or "-" in word
    if is_range and (family is Family.IPV6 or not is_first):
        raise InvalidElementError(f"{word[:60]}: a plain address is needed")
    if kind.name == "bitmap:ip,mac":
        _require_range(low, high, word, kind)
    for address in range(low, high + 1):
        masked = address & kind.mask
        if masked == 0 and kind.name == "hash:ip,port":
            raise InvalidElementError(f"{word[:60]}: a hash:ip,port cannot hold the address zero")
        yield Net(family, masked, family.full_mask)


def _require_range(low: int, high: int, word: str, kind: SetType) -> None:
    if kind.range is not None and (low < kind.range[0] or high > kind.range[1]):
        raise InvalidElementError(f"{word[:60]} is out of the range of the set")


def _nets(word: str, kind: SetType) -> Iterator[Net]:
    family = kind.family
    low, high = address_range(word, family)
    if high - low == family.full_mask and kind.name not in _EMPTY_PREFIX:
        raise InvalidElementError(f"{word[:60]}: a {kind.name} cannot hold all addresses")
    if family is Family.IPV6 and low != high and "/" not in word:
        raise InvalidElementError(f"{word[:60]}: only IPv4 elements may be ranges")
    for net in cover(low, high, family):
        yield Net(family, net.address & kind.mask, net.mask)


def _services(word: str) -> Iterator[Service]:
    name, colon, rest = word.partition(":")
    try:
        protocol = parse_protocol(name) if colon else TCP
    except ValueError as error:
        raise InvalidElementError(str(error)) from None
    ports = rest if colon else word
    if protocol == 0:
        raise InvalidElementError(f"{word[:60]}: the protocol must be named")
    if protocol in (ICMP, ICMPV6):
        yield Service(protocol, _icmp(ports, protocol))
    elif protocol in _WITH_PORTS:
        first, last = port_range(ports)
        for port in range(first, last + 1):
            yield Service(protocol, port)
    elif ports != "0":
        raise InvalidElementError(f"{word[:60]}: this protocol has port 0 only")
    else:
        yield Service(protocol, 0)


def _icmp(text: str, protocol: int) -> int:
    found = (ICMP_TYPES if protocol == ICMP else ICMPV6_TYPES).get(text.lower())
    if found is not None:
        return found.type << 8 | found.code_low
    kind, slash, code = text.partition("/")
    if not slash:
        raise InvalidElementError(f"{text[:40]!r} is no type and code of ICMP")
    return parse_number(kind, 255) << 8 | parse_number(code, 255)


def port_range(text: str) -> tuple[int, int]:
    """Read ``PORT`` or ``PORT-PORT``, in either order. Raises InvalidElementError."""
    try:
        try:
            port = parse_port(text)
        except ValueError:
            first, dash, last = text.partition("-")
            if not dash:
                raise
            one, other = parse_port(first), parse_port(last)
            return min(one, other), max(one, other)
    except ValueError as error:
        raise InvalidElementError(str(error)) from None
    return port, port


def _bitmap_ports(word: str, kind: SetType) -> Iterator[int]:
    name, colon, rest = word.partition(":")
    if colon and name.lower() not in ("tcp", "udp", "sctp", "udplite"):
        raise InvalidElementError(f"{word[:60]!r} is no port")
    low, high = port_range(rest if colon else word)
    _require_range(low, high, word, kind)
    yield from range(low, high + 1)


def _interface(word: str, *, is_wildcard: bool) -> Interface:
    name = word.removeprefix("physdev:")
    if not name or len(name.encode("utf-8", "surrogateescape")) > 15:
        raise InvalidElementError(f"{word[:40]!r} is no interface: a name has 1 to 15 bytes")
    return Interface(name, is_wildcard, name != word)


def _mac(word: str, kind: SetType) -> int | None:
    if not word and kind.name == "bitmap:ip,mac":
        return None
    if not _MAC.fullmatch(word):
        raise InvalidElementError(f"{word[:40]!r} is no MAC address")
    value = 0
    for octet in word.split(":"):
        value = value << 8 | int(octet, 16)
    if value == 0 and kind.name != "bitmap:ip,mac":
        raise InvalidElementError(f"a {kind.name} cannot hold the MAC address zero")
    return value


def parse_number(text: str, most: int) -> int:
    """Read a number as strtoull(…, 0) does. Raises InvalidElementError."""
    try:
        if text[:2] in ("0x", "0X"):
            value = int(text[2:25], 16)
        elif text.isascii() and text.isdigit() and len(text) < 21:
            value = int(text, 8 if text[0] == "0" else 10)
        else:
            raise ValueError
    except ValueError:
        raise InvalidElementError(f"{text[:40]!r} is no number") from None
    if not 0 <= value <= most:
        raise InvalidElementError(f"{text[:40]} is more than {most}")
    return value


def address_range(text: str, family: Family) -> tuple[int, int]:
    """First and last address of ``A``, ``A/LENGTH`` or ``A-B``.

    Raises InvalidElementError, UnresolvedError for a host's name.
    """
    address, slash, length = text.partition("/")
    low = read_address(address, family)
    if low is not None:
        if not slash:
            return low, low
        is_number = length.isascii() and length.isdigit() and len(length) < 4
        if not is_number or int(length) > family.bits:
            raise InvalidElementError(f"{text[:60]}: a prefix length is 0 to {family.bits}")
        free = (1 << family.bits - int(length)) - 1
        return low & ~free, low | free
    first, dash, last = text.partition("-")
    if dash and not slash:
        low, high = read_address(first, family), read_address(last, family)
        if low is not None and high is not None:
            # As ipset does, the two may stand in either order.
            return min(low, high), max(low, high)
    if _NUMERIC.fullmatch(text) or not text:
        name = "IPv4" if family is Family.IPV4 else "IPv6"
        raise InvalidElementError(f"{text[:60]!r} is no {name} address or network")
    raise UnresolvedError(f"the address of {text!r} is not known")


def read_address(text: str, family: Family) -> int | None:
    """An address written in full; None for anything else."""
    try:
        return parse_exact_address(text, family)
    except ValueError:
        return None
