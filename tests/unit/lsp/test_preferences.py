# SPDX-License-Identifier: GPL-2.0-only
"""Settings of clients."""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.lsp.preferences import Preferences, read_preferences


@pytest.mark.parametrize(
    ("given", "undecided", "wrong"),
    [
        (None, False, 0),
        ([], False, 0),
        ({}, False, 0),
        ({"undecided": True}, True, 0),
        ({"ctlint": {"undecided": True}}, True, 0),
        ({"undecided": 1}, False, 1),
        ({"undecided": "yes", "kernel": "6.1"}, False, 2),
    ],
)
def test_what_they_say(given: Any, undecided: bool, wrong: int) -> None:
    found, said = read_preferences(given)
    assert found == Preferences(undecided)
    assert len(said) == wrong
