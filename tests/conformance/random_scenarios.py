# SPDX-License-Identifier: GPL-2.0-only
"""Random scenarios: what a tracker is compared with.

Conversations that look real and then go wrong, of TCP mostly (random_tcp.py), in all topologies.
Waiting is in whole seconds, and the timeouts stand apart, so that what is left of a timer tells
which one it was.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.sysctls import NETFILTER
from ctlint.scenario.scenario import Flow, Forward, Host, Loopback, Scenario, Send, Step, Topology
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.moments import SECOND
from ctlint.wire.protocols import UDP
from tests.conformance.random_icmp import icmp_error, icmp_talk
from tests.conformance.random_tcp import Ports, TcpTalk
from tests.conformance.random_weights import USUAL, Weights, choose

CLIENT_PORT: Final = 40000
SERVER_PORT: Final = 80


def _udp_talk(chance: random.Random, topology: Topology, packets: int) -> list[Step]:
    """Two ends that send datagrams.

    Time passes once at most, and seldom: that a flow is two seconds old cannot be had of a live
    kernel without waiting.
    """
    steps: list[Step] = []
    pause = chance.choice((0, 0, 3, 29, 31, 121))
    pauses_at = chance.randrange(packets)
    for number in range(packets):
        sender = chance.choice((Dir.ORIGINAL, Dir.ORIGINAL, Dir.REPLY))
        packet = Send(
            sender,
            UDP,
            length=chance.choice((0, 1, 100)),
            wait=pause * SECOND if number == pauses_at else 0,
            has_bad_checksum=chance.random() < 0.03,
            expire=chance.random() < 0.03,
        )
        steps.append(packet)
        if chance.random() < 0.05:
            steps.append(icmp_error(chance, topology, sender.other))
    return steps


def _generic_talk(chance: random.Random, packets: int) -> list[Step]:
    """Packets of protocols that have no tracker of their own."""
    protocol = chance.choice((50, 88, 253, 254))
    return [
        Send(
            chance.choice((Dir.ORIGINAL, Dir.REPLY)),
            protocol,
            length=chance.choice((8, 64)),
            wait=chance.choice((*(0,) * 10, 5, 599, 600, 601)) * SECOND,
        )
        for _ in range(packets)
    ]


def _interleave(chance: random.Random, one: list[Step], other: list[Step]) -> list[Step]:
    steps: list[Step] = []
    one, other = one[::-1], other[::-1]
    while one or other:
        source = chance.choices((one, other), (len(one), len(other)))[0]
        steps.append(source.pop())
    return steps


def topology_of(kind: str, family: Family) -> tuple[Topology, Flow]:
    """The usual topology of a kind (`forward`, `lo`, or the role of the host) and its flow."""
    v6 = family is Family.IPV6
    left, right = ("fd01::1/64", "fd02::1/64") if v6 else ("10.1.0.1/16", "10.2.0.1/16")
    inside, host, outside, here = (
        ("fd01::2", "fd01::1", "fd02::2", "::1")
        if v6
        else ("10.1.0.2", "10.1.0.1", "10.2.0.2", "127.0.0.1")
    )
    topology: Topology
    if kind == "forward":
        topology = Forward(family, "eth0", left, "eth1", right)
        source, target = inside, outside
    elif kind == "lo":
        topology = Loopback(family)
        source = target = here
    else:
        role = Dir.ORIGINAL if kind == "orig" else Dir.REPLY
        topology = Host(family, role, "eth0", left)
        source, target = (host, outside) if role is Dir.ORIGINAL else (outside, host)
    return topology, Flow(
        parse_address(source, family), CLIENT_PORT, parse_address(target, family), SERVER_PORT
    )


def _scenario(chance: random.Random, name: str, family: Family, weights: Weights) -> Scenario:
    topology, flow = topology_of(choose(chance, weights.topologies), family)
    kind = choose(chance, weights.kinds)
    packets = chance.randint(6, 40)
    talk = TcpTalk(chance, weights, topology, Ports())
    sysctls = {f"{NETFILTER}tcp_timeout_{name}": value for name, value in talk.timeouts.items()}
    for setting, share in (("loose", 0.3), ("be_liberal", 0.2), ("ignore_invalid_rst", 0.2)):
        is_default = chance.random() >= share
        sysctls[f"{NETFILTER}tcp_{setting}"] = int((setting == "loose") == is_default)
    steps: Sequence[Step]
    if kind == "tcp":
        steps = talk.talk(packets)
    elif kind == "two_flows":
        other = TcpTalk(chance, weights, topology, chance.choice((Ports(40001), Ports(None, 81))))
        steps = _interleave(chance, talk.talk(packets // 2), other.talk(packets // 2))
    elif kind == "udp":
        steps = _udp_talk(chance, topology, packets // 2)
    elif kind == "icmp":
        steps = icmp_talk(chance, family, packets // 2)
    else:
        steps = _generic_talk(chance, packets // 3)
    return Scenario(name, None, sysctls, "", "", topology, flow, tuple(steps))


def generate(
    seed: int,
    packets: int,
    family: Family | None = None,
    weights: Weights = USUAL,
) -> Iterator[Scenario]:
    """Scenarios with about that many packets in all; of both families unless one is named.

    The same seed gives the same scenarios. The name of each says the seed and its number.
    """
    chance = random.Random(seed)
    sent = number = 0
    while sent < packets:
        chosen = family or chance.choice((Family.IPV4, Family.IPV4, Family.IPV6))
        scenario = _scenario(chance, f"{seed} #{number}", chosen, weights)
        sent += sum(isinstance(step, Send) for step in scenario.steps)
        number += 1
        yield scenario
