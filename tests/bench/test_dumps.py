# SPDX-License-Identifier: GPL-2.0-only
"""The benchmarks' generator: the same bytes each time, and the real restore loads its dumps."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.dumps import KINDS
from ctlint.parse.iptables_save import parse_rulesets
from tests.corpus import REPOSITORY
from tests.netns import PrivateNetns


def _dump(kind: str, seed: int = 1) -> str:
    """A dump by a new process, whose hashes of strings differ from those of the last."""
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "bench/dumps.py"), kind, "600", "--seed", str(seed)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind: str) -> None:
    assert _dump(kind) == _dump(kind)
    assert _dump(kind) != _dump(kind, seed=2)


@pytest.mark.parametrize("kind", KINDS)
def test_number_of_rules(kind: str) -> None:
    """About as many as asked for, each parsed."""
    text = _dump(kind)
    written = sum(line.startswith("-A ") for line in text.splitlines())
    assert 0.9 * 600 <= written <= 1.2 * 600
    assert sum(ruleset.rule_count for ruleset in parse_rulesets(text, kind)) == written


@pytest.mark.netns
@pytest.mark.parametrize("kind", KINDS)
def test_the_real_restore_loads_it(kind: str, netns: PrivateNetns) -> None:
    netns.run(["iptables-legacy-restore", "--test"], _dump(kind))
    netns.run(["iptables-nft-restore", "--test"], _dump(kind))
