# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures and skips that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.corpus import find_corpus
from tests.netns import PrivateNetns, private_netns, why_no_netns

# Shared machines stall: a deadline would fail tests for what the machine did.
settings.register_profile("quick", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of the tests whose expected findings a person has reviewed."""
    parser.addoption(
        "--update-golden", action="store_true", help="write the lists in tests/golden anew"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what the machine cannot run, with the reason."""
    if item.get_closest_marker("netns"):
        reason = why_no_netns("iptables-restore", "nft", "conntrack", "ipset")
        if reason is not None:
            pytest.skip(reason)
    if item.get_closest_marker("corpus") and find_corpus() is None:
        pytest.skip("the corpus is absent: set CTLINT_CORPUS")


@pytest.fixture
def netns() -> Iterator[PrivateNetns]:
    """A fresh network namespace with its loopback up, for tests marked ``netns``."""
    with private_netns() as namespace:
        yield namespace


@pytest.fixture
def corpus() -> Path:
    """The folder of the corpus; skips where it is absent."""
    folder = find_corpus()
    if folder is None:
        pytest.skip("the corpus is absent: set CTLINT_CORPUS")
    return folder
