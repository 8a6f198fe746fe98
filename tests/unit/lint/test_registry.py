# SPDX-License-Identifier: GPL-2.0-only
"""How rule files are found and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.lint.registry import load_rules, shipped_rules
from ctlint.lint.rule_api import HEADINGS, RuleDefinitionError

PAGE = "\n".join(f"## {heading}\nText.\n" for heading in HEADINGS)
CODE = """
from ctlint.finding import Severity
from ctlint.lint.rule_api import rule


@rule("{id}", "{name}", severity=Severity.NOTE, since="0.1.0")
def check(ctx):
    return iter(())
"""


def write(
    folder: Path, file: str, page: str = PAGE, rule_id: str = "CT199", name: str = "x-y"
) -> Path:
    path = folder / file
    path.write_text(f'"""\n{page}"""\n' + CODE.format(id=rule_id, name=name), encoding="utf-8")
    return path


def test_a_rule_is_found_by_its_file(tmp_path: Path) -> None:
    (info,) = load_rules([write(tmp_path, "ct199_x_y.py")])
    assert (info.id, info.name, info.summary) == ("CT199", "x-y", "Text.")


@pytest.mark.parametrize(
    ("file", "page", "rule_id", "name"),
    [
        ("ct198_x_y.py", PAGE, "CT199", "x-y"),
        ("ct199_x_y.py", "", "CT199", "x-y"),
        ("ct199_x_y.py", PAGE.replace("## Good", "## Better"), "CT199", "x-y"),
        ("ct199_x_y.py", "Words before.\n" + PAGE, "CT199", "x-y"),
        ("ct199_x_y.py", PAGE, "CX1", "x-y"),
        ("ct199_x_y.py", PAGE, "CT199", "X Y"),
    ],
)
def test_a_file_that_is_not_as_it_must_be(
    tmp_path: Path, file: str, page: str, rule_id: str, name: str
) -> None:
    with pytest.raises(RuleDefinitionError):
        load_rules([write(tmp_path, file, page, rule_id, name)])


def test_an_id_is_used_once(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    paths = [write(tmp_path, "ct199_x_y.py"), write(tmp_path / "two", "ct199_x_y.py")]
    with pytest.raises(RuleDefinitionError, match="taken"):
        load_rules(paths)


def test_names_read_well_behind_allow() -> None:
    for info in shipped_rules():
        assert not info.name.startswith(("no-", "disallow-", "avoid-"))
        assert info.summary.startswith("Flags ")
