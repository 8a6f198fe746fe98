# SPDX-License-Identifier: GPL-2.0-only
"""``-m ipv6header``. Source: libip6t_ipv6header of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match
from ctlint.parse.operands import Operand, tokens
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import PROTOCOL_NUMBERS

HEADERS = {
    "hop": 0,
    "dst": 60,
    "route": 43,
    "frag": 44,
    "auth": 51,
    "esp": 50,
    "none": 59,
    "prot": 255,
}
"""Headers by their short names; ``prot`` is any upper-layer protocol."""

_SHORT = {number: name for name, number in HEADERS.items()}
_BY_TEXT = {
    text: _SHORT[number]
    for text, number in {
        **{name: number for name, number in PROTOCOL_NUMBERS.items() if name != "all"},
        **HEADERS,
        **{str(number): number for number in _SHORT},
        "hop-by-hop": 0,
        "protocol": 255,
    }.items()
    if number in _SHORT
}


def _parse_header(text: str, _: Family) -> str:
    try:
        return _BY_TEXT[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is no extension header ({', '.join(HEADERS)})") from None


_HEADERS = tokens(Operand("one of " + ", ".join(HEADERS), _parse_header))


def _parse_headers(text: str, family: Family) -> tuple[str, ...]:
    headers: tuple[str, ...] = _HEADERS.parse(text, family)
    if not headers:
        raise ValueError("no header is named")
    return headers


EXTENSIONS = (
    match(
        "ipv6header",
        OptionSpec(
            "header",
            (Operand(_HEADERS.expected, _parse_headers, _HEADERS.format),),
            negatable=True,
            required=True,
        ),
        OptionSpec("soft"),
        families=IPV6_ONLY,
    ),
)
