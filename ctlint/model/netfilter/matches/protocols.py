# SPDX-License-Identifier: GPL-2.0-only
"""Matches on the headers of other protocols than TCP, UDP and ICMP, and on those that IPv6 puts
before them.

Packets here have no IPv6 extension headers but as their protocol, and conntrack puts fragments
together first. The kernel drops a packet whose header is cut off, whatever the rule says; no
condition can say so, and it is left open.

Source: net/netfilter/xt_esp.c, xt_ipcomp.c, xt_sctp.c, xt_dccp.c, net/ipv4/netfilter/ipt_ah.c,
net/ipv6/netfilter/ip6t_ah.c, ip6t_mh.c, ip6t_ipv6header.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from ctlint.ir.rule import Match, Option
from ctlint.ir.values import Range
from ctlint.model.netfilter.matches.concrete import of_packet
from ctlint.model.netfilter.matches.predicate import Predicate, Row, Rows, constant
from ctlint.model.netfilter.transit import Facts
from ctlint.wire.addresses import Family
from ctlint.wire.encoding import encode
from ctlint.wire.packet import Packet

_ESP, _AH, _NO_NEXT = 50, 51, 59
_HEADER_FLAGS: Final = {
    **{"hop": 0x80, "dst": 0x40, "route": 0x20, "frag": 0x10},
    **{"auth": 0x08, "esp": 0x04, "none": 0x02, "prot": 0x01},
}
"""MASK_* of linux/netfilter_ipv6/ip6t_ipv6header.h."""

_WHY: Final = "the header is not known, or cut off"


def _of_header(
    option: Option, size: int, test: Callable[[bytes, Packet], bool | None]
) -> Predicate:
    """A predicate on the bytes behind the IP header, of which there must be so many."""

    def run(packet: Packet) -> bool | None:
        encoding = encode(packet)
        if encoding is None:
            return None
        header = encoding.data[encoding.transport :]
        return None if len(header) < size else test(header, packet)

    return of_packet(option, run, _WHY)


def _whole(size: int) -> Predicate:
    """The condition that no header of a match is cut off."""
    return _of_header(Option("header"), size, _is_there)


def _is_there(_: bytes, __: Packet) -> bool:
    return True


def _number(at: int, size: int, wanted: Range, header: bytes, _: Packet) -> bool:
    return int.from_bytes(header[at : at + size], "big") in wanted


def _esp(match: Match, _: Facts) -> Iterator[Predicate]:
    yield _whole(8)
    for option in match.options:
        yield _of_header(option, 8, partial(_number, 0, 4, option.value))


def _ah(match: Match, _: Facts) -> Iterator[Predicate]:
    yield _of_header(Option("ah"), 0, _has_whole_ah)
    for option in match.options:
        if option.name == "ahspi":
            yield _of_header(option, 12, partial(_number, 4, 4, option.value))
        elif option.name == "ahres":
            yield _of_header(option, 12, _is_reserved_clear)
        elif option.value:
            # A length of 0 asks for nothing, negated or not.
            yield _of_header(option, 12, partial(_has_ah_length, option.value))


def _has_whole_ah(header: bytes, packet: Packet) -> bool | None:
    if packet.family is Family.IPV4:
        return True if len(header) >= 12 else None
    if packet.protocol != _AH:
        return False
    return True if len(header) >= 12 and len(header) >= _ah_length(header) else None


def _is_reserved_clear(header: bytes, _: Packet) -> bool:
    return header[2:4] == bytes(2)


def _has_ah_length(wanted: int, header: bytes, _: Packet) -> bool:
    return _ah_length(header) == wanted


def _ah_length(header: bytes) -> int:
    return header[1] + 2 << 2


def _ipcomp(match: Match, _: Facts) -> Iterator[Predicate]:
    # Without an index the range is the single one 0.
    option = match.get("ipcompspi") or Option("ipcompspi", Range(0, 0))
    yield _of_header(option, 4, partial(_number, 2, 2, option.value))


def _mh(match: Match, _: Facts) -> Iterator[Predicate]:
    # A header that says that another follows is dropped as well.
    yield _of_header(Option("mh"), 6, _is_last)
    for option in match.options:
        yield _of_header(option, 6, partial(_number, 2, 1, option.value))


def _is_last(header: bytes, _: Packet) -> bool | None:
    return True if header[0] == _NO_NEXT else None


def _with_ports(size: int, rest: Callable[[Match], Iterator[Predicate]]) -> Row:
    """A protocol whose header begins with ports and has so many bytes at least."""

    def row(match: Match, _: Facts) -> Iterator[Predicate]:
        yield _whole(size)
        for option in match.options:
            if option.name in ("sport", "dport"):
                at = 0 if option.name == "sport" else 2
                yield _of_header(option, size, partial(_number, at, 2, option.value))
        yield from rest(match)

    return row


_SCTP_HEADER: Final = 12
_Chunk = tuple[int, int, int]
"""A chunk type; of its flags those in the mask (last) must be as said."""


def _sctp_chunks(match: Match) -> Iterator[Predicate]:
    option = match.get("chunk-types")
    if option is not None:
        how, chunks = option.value
        yield _of_header(option, _SCTP_HEADER, partial(_has_chunks, how, chunks))


def _has_chunks(how: str, wanted: Sequence[_Chunk], header: bytes, _: Packet) -> bool | None:
    """Port of match_packet()."""
    flags = {kind: (value, mask) for kind, value, mask in wanted}
    missing = set(flags)
    at = _SCTP_HEADER
    while True:
        chunk = header[at : at + 4]
        length = int.from_bytes(chunk[2:4], "big")
        if len(chunk) < 4 or length == 0:
            return None
        at += length + 3 & ~3
        value, mask = flags.get(chunk[0], (0, 0))
        fits = chunk[0] in flags and chunk[1] & mask == value
        if fits and how == "any":
            return True
        if fits:
            missing.discard(chunk[0])
        elif how == "only":
            return False
        if at >= len(header):
            return how == "only" or (how == "all" and not missing)


_DCCP_TYPES: Final = (
    *("REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC"),
    "SYNCACK",
)


def _dccp_rest(match: Match) -> Iterator[Predicate]:
    for option in match.options:
        if option.name == "dccp-types":
            yield _of_header(option, 12, partial(_is_dccp_type, option.value))
        elif option.name == "dccp-option":
            yield _of_header(option, 12, partial(_has_dccp_option, option.value))


def _is_dccp_type(wanted: Sequence[str], header: bytes, _: Packet) -> bool:
    kind = header[8] >> 1 & 15
    name = _DCCP_TYPES[kind] if kind < len(_DCCP_TYPES) else "INVALID"
    return name in wanted


def _has_dccp_option(kind: int, header: bytes, _: Packet) -> bool | None:
    """Port of dccp_find_option()."""
    has_long_sequence = header[8] & 1
    at = 12 + 4 * has_long_sequence + _DCCP_MORE.get(header[8] >> 1 & 15, 12)
    end = header[4] * 4
    if end < at or len(header) < end:
        return None
    while at < end:
        if header[at] == kind:
            return True
        at += 1 if header[at] < 2 or at == end - 1 else header[at + 1] or 1
    return False


_DCCP_MORE: Final = {0: 4, 1: 12, 2: 0, 3: 8, 4: 8, 5: 8, 6: 8, 8: 8, 9: 8}
"""Bytes of a header of a type beyond those that all have (RFC 4340, section 5)."""


def _ipv6header(match: Match, _: Facts) -> Iterator[Predicate]:
    is_soft = match.get("soft") is not None
    for option in match.options:
        if option.name == "header":
            wanted = sum({_HEADER_FLAGS[name] for name in option.value})
            # Softly negated, none of the headers may be there.
            asked = option._replace(negated=False) if is_soft else option
            test = partial(_has_headers, wanted, is_soft, option.negated)
            yield of_packet(asked, test, "the extension headers of the packet are not known")


def _has_headers(wanted: int, is_soft: bool, negated: bool, packet: Packet) -> bool | None:
    """Port of ipv6header_mt6() for packets whose protocol is all that they have."""
    if packet.protocol == _AH or (packet.protocol == _ESP and packet.payload < 2):
        # What stands behind it is not followed here, and a header cut off is no match either way.
        return None
    there = {_ESP: "esp", _NO_NEXT: "none"}.get(packet.protocol, "prot")
    found = _HEADER_FLAGS[there]
    if not is_soft:
        return found == wanted
    return found & wanted == (0 if negated else wanted)


def _absent(_: Match, __: Facts) -> Iterator[Predicate]:
    yield constant(False)


ROWS: Final[Rows] = {
    "ah": _ah,
    "dccp": _with_ports(12, _dccp_rest),
    "dst": _absent,
    "esp": _esp,
    "frag": _absent,
    "hbh": _absent,
    "ipcomp": _ipcomp,
    "ipv6header": _ipv6header,
    "mh": _mh,
    "rt": _absent,
    "sctp": _with_ports(_SCTP_HEADER, _sctp_chunks),
    "srh": _absent,
}
