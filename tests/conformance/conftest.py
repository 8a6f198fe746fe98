# SPDX-License-Identifier: GPL-2.0-only
"""Counts that conformance tests report at the end of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_COUNTS = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Starts with no counts."""
    config.stash[_COUNTS] = {}


@pytest.fixture
def report_count(pytestconfig: pytest.Config) -> Callable[[str, int], None]:
    """Adds a number to the summary of the run, under a name."""

    def report(name: str, count: int) -> None:
        pytestconfig.stash[_COUNTS][name] = count

    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Prints the counts."""
    counts = config.stash[_COUNTS]
    if counts:
        terminalreporter.section("conformance")
        for name, count in counts.items():
            terminalreporter.write_line(f"{count:>7,} {name}")
