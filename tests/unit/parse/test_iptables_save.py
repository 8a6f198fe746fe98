# SPDX-License-Identifier: GPL-2.0-only
"""Dumps as a whole: tables, chains, counters, families, commands, problems.

Expected values come from iptables-restore(8), iptables/iptables-restore.c of 1.8.11, and from what
iptables-restore 1.8.9 does, which the last tests ask again.
"""

from __future__ import annotations

import pytest

from ctlint.ir.rule import Counters, Match, Option, Target
from ctlint.ir.ruleset import Chain, Ruleset
from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.iptables_save import MAX_LINE, parse_rulesets
from ctlint.parse.open_table import OpenTable
from ctlint.wire.addresses import Family, Net
from tests.corpus import REPOSITORY
from tests.netns import PrivateNetns

V4, V6 = Family.IPV4, Family.IPV6

# What we read and iptables-restore 1.8.9 or 1.8.11 does not, by its name in docs/input.md.
LENIENT = {
    "crlf": "*filter\r\n-A INPUT -j DROP\r\nCOMMIT\r\n",
    "no-final-newline": "*filter\n-A INPUT -j DROP\nCOMMIT",
    "blanks-around-a-line": " *filter\n -A INPUT -j DROP\nCOMMIT \n",
    "line-break-in-a-comment": '*filter\n-A INPUT -m comment --comment "a\nb" -j DROP\nCOMMIT\n',
    "negation-before-the-operand": "*filter\n-A INPUT -s ! 10.0.0.1 -j DROP\nCOMMIT\n",
    "host-name": "*filter\n-A INPUT -s host.invalid -j DROP\nCOMMIT\n",
    "unknown-extension": "*filter\n-A INPUT -m nosuch --x y -j DROP\nCOMMIT\n",
    "missing-set": "*filter\n-A INPUT -m set --match-set nosuch src -j DROP\nCOMMIT\n",
    "name-with-blanks": "*filter\n-A INPUT -m set --match-set s net src -j DROP\nCOMMIT\n",
    "chain-declared-twice": "*filter\n:web - [0:0]\n:web - [0:0]\nCOMMIT\n",
    "attached-operand": "*filter\n-A INPUT -ptcp -jDROP\nCOMMIT\n",
}
# iptables 1.8.9, which the last tests ask, takes what 1.8.11 refuses.
LENIENT_BESIDE_1_8_11 = {
    "empty-port-range": "*filter\n-A INPUT -p udp -m udp --dport 9:1 -j DROP\nCOMMIT\n"
}

# What iptables-restore 1.8.9 takes and we refuse, by its name in docs/input.md.
STRICT = {
    "open-quote": '*filter\n-A INPUT -m comment --comment "a\nCOMMIT\n',
    "words-behind-a-chain": "*filter\n:INPUT DROP [0:0] junk\nCOMMIT\n",
    "words-behind-a-table": "*filter junk\n-A INPUT -j DROP\nCOMMIT\n",
    "counters-joined-to-a-rule": "*filter\n[1:2]-A INPUT -j DROP\nCOMMIT\n",
    "counters-with-other-characters": "*filter\n[1:2x] -A INPUT -j DROP\nCOMMIT\n",
    "option-in-quotes": '*filter\n-A INPUT "-j" DROP\nCOMMIT\n',
    "chain-name-like-an-option": "*filter\n:-x - [0:0]\nCOMMIT\n",
    "renamed-chain": "*filter\n:web - [0:0]\n-E web www\nCOMMIT\n",
}
# What only iptables-nft-restore takes.
STRICT_BESIDE_LEGACY = {
    "policy-of-a-user-chain": "*filter\n:web DROP [0:0]\nCOMMIT\n",
    "base-chain-deleted": "*filter\n:INPUT ACCEPT [0:0]\n-X INPUT\nCOMMIT\n",
}


def read(text: str, family: Family | None = None) -> Ruleset:
    """The one rule set of a text."""
    (ruleset,) = parse_rulesets(text, "t", family)
    return ruleset


def read_table(*lines: str) -> dict[str, Chain]:
    """The chains of the filter table with these lines."""
    text = "\n".join(("*filter", *lines, "COMMIT", ""))
    return dict(read(text, V4).tables["filter"].chains)


def targets(*lines: str) -> list[object]:
    """The targets of INPUT's rules."""
    return [rule.target for rule in read_table(*lines)["INPUT"].rules]


def problems(text: str, family: Family | None = V4) -> tuple[Problem, ...]:
    """The problems of a text."""
    with pytest.raises(ParseError) as caught:
        parse_rulesets(text, "t", family)
    return caught.value.problems


# Tables and chains


def test_base_chains_come_first_then_in_the_order_of_the_text() -> None:
    chains = read_table(":b - [0:0]", ":OUTPUT DROP [1:2]", ":a - [0:0]", ":INPUT ACCEPT [0:0]")
    assert list(chains) == ["OUTPUT", "INPUT", "FORWARD", "b", "a"]


def test_policy_and_counters() -> None:
    chains = read_table(":OUTPUT DROP [1:2]", ":web - [0:0]", ":INPUT DROP")
    assert (chains["OUTPUT"].policy, chains["OUTPUT"].counters) == ("DROP", Counters(1, 2))
    assert (chains["INPUT"].policy, chains["INPUT"].counters) == ("DROP", None)
    assert (chains["web"].policy, chains["web"].counters) == (None, Counters(0, 0))
    assert chains["web"].span == Span("t", 3, 1, 13)


def test_base_chain_without_a_line_accepts() -> None:
    chain = read_table()["FORWARD"]
    assert (chain.policy, chain.span, chain.is_base) == ("ACCEPT", None, True)


def test_base_chain_with_policy_dash_accepts() -> None:
    # iptables-nft prints it so; both restores leave the policy ACCEPT of a new namespace.
    assert read_table(":INPUT - [0:0]")["INPUT"].policy == "ACCEPT"


def test_table_that_stands_twice_counts_as_it_stood_last() -> None:
    # Each *filter flushes the table again.
    text = "*filter\n-A INPUT -j DROP\nCOMMIT\n*filter\n-A INPUT -j ACCEPT\nCOMMIT\n"
    assert [rule.target for _, _, _, rule in read(text, V4).rules()] == [Target("ACCEPT")]


def test_counters_of_rules() -> None:
    rules = read_table("[3:180] -A INPUT -j DROP", "-A INPUT -j DROP", "-A INPUT -c 5 6 -j DROP")[
        "INPUT"
    ].rules
    assert [rule.counters for rule in rules] == [Counters(3, 180), None, Counters(5, 6)]


@pytest.mark.parametrize("counters", ["[18446744073709551616:0]", f"[0:{'9' * 5000}]"])
def test_counters_of_more_than_64_bits(counters: str) -> None:
    (problem,) = problems(f"*filter\n{counters} -A INPUT -j DROP\nCOMMIT\n")
    assert problem.message == "a counter is at most 18446744073709551615"
    assert problem.span == Span("t", 2, 1, len(counters) + 1)


def test_text_and_line_of_a_rule() -> None:
    (rule,) = read_table("# a comment", "", "[1:2] -A INPUT -j DROP")["INPUT"].rules
    assert (rule.line, rule.text) == (4, "[1:2] -A INPUT -j DROP")


# Commands


def test_insert_comes_first_or_at_its_number() -> None:
    lines = ("-A INPUT -j ACCEPT", "-I INPUT -j DROP", "-I INPUT 2 -j QUEUE")
    assert targets(*lines) == [Target("DROP"), Target("QUEUE"), Target("ACCEPT")]


def test_inserted_lists_come_the_last_first() -> None:
    rules = read_table("-I INPUT -s 10.0.0.1,10.0.0.2 -j DROP")["INPUT"].rules
    assert [str(rule.matches[0].options[0].value) for rule in rules] == [  # type: ignore[union-attr]
        "10.0.0.2/32",
        "10.0.0.1/32",
    ]


def test_delete_replace_flush() -> None:
    rules = ("-A INPUT -j ACCEPT", "-A INPUT -j DROP", "-A INPUT -j RETURN")
    assert targets(*rules, "-D INPUT 2") == [Target("ACCEPT"), Target("RETURN")]
    assert targets(*rules, "-D INPUT -j DROP") == [Target("ACCEPT"), Target("RETURN")]
    assert targets(*rules, "-R INPUT 1 -j QUEUE")[0] == Target("QUEUE")
    assert targets(*rules, "-F INPUT") == targets(*rules, "-F") == []


def test_new_chain_policy_and_deleted_chain() -> None:
    chains = read_table("-N web", "-A web -j DROP", "-P INPUT DROP", "-F web", "-X web")
    assert "web" not in chains
    assert (chains["INPUT"].policy, chains["INPUT"].counters) == ("DROP", Counters(0, 0))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-D INPUT 2", "INPUT has only 1 rules"),
        ("-D INPUT -j ACCEPT", "no such rule to delete"),
        ("-R INPUT 2 -j DROP", "INPUT has only 1 rules"),
        ("-R INPUT -j DROP", "-R needs a rule number"),
        ("-R INPUT 1 -s 10.0.0.1,10.0.0.2 -j DROP", "-R takes one source and one destination"),
        ("-I INPUT 3 -j DROP", "INPUT has only 1 rules"),
        ("-I INPUT 0 -j DROP", "'0' is not a rule number"),
        ("-N web", "the chain 'web' exists already"),
        ("-N ACCEPT", "a chain cannot have the name of the verdict ACCEPT"),
        ("-X INPUT", "'INPUT' is a base chain"),
        ("-X web", "the chain 'web' is not empty"),
        ("-X nosuch", "no chain 'nosuch' in the table filter"),
        ("-F nosuch", "no chain 'nosuch' in the table filter"),
        ("-P web DROP", "'web' is no base chain of the table filter, so it has no policy"),
        ("-P INPUT QUEUE", "'QUEUE' is no policy"),
        ("-F INPUT -j DROP", "this command takes no rule"),
        ("-X other", "rules still name the chain 'other'"),
        (":web DROP [0:0]", "'web' is no base chain of the table filter, so it has no policy"),
        (":RETURN - [0:0]", "a chain cannot have the name of the verdict RETURN"),
        (f":{'x' * 29} - [0:0]", "the chain name is longer than 28 bytes"),
        (f":{'é' * 15} - [0:0]", "the chain name is longer than 28 bytes"),
    ],
)
def test_refused_commands(line: str, message: str) -> None:
    text = (
        f"*filter\n:web - [0:0]\n:other - [0:0]\n-A INPUT -j web\n-A web -g other\n{line}\nCOMMIT\n"
    )
    found = problems(text)
    assert [problem.message for problem in found] == [message]
    assert found[0].span.line == 6


# Quotes


def test_comment_with_a_line_break() -> None:
    text = '*filter\n-A INPUT -m comment --comment "one\nCOMMIT\n#two" -j DROP\n-A INPUT -j web2\n'
    chains = read(text.replace("-j web2", "-j RETURN") + "COMMIT\n", V4).tables["filter"].chains
    first, second = chains["INPUT"].rules
    assert first.matches == (Match("comment", (Option("comment", "one\nCOMMIT\n#two"),)),)
    assert (first.line, second.line) == (2, 5)


def test_problem_behind_a_line_break_stands_in_its_own_line() -> None:
    text = '*filter\n-A INPUT -m comment --comment "one\ntwo" --nosuch\nCOMMIT\n'
    (problem,) = problems(text)
    assert problem.span == Span("t", 3, 6, 14)


def test_open_quote_takes_no_line_away() -> None:
    text = '*filter\n-A INPUT -m comment --comment "a\n-A INPUT -j nosuch --x\n-A INPUT ?\nCOMMIT\n'
    assert [(p.span.line, p.message) for p in problems(text)] == [
        (2, "a quote that never closes"),
        (4, "expected an option, found '?'"),
    ]


def test_escapes() -> None:
    (rule,) = read_table(r'-A INPUT -m comment --comment "a \"b\" \\ \c" -j DROP')["INPUT"].rules
    assert rule.matches == (Match("comment", (Option("comment", 'a "b" \\ c'),)),)


# Families


@pytest.mark.parametrize(
    ("line", "family"),
    [
        ("-A INPUT -s 10.0.0.1/32 -j DROP", V4),
        ("-A INPUT -s 2001:db8::/32 -j DROP", V6),
        ("-A INPUT ! -d ::1/128 -j DROP", V6),
        ("-A INPUT -p ipv6-icmp -j ACCEPT", V6),
        ("-A INPUT -m rt --rt-type 0 -j DROP", V6),
        ("-A INPUT -j REJECT --reject-with icmp6-adm-prohibited", V6),
        ("-A INPUT -j REJECT --reject-with icmp-admin-prohibited", V4),
        ("-A INPUT -j ACCEPT", V4),
    ],
)
def test_operands_tell_the_family(line: str, family: Family) -> None:
    assert read(f"*filter\n{line}\nCOMMIT\n").family is family


def test_headers_tell_the_family_against_the_caller() -> None:
    text = "# Generated by ip6tables-save v1.8.9 on Sat\n*filter\nCOMMIT\n"
    assert read(text, V4).family is V6
    assert read(text.replace("ip6tables-save", "iptables-nft-save"), V6).family is V4


def test_two_dumps_in_one_text() -> None:
    text = (
        "# Generated by iptables-save v1.8.9\n*filter\n-A INPUT -s 10.0.0.1 -j DROP\nCOMMIT\n"
        "# Completed\n# Generated by ip6tables-save v1.8.9\n*filter\n"
        "-A INPUT -s ::1 -j DROP\nCOMMIT\n"
    )
    four, six = parse_rulesets(text, "t")
    assert (four.family, six.family) == (V4, V6)
    assert [rule.line for _, _, _, rule in four.rules()] == [3]
    (rule,) = [rule for _, _, _, rule in six.rules()]
    assert rule.matches == (Match("ip", (Option("source", Net(V6, 1, V6.full_mask)),)),)


def test_problems_are_those_of_the_likelier_family() -> None:
    found = problems("*filter\n-A INPUT -s 10.0.0.1 --nosuch\nCOMMIT\n", None)
    assert [problem.message for problem in found] == ["unknown option --nosuch"]


# Problems of the whole


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no table"),
        ("# only a comment\n", 1, "no table"),
        ("*filter\n-A INPUT -j DROP\n", 2, "COMMIT is missing: the table filter is still open"),
        ("*filter\n*nat\nCOMMIT\n", 2, "the table nat opens before COMMIT of the table filter"),
        ("*nosuch\nCOMMIT\n", 1, "unknown table 'nosuch'"),
        ("-A INPUT -j DROP\n", 1, "outside of a table"),
        ("*filter\nCOMMIT\nCOMMIT\n", 3, "outside of a table"),
        ("iptables -A INPUT -j DROP\n", 1, "a shell command, not a line of a dump"),
        ("*filter\nhello\nCOMMIT\n", 2, "expected *TABLE, :CHAIN, a rule such as -A CHAIN …"),
        ("*filter\n:INPUT\nCOMMIT\n", 2, "expected :CHAIN POLICY [packets:bytes]"),
        ("*\nCOMMIT\n", 1, "expected *TABLE"),
        ("*filter\nCOMMIT now\n", 2, "COMMIT stands alone on its line"),
        ("*filter\n\0\nCOMMIT\n", 2, "a NUL byte: this is not a text file"),
        (f"*filter\n-A INPUT -i {'x' * MAX_LINE}\nCOMMIT\n", 2, "the line is longer than 10,239"),
        ("*filter\n-A INPUT -g nosuch\nCOMMIT\n", 2, "no chain 'nosuch' to go to"),
    ],
)
def test_problem(text: str, line: int, message: str) -> None:
    found = problems(text)
    assert found[0].message.startswith(message)
    assert found[0].span.line == line


def test_all_problems_come_in_the_order_of_the_text() -> None:
    found = problems("*filter\n-A INPUT -g x\n-A INPUT ?\n-A y -j DROP\nCOMMIT\n")
    assert [problem.span.line for problem in found] == [2, 3, 4]


def test_open_table_knows_what_calls_a_chain() -> None:
    table = OpenTable("nat", V4, Span("t", 1))
    assert table.is_base_chain("PREROUTING")
    assert not table.is_base_chain("FORWARD")


# What the real restore does


@pytest.mark.parametrize("text", [*LENIENT.values(), *LENIENT_BESIDE_1_8_11.values()])
def test_lenient(text: str) -> None:
    assert read(text, V4).tables


@pytest.mark.parametrize("name", [*STRICT, *STRICT_BESIDE_LEGACY])
def test_strict(name: str) -> None:
    assert problems((STRICT | STRICT_BESIDE_LEGACY)[name])


@pytest.mark.netns
def test_real_restore_refuses_what_is_lenient(netns: PrivateNetns) -> None:
    taken = {
        name
        for name, text in LENIENT.items()
        if netns.run(["iptables-legacy-restore"], text, check=False).returncode == 0
    }
    assert taken == set()


@pytest.mark.netns
def test_real_restore_takes_what_is_strict(netns: PrivateNetns) -> None:
    for text in (*STRICT.values(), *LENIENT_BESIDE_1_8_11.values()):
        netns.run(["iptables-legacy-restore"], text)
    for text in STRICT_BESIDE_LEGACY.values():
        assert netns.run(["iptables-legacy-restore"], text, check=False).returncode != 0
        netns.run(["iptables-nft-restore"], text)


def test_every_difference_is_documented() -> None:
    document = (REPOSITORY / "docs" / "input.md").read_text("utf-8")
    named = {line.split("`")[1] for line in document.splitlines() if line.startswith("| `")}
    assert named == (
        LENIENT.keys() | LENIENT_BESIDE_1_8_11.keys() | STRICT.keys() | STRICT_BESIDE_LEGACY.keys()
    )
