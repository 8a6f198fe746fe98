# SPDX-License-Identifier: GPL-2.0-only
"""The flags of a TCP header, and how they are written.

Source: RFC 9293, section 3.1; RFC 3168 for ECE and CWR.
"""

from __future__ import annotations

from enum import STRICT, IntFlag


class TcpFlags(IntFlag, boundary=STRICT):
    """A set of TCP flags; the value is the octet of the header."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80

    @classmethod
    def parse(cls, text: str) -> TcpFlags:
        """Reads "FA", "fa", "FIN,ACK" or "" (no flag), in any order, each flag at most once.

        Raises ValueError, which names the text that is no flag.
        """
        flags = cls(0)
        if not text.strip():
            return flags
        # Without the test for ASCII, str.upper() would make an S of U+017F.
        for word in text.upper().split(",") if text.isascii() else [""]:
            token = word.strip()
            if token in cls.__members__:
                named = [cls[token]]
            elif token and all(letter in _OF_LETTER for letter in token):
                named = [_OF_LETTER[letter] for letter in token]
            else:
                raise ValueError(f"not TCP flags: {text!r} (letters of SFRPAUEC, or FIN,ACK)")
            for flag in named:
                if flags & flag:
                    raise ValueError(f"TCP flag {flag.name} twice in {text!r}")
                flags |= flag
        return flags

    @property
    def letters(self) -> str:
        """The flags as letters in the order SFRPAUEC; empty where there are none."""
        return "".join(letter for letter, flag in _OF_LETTER.items() if self & flag)


_OF_LETTER: dict[str, TcpFlags] = {
    "S": TcpFlags.SYN,
    "F": TcpFlags.FIN,
    "R": TcpFlags.RST,
    "P": TcpFlags.PSH,
    "A": TcpFlags.ACK,
    "U": TcpFlags.URG,
    "E": TcpFlags.ECE,
    "C": TcpFlags.CWR,
}
