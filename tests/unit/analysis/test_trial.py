# SPDX-License-Identifier: GPL-2.0-only
"""What a change lets through, told as sets, is what single packets do before and after it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import LEFT, RIGHT, SERVER_PORT, Coordinates
from ctlint.analysis.fate import Fate, send
from ctlint.analysis.losses import Survey
from ctlint.analysis.opening import CLASSES, WHOSE, Opening, in_words, joined
from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import examine
from ctlint.analysis.trial import Trial
from ctlint.analysis.variant import Change, Insertion, Replacement
from ctlint.finding import Role
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.ir.values import Range
from ctlint.model.conntrack.first_packet import classify_first
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags
from tests.kernel.random_rules import RuleWriter

PORTS = (22, 79, 80, 81, 443, 1023, 1024, 8085, 40000, 45000)


def a_change(chance: random.Random, ruleset: Ruleset) -> Change | None:
    """One rule goes, or an ACCEPT with its conditions comes before it."""
    places = [
        (table, chain.name, position, rule)
        for table, chain, position, rule in ruleset.rules()
        if isinstance(rule.target, Target) and rule.target.name in ("DROP", "REJECT")
    ]
    if not places:
        return None
    table, chain, position, rule = chance.choice(places)
    if chance.random() < 0.5:
        return Replacement(RuleRef(table, chain, position, rule))
    return Insertion(table, chain, position, (rule._replace(target=Target("ACCEPT")),))


def fate(chains: ChainStore, connection: Connection, flags: TcpFlags) -> Fate:
    sender = Dir.ORIGINAL
    ctstate = classify_first(flags, tcp_loose=True, kernel=NEWEST).ctstate
    entry = connection.picked_up(sender) if ctstate is CtState.NEW else None
    return send(chains, connection.packet(sender, flags), connection.ends(sender), ctstate, entry)


def some_connection(chance: random.Random, coordinates: Coordinates) -> Connection:
    family, role = coordinates.family, coordinates.role
    addresses = [LEFT[family], RIGHT[family], LEFT[family] - 1, LEFT[family] + 5]
    interface = chance.choice(coordinates.interfaces)
    other = chance.choice(coordinates.interfaces) if role is Role.FORWARD else interface
    return Connection(
        role,
        family,
        chance.choice(addresses),
        chance.choice(PORTS),
        chance.choice(addresses),
        chance.choice(PORTS),
        interface,
        other,
    )


@pytest.mark.parametrize("seed", range(30))
def test_what_is_told_to_pass_is_what_passes(seed: int) -> None:
    chance = random.Random(seed)
    family = chance.choice((Family.IPV4, Family.IPV6))
    (ruleset,) = parse_rulesets(RuleWriter(chance, family).ruleset(), "rules", family)
    change = a_change(chance, ruleset)
    if change is None:
        return
    settings = Settings(SysctlSet(), NEWEST)
    chains = ChainStore(ruleset, Facts())
    surveys: dict[Role, Survey] = {}
    for role in Role:
        survey = examine(chains, role, settings).survey
        if survey is not None:
            surveys[role] = survey
    assert surveys
    trial = Trial(chains, settings, (change,))
    openings = list(trial.openings(surveys))
    # A store that has asked nothing else.
    after = ChainStore(trial.chains.ruleset, Facts())
    for path in (path for path in Path if WHOSE[path] in surveys):
        coordinates = surveys[WHOSE[path]].sweeper.coordinates
        for _ in range(30):
            connection = some_connection(chance, coordinates)
            point = coordinates.point(connection)
            for name, flags in CLASSES:
                was_lost = fate(chains, connection, flags).delivered is Tern.FALSE
                is_lost = fate(after, connection, flags).delivered is Tern.FALSE
                told = any(
                    opening.path is path
                    and any(kind == name for _, kind in opening.kinds)
                    and opening.packets.contains(point)
                    for opening in openings
                )
                assert told is (was_lost and not is_lost), (path, connection, name, change)


# Words

DROP = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A {} -j DROP
COMMIT
"""


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "INPUT -i eth7 -s 10.0.0.0/8 -p tcp --dport 22",
            "in, from 10.0.0.0/8, to port 22, by eth7",
        ),
        ("INPUT ! -s 10.0.0.0/8 -p tcp", "in, from any address but 10.0.0.0/8, to any port"),
        (
            "OUTPUT ! -o eth7 -p tcp -m multiport --sports 1:5,7",
            "out, to any address, from ports 1:5 and 7, by any interface but eth7",
        ),
        (
            "FORWARD -i a -o b -d 192.0.2.1 -p tcp ! --dport 80",
            "through, from any address, to 192.0.2.1, to any port but 80, in by a, out by b",
        ),
        (
            "INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 -p tcp",
            "in, from 10.0.0.1-10.0.0.9, to any port",
        ),
    ],
)
def test_in_words(rule: str, said: str) -> None:
    (ruleset,) = parse_rulesets(DROP.format(rule), "rules")
    chains = ChainStore(ruleset, Facts())
    settings = Settings(SysctlSet(), NEWEST)
    surveys = {role: examine(chains, role, settings).survey for role in Role}
    known = {role: survey for role, survey in surveys.items() if survey is not None}
    chain = rule.partition(" ")[0]
    (dropping,) = ruleset.tables["filter"].chains[chain].rules
    change = Replacement(RuleRef("filter", chain, 1, dropping))
    opening: Opening = next(iter(Trial(chains, settings, (change,)).openings(known)))
    text = in_words([opening], [known[WHOSE[opening.path]].sweeper.coordinates])
    # What a rule without flags and ctstate drops are packets of all kinds.
    assert text == (f"INVALID FIN, RST, SYN/ACK and without flags, NEW ACK, data and SYN {said}")


def test_lists() -> None:
    assert joined(["a"]) == "a"
    assert joined(["a", "b"]) == "a and b"
    assert joined(list("abcde")) == "a, b, c, d and e"
    assert joined(list("abcdefg")) == "a, b, c, d and 3 more"


def surveyed(text: str) -> tuple[Ruleset, ChainStore, Settings, dict[Role, Survey]]:
    (ruleset,) = parse_rulesets(text, "rules")
    chains = ChainStore(ruleset, Facts())
    settings = Settings(SysctlSet(), NEWEST)
    surveys = {role: examine(chains, role, settings).survey for role in Role}
    known = {role: survey for role, survey in surveys.items() if survey is not None}
    return ruleset, chains, settings, known


def inserted(chain: str, conditions: str) -> Insertion:
    text = f"*filter\n:{chain} - [0:0]\n-A {chain} {conditions} -j ACCEPT\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text.replace(":INPUT - [0:0]", ":INPUT ACCEPT [0:0]"), "new")
    return Insertion("filter", chain, 1, ruleset.tables["filter"].chains[chain].rules)


@pytest.mark.parametrize("flag", ["FIN", "RST"])
def test_packets_that_only_the_new_rule_tells_apart(flag: str) -> None:
    _, chains, settings, surveys = surveyed(
        DROP.format("INPUT -p tcp -m conntrack --ctstate INVALID")
    )
    change = inserted("INPUT", f"-p tcp -m tcp --tcp-flags {flag} {flag}")
    openings = list(Trial(chains, settings, (change,)).openings(surveys))
    assert {(each.path, each.kinds) for each in openings} == {
        (path, ((CtState.INVALID, flag),)) for path in (Path.IN, Path.LOOPBACK)
    }


def test_new_rules_that_treat_such_packets_differently() -> None:
    _, chains, settings, surveys = surveyed(
        DROP.format("INPUT -p tcp -m conntrack --ctstate INVALID")
    )
    one = inserted("INPUT", "-p tcp -m tcp --dport 22 --tcp-flags FIN FIN")
    two = inserted("INPUT", "-p tcp -m tcp --dport 80 --tcp-flags RST RST")
    change = replace(one, rules=(*one.rules, *two.rules))
    found = Trial(chains, settings, (change,)).openings(surveys)
    ports = {
        each.kinds[0][1]: each.packets.values(SERVER_PORT) for each in found if each.path is Path.IN
    }
    assert ports == {"FIN": (Range(22, 22),), "RST": (Range(80, 80),)}


def test_a_change_behind_calls_of_chains_that_were_asked_before() -> None:
    ruleset, chains, settings, _ = surveyed(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        ":one - [0:0]\n:two - [0:0]\n-A INPUT -j one\n-A one -j two\n"
        "-A two -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    connection = Connection(Role.SERVER, Family.IPV4, 1 << 24, 40000, 2 << 24, 22, "a", "a")
    fin = TcpFlags.FIN | TcpFlags.ACK
    assert fate(chains, connection, fin).delivered is Tern.FALSE
    trial = Trial(chains, settings, (inserted("two", "-p tcp -m tcp --tcp-flags FIN FIN"),))
    assert fate(trial.chains, connection, fin).delivered is Tern.TRUE
    assert fate(chains, connection, fin).delivered is Tern.FALSE
    assert trial.before.ruleset is ruleset
