# SPDX-License-Identifier: GPL-2.0-only
"""A diagnosis for a terminal: what is wrong, each with what to do, then what was looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ctlint.analysis.diagnosis import Advice, Diagnosis, EntryKnown, Lasts, LostPacket, Trouble
from ctlint.analysis.socket_packets import say_flags
from ctlint.analysis.socket_words import say_socket
from ctlint.report.page import Page, Piece

if TYPE_CHECKING:
    from rich.console import Console

SHOWN: Final = 5
"""Troubles of one kind that are shown in full; the rest is listed."""

LISTED: Final = 20
"""Those of the rest that are listed; the others are counted."""

_HEADING: Final = "bold"
_DIM: Final = "dim"
_GOOD: Final = "green"
_BAD: Final = "bold red"
_OPEN: Final = "bold yellow"
_LABEL: Final = 9
_WAITING: Final = ("FIN_WAIT_1", "LAST_ACK", "CLOSING", "CLOSE_WAIT", "SYN_SENT", "FIN_WAIT_2")


def render_diagnosis(diagnosis: Diagnosis, *, console: Console) -> None:
    """Prints the diagnosis; ``console`` decides on width, colours and encoding."""
    _Page(console, diagnosis).render()


class _Page(Page):
    def __init__(self, console: Console, diagnosis: Diagnosis) -> None:
        super().__init__(console)
        self.of = diagnosis

    def render(self) -> None:
        of = self.of
        count = len(of.troubles)
        said = ("nothing found", _GOOD) if not count else (_count(count, "trouble"), _BAD)
        when = f", at {of.date}" if of.date is not None else ""
        twice = f", two dumps {of.interval} s apart" if of.interval is not None else ""
        self.add_wrapped(
            (f"{of.name}: ", _HEADING), said, f"; kernel {of.kernel}{when}{twice}", indent=2
        )
        for troubles in _groups(of.troubles):
            for trouble in troubles[:SHOWN]:
                self.trouble(trouble)
            self.others(troubles[SHOWN:])
        self.looked()
        self.flush()

    # Troubles

    def trouble(self, trouble: Trouble) -> None:
        self.add()
        socket = trouble.socket
        name: list[Piece] = [(trouble.pattern.value, _BAD)]
        if socket is not None:
            name.append((f"  {socket.state}  {say_socket(socket)}", _HEADING))
            name.append((f"  {socket.span.file}:{socket.span.line}", _DIM))
        self.add_wrapped(*name, indent=2)
        self.add_wrapped(trouble.what, first=("  ",))
        for lost in trouble.lost:
            self.lost(lost)
        if socket is not None and socket.state != "LISTEN":
            self.item("entry", _say_entry(trouble))
        if trouble.lasts is not None:
            style = "" if trouble.lasts.is_known else _OPEN
            self.item("lasts", (say_lasts(trouble.lasts), style))
        for number, sign in enumerate(trouble.signs):
            self.item("" if number else "signs", sign)
        for label, advices in (("now", trouble.now), ("change", trouble.change)):
            for number, advice in enumerate(advices):
                self.advice("" if number else label, advice)
        for number, said in enumerate(trouble.undecided):
            self.item("" if number else "undecided", (said, _OPEN))
        if trouble.pattern.page is not None:
            simulated = f"`ctlint simulate --incident {trouble.pattern.value}` plays it"
            self.item("see", f"{trouble.pattern.page}; {simulated}")

    def lost(self, lost: LostPacket) -> None:
        where = lost.location
        text = where.text.partition("\n")[0][where.column - 1 :]
        self.item("rule", f"{where.file}:{where.line}: ", (text, _HEADING))
        kind = f", {lost.ctstate.name}," if lost.ctstate is not None else ""
        verb = "rejects" if lost.rejected else "drops"
        self.item("", f"{verb} the {say_flags(lost.flags)} of {lost.sender}{kind} as {lost.name}")
        for via in lost.via:
            self.item("", f"sent there by {via.table}/{via.chain}#{via.position}, line {via.line}")
        counted = lost.counted
        if counted is not None:
            seconds = counted.seconds
            over = f" in {seconds} s" if seconds is not None else " between the dumps"
            moved = "" if counted.moved is None else f", {counted.moved:,} more{over}"
            self.item("", f"its counter stands at {counted.total:,} packets{moved}")
        for line in lost.logged[:1]:
            self.item("", f"logged: line {line.line} of the log, {line.prefix!r}")

    def advice(self, label: str, advice: Advice) -> None:
        checked = f" (played: {advice.checked})" if advice.checked else ""
        self.item(label, f"{advice.what}{checked}")
        for command in advice.commands:
            self.add(" " * (_LABEL + 2), (f"  {command}", _HEADING))

    def others(self, troubles: list[Trouble]) -> None:
        if not troubles:
            return
        self.add()
        state = f" in {troubles[0].socket.state}" if troubles[0].socket is not None else ""
        self.add(f"{_count(len(troubles), 'more socket')}{state} of the same kind:")
        for trouble in troubles[:LISTED]:
            assert trouble.socket is not None
            lasts = f": {say_lasts(trouble.lasts)}" if trouble.lasts is not None else ""
            self.add_wrapped(f"{say_socket(trouble.socket)}{lasts}", first=("  ",), indent=4)
        if len(troubles) > LISTED:
            self.add(f"  and {len(troubles) - LISTED:,} more")

    def item(self, label: str, *pieces: Piece) -> None:
        self.add_wrapped(*pieces, first=(f"  {label:<{_LABEL}}",))

    # What was looked at

    def looked(self) -> None:
        of = self.of
        self.add()
        waiting = {state: of.states[state] for state in _WAITING if state in of.states}
        rest = sum(of.states.values()) - sum(waiting.values())
        if of.states:
            said = [f"{count:,} {state}" for state, count in waiting.items()]
            self.add_wrapped(", ".join([*said, f"{rest:,} in other states"]), first=("sockets: ",))
        for number, looked in enumerate(of.looked):
            found = f": {looked.found}" if looked.found else ""
            lead = "           " if number else "looked at: "
            self.add_wrapped(f"{looked.what}{found} ({looked.file})", first=(lead,))
        for number, (what, without) in enumerate(of.missing):
            lead = "         " if number else "missing: "
            self.add_wrapped((f"{what}: {without}", _OPEN), first=(lead,))
        if of.unseen:
            self.add((f"not looked at: {of.unseen:,} further sockets", _OPEN))
        for note in of.notes:
            self.add_wrapped(note, first=("note: ",))


def say_lasts(lasts: Lasts) -> str:
    """For how much longer a state lasts."""
    if not lasts.is_known:
        return f"not known: {lasts.why}"
    if lasts.least is None or lasts.most is None:
        return lasts.why
    span = f"{lasts.least}" if lasts.least == lasts.most else f"{lasts.least} to {lasts.most}"
    return f"{span} s more: {lasts.why}"


def _say_entry(trouble: Trouble) -> Piece:
    entry = trouble.entry
    if entry is not None:
        flags = "".join(f" [{flag}]" for flag in sorted(entry.flags))
        seconds = f", {entry.seconds} s left" if entry.seconds is not None else ""
        return f"{entry.state or 'without a state'}{flags}{seconds} (line {entry.line})"
    if trouble.entry_known is EntryKnown.MISSING:
        return ("none", _BAD)
    if trouble.entry_known is EntryKnown.UNUSED:
        return "none: no rule asks conntrack"
    return ("not known", _OPEN)


def _groups(troubles: tuple[Trouble, ...]) -> Iterator[list[Trouble]]:
    """Troubles that differ in their sockets only."""
    found: dict[tuple[object, ...], list[Trouble]] = {}
    for trouble in troubles:
        state = trouble.socket.state if trouble.socket is not None else id(trouble)
        if state == "LISTEN":
            state = str(id(trouble))
        places = tuple((one.flags, one.sender, one.location) for one in trouble.lost)
        found.setdefault((trouble.pattern, state, places), []).append(trouble)
    yield from found.values()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
