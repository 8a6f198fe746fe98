# SPDX-License-Identifier: GPL-2.0-only
"""What a socket sends.

Source: net/ipv4/tcp_output.c, Linux 5.10 to 6.12. There is no congestion window here: a socket
sends what the peer's window allows, segment by segment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.model.endpoint.flight import LOSS_PROBE, PROBE0, RETRANS, Segment
from ctlint.model.endpoint.sack import sack_blocks
from ctlint.model.endpoint.tcp_state import CLOSE, LISTEN, SYN_RECV, SYN_SENT
from ctlint.model.kernel.features import Feature
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.packet import DEFAULT_TTL, Packet, TcpOptions
from ctlint.wire.protocols import TCP
from ctlint.wire.sequence import LAST, after, before
from ctlint.wire.tcp_flags import TcpFlags

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

_FLAGS: Final = {bits: TcpFlags(bits) for bits in range(32)}
_HEADERS: Final = {Family.IPV4: 40, Family.IPV6: 60}
_MTU: Final = 1500
_TIMESTAMPS: Final = 12
"""What the option takes of each segment, in bytes."""

WSCALE: Final = 7
SYN_SPACE: Final = 64240
SYN_ACK_SPACE: Final = 65160
"""Windows of Linux in SYN and SYN/ACK with 1460 bytes of MSS, and with 1448."""

_RCV_BUFFER: Final = 65536
"""Half of tcp_rmem's default of 131072: what may wait unread."""


def make_packet(
    family: Family,
    saddr: int,
    sport: int,
    daddr: int,
    dport: int,
    flags: int,
    seq: int,
    ack: int,
    window: int,
    length: int = 0,
    options: TcpOptions | None = None,
) -> Packet:
    """A segment. Named tuples are made this way for speed: there are millions of them."""
    # fmt: off
    return tuple.__new__(Packet, (
        family, saddr, daddr, TCP, sport, dport, _FLAGS[flags], None, None,
        length, seq, ack, window, options, 0, None, None, DEFAULT_TTL, 0, b"", 128,
    ))
    # fmt: on


def advertised_mss(family: Family) -> int:
    """What a SYN says, of an Ethernet."""
    return _MTU - _HEADERS[family]


def timestamps(value: int, echo: int) -> TcpOptions:
    """The options of a segment that is no SYN."""
    return tuple.__new__(TcpOptions, (None, None, False, (value, echo), (), ()))


def syn_options(family: Family, stamps: tuple[int, int] | None) -> TcpOptions:
    """Port of tcp_syn_options: what Linux offers by default."""
    return TcpOptions(advertised_mss(family), WSCALE, True, stamps)


def tcp_receive_window(sk: Socket) -> int:
    """Port of tcp_receive_window: how much of the window that was advertised is left."""
    window = sk.rcv_wup + sk.rcv_wnd - sk.rcv_nxt & LAST
    return window if window < 1 << 31 else 0


def tcp_wnd_end(sk: Socket) -> int:
    """Port of tcp_wnd_end: behind the last byte that the peer wants."""
    return sk.snd_una + sk.snd_wnd & LAST


def tcp_select_window(sk: Socket) -> int:
    """Port of tcp_select_window and __tcp_select_window: the window as it stands in a header.

    What has not been read takes as much room as it has bytes.
    """
    free = _RCV_BUFFER - sk.unread
    scale = sk.rcv_wscale
    window = sk.space if free >= sk.space else free if free >= sk.mss else 0
    if scale:
        window = window + (1 << scale) - 1 >> scale << scale
    left = tcp_receive_window(sk)
    if window < left:  # an offered window is not taken back
        window = left + (1 << scale) - 1 >> scale << scale
    sk.rcv_wnd = window
    sk.rcv_wup = sk.rcv_nxt
    window >>= scale
    return window if window < 65535 else 65535


def tcp_transmit_skb(sk: Socket, seq: int, flags: int, length: int, now: Micros) -> bool:
    """Port of tcp_transmit_skb, of all but a SYN. False where the host itself refuses it."""
    host = sk.host
    if flags & ACK:
        sk.ack_due = sk.ack_now = False
        if sk.delack_timer is not None:
            sk.delack_timer.at = None
    options = None
    if sk.ts_ok:
        options = timestamps(host.timestamp(now) + sk.ts_offset & LAST, sk.ts_recent)
    if sk.out_of_order and sk.sack_ok and not flags & RST:
        options = (options or TcpOptions())._replace(sack=sack_blocks(sk))
    ack = sk.rcv_nxt if flags & ACK else 0
    window = tcp_select_window(sk)
    # fmt: off
    packet = make_packet(
        sk.family, sk.laddr, sk.lport, sk.raddr, sk.rport,
        flags, seq, ack, window, length, options,
    )
    # fmt: on
    if length:
        # Port of tcp_event_data_sent. From 5.2 to 6.0 it took three such answers.
        sk.lsndtime = now
        if sk.ato and now - sk.lrcvtime < host.tick.micros(sk.ato):
            sk.pingpong = True
    return host.transmit(packet, now)


def tcp_transmit_syn(sk: Socket, seq: int, now: Micros) -> bool:
    """Port of tcp_transmit_skb of a SYN, and of a SYN/ACK where both ends have sent a SYN."""
    host = sk.host
    is_answer = sk.state is SYN_RECV
    stamps = None
    if host.settings.has_timestamps and (not is_answer or sk.ts_ok):
        stamps = (host.timestamp(now) + sk.ts_offset & LAST, sk.ts_recent)
    sk.rcv_wnd = sk.space
    sk.rcv_wup = sk.rcv_nxt
    packet = make_packet(
        *(sk.family, sk.laddr, sk.lport, sk.raddr, sk.rport),
        *(SYN | ACK if is_answer else SYN, seq, sk.rcv_nxt if is_answer else 0, sk.space, 0),
        syn_options(sk.family, stamps),
    )
    return host.transmit(packet, now)


def tcp_send_ack(sk: Socket, now: Micros) -> None:
    """Port of tcp_send_ack."""
    if sk.state is not CLOSE:
        tcp_transmit_skb(sk, tcp_acceptable_seq(sk), ACK, 0, now)


def tcp_acceptable_seq(sk: Socket) -> int:
    """Port of tcp_acceptable_seq."""
    nxt = sk.snd_nxt
    return nxt if (nxt - sk.snd_una & LAST) <= sk.snd_wnd else tcp_wnd_end(sk)


def tcp_send_active_reset(sk: Socket, now: Micros) -> None:
    """Port of tcp_send_active_reset."""
    tcp_transmit_skb(sk, tcp_acceptable_seq(sk), ACK | RST, 0, now)


def tcp_connect(sk: Socket, now: Micros) -> None:
    """Port of tcp_connect: sends the first SYN. That the host itself refuses it is no error."""
    sk.rcv_wscale = WSCALE
    sk.space = SYN_SPACE
    sk.mss = segment_size(sk)
    sk.snd_una = sk.write_seq
    sk.write_seq = sk.snd_nxt = sk.write_seq + 1 & LAST
    sk.rto = sk.host.timeout_init
    sk.retrans_stamp = now
    sk.rtx.append(Segment(sk.snd_una, 0, is_syn=True, is_fin=False, now=now))
    tcp_transmit_syn(sk, sk.snd_una, now)
    sk.reset_xmit_timer(RETRANS, sk.rto, now)


def segment_size(sk: Socket) -> int:
    """What a segment holds, in bytes."""
    return advertised_mss(sk.family) - (_TIMESTAMPS if sk.ts_ok else 0)


def tcp_send_synack(sk: Socket, now: Micros) -> None:
    """Port of tcp_send_synack: the SYN in flight becomes one that answers the peer's."""
    head = sk.rtx[0]
    head.sent_at = now
    tcp_transmit_syn(sk, head.seq, now)


def tcp_send_fin(sk: Socket, now: Micros) -> None:
    """Port of tcp_send_fin: a FIN goes behind what has not been sent, and all of it out."""
    sk.has_fin = True
    sk.write_seq = sk.write_seq + 1 & LAST
    tcp_push(sk, now)


def tcp_push(sk: Socket, now: Micros) -> None:
    """Port of __tcp_push_pending_frames."""
    if sk.snd_nxt != sk.write_seq and tcp_write_xmit(sk, now) and sk.pending is None:
        # tcp_check_probe_timer: nothing is in flight, and there is something to be sent.
        sk.reset_xmit_timer(PROBE0, tcp_probe0_base(sk), now)


def tcp_write_xmit(sk: Socket, now: Micros) -> bool:
    """Port of tcp_write_xmit: sends what the peer's window allows. True where there is something
    to be sent and nothing in flight.
    """
    was_idle = not sk.rtx
    has_sent = False
    while sk.snd_nxt != sk.write_seq and _is_room(sk):
        if not _send_head(sk, now):
            break
        has_sent = True
    if has_sent:
        needs_timer = was_idle or sk.pending is LOSS_PROBE
        if not tcp_schedule_loss_probe(sk, now) and needs_timer:
            tcp_rearm_rto(sk, now)
        return False
    return was_idle and sk.snd_nxt != sk.write_seq


def _send_head(sk: Socket, now: Micros, *, is_probe: bool = False, is_urgent: bool = False) -> bool:
    """Sends the next segment; False where the window, Nagle's rule or the host itself is against
    it. Only as a probe is a segment cut to what the window has room for; `is_urgent`: without
    Nagle's rule.
    """
    room = tcp_wnd_end(sk) - sk.snd_nxt & LAST
    if room == 0 or room >= 1 << 31:
        return False
    has_fin = sk.has_fin
    left = (sk.write_seq - sk.snd_nxt & LAST) - has_fin
    length = min(left, sk.mss)
    is_fin = has_fin and length == left
    if length + is_fin > room:
        if not is_probe:
            return False
        length, is_fin = min(length, room), False
    is_small = length < sk.mss
    if is_small and not (is_fin or is_probe or is_urgent) and _is_small_in_flight(sk):
        return False
    sk.has_pushed = sk.has_pushed or is_probe
    is_pushed = sk.has_pushed or (length and length == left)
    flags = ACK | (PSH if is_pushed else 0) | (FIN if is_fin else 0)
    segment = Segment(sk.snd_nxt, length, is_syn=False, is_fin=is_fin, now=now)
    if not tcp_transmit_skb(sk, segment.seq, flags, length, now):
        return False
    sk.snd_nxt = segment.end
    sk.rtx.append(segment)
    sk.has_pushed = False
    if is_small:
        sk.snd_sml = segment.end
    return True


def _is_small_in_flight(sk: Socket) -> bool:
    """Port of tcp_nagle_check and tcp_minshall_check: another small segment is not acknowledged."""
    return bool(sk.rtx) and sk.snd_sml is not None and after(sk.snd_sml, sk.snd_una)


def tcp_rearm_rto(sk: Socket, now: Micros) -> None:
    """Port of tcp_rearm_rto."""
    if not sk.rtx:
        sk.clear_xmit_timer()
        return
    rto = sk.rto
    if sk.pending is LOSS_PROBE:
        # The time that has passed since the first segment was sent counts.
        tick = sk.host.tick
        rto = max(tick.of_micros(sk.rtx[0].sent_at + tick.micros(rto) - now), 1)
    sk.reset_xmit_timer(RETRANS, rto, now)


def tcp_schedule_loss_probe(sk: Socket, now: Micros) -> bool:
    """Port of tcp_schedule_loss_probe: whether a probe of the tail is to be sent first."""
    host = sk.host
    if not sk.rtx or not sk.sack_ok or sk.in_loss or not host.has_tail_loss_probe:
        return False
    tick = host.tick
    if sk.srtt:
        ticks = tick.of_micros(sk.srtt >> 2) + (host.rto_min if len(sk.rtx) == 1 else 2)
    else:
        ticks = host.timeout_init
    left = sk.rtx[0].sent_at + tick.micros(sk.rto) - now
    if left > 0:
        ticks = min(ticks, tick.of_micros(left))
    sk.reset_xmit_timer(LOSS_PROBE, ticks, now)
    return True


def tcp_send_loss_probe(sk: Socket, now: Micros) -> None:
    """Port of tcp_send_loss_probe."""
    sk.pending = None
    was_sent = sk.snd_nxt != sk.write_seq and _send_head(sk, now, is_urgent=True)
    if not was_sent and sk.rtx and sk.tlp_high_seq is None:
        was_sent = __tcp_retransmit_skb(sk, sk.rtx[-1], now)
    if was_sent:
        sk.tlp_high_seq = sk.snd_nxt
    sk.pending = None  # from now on
    tcp_rearm_rto(sk, now)


def __tcp_retransmit_skb(sk: Socket, segment: Segment, now: Micros) -> bool:
    """Port of __tcp_retransmit_skb."""
    segment.times += 1
    segment.sent_at = now
    segment.is_lost = False
    if segment.is_syn:
        return tcp_transmit_syn(sk, segment.seq, now)
    if len(sk.rtx) > 1:
        tcp_retrans_try_collapse(sk, segment)
    flags = ACK | (PSH if segment.length else 0) | (FIN if segment.is_fin else 0)
    return tcp_transmit_skb(sk, segment.seq, flags, segment.length, now)


def tcp_retrans_try_collapse(sk: Socket, segment: Segment) -> None:
    """Port of tcp_retrans_try_collapse: what is sent again takes up what follows it, a FIN too, as
    far as one segment holds it.
    """
    rtx = sk.rtx
    end = tcp_wnd_end(sk)
    room = min(sk.mss, end - segment.seq & LAST) - segment.length
    following = rtx.index(segment) + 1
    if room <= 0:
        return
    while following < len(rtx):
        other = rtx[following]
        room -= other.length
        if other.is_sacked or room < 0 or after(other.end, end):
            return
        segment.length += other.length
        segment.is_fin = other.is_fin
        segment.end = other.end
        del rtx[following]


def tcp_retransmit_skb(sk: Socket, segment: Segment, now: Micros) -> None:
    """Port of tcp_retransmit_skb. Before 5.4 only one that left the host began the time in which
    the peer must answer; else that began anew with each.
    """
    was_sent = __tcp_retransmit_skb(sk, segment, now)
    if sk.retrans_stamp is None and (
        was_sent or Feature.TRANSMIT_FAILURE_KEEPS_START in sk.host.kernel
    ):
        sk.retrans_stamp = now


def tcp_xmit_retransmit_queue(sk: Socket, now: Micros) -> None:
    """Port of tcp_xmit_retransmit_queue: what is taken for lost goes once more, a window of it."""
    number = 0
    while number < len(sk.rtx) and _is_room(sk):
        segment = sk.rtx[number]
        if segment.is_lost and not after(segment.end, tcp_wnd_end(sk)):
            tcp_retransmit_skb(sk, segment, now)
            if number == 0:
                sk.reset_xmit_timer(RETRANS, sk.rto, now)
        number += 1


def _is_room(sk: Socket) -> bool:
    """Port of tcp_cwnd_test: after a timeout one segment is sent until something is acknowledged,
    so that a FIN waits for the data before it.
    """
    if not sk.in_loss:
        return True
    return sum(not (one.is_lost or one.is_sacked) for one in sk.rtx) < sk.cwnd


def tcp_probe0_base(sk: Socket) -> int:
    """Port of tcp_probe0_base."""
    return max(sk.rto, sk.host.rto_min)


def tcp_probe0_when(sk: Socket) -> int:
    """Port of tcp_probe0_when."""
    host = sk.host
    most = (host.rto_max // host.rto_min).bit_length()
    return min(tcp_probe0_base(sk) << min(most, sk.backoff), host.rto_max)


def tcp_xmit_probe_skb(sk: Socket, now: Micros) -> bool:
    """Port of tcp_xmit_probe_skb: an ACK of one byte before, which the peer must answer."""
    return tcp_transmit_skb(sk, sk.snd_una - 1 & LAST, ACK, 0, now)


def tcp_write_wakeup(sk: Socket, now: Micros) -> bool:
    """Port of tcp_write_wakeup: sends something that the peer must answer."""
    if sk.snd_nxt != sk.write_seq and before(sk.snd_nxt, tcp_wnd_end(sk)):
        if not _send_head(sk, now, is_probe=True):
            return False
        tcp_rearm_rto(sk, now)
        return True
    return tcp_xmit_probe_skb(sk, now)


def tcp_send_probe0(sk: Socket, now: Micros) -> None:
    """Port of tcp_send_probe0. What the host itself refuses counts as a probe, too."""
    tcp_write_wakeup(sk, now)
    if sk.rtx or sk.snd_nxt == sk.write_seq:
        sk.probes_out = sk.backoff = 0
        return
    sk.probes_out += 1
    if sk.backoff < sk.host.settings.retries2:
        sk.backoff += 1
    sk.reset_xmit_timer(PROBE0, tcp_probe0_when(sk), now)


def tcp_cleanup_rbuf(sk: Socket, now: Micros) -> None:
    """Port of tcp_cleanup_rbuf: tells the peer of a window that has opened by reading."""
    if sk.rcv_shut or sk.is_timewait or sk.state in (SYN_SENT, LISTEN):
        return
    left = tcp_receive_window(sk)
    free = min(_RCV_BUFFER - sk.unread, sk.space)
    if 2 * left <= sk.space and free and free >= 2 * left:
        tcp_send_ack(sk, now)
