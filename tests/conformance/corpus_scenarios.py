# SPDX-License-Identifier: GPL-2.0-only
"""Random scenarios for real dumps: packets between those whom the rules name.

Addresses, ports and interfaces are drawn from the text of a rule set, and lie inside, at the ends
of and right outside what it names. Sets that are not at hand are made up.
"""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.transit import Facts, Mac, Owner
from ctlint.scenario.scenario import (
    Flow,
    Flush,
    Forward,
    Host,
    Loopback,
    Scenario,
    Send,
    Step,
    Topology,
)
from ctlint.wire.addresses import Family, parse_address
from tests.conformance.random_rule_scenarios import Talks
from tests.conformance.random_rulesets import POOLS, Pool
from tests.conformance.random_weights import choose

SCENARIOS: Final = 5
"""Of each dump, all with as many packets."""

_INTERFACE = re.compile(r" (?:-[io]|--(?:in|out)-interface) ([\w.@-]{1,14}\+?)(?= |$)", re.M)
_PORTS = re.compile(r" --(?:[sd]ports?|ports|to-ports) ([\d:,-]+)")
_TARGET_PORT = re.compile(r" --to-destination \S*?:(\d+)(?= |$)", re.M)
_V4 = re.compile(r"(?<![\w.:-])(\d{1,3}(?:\.\d{1,3}){3})(?:/([\d.]+))?")
_V6 = re.compile(r"(?<![\w.:])([0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?:/(\d+))?(?![\w:])", re.I)
_SET = re.compile(r"--(?:match-set|add-set|del-set) (\S+) ((?:src|dst)(?:,(?:src|dst))*)")
_OWNER = re.compile(r"--uid-owner (\d+)")
_TIMED = re.compile(r"-m (?:limit|recent|hashlimit|time)|--ctexpire")
_KINDS: Final = {"forward": 5, "host": 5, "lo": 1}
_USUAL_INTERFACES: Final = ("eth0", "eth1")


class Named(NamedTuple):
    """What a rule set names; `addresses` are those that a host may have, near what is named."""

    interfaces: tuple[str, ...]
    addresses: tuple[str, ...]
    ports: tuple[int, ...]
    owners: tuple[int, ...]


def names_in(text: str, family: Family) -> Named:
    """What a rule set, and the sets it names, talk about. The same text gives the same order."""
    interfaces = {
        name.replace("+", "0") for name in _INTERFACE.findall(text) if name not in ("lo", "+")
    }
    addresses: dict[str, None] = {}
    found = (_V4 if family is Family.IPV4 else _V6).findall(text)
    for address, mask in dict.fromkeys(found):
        for near in _near(address, mask, family):
            addresses[near] = None
    ports: dict[int, None] = {}
    for listed in [*_PORTS.findall(text), *_TARGET_PORT.findall(text)]:
        for number in re.findall(r"\d+", listed):
            for port in (int(number), int(number), int(number) + 1):
                if 0 < port < 65536:
                    ports[port] = None
    return Named(
        tuple(sorted(interfaces)),
        tuple(addresses),
        tuple(ports),
        tuple(sorted({int(uid) for uid in _OWNER.findall(text)})),
    )


def _near(address: str, mask: str, family: Family) -> Iterator[str]:
    """Addresses of hosts at both ends of a network, and outside."""
    try:
        net = ipaddress.ip_network(f"{address}/{mask or family.bits}", strict=False)
    except ValueError:
        return
    first, last = int(net.network_address), int(net.broadcast_address)
    near = (first, first + 1, last - 1, last + 1) if first != last else (first, first, first + 1)
    routers = (1 << 64) - 1 if family is Family.IPV6 else 0
    for number in near:
        if not 0 < number < (1 << family.bits):
            continue
        # ::/64 holds what stands for other families; the first address of any other network is
        # that of all its routers (RFC 4291, 2.5.5 and 2.6.1).
        if routers and (number <= routers or not number & routers):
            continue
        made = (
            ipaddress.ip_address(number) if family is Family.IPV4 else ipaddress.IPv6Address(number)
        )
        is_host = not (made.is_multicast or made.is_loopback or made.is_unspecified)
        if is_host and not made.is_link_local and not (made.version == 4 and _is_odd(number)):
            yield str(made)


def _is_odd(number: int) -> bool:
    """Whether routing does more with an IPv4 address than find a way, or it ends a network."""
    return number >> 24 in (0, 127) or number >> 28 == 15 or number & 0xFF in (0, 255)


def made_up_sets(text: str, family: Family, chance: random.Random, named: Named) -> str:
    """Sets as a rule set names them, with what it names in them, as `ipset save` prints them."""
    lines: list[str] = []
    for name, flags in sorted(dict(_SET.findall(text)).items()):
        parts = flags.count(",") + 1
        kind = ("hash:net", "hash:net,port", "hash:ip,port,ip")[min(parts, 3) - 1]
        word = "inet" if family is Family.IPV4 else "inet6"
        lines.append(f"create {name} {kind} family {word} hashsize 1024 maxelem 65536")
        for address in chance.sample(named.addresses, min(4, len(named.addresses))):
            member = address
            if parts > 1:
                member += f",tcp:{chance.choice(named.ports or (80,))}"
            if parts > 2:
                member += f",{address}"
            lines.append(f"add {name} {member}")
    return "".join(f"{line}\n" for line in lines)


class _Places:
    """Draws topologies from what rules name."""

    def __init__(self, chance: random.Random, family: Family, named: Named, pool: Pool) -> None:
        self._chance = chance
        self._family = family
        self._interfaces = (*named.interfaces, *_USUAL_INTERFACES)
        self._pool = pool

    def draw(self) -> tuple[Topology, Flow]:
        """A topology and a flow in it."""
        chance, family = self._chance, self._family
        kind = choose(chance, _KINDS)
        if kind == "lo":
            here = parse_address("127.0.0.1" if family is Family.IPV4 else "::1", family)
            return Loopback(family), Flow(here, self._client(), here, self._server())
        length = 24 if family is Family.IPV4 else 64
        left, right = chance.sample(sorted(set(self._interfaces)), 2)
        own, other, source, target = self._four()
        ports = self._client(), self._server()
        if kind == "forward":
            topology: Topology = Forward(
                family, left, f"{own}/{length}", right, f"{other}/{length}"
            )
            aimed = chance.choice((target, target, target, own))
            flow = Flow(_number(source, family), ports[0], _number(aimed, family), ports[1])
            return topology, flow
        role = chance.choice((Dir.ORIGINAL, Dir.REPLY))
        ends = (own, target) if role is Dir.ORIGINAL else (source, own)
        saddr, daddr = (_number(end, family) for end in ends)
        return Host(family, role, left, f"{own}/{length}"), Flow(saddr, ports[0], daddr, ports[1])

    def _four(self) -> list[str]:
        """Different addresses; no two of the first two are of one network."""
        known = sorted({*self._pool.ends, *_addresses_of(POOLS[self._family])})
        behind = 8 if self._family is Family.IPV4 else 64
        while True:
            found = self._chance.sample(known, 4)
            own, other = (_number(address, self._family) >> behind for address in found[:2])
            if own != other:
                return found

    def _client(self) -> int:
        return self._chance.choice((40000, 40000, 1023, *self._pool.ports[:4]))

    def _server(self) -> int:
        return self._chance.choice(self._pool.ports)


def _addresses_of(pool: Pool) -> tuple[str, ...]:
    """Those that stand on wires."""
    return tuple(end for end in pool.ends if end not in ("127.0.0.1", "::1"))


def _number(address: str, family: Family) -> int:
    return parse_address(address, family)


def scenarios_of_dump(
    chance: random.Random, name: str, text: str, sets: str, family: Family, packets: int
) -> Iterator[Scenario]:
    """Scenarios with about that many packets in all, several conversations in each."""
    named = names_in(text + sets, family)
    if not sets:
        sets = made_up_sets(text, family, chance, named)
    usual = POOLS[family]
    ends = named.addresses or _addresses_of(usual)
    if len(ends) > 400:
        ends = tuple(chance.sample(ends, 400))
    pool = replace(usual, ends=ends, ports=named.ports or usual.ports, owners=(0, *named.owners))
    places = _Places(chance, family, named, pool)
    texts = (text, "") if family is Family.IPV4 else ("", text)
    has_time = not _TIMED.search(text)
    for number in range(SCENARIOS):
        topology, flow = places.draw()
        talks = Talks(chance, pool, topology, flow)
        steps: list[Step] = []
        while sum(isinstance(step, Send) for step in steps) < packets // SCENARIOS:
            steps += talks.steps(has_time=has_time and chance.random() < 0.3)
            steps.append(Flush())
        uid = chance.choice(pool.owners)
        yield Scenario(
            f"{name}.{number}",
            None,
            {},
            *texts,
            topology,
            flow,
            tuple(steps),
            ipsets=sets,
            facts=Facts(owner=Owner(uid, uid), mac=Mac(None)),
        )
