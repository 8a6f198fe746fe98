# SPDX-License-Identifier: GPL-2.0-only
"""The TCP of one host: its sockets, its timers, what arrives and what it sends.

Source: net/ipv4/tcp_ipv4.c, tcp_v4_rcv and tcp_v4_connect; net/ipv4/inet_hashtables.c; Linux 5.10
to 6.12. Pure and deterministic: time and packets are passed in, lots are drawn by whoever made the
host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from ctlint.model.endpoint.challenge import Challenges
from ctlint.model.endpoint.happening import Errno, Happening, HappeningKind, SocketError
from ctlint.model.endpoint.icmp import tcp_v4_err
from ctlint.model.endpoint.listener import Listener
from ctlint.model.endpoint.numbers import Numbers
from ctlint.model.endpoint.peers import Peers
from ctlint.model.endpoint.ports import Ports
from ctlint.model.endpoint.settings import EndSettings
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.tcp_input import tcp_rcv_state_process
from ctlint.model.endpoint.tcp_output import tcp_connect
from ctlint.model.endpoint.tcp_state import CLOSE, SYN_SENT, TcpState
from ctlint.model.endpoint.timers import Tick, TimerQueue
from ctlint.model.endpoint.timewait import (
    TimewaitAnswer,
    inet_twsk_kill,
    next_isn,
    tcp_timewait_state_process,
    tcp_twsk_unique,
    tcp_v4_timewait_ack,
)
from ctlint.model.endpoint.view import SocketView, view_listener, view_socket
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.reject import reset_for
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP
from ctlint.wire.sequence import LAST

HZ: Final = 250
_TIMEWAIT_SECONDS: Final = 60
_LONGEST_UPTIME: Final[Micros] = 40 * 24 * 3600 * SECOND
_LOOPBACK: Final = 127

Key = tuple[Family, int, int, int, int]


class HostAddress(NamedTuple):
    """An address of a host."""

    family: Family
    address: int


class TcpHost:
    """The TCP of one host.

    `transmit` takes a packet that the host sends; it says False where the host itself refuses it
    at once (a rule of its own OUTPUT or POSTROUTING drops or rejects it), and True where it has
    left, whatever becomes of it. It may call `receive` of this host: that waits until the call is
    over. `draw(low, high)` draws a number, both ends included. `hz` are the ticks a second
    (CONFIG_HZ), `uptime` what timestamps of kernels before 4.10 tell, drawn where it is None.
    """

    def __init__(
        self,
        kernel: KernelProfile,
        settings: EndSettings,
        addresses: Iterable[HostAddress],
        transmit: Callable[[Packet, Micros], bool],
        draw: Callable[[int, int], int],
        hz: int = HZ,
        *,
        uptime: Micros | None = None,
    ) -> None:
        self.kernel = kernel
        self.settings = settings
        self.addresses = tuple(addresses)
        # These are asked for each segment.
        self.has_tail_loss_probe = Feature.TAIL_LOSS_PROBE in kernel
        self.has_challenge_ack = Feature.RFC5961_CHALLENGE_ACK in kernel
        self.has_stamp_offsets = Feature.TIMESTAMP_OFFSETS in kernel
        self.transmit = transmit
        self.draw = draw
        self.tick = Tick(hz, has_coarse_wheel=Feature.COARSE_TIMER_WHEEL in kernel)
        self.timers = TimerQueue()
        self.numbers = Numbers(draw(0, LAST))
        self.ports = Ports(self)
        self.challenges = Challenges(self)
        self.peers = Peers()
        self.orphans = 0
        self.timewaits = 0
        self.rto_min = hz // 5
        self.rto_min_micros = self.tick.micros(self.rto_min)
        self.rto_max = self.tick.of_micros(settings.rto_max_ms * 1000)
        self.timeout_init = hz if Feature.INITIAL_RTO_1S in kernel else 3 * hz
        self.timewait_len = _TIMEWAIT_SECONDS * hz
        self.ato_min = hz // 25
        self._stamp_unit = 1000 if Feature.TIMESTAMP_MILLISECONDS in kernel else SECOND // hz
        if uptime is None:
            uptime = draw(0, _LONGEST_UPTIME // SECOND) * SECOND
        self._stamp_base = 0 if self.has_stamp_offsets else uptime
        self._table: dict[Key, Socket] = {}
        self._listeners: dict[int, list[Listener]] = {}
        self._happenings: list[Happening] = []
        self._backlog: deque[Packet] = deque()
        self._depth = 0

    # ---- what programs do

    def listen(
        self,
        port: int,
        backlog: int,
        now: Micros,  # noqa: ARG002 (as the other calls)
        *,
        address: int | None = None,
        family: Family | None = None,
    ) -> Listener:
        """bind(2) and listen(2), of one address or of all. Raises SocketError."""
        here = self._listeners.setdefault(port, [])
        for other in here:
            is_same = family is None or other.family is None or family is other.family
            if is_same and (address is None or other.address in (None, address)):
                raise SocketError(Errno.EADDRINUSE)
        listener = Listener(self, family, address, port, backlog)
        here.append(listener)
        self.ports.bind(port)
        return listener

    def connect(
        self,
        address: int,
        port: int,
        now: Micros,
        *,
        local_port: int | None = None,
        local_address: int | None = None,
        family: Family = Family.IPV4,
        reuses_address: bool = True,
    ) -> Socket:
        """connect(2), which goes on in the background. Raises SocketError.

        `local_port`: bind(2) to it first; to 0, to any. `reuses_address`: with SO_REUSEADDR, so
        that a port in TIME_WAIT can be bound.
        """
        laddr = self._source(family, address) if local_address is None else local_address
        if local_port:
            self._check_bind(local_port, reuses_address=reuses_address)
            if not self._is_free((family, laddr, local_port, address, port), now, is_bound=True):
                raise SocketError(Errno.EADDRNOTAVAIL)
            chosen = local_port
        elif local_port is not None:
            chosen = self.ports.for_bind()
        else:
            chosen = self.ports.for_connect(
                *(laddr, address, port),
                lambda own: self._is_free((family, laddr, own, address, port), now, is_bound=False),
            )
        self.enter()
        sk = self.make_socket(family, laddr, chosen, address, port)
        self._succeed(sk, now)
        if local_port is not None:
            sk.is_bound = True
            self.ports.bind(chosen)
        self.hash(sk)
        sk.set_state(SYN_SENT, now)
        tcp_connect(sk, now)
        self.leave(now)
        return sk

    def _check_bind(self, port: int, *, reuses_address: bool) -> None:
        """Port of inet_csk_bind_conflict."""
        ports = self.ports
        is_used = port in ports.used or port in ports.bound
        if port in self._listeners or (is_used and not reuses_address):
            raise SocketError(Errno.EADDRINUSE)

    def _is_free(self, key: Key, now: Micros, *, is_bound: bool) -> bool:
        """Port of __inet_check_established: whether no socket has this tuple, or one in TIME_WAIT
        that may be replaced.
        """
        other = self._table.get(key)
        if other is None:
            return True
        return other.is_timewait and tcp_twsk_unique(other, now, is_bound=is_bound)

    def _succeed(self, sk: Socket, now: Micros) -> None:
        """Where a connection begins; one in TIME_WAIT that it replaces is gone."""
        other = self._table.get(sk.key)
        if other is None:
            sk.write_seq = self.initial_number(sk, now)
            return
        sk.write_seq = next_isn(other)
        sk.ts_recent, sk.ts_recent_at = other.ts_recent, other.ts_recent_at
        inet_twsk_kill(other, now)

    def _source(self, family: Family, target: int) -> int:
        """The address that a connection goes out from."""
        own = [one.address for one in self.addresses if one.family is family]
        if target in own or self.is_loopback(family, target):
            return target
        for address in own:
            if not self.is_loopback(family, address):
                return address
        raise SocketError(Errno.ENETUNREACH)

    # ---- packets and time

    def receive(self, packet: Packet, now: Micros) -> None:
        """A packet for this host arrives. What is no TCP, nor an error about it, is passed over."""
        if self._depth:
            self._backlog.append(packet)
            return
        self._depth = 1
        self._rcv(packet, now)
        self.leave(now)

    def next_timer(self) -> Micros | None:
        """When something happens by itself; None where nothing will."""
        return self.timers.next()

    def run(self, now: Micros) -> None:
        """Runs what is due."""
        self.enter()
        while (timer := self.timers.pop(now)) is not None:
            timer.fire(timer.owner, now)
        self.leave(now)

    def happenings(self) -> list[Happening]:
        """What has happened since this was asked last, in order."""
        found = self._happenings
        self._happenings = []
        return found

    def sockets(self, now: Micros) -> Iterator[SocketView]:
        """All sockets as ss(8) shows them, listeners first."""
        for listeners in self._listeners.values():
            yield from map(view_listener, listeners)
        for sk in self._table.values():
            yield view_socket(sk, now)

    def _rcv(self, packet: Packet, now: Micros) -> None:
        """Port of tcp_v4_rcv."""
        if packet.protocol != TCP:
            if packet.quoted is not None:
                tcp_v4_err(self, packet, now)
            return
        if packet.flags is None or packet.sport is None or packet.dport is None:
            return
        if packet.defect is not None:
            return
        flags = int(packet.flags)
        end_seq = packet.seq + packet.payload + (flags & 1) + (flags >> 1 & 1) & LAST
        sk = self._table.get(
            (packet.family, packet.daddr, packet.dport, packet.saddr, packet.sport)
        )
        if sk is None:
            self._without_socket(packet, flags, end_seq, None, now)
        elif sk.is_timewait:
            self._rcv_timewait(sk, packet, flags, end_seq, now)
        elif sk.request is not None:
            sk.request.listener.check_request(sk.request, packet, flags, end_seq, now)
        else:
            tcp_rcv_state_process(sk, packet, flags, end_seq, now)

    def _without_socket(
        self, packet: Packet, flags: int, end_seq: int, isn: int | None, now: Micros
    ) -> None:
        listener = self._lookup(packet)
        if listener is None:
            self.send_reset(packet, now)
        else:
            listener.receive(packet, flags, end_seq, isn, now)

    def _lookup(self, packet: Packet) -> Listener | None:
        """Port of __inet_lookup_listener: one bound to the address comes before one for all."""
        assert packet.dport is not None
        found = None
        for listener in self._listeners.get(packet.dport, ()):
            if listener.family not in (None, packet.family):
                continue
            if listener.address == packet.daddr:
                return listener
            if listener.address is None:
                found = listener
        return found

    def _rcv_timewait(
        self, sk: Socket, packet: Packet, flags: int, end_seq: int, now: Micros
    ) -> None:
        """What tcp_v4_rcv does with a segment for a socket in TIME_WAIT."""
        answer = tcp_timewait_state_process(sk, packet, flags, end_seq, now)
        if answer is TimewaitAnswer.SYN:
            if self._lookup(packet) is None:
                tcp_v4_timewait_ack(sk, now)
                return
            isn = next_isn(sk)
            inet_twsk_kill(sk, now)
            self._without_socket(packet, flags, end_seq, isn, now)
        elif answer is TimewaitAnswer.ACK:
            tcp_v4_timewait_ack(sk, now)
        elif answer is TimewaitAnswer.RST:
            self.send_reset(packet, now)
            inet_twsk_kill(sk, now)

    def send_reset(self, packet: Packet, now: Micros) -> None:
        """Port of tcp_v4_send_reset."""
        answer = reset_for(packet)
        if answer is not None:
            self.transmit(answer, now)

    # ---- what sockets ask of their host

    def enter(self) -> None:
        """From here on what arrives waits: a call or a timer is at work (lock_sock)."""
        self._depth += 1

    def leave(self, now: Micros) -> None:
        """The call is over, and what has arrived meanwhile is looked at (release_sock)."""
        if self._depth == 1:
            backlog = self._backlog
            while backlog:
                self._rcv(backlog.popleft(), now)
        self._depth -= 1

    def make_socket(self, family: Family, laddr: int, lport: int, raddr: int, rport: int) -> Socket:
        """A socket that nobody finds yet."""
        sk = Socket(self, family, laddr, lport, raddr, rport)
        if self.has_stamp_offsets:
            sk.ts_offset = self.numbers.timestamp_offset(laddr, raddr)
        return sk

    def hash(self, sk: Socket) -> None:
        """Port of inet_ehash_insert."""
        self._table[sk.key] = sk
        sk.is_hashed = True
        self.ports.use(sk.lport)

    def unhash(self, sk: Socket, now: Micros) -> None:
        """Port of inet_unhash: the socket has left the table."""
        if sk.is_hashed:
            sk.is_hashed = False
            del self._table[sk.key]
            self.ports.leave(sk.lport)
            self.note(now, sk, HappeningKind.GONE, None, None, None)
        self.release_port(sk)

    def release_port(self, sk: Socket) -> None:
        """Port of inet_put_port: a port that was bound is free when its socket is closed."""
        if sk.is_bound and sk.is_dead and sk.state is CLOSE:
            sk.is_bound = False
            self.ports.unbind(sk.lport)

    def forget_listener(self, listener: Listener) -> None:
        """A listener is closed."""
        here = self._listeners[listener.port]
        here.remove(listener)
        if not here:
            del self._listeners[listener.port]
        self.ports.unbind(listener.port)

    def find(self, key: Key) -> Socket | None:
        """The socket of a tuple: family, own address and port, the peer's."""
        return self._table.get(key)

    def note(
        self,
        now: Micros,
        sk: Socket,
        kind: HappeningKind,
        error: Errno | None,
        before: TcpState | None,
        after: TcpState | None,
    ) -> None:
        """Something has happened to a socket."""
        self._happenings.append(tuple.__new__(Happening, (now, sk, kind, error, before, after)))

    def initial_number(self, sk: Socket, now: Micros) -> int:
        """Where a connection of this tuple begins now."""
        return self.numbers.initial_number(sk, now)

    def timestamp(self, now: Micros) -> int:
        """Port of tcp_time_stamp, without the offset of a connection."""
        return (now + self._stamp_base) // self._stamp_unit

    def timestamp_micros(self, units: int) -> Micros:
        """A span of timestamps; the shortest that can be told is one unit."""
        return max(units, 1) * self._stamp_unit

    def is_loopback(self, family: Family, address: int) -> bool:
        """Whether packets to this address stay on lo."""
        if family is Family.IPV4:
            return address >> 24 == _LOOPBACK
        return address == 1

    def has_too_many_orphans(self, shift: int) -> bool:
        """Port of tcp_too_many_orphans."""
        most = self.settings.max_orphans
        return most is not None and self.orphans << shift > most
