# SPDX-License-Identifier: GPL-2.0-only
"""docs/config.md names every key, and its example is one."""

from __future__ import annotations

import re

from ctlint.lint.config_reader import read_config
from ctlint.lint.config_schema import config_keys
from tests.corpus import REPOSITORY

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


def test_every_key_is_named() -> None:
    keys = config_keys()
    named = set(re.findall(r"`([a-z-]+)`", PAGE))
    assert {*keys.top, *keys.override, *keys.allow} <= named
