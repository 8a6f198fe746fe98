# SPDX-License-Identifier: GPL-2.0-only
"""Matches on the header of a packet: its length, its TTL, its type of service, its TCP options.

Source: net/netfilter/xt_length.c, xt_hl.c, xt_dscp.c, xt_ecn.c, xt_tcpmss.c, xt_tcpudp.c
(tcp_find_option), Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import eq, gt, lt
from typing import Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.matches.concrete import of_packet
from ctlint.model.netfilter.matches.predicate import Predicate, Row, Rows
from ctlint.model.netfilter.transit import Facts
from ctlint.wire.encoding import MSS, tcp_options, total_length
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.tcp_flags import TcpFlags

_NO_LENGTH: Final = "the packet's length is not known"
_NO_TOS: Final = "the packet's type of service is not known"
_NO_ECN: Final = "the ECN bits of the packet are not known"
NO_TCP_OPTIONS: Final = "the TCP options of the packet are not known"


def _length(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        test = partial(_has_length, *option.value)
        yield of_packet(option, test, _NO_LENGTH, HeaderField.LENGTH)


def _has_length(low: int, high: int, packet: Packet) -> bool:
    return low <= total_length(packet) <= high


def _hops(prefix: str, why: str) -> Row:
    """The match on the TTL or the hop limit, whose options begin with ``prefix``."""
    comparisons = {f"{prefix}-eq": eq, f"{prefix}-lt": lt, f"{prefix}-gt": gt}

    def row(match: Match, _: Facts) -> Iterator[Predicate]:
        for option in match.options:
            test = partial(_has_ttl, comparisons[option.name], option.value)
            yield of_packet(option, test, why, HeaderField.TTL)

    return row


def _has_ttl(compare: Callable[[int, int], bool], ttl: int, packet: Packet) -> bool:
    return compare(packet.ttl, ttl)


def _dscp(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        test = partial(_has_tos, option.value << 2, 0xFC)
        yield of_packet(option, test, _NO_TOS, HeaderField.DSCP)


def _tos(match: Match, _: Facts) -> Iterator[Predicate]:
    # A value with bits outside its mask equals nothing.
    for option in match.options:
        yield of_packet(option, partial(_has_tos, *option.value), _NO_TOS, HeaderField.TOS)


def _has_tos(value: int, mask: int, packet: Packet) -> bool:
    return packet.tos & mask == value


def _ecn(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        if option.name == "ecn-ip-ect":
            test = partial(_has_tos, option.value, 0x03)
            yield of_packet(option, test, _NO_ECN, HeaderField.TOS)
        else:
            flag = TcpFlags.CWR if option.name == "ecn-tcp-cwr" else TcpFlags.ECE
            yield of_packet(option, partial(_has_flag, flag), _NO_ECN)


def _has_flag(flag: TcpFlags, packet: Packet) -> bool:
    return bool((packet.flags or 0) & flag)


def _tcpmss(match: Match, _: Facts) -> Iterator[Predicate]:
    # A header without the option has no MSS that could be in the range.
    for option in match.options:
        test = partial(_has_mss, *option.value)
        yield of_packet(option, test, NO_TCP_OPTIONS, HeaderField.OPTIONS)


def _has_mss(low: int, high: int, packet: Packet) -> bool:
    return packet.options is not None and (
        packet.options.mss is not None and low <= packet.options.mss <= high
    )


def has_tcp_option(kind: int, packet: Packet) -> bool:
    """Port of tcp_find_option(): padding counts, too."""
    return kind in _kinds(packet.options)


def _kinds(options: TcpOptions | None) -> Iterator[int]:
    text = tcp_options(options)
    at = 0
    while at < len(text):
        yield text[at]
        at += 1 if text[at] < MSS else text[at + 1]


ROWS: Final[Rows] = {
    "dscp": _dscp,
    "ecn": _ecn,
    "hl": _hops("hl", "the packet's hop limit is not known"),
    "length": _length,
    "tcpmss": _tcpmss,
    "tos": _tos,
    "ttl": _hops("ttl", "the packet's TTL is not known"),
}
