# SPDX-License-Identifier: GPL-2.0-only
"""A world: hosts with their TCP, links, a box with rules and conntrack, and programs; one run of
discrete events in whole microseconds.

Nothing here reads a clock or draws lots by itself: the same hosts, deeds and lots give the same
run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ctlint.model.conntrack.core import NotModelledError, Tracker
from ctlint.model.endpoint.happening import Happening, HappeningKind
from ctlint.model.endpoint.settings import EndSettings
from ctlint.model.endpoint.tcp_host import HostAddress, TcpHost
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.passage import Passage
from ctlint.model.netfilter.stack import Stack
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.model.world.bounds import USUAL_BOUNDS, Bounds, Ending, Why
from ctlint.model.world.chronicle import Chronicle, Fate, Rung, Turn
from ctlint.model.world.crossing import has_left, note_passage, say_open
from ctlint.model.world.event_queue import Act, EventQueue
from ctlint.model.world.line import Half, Line, Manner, Side
from ctlint.model.world.link import Link
from ctlint.model.world.peer import Peer, Service
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags

Draw = Callable[[int, int], int]
Onlooker = Callable[[Half, Happening], None]

_STORM: Final[Micros] = 10 * SECOND
"""So many packets that change nothing, within this time, are a storm that never ends."""

_STATE: Final = HappeningKind.STATE
_SYN_ACK: Final = int(TcpFlags.SYN | TcpFlags.ACK)
_SYN: Final = int(TcpFlags.SYN)


class World:
    """``stack`` and ``tracker`` are the box. ``chronicle`` keeps what happens to watched lines;
    ``onlooker`` is told all that happens to sockets of lines; of those that are not watched, no
    changes of state.
    """

    def __init__(
        self,
        stack: Stack,
        tracker: Tracker,
        draw: Draw,
        *,
        chronicle: Chronicle | None = None,
        onlooker: Onlooker | None = None,
        bounds: Bounds = USUAL_BOUNDS,
    ) -> None:
        self.now: Micros = 0
        self.peers: dict[str, Peer] = {}
        self.ending: Ending | None = None
        self.events = 0
        self.packets = 0
        self.tracker = tracker
        self._stack = stack
        self._draw = draw
        self._chronicle = chronicle
        self._onlooker = onlooker
        self._bounds = bounds
        self._queue = EventQueue()
        self._by_address: dict[int, Peer] = {}
        self.box: Peer | None = None
        self._opening: Half | None = None
        self._lines = 0
        self._deeds = 0
        self._idle_packets = 0
        self._idle_since: Micros = 0
        self._sent: list[Rung] = []

    # ---- hosts

    def add_host(
        self,
        name: str,
        family: Family,
        address: int,
        kernel: KernelProfile,
        settings: EndSettings,
        link: Link,
        entrance: str | None,
        uptime: Micros | None = None,
    ) -> Peer:
        """Put a host into the world. ``entrance`` is the box's interface behind which it stands,
        None where it is the box; ``uptime`` is how long it has run, by lot where that is None.
        """
        peer = Peer(name, family, address, link, entrance)
        peer.tcp = TcpHost(
            kernel,
            settings,
            (HostAddress(family, address),),
            partial(self._transmit, peer),
            self._draw,
            uptime=uptime,
        )
        self.peers[name] = peer
        self._by_address[address] = peer
        if entrance is None:
            self.box = peer
        return peer

    # ---- the run

    def at(self, moment: Micros, act: Act, *arguments: Any) -> None:
        """Let something be done at a moment, which must not lie in the past."""
        assert moment >= self.now
        self._deeds += 1
        self._queue.put(moment, self._do, act, arguments)

    def _do(self, act: Act, arguments: tuple[Any, ...]) -> None:
        self._deeds -= 1
        act(*arguments)

    def run(self, until: Micros | None = None) -> Ending:
        """Let happen what happens, up to a moment, or until nothing can happen any more."""
        ending: Ending | None = None
        while ending is None:
            ending = self.advance(until, self._bounds.events)
        return ending

    def advance(self, until: Micros | None, events: int) -> Ending | None:
        """As `run`, but for so many events at most; None where it is not over then."""
        queue, bounds = self._queue, self._bounds
        ending: Ending | None = None
        self.ending = None
        last = self.events + events
        while ending is None:
            if self.events >= last:
                return None
            at = queue.next_moment()
            if at is None:
                return self._end(Why.QUIET)
            if until is not None and at > until:
                self.now = until
                return self._end(Why.TIME)
            self.events += 1
            if self.events > bounds.events:
                return self._end(Why.EVENTS)
            if self._idle_packets > bounds.idle_packets and not self._makes_progress():
                return self._end(Why.STEADY)
            self.now, act, arguments = queue.take()
            act(*arguments)
            ending = self.ending
        return ending

    def _makes_progress(self) -> bool:
        """Whether to go on after many packets that changed nothing: for what is still to be done,
        unless it is a storm.
        """
        is_storm = self.now - self._idle_since < _STORM
        self._idle_packets, self._idle_since = 0, self.now
        return self._deeds > 0 and not is_storm

    def _end(self, why: Why, detail: str = "") -> Ending:
        self.ending = Ending(why, self.now, detail)
        return self.ending

    # ---- packets

    def _transmit(self, peer: Peer, packet: Packet, now: Micros) -> bool:
        """A host sends. Tells whether the packet has left it."""
        self.packets += 1
        self._idle_packets += 1
        key = (packet.family, packet.saddr, packet.sport or 0, packet.daddr, packet.dport or 0)
        half = self._opening
        if half is not None and half.key is None and int(packet.flags or 0) & _SYN_ACK == _SYN:
            half.key = key
            peer.halves[key] = half
        else:
            half = peer.halves.get(key)
        rung = self._rung(peer, packet, half) if half is not None else None
        to = None if half is None else half.line.half(half.side.other)
        if peer.entrance is None:
            return self._send_from_box(peer, packet, half, to, rung)
        link = peer.link
        if link.loses():
            if rung is not None:
                rung.fate = Fate.LOST
        else:
            self._queue.put(
                now + link.delay, self._enter_box, peer.entrance, packet, half, to, rung
            )
        return True

    def _rung(self, peer: Peer, packet: Packet, half: Half) -> Rung | None:
        if self._chronicle is None or not half.line.is_watched:
            return None
        rung = Rung(self.now, half.line, half, peer.name, packet)
        rung.states[:] = [self.state_of(half.line.client), self.state_of(half.line.server)]
        self._sent.append(rung)
        self._chronicle.add(rung)
        return rung

    def _send_from_box(
        self, peer: Peer, packet: Packet, half: Half | None, to: Half | None, rung: Rung | None
    ) -> bool:
        try:
            passage = self._stack.send(packet, self.now)
        except (NotModelledError, EndlessWalkError) as error:
            self._end(Why.UNDECIDED, str(error))
            return True
        self._go_on(passage, packet, half, to, rung, delay=peer.link.delay)
        if has_left(passage) or passage.open:
            return True
        if rung is not None:
            rung.fate = Fate.REFUSED
        return False

    def _enter_box(
        self,
        interface: str,
        packet: Packet,
        half: Half | None,
        to: Half | None,
        rung: Rung | None,
    ) -> None:
        try:
            passage = self._stack.receive(packet, interface, self.now)
        except (NotModelledError, EndlessWalkError) as error:
            self._end(Why.UNDECIDED, str(error))
            return
        self._go_on(passage, packet, half, to, rung, delay=0)

    def _go_on(
        self,
        passage: Passage,
        packet: Packet,
        half: Half | None,
        to: Half | None,
        rung: Rung | None,
        *,
        delay: Micros,
    ) -> None:
        """What comes out of the box goes on; ``delay`` is that of lo."""
        if rung is not None:
            note_passage(rung, passage, self.tracker, self.now)
        if passage.open:
            self._end(Why.UNDECIDED, say_open(tuple(passage.open), packet.family))
            return
        if passage.arrived is not None:
            assert self.box is not None  # only a host's own packets arrive at its sockets
            self._queue.put(self.now + delay, self._arrive, self.box, passage.arrived, to, rung)
        for emitted in passage.out:
            if emitted.is_same:
                self._carry(emitted.packet, to, rung)
            else:
                self._carry(emitted.packet, half, self._made(emitted.packet, half))
        for told in passage.told:
            assert self.box is not None
            made = self._made(told, half)
            self._queue.put(self.now, self._arrive, self.box, told, half, made)

    def _made(self, packet: Packet, half: Half | None) -> Rung | None:
        """The rung of a packet that the box made to answer one of this half's."""
        if self._chronicle is None or half is None or not half.line.is_watched:
            return None
        rung = Rung(self.now, half.line, None, "box", packet)
        self._chronicle.add(rung)
        return rung

    def _carry(self, packet: Packet, to: Half | None, rung: Rung | None) -> None:
        """Lead a packet that came out of the box to whom it is for."""
        peer = self._by_address.get(packet.daddr)
        fate = Fate.UNDER_WAY
        if peer is None or peer is self.box:
            fate = Fate.ASTRAY
        elif peer.link.loses():
            fate = Fate.LOST
        else:
            self._queue.put(self.now + peer.link.delay, self._arrive, peer, packet, to, rung)
        if rung is not None:
            rung.fate = fate

    def _arrive(self, peer: Peer, packet: Packet, to: Half | None, rung: Rung | None) -> None:
        key = (packet.family, packet.daddr, packet.dport or 0, packet.saddr, packet.sport or 0)
        if to is not None and not to.is_gone and packet.flags is not None:
            if peer.halves.get(key) is not to:
                peer.halves[key] = to
            to.key, to.peer = key, peer
        peer.tcp.receive(packet, self.now)
        if rung is not None:
            rung.fate, rung.arrived = Fate.ARRIVED, self.now
            if to is not None:
                rung.states[to.side] = self.state_of(to)
        self.settle(peer)

    # ---- sockets

    def settle(self, peer: Peer) -> None:
        """Let the programs of a host notice what has happened, and promise to look at its timers
        in time.
        """
        while found := peer.tcp.happenings():
            for happening in found:
                self._notice(peer, happening)
        for rung in self._sent:  # what the sender made of it is known only now
            if rung.half is not None:
                rung.states[rung.half.side] = self.state_of(rung.half)
        self._sent.clear()
        due = peer.tcp.next_timer()
        if due is not None and (peer.wakes_at is None or due < peer.wakes_at):
            peer.wakes_at = due
            self._queue.put(max(due, self.now), self._wake, peer, due)

    def _wake(self, peer: Peer, promised: Micros) -> None:
        if peer.wakes_at != promised:
            return  # it was promised for an earlier moment since
        peer.wakes_at = None
        peer.tcp.run(self.now)
        self.settle(peer)

    def _notice(self, peer: Peer, happening: Happening) -> None:
        kind, socket = happening.kind, happening.socket
        half = peer.by_socket.get(socket)
        if half is None:
            half = self._adopt(peer, happening)
            if half is None:
                return
        self._idle_packets, self._idle_since = 0, self.now
        is_watched = half.line.is_watched
        if kind is _STATE and not is_watched:
            return
        if is_watched and self._chronicle is not None:
            self._chronicle.add(Turn(happening.at, half, happening))
        if self._onlooker is not None:
            self._onlooker(half, happening)
        if kind is _STATE:
            return
        if kind is HappeningKind.ACCEPTED:
            self._accept(peer, half)
        elif kind is HappeningKind.DATA:
            if half.manner is not Manner.LEAK:
                socket.read(self.now)
        elif kind is HappeningKind.EOF:
            if half.manner is Manner.SERVE:
                socket.close(self.now)
        elif kind is HappeningKind.GONE:
            self._forget(half)

    def _adopt(self, peer: Peer, happening: Happening) -> Half | None:
        """The half of a socket that nobody has heard of before: the client's that is just being
        opened, or one that a listener made.
        """
        socket = happening.socket
        half = self._opening
        if half is None or half.peer is not peer or half.socket is not None:
            half = peer.halves.get(socket.key)
            if half is None or half.socket is not None:
                return None
        half.socket = socket
        half.peer = peer
        peer.by_socket[socket] = half
        return half

    def _accept(self, peer: Peer, half: Half) -> None:
        assert half.socket is not None
        service = peer.services.get(half.socket.lport)
        if service is None:
            return
        half.manner = service.manner
        if service.accepts:
            service.listener.accept(self.now)

    @staticmethod
    def _forget(half: Half) -> None:
        """A socket has left its host's table."""
        half.is_gone = True
        if half.socket is not None and half.peer is not None:
            half.peer.by_socket.pop(half.socket, None)
        line = half.line
        if line.is_watched:
            return  # its host may still answer for it
        if line.server.socket is None:
            line.server.is_gone = True
        if line.client.is_gone and line.server.is_gone:
            for each in (line.client, line.server):
                peer, key = each.peer, each.key
                if peer is not None and key is not None and peer.halves.get(key) is each:
                    del peer.halves[key]

    # ---- deeds of programs

    def listen(
        self, name: str, port: int, backlog: int, manner: Manner, *, accepts: bool = True
    ) -> None:
        """A program listens. Raises what TcpHost.listen raises."""
        peer = self.peers[name]
        listener = peer.tcp.listen(port, backlog, self.now)
        peer.services[port] = Service(port, listener, manner, accepts=accepts)
        self.settle(peer)

    def new_line(self, *, is_watched: bool = True, group: int = 0) -> Line:
        """A connection that is about to be opened."""
        self._lines += 1
        return Line(self._lines, self.now, is_watched=is_watched, group=group)

    def connect(
        self,
        line: Line,
        name: str,
        to: str,
        port: int,
        *,
        local_port: int | None = None,
        manner: Manner = Manner.HOLD,
    ) -> None:
        """A program connects; what becomes of it, the onlooker is told. Raises SocketError."""
        peer = self.peers[name]
        half = line.client
        half.peer, half.manner = peer, manner
        self._opening = half
        try:
            socket = peer.tcp.connect(
                self.peers[to].address,
                port,
                self.now,
                local_port=local_port,
                family=peer.family,
            )
        finally:
            self._opening = None
        if half.socket is None:
            half.socket = socket
            peer.by_socket[socket] = half
        self.settle(peer)

    def state_of(self, half: Half) -> TcpState | None:
        """The state of what stands at the tuple of a half."""
        if half.peer is None or half.key is None:
            return None
        socket = half.peer.tcp.find(half.key)
        return None if socket is None else socket.state

    def kill(self, name: str, side: Side) -> None:
        """The programs of a host that stand on one side end: the kernel closes what they hold."""
        peer = self.peers[name]
        if side is Side.SERVER:
            for service in peer.services.values():
                service.listener.close(self.now)
            peer.services.clear()
        for socket, half in tuple(peer.by_socket.items()):
            if half.side is side and not half.is_gone:
                socket.close(self.now)
        self.settle(peer)
