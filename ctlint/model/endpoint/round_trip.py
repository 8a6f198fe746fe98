# SPDX-License-Identifier: GPL-2.0-only
"""Measuring round trips, and the retransmission timeout that follows.

Source: net/ipv4/tcp_input.c, tcp_rtt_estimator and tcp_set_rto, Linux 6.12; RFC 6298.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.sequence import after

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

SHORTEST: Final[Micros] = 20
"""No real round trip is shorter, even over lo: with none at all the timeout would be a tick less
than it ever is."""


_FALLBACK: Final[Micros] = 3 * SECOND


def set_fallback(sk: Socket) -> None:
    """Port of what tcp_init_metrics does where the handshake gave no round trip."""
    if not sk.srtt:
        sk.rttvar = sk.mdev = sk.mdev_max = _FALLBACK
        sk.rto = sk.host.tick.of_micros(_FALLBACK)


def tcp_rtt_estimator(sk: Socket, measured: Micros, rto_min: Micros) -> None:
    """Port of tcp_rtt_estimator."""
    m = max(measured, SHORTEST)
    srtt = sk.srtt
    if not srtt:
        sk.srtt = m << 3
        sk.mdev = m << 1
        sk.rttvar = sk.mdev_max = max(sk.mdev, rto_min)
        sk.rtt_seq = sk.snd_nxt
        return
    m -= srtt >> 3
    sk.srtt = max(srtt + m, 1)
    if m < 0:
        m = -m - (sk.mdev >> 2)
        if m > 0:
            m >>= 3
    else:
        m -= sk.mdev >> 2
    sk.mdev += m
    if sk.mdev > sk.mdev_max:
        sk.mdev_max = sk.mdev
        sk.rttvar = max(sk.rttvar, sk.mdev_max)
    if after(sk.snd_una, sk.rtt_seq):
        if sk.mdev_max < sk.rttvar:
            sk.rttvar -= sk.rttvar - sk.mdev_max >> 2
        sk.rtt_seq = sk.snd_nxt
        sk.mdev_max = rto_min


def tcp_ack_update_rtt(sk: Socket, measured: Micros) -> None:
    """Port of tcp_ack_update_rtt and tcp_set_rto: a round trip was measured."""
    host = sk.host
    tcp_rtt_estimator(sk, measured, host.rto_min_micros)
    sk.rto = min(host.tick.of_micros((sk.srtt >> 3) + sk.rttvar), host.rto_max)
    sk.backoff = 0
