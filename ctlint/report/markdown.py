# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint lint`` as Markdown, for a comment on a pull request or the summary of a
job: a table of the findings, and the details of each to unfold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ctlint.finding import Finding, LintResult, Location, Severity
from ctlint.report.causes import Cause, causes, group_by_place
from ctlint.report.fix_lines import fix_lines
from ctlint.report.ladder_text import plain_ladder
from ctlint.report.markdown_text import (
    MOST_CHARACTERS,
    code_block,
    code_span,
    html_text,
    in_cell,
    markdown_text,
)
from ctlint.report.places import (
    RELATED_SHOWN,
    Item,
    hosts_of,
    known_of,
    losses_of,
    place_of,
    related_of,
    remedies_of,
    roles_of,
    say_allowed,
    say_left_out,
    say_rest,
    say_undecided,
    split_code,
    split_messages,
)
from ctlint.report.sentence import (
    say_count,
    say_facts,
    say_found,
    say_gone,
    say_place,
    say_scope,
)
from ctlint.report.witness_ladder import say_stage, witness_ladder

_FOR_TABLE: Final = MOST_CHARACTERS // 3
_FOR_LISTS: Final = MOST_CHARACTERS // 10
_LINE_SHOWN: Final = 500
"""Characters of a line of an input, or of a message in the table."""

_LADDER_ROOM: Final = 66

Block = list[str]
"""Lines that stand together; an empty line stands before each block."""


def render_markdown(result: LintResult) -> str:
    """The result with a final newline, in at most MOST_CHARACTERS characters. What has no room is
    counted.
    """
    groups = group_by_place(causes(result))
    found = say_found(result, sum(map(len, groups)))
    head = [[f"## ctlint: {found}"], [markdown_text(say_scope(result))], *_left_out(result)]
    tail = _tail(result)
    room = MOST_CHARACTERS - _size(head) - _size(tail)
    table = _table(groups)
    room -= _size(table)
    blocks = [*head, *table, *_details(groups, room), *tail]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks if block)


def _size(blocks: Iterable[Block]) -> int:
    """Characters of blocks, with the line ends and the empty line before each."""
    return sum(1 + sum(len(line) + 1 for line in block) for block in blocks)


# The table


def _table(groups: Sequence[Sequence[Cause]]) -> list[Block]:
    if not groups:
        return []
    lines = ["| severity | rule | where | what happens |", "| --- | --- | --- | --- |"]
    room = _FOR_TABLE
    for number, group in enumerate(groups):
        line = _table_row(group)
        room -= len(line) + 1
        if room < 0:
            more = Counter(each[0].lead.severity for each in groups[number:])
            counts = ", ".join(f"{more[each]} {each.value}" for each in Severity if more[each])
            return [lines, [f"and {len(groups) - number} more places ({counts})"]]
        lines.append(line)
    return [lines]


def _table_row(here: Sequence[Cause]) -> str:
    group = [cause.lead for cause in here]
    first = group[0]
    own, shared = split_messages([finding.message for finding in group])
    messages = [*dict.fromkeys(own), *([shared] if shared else [])]
    known = roles_of(group)
    if len(hosts := here[0].hosts) > 1:
        known.append(f"{len(hosts):,} hosts")
    where = in_cell(code_span(_cut(f"{first.location.file}:{first.location.line}")))
    place = say_place(first.location)
    said = f"({', '.join(known)})" if known else ""
    cells = (
        _strong(first.severity),
        markdown_text(first.rule),
        " ".join(filter(None, (where, markdown_text(place), said))),
        markdown_text(_cut("; ".join(messages))),
    )
    return f"| {' | '.join(cells)} |"


def _strong(severity: Severity) -> str:
    return severity.value if severity is Severity.NOTE else f"**{severity.value}**"


def _cut(text: str) -> str:
    return text if len(text) <= _LINE_SHOWN else f"{text[: _LINE_SHOWN - 1]}…"


# The details


def _details(groups: Sequence[Sequence[Cause]], room: int) -> list[Block]:
    """The details of as many places as there is room for, the first ones first."""
    found: list[Block] = []
    rest = f"The details of {len(groups)} more places have no room here."
    room -= len(rest) + 2
    for number, group in enumerate(groups):
        blocks = list(_detail(group))
        room -= _size(blocks)
        if room < 0:
            left = len(groups) - number
            return [*found, [f"The details of {left} more places have no room here."]]
        found += blocks
    return found


def _detail(here: Sequence[Cause]) -> Iterator[Block]:
    group = [cause.lead for cause in here]
    first = group[0]
    where = first.location
    title = f"{first.severity.value} {first.rule} {first.name} ({', '.join(known_of(group))})"
    yield [
        "<details>",
        f"<summary>{html_text(title)}: <code>{html_text(_cut(place_of(where)))}</code></summary>",
    ]
    if said := say_place(where):
        yield [markdown_text(said)]
    if where.text:
        yield code_block([_cut(where.text)])
    yield _items(hosts_of(here))
    own, shared = split_messages([finding.message for finding in group])
    for finding, message in zip(group, own, strict=True):
        yield from _case(finding, message, is_one=len(group) == 1)
    if shared:
        yield _items([Item("in each case", shared)])
    yield from _related(related_of(group))
    yield _items(remedies_of(group))
    yield from _fixes(group)
    yield ["</details>"]


def _case(finding: Finding, message: str, *, is_one: bool) -> Iterator[Block]:
    """What happens for one role, with the timeline that shows it."""
    role = finding.role.value if finding.role and not is_one else ""
    label = f"what happens ({role})" if role else "what happens"
    ladder = witness_ladder(finding.witness) if finding.witness else None
    items = [Item(label, message), *losses_of(finding)]
    if ladder is not None:
        items.append(Item("witness", say_stage(ladder)))
    yield _items(items)
    if ladder is not None:
        client, server = f"client {ladder.client}", f"server {ladder.server}"
        head = f"{client}{server:>{_LADDER_ROOM + 4 - len(client)}}"
        yield code_block([head, *plain_ladder(ladder.rows, _LADDER_ROOM)])


def _items(items: Sequence[Item]) -> Block:
    return [f"- **{markdown_text(item.label)}:** {_sentence(item.text)}" for item in items]


def _sentence(text: str) -> str:
    """A sentence; the rules in it stand as code."""
    return "".join(
        code_span(part) if is_code else _with_blanks(part) for part, is_code in split_code(text)
    )


def _with_blanks(text: str) -> str:
    """A part of a sentence, with the blank before and behind it."""
    before, behind = (" " if text[at:][:1] == " " else "" for at in (0, -1))
    return f"{before}{markdown_text(text)}{behind}" if text.strip() else before


def _related(places: Sequence[Location]) -> Iterator[Block]:
    lines = [
        f"- {markdown_text(place.message or 'see also')}: {code_span(place_of(place))} "
        f"{code_span(_cut(place.text))}".rstrip()
        for place in places[:RELATED_SHOWN]
    ]
    if rest := say_rest(places, RELATED_SHOWN, ""):
        lines.append(f"- {rest} places")
    yield lines


def _fixes(group: Sequence[Finding]) -> Iterator[Block]:
    """The fixes, each once."""
    seen = set()
    for finding in group:
        if finding.fix is not None and finding.fix.edits not in seen:
            seen.add(finding.fix.edits)
            weigh = "" if finding.fix.is_safe else " (weigh it)"
            yield [f"**fix{weigh}:** {_sentence(finding.fix.description)}"]
            yield code_block(fix_lines(finding), "diff")


# What is said of the whole run


def _left_out(result: LintResult) -> list[Block]:
    lines = say_left_out(result)
    lead = f"**Not looked at:** {say_count(len(lines), 'input')}"
    return [[lead], _bounded(lines)] if lines else []


def _tail(result: LintResult) -> list[Block]:
    blocks = []
    if undecided := say_undecided(result.undecided):
        lead = "**Not decided**, could change what is said above:"
        blocks += [[lead], _bounded(undecided)]
    if allowed := say_allowed(result.findings):
        blocks += _folded("suppressed", allowed)
    if result.baseline is not None and (gone := say_gone(result.baseline)):
        blocks += _folded("in the baseline, and gone (write it again)", gone)
    told = [say_facts(result), f"configuration: {result.config}" if result.config else ""]
    return [*blocks, *([_cut_text(each)] for each in told if each)]


def _cut_text(text: str) -> str:
    return markdown_text(_cut(text))


def _folded(title: str, lines: Sequence[str]) -> list[Block]:
    summary = f"<summary>{title} ({len(lines)})</summary>"
    return [["<details>", summary], _bounded(lines), ["</details>"]]


def _bounded(lines: Sequence[str]) -> Block:
    """A list of as many lines as there is room for."""
    shown: Block = []
    room = _FOR_LISTS
    for number, line in enumerate(lines):
        item = f"- {_cut_text(line)}"
        room -= len(item) + 1
        if room < 0:
            return [*shown, f"- and {len(lines) - number} more"]
        shown.append(item)
    return shown
