# SPDX-License-Identifier: GPL-2.0-only
"""Every cell of the TCP state table is held by a recorded answer, or cannot be seen at all.

A wrong cell must make the model differ from a recording: each is given every other value in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest

from ctlint.model.conntrack.status import Cell, Dir, Mark, Seg, TcpCt
from ctlint.model.conntrack.tcp_flags import get_conntrack_index, has_valid_flags
from ctlint.model.conntrack.tcp_table import TCP_CONNTRACKS, Row, tcp_table
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.answers import RecordedAnswer
from tests.conformance.test_recorded_answers import agreeing_answers, differences

RELEASE = "6.18.44"
"""The kernel whose recordings are asked; its table is that of every kernel since 3.18."""


class Place(NamedTuple):
    """Where a cell stands."""

    dir: Dir
    seg: Seg
    state: TcpCt

    def __str__(self) -> str:
        return f"{self.dir.name}-{self.seg.name}-{self.state.name}"


PLACES = tuple(Place(dir_, seg, state) for dir_ in Dir for seg in Seg for state in TcpCt)

_CLASS_NONE = (
    "get_conntrack_index() gives TCP_NONE_SET only to a segment without RST, SYN, FIN and ACK;"
    " tcp_error() refuses those before the table is read: every entry of tcp_valid_flags has one"
    " of the four"
)
_REPLY_IN_NONE = (
    "an entry is in state NONE only until nf_conntrack_tcp_packet() has handled the packet that"
    " made it: tcp_new() leaves the state at 0, in_window sets it from the table, in which no cell"
    " says sNO, and a packet that fails before is not confirmed; the packet that makes an entry"
    " is of the original direction (resolve_normal_ct(): init_conntrack() takes the packet's tuple"
    " as IP_CT_DIR_ORIGINAL), and tcp_new() itself reads tcp_conntracks[0]"
)

UNOBSERVABLE: Mapping[Place, str] = {
    **{place: _CLASS_NONE for place in PLACES if place.seg is Seg.NONE},
    **{
        place: _REPLY_IN_NONE
        for place in PLACES
        if place.dir is Dir.REPLY and place.state is TcpCt.NONE and place.seg is not Seg.NONE
    },
}
"""Cells that no packet reads, with the reason (net/netfilter/nf_conntrack_proto_tcp.c, 7.1.5)."""

OBSERVABLE = tuple(place for place in PLACES if place not in UNOBSERVABLE)

VALUES: tuple[Cell, ...] = (*(state for state in TcpCt if state is not TcpCt.NONE), *Mark)
"""What can stand in a cell."""


_BOTH_MARKS_REFUSE = (
    "tcp_new() asks only whether the cell is at least TCP_CONNTRACK_MAX, which both marks are"
)
_NEVER_REOPENED = (
    "a cell that says sSS from TIME_WAIT on is as one that says sIG unless the entry has CLOSE_INIT"
    " or its last packet was a RST of this side; an entry comes to SYN_SENT2 only from SYN_SENT,"
    " where CLOSE_INIT is not set yet, and a RST either closes it or, as long as it is not ASSURED,"
    " leaves last_index as it was"
)

EQUIVALENT: Mapping[tuple[Place, Cell], str] = {
    **{
        (Place(Dir.ORIGINAL, seg, TcpCt.NONE), Mark.IGNORE): _BOTH_MARKS_REFUSE
        for seg in (Seg.SYNACK, Seg.FIN, Seg.RST)
    },
    (Place(Dir.REPLY, Seg.ACK, TcpCt.SYN_SENT2), TcpCt.SYN_SENT): _NEVER_REOPENED,
}
"""Values that could stand in a cell without any difference, with the reason."""


def cell_at(place: Place) -> Cell:
    """What stands there."""
    return TCP_CONNTRACKS[place.dir][place.seg][place.state]


def flip(patch: pytest.MonkeyPatch, place: Place, value: Cell) -> None:
    """Puts something else there, until the patch is undone (and `tcp_table` forgets it)."""
    rows = TCP_CONNTRACKS[place.dir]
    no, ss, sr, es, fw, cw, la, tw, cl, s2 = (
        value if state is place.state else cell
        for state, cell in zip(TcpCt, rows[place.seg], strict=True)
    )
    row: Row = (no, ss, sr, es, fw, cw, la, tw, cl, s2)
    patch.setitem(rows, place.seg, row)
    tcp_table.cache_clear()


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Undoes flips."""
    with pytest.MonkeyPatch.context() as context:
        yield context
    tcp_table.cache_clear()


def places_read(recorded: RecordedAnswer) -> Iterator[Place]:
    """Cells that a scenario may read, by what the kernel answered (perhaps too many of them)."""
    before: Mapping[str, Any] | None = None
    opener = ""
    for step, answer in zip(recorded.source["packets"], recorded.packets, strict=True):
        if "op" in step:
            continue
        flags = TcpFlags.parse(step["flags"])
        seg, entry = get_conntrack_index(flags), answer["entry"]
        if has_valid_flags(flags) and not step.get("badsum"):
            if before is not None:
                dir_ = Dir.ORIGINAL if step["dir"] == opener else Dir.REPLY
                yield Place(dir_, seg, TcpCt[before["state"]])
            if entry is None or entry["fresh"]:
                yield Place(Dir.ORIGINAL, seg, TcpCt.NONE)
        if entry is not None and entry["fresh"]:
            opener = step["dir"]
        before = entry


@cache
def tracked() -> tuple[RecordedAnswer, ...]:
    """The recorded scenarios of TCP alone."""
    return tuple(
        recorded
        for recorded in agreeing_answers(RELEASE)
        if all(step.get("proto", "tcp") == "tcp" for step in recorded.source["packets"])
    )


@cache
def readers() -> Mapping[Place, list[RecordedAnswer]]:
    """For each cell the recorded scenarios that may read it, the shortest first."""
    found: dict[Place, list[RecordedAnswer]] = defaultdict(list)
    for recorded in tracked():
        for place in set(places_read(recorded)):
            found[place].append(recorded)
    for scenarios in found.values():
        scenarios.sort(key=lambda recorded: len(recorded.packets))
    return found


@pytest.mark.parametrize("place", OBSERVABLE, ids=str)
def test_flipped_cell_is_noticed(place: Place, patch: pytest.MonkeyPatch) -> None:
    """Whatever else stands in a cell, a recorded answer contradicts it."""
    scenarios = readers()[place]
    assert scenarios, "no recorded scenario reads this cell"
    for value in VALUES:
        if value is not cell_at(place) and (place, value) not in EQUIVALENT:
            with pytest.MonkeyPatch.context() as context:
                flip(context, place, value)
                assert any(differences(recorded) for recorded in scenarios), value
            tcp_table.cache_clear()


def test_unobservable_cells_are_never_read(patch: pytest.MonkeyPatch) -> None:
    """No recorded answer contradicts anything that stands in a cell that nothing reads."""
    for place in UNOBSERVABLE:
        flip(patch, place, TcpCt.ESTABLISHED)
    for recorded in tracked():
        assert not differences(recorded), str(recorded)


@pytest.mark.parametrize(
    ("place", "value"), list(EQUIVALENT), ids=[f"{place}={value}" for place, value in EQUIVALENT]
)
def test_equivalent_value_changes_nothing(
    place: Place, value: Cell, patch: pytest.MonkeyPatch
) -> None:
    """No recorded answer contradicts a value that the code treats as the one that is there."""
    flip(patch, place, value)
    for recorded in readers()[place]:
        assert not differences(recorded), str(recorded.index)
