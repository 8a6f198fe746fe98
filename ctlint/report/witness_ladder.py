# SPDX-License-Identifier: GPL-2.0-only
"""The witness of a finding, played on the model once more, as the rows of a ladder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from ctlint.analysis.stage import as_scenario
from ctlint.finding import Witness
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.model.kernel.sysctls import SYSCTLS
from ctlint.report.ladder import Row, RowKind, distance, say_numbers
from ctlint.report.sentence import say_duration, say_flags
from ctlint.scenario.answer import OpAnswer, OutPacket, PacketAnswer
from ctlint.scenario.check import is_rejected
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import (
    Expire,
    Flush,
    Forward,
    Host,
    Scenario,
    ScenarioError,
    Send,
    SetSysctls,
    Step,
    Wait,
)
from ctlint.scenario.span_words import say_span
from ctlint.wire.addresses import format_address, format_end, with_port
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

MOST_STEPS: Final = 60
"""A witness with more steps is no picture: it is left to ``ctlint simulate``."""

_Ends = tuple[str, int, str, int]


class WitnessLadder(NamedTuple):
    """What became of a witness's packets. ``client`` and ``server`` are its ends with their
    addresses, ``where`` says where the host with the rules stands.
    """

    client: str
    server: str
    where: str
    kernel: str
    rows: tuple[Row, ...]


def witness_ladder(witness: Witness) -> WitnessLadder | None:
    """The ladder of a witness; None where it is too long or goes where no packet is simulated."""
    try:
        scenario = replace(
            as_scenario(witness.scenario), ipsets=str(witness.scenario.get("ipsets", ""))
        )
        if len(scenario.steps) > MOST_STEPS:
            return None
        kernel = NEWEST if scenario.kernel is None else profile(scenario.kernel)
        player = Player(scenario, kernel, draw=_lowest, lots=None)
        rows = tuple(_Rows(scenario).of(player))
    except ScenarioError:
        return None
    flow, family = scenario.flow, scenario.topology.family
    return WitnessLadder(
        format_end(family, flow.saddr, flow.sport),
        format_end(family, flow.daddr, flow.dport),
        _say_where(scenario),
        kernel.name,
        rows,
    )


def say_stage(ladder: WitnessLadder) -> str:
    """Where it was played: "kernel 6.18; the host with these rules is the client"."""
    return f"kernel {ladder.kernel}; {ladder.where}"


def _lowest(low: int, high: int) -> int:
    """Where the kernel draws a port by lot, any serves."""
    del high
    return low


def _say_where(scenario: Scenario) -> str:
    topology = scenario.topology
    if isinstance(topology, Forward):
        return f"routed from {topology.left_if} to {topology.right_if}"
    if isinstance(topology, Host):
        end = "client" if topology.role is Dir.ORIGINAL else "server"
        return f"the host with these rules is the {end}"
    return "both ends are the host with these rules"


class _Rows:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.first: dict[Dir, int] = {}
        self.translated: set[Dir] = set()
        self.timeout: int | None = None

    def of(self, player: Player) -> Iterator[Row]:
        for step in self.scenario.steps:
            answer = player.step(step)
            if isinstance(step, Send):
                assert isinstance(answer, PacketAnswer)
                if step.expire:
                    yield self.silence()
                elif step.wait:
                    yield _row(f"{say_span(step.wait)} of silence", RowKind.SILENCE)
                yield from self.packet(step, answer)
            else:
                assert isinstance(answer, OpAnswer)
                yield self.operation(step)

    def operation(self, step: Step) -> Row:
        if isinstance(step, Expire):
            return self.silence()
        if isinstance(step, Wait):
            return _row(f"{say_span(step.span)} of silence", RowKind.SILENCE)
        if isinstance(step, Flush):
            self.timeout = None
            return _row("all entries are deleted")
        assert isinstance(step, SetSysctls)
        told = [f"{SYSCTLS[name].short_name}={value}" for name, value in step.sysctls.items()]
        return _row(f"sysctl {', '.join(told)}")

    def silence(self) -> Row:
        """The timers of all entries run out: of the last, so long is left."""
        spent = "silence" if self.timeout is None else f"{say_duration(self.timeout)} of silence"
        self.timeout = None
        return _row(f"{spent}: the entry is forgotten", RowKind.SILENCE)

    def packet(self, step: Send, answer: PacketAnswer) -> Iterator[Row]:
        to_server = step.sender is Dir.ORIGINAL
        is_lost = answer.delivered is not True
        end = ""
        if answer.delivered is None:
            end = "not decided"
        elif is_lost:
            end = "rejected" if is_rejected(answer) else "dropped"
            end += f" by {answer.cause}" if answer.cause else ""
        if answer.entry is not None:
            self.timeout = answer.entry.timeout
        yield Row(
            RowKind.PACKET,
            0,
            self.words(step),
            to_server=to_server,
            ctstate=answer.ctstate or "",
            end=end,
            is_lost=is_lost,
        )
        own = self.own_ends(step)
        for out in answer.out:
            if not out.is_same:
                # The answers of a box go to who sent what it refuses.
                yield _answer_row(out, to_server=not to_server)
            elif step.protocol in (TCP, UDP) and (said := self.say_out(step.sender, own, out)):
                yield _row(said, is_lost=_ends_of(out) == own)
        if answer.delivered and not answer.out and isinstance(self.scenario.topology, Forward):
            yield _row("it comes to the host with these rules itself")

    def own_ends(self, step: Send) -> _Ends:
        """The addresses with which a packet is sent."""
        flow, family = self.scenario.flow, self.scenario.topology.family
        ends = (flow.saddr, flow.sport, flow.daddr, flow.dport)
        if step.sender is Dir.REPLY:
            ends = (*ends[2:], *ends[:2])
        own = (step.saddr, step.sport, step.daddr, step.dport)
        saddr, sport, daddr, dport = (
            given if given is not None else usual for given, usual in zip(own, ends, strict=True)
        )
        return format_address(family, saddr), sport, format_address(family, daddr), dport

    def say_out(self, sender: Dir, own: _Ends, out: OutPacket) -> str:
        """How a packet leaves the box, where NAT changes it or should have."""
        ends = _ends_of(out)
        is_translated = ends != own
        if is_translated:
            self.translated.add(sender)
        elif sender not in self.translated:
            return ""
        said = f"{with_port(ends[0], ends[1])} > {with_port(ends[2], ends[3])}"
        return f"leaves as {said}" if is_translated else f"leaves untranslated: {said}"

    def words(self, step: Send) -> str:
        """Flags and relative numbers, and the addresses where they are not the flow's."""
        label = _say_own(step, self.scenario)
        if step.protocol != TCP:
            return f"{_say_other(step)}{label}"
        sender = step.sender
        if step.flags & TcpFlags.SYN:
            self.first[sender] = step.seq
        first = self.first.setdefault(sender, step.seq)
        other = self.first.setdefault(sender.other, step.ack)
        ack = distance(step.ack - other) if step.flags & TcpFlags.ACK else None
        if step.flags & TcpFlags.SYN and ack is None:
            del self.first[sender.other]  # it acknowledges nothing yet
        numbers = say_numbers(distance(step.seq - first), step.length, ack)
        return f"{say_flags(step.flags.letters)} {numbers}{label}"


def _say_own(step: Send, scenario: Scenario) -> str:
    family = scenario.topology.family
    said = []
    if step.saddr is not None or step.sport is not None:
        flow = scenario.flow
        usual = (flow.saddr, flow.sport)
        if step.sender is Dir.REPLY:
            usual = (flow.daddr, flow.dport)
        saddr = usual[0] if step.saddr is None else step.saddr
        said.append(f" from {format_end(family, saddr, step.sport or usual[1])}")
    if step.daddr is not None or step.dport is not None:
        address = "" if step.daddr is None else format_address(family, step.daddr)
        port = "" if step.dport is None else f"port {step.dport}"
        said.append(f" to {' '.join(filter(None, (address, port)))}")
    return "".join(said)


def _say_other(step: Send) -> str:
    """A packet that is not of TCP."""
    if step.protocol in (ICMP, ICMPV6):
        quotes = " that quotes a packet" if step.quote is not None else ""
        return f"ICMP {step.icmp_type}/{step.icmp_code}{quotes}"
    return f"UDP ({step.length})" if step.protocol == UDP else f"protocol {step.protocol}"


def _answer_row(out: OutPacket, *, to_server: bool) -> Row:
    """A packet that the box makes."""
    words = "ICMP error" if out.flags is None else say_flags(out.flags)
    return Row(RowKind.PACKET, 0, words, to_server=to_server, is_boxs=True)


def _row(words: str, kind: RowKind = RowKind.NOTE, *, is_lost: bool = False) -> Row:
    return Row(kind, 0, words, is_lost=is_lost)


def _ends_of(out: OutPacket) -> _Ends:
    return out.src, out.sport, out.dst, out.dport
