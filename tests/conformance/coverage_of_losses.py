# SPDX-License-Identifier: GPL-2.0-only
"""Whether lint says of a rule set what the kernel does, and the kernel does what lint says.

A loss is covered by a finding of the connection's role that names the rule or policy which lost
the packet, the packet's kind and sender, and the service port. Where NAT translates the connection,
a finding at a rule that translates it will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ctlint.finding import Confidence, Finding, LintResult, Location, PacketKind, Role, Undecided
from ctlint.ir.rule import Target
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lab.lab import Backend, Lab
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import NOT_FOLLOWED, Host, lint
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.ipsets import address_sets, changed_sets
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import DIR_NAMES, Scenario, Send
from ctlint.wire.addresses import Family
from tests.conformance.closes import Loss, Place, asked, place_of

_TRANSLATING: Final = frozenset({"SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP"})
_NO_MATTER: Final = "no matter of expiry"


def ruleset_of(scenario: Scenario) -> Ruleset:
    """The one rule set of a scenario. Raises ParseError."""
    family = Family.IPV6 if scenario.ruleset6 else Family.IPV4
    (found,) = parse_rulesets(scenario.ruleset or scenario.ruleset6, "rules", family)
    return found


def lint_of(scenario: Scenario, ruleset: Ruleset, kernel: KernelProfile) -> LintResult:
    """What lint says of a scenario's rule set under its settings, its sets being known."""
    settings = SysctlSet()
    if scenario.sysctls:
        text = "".join(f"{name} = {value}\n" for name, value in scenario.sysctls.items())
        settings = SysctlSet((SysctlRun((parse_sysctl(text, "sysctl"),)),))
    sets = {}
    if scenario.ipsets:
        ipsets = parse_ipset_save(scenario.ipsets, "sets")
        sets = address_sets(ipsets, changed_sets([ruleset]))
    return lint([Host((ruleset,), settings, Facts(sets=sets))], kernel, shipped_rules())


# What the kernel lost


def covering(
    result: LintResult, role: Role, port: int, loss: Loss, translators: Iterable[Place]
) -> Finding | None:
    """The finding that tells of a loss; None where none does.

    One that is not certain may name another rule or policy: it says that some rule before that may
    lose the packet first.
    """
    places = {loss.place, *translators}
    sender, flags = DIR_NAMES[loss.packet.sender], loss.packet.flags.letters
    unsure = None
    for finding in result.findings:
        if not _has_role(finding, role) or not _has_port(finding, port):
            continue
        if not any(kind.dir == sender and kind.flags == flags for kind in finding.packets):
            continue
        if any(_place(where) in places for where in (finding.location, *finding.related)):
            return finding
        if finding.confidence is not Confidence.CERTAIN:
            unsure = finding
    return unsure


def _has_role(finding: Finding, role: Role) -> bool:
    """Lint does not know the host's addresses: it says that DNAT to one of them forwards."""
    if finding.rule == "CT111" and role is Role.SERVER:
        return finding.role in (role, Role.FORWARD)
    return finding.role is role


def _has_port(finding: Finding, port: int) -> bool:
    if not finding.ports:
        return True
    for text in finding.ports:
        low, _, high = text.partition(":")
        if int(low) <= port <= int(high or low):
            return True
    return False


def _place(where: Location) -> Place | None:
    if where.table is None or where.chain is None:
        return None
    return Place(where.table, where.chain, where.position)


def translators(ruleset: Ruleset, matched: Iterable[str]) -> Iterator[Place]:
    """The NAT rules among those that packets met."""
    for words in matched:
        place = place_of(words)
        if place is None or place.table != "nat" or place.position is None:
            continue
        chain = ruleset.chain(place.table, place.chain)
        target = chain.rules[place.position - 1].target if chain is not None else None
        if isinstance(target, Target) and target.name in _TRANSLATING:
            yield place


def admitted(
    result: LintResult, role: Role, loss: Loss, *, is_translated: bool
) -> Undecided | None:
    """What lint says it does not decide, where that may have decided a loss; None: nothing."""
    far = asked(loss.matched)
    for undecided in result.undecided:
        where, why = undecided.location, undecided.why
        if _NO_MATTER in why or (NOT_FOLLOWED in why and not is_translated):
            continue
        if where.table is not None and where.chain is not None:
            key = where.table, where.chain
            if key in far:
                end = far[key]
                if end is None or where.position is None or where.position <= end:
                    return undecided
        elif not why.startswith("role ") or why.startswith(f"role {role.value}:"):
            return undecided
    return None


# What lint said


class Claim(NamedTuple):
    """What a finding says of packets: its witness."""

    scenario: Mapping[str, Any]
    expect: Sequence[Mapping[str, Any]]

    @property
    def is_of_expiry(self) -> bool:
        """Whether a packet is lost because there is no entry any more."""
        return any(packet.get("expire") for packet in self.scenario["packets"])


def claim_of(finding: Finding) -> Claim | None:
    """What a finding says for certain; None where it says nothing of packets, or not for certain.

    Raises AssertionError for a finding about packets that has no witness.
    """
    if finding.confidence is not Confidence.CERTAIN or finding.packet is None:
        return None
    assert finding.witness is not None, finding
    witness = finding.witness
    return Claim(witness.scenario, witness.expect)


def refutation(
    claim: Claim, whole: Scenario, lab: Lab, backend: Backend | None = None
) -> str | None:
    """How the kernel does other than a finding says; None: it does as it says.

    Its witness is played as it is; under all rules that lint looked at, those of ``whole``; and so
    with the entry alive, when the packet must get through. Raises LabError, ScenarioError.
    """
    played = replace(scenario_from_json(claim.scenario), ipsets=whole.ipsets)
    answers = _play(played, lab, backend)
    if (found := _first_difference(claim.expect, answers)) is not None:
        return f"witness: {found}"
    of_all = replace(played, ruleset=whole.ruleset, ruleset6=whole.ruleset6)
    answers = _play(of_all, lab, backend)
    # Rules that no packet of the witness can reach are left out of it.
    partly = [{key: each[key] for key in each if key != "rules"} for each in claim.expect]
    if (found := _first_difference(partly, answers)) is not None:
        return f"under all of the rules: {found}"
    if not claim.is_of_expiry:
        return None
    steps = tuple(
        replace(step, expire=False) if isinstance(step, Send) else step for step in of_all.steps
    )
    answers = _play(replace(of_all, steps=steps), lab, backend)
    if not answers[-1].delivered:
        return f"lost with its entry alive: {_shown(answers)}"
    return None


def _play(scenario: Scenario, lab: Lab, backend: Backend | None) -> list[PacketAnswer]:
    played = lab.play(scenario, backend).packets
    return [answer for answer in played if isinstance(answer, PacketAnswer)]


def _first_difference(
    expect: Sequence[Mapping[str, Any]], answers: list[PacketAnswer]
) -> str | None:
    first = min((wanted["packet"] for wanted in expect), default=len(answers))
    if not all(answer.delivered for answer in answers[:first]):
        return f"the connection does not open: {_shown(answers)}"
    for wanted in expect:
        number = wanted["packet"]
        answer = answers[number]
        same = [[one.src, one.sport, one.dst, one.dport] for one in answer.out if one.is_same]
        got = {
            "ctstate": answer.ctstate,
            "delivered": answer.delivered,
            "rules": list(answer.rules or ()),
            "as": same[0] if same else None,
        }
        for key, value in wanted.items():
            if key == "as" and same:
                # A port that was drawn by lot may be any.
                pairs = zip(value, same[0], strict=True)
                got["as"] = [None if want is None else seen for want, seen in pairs]
            if key != "packet" and got[key] != value:
                return f"packet {number}: {key}: expected {value!r}, kernel {got[key]!r}"
    return None


def _shown(answers: list[PacketAnswer]) -> str:
    return "; ".join(
        f"{answer.ctstate} {'passes' if answer.delivered else 'lost'} {list(answer.rules or ())}"
        for answer in answers
    )


def kinds(packets: Iterable[PacketKind]) -> str:
    """Packets as a report names them."""
    return " ".join(f"{kind.dir}:{kind.flags}:{kind.ctstate}" for kind in packets)
