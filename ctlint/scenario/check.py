# SPDX-License-Identifier: GPL-2.0-only
"""Answers against what was expected of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.scenario.answer import OpAnswer, PacketAnswer
from ctlint.scenario.expectation import (
    As,
    By,
    Claim,
    Ctstate,
    Delivered,
    Expectation,
    HasEntry,
    Matched,
    NoEntry,
    Rejected,
    Rules,
    Seen,
)
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.scenario import Scenario, ScenarioError

UNDECIDED_SHOWN: Final = 4
"""So many matches that are not decided are named of a packet; the others are counted."""


class Miss(NamedTuple):
    """What was expected of a packet, and what came instead. `is_open`: the model does not know what
    comes.
    """

    expected: str
    got: str
    is_open: bool = False


class Unmet(NamedTuple):
    """A packet of which not all came that was expected.

    `rule` names what ended its way or, of one that came through, what the table filter said last;
    `rule_text` is the rule as it is written; None where nothing did, or where it is not known.
    `matched` are all rules that matched.
    """

    expectation: Expectation
    misses: tuple[Miss, ...]
    rule: str | None
    rule_text: str | None
    matched: tuple[str, ...] = ()


class Checked(NamedTuple):
    """A scenario that was played. `expected` counts the packets of which anything was expected."""

    name: str | None
    expected: int
    unmet: tuple[Unmet, ...]


def check(
    scenario: Scenario, answers: Iterable[PacketAnswer | OpAnswer], index: RuleIndex
) -> Checked:
    """Compares each answer, as it comes, with what is expected of its packet."""
    expectations = {each.packet: each for each in scenario.expectations}
    unmet: list[Unmet] = []
    for number, answer in enumerate(answers):
        expectation = expectations.get(number)
        if expectation is not None and isinstance(answer, PacketAnswer):
            found = judge(expectation, answer, index)
            if found is not None:
                unmet.append(found)
    return Checked(scenario.name, len(expectations), tuple(unmet))


def require_rules(scenario: Scenario, index: RuleIndex) -> None:
    """Raises ScenarioError where an expectation names a rule that the rule set does not have."""
    for expectation in scenario.expectations:
        for name in _named(expectation.claims):
            wrong = index.wrong(name)
            if wrong is not None:
                hint = f" ({wrong.hint})" if wrong.hint else ""
                raise ScenarioError(
                    f'"expect": {wrong.message}{hint}', expectation.packet, scenario.name
                )


def _named(claims: Iterable[Claim]) -> Iterator[str]:
    for claim in claims:
        if isinstance(claim, By | Matched):
            yield claim.rule
        elif isinstance(claim, Rules):
            yield from claim.rules


def judge(expectation: Expectation, answer: PacketAnswer, index: RuleIndex) -> Unmet | None:
    """What of an expectation is not met; None where all is."""
    rule = answer.cause
    misses = tuple(_misses(expectation.claims, answer, rule))
    if not misses:
        return None
    matched = answer.rules or ()
    if answer.delivered:
        rule = next((name for name in reversed(matched) if name.startswith("filter/")), None)
    text = None if rule is None else index.text(rule)
    return Unmet(expectation, misses, rule, text, matched)


def is_rejected(answer: PacketAnswer) -> bool:
    """Whether the box answers a packet that does not come through: no end sends what it makes."""
    return answer.delivered is False and any(not packet.is_same for packet in answer.out)


def _misses(claims: Sequence[Claim], answer: PacketAnswer, rule: str | None) -> Iterator[Miss]:
    is_open = answer.delivered is None
    open_matches = _say_all_undecided(answer.undecided)
    # How its way ends is said in one: "dropped by filter/INPUT#3".
    fate = tuple(claim for claim in claims if isinstance(claim, Delivered | Rejected | By | As))
    others = tuple(
        claim for claim in claims if not isinstance(claim, Delivered | Rejected | By | As)
    )
    if is_open:
        for said in ([say_fate(fate)] if fate else []) + [str(claim) for claim in others]:
            yield Miss(said, f"not decided: {open_matches or 'the model does not say why'}", True)
        return
    # What conntrack calls it explains its fate, which explains the rest.
    for claim in others:
        if isinstance(claim, Ctstate):
            yield from _missed(claim, answer)
    if not all(_is_met(claim, answer, rule) for claim in fate):
        yield Miss(say_fate(fate), _say_answer(answer, fate, rule))
    for claim in others:
        if not isinstance(claim, Ctstate):
            yield from _missed(claim, answer)


def _missed(claim: Claim, answer: PacketAnswer) -> Iterator[Miss]:
    got, is_unknown = _got(claim, answer)
    if got is not None:
        yield Miss(str(claim), got, is_unknown)


def _got(claim: Claim, answer: PacketAnswer) -> tuple[str | None, bool]:
    """What came instead of what was claimed, None where it came; and whether that is not known."""
    matched = answer.rules or ()
    match claim:
        case Ctstate():
            if answer.ctstate == claim.ctstate:
                return None, False
            return str(Ctstate(answer.ctstate)), False
        case NoEntry() | HasEntry():
            entry = answer.entry
            is_met = (entry is None) is isinstance(claim, NoEntry)
            if isinstance(claim, HasEntry) and entry is not None and claim.state is not None:
                is_met = entry.state == claim.state
            if is_met:
                return None, False
            if entry is None:
                return str(NoEntry()), False
            return str(HasEntry(entry.state)) + ", not of TCP" * (entry.state is None), False
        case Matched():
            if claim.rule in matched:
                return None, False
            for each in answer.undecided:
                if each.get("rule") == claim.rule:
                    return f"not decided: {say_undecided(each)}", True
        case Rules():
            if answer.undecided:
                return f"not decided: {_say_all_undecided(answer.undecided)}", True
            if claim.rules == matched:
                return None, False
    return str(Rules(tuple(matched))), False


def _is_met(claim: Claim, answer: PacketAnswer, rule: str | None) -> bool:
    match claim:
        case Delivered():
            return answer.delivered is claim.delivered
        case Rejected():
            return is_rejected(answer) is claim.rejected
        case By():
            return rule == claim.rule
        case As():
            return any(_is_like(claim.seen, seen) for seen in _seen(answer))
    raise AssertionError(claim)


def _is_like(claimed: Seen, seen: Seen) -> bool:
    return all(one is None or one == other for one, other in zip(claimed, seen, strict=True))


def _seen(answer: PacketAnswer) -> Iterator[Seen]:
    """The addresses with which a packet came through: as it left the box, else, where it is for the
    box, as its entry translates it.
    """
    if not answer.delivered:
        return
    out = [packet for packet in answer.out if packet.is_same]
    for packet in out:
        yield Seen(packet.src, packet.sport, packet.dst, packet.dport)
    if not out and answer.entry is not None and answer.pktdir is not None:
        entry = answer.entry
        other = entry.reply if answer.pktdir is Dir.ORIGINAL else entry.orig
        yield Seen(other[2], other[3], other[0], other[1])


# Words


def say_fate(claims: Sequence[Claim]) -> str:
    """How a packet's way should end, in the words of scripts."""
    delivered = [claim.delivered for claim in claims if isinstance(claim, Delivered)]
    rejected = [claim.rejected for claim in claims if isinstance(claim, Rejected)]
    more = [str(claim) for claim in claims if isinstance(claim, By | As)]
    if rejected and rejected[0]:
        said = "rejected"
    elif rejected and delivered and not delivered[0]:
        said = "dropped"
    elif delivered:
        said = str(Delivered(delivered[0]))
    elif rejected:
        said = str(Rejected(False))
    else:
        said = ""
    return " ".join([*([said] if said else []), *more])


def _say_answer(answer: PacketAnswer, claims: Sequence[Claim], rule: str | None) -> str:
    if answer.delivered:
        if any(isinstance(claim, As) for claim in claims):
            return " or ".join(f"delivered as {seen}" for seen in _seen(answer)) or "delivered"
        return "delivered"
    said = "rejected" if is_rejected(answer) else "dropped"
    if rule is None:
        return f"{said}, by no rule" if answer.rules is not None else said
    return f"{said} by {rule}"


def _say_all_undecided(matches: Sequence[Mapping[str, Any]]) -> str:
    more = len(matches) - UNDECIDED_SHOWN
    said = [*map(say_undecided, matches[:UNDECIDED_SHOWN]), *([f"and {more} more"] * (more > 0))]
    return "; ".join(said)


def say_undecided(match: Mapping[str, Any]) -> str:
    """A match that is not decided: its rule, what it asks, and why that is not known."""
    rest = {key: value for key, value in match.items() if key not in ("rule", "match", "why")}
    words = [str(match[key]) for key in ("rule", "match", "why") if match.get(key)]
    words += [f"{key} {value}" for key, value in rest.items() if value is not None]
    return ": ".join(words)
