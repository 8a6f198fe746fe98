# SPDX-License-Identifier: GPL-2.0-only
"""Plays scenarios on the model: each packet takes its way through the box, and meets conntrack.

Scenarios without rule sets: every packet that conntrack does not drop passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ctlint.model.conntrack.core import NotModelledError, Tracked, Tracker
from ctlint.model.conntrack.entry import Entry, Seen
from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import Dir, TcpCt, TcpDirFlags, Verdict
from ctlint.model.conntrack.tuple import Tuple, get_tuple
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.scenario.answer import (
    Ends,
    EntryAnswer,
    Internals,
    OpAnswer,
    OutPacket,
    PacketAnswer,
    ScenarioAnswer,
)
from ctlint.scenario.box import FORWARD, INPUT, OUTPUT, PREROUTING, Box, UnroutableError
from ctlint.scenario.scenario import (
    Expire,
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

_MAIN_HOOKS: Final = (OUTPUT, FORWARD, INPUT, PREROUTING)

_DIR_FLAG_NAMES: Final = tuple((flag.value, str(flag.name)) for flag in TcpDirFlags)


class Player:
    """One scenario on one kernel's model, step by step."""

    def __init__(self, scenario: Scenario, kernel: KernelProfile) -> None:
        if scenario.ruleset or scenario.ruleset6:
            raise ScenarioError("rule sets are not simulated yet", name=scenario.name)
        self._scenario = scenario
        self._kernel = kernel
        self._family = scenario.topology.family
        try:
            self._box = Box(scenario.topology, scenario.flow)
        except UnroutableError as error:
            raise ScenarioError(str(error), name=scenario.name) from error
        self._sysctls = dict(scenario.sysctls)
        self._missing: dict[str, None] = {}
        self._note_missing(scenario.sysctls)
        self._tracker = Tracker(kernel, read_settings(kernel, self._sysctls))
        self._now: Micros = 0
        self._index = 0
        self._received: dict[tuple[Dir, Dir], Packet] = {}

    @property
    def missing_sysctls(self) -> tuple[str, ...]:
        """The sysctls that were given and that this kernel does not have."""
        return tuple(self._missing)

    def _note_missing(self, sysctls: Mapping[str, int]) -> None:
        for name in sysctls:
            if not self._kernel.has_sysctl(name):
                self._missing[name] = None

    def step(self, step: Step) -> PacketAnswer | OpAnswer:
        """Do the next step. Raises ScenarioError, with the step's index."""
        try:
            return self._send(step) if isinstance(step, Send) else self._operate(step)
        except NotModelledError as error:
            raise self._error(f"not modelled: {error}") from error
        except UnroutableError as error:
            raise self._error(str(error)) from error
        finally:
            self._index += 1

    def entries(self) -> tuple[EntryAnswer, ...]:
        """What is in the table now, oldest first."""
        return tuple(self._show(entry) for entry in self._tracker.entries(self._now))

    def _error(self, message: str) -> ScenarioError:
        return ScenarioError(message, packet=self._index, name=self._scenario.name)

    def _operate(self, step: Expire | Flush | Wait | SetSysctls) -> OpAnswer:
        if isinstance(step, Wait):
            self._now += step.span
        elif isinstance(step, SetSysctls):
            self._note_missing(step.sysctls)
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
        path = self._box.path(step.sender, packet.saddr, packet.daddr)
        key = get_tuple(packet)
        before = self._tracker.find(key, self._now)

        hooks: dict[str, str] = {}
        log: list[LogLine] = []
        tracked: Tracked | None = None
        passes = True
        for hook in path.hooks:
            # Over lo a packet keeps its entry; one without is tracked again where it comes in.
            if hook in (OUTPUT, PREROUTING) and (tracked is None or tracked.ctinfo is None):
                tracked = self._tracker.nf_conntrack_in(
                    packet, self._now, is_received=hook == PREROUTING
                )
                log += tracked.log
                if tracked.verdict is Verdict.DROP:
                    passes = False
                    break
            assert tracked is not None
            hooks[hook] = str(tracked.ctstate.name)
            if hook != PREROUTING and (
                self._tracker.nf_conntrack_confirm(tracked, self._now) is Verdict.DROP
            ):
                passes = False
                break

        if passes and path.receiver is not None:
            self._received[path.receiver, step.sender] = packet
        half = self._tracker.find(key, self._now)
        entry = None if half is None else half[0]
        return PacketAnswer(
            ctstate=next((hooks[hook] for hook in _MAIN_HOOKS if hook in hooks), None),
            hooks=hooks,
            delivered=passes,
            out=(self._out(packet, path.side),) if passes and path.side is not None else (),
            entry=None
            if entry is None
            else replace(self._show(entry), is_fresh=before is None or before[0] is not entry),
            # A connection to itself has the same tuple twice.
            pktdir=None if entry is None else Dir(key != entry.original),
            why=tuple(words for line in log if (words := line.words(self._kernel)) is not None),
            reasons=tuple(line.reason for line in log),
        )

    def _packet_of(self, step: Send) -> Packet:
        """The packet as it is on the wire, the flow's addresses filled in."""
        flow = self._scenario.flow
        if step.sender is Dir.ORIGINAL:
            ends = (flow.saddr, flow.sport, flow.daddr, flow.dport)
        else:
            ends = (flow.daddr, flow.dport, flow.saddr, flow.sport)
        own = (step.saddr, step.sport, step.daddr, step.dport)
        saddr, sport, daddr, dport = (
            usual if given is None else given for usual, given in zip(ends, own, strict=True)
        )
        has_ports = step.protocol in (TCP, UDP)
        is_icmp = step.protocol in (ICMP, ICMPV6)
        quoted = None
        if step.quote is not None:
            quoted = self._received.get((step.sender, step.quote))
            if quoted is None:
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
        )

    # ---- answers

    def _out(self, packet: Packet, side: str) -> OutPacket:
        is_tcp = packet.flags is not None
        sport, dport, length = packet.sport or 0, packet.dport or 0, packet.payload
        if packet.icmp_type is not None:
            sport, dport = packet.icmp_id, packet.icmp_type
            if is_icmp_error(packet.protocol, packet.icmp_type):
                length = 0  # what an error quotes is not its own
        return OutPacket(
            side=side,
            src=format_address(self._family, packet.saddr),
            sport=sport,
            dst=format_address(self._family, packet.daddr),
            dport=dport,
            flags=None if packet.flags is None else packet.flags.letters,
            seq=packet.seq if is_tcp else 0,
            ack=packet.ack if is_tcp else 0,
            win=packet.window if is_tcp else 0,
            length=length,
            is_same=True,
        )

    def _show(self, entry: Entry) -> EntryAnswer:
        is_tcp = entry.original.protocol == TCP
        flags = []
        if entry.is_assured:
            flags.append("ASSURED")
        if not entry.has_reply:
            flags.append("UNREPLIED")
        return EntryAnswer(
            state=TcpCt(entry.tcp.state).name if is_tcp else None,
            timeout=entry.remaining(self._now),
            flags=tuple(flags),
            orig=_ends(entry.original),
            reply=_ends(entry.reply),
            mark=entry.mark,
            internals=_internals(*entry.tcp.seen) if is_tcp else None,
        )


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
    return ScenarioAnswer(scenario.name, answers, player.entries(), player.missing_sysctls)
