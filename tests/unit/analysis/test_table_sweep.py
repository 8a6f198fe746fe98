# SPDX-License-Identifier: GPL-2.0-only
"""What is said of some packets does not hang on what was asked before, nor on how chains are asked:
for all that there could be, or for those that come.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pytest

from ctlint.analysis import run_sets, table_sweep
from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.flows import Key, Kindred, exactly
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.swept import Swept
from ctlint.finding import Role
from ctlint.headerspace.bdd import BddSpace
from ctlint.headerspace.boxes import BoxSpace
from ctlint.headerspace.space import PacketSet, Space
from ctlint.ir.ruleset import Ruleset, Table
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags

HOOKS = {"nat": ("PREROUTING", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
ENDS = {
    "nat": ("ACCEPT", "DNAT --to-destination 10.2.0.9:80", "DNAT --to-destination 10.2.0.8"),
    "filter": ("ACCEPT", "DROP", "MARK --set-mark 1", "REJECT"),
}
MAY_TRANSLATE = ("MARK --set-xmark 0x2/0x2", "RETURN", "REDIRECT --to-ports 8080")


def conditions(chance: random.Random) -> str:
    """What a rule asks."""
    asked = {
        0.4: ("-d 10.1.0.0/24", "-d 10.1.0.7/32", "-d 10.2.0.9/32", "! -d 10.1.0.0/24"),
        0.3: ("-s 10.9.0.0/16", "! -s 10.9.0.0/16", "-s 10.2.0.9/32"),
        0.5: ("-p tcp --dport 80", "-p tcp --dport 40000:50000", "-p tcp --sport 80"),
        0.1: ("-m mark --mark 0x2/0x2", "-m statistic --mode random --probability 0.5"),
        0.05: ("-m conntrack --ctstate NEW", "-m conntrack --ctstate INVALID"),
    }
    return " ".join(chance.choice(some) for odds, some in asked.items() if chance.random() < odds)


def table(chance: random.Random, name: str, *, doubled: bool) -> Iterator[str]:
    """A table whose chains are called by one rule each; ``doubled``: by another one too, in a chain
    that nothing calls.
    """
    chains = [f"{name}{number}" for number in range(8)]
    yield f"*{name}"
    yield from (f":{hook} ACCEPT" for hook in HOOKS[name])
    yield from (f":{chain} -" for chain in (*chains, "idle"))
    waiting = list(chains)
    for chain in (*HOOKS[name][:2], *chains):
        row = f"j {chance.choice(('ACCEPT', 'RETURN', 'DROP')[: 2 if name == 'nat' else 3])}"
        for _ in range(chance.randrange(6)):
            yield f"-A {chain} {conditions(chance)} -{row}"
        for _ in range(chance.randrange(1, 4)):
            if waiting and waiting[0] > chain and chance.random() < 0.6:
                target = f"{chance.choice('jjg')} {waiting.pop(0)}"
            else:
                targets = [*ENDS[name], *MAY_TRANSLATE[: 3 if name == "nat" else 2]]
                target = f"j {chance.choice(targets)}"
            asked = conditions(chance)
            if "-ports" in target or ":80" in target:
                asked = asked if "-p tcp" in asked else f"{asked} -p tcp"
            yield f"-A {chain} {asked} -{target}"
    if doubled:
        yield from (f"-A idle -j {chain}" for chain in chains)
    yield "COMMIT"


def sweeper(chance_seed: int, coordinates: Coordinates, *, doubled: bool) -> Sweeper:
    chance = random.Random(chance_seed)
    lines = [line for name in HOOKS for line in table(chance, name, doubled=doubled)]
    (ruleset,) = parse_rulesets("\n".join(lines) + "\n", "rules", Family.IPV4)
    return Sweeper(ChainStore(ruleset, Facts()), coordinates)


def kinds(role: Role) -> list[Kindred]:
    any_one = Connection(role, Family.IPV4, 0, 0, 0, 0, "", "")
    ack, fin = TcpFlags.ACK, TcpFlags.FIN | TcpFlags.ACK
    syn = Kindred(Dir.ORIGINAL, TcpFlags.SYN, CtState.NEW, any_one.entry(Dir.ORIGINAL), opens=True)
    found = [syn]
    for sender in Dir:
        view = any_one.picked_up(sender)
        found += [
            Kindred(sender, ack, CtState.NEW, view, sender, is_late=True),
            Kindred(sender, fin, CtState.INVALID, None, sender, is_late=True),
        ]
    anew = found[1]._replace(opens=True, is_late=False)
    return [*found, anew, *(each._replace(tells_ends=True) for each in found)]


def told(swept: Swept, among: PacketSet, nothing: PacketSet) -> Mapping[object, PacketSet]:
    """What became of some packets, each way by its name; ways to which none of them comes aside."""
    found: dict[object, PacketSet] = {}

    def add(name: object, packets: PacketSet) -> None:
        if not (some := packets & among).is_empty():
            found[name] = found.get(name, nothing) | some

    for word, flows in (("passed", swept.passed), ("undecided", swept.undecided)):
        for key, bounds in flows.items():
            way = key.translated and (str(key.translated), key.translated.path)
            add((word, key.mark, way, "possible"), bounds.possible)
            add((word, key.mark, way, "nominal"), bounds.nominal)
    for end, (ctstate, bounds) in swept.ends.items():
        add(
            (str(end.cause), end.hook, tuple(map(str, end.via)), ctstate, "possible"),
            bounds.possible,
        )
        add(
            (str(end.cause), end.hook, tuple(map(str, end.via)), ctstate, "nominal"), bounds.nominal
        )
    for ref, bounds in swept.translated.items():
        add((str(ref), "possible"), bounds.possible)
    for packets in swept.unsure:
        add("unsure", packets)
    items = [*swept.open.items()]
    for effect, entering in swept.met:
        items += [(item, those & entering.possible) for item, those in effect.swept.open.items()]
    for item, those in items:
        add((str(item.ref), str(item.match), item.why), those)
    return found


def take_two_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has chains and runs of two rules asked as those of thousands are."""
    for module in (table_sweep, run_sets):
        monkeypatch.setattr(module, "MANY", 2)


def narrow(coordinates: Coordinates) -> list[PacketSet]:
    """Some connections, fewer and fewer, then others."""
    space: Space = coordinates.space
    possible = coordinates.possible()
    to_one = possible & space.between("server port", 80, 80)
    return [
        possible,
        to_one,
        to_one & space.masked("server address", 0x0A010000, 0xFFFFFF00),
        possible & space.masked("client address", 0x0A090000, 0xFFFF0000),
        space.everything & space.between("client port", 80, 80),
    ]


@pytest.mark.parametrize("seed", range(40))
def test_what_was_asked_before_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    role, make_space = list(Role)[seed % 4], BoxSpace if seed % 10 == 9 else BddSpace
    coordinates = Coordinates(role, Family.IPV4, (), make_space)
    nothing, everything = coordinates.space.nothing, coordinates.space.everything
    busy = sweeper(seed, coordinates, doubled=False)
    swept: dict[Kindred, Swept] = {}
    for packets in kinds(role):
        # Through chains that two rules call all packets are sent, once for all.
        alone = sweeper(seed, coordinates, doubled=True)
        swept[packets] = alone.send(packets, {Key(): exactly(everything)})
    # Of rules in a row, those that are about none of the packets in question are left out.
    take_two_for_many(monkeypatch)
    for among in narrow(coordinates):
        for packets, of_all in swept.items():
            got = told(busy.send(packets, {Key(): exactly(among)}), among, nothing)
            wanted = told(of_all, among, nothing)
            assert got.keys() == wanted.keys()
            for name, some in wanted.items():
                assert (some - got[name]).is_empty(), (packets, name)
                assert (got[name] - some).is_empty(), (packets, name)


@pytest.mark.parametrize("policy", ["ACCEPT", "DROP"])
@pytest.mark.parametrize("target", ["ACCEPT", "DROP", "RETURN", "chain"])
@pytest.mark.parametrize("added", ["-p tcp --dport 82", "-p tcp -m connlimit --connlimit-above 9"])
@pytest.mark.parametrize("position", range(4))
def test_what_was_asked_of_other_rules_changes_nothing(
    policy: str, target: str, added: str, position: int
) -> None:
    def rules(asked: Iterable[str]) -> Ruleset:
        lines = [f"-A INPUT {each} -j {target}" for each in asked]
        head = ("*filter", f":INPUT {policy}", ":chain -", "-A chain -s 10.1.0.0/16 -j DROP")
        text = "\n".join((*head, *lines, "COMMIT\n"))
        (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
        return ruleset

    asked = ["-p tcp --dport 80", "-s 10.8.0.0/16", "-d 10.9.0.0/16"]
    ruleset, changed = rules(asked), rules([*asked[:position], added, *asked[position:]])
    tables = {"filter": sharing(changed.tables["filter"], ruleset.tables["filter"])}
    changed = replace(changed, tables=tables)
    coordinates = Coordinates(Role.SERVER, Family.IPV4, ())
    nothing, everything = coordinates.space.nothing, coordinates.space.everything
    start = {Key(): exactly(everything)}
    chains = ChainStore(ruleset, Facts())
    busy = Sweeper(chains, coordinates)
    for packets in kinds(Role.SERVER):
        busy.send(packets, start)
    over = busy.over(chains.altered(changed))
    anew = Sweeper(ChainStore(changed, Facts()), coordinates)
    for packets in kinds(Role.SERVER):
        got = told(over.send(packets, start), everything, nothing)
        assert got == told(anew.send(packets, start), everything, nothing)


def sharing(table: Table, other: Table) -> Table:
    """A table with the matches of another where they are the same, as changes leave them."""
    known = {
        match: match
        for chain in other.chains.values()
        for one in chain.rules
        for match in one.matches
    }
    chains = {
        name: chain._replace(
            rules=tuple(
                one._replace(matches=tuple(known.get(each, each) for each in one.matches))
                for one in chain.rules
            )
        )
        for name, chain in table.chains.items()
    }
    return replace(table, chains=chains)


@pytest.mark.parametrize(
    ("asked", "is_lost"),
    [
        ("-d 10.1.0.7/32", True),
        ("-d 10.1.0.0/28", True),
        ("-d 10.1.0.8/29", False),
        ("! -d 10.1.0.8/29", True),
        ("-p tcp --dport 70:80", True),
        ("-p tcp --dport 81", False),
        ("-p tcp ! --dport 81", True),
        ("-s 10.9.0.0/16", True),
        ("! -s 10.8.0.0/16", True),
        ("-s 10.8.0.0/16", False),
        # NAT leads them there before this table is asked.
        ("-d 10.2.0.9/32", True),
        ("-d 10.3.0.9/32", False),
    ],
)
@pytest.mark.parametrize("is_late", [True, False])
def test_what_is_about_other_packets_is_left_out_of_many_rules(
    asked: str, *, is_lost: bool, is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_two_for_many(monkeypatch)
    rows = [f"-A {hook} {asked} -j DROP" for hook in ("INPUT", "FORWARD") for _ in range(2)]
    nat = "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -d 10.1.0.7 -j DNAT --to 10.2.0.9\nCOMMIT\n"
    if is_late or "10.2" not in asked:
        nat = ""
        is_lost = is_lost and "10.2" not in asked
    text = "\n".join(("*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", *rows, "COMMIT\n"))
    (ruleset,) = parse_rulesets(nat + text, "rules", Family.IPV4)
    coordinates = Coordinates(Role.SERVER, Family.IPV4, ())
    packets = kinds(Role.SERVER)[1 if is_late else 0]
    ends = {"server address": 0x0A010007, "client address": 0x0A090001, "server port": 80}
    among: PacketSet = coordinates.possible()
    for part, value in ends.items():
        among = among & coordinates.space.between(part, value, value)
    swept = Sweeper(ChainStore(ruleset, Facts()), coordinates).send(
        packets, {Key(): exactly(among)}
    )
    assert (swept.elsewhere() == among) is is_lost
    assert bool(swept.passed) is not is_lost
