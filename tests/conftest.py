# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures and skips that all tests share."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

from tests.corpus import find_corpus

# Shared machines stall: a deadline would fail tests for what the machine did.
settings.register_profile("quick", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile("quick")

_numbers = itertools.count()


class Netns(NamedTuple):
    """A network namespace that the test owns."""

    name: str

    def run(
        self, arguments: Sequence[str], stdin: str = "", *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program inside; raises CalledProcessError if it fails, unless ``check`` is off."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=check,
            timeout=60,
        )


@cache
def _why_no_netns() -> str | None:
    """Why tests marked ``netns`` cannot run here; None where they can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("ip", "iptables-restore", "conntrack"):
        if shutil.which(program) is None:
            return f"needs {program}"
    name = f"ctlint-probe-{os.getpid()}"
    added = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if added.returncode != 0:
        return f"cannot make a network namespace: {added.stderr.strip()}"
    try:
        probe = subprocess.run(
            ["ip", "netns", "exec", name, "iptables-restore", "--test"],
            input="*filter\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
            capture_output=True,
            text=True,
        )
        return None if probe.returncode == 0 else f"needs netfilter: {probe.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what the machine cannot run, with the reason."""
    if item.get_closest_marker("netns") and (reason := _why_no_netns()):
        pytest.skip(reason)
    if item.get_closest_marker("corpus") and find_corpus() is None:
        pytest.skip("the corpus is absent: set CTLINT_CORPUS")


@pytest.fixture
def netns() -> Iterator[Netns]:
    """A fresh network namespace with its loopback up, deleted at the end of the test.

    Use it in tests marked ``netns``.
    """
    namespace = Netns(f"ctlint-test-{os.getpid()}-{next(_numbers)}")
    subprocess.run(["ip", "netns", "add", namespace.name], check=True)
    try:
        namespace.run(["ip", "link", "set", "lo", "up"])
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "delete", namespace.name], check=True)


@pytest.fixture
def corpus() -> Path:
    """The folder of the corpus; skips where it is absent."""
    folder = find_corpus()
    if folder is None:
        pytest.skip("the corpus is absent: set CTLINT_CORPUS")
    return folder
