# SPDX-License-Identifier: GPL-2.0-only
"""All fixes of a run together: a copy of the inputs with them, and what lint says of that copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ctlint.finding import Edit, Finding, Fix, LintResult
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.editing import edited, read_again
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.parse.sysctl import parse_sysctl
from ctlint.wire.addresses import Family


class Applied(NamedTuple):
    """A fix of the patch, and the findings that it was made for."""

    fix: Fix
    findings: tuple[Finding, ...]


class LeftOut(NamedTuple):
    """A finding whose fix is not in the patch, or that has none, and why."""

    finding: Finding
    why: str


class FilePatch(NamedTuple):
    """A file as it was read, and the edits of it in the order of its lines."""

    file: str
    text: str
    edits: tuple[Edit, ...]

    @property
    def edited(self) -> str:
        """The text with the edits."""
        return edited(self.text, self.edits)


class Patch(NamedTuple):
    """What a run would change. ``gone`` are the findings that the copy does not have any more,
    ``left`` those that it still has (with their severity there), ``made`` those that are new.
    """

    files: tuple[FilePatch, ...]
    applied: tuple[Applied, ...]
    left_out: tuple[LeftOut, ...]
    gone: tuple[Finding, ...]
    left: tuple[Finding, ...]
    made: tuple[Finding, ...]


LEAKS: Final = "it would let through what NAT should have translated"
NO_FIX: Final = "no edit that was checked helps"
CONFLICT: Final = "its lines are changed by another fix"


def patch(
    result: LintResult,
    hosts: Iterable[Host],
    kernel: KernelProfile,
    rules: Sequence[RuleInfo],
    *,
    persona: Persona = Persona.REGULAR,
) -> Patch:
    """Put together the fixes of a run, and run lint again on a copy with them. The hosts are those
    of the run; they are gone through twice.
    """
    chosen, left_out = chosen_fixes(result.findings)
    wanted = edits_by_file(chosen)
    texts: dict[str, str] = {}
    families: dict[str, Family] = {}
    for host in hosts:
        texts.update({file: text for file, text in host.texts.items() if file in wanted})
        families.update({ruleset.file: ruleset.family for ruleset in host.rulesets})
    files: list[FilePatch] = []
    for file, edits in wanted.items():
        each = FilePatch(file, texts[file], edits)
        if file not in families or read_again(each.edited, file, families[file]):
            files.append(each)
            continue
        # Fixes that are right each by itself may not be so together.
        dropped = [one for one in chosen if any(edit.file == file for edit in one.fix.edits)]
        chosen = [one for one in chosen if one not in dropped]
        left_out += [LeftOut(finding, CONFLICT) for one in dropped for finding in one.findings]
    before = [finding for finding in result.findings if finding.suppressed is None]
    if not files:
        return Patch((), (), tuple(left_out), (), tuple(before), ())
    changed = {each.file: each.edited for each in files}
    after = lint(
        (_changed(host, changed) for host in hosts), kernel, rules, persona=persona
    ).findings
    now = {finding.fingerprint: finding for finding in after if finding.suppressed is None}
    then = {finding.fingerprint for finding in result.findings}
    return Patch(
        tuple(files),
        tuple(chosen),
        tuple(left_out),
        tuple(finding for finding in before if finding.fingerprint not in now),
        tuple(
            replace(finding, severity=now[finding.fingerprint].severity)
            for finding in before
            if finding.fingerprint in now
        ),
        tuple(finding for key, finding in now.items() if key not in then),
    )


def chosen_fixes(findings: Iterable[Finding]) -> tuple[list[Applied], list[LeftOut]]:
    """The fixes that go together, in the order of the findings."""
    chosen: dict[tuple[Edit, ...], Applied] = {}
    left_out: list[LeftOut] = []
    for finding in findings:
        fix = finding.fix
        if finding.suppressed is not None:
            continue
        if fix is None:
            left_out.append(LeftOut(finding, NO_FIX))
        elif fix.leaks:
            left_out.append(LeftOut(finding, LEAKS))
        elif fix.edits in chosen:
            known = chosen[fix.edits]
            chosen[fix.edits] = known._replace(findings=(*known.findings, finding))
        elif any(_collide(edit, other) for edit in fix.edits for other in _edits(chosen)):
            left_out.append(LeftOut(finding, CONFLICT))
        else:
            chosen[fix.edits] = Applied(fix, (finding,))
    return _without_narrower(chosen), left_out


def edits_by_file(chosen: Iterable[Applied]) -> dict[str, tuple[Edit, ...]]:
    """The edits of each file in the order of its lines, each once."""
    found: dict[str, dict[Edit, None]] = {}
    for applied in chosen:
        for edit in applied.fix.edits:
            found.setdefault(edit.file, {})[edit] = None
    return {
        file: tuple(sorted(edits, key=lambda edit: (edit.line, edit.delete)))
        for file, edits in found.items()
    }


def _edits(chosen: Mapping[tuple[Edit, ...], Applied]) -> Iterator[Edit]:
    for edits in chosen:
        yield from edits


def _collide(one: Edit, other: Edit) -> bool:
    """Whether both cannot be made. Lines may come before a line that goes."""
    if one == other or one.file != other.file:
        return False
    if not one.delete and not other.delete:
        # At one line two rules by number would shift each other.
        both = (*one.insert, *other.insert)
        return one.line == other.line and any(_BY_NUMBER.match(line) for line in both)
    if not one.delete or not other.delete:
        point, lines = (one, other) if not one.delete else (other, one)
        return lines.line < point.line < lines.line + lines.delete
    return one.line < other.line + other.delete and other.line < one.line + one.delete


def _without_narrower(chosen: Mapping[tuple[Edit, ...], Applied]) -> list[Applied]:
    """Without fixes whose rules another fix at the same line makes needless."""
    kept = dict(chosen)
    for edits in chosen:
        wider = next(
            (
                other
                for other in kept
                if other != edits and all(_covered(edit, other) for edit in edits)
            ),
            None,
        )
        if wider is not None:
            taken = kept.pop(edits).findings
            kept[wider] = kept[wider]._replace(findings=(*kept[wider].findings, *taken))
    return list(kept.values())


def _covered(edit: Edit, others: Iterable[Edit]) -> bool:
    """Whether edits take whatever the rules of this one would, at the same line."""
    wider = [
        _conditions(rule)
        for other in others
        if not other.delete and (other.file, other.line) == (edit.file, edit.line)
        for rule in other.insert
    ]
    return not edit.delete and all(
        any(conditions <= _conditions(rule) for conditions in wider) for rule in edit.insert
    )


_BY_NUMBER: Final = re.compile(r"(?:\[0:0\] )?-I \S+ [0-9]")
_CONDITION: Final = re.compile(r"(?:! )?--?[a-zA-Z][\w-]*(?: (?!! |-)\S+)*")


def _conditions(rule: str) -> set[str]:
    """What a rule of ours asks for: the fewer, the more packets it takes."""
    return set(_CONDITION.findall(rule))


def _changed(host: Host, changed: Mapping[str, str]) -> Host:
    """The host with other texts for some files."""
    rulesets = []
    seen: set[str] = set()
    for ruleset in host.rulesets:
        if ruleset.file not in changed:
            rulesets.append(ruleset)
        elif ruleset.file not in seen:
            seen.add(ruleset.file)
            rulesets += read_again(changed[ruleset.file], ruleset.file, ruleset.family)
    runs = [
        SysctlRun(
            tuple(
                parse_sysctl(changed[each.file], each.file) if each.file in changed else each
                for each in run.files
            )
        )
        for run in host.sysctls.runs
    ]
    texts = {**host.texts, **changed}
    return host.with_files(rulesets, SysctlSet(tuple(runs)), texts, host.name)
