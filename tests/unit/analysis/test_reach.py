# SPDX-License-Identifier: GPL-2.0-only
"""Shadowed rules: none of them is ever matched by a packet, and of rules that are plain enough to
try every packet none is missed.
"""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path as File

import pytest

from ctlint.analysis.reach import MAX_RULES, TableReach, shadows
from ctlint.analysis.rule_packets import RulePackets
from ctlint.analysis.way import Ends, Way
from ctlint.headerspace.boxes import BoxSpace
from ctlint.headerspace.space import TooLargeError
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import CtState, Dir, EntryStatus
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.host import AddressType
from ctlint.model.netfilter.transit import Facts, Transit, imagined_entry
from ctlint.model.netfilter.traverse import walk
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags
from tests.corpus import corpus_files
from tests.kernel.random_rules import RuleWriter

HEAD = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"


def ruleset(*lines: str, table: str = "filter", chains: str = "") -> Ruleset:
    head = HEAD
    if table == "nat":
        head = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
    elif table == "raw":
        head = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    elif table == "mangle":
        head = "*mangle\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
    declared = "".join(f":{name} - [0:0]\n" for name in chains.split())
    text = "\n".join(f"-A {line}" for line in lines)
    return parse_rulesets(f"{head}{declared}{text}\nCOMMIT\n", "rules")[0]


def said(rules: Ruleset) -> dict[str, list[str]]:
    """The shadowed rules, with those that take their packets."""
    found = {}
    for table in rules.tables.values():
        for one in shadows(rules, table).rules:
            ref = one.ref
            found[f"{ref.chain} {ref.position}"] = [f"{t.chain} {t.position}" for t in one.takers]
    return found


# Each with the rule that is shadowed and those that shadow it, by what iptables(8) says of chains.
SHADOWED = {
    "by a wider one": (
        ("INPUT -p tcp -j ACCEPT", "INPUT -p tcp -m tcp --dport 22 -j DROP"),
        {"INPUT 2": ["INPUT 1"]},
    ),
    "by two together": (
        (
            "INPUT -p udp -j DROP",
            "INPUT -p tcp -m tcp --dport 0:79 -j ACCEPT",
            "INPUT -p tcp -m tcp --dport 80:65535 -j DROP",
            "INPUT -p tcp -m tcp --dport 22:90 -j ACCEPT",
        ),
        {"INPUT 4": ["INPUT 2", "INPUT 3"]},
    ),
    "state by its complement": (
        (
            "INPUT -m conntrack ! --ctstate INVALID,UNTRACKED -j ACCEPT",
            "INPUT -m state --state NEW -j DROP",
        ),
        {"INPUT 2": ["INPUT 1"]},
    ),
    "by all interfaces": (
        ("INPUT ! -i eth0 -j DROP", "INPUT -i eth+ -j DROP", "INPUT -i eth0 -j ACCEPT"),
        {"INPUT 3": ["INPUT 2"]},
    ),
    "by the same match that is not looked into": (
        (
            "INPUT -m set --match-set bad src -j DROP",
            "INPUT -p tcp -m set --match-set bad src -j DROP",
        ),
        {"INPUT 2": ["INPUT 1"]},
    ),
    "what asks for an entry, by all that have one": (
        (
            "INPUT -m conntrack ! --ctstate INVALID,UNTRACKED -j ACCEPT",
            "INPUT -m conntrack --ctproto 6 -j DROP",
        ),
        {"INPUT 2": ["INPUT 1"]},
    ),
    "by options that do not count without an entry": (
        (
            "INPUT -m conntrack --ctstate INVALID --ctproto 17 -j DROP",
            "INPUT -p tcp -m conntrack --ctstate INVALID -j ACCEPT",
        ),
        {"INPUT 2": ["INPUT 1"]},
    ),
    "by flags": (
        (
            "INPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN -j DROP",
            "INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT",
        ),
        {"INPUT 2": ["INPUT 1"]},
    ),
}
NOT_SHADOWED = {
    "fragments have no ports": (
        "INPUT -p udp -m udp --dport 0:65535 -j DROP",
        "INPUT -p udp -j ACCEPT",
    ),
    "what may not match takes nothing": (
        "INPUT -m limit --limit 1/sec -j ACCEPT",
        "INPUT -m limit --limit 1/sec -j DROP",
    ),
    "a set that a rule fills": (
        "INPUT -m set --match-set bad src -j DROP",
        "INPUT -p udp -j SET --add-set bad src",
        "INPUT -m set --match-set bad src -j DROP",
    ),
    "a mark that a rule sets": (
        "INPUT -m mark --mark 0x1 -j ACCEPT",
        "INPUT -j MARK --set-xmark 0x1/0xffffffff",
        "INPUT -m mark --mark 0x1 -j DROP",
    ),
    "a rule that only logs takes nothing": ("INPUT -j LOG", "INPUT -p tcp -j DROP"),
    "INVALID has no entry": (
        "INPUT -m conntrack --ctproto 6 -j ACCEPT",
        "INPUT -p tcp -m conntrack --ctstate INVALID -j DROP",
    ),
    "nobody calls it": ("LEFT -j ACCEPT", "LEFT -p tcp -j DROP"),
    "it can match nothing anyway": (
        "INPUT -p udp -j DROP",
        "INPUT -p tcp -j CALLED",
        "CALLED -p tcp -o eth0 -j DROP",
    ),
    "a queue may let it go on": ("INPUT -j NFQUEUE --queue-num 1", "INPUT -p tcp -j DROP"),
}


@pytest.mark.parametrize("name", SHADOWED)
def test_what_is_shadowed_and_by_which(name: str) -> None:
    lines, expected = SHADOWED[name]
    assert said(ruleset(*lines)) == expected


@pytest.mark.parametrize("name", NOT_SHADOWED)
def test_what_is_not_shadowed(name: str) -> None:
    assert said(ruleset(*NOT_SHADOWED[name], chains="LEFT CALLED")) == {}


def test_chains_and_the_rules_that_call_them() -> None:
    called = ruleset(
        "INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        "INPUT -p tcp -j SERVICES",
        "INPUT -p tcp -m tcp --dport 80 -j DROP",
        "SERVICES -p tcp -m tcp --dport 22 -j DROP",
        "SERVICES -p tcp -m tcp --dport 25 -j RETURN",
        "SERVICES -j ACCEPT",
        chains="SERVICES",
    )
    # Of the chain that is called, the rule that takes the packets is named, not the call.
    assert said(called) == {"INPUT 3": ["SERVICES 3"], "SERVICES 1": ["INPUT 1"]}


def test_a_chain_that_is_called_twice() -> None:
    twice = (
        "INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        "INPUT -j SERVICES",
        "FORWARD -j SERVICES",
        "SERVICES -p tcp -m tcp --dport 22 -j DROP",
    )
    assert said(ruleset(*twice, chains="SERVICES")) == {}
    both = ("FORWARD -p tcp -m tcp --dport 22 -j ACCEPT", *twice)
    assert said(ruleset(*both, chains="SERVICES")) == {"SERVICES 1": ["FORWARD 1", "INPUT 1"]}


def test_goto_comes_back_to_the_callers_caller() -> None:
    lines = (
        "INPUT -p tcp -g A",
        "INPUT -p tcp -m tcp --dport 22 -j DROP",
        "A -p tcp -m tcp --dport 80 -j RETURN",
    )
    assert said(ruleset(*lines, chains="A")) == {"INPUT 2": ["INPUT 1"]}


def test_a_chain_whose_call_is_shadowed_is_not_spoken_of() -> None:
    lines = ("INPUT -j ACCEPT", "INPUT -p tcp -j A", "A -m tcp -p tcp --dport 1 -j DROP")
    assert said(ruleset(*lines, chains="A")) == {"INPUT 2": ["INPUT 1"]}


def test_raw_does_not_know_states_and_nat_ends_with_the_translation() -> None:
    raw = ("PREROUTING -j NOTRACK", "PREROUTING -m conntrack --ctstate UNTRACKED -j ACCEPT")
    assert said(ruleset(*raw, table="raw")) == {}
    nat = ("POSTROUTING -o eth0 -j MASQUERADE", "POSTROUTING -o eth0 -p tcp -j ACCEPT")
    assert said(ruleset(*nat, table="nat")) == {"POSTROUTING 2": ["POSTROUTING 1"]}


def test_limits_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    large = ruleset(*["INPUT -p tcp -j ACCEPT"] * (MAX_RULES + 1))
    found = shadows(large, large.tables["filter"])
    assert found.rules == ()
    assert "too large" in found.why_open
    some = ruleset(*[f"INPUT -s 10.0.{n}.0/24 -j ACCEPT" for n in range(99)])
    with pytest.raises(TooLargeError):
        TableReach(some, some.tables["filter"], max_work=10)
    text = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ACCEPT\n-A PREROUTING -j DNPT"
    dnpt = parse_rulesets(
        f"{text} --src-pfx fd01::/64 --dst-pfx fd02::/64\nCOMMIT\n", "x", Family.IPV6
    )[0]
    assert "DNPT changes addresses" in shadows(dnpt, dnpt.tables["mangle"]).why_open


# Random rules

PROTOCOLS = ("", "-p tcp ", "-p udp ")
PORTS = ("", "--dport 1 ", "--dport 2:3 ", "! --dport 2 ")
SOURCES = ("", "-s 10.0.0.1 ", "-s 10.0.0.0/31 ", "! -s 10.0.0.2 ")
INTERFACES = ("", "-i eth0 ", "! -i eth0 ", "-i eth+ ")
STATES = ("", "-m conntrack --ctstate NEW ", "-m conntrack ! --ctstate INVALID ")
TARGETS = ("-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", "-j A", "-g A", "-j B")


def plain_rule(chance: random.Random, chain: str) -> str:
    protocol = chance.choice(PROTOCOLS)
    port = chance.choice(PORTS) if protocol else ""
    named = f"-m {protocol.split()[1]} {port}" if port else ""
    # Chains call only those behind them.
    targets = {"INPUT": TARGETS, "A": (*TARGETS[:4], "-j B", "-g B"), "B": TARGETS[:4]}[chain]
    return (
        f"{chain} {chance.choice(SOURCES)}{chance.choice(INTERFACES)}{protocol}{named}"
        f"{chance.choice(STATES)}{chance.choice(targets)}"
    )


def every_packet() -> list[Transit]:
    """One of each kind that the rules above can tell apart."""
    found = []
    for protocol, port, source, interface, state in product(
        (TCP, UDP, 47),
        (1, 2, 3, 4),
        (0x0A000000, 0x0A000001, 0x0A000002, 0x0A000003),
        ("eth0", "eth1", "wlan0"),
        (CtState.NEW, CtState.ESTABLISHED, CtState.INVALID),
    ):
        flags = TcpFlags.ACK if protocol == TCP else None
        packet = Packet(Family.IPV4, source, 0x0A000009, protocol, 9, port, flags)
        found.append(Transit(packet, state, in_interface=interface, out_interface=""))
    return found


@pytest.mark.parametrize("kind", ["diagrams", "boxes"])
def test_of_plain_rules_exactly_those_are_shadowed_that_no_packet_matches(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "boxes":
        monkeypatch.setattr("ctlint.analysis.rule_packets.space_over", BoxSpace)
    packets = every_packet()
    count = 0
    for seed in range(60 if kind == "diagrams" else 12):
        chance = random.Random(seed)
        lines = [
            plain_rule(chance, chain)
            for chain, most in (("INPUT", 9), ("A", 5), ("B", 4))
            for _ in range(chance.randint(2, most))
        ]
        rules = ruleset(*lines, chains="A B")
        chains = ChainStore(rules, Facts())
        matched: set[str] = set()
        for transit in packets:
            matched |= set(walk(chains, "filter", "INPUT", transit).matched)
        found = [one.ref for one in shadows(rules, rules.tables["filter"]).rules]
        assert not matched & {str(ref) for ref in found}, (seed, lines)
        # What no packet matches is shadowed, unless nobody calls it with such a packet at all.
        table = TableReach(rules, rules.tables["filter"])
        for name in ("INPUT", "A", "B"):
            for position in range(1, len(rules.tables["filter"].chains[name].rules) + 1):
                at = f"filter/{name}#{position}"
                if at in matched or at in {str(ref) for ref in found}:
                    continue
                part = table._reach[name]
                own = part.matched[position - 1].possible & part.calls
                assert own.is_empty() or part.enters.is_empty(), (seed, at, lines)
        count += len(found)
    assert count > 10


def transits(chance: random.Random, hook: Hook, count: int) -> list[Transit]:
    """Packets of TCP between the addresses and ports that random rules name."""
    found = []
    for _ in range(count):
        source, target = chance.choices((0x0A010001, 0x0A010002, 0x0A020002, 0x0A000002), k=2)
        ports = chance.choices((79, 80, 81, 8080, 1023, 1024, 40000), k=2)
        flags = TcpFlags(chance.choice((2, 16, 17, 18, 4, 20, 24, 0, 41)))
        packet = Packet(Family.IPV4, source, target, TCP, ports[0], ports[1], flags)
        state = chance.choice(
            (CtState.NEW, CtState.ESTABLISHED, CtState.INVALID, CtState.UNTRACKED)
        )
        path = {
            Hook.LOCAL_IN: Path.IN,
            Hook.PREROUTING: chance.choice((Path.IN, Path.FORWARD)),
            Hook.FORWARD: Path.FORWARD,
            Hook.LOCAL_OUT: Path.OUT,
            Hook.POSTROUTING: chance.choice((Path.OUT, Path.FORWARD)),
        }[hook]
        kinds = AddressType.UNICAST, AddressType.UNICAST
        names = chance.choices(("eth0", "eth1", "lo", "et"), k=2)
        way = Way(
            Ends(
                path,
                "" if path is Path.OUT else names[0],
                "" if path is Path.IN else names[1],
                *kinds,
            ),
            is_nft=False,
        )
        transit = Transit(packet, state)
        way.show(transit, hook)
        if state in (CtState.NEW, CtState.ESTABLISHED):
            status = EntryStatus(chance.choice((0, 8, 10, 14)))
            transit.entry = imagined_entry(packet, chance.choice(list(Dir)), status)
        found.append(transit)
    return found


def never_matched(rules: Ruleset, chance: random.Random, count: int) -> tuple[int, int]:
    """Sends packets through every base chain; how many rules were shadowed, and how often any rule
    was matched.
    """
    chains = ChainStore(rules, Facts())
    shadowed = matched = 0
    for table in rules.tables.values():
        found = {str(one.ref) for one in shadows(rules, table).rules}
        shadowed += len(found)
        for chain in table.chains.values():
            if not chain.is_base:
                continue
            for transit in transits(chance, Hook(chain.name), count):
                met = walk(chains, table.name, chain.name, transit).matched
                matched += len(met)
                assert not found & set(met), (table.name, chain.name, transit)
    return shadowed, matched


def test_no_random_packet_matches_a_shadowed_rule() -> None:
    shadowed = matched = 0
    for seed in range(50):
        chance = random.Random(seed)
        text = RuleWriter(chance, Family.IPV4).ruleset()
        for rules in parse_rulesets(text, "rules"):
            more = never_matched(rules, chance, 40)
            shadowed, matched = shadowed + more[0], matched + more[1]
    assert shadowed > 15
    assert matched > 2_000


@pytest.mark.corpus
@pytest.mark.parametrize(
    "dump", corpus_files("generated/*/iptables-save.txt"), ids=lambda d: d.parent.name
)
def test_no_packet_matches_a_shadowed_rule_of_real_dumps(dump: File) -> None:
    text = dump.read_text(errors="surrogateescape")
    for rules in parse_rulesets(text, "dump"):
        never_matched(rules, random.Random(1), 60)


def test_a_point_says_all_that_a_rule_asks() -> None:
    rules = ruleset("INPUT -i eth0 -p tcp -m tcp --dport 22 -j DROP")
    packets = RulePackets(rules.tables["filter"], Family.IPV4, 1_000_000)
    matched = packets.matched(rules.tables["filter"].chains["INPUT"].rules[0])
    assert matched.certain == matched.possible
    values = {part: matched.certain.values(part) for part in packets.space.layout}
    assert [packets.names[number] for each in values["in"] for number in each] == ["eth0"] * 2
    assert (values["protocol"], values["dport"]) == (((6, 6),), ((22, 22),))
    assert values["fragment"] == ((0, 0),)
