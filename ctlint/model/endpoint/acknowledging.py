# SPDX-License-Identifier: GPL-2.0-only
"""What an acknowledgement does.

Source: net/ipv4/tcp_input.c, tcp_ack and what it calls, Linux 5.10 to 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlint.model.endpoint.flight import PROBE0
from ctlint.model.endpoint.options import read_timestamps
from ctlint.model.endpoint.round_trip import tcp_ack_update_rtt
from ctlint.model.endpoint.sack import tcp_sacktag_write_queue
from ctlint.model.endpoint.tcp_output import (
    SYN,
    tcp_probe0_base,
    tcp_probe0_when,
    tcp_rearm_rto,
    tcp_schedule_loss_probe,
    tcp_wnd_end,
)
from ctlint.model.endpoint.tcp_state import SYN_RECV
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.sequence import LAST, after, before

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket


def tcp_ack(sk: Socket, packet: Packet, flags: int, now: Micros) -> int:
    """Port of tcp_ack: 1 where the ACK is acceptable, 0 for an old one, -1 where the segment is to
    be discarded.
    """
    ack = packet.ack
    una = sk.snd_una
    acked = ack - una & LAST
    if acked > (sk.snd_nxt - una & LAST):
        return _unacceptable(sk, ack, now)
    if acked:
        sk.retransmits = 0
    tcp_ack_update_window(sk, packet, flags, acked)
    sk.bytes_acked += acked
    sk.snd_una = ack
    sk.soft_error = None
    sk.probes_out = 0
    sk.rcv_tstamp = now
    if not sk.rtx:
        if sk.snd_nxt != sk.write_seq:
            tcp_ack_probe(sk, now)
        return 1
    if tcp_clean_rtx_queue(sk, packet, now) and not tcp_schedule_loss_probe(sk, now):
        sk.pending = None
        tcp_rearm_rto(sk, now)
    if sk.tlp_high_seq is not None and not before(ack, sk.tlp_high_seq):
        sk.tlp_high_seq = None
    options = packet.options
    if options is not None and options.sack and sk.rtx:
        tcp_sacktag_write_queue(sk, options.sack)
    if sk.in_loss and not before(ack, sk.high_seq):
        sk.in_loss = False
        sk.retrans_stamp = None
    if not sk.rtx:
        sk.retrans_stamp = None
    return 1


def _unacceptable(sk: Socket, ack: int, now: Micros) -> int:
    """What tcp_ack says of an ACK that is old, or of what was not sent (RFC 5961, section 5)."""
    una = sk.snd_una
    if after(ack, una):
        return -1
    most = min(sk.max_window, sk.bytes_acked)
    if before(ack, una - most & LAST) and sk.host.has_challenge_ack:
        if sk.state is not SYN_RECV:
            sk.host.challenges.send(sk, now)
        return -1
    return 0


def tcp_ack_update_window(sk: Socket, packet: Packet, flags: int, acked: int) -> None:
    """Port of tcp_ack_update_window and tcp_may_update_window; `acked` are the new bytes."""
    window = packet.window if flags & SYN else packet.window << sk.snd_wscale
    seq = packet.seq
    is_same = seq == sk.snd_wl1
    if acked or (window > sk.snd_wnd if is_same else after(seq, sk.snd_wl1)):
        sk.snd_wl1 = seq
        sk.snd_wnd = window
        if window > sk.max_window:
            sk.max_window = window


def tcp_ack_probe(sk: Socket, now: Micros) -> None:
    """Port of tcp_ack_probe: a window that has opened ends the probing."""
    size = min((sk.write_seq - sk.snd_nxt & LAST) - sk.has_fin, sk.mss) or 1
    if not after(sk.snd_nxt + size & LAST, tcp_wnd_end(sk)):
        sk.backoff = 0
        if sk.pending is PROBE0:
            sk.clear_xmit_timer()
    else:
        ticks = max(tcp_probe0_when(sk), tcp_probe0_base(sk))
        sk.reset_xmit_timer(PROBE0, ticks, now)


def tcp_clean_rtx_queue(sk: Socket, packet: Packet, now: Micros) -> bool:
    """Port of tcp_clean_rtx_queue: whether anything was acknowledged that was in flight."""
    rtx = sk.rtx
    una = sk.snd_una
    has_acked = False
    measured: Micros | None = None
    was_repeated = False
    while rtx and not after(rtx[0].end, una):
        segment = rtx.popleft()
        has_acked = True
        sk.cwnd += 1  # slow start, which counts in loss only
        if segment.times > 1:
            was_repeated = True
        else:
            measured = now - segment.sent_at
    if rtx and after(una, rtx[0].seq):
        head = rtx[0]  # the half of a segment
        head.length -= una - head.seq & LAST
        head.seq = una
        has_acked = True
    if was_repeated or measured is None:
        measured = _by_echo(sk, packet, now) if has_acked else None
    if measured is not None:
        tcp_ack_update_rtt(sk, measured)
    return has_acked


def _by_echo(sk: Socket, packet: Packet, now: Micros) -> Micros | None:
    """A round trip as the timestamps tell it, where segments were sent more than once."""
    stamps = read_timestamps(packet) if sk.ts_ok else None
    if stamps is None or not stamps[1]:
        return None
    host = sk.host
    units = host.timestamp(now) + sk.ts_offset - stamps[1] & LAST
    return host.timestamp_micros(units) if units < 1 << 20 else None
