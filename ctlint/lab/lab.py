# SPDX-License-Identifier: GPL-2.0-only
"""Plays scenarios (docs/scenario.md) on the kernel of this machine.

Everything happens in network namespaces of the lab's own. What a scenario cannot control is
written at `ctlint.lab.timers`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from typing import Final, NamedTuple, TypeVar

from ctlint.lab.errors import CannotLoadError, LabError, LabStalled, LabUnavailable
from ctlint.lab.firewall import DELIVERED, STATE_LINES, Backend, Firewall, default_backend
from ctlint.lab.log import Line, Log
from ctlint.lab.namespace import PrivateNetns, private_netns
from ctlint.lab.nft_trace import NftTrace
from ctlint.lab.packets import (
    LAST_NUMBER,
    Built,
    build,
    ends_of,
    icmp_kind_of,
    number_of,
    protocol_of,
    read,
)
from ctlint.lab.settings import Settings
from ctlint.lab.table import Table, Tracked, icmp_code_of
from ctlint.lab.timers import Timers, await_tick
from ctlint.lab.wiring import Wiring
from ctlint.model.conntrack.status import Dir, TcpCt
from ctlint.scenario.answer import (
    Ends,
    EntryAnswer,
    Internals,
    OpAnswer,
    OutPacket,
    PacketAnswer,
    ScenarioAnswer,
)
from ctlint.scenario.scenario import (
    DIR_NAMES,
    Expire,
    Flow,
    Flush,
    Forward,
    Scenario,
    ScenarioError,
    Send,
    SetSysctls,
    Step,
    Wait,
)
from ctlint.wire.addresses import Family, format_address

__all__ = [
    "Backend",
    "CannotLoadError",
    "Lab",
    "LabError",
    "LabStalled",
    "LabUnavailable",
    "open_lab",
    "why_unavailable",
]

_T = TypeVar("_T")

_PROGRAMS: Final = ("ip", "nft")
_MAIN_HOOKS: Final = ("OUTPUT", "FORWARD", "INPUT", "PREROUTING")
_WHY: Final = b"nf_ct_"
_TRACE: Final = b"TRACE: "
_QUOTED: Final = 128
"""Bytes of a packet that an ICMP error quotes at most: what is heard of a delivered one."""

_TRIES: Final = 4
"""How often a scenario is played whose answer was spoilt by a stall of the machine."""

_ENTRY_FLAGS: Final = (("ASSURED", 1 << 2, True), ("UNREPLIED", 1 << 1, False))
"""Names and bits of enum ip_conntrack_status, and whether the name says that the bit is set."""

_TCP_FLAGS: Final = (
    "WINDOW_SCALE",
    "SACK_PERM",
    "CLOSE_INIT",
    "BE_LIBERAL",
    "DATA_UNACKED",
    "MAXACK_SET",
    "CHALLENGE_ACK",
    "SIMULT_OPEN",
)
"""IP_CT_TCP_FLAG_* and their kin in nf_conntrack_tcp.h, from bit 0 on."""


_CHANGING_SETS = re.compile(r" (?:counters|timeout)\b")
"""Sets that change by being asked, or with time."""


class _Kind(NamedTuple):
    """Boxes that can follow one another in one namespace.

    Once there, a nat table stays registered, emptied or not, and gives other ports to connections
    that no rule names. Rules of the two backends would stand beside each other.
    """

    backend: Backend | None
    nat: tuple[bool, bool]


class _Box:
    """A host in a namespace of its own, with all that is needed to watch it."""

    def __init__(self, stack: ExitStack, kind: _Kind) -> None:
        self.namespace: PrivateNetns = stack.enter_context(private_netns())
        self.firewall = Firewall(self.namespace, traces=kind.backend is not None)
        stack.callback(self.firewall.close)
        self._ipsets = ""
        self._sets_change = False
        self.settings = stack.enter_context(Settings(self.namespace))
        with self.namespace.inside():
            self.log = Log()
            stack.callback(self.log.close)
            self.table = Table()
            stack.callback(self.table.close)
            self.nft_trace: NftTrace | None = None
            if kind.backend is Backend.NFT:
                self.nft_trace = NftTrace()
                stack.callback(self.nft_trace.close)
        self.wiring = Wiring(self.namespace)
        stack.callback(self.wiring.close)
        self.timers = Timers(self.table, self.settings.timeouts)

    def load(self, texts: Mapping[Family, str], ipsets: str, backend: Backend) -> None:
        """The rule sets and the sets they name, in place of those before. Raises CannotLoadError.

        Where rules may have changed the sets, those are made anew as well.
        """
        if ipsets != self._ipsets or self._sets_change:
            self.firewall.load({}, backend)
            self._restore_ipsets(ipsets)
        self._sets_change = _CHANGING_SETS.search(ipsets) is not None or (
            bool(ipsets) and any("-j SET" in text for text in texts.values())
        )
        self.firewall.load(texts, backend)

    def _restore_ipsets(self, text: str) -> None:
        # A set in a list of sets cannot be destroyed.
        self.namespace.run(["ipset", "flush"])
        self.namespace.run(["ipset", "destroy"])
        self._ipsets = ""
        if text:
            done = self.namespace.run(["ipset", "restore", "-exist"], input=text, check=False)
            # Should it fail, some of the sets are there.
            self._ipsets = text
            if done.returncode:
                self._sets_change = True
                raise CannotLoadError(done.stderr.strip())


class _Playing(NamedTuple):
    """What is being played, where."""

    scenario: Scenario
    box: _Box
    has_rules: bool
    has_zones: bool
    counts_connections: bool
    missing_sysctls: tuple[str, ...]


class Lab:
    """Plays scenarios; see `open_lab`.

    A method raises ScenarioError where the scenario cannot be played by any kernel, and LabError
    where this machine did not show what became of it.
    """

    release: str = platform.release()
    """The kernel, as `uname -r` names it."""

    def __init__(self) -> None:
        self._boxes: dict[_Kind, tuple[ExitStack, _Box]] = {}
        self._ipsets = ""
        self._playing: _Playing | None = None
        self._steps = 0
        self._number = 0
        # What stands on the wire until the reply end has seen the flow, and then.
        self._flow = Flow(0, 0, 0, 0)
        self._reply_flow = Flow(0, 0, 0, 0)
        self._received: dict[tuple[Dir, Dir], bytes] = {}

    def close(self) -> None:
        """Delete the lab's namespaces. Raises LabError, when all that can be deleted is."""
        self._playing = None
        with ExitStack() as everything:
            while self._boxes:
                _, (stack, _) = self._boxes.popitem()
                everything.callback(_guarded, stack.close)

    def restore_ipsets(self, text: str) -> None:
        """From now on these sets are there, as `ipset save` has printed them, for rule sets of
        scenarios that have none of their own.
        """
        self._ipsets = text

    # Scenarios

    def play(self, scenario: Scenario, backend: Backend | None = None) -> ScenarioAnswer:
        """The whole scenario; where the machine stalled in the middle of it, once more."""
        for attempt in range(_TRIES):
            try:
                self.start(scenario, backend)
                packets = tuple(self.step(step) for step in scenario.steps)
                entries = self.entries()
                break
            except LabStalled:
                if attempt == _TRIES - 1:
                    raise
            except ScenarioError as error:
                raise ScenarioError(error.message, error.packet, scenario.name) from None
        assert self._playing is not None
        return ScenarioAnswer(scenario.name, packets, entries, self._playing.missing_sysctls)

    def start(self, scenario: Scenario, backend: Backend | None = None) -> None:
        """Load the rules, set the sysctls, lay the wires; there are no entries.

        Where no backend is asked for, a rule set is loaded by that which has saved it.
        Raises CannotLoadError too.
        """
        self._playing = None
        self._playing = _guarded(lambda: self._prepare(scenario, backend))
        flow = scenario.flow
        self._steps = 0
        self._flow = flow
        self._reply_flow = Flow(flow.daddr, flow.dport, flow.saddr, flow.sport)
        self._received.clear()

    def _prepare(self, scenario: Scenario, backend: Backend | None) -> _Playing:
        texts = {Family.IPV4: scenario.ruleset, Family.IPV6: scenario.ruleset6}
        has_rules = any(texts.values())
        kind = _Kind(None, (False, False))
        if has_rules:
            has_nat4, has_nat6 = (_names_nat(text) for text in texts.values())
            kind = _Kind(backend or default_backend(texts.values()), (has_nat4, has_nat6))
        if scenario.facts.mac is not None and scenario.facts.mac.address is not None:
            raise ScenarioError("the wires of the lab have no link-layer addresses")
        box = self._box(kind)
        if kind.backend is not None:
            box.load(texts, scenario.ipsets or self._ipsets, kind.backend)
        missing = box.settings.set(scenario.sysctls, only=True)
        box.table.flush()
        box.timers.restart()
        box.wiring.lay(scenario.topology, scenario.flow)
        box.wiring.send_as(scenario.facts.owner)
        for _ in box.log.lines():
            pass
        if box.nft_trace is not None:
            for _ in box.nft_trace.steps():
                pass
        has_zones, counts = (
            any(word in text for text in texts.values()) for word in ("--zone", "-m connlimit")
        )
        return _Playing(scenario, box, has_rules, has_zones, counts, missing)

    def _box(self, kind: _Kind) -> _Box:
        if kind not in self._boxes:
            with ExitStack() as stack:
                box = _Box(stack, kind)
                self._boxes[kind] = stack.pop_all(), box
        return self._boxes[kind][1]

    @property
    def _now(self) -> _Playing:
        if self._playing is None:
            raise LabError("no scenario was started")
        return self._playing

    @property
    def namespace(self) -> PrivateNetns:
        """Where the scenario that was started is played."""
        return self._now.box.namespace

    def step(self, step: Step) -> PacketAnswer | OpAnswer:
        """The next packet or operation of the scenario that was started."""
        playing = self._now
        index = self._steps
        self._steps += 1
        try:
            return _guarded(lambda: self._step(playing, step))
        except ScenarioError as error:
            raise ScenarioError(error.message, index, playing.scenario.name) from None

    def _step(self, playing: _Playing, step: Step) -> PacketAnswer | OpAnswer:
        if isinstance(step, Send):
            return self._send(playing, step)
        timers = playing.box.timers
        if isinstance(step, Wait):
            timers.pass_time(step.span)
        elif isinstance(step, Expire):
            timers.expire()
        elif isinstance(step, Flush):
            playing.box.table.flush()
            timers.forget()
        else:
            self._set_sysctls(playing, step)
        return OpAnswer(step.op)

    def _set_sysctls(self, playing: _Playing, step: SetSysctls) -> None:
        missing = playing.box.settings.set(step.sysctls)
        playing.box.timers.look_again()
        known = dict.fromkeys((*playing.missing_sysctls, *missing))
        self._playing = playing._replace(missing_sysctls=tuple(known))

    def entries(self) -> tuple[EntryAnswer, ...]:
        """The entries that there are now, oldest first."""
        box = self._now.box

        def look() -> tuple[EntryAnswer, ...]:
            found = box.timers.entries()
            return tuple(_entry_answer(entry, box.timers.left(entry), None) for entry in found)

        return _guarded(look)

    # Packets

    def _send(self, playing: _Playing, send: Send) -> PacketAnswer:
        box = playing.box
        family = playing.scenario.topology.family
        if send.wait:
            box.timers.pass_time(send.wait)
        if send.expire:
            box.timers.expire()
        ends = self._ends(send)
        quoted = self._quoted(send)
        self._number = self._number % LAST_NUMBER + 1
        built = build(send, ends, family, self._number, quoted)
        box.timers.settle(send.protocol)
        if playing.counts_connections:
            # Which of them are over is looked at once a tick, and behind two whoever counted
            # them (nf_conncount.c, `last_gc` and find_or_evict()).
            for _ in range(3):
                await_tick()
        sent = box.timers.clock()
        target = format_address(family, ends.daddr)
        heard = _Heard(box, send.sender, self._number, built.data)
        # Rules may send packets over lo that were not meant to go there, and make others.
        loopback = box.wiring.loopback(always=playing.has_rules)
        if loopback is None:
            error = box.wiring.send(send.sender, built.data, family, target)
            heard.listen()
        else:
            with loopback.on_one_processor():
                error = box.wiring.send(send.sender, built.data, family, target)
                # A packet may make others, which stand behind it in the queue.
                is_news = True
                while is_news:
                    loopback.flush()
                    is_news = heard.listen()
        if error is not None and not (isinstance(error, PermissionError) or heard.hooks):
            raise ScenarioError(f"the box cannot send it: {error.strerror}")
        for end, data in heard.received:
            self._received[end, send.sender] = data
            if send.sender is Dir.ORIGINAL and end is Dir.REPLY and not _has_own_ends(send):
                seen = ends_of(data, self._flow)
                self._reply_flow = Flow(seen.daddr, seen.dport, seen.saddr, seen.sport)
        entry, pktdir = self._entry(playing, built, sent)
        box.timers.require_in_time(send.protocol, sent)
        main = next((hook for hook in _MAIN_HOOKS if hook in heard.hooks), None)
        return PacketAnswer(
            ctstate=None if main is None else heard.hooks[main],
            hooks=heard.hooks,
            delivered=heard.delivered,
            out=tuple(heard.out),
            entry=entry,
            pktdir=pktdir,
            why=tuple(heard.why),
            rules=(*heard.rules, *heard.made_rules) if playing.has_rules else None,
        )

    def _ends(self, send: Send) -> Flow:
        flow = self._flow if send.sender is Dir.ORIGINAL else self._reply_flow
        if not _has_own_ends(send):
            return flow
        own = {name: getattr(send, name) for name in ("saddr", "sport", "daddr", "dport")}
        return replace(flow, **{name: each for name, each in own.items() if each is not None})

    def _quoted(self, send: Send) -> bytes:
        if send.quote is None:
            return b""
        found = self._received.get((send.sender, send.quote))
        if found is None:
            receiver, sender = DIR_NAMES[send.sender], DIR_NAMES[send.quote]
            raise ScenarioError(f"{receiver} quotes a packet of {sender}, but has received none")
        return found[:_QUOTED]

    def _entry(
        self, playing: _Playing, built: Built, sent: float
    ) -> tuple[EntryAnswer | None, Dir | None]:
        box = playing.box
        if built.key is None:
            return None, None
        entry = box.table.get(built.key)
        others = _find_in_zones(box.table.dump(), built.data) if playing.has_zones else []
        if entry is None and others:
            if len(others) > 1:
                raise LabError("entries of several zones have the tuple of the packet")
            entry = others.pop()
        if entry is None:
            return None, None
        seconds, is_fresh = box.timers.read(entry, sent)
        for other in others:
            # The packet may be of any of them.
            if other.start != entry.start:
                box.timers.read(other, sent)
        return _entry_answer(entry, seconds, is_fresh), _pktdir(entry, built.data)


class _Heard:
    """What became of one packet, as far as it was heard."""

    def __init__(self, box: _Box, sender: Dir, number: int, data: bytes) -> None:
        self._number = number
        self._protocol = protocol_of(data)
        self._icmp_kind = icmp_kind_of(data)
        self._box = box
        self._sender = sender
        self.hooks: dict[str, str] = {}
        self.delivered = False
        self.out: list[OutPacket] = []
        self.received: list[tuple[Dir, bytes]] = []
        self.why: list[str] = []
        self.rules: list[str] = []
        self.made_rules: list[str] = []

    def _is_same(self, data: bytes) -> bool:
        return (
            number_of(data) == self._number
            and protocol_of(data) == self._protocol
            and icmp_kind_of(data) == self._icmp_kind
        )

    def listen(self) -> bool:
        """Hear what there is to hear now. Tells whether there was anything."""
        is_news = False
        for side, end, data in self._box.wiring.came_out():
            is_same = self._is_same(data)
            if is_same:
                self.delivered = True
                self.received.append((end, data))
            _, src, sport, dst, dport, flags, seq, ack, window, length = read(data)
            self.out.append(
                OutPacket(side, src, sport, dst, dport, flags, seq, ack, window, length, is_same)
            )
            is_news = True
        for line in self._box.log.lines():
            self._note(line)
            is_news = True
        if self._box.nft_trace is not None:
            for step in self._box.nft_trace.steps():
                self._note_match(self._box.firewall.nft_match(step), step.data)
                is_news = True
        return is_news

    def _note_match(self, words: str | None, data: bytes) -> None:
        if words is not None:
            (self.rules if self._is_same(data) else self.made_rules).append(words)

    def _note(self, line: Line) -> None:
        prefix, data = line
        if not data:
            return
        is_same = self._is_same(data)
        state = STATE_LINES.get(prefix)
        if state is not None:
            if is_same:
                self.hooks.setdefault(*state)
        elif prefix.startswith(_TRACE):
            self._note_match(self._box.firewall.match(prefix, Family(data[0] >> 4)), data)
        elif not is_same:
            return
        elif prefix == DELIVERED:
            self.delivered = True
            # On lo both ends are the box; of a router neither is.
            other = self._sender.other
            if self._box.wiring.is_box(other):
                self.received.append((other, data))
        elif prefix.startswith(_WHY):
            self.why.append(prefix.decode("utf-8", "replace").rstrip())


def _has_own_ends(send: Send) -> bool:
    return not (send.saddr is send.sport is send.daddr is send.dport is None)


def _entry_answer(entry: Tracked, seconds: int, is_fresh: bool | None) -> EntryAnswer:
    state = internals = None
    if entry.tcp is not None:
        state = _STATES.get(entry.tcp.state, str(entry.tcp.state))
        orig, reply = entry.tcp.flags
        internals = Internals((_flag_names(orig), _flag_names(reply)), entry.tcp.wscale)
    return EntryAnswer(
        state,
        seconds,
        tuple(name for name, bit, when in _ENTRY_FLAGS if bool(entry.status & bit) is when),
        entry.orig,
        entry.reply,
        entry.mark,
        internals,
        is_fresh,
    )


@cache
def _flag_names(flags: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(_TCP_FLAGS) if flags >> bit & 1)


def _tuple_of(data: bytes) -> Ends:
    packet = read(data)
    return packet.src, packet.sport, packet.dst, packet.dport


def _pktdir(entry: Tracked, data: bytes) -> Dir | None:
    ends = _tuple_of(data)
    if ends == entry.orig:
        return Dir.ORIGINAL
    return Dir.REPLY if ends == entry.reply else None


def _find_in_zones(entries: list[Tracked], data: bytes) -> list[Tracked]:
    """The entries of a packet's tuple in all zones: ctnetlink finds those of one at a time."""
    ends, protocol, kind = _tuple_of(data), protocol_of(data), icmp_kind_of(data)
    code = kind[1] if kind else 0
    return [
        entry
        for entry in entries
        if entry.protocol == protocol
        and ends in (entry.orig, entry.reply)
        and icmp_code_of(entry) == code
    ]


def _names_nat(ruleset: str) -> bool:
    return ruleset.startswith("*nat") or "\n*nat" in ruleset


def _guarded(action: Callable[[], _T]) -> _T:
    """Do it; what fails below is a LabError."""
    try:
        return action()
    except OSError as error:
        what = "the kernel did not answer" if error.filename is None else error.filename
        raise LabError(f"{what}: {error.strerror or error}") from error
    except subprocess.CalledProcessError as error:
        said = " ".join((error.stderr or f"exit status {error.returncode}").split())
        # Bytes that are no text cannot be printed.
        shown = said.encode("utf-8", "replace").decode()
        raise LabError(f"{error.cmd[0]} failed: {shown}") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{error.cmd[0]} took more than {error.timeout:g} s") from error


_STATES: Final = {state.value: state.name for state in TcpCt}

_EMPTY: Final = Scenario(
    name=None,
    kernel=None,
    sysctls={},
    ruleset="",
    ruleset6="",
    topology=Forward(Family.IPV4, "eth0", "10.1.0.1/16", "eth1", "10.2.0.1/16"),
    flow=Flow(0x0A010002, 40000, 0x0A020002, 80),
    steps=(),
)


@cache
def why_unavailable() -> str | None:
    """Why this machine cannot play scenarios; None where it can."""
    try:
        with open_lab() as lab:
            lab.start(_EMPTY)
    except (LabUnavailable, LabError) as error:
        return str(error)
    return None


@contextmanager
def open_lab() -> Iterator[Lab]:
    """A lab, whose namespaces are deleted at the end. Raises LabUnavailable."""
    if os.geteuid() != 0:
        raise LabUnavailable("needs root")
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            raise LabUnavailable(f"needs the program {program}")
    lab = Lab()
    try:
        try:
            lab.start(_EMPTY)
        except (LabError, ScenarioError) as error:
            raise LabUnavailable(str(error)) from error
        yield lab
    finally:
        lab.close()
