# SPDX-License-Identifier: GPL-2.0-only
r"""Untrusted text made safe to print.

What a rule file says (comments, names, paths) may hold anything: terminal escape sequences, line
breaks that fake a line of ours, characters that turn the reading direction around. Every report
passes such text through :func:`visible`.
"""

from __future__ import annotations

_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def visible(text: str, encoding: str = "utf-8") -> str:
    r"""The text in one line, with a backslash escape for every character that does not print.

    Escaped are all characters that :meth:`str.isprintable` refuses: C0 and C1 controls, DEL,
    bidirectional controls, zero-width and other format characters, line separators, blanks other
    than the space, unassigned and private code points. ``\xNN`` also stands for a byte that was
    not UTF-8 (a lone surrogate from ``surrogateescape``). With another ``encoding``, what it
    cannot hold is escaped too. A backslash stays as it is, so this is for reading: it cannot be
    undone.
    """
    if text.isprintable() and (text.isascii() or is_unicode(encoding)):
        return text
    return "".join(
        char if char.isprintable() and _can_encode(char, encoding) else _escape(char)
        for char in text
    )


def is_unicode(encoding: str) -> bool:
    """Whether the encoding (of a stream) holds all characters, such as UTF-8."""
    return encoding.lower().startswith("utf")


def _can_encode(char: str, encoding: str) -> bool:
    if char.isascii() or is_unicode(encoding):
        return True
    try:
        char.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _escape(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
