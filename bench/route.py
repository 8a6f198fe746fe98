# SPDX-License-Identifier: GPL-2.0-only
"""Lets conversations pass a box with a large rule set, and says how fast it was.

    python -m bench.route
    python -m bench.route --services 500 8300

The rules are those of a Kubernetes node (``dumps.py kube``), nat and filter. Clients talk to
services, so the first packet of each connection goes through the nat table, is sent to one of three
endpoints by lot, and every later one is translated. The packets are made before the clock starts;
where the first of them went decides on the addresses of the way back. The yardstick is a plain
walk, rule by rule, of what the first packets meet in the nat table.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Iterator
from typing import NamedTuple

from bench import dumps
from bench.track import conversation
from ctlint.ir.rule import Goto, Jump
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.host import Host, InterfaceAddress, Route
from ctlint.model.netfilter.matches import predicates
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.stack import Stack
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Transit
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, Net
from ctlint.wire.packet import Packet

_CLIENTS = 0x0A01_0000
_CONNECTIONS = 2_000
_BETWEEN_PACKETS = 10  # microseconds
_RULES_A_SERVICE = 12
_WALKED_PLAINLY = 200
"""Packets that the yardstick walks: each meets thousands of rules."""


class Speed(NamedTuple):
    """Packets, and the seconds that they took."""

    packets: int
    seconds: float

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.packets / self.seconds


def node() -> Host:
    """A node between its pods and the rest."""
    any_host = Net(Family.IPV4, 0, 0)
    return Host(
        [
            InterfaceAddress("cni0", Family.IPV4, 0x0AF40001, 16),
            InterfaceAddress("eth0", Family.IPV4, 0x0A010001, 16),
        ],
        [Route(any_host, "eth0")],
    )


def services(ruleset: Ruleset) -> list[tuple[int, int]]:
    """Address and port of each service."""
    chain = ruleset.chain("nat", "KUBE-SERVICES")
    assert chain is not None
    found = []
    for rule in chain.rules:
        values = {o.name: o.value for m in rule.matches for o in getattr(m, "options", ())}
        if "dport" in values and "destination" in values:
            found.append((values["destination"].address, values["dport"].low))
    return found


def conversations(ruleset: Ruleset) -> Iterator[list[Packet]]:
    """One connection for each client port, to a service drawn by lot; seen by its client."""
    rng = random.Random(1)
    known = services(ruleset)
    for number in range(_CONNECTIONS):
        address, port = rng.choice(known)
        client = _CLIENTS + 2 + number % 200
        own = 1024 + number
        yield [
            packet._replace(saddr=client, daddr=address, dport=port)
            if packet.sport == own
            else packet._replace(saddr=address, daddr=client, sport=port)
            for packet in conversation(own)
        ]


def route(ruleset: Ruleset, rounds: int) -> tuple[Speed, Speed, Speed]:
    """First packets, later ones, and all: how many, and the least seconds of a round."""
    tracker = Tracker(NEWEST, read_settings(NEWEST, {}))
    lots = random.Random(2)
    stack = Stack(
        tracker,
        {Family.IPV4: ChainStore(ruleset, Facts())},
        node(),
        memory=Memory(),
        draw=lots.randint,
        lots=lots.randint,
    )
    talks = list(conversations(ruleset))
    now = 0
    best_first = best_rest = best = float("inf")
    for _ in range(rounds):
        tracker.flush()
        passages = []
        start = time.process_time()
        for talk in talks:
            now += _BETWEEN_PACKETS
            passages.append(stack.receive(talk[0], "eth0", now))
        spent = time.process_time() - start
        best_first = min(best_first, spent)
        rest: list[tuple[Packet, str]] = []
        went = [passage.out[0].packet for passage in passages]
        for turn in range(1, len(talks[0])):
            for talk, out in zip(talks, went, strict=True):
                packet = talk[turn]
                if packet.sport == talk[0].sport:
                    rest.append((packet, "eth0"))
                else:
                    answer = packet._replace(
                        saddr=out.daddr, sport=out.dport, daddr=out.saddr, dport=out.sport
                    )
                    rest.append((answer, "cni0"))
        start = time.process_time()
        for packet, interface in rest:
            now += _BETWEEN_PACKETS
            stack.receive(packet, interface, now)
        spent_rest = time.process_time() - start
        best_rest = min(best_rest, spent_rest)
        best = min(best, spent + spent_rest)
    count = len(talks)
    return (
        Speed(count, best_first),
        Speed(len(rest), best_rest),
        Speed(count + len(rest), best),
    )


def walk_plainly(ruleset: Ruleset) -> Speed:
    """The nat table's PREROUTING, rule by rule in Python, for first packets: the yardstick."""
    facts = Facts()
    tracker = Tracker(NEWEST, read_settings(NEWEST, {}))
    box = Box(node(), tracker, Memory())
    packets = [talk[0] for talk in conversations(ruleset)][:_WALKED_PLAINLY]
    tests = {
        id(match): predicates(match, facts)
        for _, _, _, rule in ruleset.rules()
        for match in rule.matches
    }

    def descend(chain_name: str, transit: Transit) -> bool:
        chain = ruleset.chain("nat", chain_name)
        assert chain is not None
        for rule in chain.rules:
            holds = all(
                predicate.test(transit) is not Tern.FALSE
                for match in rule.matches
                for predicate in tests[id(match)]
            )
            if not holds:
                continue
            if isinstance(rule.target, Jump | Goto):
                if descend(rule.target.chain, transit):
                    return True
            elif rule.target is not None and rule.target.name == "DNAT":
                return True
        return False

    start = time.process_time()
    for packet in packets:
        descend("PREROUTING", Transit(packet, CtState.NEW, "eth0", box=box))
    return Speed(len(packets), time.process_time() - start)


def main() -> None:
    """Run, and print packets a second of CPU time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--services", type=int, nargs="+", default=[8_300], help="services [default: 8300]"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds [default: 5]; the best counts"
    )
    arguments = parser.parse_args()
    gc.disable()
    for number in arguments.services:
        text = "\n".join(dumps.kube(number * _RULES_A_SERVICE, 1)) + "\n"
        (ruleset,) = parse_rulesets(text, "kube", Family.IPV4)
        gc.freeze()
        plain = walk_plainly(ruleset)
        first, later, everything = route(ruleset, arguments.rounds)
        print(f"{ruleset.rule_count:,} rules, {number:,} services")
        for name, speed in (
            ("nat rule by rule, first packets", plain),
            ("tracker, NAT, rules, first packets", first),
            ("tracker, NAT, rules, open connections", later),
            ("tracker, NAT, rules, all packets", everything),
        ):
            ratio = speed.rate / plain.rate
            print(f"  {name:<38}{speed.rate:>10,.0f} packets/s{ratio:>10,.1f} x")


if __name__ == "__main__":
    main()
