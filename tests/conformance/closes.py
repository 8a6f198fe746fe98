# SPDX-License-Identifier: GPL-2.0-only
"""What the live kernel loses of one connection once its entry has expired, found by trying.

A connection is opened by a handshake and data of both ends. Where all of that got through, each
packet that an end may send next is sent when all entries have expired, and where it is lost, once
more over a connection that was opened anew: what is lost then too is not for expiry to answer for.

"Gets through" means that the other end receives the packet, with the addresses and ports under
which it knows the connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ctlint.finding import Role
from ctlint.ir.rule import Target
from ctlint.ir.ruleset import Ruleset
from ctlint.lab.lab import Backend, Lab
from ctlint.model.conntrack.status import Dir
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.scenario import Flow, Flush, Forward, Host, Loopback, Scenario, Send
from ctlint.wire.addresses import parse_address
from ctlint.wire.packet import TcpOptions
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.faults import patiently

_FULL: Final = TcpOptions(mss=1460, wscale=7, sack_permitted=True)


def _send(sender: Dir, flags: str, seq: int, ack: int, length: int = 0) -> Send:
    return Send(
        sender, TCP, flags=TcpFlags.parse(flags), seq=seq, ack=ack, window=502, length=length
    )


OPENING: Final = (
    replace(_send(Dir.ORIGINAL, "S", 1000, 0), options=_FULL, window=65535),
    replace(_send(Dir.REPLY, "SA", 5000, 1001), options=_FULL, window=65535),
    _send(Dir.ORIGINAL, "A", 1001, 5001),
    _send(Dir.ORIGINAL, "PA", 1001, 5001, 1),
    _send(Dir.REPLY, "PA", 5001, 1002, 1),
)
CLOSING: Final[Sequence[Send]] = tuple(
    _send(sender, flags, *numbers, int(flags == "PA"))
    for sender, numbers in ((Dir.ORIGINAL, (1002, 5002)), (Dir.REPLY, (5002, 1002)))
    for flags in ("FA", "RA", "A", "PA")
)
"""FIN, RST, bare ACK and data of either end, of a connection that was opened so."""


class Place(NamedTuple):
    """A rule of a table's chain, counted from 1, or where its position is None, the policy."""

    table: str
    chain: str
    position: int | None

    def __str__(self) -> str:
        if self.position is None:
            return f"{self.table}/{self.chain} policy"
        return f"{self.table}/{self.chain}#{self.position}"


class Loss(NamedTuple):
    """A packet that the kernel loses because its entry has expired.

    ``place`` is what lost it, None where no verdict did: it came out somewhere else, or with ends
    that the other does not know. ``matched`` are the rules that it met and those that the opening
    met: what may have decided.
    """

    packet: Send
    place: Place | None
    ctstate: str | None
    matched: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tried:
    """A connection that was tried. ``is_translated``: an end has other addresses or ports for the
    other than that has itself.
    """

    is_opened: bool
    is_translated: bool = False
    losses: tuple[Loss, ...] = ()


def role_of(scenario: Scenario) -> Role:
    """Where the host with the rules stands in the connection of a scenario."""
    topology = scenario.topology
    if isinstance(topology, Loopback):
        return Role.LOOPBACK
    if isinstance(topology, Forward):
        return Role.FORWARD
    return Role.CLIENT if topology.role is Dir.ORIGINAL else Role.SERVER


def try_connection(
    lab: Lab,
    scenario: Scenario,
    ruleset: Ruleset,
    backend: Backend | None = None,
    closing: Sequence[Send] = CLOSING,
) -> Tried:
    """Open the connection of a scenario, whose steps are not looked at, and try to close it.

    Raises LabStalled, CannotLoadError, ScenarioError.
    """
    return patiently(lambda: _Trial(lab, scenario, ruleset, backend).run(closing))


class _Trial:
    def __init__(
        self, lab: Lab, scenario: Scenario, ruleset: Ruleset, backend: Backend | None
    ) -> None:
        self._lab = lab
        self._scenario = scenario
        self._ruleset = ruleset
        self._matched: set[str] = set()
        flow = scenario.flow
        self._known = {Dir.ORIGINAL: flow, Dir.REPLY: _turned(flow)}
        """With which ends each end sends, as it knows the connection."""
        lab.start(scenario, backend)

    def run(self, closing: Sequence[Send]) -> Tried:
        if not self._open():
            return Tried(is_opened=False)
        translated = self._known[Dir.REPLY] != _turned(self._scenario.flow)
        opening = frozenset(self._matched)
        losses = []
        for packet in closing:
            answer = self._step(replace(packet, expire=True))
            if not self._gets_through(packet.sender, answer):
                losses.append(
                    Loss(
                        packet,
                        loser(self._ruleset, answer.rules or ()),
                        answer.ctstate,
                        opening | frozenset(answer.rules or ()),
                    )
                )
        blamed = tuple(loss for loss in losses if self._passes_alive(loss.packet))
        return Tried(is_opened=True, is_translated=translated, losses=blamed)

    def _passes_alive(self, packet: Send) -> bool:
        self._lab.step(Flush())
        return self._open() and self._gets_through(packet.sender, self._step(packet))

    def _open(self) -> bool:
        for packet in OPENING:
            is_first = packet.flags is TcpFlags.SYN
            # Before the server has seen the client, it knows nothing; afterwards what it saw.
            answer = self._step(packet, own=not is_first)
            self._matched.update(answer.rules or ())
            if is_first:
                seen = self._arrival(packet.sender, answer)
                if seen is None:
                    return False
                self._known[Dir.REPLY] = _turned(seen)
            elif not self._gets_through(packet.sender, answer):
                return False
        return True

    def _step(self, packet: Send, *, own: bool = True) -> PacketAnswer:
        if own:
            ends = self._known[packet.sender]
            packet = replace(
                packet, saddr=ends.saddr, sport=ends.sport, daddr=ends.daddr, dport=ends.dport
            )
        answer = self._lab.step(packet)
        assert isinstance(answer, PacketAnswer)
        return answer

    def _gets_through(self, sender: Dir, answer: PacketAnswer) -> bool:
        return self._arrival(sender, answer) == _turned(self._known[sender.other])

    def _arrival(self, sender: Dir, answer: PacketAnswer) -> Flow | None:
        """The ends that a packet has where it arrives at the other end; None: it does not."""
        if not answer.delivered:
            return None
        topology = self._scenario.topology
        came_out = [packet for packet in answer.out if packet.is_same]
        is_to_box = isinstance(topology, Loopback) or (
            isinstance(topology, Host) and topology.role is sender.other
        )
        if is_to_box:
            return None if came_out else self._ends_inside(sender, answer)
        if not came_out:
            return None
        seen = came_out[-1]
        side = "wire" if isinstance(topology, Host) else ("right", "left")[sender]
        if seen.side != side:
            return None
        return self._flow((seen.src, seen.sport, seen.dst, seen.dport))

    def _ends_inside(self, sender: Dir, answer: PacketAnswer) -> Flow:
        """What the host's own socket sees: what the entry makes of the packet."""
        entry = answer.entry
        if entry is None or answer.pktdir is None or answer.ctstate in ("INVALID", "UNTRACKED"):
            return self._known[sender]
        source, sport, target, dport = entry.reply if answer.pktdir is Dir.ORIGINAL else entry.orig
        return self._flow((target, dport, source, sport))

    def _flow(self, ends: tuple[str, int, str, int]) -> Flow:
        source, sport, target, dport = ends
        family = self._scenario.topology.family
        return Flow(parse_address(source, family), sport, parse_address(target, family), dport)


def _turned(flow: Flow) -> Flow:
    return Flow(flow.daddr, flow.dport, flow.saddr, flow.sport)


def loser(ruleset: Ruleset, matched: Sequence[str]) -> Place | None:
    """The rule or policy that ended the way of a packet which met these rules, in order."""
    for words in matched:
        place = place_of(words)
        if place is None:
            continue
        chain = ruleset.chain(place.table, place.chain)
        if chain is None:
            continue
        if place.position is None:
            if chain.policy == "DROP":
                return place
            continue
        target = chain.rules[place.position - 1].target
        if isinstance(target, Target) and target.name in ("DROP", "REJECT"):
            return place
    return None


def place_of(words: str) -> Place | None:
    """What the trace names; None for the end of a user chain."""
    table, _, rest = words.partition("/")
    if rest.endswith(" return"):
        return None
    chain, is_rule, position = rest.rpartition("#")
    if is_rule and position.isdecimal():
        return Place(table, chain, int(position))
    return Place(table, rest.removesuffix(" policy"), None)


def asked(matched: frozenset[str]) -> Mapping[tuple[str, str], int | None]:
    """How far each chain was asked by packets that met these rules; None: to its end."""
    found: dict[tuple[str, str], int | None] = {}
    for words in matched:
        place = place_of(words)
        if place is None:
            table, _, rest = words.partition("/")
            found[table, rest.removesuffix(" return")] = None
        elif place.position is None:
            found[place.table, place.chain] = None
        else:
            before = found.get((place.table, place.chain), 0)
            if before is not None:
                found[place.table, place.chain] = max(before, place.position)
    return found
