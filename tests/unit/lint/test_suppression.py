# SPDX-License-Identifier: GPL-2.0-only
"""What comments allow: their wording, and the line that they speak of. docs/suppression.md."""

from __future__ import annotations

import time

import pytest

from ctlint.finding import AllowedBy
from ctlint.lint.suppression import (
    CommentLines,
    Wording,
    Written,
    continued_lines,
    in_comments,
    in_rules,
    read_wording,
    similar,
)
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

IDS = {"CT101": "CT101", "output-invalid-drop": "CT101", "CT104": "CT104"}
HEAD = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"


@pytest.mark.parametrize(
    ("said", "wording"),
    [
        ("allow CT104 because of old clients", Wording(("CT104",), (), "of old clients")),
        ("allow ct104 because x", Wording(("CT104",), (), "x")),
        ("allow CT104, CT101 because x", Wording(("CT104", "CT101"), (), "x")),
        ("allow CT104 and output-invalid-drop because x", Wording(("CT104", "CT101"), (), "x")),
        ("allow CT101,output-invalid-drop because x", Wording(("CT101",), (), "x")),
        ("allow CT104 because because", Wording(("CT104",), (), "because")),
        ("allow CT104 BECAUSE x", Wording(("CT104",), (), "x")),
        ("allow CT104 because", Wording(("CT104",))),
        ("allow CT104 because  ", Wording(("CT104",))),
        ("allow CT104", Wording(("CT104",))),
        # What is no id ends the list where no reason follows.
        ("allow CT104 (legacy)", Wording(("CT104",))),
        ("allow CT104 legacy because x", Wording(("CT104",), ("legacy",), "x")),
        ("allow CT999", Wording((), ("CT999",))),
        ("allow CT1 because x", Wording((), ("CT1",), "x")),
        ("allow CT104because x", Wording(is_allow=False)),
        ("allow", Wording(is_allow=False)),
        ("allow because x", Wording((), (), "x", is_allow=False)),
        ("allows CT104 because x", Wording(is_allow=False)),
        ("ignore CT104 because x", Wording(is_allow=False)),
        ("", Wording(is_allow=False)),
    ],
)
def test_wording(said: str, wording: Wording) -> None:
    assert read_wording(said, IDS) == wording


def rules_of(text: str) -> list[Written]:
    (ruleset,) = parse_rulesets(f"{HEAD}{text}COMMIT\n", "rules", Family.IPV4)
    return list(in_rules(ruleset, IDS))


def comments_of(text: str) -> list[Written]:
    rulesets = parse_rulesets(text, "rules", Family.IPV4)
    return list(in_comments("rules", text, continued_lines(rulesets, "rules"), IDS))


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("ctlint: allow CT104 because x", "x"),
        ("the web; ctlint: allow CT104 because x", "x"),
        (r"ctlint: allow CT104 because \"it is so\"", '"it is so"'),
        ("ctlint: allow CT104 because \x1b[2J[bold]", "\x1b[2J[bold]"),
    ],
)
def test_the_comment_of_a_rule(comment: str, reason: str) -> None:
    (found,) = rules_of(f'-A INPUT -m comment --comment "{comment}" -j DROP\n')
    assert (found.by, found.line, found.wording.reason) == (AllowedBy.RULE, 5, reason)
    assert found.allows == ("CT104",)
    assert (found.place.table, found.place.chain, found.place.position) == ("filter", "INPUT", 1)


def test_a_rule_for_several_addresses_says_it_once() -> None:
    rule = '-A INPUT -s 10.0.0.1,10.0.0.2 -m comment --comment "ctlint: allow CT104" -j DROP\n'
    assert len(rules_of(rule)) == 1


@pytest.mark.parametrize("comment", ["about xctlint: allow CT104 because x", "allow CT104"])
def test_other_comments_say_nothing(comment: str) -> None:
    assert rules_of(f'-A INPUT -m comment --comment "{comment}" -j DROP\n') == []


def test_what_stands_elsewhere_in_a_rule_says_nothing() -> None:
    rule = '-A INPUT -j LOG --log-prefix "ctlint: allow CT104 because x"\n'
    assert rules_of(rule) == []


def test_a_comment_line_speaks_of_the_next_line() -> None:
    text = (
        "# ctlint: allow CT101 because a\n"
        "*filter\n"
        "# ctlint: allow CT101 because b\n"
        "  ## ctlint: allow CT104 because c\r\n"
        "\n"
        "# for people\n"
        ":INPUT DROP [0:0]\n"
        "#ctlint:allow CT101 because d\n"
        "[1:2] -A INPUT -j DROP\n"
        "COMMIT\n"
        "# ctlint: allow CT104 because e\n"
    )
    found = [
        (each.place.line, each.place.column, each.line, each.wording.reason)
        for each in comments_of(text)
    ]
    assert found == [
        (1, 1, 2, "a"),
        (3, 1, 7, "b"),
        (4, 3, 7, "c"),
        (8, 1, 9, "d"),
        (11, 1, 0, "e"),
    ]
    assert {each.by for each in comments_of(text)} == {AllowedBy.COMMENT}


def test_a_line_of_a_quoted_comment_is_data() -> None:
    text = (
        f"{HEAD}"
        '-A INPUT -m comment --comment "a\n'
        "# ctlint: allow CT101 because it wants to be one\n"
        'b" -j DROP\n'
        "-A INPUT -j DROP\n"
        "COMMIT\n"
    )
    assert comments_of(text) == []


@pytest.mark.parametrize("line", ["# about ctlint: allow CT101 because x", "# ctlint allow CT101"])
def test_other_comment_lines_say_nothing(line: str) -> None:
    assert comments_of(f"{HEAD}{line}\n-A INPUT -j DROP\nCOMMIT\n") == []


@pytest.mark.parametrize(
    ("above", "first"),
    [
        ("# ctlint: allow CT101 because x\n", 5),
        ("# people\n# ctlint: allow CT101 because x\n\n# people\n", 6),
        ("# ctlint: a\n# people\n# ctlint: b\n", 5),
        ("# people\n", 6),
        ("", 5),
        ("# ctlint: allow CT101 because x\n-A OUTPUT -j ACCEPT\n", 7),
        # The end of a quoted comment, whatever it begins with.
        ('-A INPUT -m comment --comment "a\n# ctlint: b" -j ACCEPT\n', 7),
    ],
)
def test_what_stands_above_a_line(above: str, first: int) -> None:
    text = f"{HEAD}{above}-A INPUT -j DROP\n{'COMMIT'}\n"
    rulesets = parse_rulesets(text, "rules", Family.IPV4)
    data = frozenset(row for rows in continued_lines(rulesets, "rules") for row in rows)
    lines = text.split("\n")
    line = lines.index("-A INPUT -j DROP") + 1
    # HEAD has four lines.
    assert CommentLines(lines, data).first(line) == first


def test_settings_have_comment_lines_too() -> None:
    text = "; ctlint: allow CT101 because x\na.b = 1\n"
    (found,) = in_comments("sysctl", text, (), IDS)
    assert (found.line, found.allows) == (2, ("CT101",))


def test_many_comment_lines_take_linear_time() -> None:
    text = "# ctlint: allow CT101 because x\n" * 200_000
    start = time.perf_counter()
    assert sum(1 for _ in in_comments("f", text, (), IDS)) == 200_000
    assert time.perf_counter() - start < 30


def test_what_is_similar() -> None:
    assert similar("output-invalid-dorp", tuple(IDS)) == "output-invalid-drop"
    assert similar("x" * 100_000, tuple(IDS)) is None
