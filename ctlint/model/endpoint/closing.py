# SPDX-License-Identifier: GPL-2.0-only
"""How a socket ends: by its program, by the peer's RST, by time.

Source: net/ipv4/tcp.c, Linux 5.10 to 6.12; tcp_reset in net/ipv4/tcp_input.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.model.endpoint.happening import Errno, HappeningKind
from ctlint.model.endpoint.tcp_output import tcp_send_active_reset, tcp_send_fin
from ctlint.model.endpoint.tcp_state import (
    CLOSE,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECV,
    SYN_SENT,
)
from ctlint.model.endpoint.timewait import tcp_time_wait, three_and_a_half_rto
from ctlint.wire.moments import Micros

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

_NEW_STATE: Final = {
    ESTABLISHED: (FIN_WAIT_1, True),
    SYN_RECV: (FIN_WAIT_1, True),
    CLOSE_WAIT: (LAST_ACK, True),
    SYN_SENT: (CLOSE, False),
    LISTEN: (CLOSE, False),
}
"""new_state: the state behind close(), and whether a FIN is sent. Others stay as they are."""

_NEEDS_RESET: Final = frozenset(
    {
        ESTABLISHED,
        CLOSE_WAIT,
        FIN_WAIT_1,
        FIN_WAIT_2,
        SYN_RECV,
    }
)


def tcp_close_state(sk: Socket, now: Micros) -> bool:
    """Port of tcp_close_state: whether a FIN is to be sent."""
    state, sends_fin = _NEW_STATE.get(sk.state, (sk.state, False))
    sk.set_state(state, now)
    return sends_fin


def tcp_shutdown(sk: Socket, now: Micros) -> None:
    """Port of tcp_shutdown for SEND_SHUTDOWN; one that is not connected yet gives up."""
    if tcp_close_state(sk, now):
        tcp_send_fin(sk, now)
    elif sk.state is CLOSE:
        tcp_done(sk, now)


def tcp_close(sk: Socket, now: Micros) -> None:
    """Port of __tcp_close."""
    was_unread = sk.unread > 0
    sk.unread = 0
    sk.rcv_shut = True
    if not sk.is_timewait and not sk.is_closed:
        if was_unread:
            # Unread data was tossed, zap the connection.
            tcp_send_active_reset(sk, now)
            tcp_done(sk, now)
        elif tcp_close_state(sk, now):
            tcp_send_fin(sk, now)
    _orphan(sk, now)


def tcp_abort(sk: Socket, now: Micros) -> None:
    """Port of __tcp_close with SO_LINGER at zero, and of tcp_disconnect."""
    if not sk.is_timewait and sk.state is not CLOSE:
        is_unsent = sk.snd_nxt != sk.write_seq and sk.state in (CLOSING, LAST_ACK)
        if sk.unread or sk.state in _NEEDS_RESET or is_unsent:
            tcp_send_active_reset(sk, now)
        tcp_done(sk, now)
    sk.unread = 0
    _orphan(sk, now)


def _orphan(sk: Socket, now: Micros) -> None:
    """Port of what stands behind adjudge_to_death in __tcp_close."""
    sk.is_dead = True
    host = sk.host
    host.release_port(sk)
    if sk.is_closed:
        tcp_done(sk, now)
        return
    host.orphans += not sk.is_timewait
    if sk.state is FIN_WAIT_2 and not sk.is_timewait:
        fin_wait_2_without_owner(sk, now, is_bad_case=False)
    if sk.is_hashed and not sk.is_timewait and host.has_too_many_orphans(0):
        tcp_send_active_reset(sk, now)
        tcp_done(sk, now)


def fin_wait_2_without_owner(sk: Socket, now: Micros, *, is_bad_case: bool) -> None:
    """What __tcp_close and tcp_rcv_state_process do with an orphan in FIN_WAIT_2.

    `is_bad_case`: the segment that led here has a FIN.
    """
    if sk.linger2 < 0:
        tcp_send_active_reset(sk, now)
        tcp_done(sk, now)
        return
    ticks = tcp_fin_time(sk)
    longest = sk.host.timewait_len
    if ticks > longest:
        sk.reset_keepalive_timer(ticks - longest, now)
    elif is_bad_case:
        sk.reset_keepalive_timer(ticks, now)
    else:
        tcp_time_wait(sk, FIN_WAIT_2, ticks, now)


def tcp_fin_time(sk: Socket) -> int:
    """Port of tcp_fin_time: how long FIN_WAIT_2 lasts without owner, in ticks."""
    host = sk.host
    ticks = host.tick.of_seconds(sk.linger2 or host.settings.fin_timeout)
    return max(ticks, three_and_a_half_rto(sk))


def tcp_done(sk: Socket, now: Micros) -> None:
    """Port of tcp_done: the socket is closed, and leaves the table."""
    if sk.is_dead and not sk.is_timewait and sk.state is not CLOSE:
        sk.host.orphans -= 1
    sk.rcv_shut = True
    sk.rtx.clear()
    sk.out_of_order.clear()
    sk.clear_timers()
    sk.set_state(CLOSE, now)


def tcp_reset(sk: Socket, now: Micros) -> None:
    """Port of tcp_reset: the peer has reset the connection."""
    if sk.state is CLOSE:
        return
    error = Errno.ECONNRESET
    kind = HappeningKind.RESET
    if sk.state is SYN_SENT:
        error, kind = Errno.ECONNREFUSED, HappeningKind.CONNECT_FAILED
    elif sk.state is CLOSE_WAIT:
        error = Errno.EPIPE
    fail(sk, kind, error, now)


def tcp_write_err(sk: Socket, now: Micros) -> None:
    """Port of tcp_write_err: the peer has not answered for too long."""
    is_opening = sk.state is SYN_SENT
    kind = HappeningKind.CONNECT_FAILED if is_opening else HappeningKind.TIMED_OUT
    fail(sk, kind, sk.soft_error or Errno.ETIMEDOUT, now)


def fail(sk: Socket, kind: HappeningKind, error: Errno, now: Micros) -> None:
    """An error ends the socket; its program, if there is one, is told."""
    if not sk.is_dead:
        sk.error = error
        sk.host.note(now, sk, kind, error, None, None)
    tcp_done(sk, now)
