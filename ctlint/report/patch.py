# SPDX-License-Identifier: GPL-2.0-only
"""The fixes of a run as a unified diff, which ``patch -p0`` and ``git apply -p0`` apply.

Lines of files stand in it as they were read, byte for byte; what is said of them stands above the
diff, where both programs pass over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from ctlint.finding import Edit, Finding, Fix
from ctlint.report.escape import visible

CONTEXT: Final = 3
"""Lines around a change."""

STANDARD_INPUT: Final = "-"
STANDARD_INPUT_NAME: Final = "stdin"
_NO_NEWLINE: Final = "\\ No newline at end of file\n"


class _Applied(Protocol):
    @property
    def fix(self) -> Fix: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...


class _LeftOut(Protocol):
    @property
    def finding(self) -> Finding: ...
    @property
    def why(self) -> str: ...


class _FilePatch(Protocol):
    @property
    def file(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def edits(self) -> tuple[Edit, ...]: ...


class Fixes(Protocol):
    """What is printed: see :class:`ctlint.lint.fixing.Patch`."""

    @property
    def files(self) -> Sequence[_FilePatch]: ...
    @property
    def applied(self) -> Sequence[_Applied]: ...
    @property
    def left_out(self) -> Sequence[_LeftOut]: ...
    @property
    def gone(self) -> Sequence[Finding]: ...
    @property
    def left(self) -> Sequence[Finding]: ...
    @property
    def made(self) -> Sequence[Finding]: ...


def render_patch(fixes: Fixes) -> str:
    """The diff with its header. Bytes that were no UTF-8 are lone surrogates in it."""
    head = "".join(f"# {line}\n" for line in _header(fixes))
    return head + "".join(render_diff(each.file, each.text, each.edits) for each in fixes.files)


# What is said


def _header(fixes: Fixes) -> Iterator[str]:
    total = len(fixes.gone) + len(fixes.left)
    if not fixes.files:
        yield f"no fix: {_count(total, 'finding')}, and no edit that was checked helps"
    else:
        yield (
            f"{_count(total, 'finding')}: {len(fixes.gone)} gone with this patch, "
            f"{len(fixes.left)} left, {len(fixes.made)} new"
        )
        yield from _how_to_apply(fixes.files)
    for applied in fixes.applied:
        weigh = "" if applied.fix.is_safe else "weigh it: "
        yield visible(f"{_names(applied.findings)}: {weigh}{applied.fix.description}")
    why = {left_out.finding.fingerprint: left_out.why for left_out in fixes.left_out}
    for finding in fixes.left:
        reason = why.get(finding.fingerprint, "its fix is not enough")
        yield visible(f"left: {_name(finding)}, {finding.severity.value}: {reason}")
    for finding in fixes.made:
        yield visible(f"new: {_name(finding)}, {finding.severity.value}: {finding.message}")


def _how_to_apply(files: Sequence[_FilePatch]) -> Iterator[str]:
    names = [each.file for each in files]
    if STANDARD_INPUT in names:
        yield f"{STANDARD_INPUT_NAME} is standard input: patch FILE < PATCH"
    elif any(name.startswith("/") for name in names):
        yield "nothing was changed; to apply it: patch -d / -p0 < PATCH"
    else:
        yield "nothing was changed; to apply it: patch -p0 < PATCH, or git apply -p0 PATCH"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _names(findings: Sequence[Finding]) -> str:
    """Findings at one place by their roles."""
    names: dict[tuple[str, str, int], list[str]] = {}
    for each in findings:
        where = each.rule, each.location.file, each.location.line
        names.setdefault(where, []).extend([each.role.value] if each.role else [])
    return "; ".join(
        f"{rule} {file}:{line}" + (f" ({', '.join(roles)})" if roles else "")
        for (rule, file, line), roles in names.items()
    )


def _name(finding: Finding) -> str:
    return _names([finding])


# The diff


class _Change(NamedTuple):
    """Lines to replace: the first from 0, how many go, and what comes."""

    at: int
    delete: int
    insert: tuple[str, ...]


def render_diff(file: str, text: str, edits: Iterable[Edit]) -> str:
    """The unified diff of one file; ``edits`` are in the order of its lines."""
    lines = text.split("\n")
    ends_open = lines[-1] != ""
    if not ends_open:
        lines.pop()
    changes = list(_changes(edits, lines))
    name = file_name(file)
    parts = [f"--- {name}\n+++ {name}\n"]
    shift = 0
    for group in _groups(changes):
        start = max(group[0].at - CONTEXT, 0)
        stop = min(group[-1].at + group[-1].delete + CONTEXT, len(lines))
        added = sum(len(change.insert) for change in group)
        removed = sum(change.delete for change in group)
        size = stop - start
        new_size = size + added - removed
        parts.append(f"@@ -{_range(start, size)} +{_range(start + shift, new_size)} @@\n")
        parts += _hunk(lines, group, start, stop, ends_open=ends_open)
        shift += added - removed
    return "".join(parts)


def _changes(edits: Iterable[Edit], lines: Sequence[str]) -> Iterator[_Change]:
    for edit in edits:
        at = edit.line - 1
        neighbour = lines[min(at, len(lines) - 1)] if lines else ""
        end = "\r" if neighbour.endswith("\r") else ""
        yield _Change(at, edit.delete, tuple(f"{line}{end}" for line in edit.insert))


def _groups(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes that stand in one hunk, since their contexts touch."""
    group: list[_Change] = []
    for change in changes:
        if group and change.at - (group[-1].at + group[-1].delete) > 2 * CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(
    lines: Sequence[str], group: Sequence[_Change], start: int, stop: int, *, ends_open: bool
) -> Iterator[str]:
    at = start
    for change in group:
        for number in range(at, change.at):
            yield _line(" ", lines, number, ends_open=ends_open)
        for number in range(change.at, change.at + change.delete):
            yield _line("-", lines, number, ends_open=ends_open)
        at = change.at + change.delete
        is_last = ends_open and change.delete and at == len(lines)
        for number, line in enumerate(change.insert, 1):
            yield f"+{line}\n"
            if is_last and number == len(change.insert):
                yield _NO_NEWLINE
    for number in range(at, stop):
        yield _line(" ", lines, number, ends_open=ends_open)


def _line(sign: str, lines: Sequence[str], number: int, *, ends_open: bool) -> str:
    end = _NO_NEWLINE if ends_open and number == len(lines) - 1 else ""
    return f"{sign}{lines[number]}\n{end}"


def _range(start: int, size: int) -> str:
    """A range as diff writes it: an empty one stands behind a line."""
    return f"{start if size == 0 else start + 1},{size}"


def file_name(file: str) -> str:
    """A name as patch and git read it; relative, for they refuse others."""
    if file == STANDARD_INPUT:
        return STANDARD_INPUT_NAME
    name = file.lstrip("/")
    if all(char.isprintable() and char not in '"\\' for char in name):
        # Behind a tab comes the time, so a name with blanks ends there.
        return f"{name}\t" if " " in name else name
    octets = name.encode("utf-8", "surrogateescape")
    return '"' + "".join(map(_quoted, octets)) + '"'


def _quoted(octet: int) -> str:
    char = chr(octet)
    if char in '"\\':
        return f"\\{char}"
    return char if 0x20 <= octet < 0x7F else f"\\{octet:03o}"
