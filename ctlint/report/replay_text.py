# SPDX-License-Identifier: GPL-2.0-only
"""A replay for a terminal: the sums, what was left out, and the connections that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ctlint.analysis.capture.connection import Connection, Expiry
from ctlint.analysis.capture.played import Fate
from ctlint.model.conntrack.status import TcpCt
from ctlint.model.kernel.sysctls import SYSCTLS
from ctlint.report.page import Page, Piece
from ctlint.report.replay_result import Only, ReplayResult
from ctlint.report.replay_words import (
    FATE_WORDS,
    say_ends,
    say_moment,
    say_protocol,
    say_seconds,
    say_what,
)
from ctlint.scenario.rule_index import RuleIndex
from ctlint.wire.addresses import Family, format_end
from ctlint.wire.protocols import TCP

if TYPE_CHECKING:
    from rich.console import Console

_HEADING: Final = "bold"
_DIM: Final = "dim"
_BAD: Final = "bold red"
_OPEN: Final = "bold yellow"
_CTSTATES: Final = ("NEW", "ESTABLISHED", "RELATED", "UNTRACKED", "INVALID")
_STYLES: Final = {"INVALID": _BAD, Fate.UNDECIDED: _OPEN, Fate.PASSED: ""}
_CAUSES_SHOWN: Final = 20
_LABEL: Final = 13


def render_replay(
    result: ReplayResult,
    connections: Sequence[Connection],
    hidden: int,
    only: Only,
    *,
    console: Console,
) -> None:
    """Prints the sums, and the connections; ``hidden`` more were asked for, and are not shown."""
    page = _Report(console, result)
    page.heading()
    page.sums()
    page.connections(connections, hidden, only)
    page.flush()


class _Report(Page):
    def __init__(self, console: Console, result: ReplayResult) -> None:
        super().__init__(console)
        self.result = result
        self.has_rules = bool(result.firewall.rulesets)
        self.indices: dict[Family, RuleIndex] = {family: result.index(family) for family in Family}

    def row(self, label: str, *pieces: Piece) -> None:
        self.add_wrapped(*pieces, first=((f"{label:<{_LABEL}}", _HEADING),))

    def heading(self) -> None:
        result = self.result
        self.add_wrapped((result.file, _HEADING))
        firewall = result.firewall
        told = [f"kernel {firewall.kernel.name}"]
        told += [f"{SYSCTLS[name].short_name}={value}" for name, value in firewall.sysctls.items()]
        if not self.has_rules:
            told.append("no rules")
        self.add_wrapped((", ".join(told), _DIM))
        self.add()

    def sums(self) -> None:
        result, totals = self.result, self.result.totals
        if totals.first is not None:
            span = say_seconds(totals.last - totals.first)
            self.row("captured", f"{say_moment(totals.first)}, {span} in all")
        self.row("packets", f"{totals.packets:,} of {result.frames:,} frames")
        begun = f", {totals.midstream:,} that had begun before" if totals.midstream else ""
        self.row("connections", f"{totals.connections:,}{begun}")
        self.row("ctstate", *_counts({name: totals.ctstates[name] for name in _CTSTATES}))
        if self.has_rules:
            self.row("verdict", *_counts({fate: totals.fates[fate] for fate in Fate}))
        for (family, name), count in totals.causes.most_common(_CAUSES_SHOWN):
            self.row("", *self.cause(family, name, count))
        more = len(totals.causes) - _CAUSES_SHOWN
        if more > 0 or totals.other_causes:
            self.row("", f"and more rules: {max(more, 0):,}, and {totals.other_causes:,} packets")
        if totals.expired:
            said = f"{totals.expired:,} times an entry ran out before a packet of its connection"
            self.row("expired", (said, _BAD))
        for reason, count in totals.reasons.most_common():
            self.row("INVALID", f"{count:,}: {reason.sentence}")
        for why, count in result.left_out.items():
            self.row("left out", f"{count:,} {why.sentence}")
        if result.unruled:
            said = "packets are of a family of which there are no rules: all of them pass"
            self.row("", (f"{result.unruled:,} {said}", _OPEN))
        if result.late:
            said = (
                f"{result.late:,} came with a moment before that of an earlier one: played at its"
            )
            self.row("late", said)
        if totals.cut_short:
            said = (
                f"{totals.cut_short:,} connections were summed up before the end: too many at once"
            )
            self.row("", said)
        if result.forgotten:
            said = f"of {result.forgotten:,} connections it is forgotten that they are not decided"
            self.row("", (said, _OPEN))

    def cause(self, family: Family, name: str, count: int) -> Iterator[Piece]:
        text = self.indices[family].text(name)
        verb = "rejected" if self.indices[family].is_rejecting(name) else "dropped"
        yield f"{count:,} {verb} by {name}"
        if text is not None:
            yield (f": {text}", _DIM)

    # Connections

    def connections(self, found: Sequence[Connection], hidden: int, only: Only) -> None:
        if not found and only is Only.ALL:
            return
        self.add()
        if not found:
            said = "trouble" if only is Only.TROUBLE else f"{only.value} packets"
            self.add((f"No connection with {said}.", _DIM))
        for connection in sorted(found, key=lambda one: one.number):
            self.connection(connection)
        if hidden:
            said = f"{hidden:,} more are not shown (--limit; all with --format json)."
            self.add((said, _DIM))

    def connection(self, one: Connection) -> None:
        opener = one.opener
        begun = ", begun before" if one.is_midstream else ""
        span = say_seconds(one.last - one.first)
        count = f"{sum(one.packets):,} packet{'s' * (sum(one.packets) != 1)}"
        self.add_wrapped(
            (say_ends(opener), _HEADING),
            f" {say_protocol(opener)}, {say_moment(one.first)}, {count} in {span}{begun}",
            indent=2,
        )
        for pieces in self.details(one):
            self.add_wrapped(*pieces, first=("  ",))

    def details(self, one: Connection) -> Iterator[Sequence[Piece]]:
        counted = list(_counts({name: one.ctstates[name] for name in _CTSTATES}))
        if self.has_rules:
            counted += ["; ", *_counts({fate: one.fates[fate] for fate in Fate})]
        if one.opener.protocol == TCP and one.state:
            counted.append(f"; last {TcpCt(one.state).name}")
        yield counted
        if one.translated is not None:
            _, _, saddr, sport, daddr, dport = one.translated
            family = one.opener.family
            ends = f"{format_end(family, saddr, sport)} > {format_end(family, daddr, dport)}"
            yield (f"answered as {ends}",)
        for name, count in one.causes.most_common():
            yield [*self.cause(one.opener.family, name, count)]
        for reason, count in one.reasons.most_common():
            yield (f"{count:,}: {reason.sentence}",)
        for expiry in one.expiries:
            yield self.expiry(one, expiry)
        if one.expired > len(one.expiries):
            yield (f"and {one.expired - len(one.expiries):,} more expiries",)

    def expiry(self, one: Connection, expiry: Expiry) -> Sequence[Piece]:
        state = "its entry" if expiry.state is None else f"its entry, {expiry.state.name},"
        after = say_seconds(expiry.at - one.first)
        met = expiry.ctstate or "not seen by conntrack"
        if self.has_rules:
            met += f", {FATE_WORDS[expiry.fate]}"
        said = (
            f"{state} ran out {after} after the first packet, "
            f"{say_seconds(expiry.timeout)} after it was set; "
        )
        came = f"{say_what(expiry.packet)} came after {say_seconds(expiry.idle)} of silence: {met}"
        return ((said, ""), (came, _BAD))


def _counts(counts: Mapping[str, int] | Mapping[Fate, int]) -> Iterator[Piece]:
    """What was counted, as far as there is any."""
    comma = ""
    for key, count in counts.items():
        if not count:
            continue
        words = FATE_WORDS[key] if isinstance(key, Fate) else key
        usual = _BAD if isinstance(key, Fate) else ""
        if comma:
            yield comma
        yield (f"{words} {count:,}", _STYLES.get(key, usual))
        comma = ", "
    if not comma:
        yield "none"
