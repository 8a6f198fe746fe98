# SPDX-License-Identifier: GPL-2.0-only
"""Line shapes against the grammar alone: the same rules, or the same problems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given

from bench.dumps import acl, flat, kube
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.fuzz.mutants import SETTINGS, Setting, dumps
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
