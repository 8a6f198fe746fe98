# SPDX-License-Identifier: GPL-2.0-only
"""A listening socket: requests, whose handshake is not over, and connections to be accepted.

Source: net/ipv4/tcp_input.c, tcp_conn_request; net/ipv4/tcp_minisocks.c, tcp_check_req;
net/ipv4/inet_connection_sock.c, reqsk_timer_handler; Linux 4.4 to 6.12.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from ctlint.model.endpoint.closing import tcp_abort, tcp_done
from ctlint.model.endpoint.happening import HappeningKind
from ctlint.model.endpoint.options import is_too_old, read_timestamps
from ctlint.model.endpoint.round_trip import set_fallback, tcp_rtt_estimator
from ctlint.model.endpoint.tcp_input import tcp_rcv_state_process, tcp_take_offer
from ctlint.model.endpoint.tcp_output import (
    ACK,
    FIN,
    RST,
    SYN,
    SYN_ACK_SPACE,
    WSCALE,
    make_packet,
    segment_size,
    syn_options,
    timestamps,
)
from ctlint.model.endpoint.tcp_state import ESTABLISHED, SYN_RECV
from ctlint.model.endpoint.timers import Timer
from ctlint.model.endpoint.timewait import tcp_in_window
from ctlint.model.kernel.features import Feature
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.sequence import LAST

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket
    from ctlint.model.endpoint.tcp_host import TcpHost

_FEW: Final = 8
"""In a shorter request queue no request is given up early."""

_COOKIES_ACCEPTED: Final[Micros] = 120_000_000
"""So long after the last overflow an ACK may hold a cookie (tcp_synq_no_recent_overflow)."""


class Request:
    """A connection whose handshake is not over (struct request_sock): `socket` is what it becomes.

    `acked`: the last ACK came, but the accept queue was full.
    """

    __slots__ = (
        "acked",
        "is_sent_once",
        "listener",
        "num_timeout",
        "oow_at",
        "rcv_isn",
        "sent_at",
        "snt_isn",
        "socket",
        "timer",
    )

    def __init__(self, listener: Listener, socket: Socket, rcv_isn: int, snt_isn: int) -> None:
        self.listener = listener
        self.socket = socket
        self.rcv_isn = rcv_isn
        self.snt_isn = snt_isn
        self.num_timeout = 0
        self.is_sent_once = True
        self.acked = False
        self.oow_at: Micros | None = None
        self.sent_at: Micros = 0
        self.timer = Timer(self, reqsk_timer_handler)


class Listener:
    """A listening socket. `requests` and `young` count its requests, and those whose SYN/ACK was
    sent only once; `overflows` the connections that a full accept queue has cost.
    """

    __slots__ = (
        "_all",
        "_most",
        "_queue",
        "address",
        "backlog",
        "family",
        "host",
        "is_open",
        "overflow_at",
        "overflows",
        "port",
        "young",
    )

    def __init__(
        self, host: TcpHost, family: Family | None, address: int | None, port: int, backlog: int
    ) -> None:
        self.host = host
        self.family = family
        self.address = address
        self.port = port
        self.backlog = min(backlog, host.settings.somaxconn)
        self.is_open = True
        self.young = 0
        self.overflows = 0
        self.overflow_at: Micros | None = None
        self._queue: deque[Socket] = deque()
        self._all: dict[Request, None] = {}
        self._most = self._longest_request_queue()

    # ---- what a program does

    def accept(self, now: Micros) -> Socket | None:  # noqa: ARG002 (as the other calls)
        """Port of inet_csk_accept: the connection that waits longest; None where none does."""
        return self._queue.popleft() if self._queue else None

    def close(self, now: Micros) -> None:
        """Port of inet_csk_listen_stop: requests are forgotten, connections reset."""
        if not self.is_open:
            return
        self.is_open = False
        host = self.host
        host.enter()
        host.forget_listener(self)
        for request in list(self._all):
            self.drop(request, now)
        while self._queue:
            tcp_abort(self._queue.popleft(), now)
        host.leave(now)

    @property
    def waiting(self) -> int:
        """How many connections wait to be accepted: Recv-Q of ss(8)."""
        return len(self._queue)

    @property
    def requests(self) -> int:
        """How long the request queue is (reqsk_queue_len)."""
        return len(self._all)

    # ---- queues

    def is_accept_queue_full(self) -> bool:
        """Port of sk_acceptq_is_full."""
        return len(self._queue) > self.backlog

    def is_request_queue_full(self) -> bool:
        """Port of inet_csk_reqsk_queue_is_full."""
        return len(self._all) >= self._most

    def _longest_request_queue(self) -> int:
        """With so many requests the queue is full."""
        kernel = self.host.kernel
        if Feature.REQUEST_QUEUE_ONE_MORE in kernel:
            return self.backlog + 1
        if Feature.REQUEST_QUEUE_BY_BACKLOG in kernel:
            return self.backlog
        most = max(_FEW, min(self.backlog, self.host.settings.max_syn_backlog))
        return 1 << most.bit_length()  # the next power of two of one more

    def drop(self, request: Request, now: Micros) -> None:
        """Port of inet_csk_reqsk_queue_drop."""
        self._remove(request)
        tcp_done(request.socket, now)

    def _remove(self, request: Request) -> None:
        if self._all.pop(request, 0) is None:
            self.young -= request.num_timeout == 0
        self.host.timers.forget(request.timer)
        request.socket.request = None

    # ---- segments

    def receive(
        self, packet: Packet, flags: int, end_seq: int, isn: int | None, now: Micros
    ) -> None:
        """Port of tcp_rcv_state_process in LISTEN. `isn`: where to begin, as successor of a
        connection in TIME_WAIT.
        """
        if flags & ACK:
            if flags & (SYN | RST) or not self._take_cookie(packet, flags, end_seq, now):
                self.host.send_reset(packet, now)
        elif flags & (RST | SYN | FIN) == SYN:
            self._conn_request(packet, isn, now)

    def _conn_request(self, packet: Packet, isn: int | None, now: Micros) -> None:
        """Port of tcp_conn_request."""
        host = self.host
        settings = host.settings
        wants_cookie = False
        if isn is None and (settings.syncookies == 2 or self.is_request_queue_full()):
            if not settings.syncookies:
                return
            wants_cookie = True
            self.overflow_at = now
        if self.is_accept_queue_full() and (
            Feature.ACCEPT_QUEUE_DROPS_SYN in host.kernel or self.young > 1
        ):
            self.overflows += 1
            return
        stamps = read_timestamps(packet) if settings.has_timestamps else None
        if not wants_cookie and isn is None:
            if settings.tw_recycle and host.peers.rejects(packet, stamps, now):
                return
            room = settings.max_syn_backlog - len(self._all)
            if not settings.syncookies and room < settings.max_syn_backlog >> 2:
                return  # the rest is for peers that are proven, and none is taken for one
        socket = self._make_socket(packet, now)
        if wants_cookie:
            cookie = host.numbers.cookie(packet, now)
            self._send_synack(socket, cookie, now)
            return
        if isn is None:
            isn = host.initial_number(socket, now)
        request = Request(self, socket, packet.seq, isn)
        socket.request = request
        self._all[request] = None
        self.young += 1
        host.hash(socket)
        socket.set_state(SYN_RECV, now)
        host.timers.set(request.timer, host.tick.expiry(now, host.timeout_init))
        self._rtx_syn_ack(request, now)

    def _make_socket(self, packet: Packet, now: Micros) -> Socket:
        """A socket for a SYN."""
        assert packet.sport is not None
        assert packet.dport is not None
        host = self.host
        socket = host.make_socket(
            packet.family, packet.daddr, packet.dport, packet.saddr, packet.sport
        )
        socket.listener = self
        socket.rcv_wscale = WSCALE
        socket.space = SYN_ACK_SPACE
        socket.mss = segment_size(socket)
        tcp_take_offer(socket, packet, now)
        socket.rcv_nxt = socket.rcv_wup = packet.seq + 1 & LAST
        socket.rcv_wnd = SYN_ACK_SPACE
        return socket

    def _rtx_syn_ack(self, request: Request, now: Micros) -> bool:
        """Port of inet_rtx_syn_ack: whether the SYN/ACK has left the host."""
        request.sent_at = now
        return self._send_synack(request.socket, request.snt_isn, now)

    def _send_synack(self, sk: Socket, isn: int, now: Micros) -> bool:
        """Port of tcp_v4_send_synack."""
        host = self.host
        stamps = None
        if sk.ts_ok:
            stamps = (host.timestamp(now) + sk.ts_offset & LAST, sk.ts_recent)
        options = syn_options(sk.family, stamps)
        if not sk.rcv_wscale:
            options = options._replace(wscale=None)
        packet = make_packet(
            *(sk.family, sk.laddr, sk.lport, sk.raddr, sk.rport, SYN | ACK),
            *(isn, sk.rcv_nxt, sk.space, 0, options),
        )
        return host.transmit(packet, now)

    def _take_cookie(self, packet: Packet, flags: int, end_seq: int, now: Micros) -> bool:
        """Port of cookie_v4_check: a connection of which nothing was kept but the cookie."""
        host = self.host
        if not host.settings.syncookies or self.overflow_at is None:
            return False
        if now - self.overflow_at > _COOKIES_ACCEPTED or not host.numbers.is_cookie(packet, now):
            return False
        if self.is_accept_queue_full():
            self.overflows += 1
            return True
        socket = self._make_socket(packet, now)
        socket.rcv_nxt = socket.rcv_wup = packet.seq
        socket.mss = segment_size(socket)
        if socket.ts_ok:  # timestamps hold the other options, which a cookie has no room for
            socket.snd_wscale = socket.rcv_wscale = WSCALE
            socket.sack_ok = True
        host.hash(socket)
        socket.set_state(SYN_RECV, now)
        self._open(socket, packet, packet.ack - 1 & LAST, None, now)
        tcp_rcv_state_process(socket, packet, flags, end_seq, now)
        return True

    def _open(
        self, socket: Socket, packet: Packet, isn: int, rtt: Micros | None, now: Micros
    ) -> None:
        """Port of tcp_v4_syn_recv_sock: the connection is there, and waits to be accepted."""
        host = self.host
        socket.snd_una = socket.snd_nxt = socket.write_seq = isn + 1 & LAST
        socket.snd_wnd = socket.max_window = packet.window << socket.snd_wscale
        socket.snd_wl1 = packet.seq
        socket.lrcvtime = socket.rcv_tstamp = now
        if rtt is not None:
            tcp_rtt_estimator(socket, rtt, host.rto_min_micros)
            socket.rto = host.tick.of_micros((socket.srtt >> 3) + socket.rttvar)
        set_fallback(socket)
        socket.set_state(ESTABLISHED, now)
        self._queue.append(socket)
        host.note(now, socket, HappeningKind.ACCEPTED, None, None, None)

    def check_request(
        self, request: Request, packet: Packet, flags: int, end_seq: int, now: Micros
    ) -> None:
        """Port of tcp_check_req: a segment for a connection whose handshake is not over."""
        host = self.host
        sk = request.socket
        stamps = read_timestamps(packet) if sk.ts_ok else None
        is_old = stamps is not None and not flags & RST and is_too_old(sk, stamps[0], 0, now)
        if packet.seq == request.rcv_isn and flags & (SYN | ACK | RST | FIN) == SYN and not is_old:
            if not host.challenges.is_oow_limited(request, True, now):
                request.is_sent_once = False
                if self._rtx_syn_ack(request, now):
                    host.timers.set(request.timer, self._timeout(request, now))
            return
        if flags & ACK and packet.ack != request.snt_isn + 1 & LAST:
            host.send_reset(packet, now)
            return
        end = sk.rcv_nxt + sk.rcv_wnd & LAST
        if is_old or not tcp_in_window(packet.seq, end_seq, sk.rcv_nxt, end):
            is_limitable = packet.seq == end_seq or bool(flags & SYN)
            if not flags & RST and not host.challenges.is_oow_limited(request, is_limitable, now):
                self._send_ack(request, now)
            return
        if packet.seq == request.rcv_isn:
            flags &= ~SYN
        if flags & (RST | SYN):
            if not flags & RST:
                host.send_reset(packet, now)
            self.drop(request, now)
            return
        if flags & ACK:
            self._establish(request, packet, flags, end_seq, now)

    def _establish(
        self, request: Request, packet: Packet, flags: int, end_seq: int, now: Micros
    ) -> None:
        """The ACK that ends the handshake; a full accept queue has no place for the connection."""
        sk = request.socket
        if self.is_accept_queue_full():
            self.overflows += 1
            if not self.host.settings.abort_on_overflow:
                request.acked = True
            else:
                self.host.send_reset(packet, now)
                self.drop(request, now)
            return
        rtt = now - request.sent_at if request.is_sent_once else None
        self._remove(request)
        self._open(sk, packet, request.snt_isn, rtt, now)
        tcp_rcv_state_process(sk, packet, flags, end_seq, now)

    def _send_ack(self, request: Request, now: Micros) -> None:
        """Port of tcp_v4_reqsk_send_ack."""
        sk, host = request.socket, self.host
        options = None
        if sk.ts_ok:
            options = timestamps(host.timestamp(now) + sk.ts_offset & LAST, sk.ts_recent)
        packet = make_packet(
            *(sk.family, sk.laddr, sk.lport, sk.raddr, sk.rport, ACK),
            *(request.snt_isn + 1 & LAST, sk.rcv_nxt, sk.rcv_wnd >> sk.rcv_wscale, 0, options),
        )
        host.transmit(packet, now)

    # ---- time

    def _timeout(self, request: Request, now: Micros) -> Micros:
        """Port of reqsk_timeout."""
        host = self.host
        ticks = min(host.timeout_init << request.num_timeout, host.rto_max)
        return host.tick.expiry(now, ticks)

    def retry(self, request: Request, now: Micros) -> None:
        """Port of reqsk_timer_handler: the more requests there are, the sooner old ones are given
        up.
        """
        retries = self.host.settings.synack_retries
        length = len(self._all)
        if length << 1 > max(_FEW, self.backlog):
            young = self.young << 1
            while retries > 2 and length >= young:
                retries -= 1
                young <<= 1
        if request.num_timeout >= retries:
            self.drop(request, now)
            return
        request.is_sent_once = False
        if not self._rtx_syn_ack(request, now) and not request.acked:
            self.drop(request, now)
            return
        self.young -= request.num_timeout == 0
        request.num_timeout += 1
        self.host.timers.set(request.timer, self._timeout(request, now))


def reqsk_timer_handler(request: Request, now: Micros) -> None:
    """Port of reqsk_timer_handler."""
    request.listener.retry(request, now)
