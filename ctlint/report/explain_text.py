# SPDX-License-Identifier: GPL-2.0-only
"""An explanation for a terminal: the phases of the packet's way, then what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.analysis.explanation import (
    Answer,
    Change,
    Ending,
    Explanation,
    Phase,
    Result,
    Rewrite,
    RuleView,
)
from ctlint.analysis.fate import Disposition
from ctlint.analysis.tracking import EntryState, Inquiry, Tracking, is_error
from ctlint.finding import Location
from ctlint.model.conntrack.status import CtState, Dir, TcpCt
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.traverse import Verdict
from ctlint.parse.extensions.match_icmp import ICMP_TYPES
from ctlint.parse.extensions.match_icmp6 import ICMPV6_TYPES
from ctlint.report.kernel_facts import SHORT_NAMES, short_name
from ctlint.report.page import Page, Piece
from ctlint.report.sentence import say_flags, say_lasting
from ctlint.wire.addresses import Family, format_end
from ctlint.wire.packet import Packet

if TYPE_CHECKING:
    from rich.console import Console

OPEN_SHOWN: Final = 8
"""How many undecided matches are listed; the rest is counted."""

_HEADING: Final = "bold"
_DIM: Final = "dim"
_GOOD: Final = "green"
_BAD: Final = "bold red"
_OPEN: Final = "bold yellow"
_LABEL: Final = 10
_MARKS: Final = {
    True: {Tern.TRUE: "✓", Tern.FALSE: "✗", Tern.UNKNOWN: "?"},
    False: {Tern.TRUE: "+", Tern.FALSE: "-", Tern.UNKNOWN: "?"},
}
_DIRECTION: Final = {Dir.ORIGINAL: "original", Dir.REPLY: "reply"}


def render_explanation(explanation: Explanation, *, console: Console) -> None:
    """Prints the explanation; ``console`` decides on width, colours and encoding."""
    _Page(console, explanation).render()


class _Page(Page):
    def __init__(self, console: Console, explanation: Explanation) -> None:
        super().__init__(console)
        self.of = explanation
        self.number = 0

    def render(self) -> None:
        of = self.of
        self.packet()
        before = [phase for phase in of.phases if phase.ctstate is None]
        behind = [phase for phase in of.phases if phase.ctstate is not None]
        for phase in before:
            self.phase(phase)
        self.tracking()
        for phase in behind:
            self.phase(phase)
        self.add()
        self.result()
        self.changes()
        self.flush()

    # What is asked

    def packet(self) -> None:
        of = self.of
        self.item("Packet", (_say(of.inquiry.packet), _HEADING))
        self.item("", _say_circumstances(of.inquiry, of.kernel))

    # Phases

    def heading(self, title: str, *verdict: Piece) -> None:
        self.number += 1
        self.add()
        self.add_wrapped((f"{self.number}  {title}: ", _HEADING), *verdict, indent=3)

    def tracking(self) -> None:
        of = self.of
        if of.untracked_by is not None:
            self.heading("conntrack", ("UNTRACKED", _OPEN))
            self.detail(f"taken out of tracking by {_say_place(of.untracked_by)}")
            return
        if of.tracking is None:
            return
        tracking = of.tracking
        style = _BAD if tracking.ctstate is CtState.INVALID else _GOOD
        self.heading("conntrack", (str(tracking.ctstate.name), style))
        for line in _say_tracking(tracking, of.inquiry):
            self.detail(line)

    def phase(self, phase: Phase) -> None:
        is_quiet = not phase.rules and not phase.passed and _is_plain_accept(phase)
        if is_quiet and not phase.rewrites:
            return
        shown = sum(rule.truth is Tern.FALSE for rule in phase.rules)
        hidden = phase.passed - shown
        other = "other rule" if phase.rules else "rule"
        passed = f"{_count(hidden, other)} {'does' if hidden == 1 else 'do'} not match"
        verdict = _say_verdicts(phase)
        if not phase.rules and hidden:
            verdict.append(f"; {passed}")
        self.heading(f"{phase.hook.value} {phase.table}", *verdict)
        digits = max((len(str(rule.location.line)) for rule in phase.rules), default=0)
        width = max((len(_rule_name(rule, digits)) for rule in phase.rules), default=0)
        for rule in phase.rules:
            self.rule(rule, f"{_rule_name(rule, digits):<{width}}")
        if phase.more:
            self.detail(f"{_count(phase.more, 'more rule')} may match and change nothing here")
        if phase.rules and hidden:
            self.detail(passed)
        for rewrite in phase.rewrites:
            self.detail(_say_rewrite(rewrite, self.of.inquiry.packet.family))

    def rule(self, view: RuleView, name: str) -> None:
        where = view.location
        mark = _MARKS[self.is_unicode][view.truth]
        style = {Tern.TRUE: _HEADING if view.decides else "", Tern.UNKNOWN: _OPEN}.get(
            view.truth, _DIM
        )
        lead = "   " + "  " * view.depth + f"{mark} "
        self.add_wrapped(
            (f"{name}  ", _DIM),
            (_rule_text(where), style),
            first=(lead,),
            indent=len(lead) + 4,
        )
        for failure in view.failures:
            why = f": {failure.why}" if failure.why else ""
            verb = "not decided" if view.truth is Tern.UNKNOWN else "but for"
            self.add_wrapped(f"{verb} {failure.condition}{why}", first=(" " * (len(lead) + 4),))

    def detail(self, text: str) -> None:
        self.add_wrapped(text, first=("   ",))

    # What comes of it

    def item(self, label: str, *pieces: Piece) -> None:
        self.add_wrapped(*pieces, first=((f"{label:<{_LABEL}}", _HEADING),))

    def result(self) -> None:
        of = self.of
        result = of.result
        if result.delivered is Tern.UNKNOWN:
            if len(result.endings) == 1:
                self.item("Result", ("not decided: ", _OPEN), _say_ending(result.endings[0]))
            else:
                self.item("Result", ("not decided", _OPEN))
                for ending in result.endings:
                    self.item("", f"perhaps {_say_ending(ending)}")
        else:
            style = _GOOD if result.delivered is Tern.TRUE else _BAD
            said = _say_ending(result.endings[0])
            self.item("Result", (said, style))
            for via in result.endings[0].via:
                self.item("", f"sent there by {_say_place(via)}")
        for number, note in enumerate(of.nat):
            self.item("" if number else "NAT", note)
        if of.socket is not None:
            self.item("Socket", of.socket.sentence)
        if of.answer is not None:
            self.answer(of.answer)
        for number, one in enumerate(of.undecided[:OPEN_SHOWN]):
            said = f"{one.match}: {one.why} ({_say_place(one.location)})"
            self.item("" if number else "Undecided", said)
        if len(of.undecided) > OPEN_SHOWN:
            self.item("", f"and {len(of.undecided) - OPEN_SHOWN} more")

    def answer(self, answer: Answer) -> None:
        self.item("Answer", f"{_say(answer.packet)} ({answer.what}): {_say_result(answer.result)}")
        if answer.socket is not None and answer.socket.stranded is not None:
            left = answer.socket.stranded
            seconds = f" for {say_lasting(left)}" if left.seconds is not None else ""
            self.item("", f"so the FIN's sender stays in {left.state}{seconds}")

    def changes(self) -> None:
        of = self.of
        if not of.changes:
            return
        self.add()
        self.add(("What would change it", _HEADING))
        width = max(len(change.label) for change in of.changes)
        for change in of.changes:
            if width <= self.width // 2:
                lead = f"  {change.label:<{width}}  "
                self.add_wrapped(*self.change(change), first=(lead,))
            else:
                self.add_wrapped(change.label, first=("  ",))
                self.add_wrapped(*self.change(change), first=("    ",))

    def change(self, change: Change) -> list[Piece]:
        if change.result is None:
            return [(change.note, _DIM)]
        is_same = _outcome(change.result) == _outcome(self.of.result)
        delivered = change.result.delivered
        style = {Tern.TRUE: _GOOD, Tern.FALSE: _BAD, Tern.UNKNOWN: _OPEN}[delivered]
        said = _say_result(change.result)
        pieces: list[Piece] = [(f"no change: {said}", _DIM) if is_same else (said, style)]
        if change.note:
            pieces.append(f" ({change.note})")
        answer = change.answer
        if answer is not None and answer.result.delivered is not Tern.TRUE:
            known = self.of.answer
            if known is None or _outcome(known.result) != _outcome(answer.result):
                pieces.append(f"; but the ACK of it then is {_say_result(answer.result)}")
        return pieces


# Words


def _say(packet: Packet) -> str:
    text = str(packet)
    if packet.icmp_type is not None:
        quoted = f", which quotes {packet.quoted}" if packet.quoted is not None else ""
        return f"{text} {_icmp_name(packet)}{quoted}"
    if packet.flags is None:
        return text
    head, _, _ = text.rpartition(" > ")
    target = text[len(head) + 3 :].split(" ", 1)[0]
    length = f" len={packet.payload}" if packet.payload else ""
    return f"{head} > {target} {say_flags(packet.flags.letters)}{length}"


def _icmp_name(packet: Packet) -> str:
    """The name of an ICMP type and code as rules write it, else the numbers."""
    names = ICMP_TYPES if packet.family is Family.IPV4 else ICMPV6_TYPES
    kind, code = packet.icmp_type, packet.icmp_code or 0
    fitting = [
        (found.code_high - found.code_low, name)
        for name, found in names.items()
        if found.type == kind and found.code_low <= code <= found.code_high
    ]
    width, name = min(fitting, key=lambda one: one[0], default=(0, f"{kind}/{code}"))
    return name if width == 0 or code == 0 else f"{kind}/{code}"


def _say_circumstances(inquiry: Inquiry, kernel: str) -> str:
    end = "client" if inquiry.sender is Dir.ORIGINAL else "server"
    path = inquiry.path
    into, out = inquiry.in_interface, inquiry.out_interface
    if path is Path.OUT:
        way = f"sent by this host, the {end}" + (f", through {out}" if out else "")
    elif path is Path.IN:
        way = f"sent to this host by the {end}" + (f", comes in on {into}" if into else "")
    elif path is Path.FORWARD:
        way = f"sent by the {end} through this router"
        way += (f", in on {into}" if into else "") + (f", out on {out}" if out else "")
    else:
        way = f"sent by the {end} over loopback"
    whose = "the conntrack entry of what it quotes" if is_error(inquiry.packet) else "its entry"
    if inquiry.packet.flags is not None:
        whose = "its conntrack entry"
    entry = {
        EntryState.NONE: "no conntrack entry",
        EntryState.EXPIRED: f"{whose} has expired",
        EntryState.UNREPLIED: f"{whose} has seen no answer",
    }.get(inquiry.entry, f"{whose} is in {inquiry.entry.tcp.name}")
    if inquiry.packet.flags is None and inquiry.entry is EntryState.ESTABLISHED:
        entry = f"{whose} has seen an answer"
    return f"{way}; {entry}; kernel {kernel}"


def _say_tracking(tracking: Tracking, inquiry: Inquiry) -> list[str]:
    if tracking.seg is None:
        return _say_other_tracking(tracking, inquiry)
    flags = inquiry.packet.flags
    assert flags is not None
    names = say_flags(flags.letters)
    if not tracking.has_valid_flags:
        lines = [f"flags {names}: not a combination that TCP sends; no table is asked"]
    else:
        assert tracking.row is not None
        assert tracking.column is not None
        assert tracking.cell is not None
        cell = short_name(tracking.cell)
        is_turned = not inquiry.entry.is_alive and inquiry.sender is Dir.REPLY
        turned = " (that of whoever speaks first)" if is_turned else ""
        seg = tracking.seg.name.lower()
        column = SHORT_NAMES[tracking.column]
        lines = [
            f"flags {names}: class {seg}; state table, {_DIRECTION[tracking.row]} direction"
            f"{turned}, row {seg}, column {column}: {cell}"
        ]
    if tracking.reason is not None:
        lines.append(tracking.reason.sentence)
        if tracking.logged is not None:
            lines.append(f'with nf_conntrack_log_invalid the kernel logs "{tracking.logged}"')
    elif tracking.makes_entry and tracking.entry_state is not None:
        picked = tracking.entry_state is TcpCt.ESTABLISHED
        how = "picked up in mid-stream (tcp_loose): " if picked else ""
        life = f" for {tracking.seconds} s" if tracking.seconds is not None else ""
        lines.append(
            f"{how}makes an entry in {tracking.entry_state.name}{life}, if it gets "
            "through; its sender is the original direction then"
        )
    elif tracking.entry_state is not None and tracking.column is not None:
        if tracking.entry_state is tracking.column:
            lines.append(f"the entry stays in {tracking.entry_state.name}")
        else:
            lines.append(
                f"the entry goes from {tracking.column.name} to {tracking.entry_state.name}"
            )
    if inquiry.entry.is_alive:
        lines.append("windows and sequence numbers are not looked at: it is taken to be in window")
    return lines


def _say_other_tracking(tracking: Tracking, inquiry: Inquiry) -> list[str]:
    """The judgement of a protocol that has no states."""
    if is_error(inquiry.packet):
        found = tracking.ctstate is CtState.RELATED
        quoted = inquiry.packet.quoted
        what = "a packet that is not known" if quoted is None else f"{quoted}"
        lines = [f"an error: it belongs to the connection of what it quotes, {what}"]
        if found:
            lines.append("that connection has an entry")
    elif tracking.ctstate is CtState.UNTRACKED:
        return ["conntrack leaves messages of this type alone"]
    elif tracking.makes_entry:
        lines = [f"makes an entry for {tracking.seconds} s, if it gets through"]
    elif tracking.ctstate is CtState.INVALID:
        lines = []
    elif inquiry.entry is EntryState.UNREPLIED:
        lines = ["its entry has seen no answer before it"]
    else:
        lines = ["its entry has seen packets in both directions"]
    if tracking.reason is not None:
        lines.append(tracking.reason.sentence)
        if tracking.logged is not None:
            lines.append(f'with nf_conntrack_log_invalid the kernel logs "{tracking.logged}"')
    return lines


def _say_verdicts(phase: Phase) -> list[Piece]:
    if phase.rewrites and all(one.by_entry for one in phase.rewrites):
        return [("translated by the entry", _GOOD)]
    if len(phase.verdicts) != 1:
        return [("not decided", _OPEN)] if phase.verdicts else ["goes on"]
    verdict, where, name = phase.verdicts[0]
    style = {Verdict.ACCEPT: _GOOD, Verdict.ELSEWHERE: _OPEN}.get(verdict, _BAD)
    said = "handed on" if verdict is Verdict.ELSEWHERE else verdict.value
    if where.position is None:
        return [(said, style), f" by policy (line {where.line})"]
    return [(said, style), f" by {name.partition('/')[2]} (line {where.line})"]


def _say_rewrite(one: Rewrite, family: Family) -> str:
    before, after = (_say_end(end, one.whose, family) for end in (one.before, one.after))
    said = f"{one.end} {before} becomes {after}"
    if not one.by_entry:
        return said
    return f"{said}, by {one.name} (line {one.rule.line}), which the first packet met"


def _say_end(end: tuple[int | None, int | None], whose: str, family: Family) -> str:
    """An address and a port, as far as they are known."""
    address, port = end
    if address is None:
        return f"{whose}, port {port}" if port is not None else whose
    return format_end(family, address, port)


def _is_plain_accept(phase: Phase) -> bool:
    return all(
        verdict is Verdict.ACCEPT and where.position is None for verdict, where, _ in phase.verdicts
    )


def _say_ending(ending: Ending) -> str:
    where = ending.cause
    if where is None:
        return "delivered"
    place = f"{ending.name} ({where.file}:{where.line}:{where.column})"
    if ending.disposition is Disposition.UNDECIDED:
        if where.table == "nat":
            return f"{place} rewrites it, and it is not followed beyond"
        return f"{place} decides on its own"
    verb = "rejected" if ending.disposition is Disposition.REJECTED else "dropped"
    return f"{verb} by {place}"


def _say_result(result: Result) -> str:
    state = f"{result.ctstate.name}, " if result.ctstate is not None else ""
    if result.delivered is Tern.UNKNOWN:
        return f"{state}not decided"
    ending = result.endings[0]
    if ending.cause is None:
        return f"{state}delivered"
    verb = "rejected" if ending.disposition is Disposition.REJECTED else "dropped"
    return f"{state}{verb} by {ending.name} (line {ending.cause.line})"


def _outcome(result: Result) -> tuple[object, ...]:
    return (result.ctstate, tuple((e.disposition, e.name) for e in result.endings))


def _say_place(where: Location) -> str:
    name = f"{where.table}/{where.chain}"
    name += f"#{where.position}" if where.position is not None else " policy"
    return f"{name}, line {where.line}"


def _rule_name(view: RuleView, digits: int) -> str:
    where = view.location
    return f"line {where.line:>{digits}}  {where.chain}#{where.position}"


def _rule_text(where: Location) -> str:
    text = where.text[where.column - 1 :]
    return text.removeprefix(f"-A {where.chain} ")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
