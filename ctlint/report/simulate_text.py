# SPDX-License-Identifier: GPL-2.0-only
"""A scenario and its answer for a terminal: one line a packet, and why where that is not plain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.sysctls import SYSCTLS
from ctlint.report.page import Page, Piece
from ctlint.report.simulate_course import WINDOW, Course
from ctlint.scenario.answer import (
    Ends,
    EntryAnswer,
    OpAnswer,
    OutPacket,
    PacketAnswer,
)
from ctlint.scenario.check import UNDECIDED_SHOWN, say_undecided
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.rulesets import rulesets_of
from ctlint.scenario.scenario import (
    DIR_NAMES,
    Expire,
    Flush,
    Forward,
    Host,
    Scenario,
    Send,
    SetSysctls,
    Step,
    Wait,
)
from ctlint.wire.addresses import format_address, format_end, with_port
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.sequence import MODULUS
from ctlint.wire.tcp_flags import TcpFlags

if TYPE_CHECKING:
    from rich.console import Console

_HEADING: Final = "bold"
_DIM: Final = "dim"
_BAD: Final = "bold red"
_OPEN: Final = "bold yellow"
_CTSTATES: Final = {
    "NEW": "cyan",
    "ESTABLISHED": "green",
    "RELATED": "cyan",
    "INVALID": _BAD,
    "UNTRACKED": _OPEN,
}
_CTSTATE_WIDTH: Final = len("ESTABLISHED")
_STATE_WIDTH: Final = len("ESTABLISHED")
_ENTRY_ROOM: Final = 30
"""With less room for the entry beside the packet, it stands on a line of its own."""
_LOAD_WIDTH: Final = 20
"""The column has so many cells for what needs them, however narrow the terminal is."""
_NAME_SHOWN: Final = 200
_SMALL: Final = 300
"""Up to so many seconds a span is said in seconds alone."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))
_AT_ONCE: Final = 200
"""Lines that are printed together: one call is much faster than many, all at once need memory."""
_FAR: Final = 1 << 30
"""No window reaches further (RFC 7323, section 2.3)."""
_KNOWN: Final = 1_000
"""So many entries are remembered before expired ones are forgotten."""
# RFC 792 and RFC 4443: echo request and echo reply.
_ECHO: Final = frozenset((8, 0, 128, 129))
_ARROWS: Final = {
    True: {Dir.ORIGINAL: "→", Dir.REPLY: "←"},
    False: {Dir.ORIGINAL: ">", Dir.REPLY: "<"},
}


def render_simulation(
    course: Course, *, internals: bool, console: Console, is_first: bool = True
) -> None:
    """Prints one scenario as it is played; before all but the first stands an empty line."""
    report = _Report(console, course, internals)
    if not is_first:
        report.add()
    report.render()


def render_unmodelled(unmodelled: Sequence[tuple[str, str]], *, console: Console) -> None:
    """Prints what the simulation leaves out, each with its sentence."""
    page = Page(console)
    width = max(len(name) for name, _ in unmodelled)
    for name, sentence in unmodelled:
        page.add_wrapped(sentence, first=((f"{name:<{width}}", _HEADING), "  "))
    page.flush()


class _Row(NamedTuple):
    """The cells of a packet before its entry. Parts of `load` that have no room in its column stand
    below.
    """

    number: int
    moment: str
    kind: str
    load: tuple[str, ...]


class _Timer(NamedTuple):
    """What is left of an entry and what the packet did to its timer, in words; and whether the
    entry is in another state than before.
    """

    words: str
    is_moved: bool


class _Line(NamedTuple):
    """All that there is to say of a step."""

    step: Step
    answer: PacketAnswer | OpAnswer
    row: _Row
    timer: _Timer


class _Report(Page):
    def __init__(self, console: Console, course: Course, internals: bool) -> None:
        super().__init__(console)
        self.course = course
        self.scenario = course.scenario
        self.index = RuleIndex(
            rulesets_of(course.scenario).values(), course.scenario.topology.family
        )
        self.internals = internals
        self.entries_seen = _Entries()
        self.lines = (
            _Line(step, answer, row, self.entries_seen.timer(step, answer))
            for step, answer, row in zip(
                self.scenario.steps, course.answers, _rows(self.scenario.steps), strict=True
            )
        )
        self.first = list(islice(self.lines, WINDOW))
        self.timer = max((len(line.timer.words) for line in self.first), default=0)
        self.number = len(str(max(len(self.scenario.steps) - 1, 0)))
        self.moment, self.kind, load = _widths(_rows(self.scenario.steps))
        self.before_packet = self.number + 1 + self.moment + 1
        others = self.before_packet + 2 + self.kind + 1 + 2 + _CTSTATE_WIDTH + 1
        most = max(self.width - others - _ENTRY_ROOM, _LOAD_WIDTH)
        if min(load, most) > self.width - others - _ENTRY_ROOM:
            most = max(self.width - others, _LOAD_WIDTH)  # the entries stand below
        self.load = max(min(load, most), len("packet") - 2 - self.kind - 1)
        self.before_entry = others + self.load

    def render(self) -> None:
        self.heading(self.course.title)
        for number, line in enumerate(chain(self.first, self.lines)):
            if isinstance(line.step, Send):
                assert isinstance(line.answer, PacketAnswer)
                self.packet(line.step, line.answer, line.row, line.timer)
            else:
                assert isinstance(line.answer, OpAnswer)
                self.operation(line.step, line.row)
            if number % _AT_ONCE == _AT_ONCE - 1:
                self.flush()
        self.entries()
        self.flush()

    # What is played

    def heading(self, title: str) -> None:
        scenario = self.scenario
        name = scenario.name or title
        if len(name) > _NAME_SHOWN:
            name = name[:_NAME_SHOWN] + "…"
        self.add_wrapped((name, _HEADING), indent=2)
        self.add_wrapped((_say_stage(scenario), _DIM), indent=2)
        settings = ", ".join(_say_settings(scenario.sysctls))
        told = f"kernel {self.course.kernel.name}" + (f", {settings}" if settings else "")
        self.add_wrapped((told, _DIM), indent=2)
        missing = ", ".join(scenario.missing_sysctls(self.course.kernel))
        if missing:
            self.add_wrapped(
                ("ignored: ", _OPEN), f"this kernel has no {missing}", indent=len("ignored: ")
            )
        self.add()
        if self.scenario.steps:
            packet = f"{'packet':<{2 + self.kind + 1 + self.load}}"
            entry = " entry" if self.is_beside else ""
            self.add(
                (
                    f"{'#':>{self.number}} {'time':>{self.moment}} {packet}  "
                    f"{'ctstate':<{_CTSTATE_WIDTH}}{entry}",
                    _DIM,
                )
            )

    @property
    def is_beside(self) -> bool:
        """Whether the entry has room beside its packet."""
        return self.width - self.before_entry >= _ENTRY_ROOM

    # Steps

    def operation(self, step: Step, row: _Row) -> None:
        if isinstance(step, Expire):
            said = "the timers of all entries run out"
        elif isinstance(step, Flush):
            said = "all entries are deleted"
        elif isinstance(step, Wait):
            said = f"{_say_span(step.span)} pass"
        else:
            assert isinstance(step, SetSysctls)
            said = "sysctl " + (", ".join(_say_settings(step.sysctls)) or "without a setting")
        self.add_wrapped((said, _DIM), first=((self.start(row), _DIM),))

    def start(self, row: _Row) -> str:
        return f"{row.number:>{self.number}} {row.moment:>{self.moment}} "

    def packet(self, step: Send, answer: PacketAnswer, row: _Row, timer: _Timer) -> None:
        if step.expire:
            self.add_wrapped(
                ("the timers of all entries run out", _DIM), first=(" " * self.before_packet,)
            )
        ctstate = answer.ctstate or "-"
        load, below = _fitted(row.load, self.load)
        lead: list[Piece] = [
            (self.start(row), _DIM),
            f"{_ARROWS[self.is_unicode][step.sender]} ",
            (f"{row.kind:<{self.kind}}", _HEADING),
            f" {load:<{self.load}}  ",
            (f"{ctstate:<{_CTSTATE_WIDTH}}", _CTSTATES.get(ctstate, "")),
            " ",
        ]
        entry = self.entry(answer, timer)
        if self.is_beside:
            self.add_wrapped(*entry, first=lead, indent=self.before_entry)
        else:
            self.add(*lead)
            self.add_wrapped(*entry, first=(" " * self.before_packet,))
        if below:
            self.add_wrapped(below, first=(" " * (self.before_packet + 2),))
        for pieces in self.details(step, answer):
            self.add_wrapped(*pieces, first=(" " * (self.before_packet + 2),))

    def entry(self, answer: PacketAnswer, timer: _Timer) -> list[Piece]:
        entry = answer.entry
        if entry is None:
            own = " of its own" if answer.ctstate == "RELATED" else ""
            return [(f"no entry{own}", _DIM)]
        return [
            (f"{entry.state or 'entry':<{_STATE_WIDTH}}", _HEADING if timer.is_moved else ""),
            f" {timer.words:<{self.timer}}",
            *_say_marks(entry),
        ]

    def details(self, step: Send, answer: PacketAnswer) -> Iterator[Sequence[Piece]]:
        own = self.own_addresses(step)
        if own:
            yield (own,)
        if step.has_bad_checksum:
            yield ("with a wrong checksum",)
        if step.quote is not None:
            yield (f"quotes the last packet that came from {DIR_NAMES[step.quote]}",)
        for reason in answer.reasons:
            yield (reason.sentence,)
        for line in answer.why:
            yield ("kernel log: ", (line, _DIM))
        if answer.ctstate == "INVALID" and not answer.why:
            yield (("The kernel logs nothing of it.", _DIM),)
        if {*answer.hooks.values()} - {answer.ctstate}:
            yield ("; ".join(f"{hook}: {state}" for hook, state in answer.hooks.items()),)
        if answer.rules:
            yield (f"rules: {', '.join(answer.rules)}",)
        for match in answer.undecided[:UNDECIDED_SHOWN]:
            yield (("not decided: ", _OPEN), say_undecided(match))
        if len(answer.undecided) > UNDECIDED_SHOWN:
            more = len(answer.undecided) - UNDECIDED_SHOWN
            yield (("not decided: ", _OPEN), f"and {more} more")
        if answer.delivered is None:
            yield (("It is not decided whether it is delivered.", _OPEN),)
        elif not answer.delivered:
            yield self.say_loss(answer)
        for out in answer.out:
            if not out.is_same:
                # RFC 9293, section 3.10.7: a RST. All else that a box sends is ICMP.
                protocol = ICMP if out.flags is None else TCP
                yield (f"the box sends to the {out.side}: {self.say_out(out, protocol)}",)
            elif answer.entry is not None and _is_translated(answer.entry, step.protocol):
                yield (f"leaves on the {out.side} as {self.say_ends(out, step.protocol)}",)
        if self.internals:
            yield from self.say_internals(step, answer)

    def say_loss(self, answer: PacketAnswer) -> tuple[Piece, ...]:
        """What stopped the packet: the rule or policy, as it is written."""
        name = answer.cause
        if name is None:
            return (("not delivered", _BAD),)
        text = self.index.text(name)
        verb = "rejected" if self.index.is_rejecting(name) else "dropped"
        return ((f"{verb} by {name}", _BAD), f": {text}" if text is not None else "")

    def own_addresses(self, step: Send) -> str:
        family = self.scenario.topology.family
        words = []
        if step.saddr is not None:
            words.append(f"from {format_address(family, step.saddr)}")
        if step.sport is not None:
            words.append(f"source port {step.sport}")
        if step.daddr is not None:
            words.append(f"to {format_address(family, step.daddr)}")
        if step.dport is not None:
            words.append(f"destination port {step.dport}")
        return ", ".join(words)

    def say_ends(self, out: OutPacket, protocol: int) -> str:
        """What NAT may have changed of a packet."""
        if protocol not in (TCP, UDP):
            return self.say_out(out, protocol)
        return _say_tuple(protocol, (out.src, out.sport, out.dst, out.dport))

    def say_out(self, out: OutPacket, protocol: int) -> str:
        said = _say_tuple(protocol, (out.src, out.sport, out.dst, out.dport))
        if out.flags is not None:
            said += f" {out.flags or 'no flags'} seq {out.seq} ack {out.ack} win {out.win}"
        elif protocol != UDP:
            said += f" {_say_protocol(protocol, out.sport, out.dport)}"
        return said + (f" len {out.length}" if out.length else "")

    def say_internals(self, step: Send, answer: PacketAnswer) -> Iterator[Sequence[Piece]]:
        if step.protocol == TCP:
            yield ((f"on the wire: seq {step.seq}, ack {step.ack}, win {step.window}", _DIM),)
        entry = answer.entry
        if entry is None or entry.internals is None:
            return
        kept = entry.internals
        for direction in Dir:
            flags = " ".join(kept.dirflags[direction]) or "no flags"
            yield ((f"{DIR_NAMES[direction]}: wscale {kept.wscale[direction]}, {flags}", _DIM),)

    # What is left

    def entries(self) -> None:
        entries = self.course.entries()
        if self.scenario.steps:
            self.add()
        if not entries:
            self.add(("No entries are left.", _DIM))
        for number, entry in enumerate(entries):
            protocol = self.entries_seen.protocol(entry)
            what = entry.state or _say_protocol(protocol, entry.orig[1], entry.orig[3])
            pieces: list[Piece] = [
                f"{_say_tuple(protocol, entry.orig)}, ",
                f"{what}, {_say_seconds(entry.timeout)}",
            ]
            pieces += _say_marks(entry)
            if _is_translated(entry, protocol):
                pieces.append(f", answered as {_say_tuple(protocol, entry.reply)}")
                if protocol in (ICMP, ICMPV6):
                    pieces.append(f", {_say_protocol(protocol, entry.reply[1], entry.reply[3])}")
            self.add_wrapped(*pieces, first=(("       " if number else "Left:  ", _HEADING),))
            if number % _AT_ONCE == _AT_ONCE - 1:
                self.flush()


# Cells


def _rows(steps: Iterable[Step]) -> Iterator[_Row]:
    moment: Micros = 0
    bases: dict[Dir, int] = {}
    for index, step in enumerate(steps):
        if isinstance(step, Send):
            moment += step.wait
            yield _Row(index, _say_span(moment), _kind(step), _load(step, bases))
        else:
            yield _Row(index, _say_span(moment), "", ())
            if isinstance(step, Wait):
                moment += step.span


def _widths(rows: Iterable[_Row]) -> tuple[int, int, int]:
    """Of the columns for moments, kinds and loads."""
    moment, kind, load = len("time"), 0, 0
    for row in rows:
        moment = max(moment, len(row.moment))
        kind = max(kind, len(row.kind))
        load = max(load, len(" ".join(row.load)))
    return moment, kind, load


def _fitted(parts: tuple[str, ...], room: int) -> tuple[str, str]:
    """As many parts as there is room for, and the rest."""
    count = len(parts)
    while count > 1 and len(" ".join(parts[:count])) > room:
        count -= 1
    return " ".join(parts[:count]), " ".join(parts[count:])


def _kind(step: Send) -> str:
    if step.protocol == TCP:
        return step.flags.letters or "-"
    return {UDP: "udp", ICMP: "icmp", ICMPV6: "icmp"}.get(step.protocol, f"ip {step.protocol}")


def _load(step: Send, bases: dict[Dir, int]) -> tuple[str, ...]:
    """Sequence numbers, counted from the first of each end, and what the packet carries."""
    load = f"+{step.length}" if step.length else ""
    if step.protocol in (ICMP, ICMPV6):
        kind = f"type {step.icmp_type}" + (f"/{step.icmp_code}" if step.icmp_code else "")
        if step.quote is not None:
            return (kind,)
        return (kind, f"id {step.icmp_id}", load) if load else (kind, f"id {step.icmp_id}")
    if step.protocol != TCP:
        return (load,) if load else ()
    seq = _relative(step.seq, bases.setdefault(step.sender, step.seq))
    if not step.flags & TcpFlags.ACK:
        return (f"{seq}{load}",)
    ack = _relative(step.ack, bases.setdefault(step.sender.other, step.ack))
    return f"{seq}{load}", f"ack {ack}"


def _relative(number: int, base: int) -> str:
    """How far a sequence number is from another, around the circle: negative before it. One that
    is too far to be of the same connection stands as it is on the wire, behind an equals sign.
    """
    distance = (number - base) % MODULUS
    if distance <= _FAR:
        return str(distance)
    return f"-{MODULUS - distance}" if MODULUS - distance <= _FAR else f"={number}"


class _Known(NamedTuple):
    """What was last seen of an entry."""

    state: str | None
    timeout: int
    is_unreplied: bool
    moment: Micros


class _Entries:
    """The entries that packets had, as long as they may live."""

    def __init__(self) -> None:
        self.moment: Micros = 0
        self.known: dict[tuple[int, Ends], _Known] = {}
        self.protocols: set[int] = set()
        self.most = _KNOWN

    def timer(self, step: Step, answer: PacketAnswer | OpAnswer) -> _Timer:
        """What a step did to its entry's timer."""
        if isinstance(step, Wait):
            self.moment += step.span
        elif isinstance(step, Expire | Flush) or (isinstance(step, Send) and step.expire):
            self.known.clear()
        if not isinstance(step, Send) or isinstance(answer, OpAnswer):
            return _Timer("", is_moved=False)
        self.moment += step.wait
        entry = answer.entry
        if entry is None:
            return _Timer("", is_moved=False)
        key = step.protocol, entry.orig
        before = self.known.get(key)
        done = _say_timer(answer, entry, before, self.moment)
        self.protocols.add(step.protocol)
        self.known[key] = _Known(
            entry.state, entry.timeout, "UNREPLIED" in entry.flags, self.moment
        )
        if len(self.known) > self.most:
            self.forget()
        is_moved = before is None or before.state != entry.state
        return _Timer(f"{_say_seconds(entry.timeout)} {done}", is_moved)

    def forget(self) -> None:
        """Forgets the entries that have expired."""
        self.known = {
            key: known
            for key, known in self.known.items()
            if known.moment + (known.timeout + 1) * SECOND >= self.moment
        }
        self.most = max(_KNOWN, 2 * len(self.known))

    def protocol(self, entry: EntryAnswer) -> int:
        """The protocol of an entry that is left."""
        if entry.state is not None:
            return TCP
        others = sorted(self.protocols - {TCP})
        return next((each for each in others if (each, entry.orig) in self.known), UDP)


def _say_timer(
    answer: PacketAnswer, entry: EntryAnswer, before: _Known | None, moment: Micros
) -> str:
    """What the packet did to the entry's timer: "new" with its entry, "set" with its state,
    "renewed", "cut" to less, "kept" as it runs; empty where too little time has passed to tell.
    """
    if (
        before is None
        or entry.is_fresh
        or (entry.is_fresh is None and _is_reopened(answer, before))
    ):
        return "new"
    elapsed = moment - before.moment
    # Both are cut to whole seconds.
    most = before.timeout - elapsed // SECOND
    least = before.timeout - -(-elapsed // SECOND)
    if least <= entry.timeout <= most:
        return "kept" if elapsed >= SECOND else ""
    if entry.state != before.state:
        return "set"
    return "renewed" if entry.timeout > most else "cut"


def _is_reopened(answer: PacketAnswer, before: _Known) -> bool:
    """Whether the entry is another with the same tuple: once replied to, none is NEW."""
    return answer.ctstate == "NEW" and not before.is_unreplied


# Words


def _say_stage(scenario: Scenario) -> str:
    topology, flow = scenario.topology, scenario.flow
    family = topology.family
    source = format_end(family, flow.saddr, flow.sport)
    target = format_end(family, flow.daddr, flow.dport)
    if isinstance(topology, Forward):
        where = f"routed from {topology.left_if} to {topology.right_if}"
    elif isinstance(topology, Host):
        end = "client" if topology.role is Dir.ORIGINAL else "server"
        where = f"the box is the {end}, on {topology.interface}"
    else:
        where = "over lo"
    return f"{source} > {target}, {where}"


def _say_tuple(protocol: int, ends: Ends) -> str:
    if protocol not in (TCP, UDP):
        return f"{ends[0]} > {ends[2]}"
    return f"{with_port(ends[0], ends[1])} > {with_port(ends[2], ends[3])}"


def _say_protocol(protocol: int, sport: int, dport: int) -> str:
    """The protocol of an entry or packet that is not of TCP; for ICMP its ports are the identifier
    and the type.
    """
    if protocol in (ICMP, ICMPV6):
        return f"icmp id {sport}" if dport in _ECHO else f"icmp type {dport} id {sport}"
    return "udp" if protocol == UDP else f"ip {protocol}"


def _is_translated(entry: EntryAnswer, protocol: int) -> bool:
    if entry.reply[0::2] != entry.orig[2::-2]:
        return True
    if protocol in (ICMP, ICMPV6):  # the type of the answer is another, its identifier is not
        return entry.reply[1] != entry.orig[1]
    return entry.reply[1::2] != entry.orig[3::-2]


def _say_marks(entry: EntryAnswer) -> list[Piece]:
    shown: list[Piece] = [f" [{flag}]" for flag in entry.flags]
    if entry.mark:
        shown.append(f" mark {entry.mark:#x}")
    return shown


def _say_settings(sysctls: Mapping[str, int]) -> list[str]:
    return [f"{SYSCTLS[name].short_name}={value}" for name, value in sysctls.items()]


def _say_seconds(seconds: int) -> str:
    return _say_span(seconds * SECOND)


def _say_span(span: Micros) -> str:
    """A span, exactly: "110s", "0.25s", "5d", "1h40m"."""
    seconds, rest = divmod(span, SECOND)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    if seconds <= _SMALL:
        return f"{seconds}{fraction}s"
    said = ""
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            said += f"{count}{unit}"
    return said + (f"{seconds}{fraction}s" if seconds or fraction else "")
