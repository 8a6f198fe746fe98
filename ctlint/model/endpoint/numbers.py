# SPDX-License-Identifier: GPL-2.0-only
"""The numbers that a host draws for each connection: where sequence numbers and timestamps begin,
and where the search for a port does.

Source: net/core/secure_seq.c, Linux 3.10 to 6.12; net/ipv4/syncookies.c. The kernel's hashes are
siphash or MD5 with a secret of the running kernel: another hash with a drawn secret tells the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.model.netfilter.jhash import jhash2
from ctlint.wire.addresses import Family
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


def _words(family: Family, *addresses: int) -> list[int]:
    if family is Family.IPV4:
        return list(addresses)
    return [address >> shift & LAST for address in addresses for shift in (0, 32, 64, 96)]


class Numbers:
    """The numbers of one host, which follow from its secret."""

    __slots__ = ("_secret",)

    def __init__(self, secret: int) -> None:
        self._secret = secret

    def initial_number(self, sk: Socket, now: Micros) -> int:
        """Port of secure_tcp_seq and seq_scale: grows by 2**32 in 274.9 s for one tuple."""
        words = [*_words(sk.family, sk.laddr, sk.raddr), sk.lport << 16 | sk.rport]
        return jhash2(words, self._secret) + (now * _NANOSECONDS >> _STEP) & LAST

    def timestamp_offset(self, family: Family, laddr: int, raddr: int) -> int:
        """Port of secure_tcp_ts_off."""
        return jhash2(_words(family, laddr, raddr), self._secret)

    def port_offset(self, family: Family, laddr: int, raddr: int, rport: int) -> int:
        """Port of secure_ipv4_port_ephemeral."""
        return jhash2([*_words(family, laddr, raddr), rport], self._secret)

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
        words = _words(packet.family, packet.saddr, packet.daddr)
        ports = packet.sport << 16 | packet.dport
        return jhash2([*words, ports, seq, minute & LAST], self._secret)
