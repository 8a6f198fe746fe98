# SPDX-License-Identifier: GPL-2.0-only
"""Plays the plans of socket scripts: builds their world, and lets done what is to be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import Final

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import Dir
from ctlint.model.endpoint.happening import Happening, HappeningKind, SocketError
from ctlint.model.endpoint.settings import read_end_settings
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.kernel.profiles import NEWEST, KernelProfile
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.set_state import load_sets
from ctlint.model.netfilter.stack import Stack
from ctlint.model.world.bounds import USUAL_BOUNDS, Bounds, Ending
from ctlint.model.world.chronicle import Chronicle, Deed
from ctlint.model.world.crossing import entry_at
from ctlint.model.world.line import Half, Line, Side
from ctlint.model.world.link import Link
from ctlint.model.world.lots import Lots
from ctlint.model.world.world import World
from ctlint.parse.errors import ParseError
from ctlint.scenario.box import Box, UnroutableError
from ctlint.scenario.rulesets import chains_of, ipsets_of, unreadable
from ctlint.scenario.scenario import ScenarioError
from ctlint.scenario.socket_hosts import CLIENT, OF_BOX, SERVER
from ctlint.scenario.socket_plan import (
    Call,
    Connect,
    Flush,
    HostPlan,
    Kill,
    Listen,
    Pass,
    Plan,
    Repeat,
    SetLink,
    SetSysctls,
    Step,
)
from ctlint.scenario.socket_story import LineStory, Look, Story, Tally
from ctlint.wire.addresses import format_address
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP

LO_DELAY: Final[Micros] = 10
"""How long a packet takes over lo."""

_EVENTS_AT_ONCE: Final = 5_000

Watch = Callable[[Iterator[None]], Iterator[None]]


def as_they_come(rounds: Iterator[None]) -> Iterator[None]:
    """Watched by nobody."""
    return rounds


_READY: Final = frozenset(
    {HappeningKind.CONNECTED, HappeningKind.CONNECT_FAILED, HappeningKind.ACCEPTED}
)
_OPENING: Final = frozenset({TcpState.SYN_SENT, TcpState.SYN_RECV})

WATCHED: Final = 10
"""Of what is repeated, so many rounds are told."""


class SocketPlayer:
    """One plan, on the kernels that it names, or on ``kernel`` throughout. Raises ScenarioError."""

    def __init__(
        self, plan: Plan, kernel: KernelProfile | None = None, bounds: Bounds = USUAL_BOUNDS
    ) -> None:
        self._plan = plan
        self._kernels = {host.name: kernel or host.kernel or NEWEST for host in plan.hosts}
        scenario = plan.box
        try:
            box = Box(scenario.topology, scenario.flow)
        except UnroutableError as error:
            raise ScenarioError(str(error), name=plan.name) from error
        self._entrances = {Dir(side): box.entrances[Dir(side)] for side in (0, 1)}
        self._box_kernel = self._kernel_of_box(kernel)
        self._sysctls = {host.name: dict(host.sysctls) for host in plan.hosts}
        self._box_sysctls = dict(scenario.sysctls)
        tracker = Tracker(self._box_kernel, read_settings(self._box_kernel, self._box_sysctls))
        lots = Lots(plan.seed)
        try:
            sets = load_sets(ipsets_of(scenario.ipsets))
        except ParseError as error:
            raise unreadable("ipsets", error, scenario) from None
        counting = frozenset(sets if any(one.has_counters for one in sets.values()) else ())
        stack = Stack(
            tracker,
            chains_of(scenario, counting),
            box.host,
            memory=Memory(sets),
            draw=lots.draw,
            lots=lots.draw,
        )
        self._chronicle = Chronicle()
        self.world = World(
            stack, tracker, lots.draw, chronicle=self._chronicle, onlooker=self._hear, bounds=bounds
        )
        self._lines: dict[str, LineStory] = {}
        self._of_line: dict[Line, LineStory] = {}
        self._latest: dict[str, Line] = {}
        self._ports = {host.name: host.local_ports for host in plan.hosts}
        self._tallies: dict[int, Tally] = {}
        self._looks: dict[int, Look] = {}
        self._begun = 0
        self._waiting: dict[Half, list[tuple[Call, Deed]]] = {}
        addresses = {host.name: self._address(host.name) for host in plan.hosts}
        try:
            self._require_wiring(box, addresses)
        except UnroutableError as error:
            raise ScenarioError(str(error), name=plan.name) from error
        for host in plan.hosts:
            self._add_host(host, addresses[host.name], lots)

    def _kernel_of_box(self, kernel: KernelProfile | None) -> KernelProfile:
        own = next(
            (
                self._kernels[name]
                for side, name in ((0, CLIENT), (1, SERVER))
                if self._entrances[Dir(side)] is None
            ),
            None,
        )
        return kernel or own or self._plan.box_kernel or NEWEST

    def _address(self, name: str) -> int:
        """Clients have the addresses that follow the first's."""
        flow = self._plan.box.flow
        if name == SERVER:
            return flow.daddr
        return flow.saddr + (int(name[-1]) - 1 if name[-1].isdigit() else 0)

    def _require_wiring(self, box: Box, addresses: Mapping[str, int]) -> None:
        """Refuse addresses by which hosts are not told apart, or not reached where they stand.
        Raises UnroutableError and ScenarioError.
        """
        family = self._plan.box.topology.family
        is_lo = all(entrance is None for entrance in self._entrances.values())
        if len({*addresses.values()}) < (1 if is_lo else len(addresses)):
            raise ScenarioError("two hosts have the same address")
        if is_lo and len({*addresses.values()}) > 1:
            raise ScenarioError("over lo client and server have one address")
        server = addresses[SERVER]
        for name, address in addresses.items():
            side = Dir.REPLY if name == SERVER else Dir.ORIGINAL
            box.require_routable(side, address, server)
            entrance = self._entrances[side]
            is_own = box.host.is_local(address, family)
            if is_own is not (entrance is None):
                said = "is not" if entrance is None else "is"
                shown = format_address(family, address)
                raise ScenarioError(f"{shown}, the {name}'s address, {said} one of the box")
            if entrance is not None and box.host.route(address, family) != entrance:
                shown = format_address(family, address)
                raise ScenarioError(f"the box does not route {shown}, the {name}'s, to {entrance}")

    def _add_host(self, plan: HostPlan, address: int, lots: Lots) -> None:
        family = self._plan.box.topology.family
        side = Side.SERVER if plan.name == SERVER else Side.CLIENT
        entrance = self._entrances[Dir(side)]
        world = self.world
        if entrance is None and world.box is not None:  # over lo both ends are one host
            world.peers[plan.name] = world.box
            return
        is_lo = all(each is None for each in self._entrances.values())
        kernel = self._kernels[plan.name]
        world.add_host(
            plan.name,
            family,
            address,
            kernel,
            read_end_settings(kernel, plan.sysctls, plan.local_ports),
            Link(lots.draw, LO_DELAY if is_lo else plan.delay, plan.loss),
            entrance,
            plan.uptime,
        )

    # ---- the run

    @property
    def rounds(self) -> int:
        """How often something is repeated, all together."""
        acts = (step.act for step in self._plan.steps)
        return sum(act.number for act in acts if isinstance(act, Repeat))

    def play(self, watch: Watch = as_they_come) -> Story:
        """Play it to its end. ``watch`` is given what comes once for each round of a repetition,
        and must take all of it. Raises ScenarioError.
        """
        for _ in watch(self._run()):
            pass
        ending = self.world.ending
        assert ending is not None
        return self._story(ending)

    def _run(self) -> Iterator[None]:
        """Let happen all of it, and tell of each round that has begun."""
        world, plan = self.world, self._plan
        for number, step in enumerate(plan.steps):
            if isinstance(step.act, Repeat):
                self._tallies[number] = Tally()
                world.at(step.at, self._repeat, number, step.act, 0)
            else:
                world.at(step.at, self._do, number, step)
        told = 0
        while world.advance(plan.until, _EVENTS_AT_ONCE) is None:
            begun = self._begun
            yield from repeat(None, begun - told)
            told = begun

    def _story(self, ending: Ending) -> Story:
        world, plan = self.world, self._plan
        for half, calls in self._waiting.items():
            for _, deed in calls if half.line.is_watched else ():
                deed.trouble = "the connection was never open"
                self._chronicle.add(deed)
        return Story(
            plan,
            self._box_kernel,
            self._kernels,
            ending,
            self._chronicle.events,
            self._chronicle.left_out,
            self._lines,
            self._tallies,
            self._looks,
            world.packets,
            self._missing(),
        )

    def _missing(self) -> tuple[str, ...]:
        """Sysctls that are set and that the kernel does not have."""
        said = {name for name in self._box_sysctls if not self._box_kernel.has_sysctl(name)}
        for host, sysctls in self._sysctls.items():
            said |= {name for name in sysctls if not self._kernels[host].has_sysctl(name)}
        return tuple(sorted(said))

    def _hear(self, half: Half, happening: Happening) -> None:
        """What happens to a socket."""
        line = half.line
        story = self._of_line.get(line)
        if story is not None:
            story.tell(half, happening)
        tally = self._tallies.get(line.group)
        if tally is not None:
            if happening.kind is HappeningKind.CONNECTED:
                tally.connected += 1
            elif happening.kind is HappeningKind.CONNECT_FAILED:
                tally.failed[happening.error] += 1
        if half in self._waiting and happening.kind in _READY:
            self.world.at(self.world.now, self._go_on, half)

    def _go_on(self, half: Half) -> None:
        """connect() has returned, or accept(): the program goes on."""
        for act, deed in self._waiting.pop(half, ()):
            deed.at = self.world.now
            if half.line.is_watched:
                self._chronicle.add(deed)
            deed.trouble = self._call(act, half)

    # ---- steps

    def _do(self, number: int, step: Step) -> None:
        """One step of the script."""
        world, act = self.world, step.act
        if isinstance(act, Pass):
            self._looks[number] = self._look(self._lines.get(step.label))
            return
        story = self._lines.get(step.label)
        deed = Deed(world.now, number, None if story is None else story.line)
        if not isinstance(act, Call):
            self._chronicle.add(deed)
        match act:
            case Listen():
                deed.trouble = self._listen(act)
            case Connect():
                story = self._lines[step.label] = LineStory(step.label, act.client, world.now)
                line = world.new_line(is_watched=True, group=number)
                deed.line = line
                deed.trouble = self._connect(act, line, self._latest.get(act.client), story)
                self._latest[act.client] = line
            case Call():
                assert story is not None
                assert story.line is not None
                self._call_when_open(act, story.line.half(act.side), deed)
            case Kill():
                world.kill(act.host, act.side)
            case _:
                self._set(act)

    def _repeat(self, number: int, act: Repeat, index: int) -> None:
        """One round of what is repeated; the next follows."""
        world = self.world
        self._begun += 1
        if index + 1 < act.number:
            world.at(world.now + act.every, self._repeat, number, act, index + 1)
        lines: dict[str, Line] = {}
        for step in act.steps:
            if step.at:
                world.at(world.now + step.at, self._do_round, number, index, step, lines)
            else:
                self._do_round(number, index, step, lines)

    def _do_round(self, number: int, index: int, step: Step, lines: dict[str, Line]) -> None:
        """One step of one round. The first rounds are watched."""
        world, act = self.world, step.act
        is_watched = index < WATCHED
        deed = Deed(world.now, number, lines.get(step.label), step)
        if is_watched and not isinstance(act, Pass | Call):
            self._chronicle.add(deed)
        match act:
            case Connect():
                self._tallies[number].begun += 1
                line = world.new_line(is_watched=is_watched, group=number)
                deed.line = line
                story = None
                if is_watched:
                    which = [*self._tallies].index(number) + 1
                    label = f"{which}.{index + 1}{step.label if lines else ''}"
                    story = self._lines[label] = LineStory(label, act.client, world.now)
                latest = f"of {act.client}"  # no label has a blank
                before = lines.get(latest)
                deed.trouble = self._connect(act, line, before, story)
                lines[step.label] = lines[latest] = line
            case Call():
                self._call_when_open(act, lines[step.label].half(act.side), deed)
            case Pass():
                pass
            case _:
                self._set(act)

    def _listen(self, act: Listen) -> str | None:
        try:
            self.world.listen(SERVER, act.port, act.backlog, act.manner, accepts=act.accepts)
        except SocketError as error:
            return error.error.name
        return None

    def _connect(
        self, act: Connect, line: Line, before: Line | None, story: LineStory | None
    ) -> str | None:
        local_port = act.local_port
        if act.reuses_port and before is not None and before.client.key is not None:
            local_port = before.client.key[2]
        if story is not None:
            story.line = line
            self._of_line[line] = story
        try:
            self.world.connect(
                line, act.client, SERVER, act.port, local_port=local_port, manner=act.manner
            )
        except SocketError as error:
            if story is not None:
                story.failed, story.error = self.world.now, error.error
            tally = self._tallies.get(line.group)
            if tally is not None:
                tally.failed[error.error] += 1
            return error.error.name
        return None

    def _call_when_open(self, act: Call, half: Half, deed: Deed) -> None:
        """A call waits until connect() or accept() has returned, as in a program."""
        socket, other = half.socket, half.line.client
        is_opening = socket.state in _OPENING if socket is not None else not other.is_gone
        if is_opening and other.socket is not None:
            self._waiting.setdefault(half, []).append((act, deed))
            return
        if half.line.is_watched:
            self._chronicle.add(deed)
        deed.trouble = self._call(act, half)

    def _call(self, act: Call, half: Half) -> str | None:
        """A call on a socket; says why it could not be done."""
        world, socket = self.world, half.socket
        if socket is None or half.peer is None:
            return "there is no socket"
        try:
            match act.what:
                case "send":
                    socket.send(act.numbers[0], world.now)
                case "shutdown":
                    socket.shutdown(world.now)
                case "close":
                    socket.close(world.now)
                case "abort":
                    socket.abort(world.now)
                case "linger2":
                    socket.set_linger2(act.numbers[0])
                case _:
                    time, interval, probes = act.numbers or (None, None, None)
                    socket.set_keepalive(world.now, time=time, interval=interval, probes=probes)
        except SocketError as error:
            return error.error.name
        finally:
            world.settle(half.peer)
        return None

    def _set(self, act: SetSysctls | SetLink | Flush | Listen | Kill | Repeat | Pass) -> None:
        """Other settings, or an empty table."""
        world = self.world
        match act:
            case Flush():
                world.tracker.flush()
            case SetLink():
                for host in act.hosts:
                    link = world.peers[host].link
                    link.delay = link.delay if act.delay is None else act.delay
                    link.loss = link.loss if act.loss is None else act.loss
            case SetSysctls():
                self._configure(act)

    def _configure(self, act: SetSysctls) -> None:
        is_box = {name: name.startswith(OF_BOX) for name in act.sysctls}
        box = {name: value for name, value in act.sysctls.items() if is_box[name]}
        if box:
            self._box_sysctls |= box
            self.world.tracker.configure(read_settings(self._box_kernel, self._box_sysctls))
        ends = {name: value for name, value in act.sysctls.items() if not is_box[name]}
        for host in act.hosts:
            self._sysctls[host] |= ends
            self._ports[host] = act.local_ports or self._ports[host]
            kernel = self._kernels[host]
            settings = read_end_settings(kernel, self._sysctls[host], self._ports[host])
            self.world.peers[host].tcp.settings = settings

    def _look(self, story: LineStory | None) -> Look:
        """What stands now."""
        if story is None or story.line is None:
            return Look((None, None), None)
        line = story.line
        states = (self.world.state_of(line.client), self.world.state_of(line.server))
        key = line.client.key
        if key is None:
            return Look(states, None)
        family, address, port, remote_address, remote_port = key
        packet = Packet(family, address, remote_address, TCP, port, remote_port)
        entry = entry_at(self.world.tracker, packet, self.world.now)
        return Look(states, None if entry is None else entry[0])
