# SPDX-License-Identifier: GPL-2.0-only
"""Recorded answers of kernels: scenarios that were played on real ones, and what came of them.

``tests/answers/KERNEL/NAME.jsonl.xz`` holds one JSON object a line: ``scenario``, ``packets`` (one
answer a step), ``entries`` (what was left at the end) and, where there were any,
``missing_sysctls``. The folder is the release of the kernel that answered.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile, profile
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import Scenario

ANSWERS = Path(__file__).resolve().parent.parent / "answers"

PROFILES: Mapping[str, str] = {
    "5.10.262": "5.10",
    "6.0.0-1016-ubuntu": "6.0",
    "6.1.192": "6.1",
    "6.12.107": "6.12",
    "6.12.117": "6.12",
    "6.18.15": "6.18",
    "6.18.44": "6.18",
    "7.2.13": "7.2",
    "7.3.4": "7.3",
}
"""Which profile a kernel that answered must agree with.

6.0.0-1016 is a vendor's tree. It has the change WINDOW_OVERSHOOT, which the profile 6.0 has too
(the last releases of 6.0, not the first), and no other change was found that 6.0 lacks.
"""

LACKING: Mapping[str, frozenset[Feature]] = {
    "6.12.107": frozenset({Feature.OPEN_RST_UNACKNOWLEDGED_TIMEOUT}),  # came with 6.12.117
    "6.18.15": frozenset({Feature.RST_DIRECTION_CHECK}),  # came with 6.18.35 or before
}
"""What a release does not have yet that the last one of its line has: a profile is about that."""


RULES = frozenset({"rules", "random_rules"})
"""The recordings that are about what rule sets do; the others are about the tracker alone."""

DRAWN = frozenset({"random_rules"})
"""Recordings in which the kernel drew ports by lot: asked again, it draws others."""


class Recording(NamedTuple):
    """One file: the release that answered, and what the scenarios are called."""

    release: str
    name: str

    def __str__(self) -> str:
        return f"{self.release}/{self.name}"

    @property
    def kernel(self) -> KernelProfile:
        """The profile that must agree."""
        found = profile(PROFILES[self.release])
        return replace(found, features=found.features - LACKING.get(self.release, frozenset()))

    @property
    def path(self) -> Path:
        """Where it is."""
        return ANSWERS / self.release / f"{self.name}.jsonl.xz"


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One line of a recording; `index` counts from 0. Answers are as JSON knows them."""

    recording: Recording
    index: int
    source: Mapping[str, Any]
    packets: Sequence[Mapping[str, Any]]
    entries: Sequence[Mapping[str, Any]]
    missing_sysctls: Sequence[str]

    @property
    def scenario(self) -> Scenario:
        """The scenario that was played."""
        return scenario_from_json(self.source)


def recordings() -> list[Recording]:
    """All recordings that are here, sorted."""
    paths = sorted(ANSWERS.glob("*/*.jsonl.xz"))
    return [Recording(path.parent.name, path.name.removesuffix(".jsonl.xz")) for path in paths]


def read_answers(recording: Recording) -> Iterator[RecordedAnswer]:
    """The answers of a recording, read as they are asked for."""
    with lzma.open(recording.path, "rt", encoding="utf-8") as lines:
        for index, line in enumerate(lines):
            read = json.loads(line)
            yield RecordedAnswer(
                recording,
                index,
                read["scenario"],
                read["packets"],
                read["entries"],
                read.get("missing_sysctls", ()),
            )
