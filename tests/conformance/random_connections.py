# SPDX-License-Identifier: GPL-2.0-only
"""Random TCP connections for a rule set: between those whom the rules name, and others.

All are such as lint looks at: from an ephemeral port, between two hosts with unicast addresses.
"""

from __future__ import annotations

import random
from typing import Final

from ctlint.finding import Role
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.transit import Facts
from ctlint.scenario.scenario import Flow, Forward, Host, Loopback, Scenario, Send, Topology
from ctlint.wire.addresses import Family, format_address, parse_address
from tests.conformance.corpus_scenarios import names_in
from tests.conformance.random_rulesets import POOLS
from tests.conformance.random_weights import Shares, choose

_ROLES: Final[Shares] = {"client": 3, "server": 3, "forward": 4, "loopback": 1}
_CLIENT_PORTS: Final = (40000, 40000, 40000, 40001, 44321, 60999)
_OTHER_PORTS: Final = (8088, 33)
_OTHER_INTERFACES: Final = ("eth0", "eth1", "wan0")
_OTHERS: Final = {
    Family.IPV4: ("198.51.100.2", "9.1.0.2"),
    Family.IPV6: ("2a01::2", "fdfe::2"),
}
_ROUTERS: Final = {
    Family.IPV4: (("10.1.0.1", "10.1.0.77", "172.31.1.1"), ("10.2.0.1", "10.2.0.78", "172.31.2.1")),
    Family.IPV6: (("fd01::1", "fd01::77", "fdaa::1"), ("fd02::1", "fd02::78", "fdbb::1")),
}
"""Addresses that the box has where it forwards, on each side: one that is no end is taken."""
_LENGTHS: Final = {Family.IPV4: 16, Family.IPV6: 64}
_AIMED_AT_THE_BOX: Final = 0.25
"""The share of forwarded connections that call the box itself: whom DNAT may send on."""


class Connections:
    """Draws connections for a rule set and its sets."""

    def __init__(
        self, chance: random.Random, text: str, sets: str, family: Family, closing: Send
    ) -> None:
        self._chance = chance
        self._family = family
        self._texts = (text, "") if family is Family.IPV4 else ("", text)
        self._sets = sets
        self._has_dnat = "-j DNAT" in text or "-j NETMAP" in text
        self._closing = closing
        named = names_in(text + sets, family)
        ends = [parse_address(end, family) for end in POOLS[family].ends]
        ends += [parse_address(end, family) for end in named.addresses]
        self._own = [end for end in dict.fromkeys(ends) if not _is_loopback(end, family)]
        self._foreign = [parse_address(end, family) for end in _OTHERS[family]]
        self._ports = (*(named.ports or POOLS[family].ports), *_OTHER_PORTS)
        interfaces = [name for name in named.interfaces if name != "lo"]
        self._interfaces = [*interfaces, *_OTHER_INTERFACES]

    def draw(self, name: str) -> Scenario:
        """A connection as a scenario with one packet that closes it."""
        role = Role(choose(self._chance, _ROLES))
        topology, saddr, daddr = self._place(role)
        flow = Flow(
            saddr, self._chance.choice(_CLIENT_PORTS), daddr, self._chance.choice(self._ports)
        )
        return Scenario(
            name,
            None,
            {},
            *self._texts,
            topology,
            flow,
            (self._closing,),
            ipsets=self._sets,
            facts=Facts(),
        )

    def _place(self, role: Role) -> tuple[Topology, int, int]:
        chance, family = self._chance, self._family
        if role is Role.LOOPBACK:
            loopback = 1 if family is Family.IPV6 else (127 << 24) + 1
            own = chance.choice((loopback, loopback, chance.choice(self._own)))
            return Loopback(family), own, own
        saddr = self._end()
        daddr = next(end for end in iter(self._end, None) if end != saddr)
        if role is Role.FORWARD:
            return self._forward(saddr, daddr)
        own_end = Dir.ORIGINAL if role is Role.CLIENT else Dir.REPLY
        own = saddr if role is Role.CLIENT else daddr
        address = f"{format_address(family, own)}/{_LENGTHS[family]}"
        return Host(family, own_end, chance.choice(self._interfaces), address), saddr, daddr

    def _forward(self, saddr: int, daddr: int) -> tuple[Topology, int, int]:
        chance, family = self._chance, self._family
        left, right = chance.choice(self._interfaces), chance.choice(self._interfaces)
        routers = []
        for tried in _ROUTERS[family]:
            numbers = [parse_address(address, family) for address in tried]
            routers.append(next(one for one in numbers if one not in (saddr, daddr)))
        if self._has_dnat and chance.random() < _AIMED_AT_THE_BOX:
            daddr = chance.choice(routers)
        own = [f"{format_address(family, each)}/{_LENGTHS[family]}" for each in routers]
        return Forward(family, left, own[0], right, own[1]), saddr, daddr

    def _end(self) -> int:
        pool = self._own if self._chance.random() < 0.75 else self._foreign
        return self._chance.choice(pool)


def _is_loopback(address: int, family: Family) -> bool:
    return address == 1 if family is Family.IPV6 else address >> 24 == 127
