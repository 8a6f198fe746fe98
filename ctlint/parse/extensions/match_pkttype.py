# SPDX-License-Identifier: GPL-2.0-only
"""``-m pkttype``, the packet type of the link layer. Source: libxt_pkttype of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import Operand, choice
from ctlint.wire.addresses import Family

PACKET_TYPES = ("unicast", "broadcast", "multicast", "otherhost")
_ALIASES = {"host": "unicast", "bcast": "broadcast", "mcast": "multicast"}
_TYPE = choice(PACKET_TYPES, ignore_case=True)


def _parse_type(word: str, family: Family) -> str:
    name: str = _TYPE.parse(_ALIASES.get(word.lower(), word), family)
    return name


EXTENSIONS = (
    match(
        "pkttype",
        OptionSpec(
            "pkt-type", (Operand(_TYPE.expected, _parse_type),), negatable=True, required=True
        ),
    ),
)
