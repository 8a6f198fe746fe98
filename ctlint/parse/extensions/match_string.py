# SPDX-License-Identifier: GPL-2.0-only
"""``-m string``, a pattern in the packet.

Source: libxt_string of iptables 1.8.11, revision 1; offsets: net/netfilter/xt_string.c, Linux 6.18.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, all_checks, match, one_of
from ctlint.parse.operands import UINT16, Operand, choice, integer
from ctlint.wire.addresses import Family

MOST_BYTES: Final = 128
"""XT_STRING_MAX_PATTERN_SIZE."""

_HEX_BYTE = re.compile(rb"([0-9a-fA-F]{2})(?=.) ?", re.DOTALL)


def _parse_string(word: str, _: Family) -> bytes:
    pattern = word.encode("utf-8", "surrogateescape")
    if not pattern:
        raise ValueError("the pattern is empty")
    if len(pattern) > MOST_BYTES:
        raise ValueError(f"a pattern of {len(pattern)} bytes, at most {MOST_BYTES} fit")
    return pattern


def _format_string(pattern: bytes) -> str:
    return pattern.decode("utf-8", "surrogateescape")


def _parse_hex_string(word: str, _: Family) -> bytes:
    """Read text with hex blocks between bars, ``|03|www|0a 0d|``.

    The character after a bar is taken as what its place asks for, even if it is a bar or a
    backslash itself: in ``|0a||0b|`` the third bar is a byte of the pattern. A bar behind the last
    byte that fits is read, as iptables-save prints it, although iptables-restore refuses it.
    """
    text = word.encode("utf-8", "surrogateescape")
    pattern = bytearray()
    at, in_hex = 0, False
    while at < len(text):
        is_escaped = False
        if text[at : at + 1] == b"\\":
            if in_hex:
                raise ValueError("a backslash in a hex block")
            is_escaped = True
            at += 1
            if at == len(text):
                raise ValueError("a backslash at the end")
        elif text[at : at + 1] == b"|":
            in_hex = not in_hex
            at += 1
            while in_hex and text[at : at + 1] == b" ":
                at += 1
            if at == len(text):
                break
        if len(pattern) == MOST_BYTES:
            raise ValueError(f"the pattern is too long, at most {MOST_BYTES} bytes fit")
        if in_hex and not is_escaped:
            found = _HEX_BYTE.match(text, at)
            if found is None:
                raise ValueError("a hex block is pairs of hex digits and ends with |")
            pattern += bytes.fromhex(found[1].decode())
            at = found.end()
        else:
            pattern.append(text[at])
            at += 1
    if not pattern:
        raise ValueError("the pattern is empty")
    return bytes(pattern)


def _format_hex_string(pattern: bytes) -> str:
    if len(pattern) == MOST_BYTES and pattern[-1] not in b"\0\n\r":
        # iptables-restore refuses a bar behind the last byte that fits: that byte stands as text.
        return f"|{pattern[:-1].hex()}|" + pattern[-1:].decode("utf-8", "surrogateescape")
    return f"|{pattern.hex()}|"


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    given = {option.name: option.value for option in options}
    if given.get("from", 0) > given.get("to", UINT16):
        return f"--from {given['from']} is behind --to {given['to']}"
    return None


EXTENSIONS = (
    match(
        "string",
        OptionSpec("from", (integer(0, UINT16),)),
        OptionSpec("to", (integer(0, UINT16),)),
        OptionSpec("algo", (choice(("bm", "kmp")),), required=True),
        OptionSpec(
            "string",
            (Operand("a pattern", _parse_string, _format_string),),
            negatable=True,
            excludes=("hex-string",),
        ),
        OptionSpec(
            "hex-string",
            (Operand("a pattern with |hex| blocks", _parse_hex_string, _format_hex_string),),
            negatable=True,
            excludes=("string",),
        ),
        OptionSpec("icase"),
        check=all_checks(one_of("string", "hex-string"), _check),
    ),
)
