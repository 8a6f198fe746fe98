# SPDX-License-Identifier: GPL-2.0-only
"""What can be done about a finding: its checked fix, a permission with a reason, its page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from lsprotocol.types import (
    CodeAction,
    CodeActionKind,
    Command,
    Diagnostic,
    OptionalVersionedTextDocumentIdentifier,
    Range,
    TextDocumentEdit,
    TextEdit,
    WorkspaceEdit,
)

from ctlint.finding import Edit, Finding, Fix
from ctlint.lint.editing import edited, read_again
from ctlint.lint.fixing import LEAKS, Applied, chosen_fixes, edits_by_file
from ctlint.lint.registry import shipped_rules
from ctlint.lsp.diagnostics import Reporter
from ctlint.lsp.positions import Places
from ctlint.parse.words import WORD
from ctlint.report.causes import findings_by_place
from ctlint.report.escape import visible
from ctlint.wire.addresses import Family

OPEN_PAGE: Final = "ctlint.openRulePage"
"""The command that shows the page of the rule that is its argument."""

FIX_ALL: Final = "source.fixAll.ctlint"
REASON: Final = "TODO: say why"
"""What stands where a person has to give a reason."""

_JUMP: Final = re.compile(r"-j|-g|--jump$|--goto$")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class OpenFile(NamedTuple):
    """A file as the client names it, its version there (None: it is not open), and its places."""

    uri: str
    version: int | None
    places: Places


class Actions:
    """Makes code actions. ``files`` gives a file by its name, None where its text is not known."""

    def __init__(
        self,
        files: Callable[[str], OpenFile | None],
        reporter: Reporter,
        *,
        has_versions: bool,
        shows_pages: bool,
    ) -> None:
        self._files = files
        self._reporter = reporter
        self._has_versions = has_versions
        self._shows_pages = shows_pages

    def at(self, findings: Sequence[Finding], name: str, where: Range) -> Iterator[CodeAction]:
        """The actions for what was found in a range of a document."""
        for group in findings_by_place(findings):
            if group[0].location.file != name:
                continue
            diagnostic = self._reporter.of_findings(group)
            if _touch(diagnostic.range, where):
                yield from self._of_findings(group, diagnostic)

    def fix_all(self, findings: Sequence[Finding], name: str) -> CodeAction | None:
        """The safe fixes of a document that go together; None where there are none."""
        safe = [
            finding
            for finding in findings
            if finding.fix is not None and finding.fix.is_safe and finding.location.file == name
        ]
        chosen, _ = chosen_fixes(safe)
        edits = edits_by_file(chosen)
        families = {each.location.file: each.family for each in safe if each.family is not None}
        edit = self._workspace_edit(edits)
        if edit is None or not all(self._is_read(file, edits, families) for file in edits):
            return None
        number = len(chosen)
        title = f"ctlint: make {number} safe fix{'' if number == 1 else 'es'}"
        return CodeAction(title, FIX_ALL, edit=edit)

    def _of_findings(
        self, group: Sequence[Finding], diagnostic: Diagnostic
    ) -> Iterator[CodeAction]:
        first = group[0]
        fixes = dict.fromkeys(finding.fix for finding in group if finding.fix is not None)
        for fix in fixes:
            edit = self._workspace_edit(edits_by_file([Applied(fix, ())]))
            if edit is not None:
                yield CodeAction(
                    _title(fix),
                    CodeActionKind.QuickFix,
                    [diagnostic],
                    fix.is_safe,
                    edit=edit,
                )
        for title, allow in permissions(first, self._files(first.location.file)):
            edit = self._workspace_edit({first.location.file: (allow,)})
            if edit is not None:
                yield CodeAction(title, CodeActionKind.QuickFix, [diagnostic], edit=edit)
        if self._shows_pages and diagnostic.code_description is not None:
            title = f"open the page of {first.rule}"
            command = Command(title, OPEN_PAGE, arguments=[first.rule])
            yield CodeAction(title, CodeActionKind.QuickFix, [diagnostic], command=command)

    def _is_read(
        self, name: str, edits: Mapping[str, Sequence[Edit]], families: Mapping[str, Family]
    ) -> bool:
        """Whether a file of rules can be read with its edits: each is right by itself."""
        file = self._files(name)
        if file is None or name not in families:
            return file is not None
        return bool(read_again(edited(file.places.text, edits[name]), name, families[name]))

    def _workspace_edit(self, edits: Mapping[str, Sequence[Edit]]) -> WorkspaceEdit | None:
        """The edits as the client makes them; None where there are none, or where one concerns a
        file that is not known, or holds octets that are no text.
        """
        found: list[tuple[OpenFile, list[TextEdit]]] = []
        for name, several in edits.items():
            file = self._files(name)
            changes = (
                [] if file is None else [text_edit(file.places, each) for each in in_order(several)]
            )
            if file is None or any(_SURROGATE.search(change.new_text) for change in changes):
                return None
            found.append((file, changes))
        if not found:
            return None
        if not self._has_versions:
            return WorkspaceEdit({file.uri: changes for file, changes in found})
        return WorkspaceEdit(
            document_changes=[
                TextDocumentEdit(
                    OptionalVersionedTextDocumentIdentifier(file.uri, file.version), list(changes)
                )
                for file, changes in found
            ]
        )


def text_edit(places: Places, edit: Edit) -> TextEdit:
    """An edit of whole lines as :func:`ctlint.lint.editing.edited` makes it."""
    text = places.text
    lines = places.lines
    first = min(edit.line, lines + 1)
    behind = min(first + edit.delete, lines + 1)
    neighbour = _whole_line(places, min(first, lines)) or _whole_line(places, max(first - 1, 1))
    end = "\r" if neighbour.endswith("\r") else ""
    new = [f"{line}{end}" for line in edit.insert]
    start, stop = places.start(first), places.start(behind)
    if behind <= lines:
        said = "".join(f"{line}\n" for line in new)
    elif first > lines or not new:
        # Behind a last line without its end, or without that end from now on.
        said = "".join(f"\n{line}" for line in new)
        start -= 1 if first <= lines and first > 1 else 0
    else:
        said = "\n".join(new)
    assert start <= stop <= len(text)
    return TextEdit(Range(places.position(start), places.position(stop)), said)


def _whole_line(places: Places, line: int) -> str:
    return places.text[places.start(line) : places.start(line + 1)].removesuffix("\n")


def in_order(edits: Sequence[Edit]) -> list[Edit]:
    """The edits of a file as clients want those of one place: what is inserted, then what is
    replaced. Of what is inserted at one line the last edit comes first, as ``edited`` has it.
    """
    numbered = sorted(
        enumerate(edits), key=lambda each: (each[1].line, each[1].delete > 0, -each[0])
    )
    return [edit for _, edit in numbered]


def permissions(finding: Finding, file: OpenFile | None) -> Iterator[tuple[str, Edit]]:
    """The comments that allow a finding, each with what it is called (docs/suppression.md)."""
    where = finding.location
    known = {info.id for info in shipped_rules() if info.check is not None}
    if file is None or finding.rule not in known:
        return
    line = file.places.line_text(where.line)
    if not line.strip() or line.lstrip().startswith(("#", ";")):
        return
    said = f"ctlint: allow {finding.rule} because {REASON}"
    if where.position is not None and "\n" not in where.text:
        new = _with_comment(line, said)
        yield f"allow {finding.rule} here, in the rule", Edit(where.file, where.line, 1, (new,))
    above = Edit(where.file, where.line, 0, (f"# {said}",))
    yield f"allow {finding.rule} here, in a line above", above


def _with_comment(rule: str, said: str) -> str:
    """The rule with a comment before its target."""
    at = next((found.start() for found in WORD.finditer(rule) if _JUMP.match(found[0])), len(rule))
    head, tail = rule[:at].rstrip(" \t"), rule[at:]
    return f'{head} -m comment --comment "{said}"{" " if tail else ""}{tail}'


def _title(fix: Fix) -> str:
    weigh = "" if fix.is_safe else "weigh it: "
    leaks = f"{LEAKS}: " if fix.leaks else ""
    return f"{weigh}{leaks}{visible(fix.description)}"


def _touch(one: Range, other: Range) -> bool:
    return one.start <= other.end and other.start <= one.end
