# SPDX-License-Identifier: GPL-2.0-only
"""One connection of a capture, packet by packet, in the form of a scenario and its answers."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.analysis.capture.played import Fate, Played, Way
from ctlint.analysis.capture.replay import Firewall
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.host import LOOPBACK
from ctlint.parse.printer import print_ruleset
from ctlint.scenario.answer import EntryAnswer, PacketAnswer
from ctlint.scenario.play import show_entry, show_out
from ctlint.scenario.scenario import Flow, Forward, Host, Loopback, Scenario, Send, Topology
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

MOST_SHOWN: Final = 1_000
"""Packets of the connection that are kept."""


class Ends(NamedTuple):
    """Two ends, in any order; a port is None for any."""

    one: tuple[int, int | None]
    other: tuple[int, int | None]

    def have(self, packet: Packet) -> bool:
        """Whether a packet, or what it quotes, goes between the two."""
        about = packet if packet.quoted is None else packet.quoted
        source, target = (about.saddr, about.sport), (about.daddr, about.dport)
        return (_is(self.one, source) and _is(self.other, target)) or (
            _is(self.one, target) and _is(self.other, source)
        )


def _is(wanted: tuple[int, int | None], found: tuple[int, int | None]) -> bool:
    return wanted[0] == found[0] and wanted[1] in (None, found[1])


class Story:
    """Keeps the packets between two ends, the first MOST_SHOWN of them; ``left_out`` counts the
    others.
    """

    def __init__(self, family: Family, ends: Ends) -> None:
        self._family = family
        self._ends = ends
        self._opener: Played | None = None
        self._entrances: dict[Dir, str] = {}
        self._last: Micros = 0
        self._steps: list[Send] = []
        self.answers: list[PacketAnswer] = []
        self.entries: tuple[EntryAnswer, ...] = ()
        self.left_out = 0

    def add(self, played: Played) -> None:
        """A packet, which may be between others."""
        if played.packet.family is not self._family or not self._ends.have(played.packet):
            return
        if len(self._steps) >= MOST_SHOWN:
            self.left_out += 1
            return
        if self._opener is None:
            self._opener = played
            self._last = played.now
        sender = self._sender(played)
        self._entrances.setdefault(sender, played.interface)
        self._steps.append(self._send(played, sender))
        self._last = played.now
        answer = self._answer(played, sender)
        self.answers.append(answer)
        self.entries = () if answer.entry is None else (answer.entry,)

    @property
    def flow(self) -> Flow:
        """The ends of the first packet."""
        assert self._opener is not None
        packet = self._opener.packet
        about = packet if packet.quoted is None else packet.quoted
        ports = (about.sport or 0, about.dport or 0)
        if about is not packet:
            return Flow(about.daddr, ports[1], about.saddr, ports[0])
        return Flow(about.saddr, ports[0], about.daddr, ports[1])

    def scenario(self, firewall: Firewall) -> Scenario | None:
        """What was sent; None where nothing was."""
        if self._opener is None:
            return None
        text = {ruleset.family: print_ruleset(ruleset) for ruleset in firewall.rulesets}
        return Scenario(
            name=None,
            kernel=firewall.kernel.name,
            sysctls=firewall.sysctls,
            ruleset=text.get(Family.IPV4, ""),
            ruleset6=text.get(Family.IPV6, ""),
            topology=self._topology(self._opener),
            flow=self.flow,
            steps=tuple(self._steps),
        )

    def _topology(self, opener: Played) -> Topology:
        family = self._family
        if opener.way is Way.LOOPBACK:
            return Loopback(family)
        source, target = (
            format_address(family, each) for each in (opener.packet.saddr, opener.packet.daddr)
        )
        if opener.way is Way.FORWARD:
            out = next((one.interface for one in opener.out if one.is_same), "")
            out = self._entrances.get(Dir.REPLY) or out or "?"
            return Forward(family, opener.interface or "?", source, out, target)
        if opener.way is Way.IN:
            return Host(family, Dir.REPLY, opener.interface or "?", target)
        out = next((one.interface for one in opener.out), "?")
        return Host(family, Dir.ORIGINAL, out or "?", source)

    def _sender(self, played: Played) -> Dir:
        packet, flow = played.packet, self.flow
        if packet.quoted is not None:
            is_to_orig = (packet.quoted.saddr, packet.quoted.sport or 0) == (flow.saddr, flow.sport)
            return Dir.REPLY if is_to_orig else Dir.ORIGINAL
        is_orig = (packet.saddr, packet.sport or 0) == (flow.saddr, flow.sport)
        return Dir.ORIGINAL if is_orig else Dir.REPLY

    def _send(self, played: Played, sender: Dir) -> Send:
        packet, flow = played.packet, self.flow
        usual = (flow.saddr, flow.sport, flow.daddr, flow.dport)
        if sender is Dir.REPLY:
            usual = usual[2:] + usual[:2]
        own = (packet.saddr, packet.sport, packet.daddr, packet.dport)
        saddr, sport, daddr, dport = (
            None if its is None or its == each else its
            for its, each in zip(own, usual, strict=True)
        )
        return Send(
            sender,
            packet.protocol,
            packet.flags if packet.flags is not None else TcpFlags(0),
            packet.seq,
            packet.ack,
            packet.window,
            packet.payload,
            packet.options if packet.protocol == TCP else None,
            saddr,
            sport,
            daddr,
            dport,
            packet.icmp_type or 0,
            packet.icmp_code or 0,
            packet.icmp_id,
            quote=None if packet.quoted is None else sender.other,
            wait=played.now - self._last,
            ttl=packet.ttl,
            tos=packet.tos,
        )

    def _answer(self, played: Played, sender: Dir) -> PacketAnswer:
        entry = None if played.entry is None else _shown(played)
        side = "right" if sender is Dir.ORIGINAL else "left"
        if played.way is not Way.FORWARD:
            side = "wire"
        out = tuple(
            show_out(one, side if one.is_same or side == "wire" else _other_side(side))
            for one in played.out
            if one.interface != LOOPBACK
        )
        is_open = played.fate is Fate.UNDECIDED
        return PacketAnswer(
            ctstate=played.ctstate,
            hooks={hook.value: str(state.name) for hook, state in played.hooks.items()},
            delivered=None if is_open else played.fate is Fate.PASSED,
            out=out,
            entry=entry,
            pktdir=played.pktdir,
            why=tuple(played.why),
            rules=tuple(played.rules),
            undecided=_told(played),
            reasons=tuple(played.reasons),
            cause=played.cause,
        )


def _other_side(side: str) -> str:
    return "left" if side == "right" else "right"


def _shown(played: Played) -> EntryAnswer:
    assert played.entry is not None
    entry = show_entry(played.entry, played.now)
    return EntryAnswer(
        entry.state,
        entry.timeout,
        entry.flags,
        entry.orig,
        entry.reply,
        entry.mark,
        entry.internals,
        played.is_fresh,
    )


def _told(played: Played) -> tuple[dict[str, str | None], ...]:
    return tuple(dict(one) for one in played.undecided)
