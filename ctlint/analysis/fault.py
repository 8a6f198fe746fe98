# SPDX-License-Identifier: GPL-2.0-only
"""The analysis contradicts the model, or itself: a fault of ctlint's own, with what shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AnalysisFault(Exception):  # noqa: N818 (named for what is wrong)
    """Two parts of ctlint say different things of the same packets; one of them is wrong.

    `scenario` (docs/scenario.md) has the packets; `expected` is what one part says of them, `got`
    what the other does.
    """

    def __init__(
        self, message: str, scenario: Mapping[str, Any], expected: object, got: object
    ) -> None:
        super().__init__(message)
        self.scenario = scenario
        self.expected = expected
        self.got = got
