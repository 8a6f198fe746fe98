# SPDX-License-Identifier: GPL-2.0-only
"""Random scenarios with rule sets: each rule set (random_rulesets.py) judges some conversations.

The conversations are those of random_scenarios.py, with what rules ask for besides: TTL, type of
service, payload, packets to and from other ends. No time passes where rules count it: a live
kernel counts its own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.transit import Facts, Mac, Owner
from ctlint.scenario.scenario import (
    Expire,
    Flow,
    Flush,
    Forward,
    Host,
    Loopback,
    Scenario,
    Send,
    SetSysctls,
    Step,
    Topology,
    Wait,
)
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.random_icmp import icmp_error, icmp_talk
from tests.conformance.random_rulesets import MATCHES, POOLS, TIMED, Drawn, Pool, RulesetWriter
from tests.conformance.random_scenarios import topology_of
from tests.conformance.random_tcp import Ports, TcpTalk
from tests.conformance.random_weights import Shares, Weights, choose

CONVERSATIONS: Final = 4
"""Of each rule set."""

KINDS: Final[Shares] = {
    **{"tcp": 10, "two_flows": 3, "udp": 4, "icmp": 3, "generic": 1, "strays": 3},
    "crowd": 6,
}

_STEADY: Final[Shares] = {
    kind: share for kind, share in MATCHES.items() if kind not in {*TIMED, "connlimit", "odd"}
}
_TWO_TICKS: Final = 8_000
"""Microseconds of a kernel with 250 ticks a second."""

_ASKS_TIMERS: Final = re.compile(r"--ctexpire\b")

_OWNERS: Final = (Owner(0, 0), Owner(0, 0), Owner(1000, 1000, (27,)), Owner(33, 0))
_TTLS: Final = (64, 64, 64, 64, 63, 65, 128, 255, 2, 1)
_TOS: Final = (0, 0, 0, 0x10, 0x08, 0x02, 0x03, 0xB8, 0x28)
_TEXTS: Final = (
    b"GET / HTTP/1.0\r\nHost: example\r\n",
    b"GET",
    b"xGETx",
    b"SSH-2.0-some",
    b"Host: EXAMPLE",
    b"\0\1\2\3",
)
_LENGTHS: Final = (0, 1, 12, 56, 100, 1400)


class Talks:
    """Makes the conversations of one place."""

    def __init__(self, chance: random.Random, pool: Pool, topology: Topology, flow: Flow) -> None:
        self._chance = chance
        self._pool = pool
        self._topology = topology
        self._flow = flow
        self._family = topology.family

    def steps(self, *, has_time: bool) -> tuple[Step, ...]:
        """The steps of one conversation; without time, none passes."""
        chance = self._chance
        kind = choose(chance, KINDS)
        packets = chance.randint(5, 24)
        weights = Weights(waits=0.02, edits=0.06)
        steps: Sequence[Step]
        if kind == "tcp":
            steps = TcpTalk(chance, weights, self._topology, Ports()).talk(packets)
        elif kind == "two_flows":
            one = TcpTalk(chance, weights, self._topology, Ports()).talk(packets // 2)
            ports = chance.choice((Ports(40001), Ports(None, 81), Ports(22, 443)))
            other = TcpTalk(chance, weights, self._topology, ports).talk(packets // 2)
            steps = [step for pair in zip(one, other, strict=False) for step in pair]
        elif kind == "udp":
            steps = self._udp(packets // 2)
        elif kind == "icmp":
            steps = icmp_talk(chance, self._family, packets // 2)
        elif kind == "generic":
            protocol = chance.choice((50, 88, 253))
            steps = [self._datagram(protocol) for _ in range(packets // 3 + 1)]
        elif kind == "crowd":
            steps = self._crowd(packets)
        else:
            steps = [self._stray() for _ in range(packets // 2)]
        dressed = list(self._dressed(steps))
        if not has_time:
            dressed = [
                replace(step, wait=0) if isinstance(step, Send) else step
                for step in dressed
                if not isinstance(step, Wait)
            ]
        return tuple(dressed)

    def _udp(self, packets: int) -> list[Step]:
        steps: list[Step] = []
        for _ in range(packets):
            steps.append(self._datagram(UDP))
            if self._chance.random() < 0.08:
                steps.append(icmp_error(self._chance, self._topology, self._sender()))
        return steps

    def _crowd(self, packets: int) -> list[Step]:
        """Several connections that have the same ports, are answered, rejected and told about
        errors, expire and are opened from the other end.
        """
        chance = self._chance
        protocol = chance.choice((TCP, TCP, UDP, UDP, UDP, self._icmp))
        callers = [self._stray_of(protocol, Dir.ORIGINAL) for _ in range(chance.randint(1, 4))]
        callers += [Send(Dir.ORIGINAL, protocol, flags=TcpFlags.SYN, seq=1000)]
        answerers = [self._stray_of(protocol, Dir.REPLY) for _ in range(2)]
        steps: list[Step] = []
        while len(steps) < packets:
            drawn = chance.random()
            caller = chance.choice(callers)
            if drawn < 0.4:
                steps.append(self._of_kind(caller, is_answer=False))
            elif drawn < 0.65:
                # Where the last one came from.
                steps.append(self._of_kind(Send(Dir.REPLY, protocol), is_answer=True))
            elif drawn < 0.75:
                steps.append(self._of_kind(chance.choice(answerers), is_answer=True))
            elif drawn < 0.85:
                steps.append(icmp_error(chance, self._topology, self._sender()))
            elif drawn < 0.9:
                steps.append(self._of_kind(chance.choice(answerers), is_answer=False))
            elif drawn < 0.95:
                steps.append(chance.choice((Expire(), Expire(), Flush())))
            else:
                name = chance.choice(("tcp_loose", "tcp_be_liberal", "checksum"))
                value = chance.randrange(2)
                steps.append(SetSysctls({f"net.netfilter.nf_conntrack_{name}": value}))
        return steps

    def _stray_of(self, protocol: int, sender: Dir) -> Send:
        while True:
            found = self._stray()
            if found.sender is sender:
                break
        is_icmp = protocol == self._icmp
        sport = None if self._chance.random() < 0.6 else found.sport
        dport = None if self._chance.random() < 0.6 else found.dport
        if is_icmp:
            sport = dport = None
        return Send(
            sender,
            protocol,
            saddr=found.saddr,
            daddr=found.daddr,
            sport=sport,
            dport=dport,
            icmp_id=self._chance.choice((7, 7, 8)) if is_icmp else 0,
        )

    def _of_kind(self, packet: Send, *, is_answer: bool) -> Send:
        """The packet with what its protocol needs."""
        chance = self._chance
        if packet.protocol == TCP:
            if is_answer:
                flags = TcpFlags.parse(chance.choice(("SA", "SA", "A", "RA")))
                return replace(packet, flags=flags, seq=5000, ack=1001)
            flags = TcpFlags.parse(chance.choice(("S", "S", "S", "A", "R")))
            ack = 0 if flags is TcpFlags.SYN else 5001
            return replace(packet, flags=flags, seq=1001 if ack else 1000, ack=ack)
        if packet.protocol == UDP:
            return replace(packet, flags=TcpFlags(0), seq=0, length=chance.choice((0, 8, 1400)))
        echo, reply = (8, 0) if self._family is Family.IPV4 else (128, 129)
        return replace(
            packet,
            flags=TcpFlags(0),
            seq=0,
            icmp_type=reply if is_answer else echo,
            icmp_id=packet.icmp_id or 7,
        )

    def _sender(self) -> Dir:
        return self._chance.choice((Dir.ORIGINAL, Dir.ORIGINAL, Dir.REPLY))

    def _datagram(self, protocol: int) -> Send:
        return Send(self._sender(), protocol, length=self._chance.choice(_LENGTHS))

    def _stray(self) -> Send:
        """A packet of or to somebody else than the flow's ends, or on other ports."""
        chance = self._chance
        protocol = chance.choice((TCP, TCP, TCP, UDP, UDP, self._icmp))
        packet = Send(
            self._sender(),
            protocol,
            length=chance.choice(_LENGTHS),
            saddr=self._other(self._flow.saddr),
            daddr=self._other(self._flow.daddr),
        )
        if packet.sender is Dir.REPLY:
            packet = replace(packet, saddr=packet.daddr, daddr=packet.saddr)
        if protocol == self._icmp:
            kind = 8 if self._family is Family.IPV4 else 128
            return replace(packet, icmp_type=kind, icmp_id=chance.choice((7, 8)))
        packet = replace(packet, sport=self._port(), dport=self._port())
        if protocol == TCP:
            flags = TcpFlags.parse(chance.choice(("S", "S", "S", "A", "SA", "R", "FA", "")))
            packet = replace(packet, flags=flags, seq=1000, ack=5000, length=0)
        return packet

    @property
    def _icmp(self) -> int:
        return ICMP if self._family is Family.IPV4 else ICMPV6

    def _port(self) -> int | None:
        return self._chance.choice((None, *self._pool.ports))

    def _other(self, own: int) -> int | None:
        """None for the flow's own address, which it mostly is."""
        chance = self._chance
        if isinstance(self._topology, Loopback) or chance.random() < 0.6:
            return None
        address = parse_address(chance.choice(self._pool.ends), self._family)
        is_loopback = address == 1 or (self._family is Family.IPV4 and address >> 24 == 127)
        return None if is_loopback or address == own else address

    def _dressed(self, steps: Sequence[Step]) -> Iterator[Step]:
        chance = self._chance
        ttl, tos = chance.choice(_TTLS), chance.choice(_TOS)
        for step in steps:
            if not isinstance(step, Send):
                yield step
                continue
            given = step
            if chance.random() < 0.9:
                given = replace(given, ttl=ttl, tos=tos)
            if step.length and step.quote is None and chance.random() < 0.7:
                given = replace(given, data=chance.choice(_TEXTS)[: step.length])
            yield given
            if chance.random() < 0.04:
                yield self._stray()


def _odd_forward(
    chance: random.Random, topology: Forward, flow: Flow, pool: Pool
) -> tuple[Forward, Flow]:
    """Aimed at the box, where DNAT may send it on; both ends behind one interface."""
    family = topology.family
    drawn = chance.random()
    if drawn < 0.15:
        return topology, replace(flow, daddr=parse_address(pool.ends[0], family))
    if drawn < 0.25:
        return topology, replace(flow, daddr=parse_address(pool.ends[3], family))
    if drawn < 0.35:
        return replace(topology, right_if=topology.left_if), flow
    if drawn < 0.4:
        hairpin = replace(topology, right_if=topology.left_if)
        return hairpin, replace(flow, daddr=parse_address(pool.ends[0], family))
    return topology, flow


def scenarios_of(
    chance: random.Random, name: str, drawn: Drawn, pool: Pool, conversations: int = CONVERSATIONS
) -> Iterator[Scenario]:
    """Conversations that a rule set judges, in usual topologies."""
    family = pool.family
    texts = (drawn.text, "") if family is Family.IPV4 else ("", drawn.text)
    for number in range(conversations):
        kind = choose(chance, {"forward": 5, "orig": 2, "reply": 2, "lo": 1.5})
        topology, flow = topology_of(kind, family)
        if isinstance(topology, Forward):
            topology, flow = _odd_forward(chance, topology, flow, pool)
        elif isinstance(topology, Host) and chance.random() < 0.1:
            # One end in the host's own network.
            near = parse_address(pool.ends[1], family)
            is_client = topology.role is Dir.ORIGINAL
            flow = replace(flow, daddr=near) if is_client else replace(flow, saddr=near)
        talks = Talks(chance, pool, topology, flow)
        steps = talks.steps(has_time=not drawn.is_timed and chance.random() < 0.5)
        if "connlimit" in drawn.text:
            # Connections that have ended are taken off once a tick.
            steps = tuple(
                replace(step, wait=max(step.wait, _TWO_TICKS)) if isinstance(step, Send) else step
                for step in steps
            )
        yield Scenario(
            f"{name}.{number}",
            None,
            {},
            *texts,
            topology,
            flow,
            steps,
            ipsets=drawn.ipsets,
            facts=Facts(owner=chance.choice(_OWNERS), mac=Mac(None)),
        )


def generate(seed: int, family: Family | None = None) -> Iterator[Scenario]:
    """Scenarios without end, those of one rule set behind one another.

    The same seed gives the same. The name of each says the seed, its rule set and its number.
    """
    chance = random.Random(seed)
    number = 0
    while True:
        pool = POOLS[family or chance.choice((Family.IPV4, Family.IPV4, Family.IPV6))]
        drawn = RulesetWriter(chance, pool).ruleset()
        yield from scenarios_of(chance, f"{seed} #{number}", drawn, pool)
        number += 1


def generate_steady(seed: int, family: Family | None = None) -> Iterator[Scenario]:
    """As `generate`, of small rule sets that do the same whenever and however fast they are played.

    Left out is what counts real time, asks what is left of a timer, or forgets connections when
    the live kernel gets round to it (connlimit).
    """
    chance = random.Random(seed)
    number = 0
    while True:
        pool = POOLS[family or chance.choice((Family.IPV4, Family.IPV4, Family.IPV6))]
        drawn = RulesetWriter(chance, pool, kinds=_STEADY, most_rules=3).ruleset()
        if _ASKS_TIMERS.search(drawn.text) is None:
            yield from scenarios_of(chance, f"{seed} #{number}", drawn, pool, 2)
        number += 1
