# SPDX-License-Identifier: GPL-2.0-only
"""What a socket does by itself in time: retransmissions, probes, keepalive.

Source: net/ipv4/tcp_timer.c, Linux 5.0 to 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlint.model.endpoint.closing import tcp_done, tcp_fin_time, tcp_write_err
from ctlint.model.endpoint.flight import LOSS_PROBE, PROBE0, RETRANS
from ctlint.model.endpoint.tcp_output import (
    tcp_probe0_base,
    tcp_retransmit_skb,
    tcp_send_ack,
    tcp_send_active_reset,
    tcp_send_loss_probe,
    tcp_send_probe0,
    tcp_write_wakeup,
)
from ctlint.model.endpoint.tcp_state import CLOSE, FIN_WAIT_2, SYN_RECV, SYN_SENT
from ctlint.model.endpoint.timewait import tcp_time_wait
from ctlint.model.kernel.features import Feature
from ctlint.wire.moments import Micros

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

_OPENING = (SYN_SENT, SYN_RECV)
_SAFE_RETRIES = 8
"""tcp_orphan_retries where it is 0: more than 100 s with the shortest timeout."""


def tcp_model_timeout(boundary: int, rto_base: int, rto_max: int) -> int:
    """Port of tcp_model_timeout: how long so many retransmissions take that begin with this
    timeout and wait for at most ``rto_max``, in the unit of both.
    """
    threshold = (rto_max // rto_base).bit_length() - 1
    if boundary <= threshold:
        return ((2 << boundary) - 1) * rto_base
    return ((2 << threshold) - 1) * rto_base + (boundary - threshold) * rto_max


def retransmits_timed_out(sk: Socket, boundary: int, now: Micros) -> bool:
    """Port of retransmits_timed_out: whether it is too long since the first retransmission."""
    if not sk.retransmits:
        return False
    host = sk.host
    base = host.rto_min
    if sk.state in _OPENING and Feature.SYN_TIME_BOUND_BASE in host.kernel:
        base = host.timeout_init
    start = sk.rtx[0].sent_at if sk.retrans_stamp is None else sk.retrans_stamp
    return now - start >= host.tick.micros(tcp_model_timeout(boundary, base, host.rto_max))


def tcp_orphan_retries(sk: Socket, *, is_alive: bool) -> int:
    """Port of tcp_orphan_retries."""
    retries = sk.host.settings.orphan_retries
    if sk.soft_error is not None and not is_alive:
        retries = 0
    if retries == 0 and is_alive:
        retries = _SAFE_RETRIES
    return retries


def tcp_out_of_resources(sk: Socket, now: Micros, *, do_reset: bool) -> bool:
    """Port of tcp_out_of_resources: too many sockets without owner; memory is without limit."""
    host = sk.host
    idle = host.tick.jiffies(now) - host.tick.jiffies(sk.lsndtime)
    shift = int(idle > 2 * host.rto_max or not do_reset) + (sk.soft_error is not None)
    if not host.has_too_many_orphans(shift):
        return False
    if do_reset or idle <= host.timewait_len or (not sk.snd_wnd and not sk.rtx):
        tcp_send_active_reset(sk, now)
    tcp_done(sk, now)
    return True


def tcp_write_timeout(sk: Socket, now: Micros) -> bool:
    """Port of tcp_write_timeout: whether the socket has given up."""
    host = sk.host
    settings = host.settings
    is_expired = False
    if sk.state in _OPENING:
        retry_until = settings.syn_retries
        linear = settings.syn_linear_timeouts if sk.state is SYN_SENT else 0
        is_expired = sk.retransmits >= retry_until + linear
    else:
        retry_until = settings.retries2
        if sk.is_dead:
            is_alive = sk.rto < host.rto_max
            retry_until = tcp_orphan_retries(sk, is_alive=is_alive)
            do_reset = is_alive or not retransmits_timed_out(sk, retry_until, now)
            if tcp_out_of_resources(sk, now, do_reset=do_reset):
                return True
    if is_expired or retransmits_timed_out(sk, retry_until, now):
        tcp_write_err(sk, now)
        return True
    return False


def tcp_retransmit_timer(sk: Socket, now: Micros) -> None:
    """Port of tcp_retransmit_timer."""
    if not sk.rtx:
        return
    host = sk.host
    sk.tlp_high_seq = None
    if not sk.snd_wnd and not sk.is_dead and sk.state not in _OPENING:
        # The peer has shrunk its window: our retransmissions become zero probes.
        silent = host.tick.jiffies(now) - host.tick.jiffies(sk.rcv_tstamp)
        if silent > host.rto_max:
            tcp_write_err(sk, now)
            return
        _enter_loss(sk)
        tcp_retransmit_skb(sk, sk.rtx[0], now)
    else:
        if tcp_write_timeout(sk, now):
            return
        _enter_loss(sk)
        sk.retransmits += 1
        sk.total_rto += 1
        tcp_retransmit_skb(sk, sk.rtx[0], now)
    if sk.state is not SYN_SENT or sk.total_rto > host.settings.syn_linear_timeouts:
        sk.backoff += 1
        sk.rto = min(sk.rto << 1, host.rto_max)
    sk.reset_xmit_timer(RETRANS, sk.rto, now)


def _enter_loss(sk: Socket) -> None:
    """Port of tcp_enter_loss: all that is in flight is taken for lost, and one segment may be."""
    sk.cwnd = 1
    if not sk.in_loss:
        sk.in_loss = True
        sk.high_seq = sk.snd_nxt
    for segment in sk.rtx:
        segment.is_lost = not segment.is_sacked


def tcp_probe_timer(sk: Socket, now: Micros) -> None:
    """Port of tcp_probe_timer."""
    if sk.rtx or sk.snd_nxt == sk.write_seq:
        sk.probes_out = 0
        return
    host = sk.host
    most = host.settings.retries2
    if sk.is_dead:
        is_alive = tcp_probe0_base(sk) << sk.backoff < host.rto_max
        most = tcp_orphan_retries(sk, is_alive=is_alive)
        if not is_alive and sk.backoff >= most:
            tcp_write_err(sk, now)
            return
        if tcp_out_of_resources(sk, now, do_reset=True):
            return
    if sk.probes_out >= most:
        tcp_write_err(sk, now)
    else:
        tcp_send_probe0(sk, now)


def tcp_write_timer(sk: Socket, now: Micros) -> None:
    """Port of tcp_write_timer_handler."""
    what = sk.pending
    if what is LOSS_PROBE:
        tcp_send_loss_probe(sk, now)
        return
    sk.pending = None
    if what is RETRANS:
        tcp_retransmit_timer(sk, now)
    elif what is PROBE0:
        tcp_probe_timer(sk, now)


def tcp_delack_timer(sk: Socket, now: Micros) -> None:
    """Port of tcp_delack_timer_handler."""
    if sk.ack_due:
        sk.pingpong = False
        tcp_send_ack(sk, now)


def keepalive_time_when(sk: Socket) -> int:
    """Port of keepalive_time_when, in ticks."""
    assert sk.keep_time is not None
    return sk.keep_time


def keepalive_time_elapsed(sk: Socket, now: Micros) -> int:
    """Port of keepalive_time_elapsed: how long nothing has been heard of the peer, in ticks."""
    tick = sk.host.tick
    return tick.jiffies(now) - tick.jiffies(max(sk.lrcvtime, sk.rcv_tstamp))


def tcp_keepalive_timer(sk: Socket, now: Micros) -> None:
    """Port of tcp_keepalive_timer, which also ends FIN_WAIT_2 without owner."""
    host = sk.host
    if sk.state is FIN_WAIT_2 and sk.is_dead:
        if sk.linger2 >= 0:
            ticks = tcp_fin_time(sk) - host.timewait_len
            if ticks > 0:
                tcp_time_wait(sk, FIN_WAIT_2, ticks, now)
                return
        tcp_send_active_reset(sk, now)
        tcp_done(sk, now)
        return
    if sk.keep_time is None or sk.state in (CLOSE, SYN_SENT):
        return
    ticks = keepalive_time_when(sk)
    if not sk.rtx and sk.snd_nxt == sk.write_seq:
        elapsed = keepalive_time_elapsed(sk, now)
        if elapsed < ticks:
            ticks -= elapsed
        elif sk.probes_out >= sk.keep_probes:
            tcp_send_active_reset(sk, now)
            tcp_write_err(sk, now)
            return
        else:
            tcp_write_wakeup(sk, now)
            sk.probes_out += 1
            ticks = sk.keep_intvl
    sk.reset_keepalive_timer(ticks, now)
