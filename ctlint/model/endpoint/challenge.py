# SPDX-License-Identifier: GPL-2.0-only
"""Challenge ACKs, and the limits of what a host says to segments out of the window.

Source: RFC 5961; net/ipv4/tcp_input.c, tcp_send_challenge_ack and __tcp_oow_rate_limited,
Linux 5.10 to 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlint.model.endpoint.tcp_output import tcp_send_ack
from ctlint.model.kernel.features import Feature
from ctlint.wire.moments import SECOND, Micros

if TYPE_CHECKING:
    from ctlint.model.endpoint.listener import Request
    from ctlint.model.endpoint.socket import Socket
    from ctlint.model.endpoint.tcp_host import TcpHost


class Challenges:
    """What a host has answered in this second."""

    __slots__ = ("_host", "_left", "_second")

    def __init__(self, host: TcpHost) -> None:
        self._host = host
        self._second = -1
        self._left = 0

    def is_oow_limited(self, sk: Socket | Request, is_limitable: bool, now: Micros) -> bool:
        """Port of tcp_oow_rate_limited: a socket answers a bare segment, or a SYN, out of the
        window every tcp_invalid_ratelimit only.
        """
        ratelimit = self._host.settings.invalid_ratelimit * 1000
        if not is_limitable or Feature.INVALID_RATELIMIT not in self._host.kernel:
            return False
        if sk.oow_at is not None and now - sk.oow_at < ratelimit:
            return True
        sk.oow_at = now
        return False

    def send(self, sk: Socket, now: Micros) -> None:
        """Port of tcp_send_challenge_ack."""
        if not self.is_oow_limited(sk, True, now) and self._may_send(now):
            tcp_send_ack(sk, now)

    def _may_send(self, now: Micros) -> bool:
        """Whether the host's limit of a second leaves one more."""
        limit = self._host.settings.challenge_ack_limit
        if limit is None or limit == 2**31 - 1:
            return True
        second = now // SECOND
        if second != self._second:
            self._second = second
            half = limit + 1 >> 1
            self._left = limit
            if limit and Feature.CHALLENGE_LIMIT_1000 in self._host.kernel:
                self._left = half + self._host.draw(0, limit - 1)
        if self._left <= 0:
            return False
        self._left -= 1
        return True
