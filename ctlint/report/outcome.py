# SPDX-License-Identifier: GPL-2.0-only
"""What became of both sockets of a connection, in words: "client: FIN_WAIT_1 for 107 s, 9 FINs,
none on the wire; server: ESTABLISHED for ever".
"""

from __future__ import annotations

from typing import Final

from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.world.bounds import Why
from ctlint.model.world.chronicle import Fate, Rung
from ctlint.model.world.line import Side
from ctlint.scenario.socket_story import LineStory, Stay, Story, Tally
from ctlint.scenario.span_words import say_span
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.tcp_flags import TcpFlags

_NAMES: Final = ("client", "server")
_TRIES: Final = {
    TcpState.SYN_SENT: ("SYN", TcpFlags.SYN),
    TcpState.SYN_RECV: ("SYN,ACK", TcpFlags.SYN),
    TcpState.FIN_WAIT_1: ("FIN", TcpFlags.FIN),
    TcpState.CLOSING: ("FIN", TcpFlags.FIN),
    TcpState.LAST_ACK: ("FIN", TcpFlags.FIN),
}
_TOLD: Final[Micros] = SECOND
"""A state that lasts as long is told even where the socket went on."""


def say_line(story: Story, line: LineStory) -> str:
    """What became of a connection."""
    ends = "; ".join(
        f"{_NAMES[side]}: {_say_end(story, line, side)}" for side in (Side.CLIENT, Side.SERVER)
    )
    return f"{say_connect(line)}; {ends}"


def say_connect(line: LineStory) -> str:
    """What became of connect()."""
    if line.failed is not None:
        error = "" if line.error is None else f" with {line.error.name}"
        return f"connect() fails{error} after {say_span(line.failed - line.began)}"
    if line.connected is None:
        return "connect() is not done"
    return f"connected after {say_span(line.connected - line.began)}"


def say_tally(tally: Tally) -> str:
    """What became of connections that are repeated."""
    parts = [f"{tally.connected} connected"]
    for error, number in sorted(tally.failed.items(), key=lambda each: str(each[0])):
        parts.append(f"{number} fail" + ("" if error is None else f" with {error.name}"))
    open_ones = tally.begun - tally.connected - sum(tally.failed.values())
    if open_ones:
        parts.append(f"{open_ones} neither")
    return f"of {tally.begun} connections {', '.join(parts)}"


def say_ending(story: Story) -> str:
    """Why the run ended."""
    ending = story.ending
    at = say_span(ending.at)
    return {
        Why.QUIET: f"after {at} nothing is left that could happen",
        Why.TIME: f"followed up to {at}; it goes on",
        Why.STEADY: f"stopped after {at}: packets go on, and change nothing any more",
        Why.EVENTS: f"stopped after {at}: more events than a run may have",
        Why.UNDECIDED: f"stopped after {at}: undecided: {ending.detail}",
    }[ending.why]


def _say_end(story: Story, line: LineStory, side: Side) -> str:
    end = line.ends[side]
    parts = []
    for stay in end.stays:
        is_last = stay.until is None
        if is_last or (_length(story, stay) >= _TOLD and stay.state is not TcpState.ESTABLISHED):
            parts.append(_say_stay(story, line, side, stay))
    errors = [event for _, event in end.noticed if event not in ("EOF", "data")]
    parts += [f"gets {error}" for error in dict.fromkeys(errors) if line.failed is None]
    if not end.stays:
        return "no socket"
    if end.gone is not None:
        parts.append(f"gone at {say_span(end.gone)}")
    return ", ".join(parts)


def _say_stay(story: Story, line: LineStory, side: Side, stay: Stay) -> str:
    said = f"{stay.state.name} {say_length(story, stay)}"
    if stay.state not in _TRIES:
        return said
    name, flag = _TRIES[stay.state]
    until = story.ending.at if stay.until is None else stay.until
    sent = [rung for rung in story.rungs(line) if _is_try(rung, side, flag, stay.since, until)]
    arrived = sum(rung.fate is Fate.ARRIVED for rung in sent)
    if len(sent) < 2 and arrived == len(sent):
        return said
    said += f", {len(sent)} {name}{'s' * (len(sent) != 1)}"
    refused = sum(rung.fate is Fate.REFUSED for rung in sent)
    if refused == len(sent):
        return f"{said}, none on the wire"
    if arrived < len(sent):
        said += f", {arrived or 'none'} of them arrive{'s' * (arrived == 1)}"
    return said


def _is_try(rung: Rung, side: Side, flag: TcpFlags, since: Micros, until: Micros) -> bool:
    flags = rung.packet.flags
    return (
        flags is not None
        and bool(flags & flag)
        and rung.half is not None
        and rung.half.side is side
        and since <= rung.at <= until
    )


def _length(story: Story, stay: Stay) -> Micros:
    return (story.ending.at if stay.until is None else stay.until) - stay.since


def say_length(story: Story, stay: Stay) -> str:
    """How long a socket is in a state."""
    if stay.until is not None:
        return f"for {say_span(stay.until - stay.since)}"
    if story.is_settled:
        return "for ever"
    return f"still, after {say_span(_length(story, stay))}"
