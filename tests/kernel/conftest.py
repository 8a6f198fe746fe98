# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel, as the tests of this folder ask it: each module has a lab of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ctlint.lab.lab import Lab, open_lab, why_unavailable


@pytest.fixture(scope="module")
def kernel() -> Iterator[Lab]:
    """The judge; an error where this machine has none."""
    with open_lab() as found:
        yield found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The same for what can do without; skips with the reason where this machine has none."""
    reason = why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    with open_lab() as found:
        yield found
