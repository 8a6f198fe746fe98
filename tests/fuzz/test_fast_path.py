# SPDX-License-Identifier: GPL-2.0-only
"""Line shapes against the grammar alone: the same rules, or the same problems."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given

from bench.dumps import acl, flat, kube
from ctlint.parse.errors import MAX_PROBLEMS, Problem
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.fuzz.mutants import SETTINGS, Setting, dumps, edits
from tests.fuzz.properties import assert_same
from tests.netns import PrivateNetns


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"{s.table}-{s.family}")
def test_lines_before_mutation_load(setting: Setting) -> None:
    text = setting.dump(*setting.lines, *setting.lines)
    (ruleset,) = parse_rulesets(text, "f", setting.family)
    assert ruleset.rule_count == 2 * len(setting.lines)
    assert_same(text, setting.family)


@given(dumps())
def test_mutants(example: tuple[Setting, str]) -> None:
    setting, text = example
    assert_same(text, setting.family)


def assert_all_same(setting: Setting, taught: Sequence[str], lines: Sequence[str]) -> int:
    """Compares many lines behind lines that teach; returns how many of them are read.

    A text with problems has no rules to compare, so it is read again without their lines.
    """
    read = 0
    for start in range(0, len(lines), MAX_PROBLEMS // 2):
        batch = list(lines[start : start + MAX_PROBLEMS // 2])
        while batch:
            text = setting.dump(*taught, *batch)
            found: Sequence[object] = assert_same(text, setting.family)
            if not isinstance(found[0], Problem):
                read += len(batch)
                break
            first = text.count("\n") - len(batch)
            wrong = {part.span.line - first for part in found if isinstance(part, Problem)}
            right = [line for at, line in enumerate(batch) if at not in wrong]
            if len(right) == len(batch):
                break
            batch = right
    return read


LINES = [(setting, line) for setting in SETTINGS for line in setting.lines]


def test_some_edits() -> None:
    chosen = random.Random(1)
    read = 0
    for setting, line in LINES:
        some = chosen.sample(list(edits(line)), 40)
        read += assert_all_same(setting, (*setting.lines, line), some)
    assert read > 200


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "line"), LINES, ids=[line[:40] for _, line in LINES])
def test_every_edit(setting: Setting, line: str) -> None:
    assert_all_same(setting, (*setting.lines, line), list(edits(line)))


@pytest.mark.parametrize("dump", [kube, flat, acl])
def test_generated_dumps(dump: Callable[[int, int], list[str]]) -> None:
    assert_same("\n".join(dump(1500, 7)) + "\n", None)


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        *(path for path in corpus_files("public/*") if path.suffix != ".tsv"),
        *(path for path in corpus_files("public-repaired/*") if path.suffix != ".ipset"),
        *corpus_files("generated/*/ip*tables-save*.txt"),
    ],
    ids=lambda path: f"{path.parent.name}-{path.stem}"[-60:],
)
def test_corpus(path: Path) -> None:
    assert_same(path.read_bytes().decode("utf-8", "surrogateescape"), None)


@pytest.mark.netns
def test_real_restore_loads_lines_before_mutation(netns: PrivateNetns) -> None:
    netns.run(["ipset", "create", "trusted", "hash:net,port"])
    for setting in SETTINGS:
        program = "iptables" if setting.family is Family.IPV4 else "ip6tables"
        netns.run([f"{program}-legacy-restore"], setting.dump(*setting.lines))
