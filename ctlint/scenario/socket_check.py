# SPDX-License-Identifier: GPL-2.0-only
"""What became of sockets against what was expected of them."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.model.world.chronicle import Fate, Rung
from ctlint.scenario.socket_claim import (
    Claim,
    Connects,
    Counts,
    Fails,
    Goes,
    HasEntry,
    Many,
    Notices,
    Range,
    Stays,
)
from ctlint.scenario.socket_plan import Pass, Repeat, Step
from ctlint.scenario.socket_story import LineStory, Look, Stay, Story, Tally
from ctlint.scenario.span_words import say_span
from ctlint.wire.moments import Micros
from ctlint.wire.tcp_flags import TcpFlags

_NAMES: Final = ("client", "server")
_FATE_WORDS: Final = {
    Fate.ARRIVED: "arrived",
    Fate.REFUSED: "refused",
    Fate.DROPPED: "dropped",
    Fate.REJECTED: "rejected",
    Fate.LOST: "lost",
}


class SocketMiss(NamedTuple):
    """What was expected, and what came instead. `is_open`: the run ended before it was decided."""

    claim: Claim
    got: str
    is_open: bool


class SocketUnmet(NamedTuple):
    """A statement of which not all came that was expected."""

    step: Step
    misses: tuple[SocketMiss, ...]


def check_story(story: Story) -> tuple[SocketUnmet, ...]:
    """Compares what became of sockets with what each statement expects."""
    unmet = []
    for number, step in enumerate(story.plan.steps):
        found = tuple(_misses(story, number, step))
        if found:
            unmet.append(SocketUnmet(step, found))
    return tuple(unmet)


def _misses(story: Story, number: int, step: Step) -> list[SocketMiss]:
    misses = []
    for claim in step.claims:
        got = _Judge(story, number, step).judge(claim)
        if got is not None:
            misses.append(SocketMiss(claim, got, not story.ending.is_whole))
    return misses


class _Judge:
    """One statement: its claims are about what comes of it, from its moment on; behind a wait,
    about what stands at its end, and what has come since its beginning.
    """

    def __init__(self, story: Story, number: int, step: Step) -> None:
        self.story = story
        self.step = step
        self.number = number
        self.line: LineStory | None = story.lines.get(step.label)
        act = step.act
        self.look: Look | None = None
        self.since, self.until = step.at, story.ending.at
        if isinstance(act, Pass):
            self.look = story.looks.get(number)
            self.since, self.until = act.since, step.at

    def judge(self, claim: Claim) -> str | None:
        """What came instead; None where the claim is met."""
        what = claim.what
        if isinstance(what, Many):
            return self.many(what, self.story.tallies.get(self.number))
        if self.line is None or (isinstance(self.step.act, Pass) and self.look is None):
            return f"the run ended before, after {say_span(self.story.ending.at)}"
        match what:
            case Stays():
                return self.stays(what, self.line)
            case Goes():
                end = self.line.ends[what.side]
                return self.moment(end.gone, what.after, f"{_NAMES[what.side]} gone", "still there")
            case Notices():
                return self.notices(what, self.line)
            case Connects():
                said = self.how_it_ended(self.line)
                return self.moment(self.line.connected, what.after, "connected", said)
            case Fails():
                return self.fails(what, self.line)
            case Counts():
                return self.counts(what, self.line)
            case HasEntry():
                return self.entry(what)

    def moment(
        self, at: Micros | None, after: Range | None, said: str, otherwise: str
    ) -> str | None:
        """Whether something came in time."""
        if at is None or not self.since <= at <= self.until:
            return otherwise if at is None else f"{said} at {say_span(at)}"
        took = at - self.since
        if after is None or after.holds(took):
            return None
        return f"{said} after {say_span(took)}"

    def stays(self, what: Stays, line: LineStory) -> str | None:
        name = _NAMES[what.side]
        if self.look is not None:
            state = self.look.states[what.side]
            if state is what.state:
                return None
            return f"no socket of the {name}" if state is None else f"{name} {state.name}"
        end = line.ends[what.side]
        if what.span is None and not what.is_for_ever:
            last = end.last
            if last is not None and last.state is what.state:
                return None
            return self.say_stays(what, end.stays)
        for stay in end.stays:
            if stay.state is what.state and (stay.until is None or stay.until > self.since):
                if what.is_for_ever:
                    met = stay.until is None
                else:
                    assert what.span is not None
                    begun = max(stay.since, self.since)
                    upto = self.story.ending.at if stay.until is None else stay.until
                    is_over = stay.until is not None or what.span.high is None
                    met = is_over and what.span.holds(upto - begun)
                return None if met else self.say_stays(what, end.stays)
        return self.say_stays(what, end.stays)

    def say_stays(self, what: Stays, stays: list[Stay]) -> str:
        """The states since the statement, each with its time."""
        name = _NAMES[what.side]
        said = [
            f"{stay.state.name} {self.say_length(stay)}"
            for stay in stays
            if stay.until is None or stay.until > self.since
        ]
        gone = bool(stays) and stays[-1].until is not None
        if not stays:
            return f"no socket of the {name}"
        return f"{name} {', '.join([*said, *(['gone'] if gone else [])])}"

    def say_length(self, stay: Stay) -> str:
        if stay.until is not None:
            return f"for {say_span(stay.until - max(stay.since, self.since))}"
        if self.story.is_settled:
            return "for ever"
        return f"still, after {say_span(self.story.ending.at - max(stay.since, self.since))}"

    def notices(self, what: Notices, line: LineStory) -> str | None:
        name = _NAMES[what.side]
        noticed = [
            (at, event)
            for at, event in line.ends[what.side].noticed
            if self.since <= at <= self.until
        ]
        for at, event in noticed:
            if event == what.event:
                return self.moment(at, what.after, f"{name} gets {event}", "")
        if not noticed:
            return f"the {name} gets nothing"
        events = dict.fromkeys(event for _, event in noticed)
        return f"the {name} gets {', '.join(events)}"

    def how_it_ended(self, line: LineStory) -> str:
        """What became of connect()."""
        if line.failed is not None:
            error = "" if line.error is None else f" {line.error.name}"
            return f"fails{error} after {say_span(line.failed - line.began)}"
        if line.connected is not None:
            return f"connected after {say_span(line.connected - line.began)}"
        return "neither connected nor failed"

    def fails(self, what: Fails, line: LineStory) -> str | None:
        said = self.how_it_ended(line)
        if what.error is not None and line.failed is not None and line.error is not what.error:
            return said
        return said if self.moment(line.failed, what.after, "fails", said) else None

    def counts(self, what: Counts, line: LineStory) -> str | None:
        if self.story.left_out:
            return "too many packets to count"
        rungs = [rung for rung in self.story.rungs(line) if self.since <= rung.at <= self.until]
        of_kind = [
            rung
            for rung in rungs
            if _is_of(rung, what.kind)
            and (what.side is None or (rung.half is not None and rung.half.side is what.side))
        ]
        found = [
            rung
            for rung in of_kind
            if (what.fate is None or rung.fate is what.fate)
            and (what.rule is None or rung.cause == what.rule)
        ]
        if what.number.holds(len(found)):
            return None
        if what.fate is None:
            return f"{len(found)}"
        rules = sorted({rung.cause for rung in of_kind if rung.cause is not None})
        by = f"; what is dropped, is by {', '.join(rules)}" if what.rule and rules else ""
        return f"{len(found)} of {len(of_kind)} {_FATE_WORDS[what.fate]}{by}"

    def entry(self, what: HasEntry) -> str | None:
        if self.look is not None:
            state = self.look.entry
        else:
            rungs = [] if self.line is None else [*self.story.rungs(self.line)]
            last = rungs[-1].entry if rungs else None
            state = None if last is None else last[0]
        if state == what.state:
            return None
        return "no entry" if state is None else f"entry {state}"

    def many(self, what: Many, tally: Tally | None) -> str | None:
        if tally is None or not isinstance(self.step.act, Repeat):
            return "nothing was repeated"
        number = tally.connected
        if what.fails:
            number = sum(tally.failed.values()) if what.error is None else tally.failed[what.error]
        if what.number.holds(number):
            return None
        failed = ", ".join(
            f"{count} fail {'' if error is None else error.name}".rstrip()
            for error, count in sorted(tally.failed.items(), key=lambda each: str(each[0]))
        )
        said = f"{tally.connected} connected" + (f", {failed}" if failed else "")
        return f"{said}, of {tally.begun}"


def _is_of(rung: Rung, kind: str) -> bool:
    """Whether a packet is of a kind: by its flags, a SYN,ACK is no SYN, and an ACK nothing more."""
    flags = rung.packet.flags
    if flags is None:
        return False
    letters = {"S": "S", "SA": "SA"}.get(kind)
    if letters is not None:
        return (flags & (TcpFlags.SYN | TcpFlags.ACK)) == TcpFlags.parse(letters)
    if kind == "A":
        return flags.letters == "A" and rung.packet.payload == 0
    return not kind or bool(flags & TcpFlags.parse(kind))
