# SPDX-License-Identifier: GPL-2.0-only
"""Matches on what conntrack knows: ctstate, the entry, marks.

Source: net/netfilter/xt_conntrack.c, xt_state.c, xt_mark.c, xt_connmark.c; what they do without an
entry was measured on 6.18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final

from ctlint.ir.rule import Match, Option
from ctlint.model.conntrack.status import CtState, Dir, EntryStatus
from ctlint.model.netfilter.matches.predicate import (
    FALSE,
    TRUE,
    UNKNOWN,
    Predicate,
    Rows,
    of_option,
)
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import EntryView, Facts, Field, Transit
from ctlint.wire.addresses import Net


def _state_mask(names: tuple[str, ...]) -> CtState:
    mask = CtState(0)
    for name in names:
        mask |= CtState[name]
    return mask


def _has_state(mask: CtState, transit: Transit) -> bool | None:
    """Port of the first part of conntrack_mt: NAT counts as a state beside the packet's own."""
    if transit.ctstate & mask:
        return True
    if mask & _TRANSLATED and transit.entry is not None:
        status = transit.entry.entry.status
        if mask & CtState.SNAT and status & EntryStatus.SRC_NAT:
            return True
        if mask & CtState.DNAT and status & EntryStatus.DST_NAT:
            return True
    return False


_TRANSLATED: Final = CtState.SNAT | CtState.DNAT


@cache
def _state_option(option: Option) -> Predicate:
    mask = _state_mask(option.value)
    reads = {Field.CTSTATE, Field.ENTRY} if mask & _TRANSLATED else {Field.CTSTATE}
    return of_option(option, partial(_has_state, mask), *reads)


def _state(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        yield _state_option(option)


def _conntrack(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of conntrack_mt: without an entry, ctstate is all that is asked.

    A rule without ``--ctstate`` then never matches; one with it ignores its other options.
    """
    state = match.get("ctstate")
    others = [option for option in match.options if option.name != "ctstate"]
    if state is not None:
        yield _state_option(state)
    if not others:
        return
    tests = [(_ENTRY_TESTS[option.name], option) for option in others]

    def run(transit: Transit) -> Tern:
        if transit.ctstate & (CtState.INVALID | CtState.UNTRACKED):
            return TRUE if state is not None else FALSE
        if transit.entry is None:
            return UNKNOWN
        result = TRUE
        for test, option in tests:
            truth = test(option.value, transit, transit.entry)
            if truth is None:
                result = UNKNOWN
            elif truth is option.negated:
                return FALSE
        return result

    reads = {Field.CTSTATE, Field.ENTRY}
    if any(option.name == "ctexpire" for option in others):
        reads.add(Field.BOX)
    yield Predicate(run, frozenset(reads), why="depends on the entry beyond its state")


EntryTest = Callable[[object, Transit, EntryView], bool | None]


def _entry_address(direction: Dir, attribute: str) -> EntryTest:
    def test(value: object, transit: Transit, view: EntryView) -> bool | None:
        del transit
        if not isinstance(value, Net):
            return None
        return value.contains(getattr(view.entry.tuple_in(direction), attribute))

    return test


def _entry_port(direction: Dir, attribute: str) -> EntryTest:
    def test(value: object, transit: Transit, view: EntryView) -> bool:
        del transit
        return getattr(view.entry.tuple_in(direction), attribute) in value  # type: ignore[operator]

    return test


def _entry_direction(value: object, _: Transit, view: EntryView) -> bool:
    return (value == "ORIGINAL") is (view.direction is Dir.ORIGINAL)


_STATUS: Final = {
    "EXPECTED": EntryStatus.EXPECTED,
    "CONFIRMED": EntryStatus.CONFIRMED,
    "SEEN_REPLY": EntryStatus.SEEN_REPLY,
    "ASSURED": EntryStatus.ASSURED,
}


def _entry_status(value: object, _: Transit, view: EntryView) -> bool:
    assert isinstance(value, tuple)
    # NONE contributes no bit: alone it never matches.
    return any(view.entry.status & _STATUS[name] for name in value if name in _STATUS)


def _entry_protocol(value: object, _: Transit, view: EntryView) -> bool:
    return value == view.entry.original.protocol


def _entry_expires(value: object, transit: Transit, view: EntryView) -> bool | None:
    if transit.box is None:
        return None
    # Until it is confirmed a timeout is a span, which the kernel takes for a moment long ago.
    entry = view.entry
    left = entry.remaining(transit.box.now) if entry.is_confirmed else 0
    return left in value  # type: ignore[operator]


_ENTRY_TESTS: Final[dict[str, EntryTest]] = {
    "ctproto": _entry_protocol,
    "ctorigsrc": _entry_address(Dir.ORIGINAL, "saddr"),
    "ctorigdst": _entry_address(Dir.ORIGINAL, "daddr"),
    "ctreplsrc": _entry_address(Dir.REPLY, "saddr"),
    "ctrepldst": _entry_address(Dir.REPLY, "daddr"),
    "ctorigsrcport": _entry_port(Dir.ORIGINAL, "sport"),
    "ctorigdstport": _entry_port(Dir.ORIGINAL, "dport"),
    "ctreplsrcport": _entry_port(Dir.REPLY, "sport"),
    "ctrepldstport": _entry_port(Dir.REPLY, "dport"),
    "ctstatus": _entry_status,
    "ctdir": _entry_direction,
    "ctexpire": _entry_expires,
}


def _mark(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        value, mask = option.value

        def test(transit: Transit, value: int = value, mask: int = mask) -> bool | None:
            return None if transit.mark is None else transit.mark & mask == value

        yield of_option(option, test, Field.MARK, why="the packet's mark is not known")


def _connmark(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        value, mask = option.value
        # Without an entry there is no mark, and no match, negated or not.
        matches_zero = (value == 0) is not option.negated

        wanted, is_negated = value, option.negated

        def test(
            transit: Transit,
            wanted: int = wanted,
            mask: int = mask,
            is_negated: bool = is_negated,
            zero: bool = matches_zero,
        ) -> Tern:
            if transit.ctstate & (CtState.INVALID | CtState.UNTRACKED):
                return FALSE
            if transit.box is not None and transit.entry is not None:
                return Tern.of((transit.entry.entry.mark & mask == wanted) is not is_negated)
            if mask == 0:
                return Tern.of(zero)
            return UNKNOWN

        yield Predicate(
            test,
            frozenset({Field.CTSTATE, Field.ENTRY}),
            why="the entry's mark is not known",
        )


ROWS: Final[Rows] = {
    "state": _state,
    "conntrack": _conntrack,
    "mark": _mark,
    "connmark": _connmark,
}
