# SPDX-License-Identifier: GPL-2.0-only
"""Findings as reports for people show them: of those at one place what holds for all is said once.

The results hold untrusted text as it stands in the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ctlint.finding import Finding, LintResult, Location, Undecided
from ctlint.report.causes import Cause
from ctlint.report.sentence import (
    say_chain,
    say_hosts,
    say_packet,
    say_packets,
    say_stranded,
    say_suppressed,
)

PACKETS_SHOWN: Final = 6
"""How many further groups of packets of one finding are named; the rest is counted."""

RELATED_SHOWN: Final = 4
"""How many related places of one finding are shown; the rest is counted."""

UNDECIDED_SHOWN: Final = 10
"""How many kinds of undecided matches are listed; the rest is counted."""

PLACES_SHOWN: Final = 3
"""How many places of one kind of undecided match are named; the rest is counted."""

FULL_SHOWN: Final = 10
"""How many places of one rule are shown in full; the rest is shown in short."""


class Item(NamedTuple):
    """Something that is said of a finding, under its label."""

    label: str
    text: str


def split_messages(messages: Sequence[str]) -> tuple[list[str], str]:
    """What each message says for itself, and the clauses at their end that all have.

    Of one message, and of the first clause of each, nothing is shared.
    """
    clauses = [message.split("; ") for message in messages]
    most = min(len(parts) for parts in clauses) - 1 if len(messages) > 1 else 0
    shared = 0
    while shared < most and len({parts[-1 - shared] for parts in clauses}) == 1:
        shared += 1
    own = ["; ".join(parts[: len(parts) - shared]) for parts in clauses]
    return own, "; ".join(clauses[0][len(clauses[0]) - shared :])


def split_code(text: str) -> list[tuple[str, bool]]:
    """A sentence in parts, and whether each is code: what stands between backticks is, where they
    come in pairs.
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return [(text, False)]
    return [(part, bool(number % 2)) for number, part in enumerate(parts)]


def known_of(group: Sequence[Finding]) -> list[str]:
    """How sure the findings are, for which roles and which family: certain, client, IPv4."""
    known = list(dict.fromkeys(each.confidence.value for each in group))
    known += roles_of(group)
    family = group[0].family
    return [*known, f"IPv{family.value}"] if family else known


def roles_of(group: Sequence[Finding]) -> list[str]:
    """The roles of findings that have one."""
    return [each.role.value for each in group if each.role]


def place_of(location: Location) -> str:
    """FILE:LINE:COLUMN."""
    return f"{location.file}:{location.line}:{location.column}"


def losses_of(finding: Finding) -> list[Item]:
    """What one finding says of packets and sockets."""
    items = []
    if finding.packet:
        # What has no entry never comes to the table nat, where the cause may stand.
        is_seen = finding.packet.ctstate != "INVALID" or finding.location.table != "nat"
        chain = say_chain(finding.location) if is_seen else ""
        items.append(Item("packet", say_packet(finding.packet) + (f" in {chain}" if chain else "")))
    further = say_packets([kind for kind in finding.packets if kind != finding.packet])
    if further:
        said = "; ".join(further[:PACKETS_SHOWN]) + say_rest(further, PACKETS_SHOWN, "; ")
        items.append(Item("also lost", said))
    if stranded := say_stranded(finding):
        items.append(Item("stranded", stranded))
    if finding.ports:
        items.append(Item("ports", ", ".join(finding.ports)))
    return items


def remedies_of(group: Sequence[Finding]) -> list[Item]:
    """The remedies, each once; where roles need different ones, for which it is."""
    remedies: dict[str, list[str]] = {}
    for finding in group:
        if finding.remedy:
            remedies.setdefault(finding.remedy, []).extend(roles_of([finding]))
    return [
        Item(f"help ({', '.join(roles)})" if len(remedies) > 1 and roles else "help", remedy)
        for remedy, roles in remedies.items()
    ]


def related_of(group: Sequence[Finding]) -> list[Location]:
    """The places that the findings name, each once."""
    return list(dict.fromkeys(place for finding in group for place in finding.related))


def hosts_of(group: Sequence[Cause]) -> list[Item]:
    """On which hosts the causes are found, where there are several. These may differ in what is
    lost: then it is said of which host that is.
    """
    hosts = group[0].hosts
    if len(hosts) < 2:
        return []
    items = [Item(*say_hosts(hosts))]
    if not all(cause.is_uniform for cause in group):
        items.append(Item("what follows is of", hosts[0]))
    return items


def say_left_out(result: LintResult) -> list[str]:
    """The inputs of which nothing is said, a line each with the first trouble."""
    lines = []
    for skipped in result.skipped:
        first = str(skipped.troubles[0])
        named = first if skipped.host in first else f"{skipped.host}: {first}"
        lines.append(named + say_rest(skipped.troubles, 1, "; "))
    return lines


def say_undecided(undecided: Sequence[Undecided]) -> list[str]:
    """What was not decided, a line for each match and reason with the places where it stands."""
    groups: dict[tuple[str, str], list[Location]] = {}
    for what in undecided:
        groups.setdefault((what.match, what.why), []).append(what.location)
    return say_kinds(
        [(f"{match}: {why}" if match else why, places) for (match, why), places in groups.items()]
    )


def say_kinds(kinds: Sequence[tuple[str, Sequence[Location]]]) -> list[str]:
    """Kinds of what was not decided, a line each with the first places where it stands."""
    lines = []
    for said, places in kinds[:UNDECIDED_SHOWN]:
        named = [f"{place.file}:{place.line}" for place in places[:PLACES_SHOWN]]
        lines.append(f"{said} ({', '.join(named)}{say_rest(places, PLACES_SHOWN, ' ')})")
    if rest := say_rest(kinds, UNDECIDED_SHOWN, ""):
        lines.append(f"{rest} kinds")
    return lines


def say_allowed(findings: Sequence[Finding]) -> list[str]:
    """The findings that are suppressed, a line each with the reason and its place."""
    return [
        f"{each.severity.value} {each.rule} {place_of(each.location)}"
        + (f" ({each.role.value})" if each.role else "")
        + f": {say_suppressed(why)}"
        for each in findings
        if (why := each.suppressed) is not None
    ]


def say_rest(items: Sequence[object], shown: int, separator: str) -> str:
    """`and 3 more` of items of which so many are shown; "" where all are."""
    return f"{separator}and {len(items) - shown} more" if len(items) > shown else ""
