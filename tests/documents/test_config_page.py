# SPDX-License-Identifier: GPL-2.0-only
"""What the pages on configuration, suppression and baselines show is so."""

from __future__ import annotations

import re
from pathlib import Path

from ctlint.lint.config_reader import read_config
from ctlint.lint.config_schema import config_keys
from ctlint.lint.registry import shipped_rules
from ctlint.lint.suppression import read_wording
from ctlint.report.baseline import render_baseline
from ctlint.source.baseline_files import read_baseline
from tests.corpus import REPOSITORY
from tests.unit.cli.running import ctlint

PAGE = (REPOSITORY / "docs" / "config.md").read_text(encoding="utf-8")


def test_the_example_is_the_shipped_one() -> None:
    shown = re.search(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown is not None
    example = (REPOSITORY / "examples" / "config" / "ctlint.toml").read_text(encoding="utf-8")
    here, there = read_config(shown[1], "c"), read_config(example, "c")
    assert here is not None
    assert there is not None
    assert {key: said.value for key, said in here.values.items()} == {
        key: said.value for key, said in there.values.items()
    }
    assert [scope for scope, _ in here.overrides] == [scope for scope, _ in there.overrides]


def test_the_error_is_what_is_printed(tmp_path: Path) -> None:
    (tmp_path / "ctlint.toml").write_text("selct = []\n", encoding="utf-8")
    shown = re.search(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert ctlint(["config", "--show"], cwd=tmp_path).stderr == shown[1]


def test_the_baseline_is_one(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "baseline.md").read_text(encoding="utf-8")
    shown = re.search(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    (tmp_path / "b").write_text(shown[1], encoding="utf-8")
    assert render_baseline(read_baseline(str(tmp_path / "b"))) == shown[1]


def test_what_is_allowed_on_the_page_is_allowed() -> None:
    """Each comment of docs/suppression.md names rules that there are, with a reason."""
    page = (REPOSITORY / "docs" / "suppression.md").read_text(encoding="utf-8")
    ids = {word: info.id for info in shipped_rules() for word in (info.id, info.name)}
    said = re.findall(r"^    .*?ctlint: (.*?)(?:\" -j DROP)?$", page, re.MULTILINE)
    assert len(said) == 2
    for each in said:
        wording = read_wording(each, ids)
        assert (bool(wording.rules), wording.unknown, bool(wording.reason)) == (True, (), True)


def test_every_key_is_named() -> None:
    keys = config_keys()
    named = set(re.findall(r"`([a-z-]+)`", PAGE))
    assert {*keys.top, *keys.override, *keys.allow} <= named
