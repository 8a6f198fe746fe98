# SPDX-License-Identifier: GPL-2.0-only
"""What a socket does with data and a FIN.

Source: net/ipv4/tcp_input.c, tcp_data_queue and tcp_fin, Linux 5.10 to 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.model.endpoint.happening import HappeningKind
from ctlint.model.endpoint.tcp_output import FIN, tcp_receive_window, tcp_send_ack
from ctlint.model.endpoint.tcp_state import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    SYN_RECV,
    TIME_WAIT,
)
from ctlint.model.endpoint.timewait import tcp_time_wait
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.sequence import LAST, after, before

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

_MOST_HOLES: Final = 64
"""So many pieces behind holes are kept; the kernel's limit is memory."""


def tcp_data_queue(sk: Socket, packet: Packet, flags: int, end_seq: int, now: Micros) -> None:
    """Port of tcp_data_queue. `ack_due` and `ack_now` say whether the peer is to be answered."""
    seq = packet.seq
    if seq == end_seq:
        return
    nxt = sk.rcv_nxt
    sk.ack_due = True
    sk.ack_now = not sk.pingpong
    if not after(end_seq, nxt) or not before(seq, nxt + tcp_receive_window(sk) & LAST):
        # Sent once more, or a probe of the window.
        sk.ack_now = True
        sk.pingpong = False
        return
    if after(seq, nxt):
        sk.ack_now = True
        if len(sk.out_of_order) < _MOST_HOLES:
            sk.out_of_order.append((seq, end_seq, bool(flags & FIN)))
        return
    _take(sk, end_seq, is_fin=bool(flags & FIN), now=now)
    while sk.out_of_order and not sk.fin_received:
        for piece in sk.out_of_order:
            if not after(piece[0], sk.rcv_nxt):
                break
        else:
            return
        sk.out_of_order.remove(piece)
        if after(piece[1], sk.rcv_nxt):
            _take(sk, piece[1], is_fin=piece[2], now=now)


def _take(sk: Socket, end_seq: int, *, is_fin: bool, now: Micros) -> None:
    """Port of tcp_queue_rcv and tcp_event_data_recv."""
    host = sk.host
    length = (end_seq - sk.rcv_nxt & LAST) - is_fin
    sk.rcv_nxt = end_seq
    if length:
        sk.unread += length
        sk.lrcvtime = now
        sk.ato = host.ato_min
        if not sk.is_dead:
            host.note(now, sk, HappeningKind.DATA, None, None, None)
    if is_fin:
        tcp_fin(sk, now)


def tcp_fin(sk: Socket, now: Micros) -> None:
    """Port of tcp_fin."""
    is_first = not sk.fin_received
    sk.fin_received = sk.rcv_shut = True
    sk.out_of_order.clear()
    if is_first and not sk.is_dead:
        sk.host.note(now, sk, HappeningKind.EOF, None, None, None)
    state = sk.state
    if state in (ESTABLISHED, SYN_RECV):
        sk.set_state(CLOSE_WAIT, now)
        # The program is likely to close soon: the ACK may go with its FIN.
        sk.pingpong = True
        sk.ack_now = False
    elif state is FIN_WAIT_1:
        tcp_send_ack(sk, now)
        sk.set_state(CLOSING, now)
    elif state is FIN_WAIT_2:
        tcp_send_ack(sk, now)
        tcp_time_wait(sk, TIME_WAIT, 0, now)
