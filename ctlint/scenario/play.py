# SPDX-License-Identifier: GPL-2.0-only
"""Plays scenarios on the model: each packet takes its way through the box, its rules, conntrack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from ctlint.model.conntrack.core import NotModelledError, Tracker
from ctlint.model.conntrack.entry import Entry, Seen
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import Dir, TcpCt, TcpDirFlags
from ctlint.model.conntrack.tuple import Tuple, get_tuple
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.nat import Draw
from ctlint.model.netfilter.passage import Emitted, Passage
from ctlint.model.netfilter.set_state import SetState, load_sets
from ctlint.model.netfilter.stack import Stack
from ctlint.model.netfilter.traverse import EndlessWalkError, Open
from ctlint.parse.errors import ParseError
from ctlint.parse.printer import print_match
from ctlint.scenario.answer import (
    Ends,
    EntryAnswer,
    Internals,
    OpAnswer,
    OutPacket,
    PacketAnswer,
    ScenarioAnswer,
)
from ctlint.scenario.box import Box, UnroutableError
from ctlint.scenario.rulesets import chains_of, ipsets_of, unreadable
from ctlint.scenario.scenario import (
    Expire,
    Flow,
    Flush,
    Scenario,
    ScenarioError,
    Send,
    SetSysctls,
    Step,
    Wait,
)
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP, is_icmp_error

_MAIN_HOOKS: Final = (Hook.LOCAL_OUT, Hook.FORWARD, Hook.LOCAL_IN, Hook.PREROUTING)

_DIR_FLAG_NAMES: Final = tuple((flag.value, str(flag.name)) for flag in TcpDirFlags)


@lru_cache(maxsize=4)
def _names_zones(ruleset: str) -> bool:
    """Whether rules may choose zones. The scenarios of many findings have the same large text."""
    return "--zone" in ruleset


class Player:
    """One scenario on one kernel's model, step by step. ``draw`` chooses ports where the kernel
    draws them by lot; ``lots`` does where rules draw lots, which leave the packet's fate open
    without it. ``chains`` are the rules where they need not be read from the scenario. Raises
    ScenarioError.
    """

    def __init__(
        self,
        scenario: Scenario,
        kernel: KernelProfile,
        draw: Draw | None = None,
        lots: Draw | None = None,
        chains: Mapping[Family, ChainStore] | None = None,
    ) -> None:
        self._scenario = scenario
        self._kernel = kernel
        self._family = scenario.topology.family
        try:
            self._box = Box(scenario.topology, scenario.flow)
        except UnroutableError as error:
            raise ScenarioError(str(error), name=scenario.name) from error
        self._sysctls = dict(scenario.sysctls)
        self._tracker = Tracker(kernel, read_settings(kernel, self._sysctls))
        self._has_zones = _names_zones(scenario.ruleset) or _names_zones(scenario.ruleset6)
        sets = _sets(scenario)
        # A list counts where its members do.
        counts = any(one.has_counters for one in sets.values())
        if chains is None:
            chains = chains_of(scenario, frozenset(sets if counts else ()))
        self._has_rules = bool(chains)
        self._stack = Stack(
            self._tracker,
            chains,
            self._box.host,
            memory=Memory(sets),
            draw=draw,
            lots=lots,
        )
        self._now: Micros = 0
        self._index = 0
        self._received: dict[tuple[Dir, Dir], Packet] = {}
        flow = scenario.flow
        self._reply_flow = Flow(flow.daddr, flow.dport, flow.saddr, flow.sport)
        self._doubt: tuple[Mapping[str, Any], ...] = ()

    def step(self, step: Step) -> PacketAnswer | OpAnswer:
        """Do the next step. Raises ScenarioError, with the step's index."""
        try:
            return self._send(step) if isinstance(step, Send) else self._operate(step)
        except NotModelledError as error:
            raise self._error(f"not modelled: {error}") from error
        except (UnroutableError, EndlessWalkError) as error:
            raise self._error(str(error)) from error
        finally:
            self._index += 1

    def entries(self) -> tuple[EntryAnswer, ...]:
        """What is in the table now, oldest first."""
        return tuple(show_entry(entry, self._now) for entry in self._tracker.entries(self._now))

    def _error(self, message: str) -> ScenarioError:
        return ScenarioError(message, packet=self._index, name=self._scenario.name)

    def _operate(self, step: Expire | Flush | Wait | SetSysctls) -> OpAnswer:
        if isinstance(step, Wait):
            self._now += step.span
        elif isinstance(step, SetSysctls):
            self._sysctls |= step.sysctls
            self._tracker.configure(read_settings(self._kernel, self._sysctls))
        else:  # to a table, all timers running out is the same as being emptied
            self._tracker.flush()
        return OpAnswer(step.op)

    # ---- packets

    def _send(self, step: Send) -> PacketAnswer:
        self._now += step.wait
        if step.expire:
            self._tracker.flush()
        packet = self._packet_of(step)
        sender = step.sender
        self._box.require_routable(sender, packet.saddr, packet.daddr)
        if self._doubt:
            # What an undecided packet left behind is not known.
            return self._open_answer(self._doubt)
        key = get_tuple(packet)
        before = self._entry_of(key)
        known = tuple(self._tracker.entries(self._now)) if self._has_zones else (before,)
        entrance = self._box.entrances[sender]
        if entrance is None:
            passage = self._stack.send(packet, self._now)
        else:
            passage = self._stack.receive(packet, entrance, self._now)
        if passage.open:
            self._doubt = say_open(passage.open, self._family)
            return self._open_answer(self._doubt)
        self._receive(step, passage)
        entry = self._entry_of(key)
        ctstates = passage.ctstates
        return PacketAnswer(
            ctstate=next((str(ctstates[h].name) for h in _MAIN_HOOKS if h in ctstates), None),
            hooks={hook.value: str(ctstate.name) for hook, ctstate in ctstates.items()},
            delivered=passage.is_delivered,
            out=tuple(map(self._out, passage.out)),
            entry=None
            if entry is None
            else replace(
                show_entry(entry, self._now), is_fresh=all(one is not entry for one in known)
            ),
            # A connection to itself has the same tuple twice.
            pktdir=None if entry is None else Dir(key != entry.original),
            why=tuple(
                words for line in passage.log if (words := line.words(self._kernel)) is not None
            ),
            rules=(*passage.matched, *passage.made_matched) if self._has_rules else None,
            undecided=say_open(passage.unsure, self._family),
            reasons=tuple(line.reason for line in passage.log),
            cause=None if passage.cause is None else str(passage.cause.cause),
        )

    def _entry_of(self, key: tuple[int, int, int, int, int, int]) -> Entry | None:
        half = self._tracker.find(key, self._now)
        if half is not None:
            return half[0]
        if self._has_zones:
            for entry in self._tracker.entries(self._now):
                if key in (entry.original, entry.reply):
                    return entry
        return None

    def _receive(self, step: Send, passage: Passage) -> None:
        """Note what the ends got: they quote it, and the reply end answers it."""
        sender = step.sender
        got: list[tuple[Dir, Packet]] = []
        for emitted in passage.out:
            if emitted.is_same:
                _, end = self._box.behind(emitted.interface, emitted.packet.daddr)
                got.append((end, emitted.packet))
        if passage.arrived is not None and self._box.is_box(sender.other):
            got.append((sender.other, passage.arrived))
        has_own = not (step.saddr is step.sport is step.daddr is step.dport is None)
        for end, packet in got:
            self._received[end, sender] = packet
            if sender is Dir.ORIGINAL and end is Dir.REPLY and not has_own:
                sport, dport = packet.sport, packet.dport
                if sport is None or dport is None:
                    sport, dport = self._scenario.flow.sport, self._scenario.flow.dport
                self._reply_flow = Flow(packet.daddr, dport, packet.saddr, sport)

    def _packet_of(self, step: Send) -> Packet:
        """The packet as it is on the wire, the flow's addresses filled in."""
        flow = self._scenario.flow if step.sender is Dir.ORIGINAL else self._reply_flow
        ends = (flow.saddr, flow.sport, flow.daddr, flow.dport)
        own = (step.saddr, step.sport, step.daddr, step.dport)
        saddr, sport, daddr, dport = (
            usual if given is None else given for usual, given in zip(ends, own, strict=True)
        )
        has_ports = step.protocol in (TCP, UDP)
        is_icmp = step.protocol in (ICMP, ICMPV6)
        quoted = None
        if step.quote is not None:
            quoted = self._received.get((step.sender, step.quote))
            if quoted is None and not self._doubt:
                raise self._error("there is no packet to quote: none has arrived from that end")
        return Packet(
            self._family,
            saddr,
            daddr,
            step.protocol,
            sport if has_ports else None,
            dport if has_ports else None,
            step.flags if step.protocol == TCP else None,
            step.icmp_type if is_icmp else None,
            step.icmp_code if is_icmp else None,
            step.length,
            step.seq,
            step.ack,
            step.window,
            step.options,
            step.icmp_id,
            quoted,
            Defect.CHECKSUM if step.has_bad_checksum else None,
            step.ttl,
            step.tos,
            step.data,
        )

    # ---- answers

    def _open_answer(self, undecided: tuple[Mapping[str, Any], ...]) -> PacketAnswer:
        return PacketAnswer(None, {}, None, (), None, None, undecided=undecided)

    def _out(self, emitted: Emitted) -> OutPacket:
        side, _ = self._box.behind(emitted.interface, emitted.packet.daddr)
        return show_out(emitted, side)


def show_out(emitted: Emitted, side: str) -> OutPacket:
    """A packet that came out on a side, as answers have it."""
    packet = emitted.packet
    is_tcp = packet.flags is not None
    sport, dport, length = packet.sport or 0, packet.dport or 0, packet.payload
    if packet.icmp_type is not None:
        sport, dport = packet.icmp_id, packet.icmp_type
        if is_icmp_error(packet.protocol, packet.icmp_type):
            length = 0  # what an error quotes is not its own
    return OutPacket(
        side=side,
        src=format_address(packet.family, packet.saddr),
        sport=sport,
        dst=format_address(packet.family, packet.daddr),
        dport=dport,
        flags=None if packet.flags is None else packet.flags.letters,
        seq=packet.seq if is_tcp else 0,
        ack=packet.ack if is_tcp else 0,
        win=packet.window if is_tcp else 0,
        length=length,
        is_same=emitted.is_same,
    )


def show_entry(entry: Entry, now: Micros) -> EntryAnswer:
    """An entry as answers have it."""
    is_tcp = entry.original.protocol == TCP
    flags = []
    if entry.is_assured:
        flags.append("ASSURED")
    if not entry.has_reply:
        flags.append("UNREPLIED")
    return EntryAnswer(
        state=TcpCt(entry.tcp.state).name if is_tcp else None,
        timeout=entry.remaining(now),
        flags=tuple(flags),
        orig=_ends(entry.original),
        reply=_ends(entry.reply),
        mark=entry.mark,
        internals=_internals(*entry.tcp.seen) if is_tcp else None,
    )


def say_open(matches: Sequence[Open], family: Family) -> tuple[Mapping[str, Any], ...]:
    """Matches that were not decided, as answers have them, each once."""
    shown: dict[tuple[str, str | None, str], None] = {}
    for one in matches:
        text = None if one.match is None else print_match(one.match, family)
        shown[str(one.ref), text, one.why] = None
    return tuple({"rule": rule, "match": text, "why": why} for rule, text, why in shown)


def _sets(scenario: Scenario) -> dict[str, SetState]:
    """The ipsets of a scenario. Raises ScenarioError."""
    try:
        return load_sets(ipsets_of(scenario.ipsets))
    except ParseError as error:
        raise unreadable("ipsets", error, scenario) from None


def _ends(found: Tuple) -> Ends:
    family = Family(found.family)
    is_icmp = found.protocol in (ICMP, ICMPV6)
    return (
        format_address(family, found.saddr),
        found.sport,
        format_address(family, found.daddr),
        found.dport >> 8 if is_icmp else found.dport,
    )


def _internals(one: Seen, other: Seen) -> Internals:
    return Internals(
        (_dir_flags(one), _dir_flags(other)),
        (one.td_scale, other.td_scale),
    )


def _dir_flags(seen: Seen) -> tuple[str, ...]:
    return tuple(name for value, name in _DIR_FLAG_NAMES if seen.flags & value)


def play(scenario: Scenario, kernel: KernelProfile) -> ScenarioAnswer:
    """Play a whole scenario. Raises ScenarioError."""
    player = Player(scenario, kernel)
    answers = tuple(player.step(step) for step in scenario.steps)
    return ScenarioAnswer(
        scenario.name, answers, player.entries(), scenario.missing_sysctls(kernel)
    )
