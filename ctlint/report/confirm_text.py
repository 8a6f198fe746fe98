# SPDX-License-Identifier: GPL-2.0-only
"""What model and kernel say of scenarios, for a terminal: packet by packet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ctlint.report.confirm_result import (
    Confirmation,
    Status,
    Sums,
    made_for,
    packet_name,
)
from ctlint.report.page import Page, Piece
from ctlint.scenario.agreement import Difference
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.check import Unmet, is_rejected
from ctlint.scenario.duel import Both
from ctlint.wire.addresses import with_port

if TYPE_CHECKING:
    from rich.console import Console

_DIM: Final = "dim"
_HEADING: Final = "bold"
_BAD: Final = "bold red"
_GOOD: Final = "green"
_OPEN: Final = "bold yellow"
_STYLES: Final = {
    Status.CONFIRMED: _GOOD,
    Status.REFUTED: _BAD,
    Status.DIFFERS: _BAD,
    Status.UNDECIDED: _OPEN,
    Status.UNPLAYED: _OPEN,
}
_RULE_SHOWN: Final = 40
_NAME_SHOWN: Final = 200
_VALUE_SHOWN: Final = 400
_MOST_STEPS: Final = 60
"""Packets of a scenario that are printed where both agree; what differs is always printed."""
_INDENT: Final = " " * 6
_INNER: Final = " " * 12


def render_confirmation(
    found: Confirmation, *, kernel: str, release: str, console: Console
) -> None:
    """Prints what came of one scenario. `kernel` is the profile that the model used, `release` that
    of the live kernel.
    """
    page = Page(console)
    task = found.task
    status = found.status
    rule: tuple[Piece, ...] = ((_cut(task.rule, _RULE_SHOWN), _HEADING), "  ") if task.rule else ()
    page.add_wrapped(
        *rule,
        (f"{_cut(task.file)}:{task.line}", _DIM),
        "  ",
        (_cut(task.name, _NAME_SHOWN), _HEADING),
        first=((status.value, _STYLES[status]), "  "),
    )
    other = made_for(task, kernel)
    if other is not None:
        page.add_wrapped(
            f"made for kernel {other}; played on {release}, and on its model {kernel}",
            first=(_INDENT,),
        )
    if found.problem is not None:
        page.add_wrapped(found.problem, first=(_INDENT,))
    if found.duel is not None:
        _add_duel(page, found)
    if found.report is not None:
        page.add_wrapped(found.report, first=(_INDENT, ("bug report: ", _HEADING)))
    elif found.unwritten is not None:
        page.add_wrapped(found.unwritten, first=(_INDENT, ("no bug report: ", _OPEN)))
    page.flush()


def _add_duel(page: Page, found: Confirmation) -> None:
    duel, scenario = found.duel, found.task.scenario
    assert duel is not None
    assert scenario is not None
    unmet = {one.expectation.packet: one for one in duel.unmet}
    expected = {one.packet for one in scenario.expectations}
    names = [packet_name(scenario, number) for number in range(len(duel.steps))]
    width = max(map(len, names), default=0)
    has_nat = "*nat" in scenario.ruleset + scenario.ruleset6
    left_out = 0
    for number, both in enumerate(duel.steps):
        is_quiet = not both.differences and number not in unmet
        if is_quiet and number >= _MOST_STEPS:
            left_out += 1
            continue
        first = (_INDENT, f"{number:>3}  {names[number]:<{width}}  ")
        said = _in_words(both, has_nat=has_nat)
        _add_step(page, first, both, said, is_expected=number in expected and number not in unmet)
        for one in both.differences:
            _add_difference(page, one)
        if number in unmet:
            _add_unmet(page, unmet[number])
    if left_out:
        page.add_wrapped(f"… and {left_out:,} more, in which both agree", first=(_INDENT,))
    if duel.at_the_end:
        page.add_wrapped("the table behind the last packet:", first=(_INDENT,))
        for one in duel.at_the_end:
            _add_difference(page, one)
    if duel.open is not None:
        page.add_wrapped(_cut(duel.open), first=(_INDENT, ("the model leaves open: ", _OPEN)))
    if duel.unmet_by_model and duel.unmet:
        page.add_wrapped(
            "the model of this kernel does not meet what is expected either", first=(_INDENT,)
        )


def _add_step(
    page: Page, first: tuple[str, ...], both: Both, said: str, *, is_expected: bool
) -> None:
    who = "kernel alone: " if both.model is None else "both: "
    if both.differences:
        page.add_wrapped(("model and kernel differ", _BAD), first=first)
        return
    page.add_wrapped(who, said, (", as expected", _GOOD) if is_expected else "", first=first)


def _add_difference(page: Page, one: Difference) -> None:
    field = f"{one.field:<10}"
    page.add_wrapped(_value(one.got), first=(_INNER, (field, _BAD), " model   "))
    page.add_wrapped(_value(one.expected), first=(_INNER, " " * len(field), " kernel  "))


def _add_unmet(page: Page, unmet: Unmet) -> None:
    for miss in unmet.misses:
        page.add_wrapped(_cut(miss.expected), first=(_INNER, ("expected  ", _GOOD)))
        page.add_wrapped(_cut(miss.got), first=(_INNER, ("got       ", _BAD)))


def _in_words(both: Both, *, has_nat: bool) -> str:
    """What the kernel did with a packet. Which of the rules that matched ended its way, the model
    knows.
    """
    answer, model = both.kernel, both.model
    if not isinstance(answer, PacketAnswer):
        return "done"
    words = [answer.ctstate or "no ctstate"]
    if answer.delivered:
        words.append("delivered")
    else:
        fate = "rejected" if is_rejected(answer) else "dropped"
        by = model.cause if isinstance(model, PacketAnswer) else None
        words.append(f"{fate} by {by}" if by else fate)
    if has_nat:
        words += [
            f"out as {with_port(one.src, one.sport)} > {with_port(one.dst, one.dport)}"
            for one in answer.out
            if one.is_same
        ]
    entry = answer.entry
    words.append("no entry" if entry is None else f"entry {entry.state or ''}".rstrip())
    return ", ".join(words)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return _cut(", ".join(value) or "none")
    return _cut("none" if value is None else str(value))


def _cut(text: str, most: int = _VALUE_SHOWN) -> str:
    return text if len(text) <= most else text[:most] + "…"


def render_sums(sums: Sums, *, kernel: str, release: str, console: Console) -> None:
    """Prints the last lines."""
    page = Page(console)
    page.add()
    page.add_wrapped(f"kernel {release}, model {kernel}")
    bad = sums.by_status[Status.REFUTED] + sums.by_status[Status.DIFFERS]
    style = _BAD if bad else _OPEN if sums.by_status[Status.UNPLAYED] else _GOOD
    page.add_wrapped((_cut(", ".join(sums.words())), style))
    page.flush()
