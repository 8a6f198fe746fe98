# SPDX-License-Identifier: GPL-2.0-only
"""Witnesses, played on the model before anybody sees them: what they expect must come."""

from __future__ import annotations

from typing import Any, NamedTuple

from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.settings import Settings
from ctlint.analysis.stage import HANDSHAKE, as_scenario, stage
from ctlint.analysis.stranding import DisagreementError
from ctlint.analysis.witness import Witnesses, reachable
from ctlint.finding import Confidence, Finding, Witness
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.tern import Tern
from ctlint.parse.printer import print_ruleset
from ctlint.scenario.check import Miss, check
from ctlint.scenario.play import Player
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family


class _Ready(NamedTuple):
    chains: ChainStore
    rules: RuleIndex


class _Missed(NamedTuple):
    packet: int
    miss: Miss


class Replays:
    """Plays the witnesses of one rule set.

    Its rules are taken as they were read: a witness's text is not parsed. What it takes to walk
    through them is kept for the witnesses that follow on the same chains.
    """

    def __init__(self, witnesses: Witnesses, chains: ChainStore, settings: Settings) -> None:
        self._witnesses = witnesses
        self._chains = chains
        self._settings = settings
        self._ready: dict[tuple[str, Tern], _Ready] = {}

    def require(self, finding: Finding) -> bool:
        """See that the witness of a finding, if it has one, shows what the finding says. False: it
        does not, for what is not decided of all packets is of these, and the finding is none.

        Raises AnalysisFault where it does not. What a match that ctlint does not decide leaves open
        is no fault, but a certain finding must be shown whatever such matches say. Where it is not
        decided whether the connection can be opened, the one that the witness tries may be one that
        cannot: what a rule asks of more than addresses and ports is decided for its packets alone,
        and may lead them to where no packet is simulated.
        """
        witness = finding.witness
        if witness is None:
            return True
        expect = expectations(witness)
        try:
            misses = self._misses(witness, expect, Tern.UNKNOWN)
        except AnalysisFault:
            if finding.confidence is Confidence.POSSIBLE:
                return True
            raise
        missed = [one for one in misses if not one.miss.is_open]
        if finding.confidence is Confidence.CERTAIN and len(missed) < len(misses):
            for assumed in (Tern.FALSE, Tern.TRUE):
                misses = self._misses(witness, expect, assumed)
                missed += [one for one in misses if not one.miss.is_open]
        opening = len(expect) - len(witness.expect)
        if finding.confidence is Confidence.POSSIBLE:
            return not missed or any(one.packet < opening for one in missed)
        if missed:
            first = missed[0]
            raise AnalysisFault(
                f"{finding.rule}: its witness does not show what it says: packet "
                f"{first.packet}: expected {first.miss.expected}, got {first.miss.got}",
                witness.scenario,
                expect,
                [
                    {"packet": packet, "expected": miss.expected, "got": miss.got}
                    for packet, miss in missed
                ],
            )
        return True

    def _misses(
        self, witness: Witness, expect: list[dict[str, Any]], assumed: Tern
    ) -> list[_Missed]:
        """What of the expectations does not come where every undecided match says so."""
        try:
            scenario = as_scenario({**witness.scenario, "expect": expect})
            text = scenario.ruleset or scenario.ruleset6
            ready = self._ready_for(text, assumed)
            family = scenario.topology.family
            chains = {} if ready is None else {family: ready.chains}
            index = RuleIndex([], family) if ready is None else ready.rules
            player = Player(scenario, self._settings.kernel, chains=chains)
            checked = check(scenario, map(player.step, scenario.steps), index)
        except ScenarioError as error:
            raise AnalysisFault(
                f"a witness cannot be played: {error}", witness.scenario, expect, str(error)
            ) from error
        return [
            _Missed(unmet.expectation.packet, miss)
            for unmet in checked.unmet
            for miss in unmet.misses
        ]

    def _ready_for(self, text: str, assumed: Tern) -> _Ready | None:
        key = text, assumed
        if key not in self._ready:
            ruleset = self._witnesses.rulesets.get(text)
            if ruleset is None:
                return None
            chains = self._chains.of_part(ruleset, assumed)
            self._ready[key] = _Ready(chains, RuleIndex([ruleset], ruleset.family))
        return self._ready[key]

    def fault(self, error: DisagreementError) -> AnalysisFault:
        """The same with the connection as a scenario: opening it."""
        connection = error.connection
        ruleset = self._chains.ruleset
        with_nat = connection.translated is not None
        paths = {connection.ends(sender).path for sender in Dir} if not with_nat else set(Path)
        key = "ruleset6" if ruleset.family is Family.IPV6 else "ruleset"
        scenario = {
            "kernel": self._settings.kernel.name,
            key: print_ruleset(reachable(ruleset, paths, with_nat=with_nat)),
            **stage(connection),
            "packets": HANDSHAKE,
        }
        return AnalysisFault(str(error), scenario, error.expected, error.got)


def opens_under(witness: Witness, chains: ChainStore, kernel: KernelProfile) -> bool:
    """Whether other rules, too, let the packets through, for certain, with which the witness opens
    its connection.
    """
    first = min((one["packet"] for one in witness.expect), default=0)
    opening = [{"packet": number, "delivered": True} for number in range(first)]
    try:
        scenario = as_scenario({**witness.scenario, "expect": opening})
        family = scenario.topology.family
        player = Player(scenario, kernel, chains={family: chains})
        index = RuleIndex([chains.ruleset], family)
        return not check(scenario, map(player.step, scenario.steps), index).unmet
    except ScenarioError:
        return False


def expectations(witness: Witness) -> list[dict[str, Any]]:
    """What a witness expects, and that the packets before its first expectation come through: they
    open the connection.
    """
    expect = [dict(one) for one in witness.expect]
    first = min((one["packet"] for one in expect), default=0)
    return [{"packet": number, "delivered": True} for number in range(first)] + expect
