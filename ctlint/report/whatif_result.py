# SPDX-License-Identifier: GPL-2.0-only
"""What a run of ``ctlint whatif`` has to tell."""

from __future__ import annotations

from dataclasses import dataclass

from ctlint.analysis.both_sides import BothSides
from ctlint.analysis.timeout_sweep import Change, Swept
from ctlint.analysis.whatif import Answer, Shown


@dataclass(frozen=True, slots=True)
class WhatIfResult:
    """``files`` are the rule files; ``keepalives`` are witnesses for the alternatives of the
    answer, in their order, where any were made. ``baseline`` is the answer without the settings
    that are tried, None where none are. ``swept`` and ``changes`` are those of a sweep, where one
    is asked for.
    """

    files: tuple[str, ...]
    answer: Answer
    shown: tuple[Shown, ...]
    keepalives: tuple[BothSides | None, ...] = ()
    baseline: Answer | None = None
    swept: Swept | None = None
    changes: tuple[tuple[Change, BothSides | None], ...] = ()

    @property
    def played(self) -> int:
        """How many thresholds were played on both sides, those of keepalives with the others."""
        return sum(one.sides is not None for one in self.shown) + sum(
            one is not None for one in self.keepalives
        )
