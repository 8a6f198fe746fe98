# SPDX-License-Identifier: GPL-2.0-only
"""What is said of all connections holds for each: random ones are sent through the rules alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product

import pytest

from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.fate import Disposition
from ctlint.analysis.losses import Kind, RoleReport
from ctlint.analysis.nat_sweep import TOO_MUCH_NAT
from ctlint.analysis.regions import Opened, Surveyor
from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import _Examiner
from ctlint.analysis.sweep import MAX_NAT_RULES, Sweeper
from ctlint.finding import Confidence, Role
from ctlint.headerspace.bdd import BddSpace
from ctlint.headerspace.boxes import BoxSpace
from ctlint.headerspace.space import Layout, Point, Space, TooLargeError
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from tests.kernel.random_rules import RuleWriter

SETTINGS = Settings(SysctlSet(), NEWEST)


def points(chance: random.Random, coordinates: Coordinates) -> dict[str, int]:
    """A point of the space, often at the edge of what rules name."""
    possible = coordinates.possible()
    found: dict[str, int] = {}
    for part, width in coordinates.space.layout.items():
        edges = [edge for each in possible.values(part) for edge in each]
        named = ADDRESSES[coordinates.family] if "address" in part else PORTS.get(part, ())
        value = chance.choice([*edges, *named, chance.getrandbits(width)])
        found[part] = value & (1 << width) - 1
    return found


ADDRESSES = {
    Family.IPV4: (0x0A010001, 0x0A010002, 0x0A020002, 0x0A000002, 0xC0000201),
    Family.IPV6: ((0xFD01 << 112) + 1, (0xFD01 << 112) + 2, (0xFD02 << 112) + 2, 0xFC << 120, 1),
}
PORTS: dict[str, tuple[int, ...]] = {
    "client port": (40000, 40001, 50000),
    "server port": (79, 80, 81, 8080, 1023, 1024, 40000),
}


@pytest.mark.parametrize(
    ("make_space", "family"),
    [(BoxSpace, Family.IPV4), (BddSpace, Family.IPV4), (BddSpace, Family.IPV6)],
)
def test_sets_say_of_each_connection_what_it_meets(
    make_space: Callable[[Layout], Space], family: Family
) -> None:
    judged = 0
    # Boxes take much longer for the same.
    for role, seed in product(Role, range(12 if make_space is BoxSpace else 50)):
        chance = random.Random(f"{seed} {role}")
        text = RuleWriter(chance, family).ruleset()
        (ruleset,) = parse_rulesets(text, f"seed {seed}", family)
        chains = ChainStore(ruleset, Facts())
        coordinates = Coordinates(role, family, chains.interfaces, make_space)
        surveyor = Surveyor(Sweeper(chains, coordinates), loose=True, kernel=NEWEST)
        try:
            opened = surveyor.established()
            regions = {
                (sender, kind): list(surveyor.lost(opened, sender, kind.flags))
                for sender in Dir
                for kind in Kind
            }
        except TooLargeError:
            continue
        examiner = _Examiner(chains, SETTINGS, RoleReport(role))
        drawn: list[Point] = [points(chance, coordinates) for _ in range(12)]
        drawn += [
            point
            for found in regions.values()
            for region in found
            if (point := region.possible.pick({})) is not None
        ][:12]
        for point in drawn:
            if not coordinates.possible().contains(point):
                continue
            connection = coordinates.at(point)
            where = seed, connection
            confidence = examiner.establish(connection)
            # A connection alone is asked with marks that may be unknown, where sets are parted.
            if confidence is None:
                assert not opened.possible.contains(point), where
                continue
            if confidence is Confidence.CERTAIN:
                assert opened.possible.contains(point), where
            if not opened.possible.contains(point):
                continue
            judged += 1
            case = examiner.judge(connection, confidence)
            lost = {(one.sender, one.kind): one for one in case.lost}
            for key, found in regions.items():
                here = [region for region in found if region.possible.contains(point)]
                if key in case.passed:
                    assert not here, (where, key)
                elif key in lost:
                    (region,) = here
                    if region.sole.contains(point):
                        assert region.end.cause == lost[key].dropped_by, (where, key)
                        is_rejected = region.end.disposition is Disposition.REJECTED
                        assert is_rejected is lost[key].rejected, (where, key)
    assert judged > (50 if make_space is BoxSpace else 200)


# One thing each. The client comes from 2.0.0.9 to port 80 of the host.

CAME = {"client address": 0x02000009, "server address": 0x0A010001}
CAME |= {"client port": 40000, "server port": 80, "client interface": 0, "server interface": 0}


def survey_of(*rules: str) -> tuple[Surveyor, Opened]:
    text = "\n".join(("*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT", *rules))
    (ruleset,) = parse_rulesets(f"{text}\nCOMMIT\n", "rules", Family.IPV4)
    chains = ChainStore(ruleset, Facts())
    coordinates = Coordinates(Role.SERVER, Family.IPV4, chains.interfaces)
    sweeper = Sweeper(chains, coordinates)
    surveyor = Surveyor(sweeper, loose=True, kernel=NEWEST)
    return surveyor, surveyor.established()


def test_rules_in_a_row_are_others_for_packets_without_an_entry() -> None:
    surveyor, opened = survey_of(
        "-A INPUT -s 1.0.0.0/8 -j DROP",
        "-A INPUT -s 2.0.0.0/8 -m conntrack --ctstate INVALID -j DROP",
        "-A INPUT -s 3.0.0.0/8 -j DROP",
    )
    assert opened.certain.contains(CAME)
    (region,) = surveyor.lost(opened, Dir.ORIGINAL, Kind.FIN.flags)
    assert str(region.end.cause) == "filter/INPUT#2"
    assert region.sole.contains(CAME)


@pytest.mark.parametrize(
    ("options", "is_opened"),
    [
        # nf_conntrack_tcp_packet(): the client's ACK makes the entry assured, its SYN does not.
        ("--ctorigsrc 2.0.0.0/8 --ctstatus ASSURED", False),
        ("--ctorigsrc 2.0.0.0/8 --ctstatus CONFIRMED", False),
        ("--ctorigsrc 2.0.0.0/8 --ctstatus EXPECTED", True),
        # Nothing is translated here.
        ("--ctorigsrc 2.0.0.0/8 --ctstate SNAT", True),
        ("--ctorigsrc 2.0.0.0/8 ! --ctstate SNAT,DNAT", False),
        ("--ctorigsrc 3.0.0.0/8 --ctstate ESTABLISHED", True),
    ],
)
def test_all_options_of_a_match_count(options: str, *, is_opened: bool) -> None:
    _, opened = survey_of(f"-A INPUT -m conntrack {options} -j DROP")
    assert opened.certain.contains(CAME) is is_opened
    assert opened.possible.contains(CAME) is is_opened


def test_a_pattern_that_takes_every_interface_leaves_some() -> None:
    surveyor, opened = survey_of(
        "-A INPUT -i + -m conntrack --ctstate INVALID -j DROP", "-A OUTPUT ! -o + -j DROP"
    )
    assert opened.certain.contains(CAME)
    (region,) = surveyor.lost(opened, Dir.ORIGINAL, Kind.FIN.flags)
    assert region.sole.contains(CAME)


def test_a_host_name_is_named_as_what_is_not_known() -> None:
    surveyor, opened = survey_of("-A INPUT -s host.invalid -j DROP")
    assert not opened.certain.contains(CAME)
    assert opened.possible.contains(CAME)
    (item,) = surveyor.open
    assert str(item.ref) == "filter/INPUT#1"
    assert "host.invalid" in item.why


def test_chains_that_call_each_other_twice_are_told_once() -> None:
    """Forty such chains are a walk of a million million rules."""
    doubled = [
        rule
        for number in range(40)
        for rule in (
            f"-A c{number} -s 2.{number}.0.0/16 -j c{number + 1}",
            f"-A c{number} -j c{number + 1}",
        )
    ]
    surveyor, opened = survey_of(
        *(f":c{number} -" for number in range(41)),
        "-A INPUT -j c0",
        *doubled,
        "-A c40 -m conntrack --ctstate INVALID -j DROP",
    )
    assert opened.certain.contains(CAME)
    regions = surveyor.lost(opened, Dir.ORIGINAL, Kind.FIN.flags)
    assert {str(region.end.cause) for region in regions} == {"filter/c40#1"}
    assert any(region.sole.contains(CAME) for region in regions)


def test_rules_that_call_one_chain_in_a_row_are_told_together() -> None:
    calls = [f"-A INPUT -s {first}.0.0.0/8 -j lost" for first in (2, 3, 2, 4)]
    surveyor, opened = survey_of(
        ":lost -", *calls, "-A lost -p tcp --dport 80 -m conntrack --ctstate INVALID -j DROP"
    )
    (region,) = surveyor.lost(opened, Dir.ORIGINAL, Kind.FIN.flags)
    assert str(region.end.cause) == "filter/lost#1"
    assert region.sole.contains(CAME)
    assert not region.possible.contains({**CAME, "server port": 81})
    assert not region.possible.contains({**CAME, "client address": 0x05000009})


def test_of_a_large_table_nat_the_rest_is_told() -> None:
    """More than MAX_NAT_RULES rules, in a chain of more than MAX_NAT_CHAIN."""
    services = [
        f"-A services -d 10.96.{number >> 8}.{number & 255} -p tcp --dport 80 -j service"
        for number in range(MAX_NAT_RULES)
    ]
    surveyor, opened = survey_of(
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "COMMIT",
        "*nat",
        ":PREROUTING ACCEPT",
        ":services -",
        ":service -",
        "-A PREROUTING -j services",
        *services,
        "-A service -p tcp -j DNAT --to-destination 10.1.0.9",
    )
    assert opened.certain.contains(CAME)
    assert not opened.possible.contains({**CAME, "server address": 0x0A600005})
    (region,) = surveyor.lost(opened, Dir.ORIGINAL, Kind.FIN.flags)
    assert region.sole.contains(CAME)
    assert [item.why for item in surveyor.open] == [TOO_MUCH_NAT]
