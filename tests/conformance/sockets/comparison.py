# SPDX-License-Identifier: GPL-2.0-only
"""What differs between two plays of a case: on a kernel before and now, or on the model.

A kernel is asked for states now and then, and a machine is busy: a state that is shorter than
`_SHORT` may be missed, and moments may be apart by a part of the time since a program did something
last. The kernel's own timers are late by up to an eighth (kernel/time/timer.c), a step of a backoff
is a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, NamedTuple

from tests.conformance.sockets.recording import Ends, Played

_SHORT: Final = 0.5
_AT_ONCE: Final = 0.01
_ALWAYS_ALLOWED: Final = 0.3
_SHARE_ALLOWED: Final = 0.13


class Event(NamedTuple):
    """Something that came of a case: what is alike whoever plays it, and when. `lasted`: of a
    state, how long.
    """

    what: str
    at: float
    lasted: float = math.inf


def differences(expected: Played, found: Played) -> list[str]:
    """What differs, a line each."""
    lines: list[str] = []
    calls = [f"{each.step} {each.what} {each.error or each.result}" for each in expected.calls]
    made = [f"{each.step} {each.what} {each.error or each.result}" for each in found.calls]
    for was, now in zip_longest(calls, made, fillvalue="nothing"):
        if was != now:
            lines.append(f"call: expected {was}, found {now}")
    of_expected, of_found = _streams(expected), _streams(found)
    moments = [(one.at, other.at) for one, other in zip(expected.calls, found.calls, strict=False)]
    for name in dict.fromkeys([*of_expected, *of_found]):
        lines += _compare(name, of_expected.get(name, []), of_found.get(name, []), moments)
    return lines


def _compare(
    name: str,
    expected: Sequence[Event],
    found: Sequence[Event],
    moments: Sequence[tuple[float, float]],
) -> Iterator[str]:
    """`moments` are those of the calls, of either play: a call may have been late in one."""
    words = [event.what for event in expected]
    said = [event.what for event in found]
    for kind, i, j, k, m in SequenceMatcher(None, words, said, autojunk=False).get_opcodes():
        if kind != "equal":
            if any(event.lasted >= _SHORT for event in (*expected[i:j], *found[k:m])):
                yield f"{name}: expected {', '.join(words[i:j]) or 'nothing'}; found " + (
                    ", ".join(said[k:m]) or "nothing"
                )
            continue
        for was, now in zip(expected[i:j], found[k:m], strict=True):
            began, began_too = max((each for each in moments if each[0] <= was.at), default=(0, 0))
            since, since_too = was.at - began, now.at - began_too
            if abs(since - since_too) > _ALWAYS_ALLOWED + _SHARE_ALLOWED * since:
                yield f"{name}: {was.what} expected at {was.at:.3f}, found at {now.at:.3f}"


def _streams(played: Played) -> dict[str, list[Event]]:
    """All events by whose they are; the order between streams is left to chance."""
    streams: dict[str, list[Event]] = {}
    for notice in played.notices:
        events = streams.setdefault(f"notices of {notice.socket}", [])
        what = f"{notice.kind} {notice.error or ''}".strip()
        # Data that come one after the other may be noticed together, so may connections.
        if not events or what not in ("data", "acceptable") or events[-1].what != what:
            events.append(Event(what, notice.at))
    for ends in dict.fromkeys(state.ends for state in played.states):
        name = f"states of the {ends.side}'s {ends.local} to {ends.remote}"
        streams[name] = states_of(played, ends)
    for packet in played.packets:
        if packet.reached == "output" and packet.made_by != packet.sender:
            continue  # what REJECT made, and another rule dropped: nobody else sees it
        name = f"packets of the {packet.sender}'s {packet.sport} to {packet.dport}"
        where = "" if packet.made_by == packet.sender else f" by {packet.made_by}"
        numbers = f"{packet.seq}:{packet.ack}:{packet.length}"
        what = f"{packet.flags} {numbers} {packet.reached}{where}"
        _put(streams.setdefault(name, []), Event(what, packet.at))
    return streams


def _put(events: list[Event], event: Event) -> None:
    """Put a packet behind those before. Of some alike that were sent at once, any may be the one
    that got furthest: they stand in a fixed order.
    """
    place = len(events)
    while place and _are_twins(events[place - 1], event) and event.what < events[place - 1].what:
        place -= 1
    events.insert(place, event)


def _are_twins(one: Event, other: Event) -> bool:
    return abs(one.at - other.at) < _AT_ONCE and one.what.split()[:2] == other.what.split()[:2]


def states_of(played: Played, ends: Ends) -> list[Event]:
    """The states of a socket, each with its timer and whether nobody owns it."""
    seen = [state for state in played.states if state.ends == ends]
    events: list[Event] = []
    for state, following in zip_longest(seen, seen[1:]):
        # What is gone at the end is gone for good, and what was there is there.
        lasted = math.inf if following is None else following.at - state.at
        orphan = " orphan" if state.is_orphan and state.state != "gone" else ""
        events.append(Event(f"{state.state} {state.timer}".strip() + orphan, state.at, lasted))
    return events
