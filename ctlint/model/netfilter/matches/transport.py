# SPDX-License-Identifier: GPL-2.0-only
"""Ports, flags and types: matches on the transport header.

Source: net/netfilter/xt_tcpudp.c and xt_multiport.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Final

from ctlint.ir.rule import Match, Option
from ctlint.ir.values import IcmpType
from ctlint.model.netfilter.matches.concrete import of_packet
from ctlint.model.netfilter.matches.header import NO_TCP_OPTIONS, has_tcp_option
from ctlint.model.netfilter.matches.predicate import (
    Predicate,
    Row,
    Rows,
    needs_protocol,
    of_option,
)
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.header_field import HeaderField
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP


def _port(option: Option, field: Field) -> Predicate:
    low, high = option.value.low, option.value.high
    exact = (field, low) if low == high else None
    if field is Field.SPORT:
        return of_option(option, lambda t: low <= (t.packet.sport or 0) <= high, field, exact=exact)
    return of_option(option, lambda t: low <= (t.packet.dport or 0) <= high, field, exact=exact)


def _tcp(match: Match, _: Facts) -> Iterator[Predicate]:
    yield needs_protocol(TCP)
    for option in match.options:
        if option.name == "sport":
            yield _port(option, Field.SPORT)
        elif option.name == "dport":
            yield _port(option, Field.DPORT)
        elif option.name == "syn":
            yield _flags(option, 0x17, 0x02)
        elif option.name == "tcp-flags":
            mask, wanted = option.value
            yield _flags(option, mask, wanted)
        else:
            test = partial(has_tcp_option, option.value)
            yield of_packet(option, test, NO_TCP_OPTIONS, HeaderField.OPTIONS)


@cache
def _flags(option: Option, mask: int, wanted: int) -> Predicate:
    """One predicate for all rules: a question then decides it once."""
    return of_option(option, partial(_has_flags, mask, wanted), Field.FLAGS)


def _has_flags(mask: int, wanted: int, transit: Transit) -> bool:
    return int(transit.packet.flags or 0) & mask == wanted


def _udp(match: Match, _: Facts) -> Iterator[Predicate]:
    yield needs_protocol(UDP)
    for option in match.options:
        yield _port(option, Field.SPORT if option.name == "sport" else Field.DPORT)


def _multiport(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        ranges = tuple((r.low, r.high) for r in option.value)
        if option.name == "sports":
            yield of_option(option, partial(_in_ranges, ranges, "sport"), Field.SPORT)
        elif option.name == "dports":
            yield of_option(option, partial(_in_ranges, ranges, "dport"), Field.DPORT)
        else:
            yield of_option(
                option,
                lambda t, ranges=ranges: (  # type: ignore[misc]
                    _in_ranges(ranges, "sport", t) or _in_ranges(ranges, "dport", t)
                ),
                Field.SPORT,
                Field.DPORT,
            )


def _in_ranges(ranges: tuple[tuple[int, int], ...], attribute: str, transit: Transit) -> bool:
    port = getattr(transit.packet, attribute)
    return port is not None and any(low <= port <= high for low, high in ranges)


def _icmp(protocol: int) -> Row:
    def row(match: Match, _: Facts) -> Iterator[Predicate]:
        yield needs_protocol(protocol)
        for option in match.options:
            yield of_option(option, partial(_is_icmp, option.value), Field.ICMP)

    return row


def _is_icmp(wanted: IcmpType, transit: Transit) -> bool | None:
    if wanted.type == _ANY_ICMP and transit.packet.protocol == ICMP:
        return True
    kind, code = transit.packet.icmp_type, transit.packet.icmp_code
    if kind is None or code is None:
        return None
    return kind == wanted.type and wanted.code_low <= code <= wanted.code_high


_ANY_ICMP: Final = 255


ROWS: Final[Rows] = {
    "tcp": _tcp,
    "udp": _udp,
    "icmp": _icmp(ICMP),
    "icmp6": _icmp(ICMPV6),
    "multiport": _multiport,
}
