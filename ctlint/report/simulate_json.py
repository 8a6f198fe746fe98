# SPDX-License-Identifier: GPL-2.0-only
"""The answer to a scenario as one line of JSON. The keys are a contract: docs/scenario.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO

from ctlint.report.simulate_course import WINDOW, Course
from ctlint.scenario.answer import entry_to_json, packet_to_json

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def write_answer_json(course: Course, stream: TextIO, *, internals: bool) -> None:
    """Writes one object on one line, in ASCII, as the scenario is played, and hands it on; with
    `internals`, what entries keep too.
    """
    encode = _ENCODER.encode
    answers = (encode(packet_to_json(answer, internals=internals)) for answer in course.answers)
    first = list(islice(answers, WINDOW))
    stream.write(f'{{"name":{encode(course.scenario.name)},"packets":[')
    _write_list(first, stream)
    for answer in answers:
        stream.write(f",{answer}")
    stream.write('],"entries":[')
    _write_list((encode(entry_to_json(entry, internals)) for entry in course.entries()), stream)
    missing = course.scenario.missing_sysctls(course.kernel)
    stream.write(f'],"missing_sysctls":{encode(list(missing))}}}\n' if missing else "]}\n")
    stream.flush()


def _write_list(values: Sequence[str] | Iterator[str], stream: TextIO) -> None:
    comma = ""
    for value in values:
        stream.write(comma + value)
        comma = ","


def render_unmodelled_json(unmodelled: Sequence[tuple[str, str]]) -> str:
    """What the simulation leaves out: one object a line."""
    return "".join(
        _ENCODER.encode({"name": name, "sentence": sentence}) + "\n"
        for name, sentence in unmodelled
    )
