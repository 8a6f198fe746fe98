# SPDX-License-Identifier: GPL-2.0-only
"""Where and how circles of chains and misplaced extensions are told.

What is refused at all: tests/conformance/test_refusals.py, which asks the real restore.
"""

from __future__ import annotations

import pytest

from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

SNAT = "SNAT --to-source 192.0.2.1"


def problems(table: str, *lines: str) -> tuple[Problem, ...]:
    """The problems of a table with the user chains ``a`` and ``b``; its lines start with line 4."""
    text = "\n".join((f"*{table}", ":a - [0:0]", ":b - [0:0]", *lines, "COMMIT", ""))
    with pytest.raises(ParseError) as caught:
        parse_rulesets(text, "t", Family.IPV4)
    return caught.value.problems


def test_the_way_to_a_misplaced_target_is_told() -> None:
    (problem,) = problems(
        "nat", "-A PREROUTING -p tcp -j a", "-A a -p udp -g b", f"-A b -p tcp -j {SNAT}"
    )
    assert problem == Problem(
        Span("t", 6, 16, 20),
        "SNAT loads only in INPUT, POSTROUTING; PREROUTING reaches the chain 'b'",
        "by PREROUTING > a > b",
    )


def test_a_base_chain_itself_needs_no_way() -> None:
    (problem,) = problems("nat", f"-A PREROUTING -j {SNAT}")
    assert problem.message == "SNAT loads only in INPUT, POSTROUTING"
    assert problem.hint is None


def test_a_circle_names_its_chains_and_who_reaches_it() -> None:
    (problem,) = problems("filter", "-A FORWARD -j a", "-A a -j b", "-A b -j a")
    assert problem.message == "chains call each other in a circle: a > b > a"
    assert problem.hint is not None
    assert problem.hint.startswith("FORWARD reaches it, so the kernel refuses the table")


def test_a_circle_is_told_once() -> None:
    found = problems(
        "filter", "-A INPUT -j a", "-A FORWARD -j b", "-A a -j b", "-A b -j a", "-A b -g a"
    )
    assert [problem.span.line for problem in found] == [7]


def test_each_misplaced_rule_is_told_once() -> None:
    found = problems(
        "nat",
        "-A PREROUTING -j a",
        "-A OUTPUT -j a",
        "-A POSTROUTING -j a",
        f"-A a -p tcp -j {SNAT}",
        "-A a -p tcp -j REDIRECT",
        f"-A a -p udp -j {SNAT}",
    )
    assert [problem.span.line for problem in found] == [7, 8, 9]
    assert "POSTROUTING reaches" in found[1].message


@pytest.mark.parametrize(
    ("rule", "line", "column"),
    [
        (f'-A OUTPUT -m comment --comment "-j SNAT" -j {SNAT}', 4, 45),
        (f"[3:180] -A OUTPUT --jump {SNAT}", 4, 26),
        ('-A OUTPUT -j "SNAT" --to-source 192.0.2.1', 4, 14),
        (f'-A OUTPUT -m comment --comment "x\ny" -j {SNAT}', 5, 7),
        (f"  -A OUTPUT -j{SNAT}", 4, 3),
    ],
)
def test_the_place_is_the_name(rule: str, line: int, column: int) -> None:
    (problem,) = problems("nat", rule)
    assert (problem.span.line, problem.span.column) == (line, column)


def test_rules_of_shapes_that_were_learnt_are_looked_at() -> None:
    rules = [f"-A a -s 192.0.2.{host}/32 -j {SNAT}" for host in range(1, 20)]
    found = problems("nat", *rules, "-A PREROUTING -j a")
    assert [problem.span.line for problem in found] == list(range(4, 23))


def test_a_misplaced_match_and_target_are_both_told() -> None:
    found = problems("mangle", "-A INPUT -p tcp -m owner --uid-owner 0 -j TPROXY --on-port 1")
    assert [problem.span.column for problem in found] == [20, 43]


def test_a_table_that_is_cut_off_is_looked_at_too() -> None:
    with pytest.raises(ParseError) as caught:
        parse_rulesets("*filter\n:a - [0:0]\n-A INPUT -j a\n-A a -j a\n", "t", Family.IPV4)
    assert [problem.message.partition(":")[0] for problem in caught.value.problems] == [
        "COMMIT is missing",
        "the chain 'a' calls itself",
    ]


def test_chains_that_are_emptied_call_nothing() -> None:
    text = "*filter\n:a - [0:0]\n-A INPUT -j a\n-A a -j a\n{}\nCOMMIT\n"
    for line in ("-F a", "-D a 1", ":a - [0:0]"):
        (ruleset,) = parse_rulesets(text.format(line), "t", Family.IPV4)
        assert ruleset.tables["filter"].chains["a"].rules == ()
