# SPDX-License-Identifier: GPL-2.0-only
"""Sockets as ss(8) shows them with -tano.

Source: net/ipv4/tcp_diag.c and inet_diag.c, Linux 6.12.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ctlint.model.endpoint.flight import PROBE0
from ctlint.model.endpoint.tcp_state import LISTEN, TcpState
from ctlint.wire.moments import Micros
from ctlint.wire.sequence import LAST

if TYPE_CHECKING:
    from ctlint.model.endpoint.listener import Listener
    from ctlint.model.endpoint.socket import Address, Socket


class TimerKind(Enum):
    """The timer of a socket; the value is what ss(8) prints."""

    ON = "on"
    KEEPALIVE = "keepalive"
    TIMEWAIT = "timewait"
    PERSIST = "persist"


class TimerView(NamedTuple):
    """A timer: how long it runs still, and how often it has gone off in vain."""

    kind: TimerKind
    remaining: Micros
    retries: int


class SocketView(NamedTuple):
    """A socket. Of a listener `recv_q` are the connections to be accepted, `send_q` the backlog,
    and `local_address` may be None, for all.
    """

    state: TcpState
    local_address: int | None
    local_port: int
    remote: Address | None
    recv_q: int
    send_q: int
    timer: TimerView | None
    is_orphan: bool


def view_listener(listener: Listener) -> SocketView:
    """A listener."""
    return SocketView(
        *(LISTEN, listener.address, listener.port, None),
        *(listener.waiting, listener.backlog, None, False),
    )


def view_socket(sk: Socket, now: Micros) -> SocketView:
    """A socket that is no listener."""
    is_mini = sk.is_timewait or sk.request is not None
    return SocketView(
        sk.state,
        sk.laddr,
        sk.lport,
        sk.remote,
        0 if is_mini else sk.unread,
        0 if is_mini else sk.write_seq - sk.snd_una & LAST,
        timer_of(sk, now),
        sk.is_dead,
    )


def timer_of(sk: Socket, now: Micros) -> TimerView | None:
    """Port of inet_sk_diag_fill: the first timer that is set, in the kernel's order."""
    request = sk.request
    if request is not None:
        kind, timer, retries = TimerKind.ON, request.timer, request.num_timeout
    elif sk.is_timewait:
        kind, timer, retries = TimerKind.TIMEWAIT, sk.xmit_timer, 0
    elif sk.pending is PROBE0:
        kind, timer, retries = TimerKind.PERSIST, sk.xmit_timer, sk.probes_out
    elif sk.pending is not None:
        kind, timer, retries = TimerKind.ON, sk.xmit_timer, sk.retransmits
    elif sk.keep_timer is not None:
        kind, timer, retries = TimerKind.KEEPALIVE, sk.keep_timer, sk.probes_out
    else:
        return None
    return None if timer.at is None else TimerView(kind, timer.at - now, retries)
