# SPDX-License-Identifier: GPL-2.0-only
"""``-m mh``, the Mobile IPv6 mobility header. Source: libip6t_mh of iptables 1.8.11."""

from __future__ import annotations

from ctlint.ir.values import Range
from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match
from ctlint.parse.operands import UINT8, Operand, format_range, parse_integer
from ctlint.wire.addresses import Family

MOBILITY_HEADER = 135

# RFC 6275, section 6.1. The order decides what an abbreviation stands for: ``home-t`` is the
# first name that starts so.
_TYPES = {
    "binding-refresh-request": 0,
    "brr": 0,
    "home-test-init": 1,
    "hoti": 1,
    "careof-test-init": 2,
    "coti": 2,
    "home-test": 3,
    "hot": 3,
    "careof-test": 4,
    "cot": 4,
    "binding-update": 5,
    "bu": 5,
    "binding-acknowledgement": 6,
    "ba": 6,
    "binding-error": 7,
    "be": 7,
}


def _parse_type(word: str) -> int:
    name = word.lower()
    if name in _TYPES:
        return _TYPES[name]
    if name and name[0].isalpha():
        for known, number in _TYPES.items():
            if known.startswith(name):
                return number
        raise ValueError(f"{word!r} is no mobility header type")
    return parse_integer(word, 0, UINT8)


def _parse_types(word: str, _: Family) -> Range:
    first, colon, last = word.partition(":")
    if not colon:
        number = _parse_type(word)
        return Range(number, number)
    result = Range(_parse_type(first) if first else 0, _parse_type(last) if last else UINT8)
    if result.low > result.high:
        raise ValueError(f"the range {word} is empty")
    return result


_MH_TYPES = Operand("a mobility header type or a range of them", _parse_types, format_range)

EXTENSIONS = (
    match(
        "mh",
        OptionSpec("mh-type", (_MH_TYPES,), negatable=True),
        families=IPV6_ONLY,
        protocols=(MOBILITY_HEADER,),
    ),
)
