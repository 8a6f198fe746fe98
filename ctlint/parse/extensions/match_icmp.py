# SPDX-License-Identifier: GPL-2.0-only
"""``-m icmp``. Source: libipt_icmp of iptables 1.8.11 (names: extensions/libxt_icmp.h)."""

from __future__ import annotations

from collections.abc import Mapping

from ctlint.ir.values import IcmpType, Range
from ctlint.parse.extension import IPV4_ONLY, OptionSpec, match
from ctlint.parse.operands import UINT8, Operand, parse_integer
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import ICMP

ICMP_TYPES: Mapping[str, IcmpType] = {
    "any": IcmpType(255),
    "echo-reply": IcmpType(0),
    "pong": IcmpType(0),
    "destination-unreachable": IcmpType(3),
    "network-unreachable": IcmpType(3, 0, 0),
    "host-unreachable": IcmpType(3, 1, 1),
    "protocol-unreachable": IcmpType(3, 2, 2),
    "port-unreachable": IcmpType(3, 3, 3),
    "fragmentation-needed": IcmpType(3, 4, 4),
    "source-route-failed": IcmpType(3, 5, 5),
    "network-unknown": IcmpType(3, 6, 6),
    "host-unknown": IcmpType(3, 7, 7),
    "network-prohibited": IcmpType(3, 9, 9),
    "host-prohibited": IcmpType(3, 10, 10),
    "tos-network-unreachable": IcmpType(3, 11, 11),
    "tos-host-unreachable": IcmpType(3, 12, 12),
    "communication-prohibited": IcmpType(3, 13, 13),
    "host-precedence-violation": IcmpType(3, 14, 14),
    "precedence-cutoff": IcmpType(3, 15, 15),
    "source-quench": IcmpType(4),
    "redirect": IcmpType(5),
    "network-redirect": IcmpType(5, 0, 0),
    "host-redirect": IcmpType(5, 1, 1),
    "tos-network-redirect": IcmpType(5, 2, 2),
    "tos-host-redirect": IcmpType(5, 3, 3),
    "echo-request": IcmpType(8),
    "ping": IcmpType(8),
    "router-advertisement": IcmpType(9),
    "router-solicitation": IcmpType(10),
    "time-exceeded": IcmpType(11),
    "ttl-exceeded": IcmpType(11),
    "ttl-zero-during-transit": IcmpType(11, 0, 0),
    "ttl-zero-during-reassembly": IcmpType(11, 1, 1),
    "parameter-problem": IcmpType(12),
    "ip-header-bad": IcmpType(12, 0, 0),
    "required-option-missing": IcmpType(12, 1, 1),
    "timestamp-request": IcmpType(13),
    "timestamp-reply": IcmpType(14),
    "address-mask-request": IcmpType(17),
    "address-mask-reply": IcmpType(18),
}


def _parse_range(text: str) -> Range:
    low, colon, high = text.partition(":")
    first = parse_integer(low, 0, UINT8)
    return Range(first, parse_integer(high, 0, UINT8) if colon else first)


def icmp_type(names: Mapping[str, IcmpType]) -> Operand:
    """``NAME``, which may be cut short, ``TYPE`` or ``TYPE/CODE``, where a code may be ``A:B``."""

    def parse(text: str, _: Family) -> IcmpType:
        found = [name for name in names if name.startswith(text.lower())]
        if len(found) > 1:
            raise ValueError(f"{text!r} may stand for {found[0]} and {found[1]}")
        if found:
            return names[found[0]]
        kind, slash, code = text.partition("/")
        if not kind[:1].isdigit():
            raise ValueError(f"unknown type {text!r}")
        types = _parse_range(kind)
        if types.low != types.high:
            raise ValueError("one type is expected, not a range")
        return IcmpType(types.low, *_parse_range(code)) if slash else IcmpType(types.low)

    def show(value: IcmpType) -> str:
        if value == names.get("any"):
            return "any"
        if (value.code_low, value.code_high) == (0, UINT8):
            return str(value.type)
        if value.code_low == value.code_high:
            return f"{value.type}/{value.code_low}"
        return f"{value.type}/{value.code_low}:{value.code_high}"

    return Operand("a type's name, TYPE or TYPE/CODE", parse, show)


EXTENSIONS = (
    match(
        "icmp",
        OptionSpec("icmp-type", (icmp_type(ICMP_TYPES),), negatable=True, required=True),
        families=IPV4_ONLY,
        protocols=(ICMP,),
    ),
)
