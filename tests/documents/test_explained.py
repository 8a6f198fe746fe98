# SPDX-License-Identifier: GPL-2.0-only
"""What docs/explain.md shows of `ctlint explain` is what it prints."""

from __future__ import annotations

import re

import pytest

from tests.documents.explained import FOLDER, Explained, documented


def profiles_aside(text: str) -> str:
    """The text without the number of known profiles, which grows."""
    return re.sub(r"all \d+ known profiles", "all known profiles", text)


def test_there_are_five_cases_and_each_example_has_one() -> None:
    cases = documented()
    assert len(cases) == 5
    shown = {word for case in cases for word in case.words if word.endswith(".v4")}
    assert shown == {f"examples/explain/{path.name}" for path in FOLDER.iterdir()}


@pytest.mark.parametrize("case", documented(), ids=lambda case: case.title)
def test_the_output_is_what_is_printed(case: Explained) -> None:
    assert profiles_aside(case.run()) == profiles_aside(case.printed)
    assert max(map(len, case.printed.splitlines())) <= 80
