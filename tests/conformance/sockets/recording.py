# SPDX-License-Identifier: GPL-2.0-only
"""What came of a case: calls, notices, states over time, packets; and its form in JSON.

All times are seconds since the case began.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Call(NamedTuple):
    """What a step came to: `result` is a count of bytes or None, `error` the name of an errno."""

    at: float
    step: str
    what: str
    result: int | None
    error: str | None


class Notice(NamedTuple):
    """What a program could notice of a socket: connected, failed, error, data, eof, acceptable.

    `size`: bytes that can be read, of data. `error`: the name of an errno, of failed and error.
    """

    at: float
    socket: str
    kind: str
    size: int | None
    error: str | None


class Ends(NamedTuple):
    """A socket of the client or of the server by its ports."""

    side: str
    local: int
    remote: int


class State(NamedTuple):
    """From when on a socket was seen to be in a state; "gone" when it was seen no more.

    `timer` as ss names it: "", on, keepalive, timewait, persist. `is_orphan`: no program owns it
    (so it is, too, before it is accepted). `retries` and `probes` are not kept: they change.
    """

    at: float
    ends: Ends
    state: str
    timer: str
    is_orphan: bool


class Seen(NamedTuple):
    """A packet. `sender`: whose it is by its ports; `made_by`: the host that made it, "router" of
    what REJECT made there.

    `seq` and `ack` count from the last SYN seen of either side; None where they are far from it.
    `reached`: how far it came: "output" (its own host dropped it), "wire" (it left its host),
    "arrived" (it came to the other host), "socket" (it passed that host's INPUT). `ctstate` is that
    of the hosts and hooks whose rules ask for one.
    """

    at: float
    sender: str
    made_by: str
    sport: int
    dport: int
    flags: str
    seq: int | None
    ack: int | None
    length: int
    reached: str
    ctstate: dict[str, str]


class Played(NamedTuple):
    """What came of a case on a kernel."""

    case: str
    seconds: float
    calls: tuple[Call, ...]
    notices: tuple[Notice, ...]
    states: tuple[State, ...]
    packets: tuple[Seen, ...]


class Recording(NamedTuple):
    """All that a kernel answered: its release as uname prints it, and the day."""

    release: str
    date: str
    played: dict[str, Played]


def to_json(played: Played) -> dict[str, Any]:
    """One line of a recording."""
    return {
        "case": played.case,
        "seconds": played.seconds,
        "calls": [call._asdict() for call in played.calls],
        "notices": [notice._asdict() for notice in played.notices],
        "states": [{**each._asdict(), "ends": list(each.ends)} for each in played.states],
        "packets": [packet._asdict() for packet in played.packets],
    }


def from_json(value: dict[str, Any]) -> Played:
    """The reverse of `to_json`."""
    return Played(
        value["case"],
        value["seconds"],
        tuple(Call(**each) for each in value["calls"]),
        tuple(Notice(**each) for each in value["notices"]),
        tuple(State(**{**each, "ends": Ends(*each["ends"])}) for each in value["states"]),
        tuple(Seen(**each) for each in value["packets"]),
    )


def write(path: Path, release: str, date: str, played: Iterable[Played]) -> None:
    """Write a recording: a line about the kernel, then one for each case."""
    lines = [{"release": release, "date": date}, *map(to_json, played)]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    path.write_bytes(lzma.compress(text.encode(), preset=9))


def read(path: Path) -> Recording:
    """Read a recording."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        lines: Iterator[dict[str, Any]] = map(json.loads, file)
        head = next(lines)
        found = [from_json(line) for line in lines]
    return Recording(head["release"], head["date"], {each.case: each for each in found})
