# SPDX-License-Identifier: GPL-2.0-only
"""What a comparison says of sets of connections that NAT translates holds for each: random ones are
played on the model before and after a random edit of random rules.
"""

from __future__ import annotations

import random
from itertools import product

import pytest

from ctlint.analysis.comparison import Change, Comparison
from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.difference import Kind, Phase
from ctlint.analysis.losses import Kind as PacketKind
from ctlint.analysis.retranslation import Way
from ctlint.analysis.settings import Settings
from ctlint.analysis.side import Side
from ctlint.analysis.translated import Played, play
from ctlint.finding import Role
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.answer import Ends
from ctlint.wire.addresses import Family
from tests.unit.analysis.test_translated import NatWriter

SETTINGS = Settings(SysctlSet(), NEWEST)
KINDS = [(kind.flags, int(kind is PacketKind.DATA)) for kind in PacketKind]
SEEDS = 60


def edited(text: str, writer: NatWriter) -> str:
    """The rules with one or two edits: one goes, or another comes, or a target is another."""
    chance = writer.chance
    lines = text.splitlines()
    for _ in range(chance.randint(1, 2)):
        what = chance.choice(("drop", "verdict", "target", "target", "nat", "nat", "filter"))
        rules = [at for at, line in enumerate(lines) if line.startswith("-A ")]
        nat_ends = lines.index("COMMIT")
        of_nat = [at for at in rules if at < nat_ends]
        if what == "nat" or not rules:
            chain = chance.choice(("PREROUTING", "OUTPUT", "POSTROUTING"))
            words = writer.matches(incoming=chain == "PREROUTING", outgoing=chain != "PREROUTING")
            lines.insert(
                chance.randint(5, nat_ends), f"-A {chain} {words} -j {writer.target(chain)}"
            )
        elif what == "filter":
            chain = chance.choice(("INPUT", "FORWARD", "OUTPUT"))
            lines.insert(len(lines) - 1, writer.filtering(chain))
        elif what == "target" and of_nat:
            at = chance.choice(of_nat)
            chain = lines[at].split()[1]
            lines[at] = f"{lines[at].partition(' -j ')[0]} -j {writer.target(chain)}"
        elif what == "verdict":
            at = chance.choice(rules)
            if "-j DROP" in lines[at]:
                lines[at] = lines[at].replace("-j DROP", "-j ACCEPT")
            else:
                lines[at] = lines[at].replace("-j ACCEPT", "-j DROP")
        else:
            del lines[chance.choice(rules)]
    return "\n".join([*lines, ""])


class Pair:
    """A connection by itself under both rule sets."""

    def __init__(
        self, chains: tuple[ChainStore, ChainStore], connections: tuple[Connection, ...]
    ) -> None:
        self.plays: list[Played | None] = [
            play(store, connection, KINDS, SETTINGS)
            for store, connection in zip(chains, connections, strict=True)
        ]

    @property
    def opens(self) -> tuple[bool | None, ...]:
        return tuple(None if each is None else each.is_opened for each in self.plays)

    def arrives(self, side: int, change: Change) -> bool | None:
        played = self.plays[side]
        assert played is not None
        arrival = played.arrivals.get((change.step.sender, change.step.flags))
        return None if arrival is None else arrival.arrives


@pytest.mark.parametrize("family", Family)
def test_changes_are_what_single_connections_meet(family: Family) -> None:
    judged = dict.fromkeys(Kind, 0)
    unchanged = 0
    for role, seed in product((Role.CLIENT, Role.SERVER, Role.FORWARD), range(SEEDS)):
        chance = random.Random(f"{seed} {role} {family}")
        writer = NatWriter(chance, family)
        text = writer.ruleset()
        texts = [text, edited(text, writer)]
        chance.shuffle(texts)
        (old,) = parse_rulesets(texts[0], f"old {seed}", family)
        (new,) = parse_rulesets(texts[1], f"new {seed}", family)
        chains = ChainStore(old, Facts()), ChainStore(new, Facts())
        names = dict.fromkeys(name for one in chains for name in one.interfaces)
        coordinates = Coordinates(role, family, tuple(names))
        try:
            sides = [Side(one, SETTINGS, coordinates) for one in chains]
            changes = list(Comparison(sides[0], sides[1], coordinates).changes())
        except TooLargeError:
            continue
        where = seed, role, texts
        for change in changes:
            if change.is_certain:
                connections = coordinates.connections(change.packets, change.ways)
                if connections is not None:
                    judged[change.kind] += judge(change, Pair(chains, connections), where)
        unchanged += judge_the_same(coordinates, sides, changes, chains, where)
    assert judged[Kind.NEWLY_DROPPED] > 10
    assert judged[Kind.NEWLY_ACCEPTED] > 10
    assert judged[Kind.NEWLY_STRANDED] + judged[Kind.NO_LONGER_STRANDED] > 10
    assert judged[Kind.NEWLY_TRANSLATED] + judged[Kind.NO_LONGER_TRANSLATED] > 10
    assert judged[Kind.TRANSLATED_OTHERWISE] > 5
    assert unchanged > 50


def server_sees(played: Played | None) -> Ends | None:
    """The ends of what the server sends, as NAT has made them."""
    return None if played is None or played.entry is None else played.entry.reply


def judge(change: Change, pair: Pair, where: object) -> bool:
    """Whether a change could be judged, which is as it says."""
    before, now = pair.opens
    what = change.kind, change.step, change.ways, where
    loser = 1 if change.kind.loser == "new" else 0
    if change.step.phase is Phase.OPENING and not change.kind.is_of_nat:
        assert pair.opens[loser] in (False, None), what
        assert pair.opens[1 - loser] in (True, None), what
        return None not in pair.opens
    assert before in (True, None), what
    assert now in (True, None), what
    if None in pair.opens:
        return False
    if change.kind.is_of_nat:
        one, other = map(server_sees, pair.plays)
        assert one != other, what
    elif change.step.phase is Phase.EXPIRED:
        assert pair.arrives(loser, change) in (False, None), what
        assert pair.arrives(1 - loser, change) in (True, None), what
    return True


def judge_the_same(
    coordinates: Coordinates,
    sides: list[Side],
    changes: list[Change],
    chains: tuple[ChainStore, ChainStore],
    where: object,
) -> int:
    """Of connections that nothing is said of, those that can be played: how many are alike."""
    left: PacketSet = coordinates.possible()
    for side in sides:
        left = left - side.unfollowed
    for change in changes:
        left = left - change.packets
    judged = 0
    ways: list[tuple[Way, Way]] = [(a, b) for a in sides[0].ways for b in sides[1].ways]
    for before, now in ways:
        both = sides[0].ways[before].certain & sides[1].ways[now].certain & left
        connections = coordinates.connections(both, (before, now))
        if connections is None:
            continue
        pair = Pair(chains, connections)
        if pair.opens != (True, True):
            assert False not in pair.opens, (where, before, now)
            continue
        one, other = map(server_sees, pair.plays)
        is_known = all(
            end is None or end.addresses is None or end.addresses.low == end.addresses.high
            for way in (before, now)
            if way is not None
            for end in (way.source, way.destination)
        )
        if is_known:
            assert one == other, (where, before, now)
        if before is None and now is None:
            continue
        judged += 1
    return judged
