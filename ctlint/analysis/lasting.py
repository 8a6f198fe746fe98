# SPDX-License-Identifier: GPL-2.0-only
"""How long a socket goes on when nobody answers it any more: played with the model of a Linux end.

How long hangs on the round trip, which sets the first retransmission timeout, and on the kernel's
timer wheel. So each answer is a range: over round trips from 0.1 ms to 0.2 s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from heapq import heappop, heappush
from typing import Final, NamedTuple

from ctlint.model.endpoint.happening import Happening, HappeningKind
from ctlint.model.endpoint.settings import EndSettings
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.tcp_host import HostAddress, TcpHost
from ctlint.model.endpoint.tcp_output import tcp_probe0_base
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet

_MOMENTS: Final[tuple[Micros, ...]] = (0, 1_400_000, 11_900_000, 18_200_000, 19_600_000)
_PLAYED: Final[tuple[tuple[Micros, Micros], ...]] = (
    *((100, moment) for moment in _MOMENTS),
    *((20_000, 0), (100_000, 0), (200_000, 0), (200_000, 12_000_000)),
)
"""Round trips, and moments of the same deed: where it falls in the timer wheel moves its end."""

MOST_EVENTS: Final = 4_000
_A: Final = HostAddress(Family.IPV4, 0x0A010002)
_B: Final = HostAddress(Family.IPV4, 0x0A020002)
_PORT: Final = 80
_BYTES: Final = 100


class Lasting(NamedTuple):
    """At least and at most so many whole seconds."""

    least: int
    most: int


@cache
def of_close(kernel: KernelProfile, settings: EndSettings, *, is_refused: bool) -> Lasting | None:
    """How long a closed socket stays whose FIN nobody answers; None where no end is in sight.

    ``is_refused``: its own host's output refuses the FIN, which then counts as never sent
    (tcp_probe_timer() in net/ipv4/tcp_timer.c). FIN_WAIT_1 and LAST_ACK are alike (measured on
    5.10, 6.1 and 6.18).
    """

    def deed(pair: _Pair) -> Socket:
        pair.go_dark(is_refused=is_refused)
        pair.client.close(pair.now)
        return pair.client

    return _range(kernel, settings, deed, HappeningKind.GONE)


@cache
def of_data(kernel: KernelProfile, settings: EndSettings) -> Lasting | None:
    """How long an open socket repeats data that nobody acknowledges, until ETIMEDOUT."""

    def deed(pair: _Pair) -> Socket:
        pair.go_dark(is_refused=False)
        pair.client.send(_BYTES, pair.now)
        return pair.client

    return _range(kernel, settings, deed, HappeningKind.TIMED_OUT)


@cache
def of_connect(kernel: KernelProfile, settings: EndSettings) -> Lasting | None:
    """How long connect() tries without an answer, until ETIMEDOUT."""

    def deed(pair: _Pair) -> Socket:
        pair.go_dark(is_refused=False)
        return pair.a.connect(_B.address, _PORT, pair.now)

    return _range(kernel, settings, deed, HappeningKind.CONNECT_FAILED)


@cache
def rest_of_close(
    kernel: KernelProfile,
    settings: EndSettings,
    counted: int,
    round_trip: Micros | None = None,
    *,
    is_refused: bool,
    is_owned: bool = False,
) -> Lasting | None:
    """How long such a socket still stays once its next timer goes off, where its timers have gone
    off ``counted`` times; None where that is not known, or no end is in sight.

    ``is_owned``: the program has only shut its sending side down. ``round_trip``: as measured.
    """

    def deed(pair: _Pair) -> Socket:
        pair.go_dark(is_refused=is_refused)
        (pair.client.shutdown if is_owned else pair.client.close)(pair.now)
        return pair.client

    end = HappeningKind.TIMED_OUT if is_owned else HappeningKind.GONE
    return _rest(kernel, settings, deed, end, counted, round_trip)


@cache
def rest_of_connect(kernel: KernelProfile, settings: EndSettings, counted: int) -> Lasting | None:
    """How long connect() still tries once its next timer goes off, where that has happened
    ``counted`` times; None where that is not known.
    """

    def deed(pair: _Pair) -> Socket:
        pair.go_dark(is_refused=False)
        return pair.a.connect(_B.address, _PORT, pair.now)

    return _rest(kernel, settings, deed, HappeningKind.CONNECT_FAILED, counted, None)


def _rest(
    kernel: KernelProfile,
    settings: EndSettings,
    deed: Callable[[_Pair], Socket],
    end: HappeningKind,
    counted: int,
    round_trip: Micros | None,
) -> Lasting | None:
    played = _PLAYED
    if round_trip is not None:
        played = tuple((round_trip, moment) for moment in _MOMENTS)
    spans: list[Micros] = []
    for each, moment in played:
        pair = _Pair(kernel, settings, each)
        pair.open()
        pair.pass_time(10 * SECOND + moment)
        spans += pair.rest_of(deed(pair), end, counted) or ()
    if not spans:
        return None
    return Lasting(max(min(spans), 0) // SECOND, max(-(-max(spans) // SECOND), 0))


def _range(
    kernel: KernelProfile,
    settings: EndSettings,
    deed: Callable[[_Pair], Socket],
    end: HappeningKind,
) -> Lasting | None:
    spans: list[Micros] = []
    for round_trip, moment in _PLAYED:
        pair = _Pair(kernel, settings, round_trip)
        pair.open()
        pair.pass_time(10 * SECOND + moment)
        begun = pair.now
        ended = pair.end_of(deed(pair), end)
        if ended is None:
            return None
        spans.append(ended - begun)
    return Lasting(min(spans) // SECOND, -(-max(spans) // SECOND))


class _Pair:
    """Two hosts back to back, and a connection between them."""

    def __init__(self, kernel: KernelProfile, settings: EndSettings, round_trip: Micros) -> None:
        self.now: Micros = 0
        self.client: Socket
        self._delay = round_trip // 2
        self._is_dark = False
        self._refuses = False
        self._under_way: list[tuple[Micros, int, Packet]] = []
        self._sent = 0
        self._seen: list[Happening] = []
        self.a = TcpHost(kernel, settings, (_A,), self._transmit, _lowest)
        self._b = TcpHost(kernel, settings, (_B,), self._transmit, _lowest)

    def _transmit(self, packet: Packet, now: Micros) -> bool:
        if self._is_dark:
            return not self._refuses
        self._sent += 1
        heappush(self._under_way, (now + self._delay, self._sent, packet))
        return True

    def open(self) -> None:
        """A connection, on which each end has heard from the other."""
        listener = self._b.listen(_PORT, 1, self.now)
        self.client = self.a.connect(_B.address, _PORT, self.now)
        self.pass_time(SECOND)
        server = listener.accept(self.now)
        assert server is not None
        for socket in (self.client, server, self.client, server):
            socket.send(_BYTES, self.now)
            self.pass_time(SECOND)
            for other in (self.client, server):
                other.read(self.now)

    def go_dark(self, *, is_refused: bool) -> None:
        """From now on nothing arrives."""
        self._is_dark = True
        self._refuses = is_refused

    def pass_time(self, span: Micros) -> None:
        """Time goes on by so much."""
        until = self.now + span
        while (at := self._next()) is not None and at <= until:
            self._step(at)
        self.now = until

    def end_of(self, socket: Socket, kind: HappeningKind) -> Micros | None:
        """When this happens to a socket; None where no end is in sight."""
        for _ in range(MOST_EVENTS):
            for one in self._seen:
                if one.kind is kind and one.socket is socket:
                    return one.at
            self._seen.clear()
            at = self._next()
            if at is None:
                return None
            self._step(at)
        return None

    def rest_of(self, socket: Socket, kind: HappeningKind, counted: int) -> list[Micros] | None:
        """The time from the socket's timer, behind so many times, to the end: from when it goes
        off, and from when it was asked for, which is what ss tells up to 6.18 (icsk_timeout). None
        where either is not in sight.
        """
        timer: tuple[Micros, Micros] | None = None
        for _ in range(MOST_EVENTS):
            for one in self._seen:
                if one.kind is kind and one.socket is socket:
                    return None if timer is None else [one.at - at for at in timer]
            self._seen.clear()
            pending = socket.xmit_timer.at
            if timer is None and pending is not None and _counted(socket) == counted:
                timer = (pending, self.now + socket.host.tick.micros(_wait(socket)))
            next_one = self._next()
            if next_one is None:
                return None
            self._step(next_one)
        return None

    def _next(self) -> Micros | None:
        moments = [self.a.next_timer(), self._b.next_timer()]
        if self._under_way:
            moments.append(self._under_way[0][0])
        return min((one for one in moments if one is not None), default=None)

    def _step(self, at: Micros) -> None:
        self.now = at
        while self._under_way and self._under_way[0][0] <= at:
            packet = heappop(self._under_way)[2]
            (self.a if packet.daddr == _A.address else self._b).receive(packet, at)
        for host in (self.a, self._b):
            host.run(at)
            self._seen += host.happenings()


def _counted(socket: Socket) -> int:
    """What ss shows behind the timer of such a socket (inet_sk_diag_fill)."""
    return socket.retransmits if socket.rtx else socket.probes_out


def _wait(socket: Socket) -> int:
    """For how many ticks the timer was set when that was now: tcp_reset_xmit_timer()."""
    if socket.rtx:
        return socket.rto
    return min(tcp_probe0_base(socket) << socket.backoff, socket.host.rto_max)


def _lowest(low: int, _high: int) -> int:
    """Lots do not matter here."""
    return low
