# SPDX-License-Identifier: GPL-2.0-only
"""Every rule that a packet came by in one table, and why those that did not match did not.

A walk looks only at rules that its question leaves open: a rule for NEW is never tried for an
INVALID packet. For an explanation they count, so the walk is retraced through all rules of the
chains from what it found to match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ctlint.ir.rule import AnyMatch, Goto, Jump, Match, UnknownMatch
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Chain, Ruleset
from ctlint.model.netfilter.chains import why_unknown
from ctlint.model.netfilter.matches import predicates
from ctlint.model.netfilter.targets import Action, action
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.model.netfilter.traverse import Walk


class Step(NamedTuple):
    """A rule that matched, or may match. ``depth`` counts the chains that were entered to get
    there; ``decides``: the walk ended with it, for certain.
    """

    ref: RuleRef
    truth: Tern
    depth: int
    decides: bool = False


class Stretch(NamedTuple):
    """Rules in a row that did not match: the positions ``first`` to ``last`` of a chain."""

    table: str
    chain: Chain
    first: int
    last: int
    depth: int

    @property
    def length(self) -> int:
        """How many rules they are."""
        return self.last - self.first + 1

    def ref(self, position: int) -> RuleRef:
        """One of them."""
        return RuleRef(self.table, self.chain.name, position, self.chain.rules[position - 1])


class _Frame:
    """A chain on the way; ``at`` is the position of the last rule that was passed."""

    __slots__ = ("at", "chain", "escapes")

    def __init__(self, chain: Chain, *, escapes: bool) -> None:
        self.chain = chain
        self.at = 0
        self.escapes = escapes


_ENDS: Final = frozenset(
    {Action.ACCEPT, Action.DROP, Action.REJECT, Action.TRANSLATE, Action.ELSEWHERE}
)


def retrace(walk: Walk, ruleset: Ruleset, table: str, base_chain: str) -> list[Step | Stretch]:
    """The rules in the order in which the packet came by them. ``walk`` was made to explain."""
    base = ruleset.chain(table, base_chain)
    if base is None or walk.tried is None:
        return []
    steps: list[Step | Stretch] = []
    frames = [_Frame(base, escapes=False)]

    def pass_by(frame: _Frame, last: int) -> None:
        if frame.at < last:
            steps.append(Stretch(table, frame.chain, frame.at + 1, last, len(frames) - 1))
            frame.at = last

    for ref, truth, _ in walk.tried:
        if truth is Tern.FALSE:
            continue
        while frames[-1].chain.name != ref.chain or frames[-1].at >= ref.position:
            pass_by(frames[-1], len(frames[-1].chain.rules))
            frames.pop()
        frame = frames[-1]
        pass_by(frame, ref.position - 1)
        frame.at = ref.position
        certain = truth is Tern.TRUE
        does = action(ref.rule.target)
        ends = certain and does in _ENDS
        steps.append(Step(ref, truth, len(frames) - 1, ends))
        if ends:
            # As in the walk: it goes on only in callers that may never have come here.
            while frames and not frames.pop().escapes:
                pass
        elif does is Action.RETURN:
            _leave(frame, certain=certain)
        elif isinstance(ref.rule.target, Jump | Goto):
            escapes = not certain
            if does is Action.GOTO:
                _leave(frame, certain=certain)
                escapes = frame.escapes or escapes
            called = ruleset.chain(table, ref.rule.target.chain)
            if called is not None:
                frames.append(_Frame(called, escapes=escapes))
    while frames:
        pass_by(frames[-1], len(frames[-1].chain.rules))
        frames.pop()
    return steps


def _leave(frame: _Frame, *, certain: bool) -> None:
    """RETURN and goto: the rest of the chain is not looked at, or perhaps not."""
    if certain:
        frame.at = len(frame.chain.rules)
    else:
        frame.escapes = True


class Condition(NamedTuple):
    """One condition of a rule: as a match of its own, its truth, and what it reads."""

    match: AnyMatch
    truth: Tern
    reads: frozenset[Field]
    why: str | None


_NOTHING: Final[Mapping[Field, str]] = {}

# Matches whose options are conditions of their own, all of which must hold.
_SEPARABLE: Final = frozenset({"ip", "tcp", "udp", "multiport", "iprange", "state", "set"})


def conditions(
    matches: Sequence[AnyMatch],
    facts: Facts,
    transit: Transit,
    unknown: Mapping[Field, str] = _NOTHING,
) -> list[Condition]:
    """The conditions of a rule, each by itself. ``unknown`` is what is not known of the packet."""
    return [
        condition
        for match in _parts(matches)
        for condition in _asked(match, facts, transit, unknown)
    ]


def _parts(matches: Sequence[AnyMatch]) -> Iterator[AnyMatch]:
    for match in matches:
        if isinstance(match, UnknownMatch) or match.name not in _SEPARABLE:
            yield match
        else:
            yield from (Match(match.name, (option,), match.implicit) for option in match.options)


def _asked(
    match: AnyMatch, facts: Facts, transit: Transit, unknown: Mapping[Field, str]
) -> Iterator[Condition]:
    found = [
        (
            predicate.test(transit)
            if why_unknown(predicate.reads, unknown) is None
            else Tern.UNKNOWN,
            predicate,
        )
        for predicate in predicates(match, facts)
    ]
    if not found:
        return
    # The first that is false speaks for the match, else the first that is open.
    truth, predicate = next(
        (one for wanted in (Tern.FALSE, Tern.UNKNOWN) for one in found if one[0] is wanted),
        found[-1],
    )
    yield Condition(match, truth, predicate.reads, predicate.why)
