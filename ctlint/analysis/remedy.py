# SPDX-License-Identifier: GPL-2.0-only
"""Remedies, checked: the rule set with the remedy in place is asked again.

What is said of a remedy is found by comparing the rule sets before and after: which packets of the
finding pass then, which are still lost and to what, which other findings it takes away, and what
else it lets through. A proposal that helps nothing is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ctlint.analysis.losses import Kind, RoleReport, Stranding, Survey
from ctlint.analysis.opening import WHOSE, Opening, in_words, joined
from ctlint.analysis.proposal import Proposal, proposals
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stranding import examine
from ctlint.analysis.trial import Outcome, Packet, Trial, openings_of_loose
from ctlint.analysis.variant import Change
from ctlint.finding import Role
from ctlint.headerspace.space import TooLargeError
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Path
from ctlint.parse.printer import print_rule

MAX_RULES: Final = 5_000
"""A larger rule set is not asked again."""

MAX_ASKED: Final = 100_000
"""Rules that all trials of a rule set may ask: a bound on time, some seconds."""


class Remedy(NamedTuple):
    """What to do about a finding. ``changes`` were checked, and ``what`` says what they do; without
    any, nothing was, or nothing helps. ``is_safe``: they let through no more than FIN and RST that
    open no connection, none of which NAT should have translated; ``leaks``: some of these leave
    as they are.
    """

    text: str
    changes: tuple[Change, ...] = ()
    what: str = ""
    is_safe: bool = False
    leaks: bool = False


class Remedies:
    """Finds the remedies of one rule set."""

    def __init__(
        self,
        chains: ChainStore,
        settings: Settings,
        report: Callable[[Role], RoleReport],
        roles: Sequence[Role] = tuple(Role),
    ) -> None:
        self._chains = chains
        self._settings = settings
        self._report = report
        self._roles = roles
        self._trials: dict[tuple[Change, ...], Trial] = {}
        self._openings: dict[tuple[Change, ...], tuple[Opening, ...]] = {}

    def remedy(self, stranding: Stranding) -> Remedy | None:
        """The narrowest change of the rules that helps most; None where none does."""
        offered = list(proposals(stranding, self._chains.ruleset))
        if not offered:
            return None
        why = "the rule set is too large to be asked again"
        if self._chains.ruleset.rule_count > MAX_RULES or self._report(stranding.role).was_sampled:
            return self._unchecked(offered[0], why)
        best: tuple[Proposal, Trial, Outcome] | None = None
        try:
            for proposal in offered:
                if best is not None and proposal.is_last:
                    break
                if sum(trial.asked for trial in self._trials.values()) > MAX_ASKED:
                    return self._unchecked(offered[0], "asking again would take too long")
                trial = self._trial(proposal.changes)
                outcome = trial.outcome(stranding, self._report(stranding.role))
                if len(outcome.passing) > (len(best[2].passing) if best else 0):
                    best = proposal, trial, outcome
                if not outcome.left:
                    break
            if best is None:
                return None
            return self._told(stranding, *best)
        except TooLargeError:
            return self._unchecked(offered[0], why)

    def of_loose(self, role: Role) -> str:
        """What nf_conntrack_tcp_loose=1 does beside picking up connections, in words: which causes
        lose nothing more for the role, which are new, and what else it lets through. Empty where
        the rules are too many to be asked again.
        """
        if self._chains.ruleset.rule_count > MAX_RULES:
            return ""
        loose = self._settings.replaced(TCP_LOOSE, 1)
        before = {each.cause for each in self._report(role).strandings}
        after = [each.cause for each in examine(self._chains, role, loose).strandings]
        gone = [str(cause) for cause in before if cause not in after]
        made = [str(cause) for cause in after if cause not in before]
        parts = [f"{joined(sorted(gone))} then loses nothing more"] if gone else []
        parts += [f"{joined(sorted(made))} then loses packets that get as far"] if made else []
        surveys = self._surveys()
        try:
            found = list(openings_of_loose(surveys, self._settings.kernel))
        except TooLargeError:
            found = []
        openings = _without_loopback(found)
        if openings:
            where = [surveys[WHOSE[opening.path]].sweeper.coordinates for opening in openings]
            parts.append(f"it lets {in_words(openings, where)}")
        return "; ".join(parts)

    def _trial(self, changes: tuple[Change, ...]) -> Trial:
        if changes not in self._trials:
            self._trials[changes] = Trial(self._chains, self._settings, changes)
        return self._trials[changes]

    def _unchecked(self, proposal: Proposal, why: str) -> Remedy:
        return Remedy(f"{proposal.what} (not checked: {why}){self._rules(proposal)}")

    def _rules(self, proposal: Proposal) -> str:
        family = self._chains.ruleset.family
        rules = joined([f"`{print_rule(rule, family)}`" for rule in proposal.accepts])
        return f": {rules}" if rules else ""

    def _told(
        self, stranding: Stranding, proposal: Proposal, trial: Trial, outcome: Outcome
    ) -> Remedy:
        openings = self._opened(trial)
        parts = [f"{proposal.what} (checked: {_solved(outcome)}){self._rules(proposal)}"]
        parts += self._not_enough(stranding, trial, outcome)
        parts += self._solved_too(stranding, trial)
        surveys = self._surveys()
        what = proposal.what
        if openings:
            where = [surveys[WHOSE[opening.path]].sweeper.coordinates for opening in openings]
            lets = f"it lets {in_words(openings, where)}"
            parts.append(lets)
            what = f"{what}; {lets}"
        if not outcome.is_whole:
            parts.append("what else it lets through was not looked at")
        untranslated: list[Path] = []
        for path, fate in _UNTRANSLATED.items():
            refs = [ref for each in openings if each.path is path for ref in each.translated]
            if refs:
                untranslated.append(path)
                names = joined(list(dict.fromkeys(map(str, refs))))
                parts.append(f"of connections that {names} translates they {fate}")
        only_closes = all(
            ctstate is CtState.INVALID and name in ("FIN", "RST")
            for each in openings
            for ctstate, name in each.kinds
        )
        safe = only_closes and not untranslated and outcome.is_whole
        leaks = any(path is not Path.IN for path in untranslated)
        return Remedy("; ".join(parts), proposal.changes, what, safe, leaks)

    def _surveys(self) -> dict[Role, Survey]:
        reports = ((role, self._report(role).survey) for role in Role)
        return {role: survey for role, survey in reports if survey is not None}

    def _opened(self, trial: Trial) -> tuple[Opening, ...]:
        if trial.changes not in self._openings:
            found = list(trial.openings(self._surveys()))
            self._openings[trial.changes] = _without_loopback(found)
        return self._openings[trial.changes]

    def _not_enough(self, stranding: Stranding, trial: Trial, outcome: Outcome) -> Iterator[str]:
        for packet in outcome.passing:
            if packet.kind is Kind.FIN and _is_lost_of_case(stranding, packet):
                cause = trial.loses_ack(stranding, packet)
                if cause is not None:
                    yield f"alone it is not enough, {cause} loses the ACK of that FIN"
                    return

    def _solved_too(self, stranding: Stranding, trial: Trial) -> Iterator[str]:
        """Other findings about the same role, or of the same cause, that it takes away."""
        roles: list[str] = []
        causes: list[str] = []
        row = (stranding.cause, *stranding.alike)
        for role in self._roles:
            report = self._report(role)
            if report.survey is None:
                continue
            for other in report.strandings:
                has_cause = other.cause in row
                if (role is stranding.role) is has_cause or not trial.mends(other, report.survey):
                    continue
                if has_cause:
                    roles += [role.value] if role.value not in roles else []
                else:
                    causes.append(str(other.cause))
        if roles:
            yield f"it mends this for the role {joined(roles)} too"
        if causes:
            yield f"it mends what {joined(causes)} loses too"


def _without_loopback(found: Sequence[Opening]) -> tuple[Opening, ...]:
    """Without what passes over lo, where what may come from elsewhere says it all."""
    told = {each.kinds for each in found if each.path is not Path.LOOPBACK}
    return tuple(each for each in found if each.path is not Path.LOOPBACK or each.kinds not in told)


_UNTRANSLATED: Final = {
    Path.FORWARD: "leave with their private address: dropping INVALID is needed there",
    Path.OUT: "leave untranslated: dropping INVALID is needed there",
    Path.IN: "reach the host itself, which answers with a RST",
}
"""What becomes of packets without an entry on paths that NAT translates, measured on 6.18."""


def _is_lost_of_case(stranding: Stranding, packet: Packet) -> bool:
    return any((x.sender, x.kind) == packet for x in stranding.case.lost)


def _solved(outcome: Outcome) -> str:
    """What becomes of the packets of the finding, in words."""
    passing = _names(outcome.passing)
    of_tried = "" if outcome.is_whole else " of the connections that were tried"
    may = "pass then" if outcome.is_certain else "may pass then, as undecided matches will have it"
    if not outcome.left:
        if not outcome.is_certain:
            return f"nothing{of_tried} is lost here for certain then"
        return f"all packets{of_tried} that are lost here pass then"
    causes = dict.fromkeys(str(cause) for some in outcome.left.values() for cause in some)
    return f"{passing}{of_tried} {may}, {_names(outcome.left)} stay lost to {joined(list(causes))}"


_NAMES: Final = {Kind.FIN: "FIN", Kind.RST: "RST", Kind.ACK: "ACK", Kind.DATA: "data"}


def _names(packets: Iterable[Packet]) -> str:
    return joined(list(dict.fromkeys(_NAMES[packet.kind] for packet in packets)))
