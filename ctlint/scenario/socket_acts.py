# SPDX-License-Identifier: GPL-2.0-only
"""What is done in a socket script, with its moments, and what is expected of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from ctlint.model.endpoint.happening import Errno
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.world.chronicle import Fate
from ctlint.model.world.line import Manner, Side
from ctlint.parse.errors import MAX_PROBLEMS, Problem
from ctlint.parse.script_reader import Word
from ctlint.parse.socket_script import (
    Act,
    CallText,
    ClaimText,
    ConnectText,
    HostSysctlText,
    LinkText,
    ListenText,
    RepeatText,
    TableText,
    WaitText,
)
from ctlint.scenario.script_claims import ClaimReader
from ctlint.scenario.script_words import StatementError
from ctlint.scenario.socket_claim import (
    Claim,
    Connects,
    Counts,
    Fails,
    Goes,
    HasEntry,
    Many,
    Notices,
    Stays,
    What,
)
from ctlint.scenario.socket_hosts import SERVER, Wiring, read_host_sysctls
from ctlint.scenario.socket_plan import (
    LONGEST,
    MOST_CONNECTIONS,
    MOST_REPEATED,
    MOST_REPEATS,
    MOST_STEPS,
    USUAL_BACKLOG,
    Call,
    Connect,
    Flush,
    Kill,
    Listen,
    Pass,
    Repeat,
    SetLink,
    SetSysctls,
    Step,
)
from ctlint.scenario.socket_plan import Act as PlannedAct
from ctlint.scenario.socket_words import (
    read_count,
    read_loss,
    read_micros,
    read_numbers,
    read_spans,
    read_whole_seconds,
)
from ctlint.wire.moments import Micros

_MANNERS: Final = {"serve": Manner.SERVE, "hold": Manner.HOLD, "leak": Manner.LEAK}
_MOST_BYTES: Final = 1 << 24
_MOST_BACKLOG: Final = (1 << 31) - 1
_FATES: Final = {
    "arrive": Fate.ARRIVED,
    "refused": Fate.REFUSED,
    "dropped": Fate.DROPPED,
    "rejected": Fate.REJECTED,
    "lost": Fate.LOST,
}
_KINDS: Final = {"SYN": "S", "SYN,ACK": "SA", "FIN": "F", "RST": "R", "ACK": "A", "segment": ""}
_STATES: Final = {
    spelling: state
    for state in TcpState
    for spelling in (state.name, state.name.replace("WAIT_", "WAIT"), state.value)
}


class ActWriter:
    """Writes statements as steps. `problems` takes what is wrong with them; `now` is the moment to
    which the script has come.
    """

    def __init__(self, wiring: Wiring, reader: ClaimReader, problems: list[Problem]) -> None:
        self.now: Micros = 0
        self._wiring = wiring
        self._reader = reader
        self._problems = problems
        self._repeats = 0
        self._repeated = 0
        self._flow_port = wiring.scenario.flow.dport
        self._ports: list[int] = []

    def write(self, acts: Iterable[Act]) -> tuple[Step, ...]:
        """All of a test."""
        return _Part(self, is_repeated=False).write(acts)


class _Part:
    """Statements that follow each other: of a test, or of what is repeated in it. `labels` are its
    connections, `latest` the last of each client and of all.
    """

    def __init__(self, writer: ActWriter, *, is_repeated: bool) -> None:
        self.writer = writer
        self.is_repeated = is_repeated
        self.now: Micros = writer.now if not is_repeated else 0
        self.labels: dict[str, str] = {}
        self.latest: dict[str, str] = {}
        self.steps: list[Step] = []

    def write(self, acts: Iterable[Act]) -> tuple[Step, ...]:
        problems = self.writer._problems
        for each in acts:
            try:
                self.add(each)
            except StatementError as fault:
                problems.append(fault.problem)
                if len(problems) >= MAX_PROBLEMS:
                    break
        if not self.is_repeated:
            self.writer.now = self.now
        return tuple(self.steps)

    def add(self, each: Act) -> None:
        match each:
            case ListenText():
                self.step(each, self.listen(each), "", each.claims)
            case ConnectText():
                self.connect(each)
            case CallText():
                self.call(each)
            case WaitText():
                self.wait(each)
            case TableText():
                self.step(each, Flush(), "", ())
            case HostSysctlText():
                self.sysctl(each)
            case LinkText():
                delay = None if each.delay is None else read_micros(each.delay)
                loss = None if each.loss is None else read_loss(each.loss)
                hosts = self.writer._wiring.hosts_of(each.host)
                self.step(each, SetLink(hosts, delay, loss), "", ())
            case RepeatText():
                self.repeat(each)

    def step(self, text: Act, act: PlannedAct, label: str, claims: tuple[ClaimText, ...]) -> None:
        if claims and self.is_repeated:
            hint = "write it behind the brace: } => 990 connected"
            raise StatementError(claims[0].span, "of what is repeated, nothing is expected", hint)
        if len(self.steps) >= MOST_STEPS:
            raise StatementError(text.span, f"a test has at most {MOST_STEPS} statements")
        self.steps.append(Step(self.now, act, label, self.claims(claims, text), text.span))

    # ---- what is done

    def listen(self, text: ListenText) -> Listen:
        if text.actor.text != SERVER:
            raise StatementError(text.actor.span, "only the server listens")
        if self.is_repeated:
            raise StatementError(text.span, "a server listens once: in front of what is repeated")
        port = self.port(text.port)
        backlog = USUAL_BACKLOG
        if text.backlog is not None:
            backlog = read_count(text.backlog, 0, _MOST_BACKLOG, "a backlog")
        manner, accepts = Manner.SERVE, True
        for word in _once(text.manners):
            if word.text == "accepts nothing":
                accepts = False
            else:
                manner = _MANNERS[word.text.removesuffix("s")]
        self.writer._ports.append(port)
        return Listen(port, backlog, manner, accepts)

    def port(self, word: Word | None) -> int:
        """The port that is named; else the last on which the server listens, or the usual one."""
        if word is not None:
            return read_count(word, 1, 65_535, "a port")
        return self.writer._ports[-1] if self.writer._ports else self.writer._flow_port

    def connect(self, text: ConnectText) -> None:
        client = text.actor.text
        if client == SERVER:
            raise StatementError(text.actor.span, "only clients connect")
        reuses = text.what.text != "connect"
        if reuses and client not in self.latest:
            said = f"the {client} has no connection yet whose port it could use again"
            raise StatementError(text.what.span, said, "client connect stands in front")
        if reuses and text.local_port is not None:
            raise StatementError(text.local_port.span, "the port is that of the connection before")
        port = self.port(text.port)
        local_port = None
        if text.local_port is not None:
            is_any = text.local_port.text == "any"
            local_port = 0 if is_any else read_count(text.local_port, 1, 65_535, "a port")
        label = f"#{len(self.labels) + 1}"
        if text.label is not None:
            label = text.label.text
            if label in self.labels:
                raise StatementError(text.label.span, f"there is a connection {label!r} already")
        manner = Manner.HOLD
        for word in _once(text.manners):
            if word.text == "accepts nothing":
                raise StatementError(word.span, "that says something of servers only")
            manner = _MANNERS[word.text.removesuffix("s")]
        if len(self.labels) >= MOST_CONNECTIONS:
            said = f"a test has at most {MOST_CONNECTIONS} connections of its own"
            raise StatementError(text.span, said, "repeat 100000 every 10ms { client connect }")
        self.labels[label] = client
        self.latest[client] = self.latest[""] = label
        act = Connect(client, port, local_port, reuses, label, manner)
        self.step(text, act, label, text.claims)

    def call(self, text: CallText) -> None:
        host, what = text.actor.text, text.what.text
        side = Side.SERVER if host == SERVER else Side.CLIENT
        label = self.label(text)
        if what == "kill":
            if text.label is not None:
                said = "a process that is killed loses all its sockets"
                raise StatementError(text.label.span, said, "close ends one connection")
            if self.is_repeated:
                raise StatementError(text.what.span, "what is repeated closes, and kills nothing")
            self.step(text, Kill(host, side), label, text.claims)
            return
        numbers: tuple[int, ...] = ()
        if what == "send":
            numbers = (read_count(text.operands[0], 1, _MOST_BYTES, "a number of bytes"),)
        elif what == "linger2":
            numbers = (read_whole_seconds(text.operands[0]),)
        elif what == "keepalive" and text.operands:
            time, interval, probes = text.operands
            numbers = (
                *(read_whole_seconds(time), read_whole_seconds(interval)),
                read_count(probes, 1, 127, "a number of probes"),
            )
            for word, number in ((time, numbers[0]), (interval, numbers[1])):
                if not 1 <= number <= 32_767:  # MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL
                    raise StatementError(word.span, "a span from 1s to 32767s is expected")
        self.step(text, Call(what, side, label, numbers), label, text.claims)

    def label(self, text: CallText) -> str:
        """The connection that a call is about: the one that is named, else the last."""
        host = text.actor.text
        if text.label is None:
            found = self.latest.get("" if host == SERVER else host)
            if found is None:
                said = f"the {host} has no connection yet"
                raise StatementError(text.span, said, "client connect stands in front")
            return found
        name = text.label.text
        if name not in self.labels:
            close = difflib.get_close_matches(name, self.labels, n=1)
            hint = f"did you mean {close[0]}?" if close else "a name is given by: connect as NAME"
            raise StatementError(text.label.span, f"there is no connection {name[:40]!r}", hint)
        if host not in (SERVER, self.labels[name]):
            said = f"the connection {name!r} is one of the {self.labels[name]}"
            raise StatementError(text.label.span, said)
        return name

    def sysctl(self, text: HostSysctlText) -> None:
        wiring = self.writer._wiring
        found = read_host_sysctls(text.settings)
        hosts: tuple[str, ...] = ()
        if found.box:
            wiring.require_tracked(text.host, next(iter(found.box)))
        if found.ends or found.local_ports:
            hosts = wiring.hosts_of(text.host)
        act = SetSysctls(hosts, {**found.box, **found.ends}, found.local_ports)
        self.step(text, act, "", ())

    def wait(self, text: WaitText) -> None:
        span, since = read_micros(text.amount), self.now
        moment = since + span if text.what.text == "wait" else span
        if moment < since:
            said = "this moment lies in the past: the script has come further"
            raise StatementError(text.amount.span, said, "write wait, or a later moment")
        if moment > LONGEST:
            raise StatementError(text.amount.span, "a script lasts at most a hundred years")
        self.now = moment
        self.step(text, Pass(since), self.latest.get("", ""), text.claims)

    def repeat(self, text: RepeatText) -> None:
        if self.is_repeated:
            raise StatementError(text.span, "what is repeated holds no other repetition")
        number = read_count(text.number, 1, MOST_REPEATS, "how often something is repeated")
        self.writer._repeats += number
        if self.writer._repeats > MOST_REPEATS:
            said = f"all together it is repeated at most {MOST_REPEATS} times"
            raise StatementError(text.number.span, said)
        every = read_micros(text.every)
        part = _Part(self.writer, is_repeated=True)
        steps = part.write(text.acts)
        self.writer._repeated += number * len(steps)
        if self.writer._repeated > MOST_REPEATED:
            said = f"all together at most {MOST_REPEATED} statements are repeated"
            raise StatementError(text.number.span, said)
        if self.now + number * every + part.now > LONGEST:
            raise StatementError(text.every.span, "a script lasts at most a hundred years")
        self.step(text, Repeat(number, every, steps), "", text.claims)

    # ---- what is expected

    def claims(self, texts: tuple[ClaimText, ...], text: Act) -> tuple[Claim, ...]:
        is_many = isinstance(text, RepeatText)
        if texts and not is_many and not self.latest:
            raise StatementError(texts[0].span, "there is no connection yet")
        found = []
        for each in texts:
            what = self.claim(each, is_now=isinstance(text, WaitText))
            if isinstance(what, Many) is not is_many:
                said = "of what is repeated it is expected how many connect or fail"
                if not is_many:
                    said = "how many connect is expected of what is repeated"
                raise StatementError(each.span, said, "} => 990 connected, 10 fail ETIMEDOUT")
            found.append(Claim(what, each.span))
        return tuple(found)

    def claim(self, text: ClaimText, *, is_now: bool) -> What:
        words = text.words
        side = _side(words)
        match text.kind:
            case "state":
                assert side is not None
                state = _state(words["STATE"])
                span = read_spans(words)
                if is_now and (span is not None or "EVER" in words):
                    said = "behind a wait, the state at its end is expected"
                    raise StatementError(text.span, said, "leave out how long, or expect it before")
                return Stays(side, state, span, "EVER" in words)
            case "gone":
                assert side is not None
                return Goes(side, read_spans(words))
            case "noticed":
                assert side is not None
                event = words["EVENT"]
                if event.text not in ("EOF", "data"):
                    _errno(event)
                return Notices(side, event.text, read_spans(words))
            case "connected":
                return Connects(read_spans(words))
            case "fails":
                error = _errno(words["ERRNO"]) if "ERRNO" in words else None
                return Fails(error, read_spans(words))
            case "sent":
                return Counts(side, read_numbers(words), _kind(words["KIND"]), None, None)
            case "counted":
                rule = words.get("RULE")
                fate = words["FATE"].text.split()[-1]
                return Counts(
                    None,
                    read_numbers(words),
                    _kind(words["KIND"]),
                    _FATES["arrive" if fate.startswith("arrive") else fate],
                    None if rule is None else self.writer._reader.rule(rule),
                )
            case "many":
                error = _errno(words["ERRNO"]) if "ERRNO" in words else None
                return Many(read_numbers(words), "FAIL" in words, error)
            case "entry":
                return HasEntry(self.writer._reader.entry_state(words["ENTRY_STATE"]))
            case _:
                return HasEntry(None)


def _once(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Refuse what a program is said to do twice."""
    kinds = [word.text == "accepts nothing" for word in words]
    if len(kinds) > len(set(kinds)):
        raise StatementError(words[-1].span, "it does one or the other: serves, holds or leaks")
    return words


def _side(words: dict[str, Word]) -> Side | None:
    if "SERVER" in words:
        return Side.SERVER
    return Side.CLIENT if "CLIENT" in words else None


def _kind(word: Word) -> str:
    return _KINDS[word.text.removesuffix("s")]


def _state(word: Word) -> TcpState:
    found = _STATES.get(word.text)
    if found is None:
        names = [state.name for state in TcpState]
        close = difflib.get_close_matches(word.text, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
        raise StatementError(word.span, f"{word.text[:40]!r} is no state of a socket", hint)
    return found


def _errno(word: Word) -> Errno:
    try:
        return Errno[word.text]
    except KeyError:
        names = [error.name for error in Errno]
        close = difflib.get_close_matches(word.text, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
        raise StatementError(
            word.span, f"{word.text[:40]!r} is no error of a socket", hint
        ) from None
