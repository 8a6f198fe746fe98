# SPDX-License-Identifier: GPL-2.0-only
"""What a comparison says of sets holds for each connection: random ones are sent through random
rules before and after a random edit, by themselves.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from ctlint.analysis.comparison import Change, Comparison, Step
from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.difference import Kind, Phase
from ctlint.analysis.fate import send
from ctlint.analysis.first_packets import first_after_expiry
from ctlint.analysis.losses import Kind as PacketKind
from ctlint.analysis.losses import RoleReport
from ctlint.analysis.settings import Settings
from ctlint.analysis.side import Side
from ctlint.analysis.stranding import _Examiner
from ctlint.finding import Confidence, Role
from ctlint.headerspace.space import Point, TooLargeError
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from tests.kernel.random_rules import RuleWriter

SETTINGS = Settings(SysctlSet(), NEWEST)
SEEDS = 80

NAMED: dict[str, tuple[int, ...]] = {
    "client address": (0x0A010001, 0x0A010002, 0x0A020002, 0x0A000002, 0xC0000201),
    "server address": (0x0A010001, 0x0A010002, 0x0A020002, 0x0A000002, 0xC0000201),
    "client port": (40000, 40001, 50000),
    "server port": (79, 80, 81, 8080, 1023, 1024, 40000),
}


def edited(text: str, chance: random.Random) -> str:
    """The rules with one to three edits, as people make them."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 3)):
        rules = [at for at, line in enumerate(lines) if line.startswith("-A ")]
        bases = [at for at, line in enumerate(lines) if line.startswith(":") and " - " not in line]
        what = chance.choice(["drop", "swap", "verdict", "verdict", "policy", "insert", "insert"])
        if what == "policy" or not rules:
            at = chance.choice(bases)
            one, other = ("ACCEPT", "DROP") if "ACCEPT" in lines[at] else ("DROP", "ACCEPT")
            lines[at] = lines[at].replace(one, other)
        elif what == "insert":
            at = chance.choice(rules)
            chain = lines[at].split()[1]
            asked = chance.choice(
                ("", "-m tcp --dport 1024:65535 ", "-m tcp --tcp-flags FIN,RST FIN ")
            )
            states = chance.choice(("INVALID", "INVALID", "NEW,INVALID", "ESTABLISHED"))
            verdict = chance.choice(("DROP", "DROP", "ACCEPT"))
            rule = f"-A {chain} -p tcp {asked}-m conntrack --ctstate {states} -j {verdict}"
            lines.insert(at, rule)
        elif what == "drop":
            del lines[chance.choice(rules)]
        elif what == "swap":
            at = chance.choice(rules)
            following = lines[at + 1].split()[:2]
            if following == lines[at].split()[:2]:
                lines[at], lines[at + 1] = lines[at + 1], lines[at]
        else:
            at = chance.choice(rules)
            if "-j DROP" in lines[at]:
                lines[at] = lines[at].replace("-j DROP", "-j ACCEPT")
            else:
                lines[at] = lines[at].replace("-j ACCEPT", "-j DROP")
    return "\n".join([*lines, ""])


def points(chance: random.Random, coordinates: Coordinates) -> Iterator[Point]:
    """Points of the space, often at the edge of what rules name."""
    possible = coordinates.possible()
    for _ in range(12):
        found: dict[str, int] = {}
        for part, width in coordinates.space.layout.items():
            edges = [edge for each in possible.values(part) for edge in each]
            value = chance.choice([*edges, *NAMED.get(part, ()), chance.getrandbits(width)])
            found[part] = value & (1 << width) - 1
        if possible.contains(found):
            yield found


def coordinates_of(role: Role, *chains: ChainStore) -> Coordinates:
    """The space of the connections of both."""
    names = dict.fromkeys(name for one in chains for name in one.interfaces)
    return Coordinates(role, chains[0].ruleset.family, tuple(names))


class Alone:
    """A connection by itself under one rule set."""

    def __init__(self, chains: ChainStore, role: Role, connection: Connection) -> None:
        self.chains = chains
        self.connection = connection
        examiner = _Examiner(chains, SETTINGS, RoleReport(role))
        self.confidence = examiner.establish(connection)

    @property
    def opens(self) -> Tern:
        if self.confidence is None:
            return Tern.FALSE
        return Tern.TRUE if self.confidence is Confidence.CERTAIN else Tern.UNKNOWN

    def passes(self, phase: Phase, sender: Dir, kind: PacketKind) -> Tern:
        one = self.connection
        if phase is Phase.EXPIRED:
            fate = first_after_expiry(
                self.chains, one, sender, kind, loose=True, kernel=SETTINGS.kernel
            )
        else:
            entry = one.entry(sender, confirmed=True, replied=True, assured=True)
            packet = one.packet(sender, kind.flags)
            fate = send(self.chains, packet, one.ends(sender), CtState.ESTABLISHED, entry)
        return fate.delivered


DECIDED = (Tern.TRUE, Tern.FALSE)


@pytest.mark.parametrize("role", Role)
def test_changes_are_what_single_connections_meet(role: Role) -> None:
    judged = dict.fromkeys(Kind, 0)
    for seed in range(SEEDS):
        chance = random.Random(f"{seed} {role}")
        text = RuleWriter(chance, Family.IPV4).ruleset()
        texts = [text, edited(text, chance)]
        chance.shuffle(texts)
        (old,) = parse_rulesets(texts[0], f"old {seed}", Family.IPV4)
        (new,) = parse_rulesets(texts[1], f"new {seed}", Family.IPV4)
        chains = ChainStore(old, Facts()), ChainStore(new, Facts())
        coordinates = coordinates_of(role, *chains)
        try:
            sides = [Side(one, SETTINGS, coordinates) for one in chains]
            changes = list(Comparison(sides[0], sides[1], coordinates).changes())
        except TooLargeError:
            continue
        drawn = list(points(chance, coordinates))
        drawn += [found for one in changes[:10] if (found := one.packets.pick({})) is not None]
        for point in drawn:
            connection = coordinates.at(point)
            both = [Alone(one, role, connection) for one in chains]
            here = [one for one in changes if one.packets.contains(point)]
            where = seed, connection, [(one.kind, one.step, one.is_certain) for one in here]
            judge_opening(both, here, where, judged)
            if all(each.opens is Tern.TRUE for each in both):
                is_tracked = not any(each.untracked.contains(point) for each in sides)
                judge_later(both, here, where, judged, is_tracked=is_tracked)
    assert judged[Kind.NEWLY_DROPPED] > 5
    assert judged[Kind.NEWLY_ACCEPTED] > 5
    assert judged[Kind.NEWLY_STRANDED] + judged[Kind.NO_LONGER_STRANDED] > 5


def judge_opening(
    both: list[Alone], here: list[Change], where: object, judged: dict[Kind, int]
) -> None:
    before, now = (each.opens for each in both)
    said = [one for one in here if one.step.phase is Phase.OPENING]
    assert len(said) <= 1, where
    if before not in DECIDED or now not in DECIDED:
        return
    if before is now:
        assert not any(one.is_certain for one in said), where
        return
    (one,) = said
    assert one.kind is (Kind.NEWLY_DROPPED if before is Tern.TRUE else Kind.NEWLY_ACCEPTED), where
    judged[one.kind] += 1


LATER = {
    (Phase.OPEN, Tern.FALSE): Kind.NEWLY_DROPPED,
    (Phase.OPEN, Tern.TRUE): Kind.NEWLY_ACCEPTED,
    (Phase.EXPIRED, Tern.FALSE): Kind.NEWLY_STRANDED,
    (Phase.EXPIRED, Tern.TRUE): Kind.NO_LONGER_STRANDED,
}


def judge_later(
    both: list[Alone],
    here: list[Change],
    where: object,
    judged: dict[Kind, int],
    *,
    is_tracked: bool,
) -> None:
    for sender in Dir:
        for kind in PacketKind:
            fell = None
            for phase in (Phase.OPEN, Phase.EXPIRED):
                before, now = (each.passes(phase, sender, kind) for each in both)
                said = [one for one in here if one.step == Step(phase, sender, kind.flags)]
                assert len(said) <= 1, where
                if before not in DECIDED or now not in DECIDED:
                    continue
                differs = before is not now
                if phase is Phase.OPEN:
                    # What has no entry is judged as what has lost it.
                    differs = differs and is_tracked
                    fell = now if differs else None
                elif fell is now:
                    differs = False
                if not differs:
                    assert not any(one.is_certain for one in said), (where, phase, sender, kind)
                    continue
                assert len(said) == 1, (where, phase, sender, kind)
                assert said[0].kind is LATER[phase, now], where
                judged[said[0].kind] += 1
