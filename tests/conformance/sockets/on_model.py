# SPDX-License-Identifier: GPL-2.0-only
"""Plays a case on the model, and tells of it as `play.py` tells of a kernel."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Final, cast

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import Dir
from ctlint.model.endpoint.happening import Happening, HappeningKind, SocketError
from ctlint.model.endpoint.listener import Listener
from ctlint.model.endpoint.settings import EndSettings, read_end_settings
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.view import SocketView
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import NETFILTER
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.passage import Passage
from ctlint.model.netfilter.stack import Stack
from ctlint.model.world.chronicle import Chronicle, Fate, Rung
from ctlint.model.world.line import Half, Manner
from ctlint.model.world.link import Link
from ctlint.model.world.lots import Lots
from ctlint.model.world.world import World
from ctlint.scenario.box import Box
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rulesets import chains_of
from ctlint.scenario.scenario import Scenario
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.sockets.case import (
    Abort,
    Accept,
    Case,
    Close,
    Connect,
    Expire,
    Host,
    Keepalive,
    Kill,
    Listen,
    Read,
    Rules,
    Send,
    Shutdown,
    Step,
    Topology,
)
from tests.conformance.sockets.programs import errno_name
from tests.conformance.sockets.recording import Call, Ends, Notice, Played, Seen, State
from tests.conformance.sockets.watch import SERVER_PORT, near

_BETWEEN_LOOKS: Final[Micros] = 50_000
_PORTS: Final = "net.ipv4.ip_local_port_range"
_KINDS: Final = {
    HappeningKind.CONNECTED: "connected",
    HappeningKind.CONNECT_FAILED: "failed",
    HappeningKind.DATA: "data",
    HappeningKind.EOF: "eof",
    HappeningKind.RESET: "error",
    HappeningKind.TIMED_OUT: "error",
}


class _ChangingBox:
    """The box of a case, whose rules may be replaced while its connections stay."""

    def __init__(self, case: Case, tracker: Tracker, lots: Lots) -> None:
        self._tracker = tracker
        self._lots = lots
        box_host = _box_of(case)
        self._case = case
        scenario = _scenario(case, box_host, case.rules.get(box_host, ""))
        self.entrances = Box(scenario.topology, scenario.flow).entrances
        self._stack = self._made(scenario)

    def _made(self, scenario: Scenario) -> Stack:
        return Stack(
            self._tracker,
            chains_of(scenario, frozenset()),
            Box(scenario.topology, scenario.flow).host,
            memory=Memory({}),
            draw=self._lots.draw,
            lots=self._lots.draw,
        )

    def load(self, host: Host, text: str, now: Micros) -> None:
        """Replace the rules."""
        assert host is _box_of(self._case)
        self._stack = self._made(_scenario(self._case, host, text))
        for entry in self._tracker.entries(now):
            entry.extension = None  # the ways that its packets took through the old rules

    def send(self, packet: Packet, now: Micros) -> Passage:
        """As Stack.send."""
        return self._stack.send(packet, now)

    def receive(self, packet: Packet, interface: str, now: Micros) -> Passage:
        """As Stack.receive."""
        return self._stack.receive(packet, interface, now)


def _box_of(case: Case) -> Host:
    """The host that has rules: no case gives them to two."""
    changed = {step.host for step in case.steps if isinstance(step, Rules)}
    (*others,) = {case.host(host) for host in changed | case.rules.keys()}
    assert len(others) <= 1
    return others[0] if others else case.hosts[-2] if len(case.hosts) > 1 else Host.CLIENT


def _tracker_sysctls(case: Case) -> dict[str, int]:
    given = case.sysctls.get(_box_of(case), {})
    return {name: int(value) for name, value in given.items() if name.startswith(NETFILTER)}


def _scenario(case: Case, host: Host, text: str) -> Scenario:
    """The box and its rules, in the words of scenarios."""
    match case.topology, host:
        case Topology.LOOPBACK, _:
            topology: object = "lo"
        case _, Host.ROUTER:
            topology = "forward"
        case _, Host.SERVER:
            topology = {"kind": "host", "role": "reply", "addr": "10.2.0.2/16"}
        case _:
            topology = {"kind": "host", "role": "orig", "addr": "10.1.0.2/16"}
    flow = {} if topology == "lo" else {"saddr": "10.1.0.2", "daddr": "10.2.0.2"}
    return scenario_from_json({"topology": topology, "flow": flow, "ruleset": text, "packets": []})


class OnModel:
    """One case on the model of a kernel."""

    def __init__(self, case: Case, kernel: KernelProfile) -> None:
        self._case = case
        self._kernel = kernel
        lots = Lots(1)
        tracker = self._tracker = Tracker(kernel, read_settings(kernel, _tracker_sysctls(case)))
        self._box = _ChangingBox(case, tracker, lots)
        self._chronicle = Chronicle()
        self._world = world = World(
            cast(Stack, self._box),
            tracker,
            lots.draw,
            chronicle=self._chronicle,
            onlooker=self._hear,
        )
        self._sysctls: dict[Host, dict[str, str]] = {
            host: dict(case.sysctls.get(host, {})) for host in case.hosts
        }
        entrances = [self._box.entrances[end] for end in (Dir.ORIGINAL, Dir.REPLY)]
        for host, entrance in zip((Host.CLIENT, Host.SERVER), entrances, strict=True):
            if case.host(host) is not host:
                world.peers[host.value] = world.peers[Host.CLIENT.value]
                continue
            address = {Host.CLIENT: 0x0A010002, Host.SERVER: 0x0A020002}[host]
            world.add_host(
                host.value,
                Family.IPV4,
                0x7F000001 if case.topology is Topology.LOOPBACK else address,
                kernel,
                self._settings(host),
                Link(lots.draw),
                entrance,
            )
        self._listeners: dict[str, Listener] = {}
        self._sockets: dict[str, Socket] = {}
        self._names: dict[Socket, str] = {}
        self._owned: set[Socket] = set()
        self._opening = ""
        self._calls: list[Call] = []
        self._notices: list[Notice] = []
        self._states: list[State] = []
        self._now: dict[Ends, tuple[str, str, bool]] = {}

    def _settings(self, host: Host) -> EndSettings:
        given = self._sysctls[host]
        ports = None
        if _PORTS in given:
            low, high = map(int, given[_PORTS].split())
            ports = low, high
        numbers = {
            name: int(value)
            for name, value in given.items()
            if name != _PORTS and not name.startswith(NETFILTER)
        }
        return read_end_settings(self._kernel, numbers, ports)

    def play(self) -> Played:
        """Play it."""
        world, case = self._world, self._case
        for step in case.steps:
            world.at(_micros(step.at), self._do, step)
        for number in range(int(case.seconds * SECOND / _BETWEEN_LOOKS) + 1):
            # Not at the same moments as the steps.
            world.at(number * _BETWEEN_LOOKS + 7_000, self._look)
        ending = world.run(_micros(case.seconds))
        assert ending.is_whole, ending
        packets = [event for event in self._chronicle.events if isinstance(event, Rung)]
        assert not self._chronicle.left_out
        return Played(
            case.name,
            case.seconds,
            tuple(self._calls),
            tuple(self._notices),
            tuple(self._states),
            tuple(self._seen(packets)),
        )

    # ---- steps

    def _do(self, step: Step) -> None:
        what = step.host.value if isinstance(step, Rules | Expire) else ""
        what = what or getattr(step, "socket", "")
        result: int | None = None
        error = None
        try:
            result = self._perform(step)
        except SocketError as failed:
            error = failed.error.name
        except BlockingIOError as failed:
            error = errno_name(failed)
        self._calls.append(Call(self._at(), type(step).__name__.lower(), what, result, error))
        for peer in self._world.peers.values():
            self._world.settle(peer)

    def _at(self) -> float:
        return self._world.now / SECOND

    def _perform(self, step: Step) -> int | None:
        world = self._world
        now = world.now
        match step:
            case Listen():
                world.listen(Host.SERVER.value, step.port, step.backlog, Manner.LEAK, accepts=False)
                service = world.peers[Host.SERVER.value].services[step.port]
                self._listeners[step.socket] = service.listener
            case Connect():
                self._connect(step)
            case Accept():
                accepted = self._listeners[step.listener].accept(now)
                if accepted is None:
                    raise BlockingIOError(errno.EAGAIN, "nothing to accept")
                self._sockets[step.socket] = accepted
                self._names[accepted] = step.socket
                self._owned.add(accepted)
            case Send():
                self._sockets[step.socket].send(step.length, now)
                return step.length
            case Read():
                return self._sockets[step.socket].read(now)
            case Shutdown():
                self._sockets[step.socket].shutdown(now)
            case Close() | Kill():
                self._remove(step.socket).close(now)
            case Abort():
                self._remove(step.socket).abort(now)
            case Keepalive():
                self._sockets[step.socket].set_keepalive(
                    now, time=step.time, interval=step.interval, probes=step.probes
                )
            case Rules():
                self._box.load(self._case.host(step.host), step.text, now)
            case Expire():
                self._tracker.flush()
            case _:
                raise AssertionError(step)
        return None

    def _connect(self, step: Connect) -> None:
        self._opening = step.socket
        line = self._world.new_line()
        self._world.connect(
            line,
            Host.CLIENT.value,
            Host.SERVER.value,
            step.port,
            local_port=step.local_port,
            manner=Manner.LEAK,
        )
        made = line.client.socket
        assert made is not None
        self._sockets[step.socket] = made
        self._names[made] = step.socket
        self._owned.add(made)

    def _remove(self, name: str) -> Socket:
        removed = self._sockets.pop(name)
        self._owned.discard(removed)
        self._names.pop(removed, None)
        return removed

    # ---- what is seen

    def _hear(self, half: Half, happening: Happening) -> None:
        kind, socket = happening.kind, happening.socket
        at = happening.at / SECOND
        if kind is HappeningKind.ACCEPTED:
            name = next(n for n, each in self._listeners.items() if each is socket.listener)
            self._notices.append(Notice(at, name, "acceptable", None, None))
        named = self._names.get(socket)
        if named is not None and kind in _KINDS:
            error = None if happening.error is None else happening.error.name
            size = socket.unread if kind is HappeningKind.DATA else None
            self._notices.append(Notice(at, named, _KINDS[kind], size, error))

    def _look(self) -> None:
        before, self._now = self._now, {}
        at = self._at()
        for peer in dict.fromkeys(self._world.peers.values()):
            for view in peer.tcp.sockets(self._world.now):
                if view.remote is None:
                    continue
                ends = _ends(view)
                timer = "" if view.timer is None else view.timer.kind.value
                # As ss(8) shows it: nobody owns what is not accepted yet, nor what is in TIME_WAIT.
                assert view.local_address is not None
                socket = peer.tcp.find(
                    (Family.IPV4, view.local_address, view.local_port, *view.remote[1:])
                )
                is_orphan = socket not in self._owned or timer == "timewait"
                self._now[ends] = now = (view.state.value, timer, is_orphan)
                if before.get(ends) != now:
                    self._states.append(State(at, ends, *now))
        for ends in before.keys() - self._now.keys():
            self._states.append(State(at, ends, "gone", "", True))

    def _seen(self, rungs: list[Rung]) -> Iterator[Seen]:
        bases: dict[tuple[int, int], int] = {}
        box = _box_of(self._case)
        asks = "state" in self._case.rules.get(box, "")
        for rung in rungs:
            packet = rung.packet
            if packet.flags is None or packet.sport is None or packet.dport is None:
                continue
            ports = packet.sport, packet.dport
            if packet.flags & TcpFlags.SYN:
                bases[ports] = packet.seq
            has_ack = packet.flags & TcpFlags.ACK
            sender = Host.SERVER if packet.sport == SERVER_PORT else Host.CLIENT
            made_by = box.value if rung.sender == "box" else self._case.host(sender).value
            ctstate = None if rung.ctstate is None or not asks else str(rung.ctstate.name)
            yield Seen(
                rung.at / SECOND,
                sender.value,
                made_by,
                *ports,
                packet.flags.letters,
                near(packet.seq, bases.get(ports)),
                near(packet.ack, bases.get(ports[::-1])) if has_ack else None,
                packet.payload,
                _reached(rung, box),
                {} if ctstate is None else {box.value: ctstate},
            )


def _ends(view: SocketView) -> Ends:
    assert view.remote is not None
    side = Host.SERVER if view.local_port == SERVER_PORT else Host.CLIENT
    return Ends(side.value, view.local_port, view.remote[-1])


def _reached(rung: Rung, box: Host) -> str:
    """How far a packet came, in the words of `Seen`."""
    match rung.fate:
        case Fate.ARRIVED:
            return "socket"
        case Fate.REFUSED:
            return "output"
        case Fate.DROPPED | Fate.REJECTED:
            if rung.sender in (box.value, "box"):
                return "output"
            return "wire" if box is Host.ROUTER else "arrived"
        case _:
            return "wire"


def _micros(seconds: float) -> Micros:
    return round(seconds * SECOND)


def play_on_model(case: Case, kernel: KernelProfile) -> Played:
    """What becomes of a case on the model of a kernel."""
    return OnModel(case, kernel).play()
