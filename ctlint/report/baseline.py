# SPDX-License-Identifier: GPL-2.0-only
"""A baseline as JSON, an entry a line: docs/baseline.md."""

from __future__ import annotations

import json
from typing import Final

from ctlint.finding import Identity
from ctlint.lint.baseline import Baseline

BASELINE_VERSION: Final = 1
"""Raised when an older ctlint would misunderstand the file."""


def render_baseline(baseline: Baseline) -> str:
    """The baseline in ASCII, sorted, with a final newline."""
    entries = [
        json.dumps(
            {
                **identity_as_json(identity),
                "severity": known.severity.value,
                "count": known.times,
            },
            ensure_ascii=True,
        )
        for identity, known in sorted(baseline.items(), key=lambda entry: entry[0])
    ]
    head = f'{{\n  "tool": "ctlint",\n  "version": {BASELINE_VERSION},\n  "findings": ['
    if entries:
        head += "\n    " + ",\n    ".join(entries) + "\n  "
    return f"{head}]\n}}\n"


def identity_as_json(identity: Identity) -> dict[str, str]:
    """The object that stands for an identity."""
    return {**identity._asdict(), "family": identity.family.lower()}
