# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel plays the witnesses of differences, under the old rules and under the new."""

from __future__ import annotations

import random

import pytest

from ctlint.analysis.diff import Firewall, diff
from ctlint.analysis.difference import Kind
from ctlint.analysis.settings import Settings
from ctlint.finding import Confidence, Role, Witness
from ctlint.ir.sysctl import SysctlSet
from ctlint.lab.lab import Lab
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.reader import scenario_from_json
from ctlint.wire.addresses import Family
from tests.kernel.random_rules import RuleWriter
from tests.unit.analysis.test_comparison import edited
from tests.unit.analysis.test_nat_comparison import edited as edited_with_nat
from tests.unit.analysis.test_translated import NatWriter

pytestmark = pytest.mark.netns

KNOWN = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
INVALID = "-m conntrack --ctstate INVALID -j DROP"
BASE = (
    f"-A INPUT {KNOWN}",
    "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
    f"-A FORWARD {KNOWN}",
    "-A FORWARD -i lan0 -p tcp -m tcp --dport 443 -j ACCEPT",
)
EDITS = {
    "a port is closed": (BASE[:1] + BASE[2:], {(Kind.NEWLY_DROPPED, Role.SERVER)}),
    "a way is closed": (BASE[:3], {(Kind.NEWLY_DROPPED, Role.FORWARD)}),
    "all is open": (
        ("-A INPUT -j ACCEPT", *BASE),
        {(Kind.NEWLY_ACCEPTED, Role.SERVER), (Kind.NO_LONGER_STRANDED, Role.CLIENT)},
    ),
    "INVALID is dropped": (
        (f"-A INPUT {INVALID}", f"-A FORWARD {INVALID}", *BASE),
        {(Kind.NEWLY_STRANDED, Role.SERVER), (Kind.NEWLY_STRANDED, Role.FORWARD)},
    ),
    "INVALID of the host is dropped": (
        (*BASE, f"-A OUTPUT {INVALID}"),
        {(Kind.NEWLY_STRANDED, Role.CLIENT), (Kind.NEWLY_STRANDED, Role.SERVER)},
    ),
    "RST is dropped": (
        ("-A INPUT -p tcp -m tcp --tcp-flags RST RST -j DROP", *BASE),
        {(Kind.NEWLY_DROPPED, Role.SERVER), (Kind.NEWLY_DROPPED, Role.CLIENT)},
    ),
    "a port is rejected": (
        ("-A INPUT -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset", *BASE),
        {(Kind.NEWLY_DROPPED, Role.SERVER)},
    ),
}


def firewall(*lines: str) -> Firewall:
    policies = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return of_text(f"*filter\n{policies}{''.join(f'{line}{chr(10)}' for line in lines)}COMMIT\n")


NAT = (
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    ":POSTROUTING ACCEPT [0:0]\n"
)
PUBLISHED = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.7.0.7:8080"
LED = "-A FORWARD -i wan0 -p tcp -m tcp --dport 8080 -j ACCEPT"
OUTWARD = "-A FORWARD -i lan0 -o wan0 -p tcp -j ACCEPT"
# Not MASQUERADE: where a lab takes an address away, the kernel forgets masqueraded connections of
# that interface some time later (nf_nat_masq_schedule(), Linux 6.18), those of the next play too.
BEHIND_ONE = "-A POSTROUTING -o wan0 -j SNAT --to-source 198.51.100.1"
NAT_EDITS = {
    "a published service goes elsewhere": (
        ((PUBLISHED,), (LED,)),
        ((PUBLISHED.replace("10.7.0.7", "10.7.0.8"),), (LED,)),
        {(Kind.TRANSLATED_OTHERWISE, Role.FORWARD)},
    ),
    "a published service is taken back": (
        ((PUBLISHED,), (LED,)),
        ((), (LED,)),
        {(Kind.NEWLY_DROPPED, Role.FORWARD)},
    ),
    "a published service is closed behind NAT": (
        ((PUBLISHED,), (LED,)),
        ((PUBLISHED,), ()),
        {(Kind.NEWLY_DROPPED, Role.FORWARD)},
    ),
    "a network goes behind one address": (
        ((), (OUTWARD,)),
        ((BEHIND_ONE,), (OUTWARD,)),
        {(Kind.NEWLY_TRANSLATED, Role.FORWARD), (Kind.NEWLY_STRANDED, Role.FORWARD)},
    ),
}


def router(nat: tuple[str, ...], lines: tuple[str, ...]) -> Firewall:
    policies = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    given = "".join(f"{line}\n" for line in (*BASE[:1], *BASE[2:3], *lines))
    translating = "".join(f"{line}\n" for line in nat)
    return of_text(f"{NAT}{translating}COMMIT\n*filter\n{policies}{given}COMMIT\n")


def of_text(text: str, family: Family = Family.IPV4) -> Firewall:
    rulesets = parse_rulesets(text, "rules", family)
    return Firewall(rulesets, Settings(SysctlSet(), NEWEST), Facts())


def replay(witness: Witness, kernel: Lab) -> None:
    """Plays it and compares every expected answer."""
    answers = kernel.play(scenario_from_json(witness.scenario)).packets
    for wanted in witness.expect:
        answer = answers[wanted["packet"]]
        assert isinstance(answer, PacketAnswer)
        where = witness.scenario, wanted, answers
        assert answer.delivered is wanted["delivered"], where
        assert answer.ctstate == wanted["ctstate"], where
        if "rules" in wanted and answer.rules is not None:
            assert list(answer.rules) == wanted["rules"], where
        if "as" in wanted:
            (out,) = [one for one in answer.out if one.is_same]
            seen = [out.src, out.sport, out.dst, out.dport]
            said = [
                one if one is not None else got for one, got in zip(wanted["as"], seen, strict=True)
            ]
            assert seen == said, where


@pytest.mark.parametrize("name", EDITS)
def test_witnesses_of_edits_by_hand(name: str, kernel: Lab) -> None:
    lines, kinds = EDITS[name]
    found = diff(firewall(*BASE), firewall(*lines)).differences
    assert kinds <= {(each.kind, each.role) for each in found}
    for each in found:
        replay(each.old_witness, kernel)
        replay(each.new_witness, kernel)


@pytest.mark.parametrize("name", NAT_EDITS)
def test_witnesses_of_edits_of_nat(name: str, kernel: Lab) -> None:
    old, new, kinds = NAT_EDITS[name]
    found = diff(router(*old), router(*new)).differences
    assert kinds <= {(each.kind, each.role) for each in found}
    for each in found:
        replay(each.old_witness, kernel)
        replay(each.new_witness, kernel)


@pytest.mark.parametrize("family", Family)
def test_witnesses_of_random_edits(family: Family, kernel: Lab) -> None:
    played = 0
    for seed in range(40):
        chance = random.Random(f"{seed} {family}")
        text = RuleWriter(chance, family).ruleset()
        texts = [text, edited(text, chance)]
        chance.shuffle(texts)
        for each in diff(*(of_text(one, family) for one in texts)).differences:
            if each.confidence is not Confidence.POSSIBLE and played < 60:
                replay(each.old_witness, kernel)
                replay(each.new_witness, kernel)
                played += 1
    assert played > 20


@pytest.mark.parametrize("family", Family)
def test_witnesses_of_random_edits_of_nat(family: Family, kernel: Lab) -> None:
    played = 0
    for seed in range(30):
        writer = NatWriter(random.Random(f"{seed} {family}"), family)
        text = writer.ruleset()
        texts = [text, edited_with_nat(text, writer)]
        writer.chance.shuffle(texts)
        for each in diff(*(of_text(one, family) for one in texts)).differences:
            has_masquerade = any("MASQUERADE" in one for one in texts)
            if each.confidence is Confidence.CERTAIN and played < 60 and not has_masquerade:
                replay(each.old_witness, kernel)
                replay(each.new_witness, kernel)
                played += 1
    assert played > 20
