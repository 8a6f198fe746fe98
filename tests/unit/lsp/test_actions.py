# SPDX-License-Identifier: GPL-2.0-only
"""Edits as the protocol has them, and the comments that allow findings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.converters import get_converter
from lsprotocol.types import PositionEncodingKind, TextEdit

from ctlint.finding import Confidence, Edit, Finding, Fix, Location, Severity
from ctlint.lint.editing import edited
from ctlint.lint.fixing import Applied, edits_by_file
from ctlint.lint.registry import shipped_rules
from ctlint.lint.suppression import in_comments, in_rules
from ctlint.lsp.actions import REASON, OpenFile, in_order, permissions, text_edit
from ctlint.lsp.positions import Places
from ctlint.parse.iptables_save import parse_rulesets
from tests.unit.lsp.edits import applied

UTF16 = PositionEncodingKind.Utf16
IDS = {word: info.id for info in shipped_rules() for word in (info.id, info.name)}


def _plain(edit: TextEdit) -> dict[str, Any]:
    found: dict[str, Any] = get_converter().unstructure(edit)
    return found


def _made(text: str, edits: list[Edit]) -> str:
    places = Places(text, UTF16)
    return applied(text, [_plain(text_edit(places, edit)) for edit in in_order(edits)])


TEXTS = st.lists(st.sampled_from(["", "é𐀀", "-A X", "a\rb"]), max_size=5).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "\r\n".join(lines)])
)


@given(TEXTS, st.integers(1, 7), st.integers(0, 3), st.lists(st.just("new"), max_size=2))
def test_an_edit_of_lines(text: str, line: int, delete: int, insert: list[str]) -> None:
    lines = text.count("\n") + 1
    line = min(line, lines + 1)
    edit = Edit("f", line, delete, tuple(insert))
    if not insert and (line > lines or not delete or delete >= lines):
        return
    assert _made(text, [edit]) == edited(text, [edit])


@pytest.mark.parametrize("text", ["1\n2\n3\n", "1\r\n2\r\n3", "1\n2\n3"])
def test_edits_of_one_file_together(text: str) -> None:
    edits = [
        Edit("f", 2, 0, ("a", "b")),
        Edit("f", 2, 0, ("c",)),
        Edit("f", 2, 1, ("two",)),
        Edit("f", 1, 1, ()),
        Edit("f", 4, 0, ("end",)),
    ]
    fixes = [Applied(Fix("", (edit,), True), ()) for edit in edits]
    ordered = list(edits_by_file(fixes)["f"])
    assert _made(text, ordered) == edited(text, ordered)


def _finding(rule: str, text: str, line: int, position: int | None = 1) -> Finding:
    place = Location("f", line, table="filter", chain="INPUT", position=position, text=text)
    return Finding(rule, "x", Severity.ERROR, Confidence.CERTAIN, "m", "", place)


RULES = [
    "-A INPUT -m conntrack --ctstate INVALID -j DROP",
    "[1:2] -A INPUT -p tcp --dport 22 --jump DROP",
    '-A INPUT -m comment --comment "go -j DROP" -j REJECT --reject-with icmp-net-unreachable',
    "-A INPUT -s 10.0.0.1/32",
    "-A INPUT -g LATER",
    '-A INPUT -m comment --comment "é𐀀 \\" -g x" -j LOG --log-prefix "-j "',
]


@pytest.mark.parametrize("rule", RULES)
def test_a_permission_is_read_as_what_it_is(rule: str) -> None:
    """What is inserted allows the rule that the finding names, and leaves the rule what it was."""
    head = "*filter\n:INPUT ACCEPT [0:0]\n:LATER - [0:0]\n"
    text = f"{head}{rule}\nCOMMIT\n"
    file = OpenFile("file:///f", 1, Places(text, UTF16))
    titles = []
    for title, edit in permissions(_finding("CT101", rule, 4), file):
        titles.append(title)
        new = _made(text, [edit])
        (ruleset,) = parse_rulesets(new, "f")
        (found,) = [*in_rules(ruleset, IDS), *in_comments("f", new, (), IDS)]
        assert (found.allows, found.wording.reason) == (("CT101",), REASON)
        (was,) = parse_rulesets(text, "f")
        before, after = (each.tables["filter"].chains["INPUT"].rules[0] for each in (was, ruleset))
        assert found.line == after.line
        assert after.target == before.target
        assert [match for match in after.matches if match in before.matches] == list(before.matches)
    assert titles == ["allow CT101 here, in the rule", "allow CT101 here, in a line above"]


@pytest.mark.parametrize(
    ("rule", "line", "position", "titles"),
    [
        ("CT103", 2, None, ["allow CT103 here, in a line above"]),
        ("CT103", 1, None, []),  # nothing stands there that a comment could speak of
        ("CT901", 2, None, []),  # no comment can allow these (docs/suppression.md)
        ("CT904", 2, 1, []),
    ],
)
def test_where_nothing_can_be_inserted(
    rule: str, line: int, position: int | None, titles: list[str]
) -> None:
    text = "# saved\n:INPUT DROP [0:0]\n"
    file = OpenFile("file:///f", 1, Places(text, UTF16))
    finding = _finding(rule, ":INPUT DROP", line, position)
    assert [title for title, _ in permissions(finding, file)] == titles
    assert list(permissions(finding, None)) == []
