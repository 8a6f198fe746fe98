# SPDX-License-Identifier: GPL-2.0-only
"""What a socket does with a segment.

Source: net/ipv4/tcp_input.c, Linux 5.10 to 6.12; RFC 9293, section 3.10.7; RFC 5961. There is no
fast path, no fast retransmit and no SACK of what is missing: what is lost comes again when its
timer goes off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlint.model.endpoint.acknowledging import tcp_ack
from ctlint.model.endpoint.closing import fin_wait_2_without_owner, tcp_done, tcp_reset
from ctlint.model.endpoint.flight import RETRANS
from ctlint.model.endpoint.happening import HappeningKind
from ctlint.model.endpoint.options import is_too_old, read_timestamps
from ctlint.model.endpoint.receiving import tcp_data_queue
from ctlint.model.endpoint.round_trip import set_fallback
from ctlint.model.endpoint.tcp_output import (
    ACK,
    FIN,
    RST,
    SYN,
    segment_size,
    tcp_push,
    tcp_receive_window,
    tcp_send_ack,
    tcp_send_synack,
    tcp_xmit_retransmit_queue,
)
from ctlint.model.endpoint.tcp_state import (
    CLOSE,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECV,
    SYN_SENT,
    TIME_WAIT,
)
from ctlint.model.endpoint.timewait import tcp_time_wait
from ctlint.model.kernel.features import Feature
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.sequence import LAST, after, before

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

_AFTER_FIN = (CLOSE_WAIT, LAST_ACK, CLOSING)
_TICKS_AT_ONCE = 2
"""TCP_TIMEOUT_MIN."""


def tcp_rcv_state_process(
    sk: Socket, packet: Packet, flags: int, end_seq: int, now: Micros
) -> None:
    """Port of tcp_rcv_state_process and tcp_rcv_established."""
    if sk.state is SYN_SENT:
        _rcv_synsent(sk, packet, flags, now)
        return
    if not flags & (ACK | RST) and not _takes_bare(sk, flags):
        return
    if not tcp_validate_incoming(sk, packet, flags, end_seq, now) or not flags & ACK:
        return
    acked = tcp_ack(sk, packet, flags, now)
    if sk.state is ESTABLISHED:
        if acked < 0:
            return
    elif acked <= 0 and sk.state is SYN_RECV:
        sk.host.send_reset(packet, now)
        return
    elif acked <= 0 and Feature.ACK_CHECKED_IN_ALL_STATES in sk.host.kernel:
        sk.host.challenges.send(sk, now)
        return
    elif not _after_ack(sk, packet, flags, end_seq, now):
        return
    if sk.state not in _AFTER_FIN or before(packet.seq, sk.rcv_nxt):
        if sk.rcv_shut and _is_new_data(sk, packet, flags, end_seq):
            # RFC 1122: data behind close() are answered by a reset.
            sk.host.send_reset(packet, now)
            tcp_reset(sk, now)
            return
        tcp_data_queue(sk, packet, flags, end_seq, now)
    if sk.state is CLOSE or sk.is_timewait:
        return
    if sk.in_loss:
        tcp_xmit_retransmit_queue(sk, now)
    if sk.snd_nxt != sk.write_seq:
        tcp_push(sk, now)
    if sk.ack_due:
        _ack_snd_check(sk, now)


def _takes_bare(sk: Socket, flags: int) -> bool:
    """Whether a segment with neither ACK nor RST is looked at."""
    kernel = sk.host.kernel
    if Feature.SYN_DISCARDED_ON_LIVE_SOCKET not in kernel:
        return True
    return Feature.SYN_CHALLENGE_RESTORED in kernel and bool(flags & SYN)


def _is_new_data(sk: Socket, packet: Packet, flags: int, end_seq: int) -> bool:
    """Whether a segment has data that have not been seen."""
    return end_seq != packet.seq and after(end_seq - (flags & FIN) & LAST, sk.rcv_nxt)


def _ack_snd_check(sk: Socket, now: Micros) -> None:
    """Port of __tcp_ack_snd_check."""
    if sk.ack_now:
        tcp_send_ack(sk, now)
    else:
        sk.set_delack_timer(now)


def tcp_validate_incoming(
    sk: Socket, packet: Packet, flags: int, end_seq: int, now: Micros
) -> bool:
    """Port of tcp_validate_incoming: whether a segment goes on to be looked at."""
    host = sk.host
    stamps = packet.options.timestamps if sk.ts_ok and packet.options is not None else None
    is_limitable = packet.seq == end_seq or bool(flags & SYN)
    if stamps is not None and not flags & RST and is_too_old(sk, stamps[0], 1, now):
        if not host.challenges.is_oow_limited(sk, is_limitable, now):
            tcp_send_ack(sk, now)
        return False
    seq = packet.seq
    if seq != sk.rcv_nxt and not _is_in_window(sk, seq, end_seq):
        if flags & RST:
            if _is_reset_after_fin(sk, packet):
                tcp_reset(sk, now)
        elif flags & SYN and host.has_challenge_ack:
            host.challenges.send(sk, now)
        elif not host.challenges.is_oow_limited(sk, is_limitable, now):
            tcp_send_ack(sk, now)
        return False
    if flags & RST:
        _rst_in_window(sk, packet, now)
        return False
    if flags & SYN:
        if host.has_challenge_ack:
            host.challenges.send(sk, now)
            return False
        if not before(packet.seq, sk.rcv_nxt):
            host.send_reset(packet, now)
            tcp_reset(sk, now)
            return False
    if stamps is not None and (seq == sk.rcv_wup or before(seq, sk.rcv_wup)):
        # Port of tcp_replace_ts_recent.
        sk.ts_recent, sk.ts_recent_at = stamps[0], now
    return True


def _is_in_window(sk: Socket, seq: int, end_seq: int) -> bool:
    """Port of tcp_sequence."""
    end = sk.rcv_nxt + tcp_receive_window(sk) & LAST
    return not before(end_seq, sk.rcv_wup) and not after(seq, end)


def _is_reset_after_fin(sk: Socket, packet: Packet) -> bool:
    """Port of tcp_reset_check."""
    return (
        Feature.RST_AFTER_FIN_ACCEPTED in sk.host.kernel
        and packet.seq == sk.rcv_nxt - 1 & LAST
        and sk.state in _AFTER_FIN
    )


def _rst_in_window(sk: Socket, packet: Packet, now: Micros) -> None:
    """RFC 5961, section 3.2: only a RST at exactly the expected number resets."""
    is_exact = packet.seq == sk.rcv_nxt or _is_reset_after_fin(sk, packet)
    if is_exact or not sk.host.has_challenge_ack:
        tcp_reset(sk, now)
    else:
        sk.host.challenges.send(sk, now)


def _after_ack(sk: Socket, packet: Packet, flags: int, end_seq: int, now: Micros) -> bool:
    """What tcp_rcv_state_process does behind an ACK that is acceptable: whether it goes on."""
    state = sk.state
    is_all_acked = sk.snd_una == sk.write_seq
    if state is SYN_RECV:
        _init_window(sk, packet, flags)
        tcp_finish_connect(sk, now)
    elif not is_all_acked:
        return True
    elif state is FIN_WAIT_1:
        sk.set_state(FIN_WAIT_2, now)
        if not sk.is_dead:
            return True
        if sk.linger2 < 0 or _is_new_data(sk, packet, flags, end_seq):
            tcp_done(sk, now)
            if sk.linger2 >= 0:
                sk.host.send_reset(packet, now)
            return False
        fin_wait_2_without_owner(sk, now, is_bad_case=bool(flags & FIN))
        return not sk.is_timewait
    elif state is CLOSING:
        tcp_time_wait(sk, TIME_WAIT, 0, now)
        return False
    elif state is LAST_ACK:
        tcp_done(sk, now)
        return False
    return True


def _init_window(sk: Socket, packet: Packet, flags: int) -> None:
    """The peer's window when the handshake is over: that of a SYN is not scaled."""
    sk.snd_wnd = packet.window << (0 if flags & SYN else sk.snd_wscale)
    sk.snd_wl1 = packet.seq
    sk.max_window = sk.snd_wnd


def _rcv_synsent(sk: Socket, packet: Packet, flags: int, now: Micros) -> None:
    """Port of tcp_rcv_synsent_state_process."""
    host = sk.host
    stamps = read_timestamps(packet)
    if flags & ACK:
        if not after(packet.ack, sk.snd_una) or after(packet.ack, sk.snd_nxt):
            if sk.retransmits == 0 and Feature.FAST_SYN_RETRY in host.kernel:
                sk.reset_xmit_timer(RETRANS, _TICKS_AT_ONCE, now)
            host.send_reset(packet, now)
            return
        if flags & RST:
            tcp_reset(sk, now)
            return
        if not flags & SYN:
            return
        tcp_take_offer(sk, packet, now)
        sk.rcv_nxt = sk.rcv_wup = packet.seq + 1 & LAST
        tcp_ack(sk, packet, flags, now)
        _init_window(sk, packet, flags)
        tcp_finish_connect(sk, now)
        if sk.snd_nxt != sk.write_seq:
            tcp_push(sk, now)
        else:
            tcp_send_ack(sk, now)
        return
    if flags & RST:
        return
    if stamps is not None and is_too_old(sk, stamps[0], 0, now):
        return
    if flags & SYN:
        # Both ends have sent a SYN: a simultaneous open, or a connection with itself.
        tcp_take_offer(sk, packet, now)
        sk.rcv_nxt = sk.rcv_wup = packet.seq + 1 & LAST
        sk.set_state(SYN_RECV, now)
        _init_window(sk, packet, flags)
        tcp_send_synack(sk, now)


def tcp_take_offer(sk: Socket, packet: Packet, now: Micros) -> None:
    """What the peer's SYN offers, and both have, counts from now on."""
    options = packet.options
    own = sk.host.settings.has_timestamps
    wscale = None if options is None else options.wscale
    if wscale is None:
        sk.snd_wscale = sk.rcv_wscale = 0
    else:
        sk.snd_wscale = min(wscale, 14)
    sk.sack_ok = options is not None and options.sack_permitted
    stamps = None if options is None else options.timestamps
    sk.ts_ok = own and stamps is not None
    if sk.ts_ok and stamps is not None:
        sk.ts_recent, sk.ts_recent_at = stamps[0], now
    else:
        sk.ts_recent, sk.ts_recent_at = 0, None
    mss = 536 if options is None or options.mss is None else options.mss
    sk.mss = max(min(segment_size(sk), mss - (12 if sk.ts_ok else 0)), 48)


def tcp_finish_connect(sk: Socket, now: Micros) -> None:
    """Port of tcp_finish_connect, and of tcp_init_metrics: without a round trip the timeout is 3 s
    (RFC 6298, 5.7).
    """
    sk.set_state(ESTABLISHED, now)
    set_fallback(sk)
    sk.lrcvtime = now
    if sk.keep_time is not None:
        sk.reset_keepalive_timer(sk.keep_time, now)
    sk.host.note(now, sk, HappeningKind.CONNECTED, None, None, None)
