# SPDX-License-Identifier: GPL-2.0-only
"""Chains of the table nat that do the same in every role are walked once for all: the answers are
those of walks that each role has to itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from ctlint.analysis.common import Common
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.regions import Opened, Surveyor
from ctlint.analysis.sweep import Sweeper
from ctlint.finding import Role
from ctlint.headerspace import bdd
from ctlint.headerspace.bdd import BddSpace
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.ready import Question, ReadyChain
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import Open
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

FEW_SERVICES = 12
MANY_SERVICES = 40
"""Their rules give more addresses than are told apart."""


class Apart(Common):
    """The same conditions, but no walk of one role is known to another, and no chain is passed
    over.
    """

    def __init__(self, chains: ChainStore, common: Common) -> None:
        super().__init__(chains)
        self.compiled, self.asked = common.compiled, common.asked

    def is_alike(self, _ready: ReadyChain, _question: Question) -> bool:
        return False

    def is_entered(self, ready: ReadyChain, _question: Question) -> bool:
        return self._chains.calls(ready.table, ready.name) == 1

    def marking(self, _ready: ReadyChain) -> Sequence[Target]:
        return ()


class ServiceWriter:
    """Writes tables nat as kube-proxy does, with odd rules here and there."""

    def __init__(self, seed: int, odd: float = 0.15) -> None:
        self.chance = random.Random(seed)
        self.share_of_odd = odd
        self.rules: list[str] = []
        self.chains = ["MARKED", "PORTS", "SERVICES"]

    def odd(self, chain: str) -> None:
        """Now and then a rule that chains of services do not have."""
        chance = self.chance
        if chance.random() >= self.share_of_odd:
            return
        asked = chance.choice(
            (
                "-s 10.7.0.0/16",
                "! -d 10.8.0.3/32",
                "-d 10.9.0.0/20",
                "-i eth1",
                "-p tcp --dport 8000:9000",
                "-m mark --mark 0x4000/0x4000",
                "-m mark --mark 0x1/0x1",
                "-m addrtype --src-type LOCAL",
                "-m recent --name a --rcheck --rsource",
                "-m statistic --mode random --probability 0.5",
                "",
            )
        )
        does = chance.choice(
            (
                "RETURN",
                "ACCEPT",
                "MARKED",
                "MARK --set-xmark 0x1/0x1",
                "DNAT --to-destination 10.9.9.9:80",
                "DNAT --to-destination 10.9.9.1-10.9.9.9",
                "DNAT --to-destination 127.0.0.1",
                "REDIRECT --to-ports 99",
            )
        )
        protocol = "" if "-p tcp" in asked or "to-" not in does else "-p tcp"
        self.rules.append(f"-A {chain} {asked} {protocol} -j {does}")

    def end(self, name: str, address: str, port: int) -> None:
        self.chains.append(name)
        self.odd(name)
        if self.chance.random() < 0.8:
            self.rules.append(f"-A {name} -s {address}/32 -j MARKED")
        to = self.chance.choice((f"{address}:{port}", address))
        self.rules.append(f"-A {name} -p tcp -j DNAT --to-destination {to}")

    def service(self, number: int) -> None:
        chance = self.chance
        name, own, port = f"SVC{number}", f"10.8.0.{number}", chance.choice((80, 443, 8080))
        self.chains.append(name)
        self.rules.append(f"-A SERVICES -d {own}/32 -p tcp --dport {port} -j {name}")
        self.odd(name)
        if chance.random() < 0.8:
            away = f"! -s 10.9.0.0/16 -d {own}/32 -p tcp --dport {port}"
            self.rules.append(f"-A {name} {away} -j MARKED")
        ends = [f"SEP{number}X{at}" for at in range(chance.randrange(1, 4))]
        for at, end in enumerate(ends):
            asked = "-m statistic --mode random --probability 0.5" if end != ends[-1] else ""
            if chance.random() < 0.2:
                recent = f"-m recent --name {end} --rcheck --seconds 9 --rsource"
                self.rules.append(f"-A {name} {recent} -j {end}")
            self.rules.append(f"-A {name} {asked} -j {end}")
            self.odd(name)
            self.end(end, f"10.9.{at}.{number}", port)
        if chance.random() < 0.3:
            self.chains.append(f"EXT{number}")
            self.rules.append(f"-A PORTS -p tcp --dport {30000 + number} -j EXT{number}")
            if chance.random() < 0.7:
                self.rules.append(f"-A EXT{number} -j MARKED")
            self.odd(f"EXT{number}")
            self.rules.append(f"-A EXT{number} -j {name}")
        self.odd("SERVICES")

    def text(self, services: int) -> str:
        hooks = ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
        for number in range(1, services + 1):
            self.service(number)
        lines = [
            "*nat",
            *(f":{name} ACCEPT" for name in hooks),
            *(f":{name} -" for name in self.chains),
            "-A PREROUTING -j SERVICES",
            "-A OUTPUT -j SERVICES",
            "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE",
            "-A MARKED -j MARK --set-xmark 0x4000/0x4000",
            *self.rules,
            "-A SERVICES -m addrtype --dst-type LOCAL -j PORTS",
            "COMMIT",
        ]
        return "\n".join((*lines, ""))


class Answers:
    """What one role's surveyor tells."""

    def __init__(self, sweeper: Sweeper) -> None:
        surveyor = Surveyor(sweeper, loose=True, kernel=NEWEST)
        self.plain: Opened = surveyor.established()
        ways = surveyor.translated.items()
        self.ways = [(str(way), way.path, *way.alike.values()) for way, _ in ways]
        self.opened = [opened for _, opened in ways]
        self.open: set[Open] = set(surveyor.open)
        self.translating: set[RuleRef] = set(surveyor.translating)
        self.taken = list(sweeper.taken_for_another.values())


@pytest.mark.parametrize("services", [FEW_SERVICES, MANY_SERVICES])
@pytest.mark.parametrize("seed", range(12))
def test_what_is_known_of_other_roles_changes_nothing(seed: int, services: int) -> None:
    text = ServiceWriter(seed).text(services)
    (ruleset,) = parse_rulesets(text, f"seed {seed}", Family.IPV4)
    chains = ChainStore(ruleset, Facts())
    common = Common(chains)
    for role in Role:
        coordinates = Coordinates(role, Family.IPV4, chains.interfaces, common.space_over)
        got = Answers(Sweeper(chains, coordinates, common))
        wanted = Answers(Sweeper(chains, coordinates, Apart(chains, common)))
        where = text, role
        assert got.plain == wanted.plain, where
        assert got.ways == wanted.ways, where
        assert got.opened == wanted.opened, where
        assert got.open == wanted.open, where
        assert got.translating == wanted.translating, where
        assert got.taken == wanted.taken, where


def test_a_chain_is_walked_once_for_all_roles() -> None:
    (ruleset,) = parse_rulesets(ServiceWriter(0, odd=0).text(MANY_SERVICES), "rules", Family.IPV4)
    chains = ChainStore(ruleset, Facts())
    common = Common(chains)
    walked: list[int] = []
    for role in Role:
        coordinates = Coordinates(role, Family.IPV4, chains.interfaces, common.space_over)
        Surveyor(Sweeper(chains, coordinates, common), loose=True, kernel=NEWEST).established()
        walked.append(len(common.walks))
    client, server, forward, loopback = walked
    assert client >= MANY_SERVICES // 2
    # The ports are behind a rule that asks for this host's addresses.
    assert client < server < client * 1.5
    assert server == forward == loopback


def test_a_space_that_holds_much_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bdd, "_HELD", 400)
    space = BddSpace({"number": 16, "other": 16})
    assert space.renewed() is space
    kept = [
        space.between("number", low, low + 7) & space.between("other", low + 3, low + 9)
        for low in range(0, 1000, 30)
    ]
    assert kept
    assert space.renewed() is not space


@pytest.mark.parametrize("rules", [10, 1001])
def test_roles_have_spaces_of_their_own_where_much_may_be_done_in_each(rules: int) -> None:
    lines = ["*filter", ":INPUT ACCEPT", *["-A INPUT -s 10.0.0.1 -j DROP"] * rules, "COMMIT", ""]
    (ruleset,) = parse_rulesets("\n".join(lines), "rules", Family.IPV4)
    common = Common(ChainStore(ruleset, Facts()))
    one, other = (
        Coordinates(role, Family.IPV4, (), common.space_over).space
        for role in (Role.CLIENT, Role.SERVER)
    )
    assert (one is other) is (rules == 10)
