# SPDX-License-Identifier: GPL-2.0-only
"""A ladder of what two sockets send each other: rows in time, for the terminal and for pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple

from ctlint.ir.span import Span
from ctlint.model.endpoint.happening import HappeningKind
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.world.chronicle import Deed, Event, Fate, Rung, Turn
from ctlint.model.world.line import Line, Side
from ctlint.report.sentence import say_flags
from ctlint.scenario.socket_plan import Step
from ctlint.scenario.socket_story import Story
from ctlint.scenario.span_words import say_span
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.sequence import MODULUS
from ctlint.wire.tcp_flags import TcpFlags

SILENCE: Final[Micros] = 3 * SECOND
"""A pause as long is said to be one."""

MOST_ROWS: Final = 160
"""Of more rows the middle is left out; the whole is in JSON."""

_LAST_ROWS: Final = 40
_NAMES: Final = ("client", "server")
_TOLD: Final = {
    HappeningKind.CONNECT_FAILED: "connect() fails",
    HappeningKind.TIMED_OUT: "the socket times out",
    HappeningKind.RESET: "the connection is reset",
    HappeningKind.GONE: "the socket is gone",
}
_FATES: Final = {
    Fate.UNDER_WAY: "under way",
    Fate.REFUSED: "refused by",
    Fate.DROPPED: "dropped by",
    Fate.REJECTED: "rejected by",
    Fate.LOST: "lost on the link",
    Fate.ASTRAY: "nobody has this address",
    Fate.UNDECIDED: "undecided",
}


class RowKind(Enum):
    """What a row is about."""

    PACKET = "packet"
    DEED = "deed"
    NOTE = "note"
    SILENCE = "silence"
    LEFT_OUT = "left out"


class Row(NamedTuple):
    """One row. `line` names the connection where there are several. `states` are those of client
    and server where they have changed, else None. `packet` are flags and relative numbers,
    `ctstate` and `end` what the box called it and how it ended where it did not arrive.
    `to_server`: its direction; None for what is no packet. `trouble`: it went wrong.
    """

    kind: RowKind
    at: Micros
    words: str = ""
    line: str = ""
    states: tuple[str | None, str | None] = (None, None)
    to_server: bool | None = None
    ctstate: str = ""
    entry: str = ""
    end: str = ""
    is_lost: bool = False
    arrived: Micros | None = None
    is_boxs: bool = False


def ladder(story: Story, lines: Sequence[str]) -> tuple[Row, ...]:
    """The rows of a story. `lines` are those of its script."""
    rows = [*_Ladder(story, lines).rows()]
    if len(rows) <= MOST_ROWS:
        return tuple(rows)
    first = MOST_ROWS - _LAST_ROWS
    left_out = rows[first:-_LAST_ROWS]
    packets = sum(row.kind is RowKind.PACKET for row in left_out)
    said = f"{packets} packets until {say_span(rows[-_LAST_ROWS].at)} left out"
    fold = Row(RowKind.LEFT_OUT, rows[-_LAST_ROWS].at, said)
    return (*rows[:first], fold, *rows[-_LAST_ROWS:])


class Numbers:
    """Sequence numbers as they are read: from 0 for the SYN of each end of a connection. A line
    that has seen no SYN of an end counts as the connection before it on the same ports.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[Line, Side], int] = {}

    def relative(self, rung: Rung) -> tuple[int, int] | None:
        """Sequence number, and number acknowledged; None for what is not TCP."""
        packet, side = rung.packet, _side_of(rung)
        if packet.flags is None:
            return None
        if packet.flags & TcpFlags.SYN:
            self._first[rung.line, side] = packet.seq
        else:
            self._first.setdefault((rung.line, side), self._inherited(rung.line, side, packet.seq))
        seq = packet.seq - self._first[rung.line, side]
        other = self._first.get((rung.line, side.other))
        ack = packet.ack - other if other is not None else packet.ack
        return distance(seq), distance(ack) if packet.flags & TcpFlags.ACK else 0

    def _inherited(self, line: Line, side: Side, seq: int) -> int:
        key = line.client.key
        earlier = [
            first
            for (other, its), first in self._first.items()
            if other is not line and its is side and other.client.key == key
        ]
        return earlier[-1] if earlier else seq


class _Ladder:
    def __init__(self, story: Story, lines: Sequence[str]) -> None:
        self.story = story
        self.lines = lines
        self.numbers = Numbers()
        self.known: dict[Line, list[str | None]] = {}
        self.names = {
            line.line: label for label, line in story.lines.items() if line.line is not None
        }

    def rows(self) -> Iterator[Row]:
        """All rows, with the pauses between them."""
        busy = self.busy()
        last = 0
        for event in sorted(self.story.events, key=lambda each: each.at):
            row = self.row(event, busy)
            if row is None:
                continue
            if event.at - last >= SILENCE:
                yield Row(RowKind.SILENCE, last, f"{say_span(event.at - last)} of silence")
            last = max(event.at, last)
            yield row

    def busy(self) -> set[tuple[Line, Micros]]:
        """When packets of a line are sent or arrive: what changes then, they show."""
        found = set()
        for event in self.story.events:
            if isinstance(event, Rung):
                found.add((event.line, event.at))
                if event.arrived is not None:
                    found.add((event.line, event.arrived))
        return found

    def row(self, event: Event, busy: set[tuple[Line, Micros]]) -> Row | None:
        if isinstance(event, Rung):
            return self.packet(event)
        if isinstance(event, Deed):
            return self.deed(event)
        return self.turn(event, busy)

    def name(self, line: Line | None) -> str:
        """What a connection is called, where there are several."""
        return self.names.get(line, "") if len(self.names) > 1 and line is not None else ""

    def changed(
        self, line: Line, states: Sequence[TcpState | None]
    ) -> tuple[str | None, str | None]:
        known = self.known.setdefault(line, [None, None])
        found: list[str | None] = []
        for side, state in enumerate(states):
            name = "" if state is None else state.name
            found.append(name if name != (known[side] or "") else None)
            known[side] = name
        return found[0], found[1]

    def packet(self, rung: Rung) -> Row:
        fate = rung.fate
        is_lost = fate is not Fate.ARRIVED
        end = ""
        if is_lost:
            end = _FATES[fate]
            if end.endswith("by"):
                end = f"{end} {rung.cause}"
        entry = "" if rung.entry is None else f"{rung.entry[0]} {rung.entry[1]} s"
        return Row(
            RowKind.PACKET,
            rung.at,
            self.words(rung),
            self.name(rung.line),
            self.changed(rung.line, rung.states),
            _side_of(rung) is Side.CLIENT,
            "" if rung.ctstate is None else str(rung.ctstate.name),
            entry,
            end,
            is_lost,
            rung.arrived,
            rung.half is None,
        )

    def words(self, rung: Rung) -> str:
        packet = rung.packet
        numbers = self.numbers.relative(rung)
        if packet.flags is None or numbers is None:
            return f"ICMP {packet.icmp_type}/{packet.icmp_code}"
        seq, ack = numbers
        acked = ack if packet.flags & TcpFlags.ACK else None
        return f"{say_flags(packet.flags.letters)} {say_numbers(seq, packet.payload, acked)}"

    def deed(self, deed: Deed) -> Row:
        _, words = statement_of(self.story, deed, self.lines)
        end = "" if deed.trouble is None else deed.trouble
        return Row(RowKind.DEED, deed.at, words, self.name(deed.line), end=end, is_lost=bool(end))

    def turn(self, turn: Turn, busy: set[tuple[Line, Micros]]) -> Row | None:
        happening, half = turn.happening, turn.half
        said = _TOLD.get(happening.kind)
        known = self.known.setdefault(half.line, [None, None])
        if said is None:
            return None
        is_shown = (half.line, turn.at) in busy or turn.at == half.line.began
        if happening.kind is HappeningKind.GONE and is_shown:
            return None
        error = "" if happening.error is None else f": {happening.error.name}"
        states: list[str | None] = [None, None]
        if happening.kind is HappeningKind.GONE and known[half.side]:
            states[half.side] = known[half.side] = ""
        return Row(
            RowKind.NOTE,
            turn.at,
            f"{_NAMES[half.side]}: {said}{error}",
            self.name(half.line),
            (states[0], states[1]),
            is_lost=bool(error),
        )


def statement_of(story: Story, deed: Deed, lines: Sequence[str]) -> tuple[Span, str]:
    """What was done as the script says it, and where. `lines` are those of the script."""
    step = deed.inner if isinstance(deed.inner, Step) else story.plan.steps[deed.number]
    span = step.span
    text = lines[span.line - 1][span.column - 1 : span.end_column - 1]
    return span, text.split("=>")[0].strip()


def say_numbers(seq: int, length: int, ack: int | None) -> str:
    """Where a segment begins, what it carries and what it acknowledges: "1(10):1"."""
    load = f"({length})" if length else ""
    return f"{seq}{load}" + (f":{ack}" if ack is not None else "")


def _side_of(rung: Rung) -> Side:
    """Who sent a packet; of one that the box made, for whom it speaks."""
    if rung.half is not None:
        return rung.half.side
    key = rung.line.client.key
    return Side.SERVER if key is not None and rung.packet.dport == key[2] else Side.CLIENT


def distance(number: int) -> int:
    """A difference of sequence numbers, the shorter way around their circle."""
    number %= MODULUS
    return number - MODULUS if number >= MODULUS // 2 else number
