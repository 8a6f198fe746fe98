# SPDX-License-Identifier: GPL-2.0-only
"""A TCP socket: what the kernel knows of it, and what a program can do with it.

Source: include/linux/tcp.h, struct tcp_sock; include/net/inet_connection_sock.h; net/ipv4/tcp.c.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from ctlint.model.endpoint.closing import tcp_abort, tcp_close, tcp_shutdown
from ctlint.model.endpoint.flight import Pending, Segment
from ctlint.model.endpoint.happening import Errno, HappeningKind, SocketError
from ctlint.model.endpoint.tcp_output import tcp_cleanup_rbuf, tcp_push
from ctlint.model.endpoint.tcp_state import (
    CLOSE,
    CLOSE_WAIT,
    ESTABLISHED,
    LISTEN,
    SYN_RECV,
    SYN_SENT,
    TcpState,
)
from ctlint.model.endpoint.tcp_timer import (
    keepalive_time_elapsed,
    tcp_delack_timer,
    tcp_keepalive_timer,
    tcp_write_timer,
)
from ctlint.model.endpoint.timers import Timer
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.sequence import LAST

if TYPE_CHECKING:
    from ctlint.model.endpoint.listener import Listener, Request
    from ctlint.model.endpoint.tcp_host import TcpHost

MOST_BYTES: Final = 1 << 30
"""So much may wait to be sent: sequence numbers are compared over half the circle."""

_MAY_SEND: Final = frozenset({SYN_SENT, SYN_RECV, ESTABLISHED, CLOSE_WAIT})


class Address(NamedTuple):
    """One end of a connection."""

    family: Family
    address: int
    port: int


class Socket:
    """A TCP socket. Fields are named as in the kernel where it has them.

    Moments and spans: `rto`, `ato` and `keep_*` are in clock ticks; `srtt`, `mdev`, `rttvar` are
    the kernel's scaled microseconds; the rest is Micros. `unread` are bytes
    that the program has not read, `write_seq` is behind the last byte (or FIN) that it gave.
    """

    __slots__ = (
        "ack_due",
        "ack_now",
        "ato",
        "backoff",
        "bytes_acked",
        "cwnd",
        "delack_timer",
        "error",
        "family",
        "fin_received",
        "has_fin",
        "has_pushed",
        "high_seq",
        "host",
        "in_loss",
        "is_bound",
        "is_dead",
        "is_hashed",
        "is_timewait",
        "keep_intvl",
        "keep_probes",
        "keep_time",
        "keep_timer",
        "key",
        "laddr",
        "linger2",
        "listener",
        "lport",
        "lrcvtime",
        "lsndtime",
        "max_window",
        "mdev",
        "mdev_max",
        "mss",
        "oow_at",
        "out_of_order",
        "pending",
        "pingpong",
        "probes_out",
        "raddr",
        "rcv_nxt",
        "rcv_shut",
        "rcv_tstamp",
        "rcv_wnd",
        "rcv_wscale",
        "rcv_wup",
        "request",
        "retrans_stamp",
        "retransmits",
        "rport",
        "rto",
        "rtt_seq",
        "rttvar",
        "rtx",
        "sack_ok",
        "snd_nxt",
        "snd_sml",
        "snd_una",
        "snd_wl1",
        "snd_wnd",
        "snd_wscale",
        "soft_error",
        "space",
        "srtt",
        "state",
        "tlp_high_seq",
        "total_rto",
        "ts_offset",
        "ts_ok",
        "ts_recent",
        "ts_recent_at",
        "tw_since",
        "unread",
        "write_seq",
        "xmit_timer",
    )

    def __init__(
        self, host: TcpHost, family: Family, laddr: int, lport: int, raddr: int, rport: int
    ) -> None:
        self.host = host
        self.family = family
        self.laddr, self.lport, self.raddr, self.rport = laddr, lport, raddr, rport
        self.key = (family, laddr, lport, raddr, rport)
        self.state = CLOSE
        self.listener: Listener | None = None
        self.request: Request | None = None
        self.is_bound = False
        self.is_dead = False
        self.is_hashed = False
        self.is_timewait = False
        self.tw_since: Micros = 0
        self.error: Errno | None = None
        self.soft_error: Errno | None = None
        # ---- sending
        self.snd_una = self.snd_nxt = self.write_seq = 0
        self.snd_wnd = self.snd_wl1 = self.max_window = self.bytes_acked = 0
        self.snd_wscale = 0
        self.mss = 0
        self.snd_sml: int | None = None
        """Behind the last segment that was sent smaller than it might have been."""
        self.has_fin = False
        """A FIN stands behind the last byte that is to be sent."""
        self.has_pushed = False
        """What is to be sent next was tried as a probe: it is pushed."""
        self.rtx: deque[Segment] = deque()
        self.in_loss = False
        self.cwnd = 0
        """While it is in loss: so many segments may be in flight."""
        self.high_seq = 0
        self.tlp_high_seq: int | None = None
        self.retransmits = self.backoff = self.total_rto = self.probes_out = 0
        self.retrans_stamp: Micros | None = None
        self.lsndtime = 0
        # ---- round trips
        self.rto = host.timeout_init
        self.srtt = self.mdev_max = self.rttvar = self.rtt_seq = 0
        self.mdev = 0
        # ---- receiving
        self.rcv_nxt = self.rcv_wup = self.rcv_wnd = self.rcv_wscale = self.space = 0
        self.unread = 0
        self.fin_received = False
        self.rcv_shut = False
        self.out_of_order: list[tuple[int, int, bool]] = []
        self.ack_due = self.ack_now = False
        self.ato = 0
        self.pingpong = False
        """Data are answered by data: an ACK may wait for them."""
        self.rcv_tstamp = self.lrcvtime = 0
        self.oow_at: Micros | None = None
        # ---- options
        self.ts_ok = self.sack_ok = False
        self.ts_offset = self.ts_recent = 0
        self.ts_recent_at: Micros | None = None
        self.linger2 = 0
        # ---- timers
        self.pending: Pending | None = None
        self.xmit_timer = Timer(self, tcp_write_timer)
        self.delack_timer: Timer | None = None
        self.keep_timer: Timer | None = None
        self.keep_time: int | None = None
        """None: no keepalive."""
        self.keep_intvl = self.keep_probes = 0

    @property
    def local(self) -> Address:
        """This end."""
        return Address(self.family, self.laddr, self.lport)

    @property
    def remote(self) -> Address:
        """The other end."""
        return Address(self.family, self.raddr, self.rport)

    @property
    def is_closed(self) -> bool:
        """Whether the socket is in no state but CLOSE."""
        return self.state is CLOSE

    # ---- what a program does

    def send(self, length: int, now: Micros) -> None:
        """Port of tcp_sendmsg: gives bytes to be sent.

        Raises SocketError, and ValueError for a number of bytes that is none or too high.
        """
        if not 0 < length <= MOST_BYTES:
            raise ValueError(f"{length} is no number of bytes to send")
        self._raise_error()
        if self.has_fin or self.state not in _MAY_SEND:
            raise SocketError(Errno.EPIPE)
        if (self.write_seq - self.snd_una & LAST) + length > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes wait to be sent")
        host = self.host
        host.enter()
        self.write_seq = self.write_seq + length & LAST
        if self.state in (ESTABLISHED, CLOSE_WAIT):
            tcp_push(self, now)
        host.leave(now)

    def read(self, now: Micros) -> int:
        """Port of tcp_recvmsg: takes all that has arrived; says how many bytes. Raises SocketError
        for an error that nobody has been told yet.
        """
        length = self.unread
        if not length:
            self._raise_error()
            return 0
        host = self.host
        host.enter()
        self.unread = 0
        if self.state is not CLOSE:
            tcp_cleanup_rbuf(self, now)
        host.leave(now)
        return length

    def shutdown(self, now: Micros) -> None:
        """shutdown(2) with SHUT_WR: no more is sent, the rest arrives still."""
        if self.state in (CLOSE, LISTEN) or self.is_timewait:
            raise SocketError(Errno.ENOTCONN)
        self.host.enter()
        tcp_shutdown(self, now)
        self.host.leave(now)

    def close(self, now: Micros) -> None:
        """close(2), or the end of the process: nobody owns the socket any more."""
        if self.is_dead:
            return
        self.host.enter()
        tcp_close(self, now)
        self.host.leave(now)

    def abort(self, now: Micros) -> None:
        """close(2) with SO_LINGER on and zero."""
        if self.is_dead:
            return
        self.host.enter()
        tcp_abort(self, now)
        self.host.leave(now)

    def set_keepalive(
        self,
        now: Micros,
        *,
        time: int | None = None,
        interval: int | None = None,
        probes: int | None = None,
    ) -> None:
        """SO_KEEPALIVE, then TCP_KEEPIDLE, TCP_KEEPINTVL (seconds) and TCP_KEEPCNT; None: as the
        sysctls say. With TCP_KEEPIDLE the time in which nothing was heard counts already
        (tcp_sock_set_keepidle_locked).
        """
        settings, tick = self.host.settings, self.host.tick
        self.keep_time = tick.of_seconds(settings.keepalive_time if time is None else time)
        self.keep_intvl = tick.of_seconds(
            settings.keepalive_intvl if interval is None else interval
        )
        self.keep_probes = settings.keepalive_probes if probes is None else probes
        if self.state not in (CLOSE, LISTEN) and not self.is_timewait:
            left = self.keep_time
            if time is not None:
                left = max(left - keepalive_time_elapsed(self, now), 0)
            self.reset_keepalive_timer(left, now)

    def set_linger2(self, seconds: int) -> None:
        """TCP_LINGER2: tcp_fin_timeout of this socket; less than 0: no FIN_WAIT_2 without owner."""
        self.linger2 = seconds

    def _raise_error(self) -> None:
        """Port of sock_error: an error is told once."""
        error, self.error = self.error, None
        if error is not None:
            raise SocketError(error)

    # ---- what the other modules do with one

    def set_state(self, state: TcpState, now: Micros) -> None:
        """Port of tcp_set_state."""
        before = self.state
        if before is state:
            return
        self.state = state
        host = self.host
        host.note(now, self, HappeningKind.STATE, None, before, state)
        if state is CLOSE:
            host.unhash(self, now)

    def reset_xmit_timer(self, what: Pending, ticks: int, now: Micros) -> None:
        """Port of inet_csk_reset_xmit_timer."""
        host = self.host
        self.pending = what
        host.timers.set(
            self.xmit_timer, host.tick.expiry(now, ticks if ticks < host.rto_max else host.rto_max)
        )

    def clear_xmit_timer(self) -> None:
        """Port of inet_csk_clear_xmit_timer."""
        self.pending = None
        self.xmit_timer.at = None

    def reset_keepalive_timer(self, ticks: int, now: Micros) -> None:
        """Port of inet_csk_reset_keepalive_timer."""
        if self.keep_timer is None:
            self.keep_timer = Timer(self, tcp_keepalive_timer)
        self.host.timers.set(self.keep_timer, self.host.tick.expiry(now, ticks))

    def set_delack_timer(self, now: Micros) -> None:
        """Port of tcp_send_delayed_ack."""
        if self.delack_timer is None:
            self.delack_timer = Timer(self, tcp_delack_timer)
        if self.delack_timer.at is None:
            self.host.timers.set(self.delack_timer, self.host.tick.expiry(now, self.ato))

    def clear_timers(self) -> None:
        """Port of tcp_clear_xmit_timers: no timer of this socket goes off any more."""
        timers = self.host.timers
        self.pending = None
        timers.forget(self.xmit_timer)
        if self.delack_timer is not None:
            timers.forget(self.delack_timer)
            self.delack_timer = None
        if self.keep_timer is not None:
            timers.forget(self.keep_timer)
            self.keep_timer = None
