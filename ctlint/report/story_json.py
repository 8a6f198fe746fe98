# SPDX-License-Identifier: GPL-2.0-only
"""What became of sockets as JSON: an object a line for each test. The keys are a contract:
docs/json.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, TextIO

from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.world.chronicle import Deed, Event, Rung
from ctlint.model.world.line import Line, Side
from ctlint.report.ladder import Numbers, statement_of
from ctlint.report.outcome import say_ending, say_line
from ctlint.scenario.socket_story import EndStory, LineStory, Story
from ctlint.wire.addresses import format_address

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_NAMES: Final = ("client", "server")


def write_story_json(story: Story, lines: Sequence[str], stream: TextIO) -> None:
    """Writes one story as one line of ASCII, and hands it on. `lines` are those of its script."""
    stream.write(_ENCODER.encode(story_to_json(story, lines)) + "\n")
    stream.flush()


def story_to_json(story: Story, lines: Sequence[str]) -> dict[str, Any]:
    """A story as JSON has it."""
    labels: dict[Line | None, str] = {line.line: label for label, line in story.lines.items()}
    numbers = Numbers()
    ending = story.ending
    return {
        "name": story.plan.name,
        "kernels": {"box": story.box_kernel.name}
        | {host: kernel.name for host, kernel in story.kernels.items()},
        "ended": {"why": ending.why.value, "at": ending.at, "text": say_ending(story)},
        "connections": [_line(story, line) for line in story.lines.values()],
        "repeated": [
            {
                "line": story.plan.steps[number].span.line,
                "begun": tally.begun,
                "connected": tally.connected,
                "failed": {
                    "unknown" if error is None else error.name: count
                    for error, count in sorted(tally.failed.items(), key=lambda each: str(each[0]))
                },
            }
            for number, tally in story.tallies.items()
        ],
        "events": [
            _event(event, story, labels, numbers, lines)
            for event in sorted(story.events, key=lambda each: each.at)
        ],
        "left_out": story.left_out,
        "packets": story.packets,
    } | ({"missing_sysctls": [*story.missing_sysctls]} if story.missing_sysctls else {})


def _line(story: Story, line: LineStory) -> dict[str, Any]:
    return {
        "connection": line.label,
        "client": line.client,
        "began": line.began,
        "connected": line.connected,
        "failed": line.failed,
        "error": None if line.error is None else line.error.name,
        "outcome": say_line(story, line),
        "ends": {_NAMES[side]: _end(line.ends[side]) for side in Side},
    }


def _end(end: EndStory) -> dict[str, Any]:
    return {
        "states": [
            {"state": stay.state.name, "since": stay.since, "until": stay.until}
            for stay in end.stays
        ],
        "gone": end.gone,
        "noticed": [{"at": at, "what": what} for at, what in end.noticed],
    }


def _event(
    event: Event,
    story: Story,
    labels: dict[Line | None, str],
    numbers: Numbers,
    lines: Sequence[str],
) -> dict[str, Any]:
    if isinstance(event, Rung):
        return _packet(event, labels[event.line], numbers)
    if isinstance(event, Deed):
        span, words = statement_of(story, event, lines)
        return {
            "kind": "deed",
            "at": event.at,
            "connection": labels.get(event.line),
            "line": span.line,
            "statement": words,
            "trouble": event.trouble,
        }
    happening = event.happening
    return {
        "kind": "notice",
        "at": event.at,
        "connection": labels[event.half.line],
        "end": _NAMES[event.half.side],
        "what": happening.kind.value,
        "error": None if happening.error is None else happening.error.name,
        "state": _name(happening.after),
    }


def _packet(rung: Rung, label: str, numbers: Numbers) -> dict[str, Any]:
    packet = rung.packet
    relative = numbers.relative(rung)
    entry = rung.entry
    return {
        "kind": "packet",
        "at": rung.at,
        "arrived": rung.arrived,
        "connection": label,
        "from": rung.sender,
        "src": format_address(packet.family, packet.saddr),
        "sport": packet.sport,
        "dst": format_address(packet.family, packet.daddr),
        "dport": packet.dport,
        "flags": None if packet.flags is None else packet.flags.letters,
        "seq": packet.seq,
        "ack": packet.ack,
        "win": packet.window,
        "len": packet.payload,
        "relative": None if relative is None else {"seq": relative[0], "ack": relative[1]},
        "ctstate": None if rung.ctstate is None else str(rung.ctstate.name),
        "rules": [*rung.rules],
        "fate": rung.fate.value,
        "cause": rung.cause,
        "entry": None if entry is None else {"state": entry[0], "timeout": entry[1]},
        "states": {_NAMES[side]: _name(rung.states[side]) for side in Side},
    }


def _name(state: TcpState | None) -> str | None:
    return None if state is None else state.name
