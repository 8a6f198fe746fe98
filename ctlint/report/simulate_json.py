# SPDX-License-Identifier: GPL-2.0-only
"""The answer to a scenario as one line of JSON. The keys are a contract: docs/scenario.md."""

from __future__ import annotations

import json

from ctlint.scenario.answer import ScenarioAnswer, to_json


def render_answer_json(answer: ScenarioAnswer, *, internals: bool) -> str:
    """One object on one line, in ASCII; with `internals`, what entries keep too."""
    return json.dumps(to_json(answer, internals=internals), separators=(",", ":")) + "\n"
