# SPDX-License-Identifier: GPL-2.0-only
"""The life of a connection in lines: a ladder of packets, and the states of both sockets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ctlint.analysis.life import Life
from ctlint.model.endpoint.happening import HappeningKind
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.world.bounds import Why
from ctlint.model.world.chronicle import Fate, Rung, Turn
from ctlint.model.world.line import Side
from ctlint.report.page import Piece
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.tcp_flags import TcpFlags

_WIDE: Final = 66
_TIME: Final = 9
_STATE: Final = 10
_ALIKE: Final = 6
"""Of more probes in a row than this only the first and the last are shown."""

_SIDES: Final = ("client", "server")
_ENDED: Final = {
    Why.EVENTS: "too many packets: what follows is not shown",
    Why.TIME: "the run ends here",
    Why.STEADY: "and so on: nothing else changes any more",
    Why.UNDECIDED: "what follows is not decided",
}


def ladder_lines(life: Life, width: int) -> list[list[Piece]]:
    """The packets, one a line: when, the client's state, the packet and what became of it, the
    server's state. Where there is no room, states stand below the packets with which they change.
    """
    rungs = [event for event in life.events if isinstance(event, Rung)]
    lines = [_head(width)]
    states: list[TcpState | None] = []
    for group in _grouped(rungs):
        if isinstance(group, int):
            lines.append([f"{'':{_TIME}} ", (f"… {group} more keepalives and answers", "dim")])
            continue
        is_close = life.closed_at is not None and group.at >= life.closed_at
        lines.append(_rung(group, width, is_close=is_close))
        if width < _WIDE and group.states != states:
            states = group.states
            words = " / ".join("-" if state is None else state.value for state in states)
            lines.append([f"{'':{_TIME}} ", (words, "cyan")])
    if (said := say_ending(life)) is not None:
        lines.append([(said, "bold")])
    return lines


def say_ending(life: Life) -> str | None:
    """How a life ends that does not end by itself; None where it does."""
    if life.left_out:
        return f"{life.left_out} more packets and changes are not kept"
    if life.ending.why is Why.QUIET:
        return None
    detail = f": {life.ending.detail}" if life.ending.detail else ""
    return f"{_ENDED[life.ending.why]}{detail}"


def socket_lines(life: Life) -> list[list[Piece]]:
    """Each end: its states, since when, and for how long."""
    lines: list[list[Piece]] = []
    for side in Side:
        closes = ", which closes" if side is life.closer else ""
        lines.append([(f"the {_SIDES[side]}{closes}", "bold")])
        turns = [
            event
            for event in life.events
            if isinstance(event, Turn) and event.half.side is side and _tells(event)
        ]
        for number, turn in enumerate(turns):
            after = turns[number + 1].at if number + 1 < len(turns) else None
            lines.append(_turn(turn, after, life))
        if not turns:
            lines.append(["  no socket"])
    return lines


def say_moment(at: Micros) -> str:
    """A moment or span in seconds, to the millisecond."""
    return f"{at // SECOND}.{at % SECOND // 1000:03d}"


def _grouped(rungs: Sequence[Rung]) -> Iterator[Rung | int]:
    """The packets; of many probes in a row the first and last, and how many are between."""
    index = 0
    while index < len(rungs):
        end = index
        while end < len(rungs) and _is_probe(rungs[end]):
            end += 1
        if end - index > _ALIKE:
            yield from rungs[index : index + 2]
            yield end - index - 4
            yield from rungs[end - 2 : end]
        else:
            end = max(end, index + 1)
            yield from rungs[index:end]
        index = end


def _is_probe(rung: Rung) -> bool:
    return (
        rung.packet.flags == TcpFlags.ACK
        and not rung.packet.payload
        and rung.fate is Fate.ARRIVED
        and rung.states[0] is rung.states[1] is TcpState.ESTABLISHED
    )


def _head(width: int) -> list[Piece]:
    if width < _WIDE:
        return [(f"{'seconds':>{_TIME}} packet", "bold")]
    room = width - _TIME - 2 * _STATE - 3
    return [(f"{'seconds':>{_TIME}} {'client':<{_STATE}} {'packet':<{room}} server", "bold")]


def _rung(rung: Rung, width: int, *, is_close: bool) -> list[Piece]:
    flags = rung.packet.flags
    letters = "ICMP" if flags is None else flags.letters
    to_server = rung.half is None or rung.half.side is Side.CLIENT
    arrow = f"{letters} ->" if to_server else f"<- {letters}"
    if rung.half is None:
        arrow = f"{letters} of the box"
    ctstate = "" if rung.ctstate is None else f" {rung.ctstate.name}"
    is_lost = rung.fate not in (Fate.ARRIVED, Fate.UNDER_WAY)
    cause = f" {rung.fate.value}" if is_lost else ""
    if is_lost and rung.cause is not None:
        cause += f" by {rung.cause}"
    style = "bold red" if is_lost else "bold" if is_close else ""
    time: Piece = (f"{say_moment(rung.at):>{_TIME}} ", "dim")
    if width < _WIDE:
        if is_lost and rung.cause is not None:
            cause = f" x {rung.cause.rpartition('/')[2]}"
        return [time, (f"{arrow}{ctstate}{cause}", style)]
    room = width - _TIME - 2 * _STATE - 3
    client, server = ("-" if state is None else state.value for state in rung.states)
    words = f"{arrow}{ctstate}{cause}"[:room]
    return [
        time,
        (f"{client:<{_STATE}} ", "cyan"),
        (f"{words:<{room}} ", style),
        (server, "cyan"),
    ]


def _tells(turn: Turn) -> bool:
    kind = turn.happening.kind
    if kind is HappeningKind.STATE:
        return turn.happening.after is not TcpState.CLOSE  # it is gone then, which is said
    return kind in (
        HappeningKind.GONE,
        HappeningKind.RESET,
        HappeningKind.TIMED_OUT,
    )


def _turn(turn: Turn, after: Micros | None, life: Life) -> list[Piece]:
    happening = turn.happening
    time: Piece = (f"{say_moment(turn.at):>{_TIME}} ", "dim")
    if happening.kind is not HappeningKind.STATE or happening.after is None:
        return [time, happening.kind.value]
    state = happening.after.value
    if after is not None:
        return [time, (f"{state:<{_STATE}} ", "cyan"), f"for {say_moment(after - turn.at)} s"]
    last = "for ever" if life.ending.why is Why.QUIET else "still"
    return [time, (f"{state:<{_STATE}} ", "cyan"), (last, "bold red")]
