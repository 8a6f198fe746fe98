# SPDX-License-Identifier: GPL-2.0-only
"""Plays cases on the kernel of this machine, many side by side, and records what comes of them.

    python -m tests.conformance.sockets.play -o FILE.jsonl.xz [--quick] [CASE…]

Where cases are named and the file is there, they are replaced in it. Needs root, ip, nft and
iptables-restore. Only namespaces of its own are touched.
"""

from __future__ import annotations

import argparse
import datetime
import heapq
import itertools
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Final

from ctlint.lab.log import Log
from tests.conformance.sockets.case import Case, Expire, Host, Kill, Rules, Step
from tests.conformance.sockets.network import Network
from tests.conformance.sockets.programs import Programs, errno_name
from tests.conformance.sockets.recording import Call, Ends, Played, read, write
from tests.conformance.sockets.skipped_idle import busy, load_programs
from tests.conformance.sockets.sock_diag import Tuple
from tests.conformance.sockets.watch import SERVER_PORT, Packets, States

_SECONDS_BETWEEN_LOOKS: Final = 0.05
_SECONDS_BETWEEN_LATE_LOOKS: Final = 0.2
_SECONDS_UNTIL_LATE: Final = 10
"""Since programs did something last: what happens then by itself has been under way for long."""

_SECONDS_BETWEEN_STARTS: Final = 0.05
_AHEAD: Final = 0.2


class Clock:
    """What is to be done when, and which descriptors are watched."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[int], None]] = {}

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something at a moment on `time.monotonic`."""
        heapq.heappush(self._due, (when, next(self._numbers), action))

    def watch(self, descriptor: int, events: int, action: Callable[[int], None]) -> None:
        """Do something with the events of a descriptor."""
        self._watched[descriptor] = action
        self._epoll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no longer; it is about to be closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def run(self) -> None:
        """Until nothing is to be done any more."""
        while self._due:
            pause = max(self._due[0][0] - time.monotonic(), 0)
            for descriptor, events in self._epoll.poll(pause):
                action = self._watched.get(descriptor)
                if action is not None:
                    action(events)
            if self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
        self._epoll.close()


class Play:
    """One case under way."""

    def __init__(
        self, case: Case, clock: Clock, stack: ExitStack, *, skips_idle: bool = False
    ) -> None:
        self._case = case
        self._skips_idle = skips_idle
        self._clock = clock
        self._network = Network(case, stack)
        self._began = 0.0
        self._calls: list[Call] = []
        self._packets = Packets()
        self._states: dict[Host, States] = {}
        self._logs: list[tuple[Host, Log]] = []
        self._is_over = False
        for host, namespace in self._network.hosts.items():
            with namespace.inside():
                log = Log()
            stack.callback(log.close)
            self._logs.append((host, log))
            if host is not Host.ROUTER:
                states = States(namespace)
                stack.callback(states.close)
                self._states[host] = states
        self._programs = Programs(case, self._network, clock, self.now, self._add)
        stack.callback(self._programs.close)

    def now(self) -> float:
        """Seconds since the case began, to tenths of a millisecond."""
        return round(time.monotonic() - self._began, 4)

    def _add(self, client_port: int) -> None:
        """Look at both ends of a connection from now on."""
        port = SERVER_PORT
        client, server = map(
            socket.inet_aton, (self._network.client_address, self._network.server_address)
        )
        self._states[Host.CLIENT].add(
            Ends(Host.CLIENT.value, client_port, port), Tuple(client, client_port, server, port)
        )
        self._states[self._case.host(Host.SERVER)].add(
            Ends(Host.SERVER.value, port, client_port), Tuple(server, port, client, client_port)
        )

    def begin(self, when: float) -> None:
        """Let the case begin at a moment."""
        self._began = when
        for _, log in self._logs:
            self._clock.watch(log.fileno(), select.EPOLLIN, lambda _: self._read())
        for step in self._case.steps:
            self._clock.at(when + step.at, lambda step=step: self._do(step))  # type: ignore[misc]
        self._clock.at(when, self._look)
        self._clock.at(when + self._case.seconds, self._end)

    def _read(self) -> None:
        now = self.now()
        for host, log in self._logs:
            self._packets.take(log, host, now)
        self._packets.settle(now)

    def _look(self) -> None:
        if self._is_over:
            return
        for states in self._states.values():
            states.look(self.now())
        self._packets.settle(self.now())
        latest = self._calls[-1].at if self._calls else 0.0
        is_late = self.now() - latest > _SECONDS_UNTIL_LATE
        pause = _SECONDS_BETWEEN_LATE_LOOKS if is_late else _SECONDS_BETWEEN_LOOKS
        self._clock.at(time.monotonic() + pause, self._look)

    def _do(self, step: Step) -> None:
        starts_program = isinstance(step, Rules | Kill)
        with busy() if self._skips_idle and starts_program else nullcontext():
            self._do_now(step)

    def _do_now(self, step: Step) -> None:
        at = self.now()
        result: int | None = None
        error = None
        what = ""
        try:
            match step:
                case Rules():
                    what = step.host.value
                    self._network.load(self._case.host(step.host), step.text)
                case Expire():
                    what = step.host.value
                    self._network.expire(self._case.host(step.host))
                case _:
                    what = getattr(step, "socket", "")
                    result = self._programs.do(step)
        except OSError as failed:
            error = errno_name(failed)
        self._calls.append(Call(at, type(step).__name__.lower(), what, result, error))

    def _end(self) -> None:
        self._is_over = True
        self._read()
        for states in self._states.values():
            states.look(self.now())
        for _, log in self._logs:
            self._clock.forget(log.fileno())
        self._programs.forget()

    def played(self) -> Played:
        """What came of it. The case is over."""
        self._packets.settle(self._case.seconds + 10)
        found = sorted(each for states in self._states.values() for each in states.found)
        return Played(
            self._case.name,
            self._case.seconds,
            tuple(self._calls),
            tuple(self._programs.notices),
            tuple(found),
            tuple(self._packets.found()),
        )


def play(
    cases: Iterable[Case], spacing: float = _SECONDS_BETWEEN_STARTS, *, skips_idle: bool = False
) -> list[Played]:
    """Play cases side by side; it takes as long as the longest. Of two cases the second begins
    `spacing` seconds later. `skips_idle`: time spent asleep passes at once on this machine.

    Raises CalledProcessError, OSError, LabError.
    """
    with ExitStack() as stack:
        clock = Clock()
        with busy() if skips_idle else nullcontext():
            plays = [Play(case, clock, stack, skips_idle=skips_idle) for case in cases]
        start = time.monotonic() + _AHEAD
        for number, each in enumerate(plays):
            each.begin(start + number * spacing)
        clock.run()
        return [each.played() for each in plays]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, play, write."""
    from tests.conformance.sockets.cases import CASES, REHEARSAL

    parser = argparse.ArgumentParser(description="Play cases of real sockets on this kernel.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the recording (.xz)")
    parser.add_argument("--quick", action="store_true", help="only those of a few seconds")
    parser.add_argument(
        "--spacing",
        type=float,
        default=_SECONDS_BETWEEN_STARTS,
        help="seconds between the beginnings of two cases; a slow machine needs more",
    )
    parser.add_argument(
        "--skips-idle", action="store_true", help="time spent asleep passes at once here"
    )
    parser.add_argument("cases", nargs="*", help="names of cases; all, if none")
    given = parser.parse_args(arguments)
    unknown = set(given.cases) - CASES.keys()
    if unknown:
        parser.error(f"unknown cases: {' '.join(sorted(unknown))}")
    # So that modules are loaded and programs in memory before time is measured.
    if given.skips_idle:
        with busy():
            load_programs()
            play([REHEARSAL])
    else:
        play([REHEARSAL])
    wanted = [CASES[name] for name in given.cases] or list(CASES.values())
    if given.quick:
        wanted = [case for case in wanted if case.is_quick]
    made = play(wanted, given.spacing, skips_idle=given.skips_idle)
    played = {each.case: each for each in made}
    release = os.uname().release
    if given.cases and given.output.exists():
        before = read(given.output)
        if before.release != release:
            parser.error(f"{given.output} is of {before.release}, not of {release}")
        played = before.played | played
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    write(given.output, release, today, (played[name] for name in CASES if name in played))
    return 0


if __name__ == "__main__":
    sys.exit(main())
