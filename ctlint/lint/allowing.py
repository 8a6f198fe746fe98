# SPDX-License-Identifier: GPL-2.0-only
"""Which findings are allowed and by whom, and which permissions had an effect:
docs/suppression.md.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from ctlint.finding import (
    AllowedBy,
    Confidence,
    Finding,
    Location,
    Severity,
    Suppressed,
    bare_text,
)
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.suppression import MARK, Written, continued_lines, in_comments, in_rules


@dataclass(frozen=True, slots=True)
class Allow:
    """An entry ``[[allow]]`` of the configuration, for the inputs that it is given with.

    ``table``, ``chain`` and ``text`` (a line without counters) narrow it; None does not.
    """

    allows: tuple[str, ...]
    reason: str
    place: Location
    table: str | None = None
    chain: str | None = None
    text: str | None = None

    def covers(self, location: Location) -> bool:
        """Whether it speaks of findings at this place."""
        return (
            self.table in (None, location.table)
            and self.chain in (None, location.chain)
            and self.text in (None, bare_text(location.text))
        )

    def may_concern(self, rulesets: Iterable[Ruleset]) -> bool:
        """Whether a host has the table and the chain that it names."""
        if self.table is None and self.chain is None:
            return True
        return any(
            self.table in (None, table.name) and (self.chain is None or self.chain in table.chains)
            for ruleset in rulesets
            for table in ruleset.tables.values()
        )


@dataclass(slots=True, eq=False)
class Use:
    """A permission, the ids of its rules that were asked, and of those that it had an effect on.
    ``rules`` are the ids of all rules that were asked where it stands.
    """

    source: Written | Allow
    rules: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    @property
    def idle(self) -> tuple[str, ...]:
        """The ids that it allows and that had no finding, though their rules were asked."""
        return tuple(
            each for each in self.source.allows if each in self.rules and each not in self.used
        )

    def add(self, other: Use) -> None:
        """Takes what became of the same permission elsewhere."""
        self.rules |= other.rules
        self.used |= other.used

    def suppressed(self, rule: str) -> Suppressed:
        """Takes note that a finding of the rule is allowed, and says so."""
        self.used.add(rule)
        source = self.source
        if isinstance(source, Allow):
            return Suppressed(AllowedBy.CONFIG, source.reason, source.place.file, source.place.line)
        return Suppressed(source.by, source.wording.reason, source.place.file, source.place.line)


class Uses(NamedTuple):
    """The permissions that stand in files, by the file's name, and those of the configuration."""

    files: Mapping[str, Sequence[Use]]
    entries: Sequence[Use]


class HostAllowing:
    """The permissions of one host."""

    def __init__(self, lines: Mapping[tuple[str, int], Sequence[Use]], entries: Sequence[Use]):
        self._lines = lines
        self._entries = entries

    def judged(self, finding: Finding) -> Finding:
        """The finding, marked where it is allowed."""
        where = finding.location
        found = [
            use
            for use in (*self._lines.get((where.file, where.line), ()), *self._covering(where))
            if finding.rule in use.source.allows
        ]
        if not found:
            return finding
        marks = [use.suppressed(finding.rule) for use in found]
        for line in finding.further:
            for use in self._lines.get((where.file, line), ()):
                if finding.rule in use.source.allows:
                    use.suppressed(finding.rule)
        return replace(finding, suppressed=marks[0])

    def apart(self, file: str, ref: RuleRef) -> Hashable:
        """What keeps a rule apart from others that are alike: None where nothing is allowed there,
        and equal for rules for which the same is allowed with the same words.
        """
        said = tuple(
            (use.source.allows, use.source.wording.reason)
            for use in self._lines.get((file, ref.rule.line), ())
            if isinstance(use.source, Written)
        )
        if not self._entries:
            return said or None
        place = Location(file, ref.rule.line, 1, 1, ref.table, ref.chain, text=ref.rule.text)
        return (*said, *map(id, self._covering(place))) or None

    def _covering(self, where: Location) -> Iterator[Use]:
        for use in self._entries:
            if isinstance(use.source, Allow) and use.source.covers(where):
                yield use


NOTHING_ALLOWED: Final = HostAllowing({}, ())


class Allowing:
    """The permissions of a run, and what became of them."""

    def __init__(self, rules: Iterable[RuleInfo]) -> None:
        self.ids = {word: info.id for info in rules for word in (info.id, info.name)}
        self._files: dict[str, list[Use]] = {}
        self._entries: dict[Allow, Use] = {}

    def of_host(
        self,
        rulesets: Sequence[Ruleset],
        sysctls: SysctlSet,
        texts: Mapping[str, str],
        entries: Iterable[Allow],
        asked: Iterable[str],
    ) -> HostAllowing:
        """The permissions in the files of a host, and the entries of the configuration for it.

        ``asked`` are the ids of the rules that are asked of it.
        """
        ids = frozenset(asked)
        files = dict.fromkeys(ruleset.file for ruleset in rulesets)
        files.update(dict.fromkeys(each.file for run in sysctls.runs for each in run.files))
        lines: dict[tuple[str, int], list[Use]] = {}
        for file in files:
            if file not in self._files:
                self._files[file] = list(self._read(file, rulesets, texts.get(file)))
            for use in self._files[file]:
                use.rules |= ids
                if isinstance(use.source, Written) and use.source.allows:
                    lines.setdefault((file, use.source.line), []).append(use)
        found = []
        for entry in entries:
            use = self._entries.setdefault(entry, Use(entry))
            found.append(use)
            if entry.may_concern(rulesets):
                use.rules |= ids
        return HostAllowing(lines, found) if lines or found else NOTHING_ALLOWED

    def _read(self, file: str, rulesets: Sequence[Ruleset], text: str | None) -> Iterator[Use]:
        if text is not None and MARK not in text:
            return
        for ruleset in rulesets:
            if ruleset.file == file:
                yield from map(Use, in_rules(ruleset, self.ids))
        if text is not None:
            data = continued_lines(rulesets, file)
            yield from map(Use, in_comments(file, text, data, self.ids))

    @property
    def uses(self) -> Uses:
        """The permissions and what became of them so far."""
        return Uses(self._files, tuple(self._entries.values()))

    def take(self, uses: Uses) -> None:
        """Adds what became of permissions elsewhere; those that are known already are the same."""
        for file, found in uses.files.items():
            here = self._files.setdefault(file, [])
            known = {use.source: use for use in here}
            for use in found:
                if use.source not in known:
                    known[use.source] = Use(use.source)
                    here.append(known[use.source])
                known[use.source].add(use)
        for use in uses.entries:
            if isinstance(use.source, Allow):
                self._entries.setdefault(use.source, Use(use.source)).add(use)

    def view(self, info: RuleInfo) -> RunView:
        """The permissions of those files and entries of which a rule is asked."""
        uses = [use for file in self._files.values() for use in file]
        uses += self._entries.values()
        known = tuple(self.ids)
        return RunView(info, tuple(use for use in uses if info.id in use.rules), known)


class RunView(NamedTuple):
    """What a rule about permissions looks at, when all others have spoken. ``known`` are the ids
    and names of all rules.
    """

    info: RuleInfo
    uses: Sequence[Use]
    known: Sequence[str]

    @property
    def written(self) -> Iterator[Written]:
        """The permissions that stand in comments."""
        for use in self.uses:
            if isinstance(use.source, Written):
                yield use.source

    def finding(self, place: Location, severity: Severity, message: str, remedy: str) -> Finding:
        """A finding at a permission."""
        return Finding(
            rule=self.info.id,
            name=self.info.name,
            severity=severity,
            confidence=Confidence.CERTAIN,
            message=message,
            remedy=remedy,
            location=place,
        )
