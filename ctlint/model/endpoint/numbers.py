# SPDX-License-Identifier: GPL-2.0-only
"""The numbers that a host draws for each connection: where sequence numbers and timestamps begin,
and where the search for a port does.

Source: net/core/secure_seq.c, Linux 3.10 to 6.12; net/ipv4/syncookies.c. The kernel's hashes are
siphash or MD5 with a secret of the running kernel: another hash with a drawn secret tells the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.sequence import LAST

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

_NANOSECONDS: Final = 1000
_STEP: Final = 6
"""A sequence number a 64 ns: all of them in 274.9 s."""

_MINUTE: Final = 60 * SECOND
_COOKIE_AGE: Final = 2
"""MAX_SYNCOOKIE_AGE, in minutes."""

_ALL_BITS: Final = (1 << 64) - 1


def _hash(words: tuple[int, ...], secret: int) -> int:
    """A hash of 32 bits: the words one after the other through the finaliser of SplitMix64."""
    x = secret
    for word in words:
        x = (x ^ word) * 0x9E3779B97F4A7C15 & _ALL_BITS
        x = (x ^ x >> 30 ^ word >> 64) * 0xBF58476D1CE4E5B9 & _ALL_BITS
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _ALL_BITS
    return x >> 32


class Numbers:
    """The numbers of one host, which follow from its secret."""

    __slots__ = ("_offset", "_pair", "_secret")

    def __init__(self, secret: int) -> None:
        self._secret = secret
        self._pair = (0, 0)
        self._offset = _hash((0, 0), secret)

    def initial_number(self, sk: Socket, now: Micros) -> int:
        """Port of secure_tcp_seq and seq_scale: grows by 2**32 in 274.9 s for one tuple."""
        start = _hash((sk.laddr, sk.raddr, sk.lport << 16 | sk.rport), self._secret)
        return start + (now * _NANOSECONDS >> _STEP) & LAST

    def timestamp_offset(self, laddr: int, raddr: int) -> int:
        """Port of secure_tcp_ts_off. Many calls in a row are about the same two hosts."""
        pair = (laddr, raddr)
        if pair != self._pair:
            self._pair = pair
            self._offset = _hash(pair, self._secret)
        return self._offset

    def port_offset(self, laddr: int, raddr: int, rport: int) -> int:
        """Port of secure_ipv4_port_ephemeral."""
        return _hash((laddr, raddr, rport), self._secret)

    def cookie(self, packet: Packet, now: Micros) -> int:
        """Port of cookie_v4_init_sequence: the answer to a SYN of which nothing is kept."""
        return self._cookie(packet, packet.seq, now // _MINUTE)

    def is_cookie(self, packet: Packet, now: Micros) -> bool:
        """Port of __cookie_v4_check: whether an ACK answers a cookie of the last minutes."""
        minute = now // _MINUTE
        answered = packet.ack - 1 & LAST
        return any(
            answered == self._cookie(packet, packet.seq - 1 & LAST, minute - age)
            for age in range(_COOKIE_AGE)
        )

    def _cookie(self, packet: Packet, seq: int, minute: int) -> int:
        assert packet.sport is not None
        assert packet.dport is not None
        ports = packet.sport << 16 | packet.dport
        return _hash((packet.saddr, packet.daddr, ports, seq, minute), self._secret)
