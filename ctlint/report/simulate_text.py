# SPDX-License-Identifier: GPL-2.0-only
"""A scenario and its answer for a terminal: one line a packet, and why where that is not plain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import SYSCTLS
from ctlint.report.page import Page, Piece
from ctlint.scenario.answer import (
    Ends,
    EntryAnswer,
    OpAnswer,
    OutPacket,
    PacketAnswer,
    ScenarioAnswer,
)
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
from ctlint.wire.addresses import Family, format_address
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
_NAME_SHOWN: Final = 200
_SMALL: Final = 300
"""Up to so many seconds a span is said in seconds alone."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))
_AT_ONCE: Final = 2_000
"""Lines that are printed together: one call is much faster than many, all at once need memory."""
_ARROWS: Final = {
    True: {Dir.ORIGINAL: "→", Dir.REPLY: "←"},
    False: {Dir.ORIGINAL: ">", Dir.REPLY: "<"},
}


def render_simulation(
    scenario: Scenario,
    answer: ScenarioAnswer,
    *,
    title: str,
    kernel: KernelProfile,
    internals: bool,
    console: Console,
) -> None:
    """Prints one scenario; `title` names one that has no name."""
    _Report(console, scenario, answer, kernel, internals).render(title)


def render_unmodelled(unmodelled: Sequence[tuple[str, str]], *, console: Console) -> None:
    """Prints what the simulation leaves out, each with its sentence."""
    page = Page(console)
    width = max(len(name) for name, _ in unmodelled)
    for name, sentence in unmodelled:
        page.add_wrapped(sentence, first=((f"{name:<{width}}", _HEADING), "  "))
    page.flush()


class _Row(NamedTuple):
    """The cells of a packet before its entry."""

    number: str
    moment: str
    kind: str
    load: str


class _Report(Page):
    def __init__(
        self,
        console: Console,
        scenario: Scenario,
        answer: ScenarioAnswer,
        kernel: KernelProfile,
        internals: bool,
    ) -> None:
        super().__init__(console)
        self.scenario = scenario
        self.answer = answer
        self.kernel = kernel
        self.internals = internals
        self.rows = tuple(_rows(scenario.steps))
        self.timers = tuple(_timers(scenario.steps, answer.packets))
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)] or [0] * 4
        self.number, self.moment, self.kind = widths[0], max(widths[1], len("time")), widths[2]
        self.load = min(widths[3], _LOAD_WIDTH)
        self.timer = max((len(timer) for timer, _ in self.timers), default=0)
        self.before_packet = self.number + 1 + self.moment + 1
        self.before_entry = (
            self.before_packet + 2 + self.kind + 1 + self.load + 2 + _CTSTATE_WIDTH + 1
        )

    def render(self, title: str) -> None:
        self.heading(title)
        steps = zip(self.scenario.steps, self.answer.packets, self.rows, self.timers, strict=True)
        for number, (step, answer, row, timer) in enumerate(steps):
            if isinstance(step, Send):
                assert isinstance(answer, PacketAnswer)
                self.packet(step, answer, row, timer)
            else:
                assert isinstance(answer, OpAnswer)
                self.operation(step, row)
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
        told = f"kernel {self.kernel.name}" + (f", {settings}" if settings else "")
        self.add_wrapped((told, _DIM), indent=2)
        if self.answer.missing_sysctls:
            missing = ", ".join(self.answer.missing_sysctls)
            self.add_wrapped(
                ("ignored: ", _OPEN), f"this kernel has no {missing}", indent=len("ignored: ")
            )
        self.add()
        if self.rows:
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

    def packet(self, step: Send, answer: PacketAnswer, row: _Row, timer: tuple[str, bool]) -> None:
        if step.expire:
            self.add_wrapped(
                ("the timers of all entries run out", _DIM), first=(" " * self.before_packet,)
            )
        ctstate = answer.ctstate or "-"
        lead: list[Piece] = [
            (self.start(row), _DIM),
            f"{_ARROWS[self.is_unicode][step.sender]} ",
            (f"{row.kind:<{self.kind}}", _HEADING),
            f" {row.load:<{self.load}}  ",
            (f"{ctstate:<{_CTSTATE_WIDTH}}", _CTSTATES.get(ctstate, "")),
            " ",
        ]
        entry = self.entry(answer, *timer)
        if self.is_beside and len(row.load) <= self.load:
            self.add_wrapped(*entry, first=lead, indent=self.before_entry)
        else:
            self.add(*lead)
            self.add_wrapped(*entry, first=(" " * self.before_packet,))
        for pieces in self.details(step, answer):
            self.add_wrapped(*pieces, first=(" " * (self.before_packet + 2),))

    def entry(self, answer: PacketAnswer, timer: str, is_moved: bool) -> list[Piece]:
        entry = answer.entry
        if entry is None:
            own = " of its own" if answer.ctstate == "RELATED" else ""
            return [(f"no entry{own}", _DIM)]
        return [
            (f"{entry.state or 'entry':<{_STATE_WIDTH}}", _HEADING if is_moved else ""),
            f" {timer:<{self.timer}}",
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
        for match in answer.undecided:
            said = ", ".join(f"{key} {value}" for key, value in match.items())
            yield (("not decided: ", _OPEN), said)
        if not answer.delivered:
            yield (("not delivered", _BAD),)
        for out in answer.out:
            if not out.is_same:
                yield (f"the box sends to the {out.side}: {self.say_out(out)}",)
            elif answer.entry is not None and _is_translated(answer.entry):
                yield (f"comes out on the {out.side}: {self.say_out(out)}",)
        if self.internals:
            yield from self.say_internals(step, answer)

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

    def say_out(self, out: OutPacket) -> str:
        family = self.scenario.topology.family
        source, target = _say_end(family, out.src, out.sport), _say_end(family, out.dst, out.dport)
        what = "" if out.flags is None else f" {out.flags or 'no flags'}"
        if out.flags is not None:
            what += f" seq {out.seq} ack {out.ack} win {out.win}"
        return f"{source} > {target}{what}" + (f" len {out.length}" if out.length else "")

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
        family = self.scenario.topology.family
        self.add()
        if not self.answer.entries:
            self.add(("No entries are left.", _DIM))
        for number, entry in enumerate(self.answer.entries):
            pieces: list[Piece] = [
                f"{_say_tuple(family, entry.orig)}, ",
                f"{entry.state or 'entry'}, {_say_seconds(entry.timeout)}",
            ]
            pieces += _say_marks(entry)
            if _is_translated(entry):
                pieces.append(f", answered as {_say_tuple(family, entry.reply)}")
            self.add_wrapped(*pieces, first=(("       " if number else "Left:  ", _HEADING),))


# Cells


def _rows(steps: Iterable[Step]) -> Iterator[_Row]:
    moment: Micros = 0
    bases: dict[Dir, int] = {}
    for index, step in enumerate(steps):
        if isinstance(step, Send):
            moment += step.wait
            yield _Row(str(index), _say_span(moment), _kind(step), _load(step, bases))
        else:
            yield _Row(str(index), _say_span(moment), "", "")
            if isinstance(step, Wait):
                moment += step.span


def _kind(step: Send) -> str:
    if step.protocol == TCP:
        return step.flags.letters or "-"
    return {UDP: "udp", ICMP: "icmp", ICMPV6: "icmp"}.get(step.protocol, f"ip {step.protocol}")


def _load(step: Send, bases: dict[Dir, int]) -> str:
    """Sequence numbers, counted from the first of each end, and what the packet carries."""
    load = f"+{step.length}" if step.length else ""
    if step.protocol in (ICMP, ICMPV6):
        kind = f"type {step.icmp_type}" + (f"/{step.icmp_code}" if step.icmp_code else "")
        if step.quote is not None:
            return kind
        return f"{kind} id {step.icmp_id}" + (f" {load}" if load else "")
    if step.protocol != TCP:
        return load
    seq = _relative(step.seq, bases.setdefault(step.sender, step.seq))
    if not step.flags & TcpFlags.ACK:
        return f"{seq}{load}"
    ack = _relative(step.ack, bases.setdefault(step.sender.other, step.ack))
    return f"{seq}{load} ack {ack}"


def _relative(number: int, base: int) -> int:
    """How far a sequence number is from another, around the circle: negative before it."""
    distance = (number - base) % MODULUS
    return distance - MODULUS if distance >= MODULUS // 2 else distance


def _timers(
    steps: Iterable[Step], answers: Iterable[PacketAnswer | OpAnswer]
) -> Iterator[tuple[str, bool]]:
    """What is left of each entry and what the packet did to its timer, and whether the entry is in
    another state than before.
    """
    moment: Micros = 0
    seen: dict[Ends, tuple[EntryAnswer, Micros]] = {}
    for step, answer in zip(steps, answers, strict=True):
        if isinstance(step, Wait):
            moment += step.span
        elif isinstance(step, Expire | Flush) or (isinstance(step, Send) and step.expire):
            seen.clear()
        if isinstance(step, Send):
            moment += step.wait
        entry = answer.entry if isinstance(answer, PacketAnswer) else None
        if entry is None or isinstance(answer, OpAnswer):
            yield "", False
            continue
        before, then = seen.get(entry.orig, (None, moment))
        done = _say_timer(answer, entry, before, moment - then)
        seen[entry.orig] = entry, moment
        yield f"{_say_seconds(entry.timeout)} {done}", before is None or before.state != entry.state


def _say_timer(
    answer: PacketAnswer, entry: EntryAnswer, before: EntryAnswer | None, elapsed: Micros
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
    # Both are cut to whole seconds.
    most = before.timeout - elapsed // SECOND
    least = before.timeout - -(-elapsed // SECOND)
    if least <= entry.timeout <= most:
        return "kept" if elapsed >= SECOND else ""
    if entry.state != before.state:
        return "set"
    return "renewed" if entry.timeout > most else "cut"


def _is_reopened(answer: PacketAnswer, before: EntryAnswer) -> bool:
    """Whether the entry is another with the same tuple: once replied to, none is NEW."""
    return answer.ctstate == "NEW" and "UNREPLIED" not in before.flags


# Words


def _say_stage(scenario: Scenario) -> str:
    topology, flow = scenario.topology, scenario.flow
    family = topology.family
    source = _say_end(family, format_address(family, flow.saddr), flow.sport)
    target = _say_end(family, format_address(family, flow.daddr), flow.dport)
    if isinstance(topology, Forward):
        where = f"routed from {topology.left_if} to {topology.right_if}"
    elif isinstance(topology, Host):
        end = "client" if topology.role is Dir.ORIGINAL else "server"
        where = f"the box is the {end}, on {topology.interface}"
    else:
        where = "over lo"
    return f"{source} > {target}, {where}"


def _say_tuple(family: Family, ends: Ends) -> str:
    return f"{_say_end(family, ends[0], ends[1])} > {_say_end(family, ends[2], ends[3])}"


def _say_end(family: Family, address: str, port: int) -> str:
    return f"[{address}]:{port}" if family is Family.IPV6 else f"{address}:{port}"


def _is_translated(entry: EntryAnswer) -> bool:
    return entry.reply[0::2] != entry.orig[2::-2] or entry.reply[1::2] != entry.orig[3::-2]


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
