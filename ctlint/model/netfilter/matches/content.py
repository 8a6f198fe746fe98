# SPDX-License-Identifier: GPL-2.0-only
"""Matches on the bytes of a packet, from its IP header on.

What is not known of them (`ctlint.wire.encoding`) leaves a match open only where it matters.

Source: net/netfilter/xt_u32.c, xt_string.c, skb_find_text() in net/core/skbuff.c, lib/ts_bm.c,
lib/ts_kmp.c and lib/ctype.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from ctlint.ir.rule import Match
from ctlint.ir.values import Range
from ctlint.model.netfilter.matches.concrete import of_packet
from ctlint.model.netfilter.matches.predicate import Predicate, Rows
from ctlint.model.netfilter.transit import Facts
from ctlint.wire.encoding import Encoding, encode
from ctlint.wire.packet import Packet

_WORD: Final = 4
_ALL_BITS: Final = 0xFFFFFFFF
_NO_BYTES: Final = "depends on the packet's bytes"
_NO_PAYLOAD: Final = "depends on the payload"


_Test = tuple[int, Sequence[tuple[str, int]], Sequence[Range]]
"""The word at an offset, changed by steps in order (`&`, `<<`, `>>` with the value so far, or `@`:
move the start by it and read again), must be in one of the ranges.
"""


def _u32(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        yield of_packet(option, partial(_passes_tests, option.value), _NO_BYTES)


def _passes_tests(tests: Sequence[_Test], packet: Packet) -> bool | None:
    encoding = encode(packet)
    if encoding is None:
        return None
    truths = [_passes(test, encoding) for test in tests]
    if False in truths:
        return False
    return None if None in truths else True


def _passes(test: _Test, encoding: Encoding) -> bool | None:
    """Port of u32_match_it() for one test, with the bits that are not known beside the value."""
    offset, steps, wanted = test
    start = 0
    if offset > len(encoding.data) - _WORD:
        return False
    value, unknown = _word(encoding, offset)
    for operator, number in steps:
        if operator == "&":
            value, unknown = value & number, unknown & number
        elif operator == "<<":
            value, unknown = value << number & _ALL_BITS, unknown << number & _ALL_BITS
        elif operator == ">>":
            value, unknown = value >> number, unknown >> number
        elif unknown:
            return None
        else:
            start += value
            if start + number > len(encoding.data) - _WORD:
                return False
            value, unknown = _word(encoding, start + number)
    ranges = [(low, high) for low, high in wanted if low <= high]
    least, most = value, value | unknown
    if any(low <= least and most <= high for low, high in ranges):
        return True
    return None if any(low <= most and least <= high for low, high in ranges) else False


def _word(encoding: Encoding, at: int) -> tuple[int, int]:
    unknown = bytes(encoding.unknown.get(at + place, 0) for place in range(_WORD))
    return int.from_bytes(encoding.data[at : at + _WORD], "big"), int.from_bytes(unknown, "big")


def _string(match: Match, _: Facts) -> Iterator[Predicate]:
    values = {option.name: option.value for option in match.options}
    window = values.get("from", 0), values.get("to", 0xFFFF)
    folding = _UPPER if "icase" in values else _SAME
    for option in match.options:
        if option.name in ("string", "hex-string"):
            test = partial(_has_text, option.value.translate(folding), window, folding)
            yield of_packet(option, test, _NO_PAYLOAD)


_SAME: Final = bytes(range(256))
_UPPER: Final = bytes(
    byte - 32 if byte in b"abcdefghijklmnopqrstuvwxyz" or 223 <= byte != 247 else byte
    for byte in range(256)
)
"""The kernel's toupper(), which takes bytes for Latin-1."""


def _has_text(
    pattern: bytes, window: tuple[int, int], folding: bytes, packet: Packet
) -> bool | None:
    """Whether the pattern lies in the window, whose end is the first byte that is not in it."""
    encoding = encode(packet)
    if encoding is None:
        return None
    start, end = window
    text = encoding.data.translate(folding)[:end]
    uncertain = {
        begin
        for offset in encoding.unknown
        for begin in range(max(start, offset - len(pattern) + 1), offset + 1)
        if begin + len(pattern) <= len(text)
    }
    at = text.find(pattern, start)
    while at >= 0:
        if at not in uncertain:
            return True
        at = text.find(pattern, at + 1)
    might = any(_might_stand(pattern, begin, encoding, folding) for begin in uncertain)
    return None if might else False


def _might_stand(pattern: bytes, begin: int, encoding: Encoding, folding: bytes) -> bool:
    for place, wanted in enumerate(pattern, begin):
        bits = encoding.unknown.get(place, 0)
        known = encoding.data[place]
        if not any(
            folding[byte] == wanted
            for byte in ((known,) if not bits else range(256))
            if byte & ~bits == known
        ):
            return False
    return True


ROWS: Final[Rows] = {"string": _string, "u32": _u32}
