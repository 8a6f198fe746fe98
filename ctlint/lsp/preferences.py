# SPDX-License-Identifier: GPL-2.0-only
"""What the client's settings say. All else is said by ctlint.toml."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

SECTION: Final = "ctlint"
"""Of the client's settings."""


class Preferences(NamedTuple):
    """``undecided``: what is not decided is shown as hints."""

    undecided: bool = False


def read_preferences(given: Any) -> tuple[Preferences, list[str]]:
    """The preferences in what a client sends, whole or the section alone; and what is wrong."""
    if isinstance(given, dict) and isinstance(given.get(SECTION), dict):
        given = given[SECTION]
    if not isinstance(given, dict):
        return Preferences(), []
    wrong = [f"no setting {key!r}; there is undecided" for key in given if key != "undecided"]
    undecided = given.get("undecided", False)
    if not isinstance(undecided, bool):
        wrong.append("the setting undecided is true or false")
    return Preferences(undecided is True), wrong
