# SPDX-License-Identifier: GPL-2.0-only
"""The hosts of the benchmark: the same bytes each time, and ctlint and the restore read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.fleet import ROLES, fleet, write
from ctlint.parse.iptables_save import parse_rulesets
from tests.corpus import REPOSITORY
from tests.netns import PrivateNetns


def _role(name: str) -> str:
    return name.rstrip("0123456789")


def test_the_same_seed_gives_the_same_hosts(tmp_path: Path) -> None:
    """By a new process, whose hashes of strings differ."""
    write(tmp_path / "here", 20, seed=3)
    subprocess.run(
        [sys.executable, "-m", "bench.fleet", str(tmp_path / "there"), "20", "--seed", "3"],
        cwd=REPOSITORY,
        check=True,
    )
    here, there = (
        {
            str(path.relative_to(tmp_path / side)): path.read_text()
            for path in (tmp_path / side).rglob("*")
            if path.is_file()
        }
        for side in ("here", "there")
    )
    assert here == there
    assert len(here) == 40
    assert list(fleet(20, 3)) != list(fleet(20, 4))


def test_half_of_a_role_has_the_same_rules() -> None:
    bodies: dict[str, list[str]] = {}
    for name, rules, _ in fleet(200, 1):
        body = [line for line in rules.splitlines() if line.startswith("-A")]
        bodies.setdefault(_role(name), []).append("\n".join(body))
    assert set(bodies) == set(ROLES)
    for found in bodies.values():
        most = max(map(found.count, found))
        assert 0.2 * len(found) <= most <= 0.8 * len(found)
        assert len(set(found)) > 0.2 * len(found)


def test_ctlint_reads_them() -> None:
    for name, rules, _ in fleet(40, 1):
        assert sum(ruleset.rule_count for ruleset in parse_rulesets(rules, name)) == rules.count(
            "\n-A "
        )


@pytest.mark.netns
def test_the_real_restore_loads_them(netns: PrivateNetns) -> None:
    done = set()
    for name, rules, _ in fleet(40, 1):
        if _role(name) not in done:
            netns.run(["iptables-legacy-restore", "--test"], rules)
            done.add(_role(name))
    assert done == set(ROLES)


def test_the_benchmark_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.hosts", "--hosts", "4", "--sample", "1", "--jobs", "1,2"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "4 hosts"
    assert [line[2:36].strip() for line in lines[2:6]] == [
        "one by one (1 measured)",
        "one run, --jobs 1",
        "one run, --jobs 2",
        "the same, as JSON, --jobs 2",
    ]
