# SPDX-License-Identifier: GPL-2.0-only
"""Sockets in TIME_WAIT, and in FIN_WAIT_2 without owner: nothing is left of them but numbers.

Source: net/ipv4/tcp_minisocks.c, Linux 5.0 to 6.12; net/ipv4/tcp_ipv4.c, tcp_twsk_unique and
tcp_v4_timewait_ack.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ctlint.model.endpoint.options import is_rejected, read_timestamps
from ctlint.model.endpoint.tcp_output import (
    ACK,
    FIN,
    RST,
    SYN,
    make_packet,
    tcp_receive_window,
    timestamps,
)
from ctlint.model.endpoint.tcp_state import CLOSE, FIN_WAIT_2, TIME_WAIT, TcpState
from ctlint.model.endpoint.timers import Timer
from ctlint.model.kernel.features import Feature
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.sequence import LAST, after, before

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

_AHEAD = 65535 + 2
"""So far behind the old connection begins a new one that takes its place."""


class TimewaitAnswer(Enum):
    """What to do with a segment for such a socket (enum tcp_tw_status)."""

    NOTHING = "nothing"
    RST = "a reset"
    ACK = "an acknowledgement"
    SYN = "a listener may have it"


def three_and_a_half_rto(sk: Socket) -> int:
    """No shorter is the time in which a FIN may come again, in ticks."""
    return (sk.rto << 2) - (sk.rto >> 1)


def tcp_time_wait(sk: Socket, state: TcpState, ticks: int, now: Micros) -> None:
    """Port of tcp_time_wait: from now on the socket has nothing but its numbers and a timer.

    Where there are too many such sockets, none is left.
    """
    host = sk.host
    if sk.is_dead:
        host.orphans -= 1
    # What is lost with the socket is lost for its program, too: it reads what has arrived.
    sk.rtx.clear()
    sk.out_of_order.clear()
    sk.clear_timers()
    most = host.settings.max_tw_buckets
    if most is not None and host.timewaits >= most:
        sk.set_state(CLOSE, now)
        return
    shortest = three_and_a_half_rto(sk)
    if host.settings.tw_recycle and sk.ts_recent_at is not None:
        host.peers.remember(sk.family, sk.raddr, sk.ts_recent, now)
        if state is TIME_WAIT:
            ticks = shortest
    elif state is TIME_WAIT:
        ticks = host.timewait_len
    sk.rcv_wnd = tcp_receive_window(sk)
    sk.rcv_wup = sk.rcv_nxt
    sk.oow_at = None
    sk.is_timewait = True
    sk.tw_since = now
    host.timewaits += 1
    sk.xmit_timer = Timer(sk, inet_twsk_kill)
    host.timers.set(sk.xmit_timer, host.tick.expiry(now, max(ticks, shortest)))
    sk.set_state(state, now)


def inet_twsk_kill(sk: Socket, now: Micros) -> None:
    """Port of inet_twsk_kill: the socket is gone."""
    if sk.is_timewait:
        sk.is_timewait = False
        sk.host.timewaits -= 1
        sk.host.timers.forget(sk.xmit_timer)
        sk.set_state(CLOSE, now)


def _reschedule(sk: Socket, now: Micros) -> None:
    host = sk.host
    host.timers.set(sk.xmit_timer, host.tick.expiry(now, host.timewait_len))


def tcp_in_window(seq: int, end_seq: int, start: int, end: int) -> bool:
    """Port of tcp_in_window."""
    if seq == start or (after(end_seq, start) and before(seq, end)):
        return True
    return seq == end and seq == end_seq


def tcp_timewait_state_process(
    sk: Socket, packet: Packet, flags: int, end_seq: int, now: Micros
) -> TimewaitAnswer:
    """Port of tcp_timewait_state_process."""
    stamps = read_timestamps(packet) if sk.ts_recent_at is not None else None
    is_rst = bool(flags & RST)
    paws_reject = stamps is not None and is_rejected(sk, stamps[0], now, is_rst=is_rst)
    seq = packet.seq
    if sk.state is FIN_WAIT_2:
        end = sk.rcv_nxt + sk.rcv_wnd & LAST
        if paws_reject or not tcp_in_window(seq, end_seq, sk.rcv_nxt, end):
            return _ack_unless_limited(sk, packet, flags, end_seq, now)
        return _fin_wait_2(sk, packet, flags, end_seq, stamps, now)
    if not paws_reject and seq == sk.rcv_nxt and (seq == end_seq or flags & RST):
        if flags & RST and not sk.host.settings.rfc1337:
            inet_twsk_kill(sk, now)
            return TimewaitAnswer.NOTHING
        _reschedule(sk, now)
        _store(sk, stamps, now)
        return TimewaitAnswer.NOTHING
    is_newer = after(seq, sk.rcv_nxt) or (stamps is not None and before(sk.ts_recent, stamps[0]))
    if flags & (SYN | RST | ACK) == SYN and not paws_reject and is_newer:
        return TimewaitAnswer.SYN
    if flags & RST:
        return TimewaitAnswer.NOTHING
    if paws_reject or flags & ACK:
        _reschedule(sk, now)
    return _ack_unless_limited(sk, packet, flags, end_seq, now)


def _fin_wait_2(
    sk: Socket,
    packet: Packet,
    flags: int,
    end_seq: int,
    stamps: tuple[int, int] | None,
    now: Micros,
) -> TimewaitAnswer:
    """What tcp_timewait_state_process does with a segment in the window of FIN_WAIT_2."""
    if flags & RST:
        inet_twsk_kill(sk, now)
        return TimewaitAnswer.NOTHING
    if flags & SYN and not before(packet.seq, sk.rcv_nxt):
        return TimewaitAnswer.RST
    if not flags & ACK or not after(end_seq, sk.rcv_nxt) or end_seq == packet.seq:
        return TimewaitAnswer.NOTHING
    if not flags & FIN or end_seq != sk.rcv_nxt + 1 & LAST:
        return TimewaitAnswer.RST
    sk.rcv_nxt = sk.rcv_wup = end_seq
    _store(sk, stamps, now)
    sk.set_state(TIME_WAIT, now)
    host = sk.host
    if host.settings.tw_recycle and sk.ts_recent_at is not None:
        host.peers.remember(sk.family, sk.raddr, sk.ts_recent, now)
        host.timers.set(sk.xmit_timer, host.tick.expiry(now, three_and_a_half_rto(sk)))
    else:
        _reschedule(sk, now)
    return TimewaitAnswer.ACK


def _store(sk: Socket, stamps: tuple[int, int] | None, now: Micros) -> None:
    if stamps is not None:
        sk.ts_recent, sk.ts_recent_at = stamps[0], now


def _ack_unless_limited(
    sk: Socket, packet: Packet, flags: int, end_seq: int, now: Micros
) -> TimewaitAnswer:
    """Port of tcp_timewait_check_oow_rate_limit."""
    if sk.host.challenges.is_oow_limited(sk, packet.seq == end_seq or bool(flags & SYN), now):
        return TimewaitAnswer.NOTHING
    return TimewaitAnswer.ACK


def tcp_v4_timewait_ack(sk: Socket, now: Micros) -> None:
    """Port of tcp_v4_timewait_ack."""
    host = sk.host
    options = None
    if sk.ts_ok:
        options = timestamps(host.timestamp(now) + sk.ts_offset & LAST, sk.ts_recent)
    packet = make_packet(
        *(sk.family, sk.laddr, sk.lport, sk.raddr, sk.rport, ACK, sk.snd_nxt, sk.rcv_nxt),
        *(min(sk.rcv_wnd >> sk.rcv_wscale, 65535), 0, options),
    )
    host.transmit(packet, now)


def next_isn(sk: Socket) -> int:
    """Where a connection begins that takes the place of one in TIME_WAIT."""
    return sk.snd_nxt + _AHEAD & LAST or 1


def tcp_twsk_unique(sk: Socket, now: Micros, *, is_bound: bool) -> bool:
    """Port of tcp_twsk_unique: whether connect() may take the place of a socket in TIME_WAIT.

    One that is bound to the port may, whatever tcp_tw_reuse says; either needs timestamps.
    """
    if sk.ts_recent_at is None:
        return False
    if is_bound:
        return True
    host = sk.host
    reuse = host.settings.tw_reuse
    if reuse == 2 and Feature.TW_REUSE_LOOPBACK in host.kernel:
        reuse = host.is_loopback(sk.family, sk.laddr) or host.is_loopback(sk.family, sk.raddr)
    if not reuse:
        return False
    if Feature.TW_REUSE_DELAY in host.kernel:
        return now - sk.tw_since >= host.settings.tw_reuse_delay * 1000
    return now // SECOND > sk.ts_recent_at // SECOND
