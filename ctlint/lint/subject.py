# SPDX-License-Identifier: GPL-2.0-only
"""One rule set and what was found out about it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

from ctlint.analysis.circumstances import UNTOLD, Circumstances
from ctlint.analysis.common import Common
from ctlint.analysis.exposure import Exposure, exposure
from ctlint.analysis.likeness import in_rows
from ctlint.analysis.location import cause_location
from ctlint.analysis.losses import Case, Cause, RoleReport, Stranding
from ctlint.analysis.reach import Shadows, shadows
from ctlint.analysis.remedy import Remedies, Remedy
from ctlint.analysis.replay import Replays
from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import DisagreementError, examine
from ctlint.analysis.untranslated import Router
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Fix, Location, Role
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset, Table
from ctlint.lint.allowing import NOTHING_ALLOWED, HostAllowing
from ctlint.lint.editing import RuleEditor
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.parse.ipset_text import NO_SETS, SavedSets


class Subject:
    """One rule set with what it runs under, and what was found out about it so far. ``siblings``
    are the other rule sets of its host.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        settings: Settings,
        facts: Facts,
        circumstances: Circumstances = UNTOLD,
        saved_sets: SavedSets = NO_SETS,
        texts: Mapping[str, str] = MappingProxyType({}),
        allowing: HostAllowing = NOTHING_ALLOWED,
    ) -> None:
        self.ruleset = ruleset
        self.settings = settings
        self.circumstances = circumstances
        self.chains = ChainStore(ruleset, facts)
        self.witnesses = Witnesses(self.chains, settings, saved_sets)
        self.replays = Replays(self.witnesses, self.chains, settings)
        self.texts = texts
        self._allowing = allowing
        roles = tuple(role for role in Role if circumstances.has_role(role))
        self.remedies = Remedies(self.chains, settings, self.report, roles)
        self._reports: dict[Role, RoleReport] = {}
        self._common = Common(self.chains)
        self._endless: EndlessWalkError | None = None
        self.router = Router(self.chains, settings, self.witnesses, self._cases)
        self.siblings: tuple[Subject, ...] = ()
        self.shadows: dict[str, Shadows] = {}
        """What is known of tables that were asked about; see shadows_in."""

    def report(self, role: Role) -> RoleReport:
        """What the rules do to connections in which the host has this role.

        Raises EndlessWalkError, and AnalysisFault where the analysis contradicts itself.
        """
        if self._endless is not None:
            raise self._endless
        if role not in self._reports:
            try:
                self._reports[role] = examine(self.chains, role, self.settings, self._common)
            except EndlessWalkError as error:
                self._endless = error
                raise
            except DisagreementError as error:
                raise self.replays.fault(error) from error
        return self._reports[role]

    def shadows_in(self, table: Table) -> Shadows:
        """The rules of a table that are shadowed."""
        if table.name not in self.shadows:
            self.shadows[table.name] = shadows(self.ruleset, table)
        return self.shadows[table.name]

    @property
    def reports(self) -> tuple[RoleReport, ...]:
        """The reports of all roles that the host has."""
        return tuple(self.report(role) for role in Role if self.circumstances.has_role(role))

    def _cases(self) -> Iterator[Case]:
        """All connections that were looked at."""
        for report in self.reports:
            yield from report.cases

    @cached_property
    def rows(self) -> tuple[list[Stranding], ...]:
        """The strandings of each role, those of rules in a row as one. Raises EndlessWalkError."""
        return tuple(
            in_rows(report.strandings, self.ruleset, self.apart) for report in self.reports
        )

    def apart(self, cause: Cause) -> Hashable:
        """What keeps a rule out of findings about several rules: None unless something is allowed
        at it, which then speaks for it alone.
        """
        if not isinstance(cause, RuleRef):
            return None
        return self._allowing.apart(self.ruleset.file, cause)

    def together(self, refs: Iterable[RuleRef]) -> Collection[Sequence[RuleRef]]:
        """Rules that one finding is about: all, but for those at which something is allowed."""
        groups: dict[Hashable, list[RuleRef]] = {}
        for ref in refs:
            groups.setdefault(self.apart(ref), []).append(ref)
        return groups.values()

    def further(self, causes: Sequence[Cause]) -> tuple[int, ...]:
        """The lines of the rules behind the first, where something is allowed at each of them."""
        if not causes or self.apart(causes[0]) is None:
            return ()
        return tuple(cause.rule.line for cause in causes[1:] if isinstance(cause, RuleRef))

    def fix(self, remedy: Remedy) -> Fix | None:
        """The remedy as edits of the input, where it is a change of the rules."""
        if not remedy.changes or self._editor is None:
            return None
        edits = self._editor.edits(remedy.changes)
        return Fix(remedy.what, edits, remedy.is_safe, remedy.leaks) if edits else None

    @cached_property
    def _editor(self) -> RuleEditor | None:
        text = self.texts.get(self.ruleset.file)
        return None if text is None else RuleEditor(self.ruleset, text)

    def location(self, cause: Cause) -> Location:
        """Where a rule or policy stands."""
        return cause_location(self.ruleset, cause)

    @cached_property
    def exposure(self) -> Exposure:
        """How likely entries are to go before their connections do."""
        return exposure(self.settings, self.circumstances)
