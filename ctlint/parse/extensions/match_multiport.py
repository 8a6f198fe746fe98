# SPDX-License-Identifier: GPL-2.0-only
"""``-m multiport``. Source: libxt_multiport of iptables 1.8.11, revision 1."""

from __future__ import annotations

from ctlint.ir.values import Range
from ctlint.parse.extension import OptionSpec, match, one_of
from ctlint.parse.operands import Operand, format_range
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP, UDP, parse_port

MOST_SLOTS = 15
"""XT_MULTI_PORTS: a port takes one slot, a range two."""

_DCCP, _SCTP, _UDPLITE = 33, 132, 136


def _parse_item(word: str) -> Range:
    first, colon, last = word.partition(":")
    low = parse_port(first)
    if not colon:
        return Range(low, low)
    high = parse_port(last)
    if low >= high:
        raise ValueError(f"the port range {word} is empty")
    return Range(low, high)


def _parse_ports(word: str, _: Family) -> tuple[Range, ...]:
    ports = tuple(_parse_item(part) for part in word.split(","))
    slots = sum(1 if port.low == port.high else 2 for port in ports)
    if slots > MOST_SLOTS:
        raise ValueError(f"{slots} slots, at most {MOST_SLOTS} fit: a port takes one, a range two")
    return ports


def _format_ports(ports: tuple[Range, ...]) -> str:
    return ",".join(map(format_range, ports))


_PORTS = Operand("a list of ports and port ranges", _parse_ports, _format_ports)
_NAMES = ("sports", "dports", "ports")


def _option(name: str, canonical: str = "") -> OptionSpec:
    return OptionSpec(name, (_PORTS,), negatable=True, canonical=canonical, excludes=_NAMES)


EXTENSIONS = (
    match(
        "multiport",
        _option("source-ports", "sports"),
        _option("sports"),
        _option("destination-ports", "dports"),
        _option("dports"),
        _option("ports"),
        protocols=(TCP, UDP, _UDPLITE, _SCTP, _DCCP),
        check=one_of(*_NAMES),
    ),
)
