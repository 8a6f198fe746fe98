# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel judges what ctlint says: every witness, and every connection it looked at.

A witness must give the answers it expects. And beyond the findings: where the analysis says that a
connection can be established, its handshake and first data must get through; what it says passes
after expiry must pass, and what it says is lost must be lost, with the ctstate it names and by way
of the rules it names.
"""

from __future__ import annotations

import platform
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ctlint.analysis.fate import Disposition
from ctlint.analysis.first_packets import first_after_expiry
from ctlint.analysis.likeness import in_rows
from ctlint.analysis.losses import Case, Kind, Nature
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stage import stage
from ctlint.analysis.stranding import examine
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Confidence, Finding, Role, Witness
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lab.lab import Backend, CannotLoadError, Lab
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.lint.runner import Host, lint
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, profile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.parse.sysctl import parse_sysctl
from ctlint.scenario.answer import OpAnswer, PacketAnswer
from ctlint.scenario.play import play
from ctlint.scenario.reader import scenario_from_json
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.rules.pages import Example, example
from tests.unit.analysis import test_half_tracked as half_tracked_cases
from tests.unit.analysis import test_untranslated as untranslated_cases
from tests.unit.analysis import test_witness as witness_cases

MOST_CASES = 40
"""Connections tried for each role of a rule set; a seed chooses them where there are more."""

INCIDENT = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m state --state NEW -j LOG --log-prefix "[iptables] INPUT NEW: "
-A INPUT -p tcp -m state --state ESTABLISHED -j LOG --log-prefix "[iptables] INPUT ESTABLISHED: "
-A INPUT -p tcp -m state --state INVALID -j LOG --log-prefix "[iptables] INPUT INVALID: "
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 8088 -m state --state NEW -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A OUTPUT -p tcp -m state --state NEW -j LOG --log-prefix "[iptables] OUTPUT NEW: "
-A OUTPUT -p tcp -m state --state INVALID -j LOG --log-prefix "[iptables] OUTPUT INVALID: "
"""
INCIDENT_SYSCTL = "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n"

_FULL = {"mss": 1460, "sackok": True, "wscale": 7}
CONVERSATION: list[dict[str, Any]] = [
    {"dir": "orig", "flags": "S", "seq": 1000, "opts": _FULL},
    {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001, "opts": _FULL},
    {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "win": 502},
    {"dir": "orig", "flags": "PA", "seq": 1001, "ack": 5001, "win": 502, "len": 1},
    {"dir": "reply", "flags": "PA", "seq": 5001, "ack": 1002, "win": 502, "len": 1},
]
NEXT = {Dir.ORIGINAL: ("orig", 1002, 5002), Dir.REPLY: ("reply", 5002, 1002)}

pytestmark = pytest.mark.netns

PAGES = pytest.mark.parametrize("info", shipped_rules(), ids=lambda info: info.id)
VARIANTS = pytest.mark.parametrize(
    "last", ["-A OUTPUT -m state --state INVALID -j DROP\n", ""], ids=["drop", "no-drop"]
)
DUMPS = pytest.mark.parametrize(
    "dump",
    corpus_files("generated/*/ip*tables-save.txt"),
    ids=lambda dump: f"{dump.parent.name}-{dump.name.removesuffix('-save.txt')}",
)


def host(rules: str, sysctl: str = "") -> Host:
    settings = SysctlSet()
    if sysctl:
        settings = SysctlSet((SysctlRun((parse_sysctl(sysctl, "sysctl"),)),))
    return Host(parse_rulesets(rules, "rules"), settings)


def host_of_page(one: Example) -> Host:
    return Host(one.rulesets(), one.sysctls(), circumstances=one.told)


def host_of_dump(dump: Path, kernel: Lab) -> Host:
    """The dump as a host whose sets are loaded; skips where ctlint or this machine cannot."""
    family = Family.IPV6 if dump.name.startswith("ip6") else Family.IPV4
    text = dump.read_text(errors="surrogateescape")
    try:
        rulesets = parse_rulesets(text, dump.name, family)
    except ParseError as error:
        pytest.skip(f"the parser reports it: {error.problems[0].message}")
    sets = dump.parent / "ipset-save.txt"
    kernel.restore_ipsets(sets.read_text() if sets.exists() else "")
    return Host(rulesets, SysctlSet())


def findings(
    one: Host, persona: Persona = Persona.REGULAR, kernel: KernelProfile = NEWEST
) -> tuple[Finding, ...]:
    return lint([one], kernel, shipped_rules(), persona=persona).findings


# Witnesses


@PAGES
@pytest.mark.parametrize("backend", Backend)
def test_witnesses_of_bad_examples(info: RuleInfo, backend: Backend, kernel: Lab) -> None:
    one = example(info, "Bad")
    # A page for an older kernel shows a packet that the running one judges alike.
    found = findings(host_of_page(one), info.persona, one.kernel)
    assert found
    for finding in found:
        replay(finding, kernel, backend)


@VARIANTS
def test_witnesses_of_the_fin_wait_1_incident(last: str, kernel: Lab) -> None:
    found = findings(host(f"{INCIDENT}{last}COMMIT\n", INCIDENT_SYSCTL))
    assert sum(finding.witness is not None for finding in found) >= 2
    for finding in found:
        replay(finding, kernel)


def test_witnesses_hold_whatever_port_is_drawn_by_lot(kernel: Lab) -> None:
    # One of the ten ports is let through.
    rules = witness_cases.DRAWN.format(ports="8080-8089", rules=witness_cases.ONE_PASSES)
    found = [each for each in findings(host(rules)) if each.rule == "CT111"]
    assert found
    for finding in 4 * found:
        replay(finding, kernel)


@pytest.mark.parametrize("name", untranslated_cases.ESCAPING)
def test_witnesses_of_packets_that_escape_nat(name: str, kernel: Lab) -> None:
    one = host(untranslated_cases.rules(*untranslated_cases.ESCAPING[name]))
    found = findings(one, Persona.PEDANTIC, profile("5.15"))
    assert {"CT301", "CT405"} & {finding.rule for finding in found}
    for finding in found:
        replay(finding, kernel)


@pytest.mark.parametrize("name", half_tracked_cases.LOST)
def test_witnesses_of_half_tracked_handshakes(name: str, kernel: Lab) -> None:
    untracks, chain, role, _ = half_tracked_cases.LOST[name]
    text = half_tracked_cases.rules([untracks], [f"{chain} {half_tracked_cases.INVALID}"])
    found = [one for one in findings(host(text)) if one.rule == "CT402"]
    assert role in {one.role for one in found}
    for finding in found:
        replay(finding, kernel)


BLOCKED = "".join(f"-A INPUT -s 192.0.2.{last} -j DROP\n" for last in range(1, 9))


def test_every_rule_of_a_row_loses_what_its_first_loses(kernel: Lab) -> None:
    """Lint shows the witness of the first and counts the others: the kernel judges each."""
    rules = f"*filter\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n{BLOCKED}COMMIT\n"
    (ruleset,) = parse_rulesets(rules, "rules")
    settings = Settings(SysctlSet(), NEWEST)
    chains = ChainStore(ruleset, Facts())
    strandings = examine(chains, Role.CLIENT, settings).strandings
    (row,) = in_rows(strandings, ruleset)
    assert len(row.alike) == 7
    assert {str(each.cause) for each in strandings} == {str(row.cause), *map(str, row.alike)}
    witnesses = Witnesses(chains, settings)
    for stranding in strandings:
        witness = witnesses.witness(stranding)
        answers = of_packets(kernel.play(scenario_from_json(witness.scenario)).packets)
        assert all(answer.delivered for answer in answers[:3])
        for wanted in witness.expect:
            assert answers[wanted["packet"]].delivered is wanted["delivered"]
        last = answers[witness.expect[-1]["packet"]]
        assert not last.delivered
        assert last.rules is not None
        assert last.rules[-1] == str(stranding.cause)


@pytest.mark.corpus
@DUMPS
def test_witnesses_of_real_dumps(dump: Path, kernel: Lab) -> None:
    for finding in findings(host_of_dump(dump, kernel)):
        replay(finding, kernel)


def replay(finding: Finding, kernel: Lab, backend: Backend | None = None) -> None:
    """Play the finding's witness, if it has one, and compare every expected answer."""
    witness = finding.witness
    if witness is None:
        assert finding.role is None, "a finding about packets has a witness"
        return
    # What comes before the first packet of which something is expected comes through.
    first = min(wanted["packet"] for wanted in witness.expect)
    answers = opened_by(kernel, witness.scenario, first, backend)
    opened = all(answer.delivered for answer in answers[:first])
    if finding.confidence is Confidence.CERTAIN:
        assert opened, answers[:first]
    if not opened:
        # It hangs on a match that ctlint does not decide: here it was false.
        return
    for wanted in expected_here(witness):
        answer = answers[wanted["packet"]]
        where = finding.rule, finding.role, finding.location.text, answer
        assert answer.ctstate == wanted["ctstate"], where
        if "delivered" in wanted:
            assert answer.delivered is wanted["delivered"], where
        if "as" in wanted:
            (out,) = [one for one in answer.out if one.is_same]
            came = (out.src, out.sport, out.dst, out.dport)
            # A port that is null may be any.
            wished = zip(came, wanted["as"], strict=True)
            assert all(part in (one, None) for one, part in wished), where
        if "rules" in wanted and answer.rules is not None:
            assert list(answer.rules) == wanted["rules"], where


def opened_by(
    kernel: Lab, scenario: Mapping[str, Any], packets: int, backend: Backend | None = None
) -> list[PacketAnswer]:
    """The answers to a scenario that begins with so many packets that should come through.

    It is played once more where one does not: with the addresses of the play before, which are
    taken away, the kernel flushes masqueraded entries, from a queue that may come late
    (nf_nat_masquerade.c, iterate_cleanup_work).
    """
    answers: list[PacketAnswer] = []
    for _ in range(2):
        try:
            played = kernel.play(scenario_from_json(scenario), backend)
        except CannotLoadError as error:
            pytest.skip(f"the real restore refuses the rules: {error}")
        answers = of_packets(played.packets)
        if all(answer.delivered for answer in answers[:packets]):
            break
    return answers


def expected_here(witness: Witness) -> list[Mapping[str, Any]]:
    """What the witness of a fault of another kernel expects of this one: what the model says of
    this one, where the two differ in the packet's ctstate.
    """
    here = profile(platform.release())
    if witness.scenario.get("kernel") == here.name:
        return list(witness.expect)
    played = of_packets(play(scenario_from_json(witness.scenario), here).packets)
    expected: list[Mapping[str, Any]] = []
    for wanted in witness.expect:
        model = played[wanted["packet"]]
        if model.ctstate == wanted["ctstate"] or model.delivered is None:
            # What the model leaves open it does not say otherwise.
            expected.append(wanted)
        else:
            told = {"ctstate": model.ctstate, "delivered": model.delivered}
            expected.append({"packet": wanted["packet"], **told})
    return expected


def of_packets(answers: tuple[PacketAnswer | OpAnswer, ...]) -> list[PacketAnswer]:
    return [answer for answer in answers if isinstance(answer, PacketAnswer)]


# Everything that the analysis looked at


@PAGES
@pytest.mark.parametrize("heading", ["Bad", "Good"])
def test_connections_of_examples(info: RuleInfo, heading: str, kernel: Lab) -> None:
    assert judge(host_of_page(example(info, heading)), kernel) > 0


@VARIANTS
def test_connections_of_the_incident(last: str, kernel: Lab) -> None:
    assert judge(host(f"{INCIDENT}{last}COMMIT\n", INCIDENT_SYSCTL), kernel) > 0


@pytest.mark.corpus
@DUMPS
def test_connections_of_real_dumps(dump: Path, kernel: Lab) -> None:
    judge(host_of_dump(dump, kernel), kernel)


def judge(one: Host, kernel: Lab) -> int:
    """Play the connections of every role; tells how many there were."""
    settings = Settings(one.sysctls, NEWEST)
    count = 0
    for ruleset in one.rulesets:
        firewall = {
            "ruleset6" if ruleset.family is Family.IPV6 else "ruleset": print_ruleset(ruleset),
            "sysctls": {"tcp_loose": settings.value(TCP_LOOSE)},
        }
        chains = ChainStore(ruleset, one.facts)
        for role in Role:
            cases = examine(chains, role, settings).cases
            if len(cases) > MOST_CASES:
                cases = random.Random(ruleset.file).sample(cases, MOST_CASES)
            for case in cases:
                judge_case(case, chains, settings, firewall, kernel)
            count += len(cases)
    return count


def judge_case(
    case: Case, chains: ChainStore, settings: Settings, firewall: dict[str, Any], kernel: Lab
) -> None:
    """The whole of one connection: opening it, then each packet without an entry."""
    # The server first: it sends to where it saw the client last.
    later = [(sender, kind) for sender in (Dir.REPLY, Dir.ORIGINAL) for kind in Kind]
    packets = CONVERSATION + [first_packet(sender, kind) for sender, kind in later]
    scenario = {**firewall, **stage(case.connection), "packets": packets}
    answers = opened_by(kernel, scenario, len(CONVERSATION))
    opening, rest = answers[: len(CONVERSATION)], answers[len(CONVERSATION) :]
    if case.confidence is Confidence.CERTAIN:
        assert all(answer.delivered for answer in opening), (case.connection, opening)
    lost = {(one.sender, one.kind): one for one in case.lost}
    if case.connection.translated is not None:
        judge_translated(case, opening[-1], dict(zip(later, rest, strict=True)))
        return
    for (sender, kind), answer in zip(later, rest, strict=True):
        where = case.connection, sender, kind, answer
        if (sender, kind) in case.passed:
            assert answer.delivered, where
        elif (sender, kind) in lost and lost[sender, kind].nature is Nature.TRANSLATION:
            assert not arrives(sender, answer, opening[-1]), where
        elif (sender, kind) in lost:
            assert not answer.delivered, where
            if answer.ctstate is not None:
                assert answer.ctstate == lost[sender, kind].ctstate.name, where
        fate = first_after_expiry(
            chains,
            case.connection,
            sender,
            kind,
            loose=settings.value(TCP_LOOSE) != 0,
            kernel=NEWEST,
        )
        # What NAT translates is followed no further.
        if fate.is_exact and not fate.translated:
            assert answer.rules is not None
            # What the packets of REJECT matched stands behind.
            is_rejected = any(end.disposition is Disposition.REJECTED for end in fate.ends)
            rules = answer.rules[: len(fate.matched)] if is_rejected else answer.rules
            assert list(rules) == fate.matched, where


def judge_translated(
    case: Case, opened: PacketAnswer, answers: dict[tuple[Dir, Kind], PacketAnswer]
) -> None:
    """What is lost of a connection that NAT translates, and what arrives."""
    if case.confidence is not Confidence.CERTAIN:
        return
    lost = {(one.sender, one.kind) for one in case.lost}
    for (sender, kind), answer in answers.items():
        where = case.connection, sender, kind, answer
        if (sender, kind) in lost:
            assert not arrives(sender, answer, opened), where
        if (sender, kind) in case.passed:
            assert arrives(sender, answer, opened), where


def arrives(sender: Dir, answer: PacketAnswer, opened: PacketAnswer) -> bool:
    """Whether the other end knows the packet: by the addresses of the entry that it had."""
    assert opened.entry is not None
    ends = {Dir.ORIGINAL: opened.entry.orig, Dir.REPLY: opened.entry.reply}
    src, sport, dst, dport = ends[sender]
    seen = (dst, dport, src, sport) if answer.entry is None else answer.entry.reply
    return answer.delivered is True and seen == ends[sender.other]


def first_packet(sender: Dir, kind: Kind) -> dict[str, Any]:
    name, seq, ack = NEXT[sender]
    packet = {
        "dir": name,
        "flags": kind.flags.letters,
        "seq": seq,
        "ack": ack,
        "win": 502,
        "expire": True,
    }
    if kind is Kind.DATA:
        packet["len"] = 1
    return packet
