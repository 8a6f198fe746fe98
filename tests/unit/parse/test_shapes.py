# SPDX-License-Identifier: GPL-2.0-only
"""Line shapes: what they take from the grammar, and what they must leave to it.

What is right is what the grammar alone says (``learn_shapes=False``); tests/fuzz compares both on
mutants and on the corpus.
"""

from __future__ import annotations

import pytest
from lark import Token, Tree

from ctlint.ir.rule import Jump, Match, Rule, Target
from ctlint.parse import iptables_save
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.line_grammar import parse_line
from ctlint.parse.shapes import MAX_SAFE_WORD, MOST_KEPT
from ctlint.wire.addresses import Family
from tests.fuzz.properties import assert_same

# Lines that teach, and lines that need no grammar after them.
TEACH = (
    "-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j ACCEPT",
    "-A INPUT -p udp -m udp --dport 53 -j ACCEPT",
    '-A INPUT -m comment --comment "one two" -j DROP',
    "-A web -i eth0 -m conntrack --ctstate NEW -j RETURN",
    "-A web -p tcp -j REJECT --reject-with tcp-reset",
    '-A web -j LOG --log-prefix "a b" --log-level 4',
    "-A web -p tcp --dport 80 -j web",
    "-A web ! -s 10.0.0.0/8 -j web",
    "-A web -m rateest --rateest a --rateest-gt --rateest-bps 1000 -j web",
    "-I web -s 10.0.0.9/32 -j DROP",
)
KNOWN = (
    "-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 80:90 -j ACCEPT",
    "-A INPUT -s 192.0.2.1/32 -p tcp -m comment --comment three -m tcp --dport 1 -j DROP",
    "[5:6] -A INPUT -p udp -m udp --dport 67 -j DROP",
    "-A web -j web",
    "-A web -i lo -j RETURN",
    "-A b -i lo -g web",
    "-A b",
    '-A b -p tcp -m comment --comment "x" -m conntrack --ctstate NEW -m tcp --dport 9 -j web',
    '-A b -j LOG --log-prefix x --log-level "5"',
    "-A web -p tcp --dport ssh -j RETURN",
    "-I web -i eth1 -j LOG --log-prefix x --log-level 5",
)
# Lines that only look as if the shapes fitted.
LEFT_TO_THE_GRAMMAR = (
    "-A INPUT -p udp -m tcp --dport 80 -j ACCEPT",  # tcp needs -p tcp
    "-A INPUT ! -p tcp -m tcp --dport 80 -j ACCEPT",
    "-A INPUT -p udp -j REJECT --reject-with tcp-reset",
    "-A INPUT -o eth0 -j ACCEPT",
    "-A nosuch -j ACCEPT",
    "-A INPUT -j nosuch",
    "-A INPUT -g nosuch",
    "-A INPUT  -j ACCEPT",  # two blanks
    "-A INPUT -j ACCEPT ",
    "-A INPUT\t-j ACCEPT",
    "-A INPUT -i eth0\t-j ACCEPT",
    "-A INPUT -s 0.0.0.0/0 -p tcp -j ACCEPT",  # always holds: no condition
    "-A web -i + -j RETURN",
    "-A INPUT -s 10.0.0.1,10.0.0.2 -p tcp -j ACCEPT",
    "-A INPUT -s host.example.net -p tcp -j ACCEPT",
    "-A INPUT -s ! 10.0.0.1 -p tcp -j ACCEPT",
    "-A INPUT -m comment --comment -x -j DROP",
    "-A INPUT -m comment --comment ! -j DROP",
    '-A INPUT -m comment --comment "-x" -j DROP',
    '-A INPUT -m comment --comment "" -j DROP',
    '-A b -m comment --comment "say -m tcp -j DROP" -j web',
    r'-A INPUT -m comment --comment "a \" b" -j DROP',
    '-A INPUT -m comment --comment a"b" -j DROP',
    '-A INPUT -m comment --comment "a"b -j DROP',
    '-A INPUT -m comment --comment "a -j DROP',
    r'-A INPUT -m comment --comment "a \\ b" -j DROP',
    '-A INPUT -m comment --comment "a" "b" -j DROP',
    "-A INPUT -m comment --comment a\tb -j DROP",
    "-A INPUT -m comment --comment a\0b -j DROP",
    "-A web -j LOG --log-prefix -x --log-level 4",
    "-A web -j LOG --log-prefix ! --log-level 4",
    '-A web -j LOG --log-prefix "" --log-level 4',
    '-A web -j LOG --log-prefix "-x" --log-level 4',
    '-A web -j LOG --log-prefix "a"b --log-level 4',
    '-A web -j LOG --log-prefix a"b" --log-level 4',
    '-A web -j LOG --log-prefix "a b"  --log-level 4',
    r'-A web -j LOG --log-prefix "a \\ b" --log-level 4',
    '-A INPUT -m "comment" --comment a -j DROP',
    '-A INPUT -m comment "--comment" a -j DROP',
    f'-A INPUT -m comment --comment "{"x" * (MAX_SAFE_WORD + 1)}" -j DROP',
    f"-A INPUT -m comment --comment {'x' * 1024} -j DROP",
    "-A INPUT -p tcp -m tcp --dport 70000 -j ACCEPT",
    "-A INPUT -p tcp -m tcp --dport=22 -j ACCEPT",
    "-A INPUT -p tcp -m tcp --dpor 22 -j ACCEPT",
    "-A INPUT -p tcp -m tcp --dport 22 --dport 23 -j ACCEPT",
    "-A INPUT -j ACCEPT -p tcp -m tcp --dport 22",
    "-A INPUT -j ACCEPT -j ACCEPT",
    "-A INPUT -g web -j ACCEPT",
    "-A web -m rateest --rateest a --rateest-gt --rateest-bps -j web",
    "-D web -j web",
    "-A INPUT 1 -j ACCEPT",
    "-I INPUT 1 -j ACCEPT",
    "-A INPUT -c 1 2 -j ACCEPT",
    "[1:2]  -A INPUT -j ACCEPT",
    "[1:2]-A INPUT -j ACCEPT",
    "[1:] -A INPUT -j ACCEPT",
)


def dump(*lines: str) -> str:
    """A filter table with the chains ``web`` and ``b``."""
    return "\n".join(("*filter", ":web - [0:0]", ":b - [0:0]", *lines, "COMMIT", ""))


class Grammar:
    """Counts the lines that the grammar parses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []

        def count(line: str) -> Tree[Token]:
            self.lines.append(line)
            return parse_line(line)

        monkeypatch.setattr(iptables_save, "parse_line", count)


@pytest.fixture
def grammar(monkeypatch: pytest.MonkeyPatch) -> Grammar:
    """The lines that the grammar gets from here on."""
    return Grammar(monkeypatch)


def rules_of(text: str, chain: str) -> tuple[Rule, ...]:
    """The rules of a chain of the filter table."""
    (ruleset,) = parse_rulesets(text, "t", Family.IPV4)
    return ruleset.tables["filter"].chains[chain].rules


@pytest.mark.parametrize("line", KNOWN)
def test_line_of_known_sections_needs_no_grammar(line: str, grammar: Grammar) -> None:
    parse_rulesets(dump(*TEACH, line), "t", Family.IPV4)
    assert line not in grammar.lines
    assert_same(dump(*TEACH, line), Family.IPV4)


@pytest.mark.parametrize("line", LEFT_TO_THE_GRAMMAR)
def test_line_that_only_looks_alike_needs_the_grammar(line: str, grammar: Grammar) -> None:
    text = dump(*TEACH, *TEACH, line)
    found = assert_same(text, Family.IPV4)
    # A NUL is found before the grammar is asked.
    assert grammar.lines.count(line) == (0 if "\0" in line else 2)
    assert found == assert_same(text, Family.IPV4)


def test_lines_alike_are_parsed_once(grammar: Grammar) -> None:
    lines = [f"-A INPUT -s 10.0.{n // 256}.{n % 256}/32 -j DROP" for n in range(2 * MOST_KEPT)]
    rules = rules_of(dump(*lines), "INPUT")
    assert grammar.lines == ["*filter", lines[0], "COMMIT"]
    nets = [rule.matches[0].options[0].value for rule in rules]  # type: ignore[union-attr]
    assert [str(net) for net in nets] == [line.split(" ")[3] for line in lines]


def test_equal_sections_are_one_object() -> None:
    first, second, third = rules_of(
        dump(
            *[
                "-A INPUT -p tcp -m tcp --dport 22 -j web",
                *["-A INPUT -p tcp -m tcp --dport 23 -j web"] * 2,
            ]
        ),
        "INPUT",
    )
    assert second.matches[1] is third.matches[1]
    assert first.target is second.target


def test_sections_learnt_in_one_protocol_serve_another_where_they_may(grammar: Grammar) -> None:
    lines = ["-A INPUT -p tcp -m conntrack --ctstate NEW -j DROP", "-A INPUT -p udp -j ACCEPT"]
    line = "-A INPUT -p udp -m conntrack --ctstate NEW -j DROP"
    (_, _, rule) = rules_of(dump(*lines, line), "INPUT")
    assert line not in grammar.lines
    assert [match.name for match in rule.matches] == ["ip", "conntrack"]
    assert rule.target == Target("DROP")


def test_head_of_a_user_chain_does_not_serve_a_base_chain() -> None:
    # -o is refused in INPUT.
    assert_same(dump("-A web -o eth0 -j DROP", "-A INPUT -o eth1 -j DROP"), Family.IPV4)
    with pytest.raises(ParseError):
        rules_of(dump("-A web -o eth0 -j DROP", "-A INPUT -o eth1 -j DROP"), "INPUT")


def test_new_chain_hides_a_target_that_was_learnt() -> None:
    lines = ("-A INPUT -j LOG", "-A INPUT -j LOG --log-level 4")
    first, _, third = rules_of(dump(*lines, ":LOG - [0:0]", lines[0]), "INPUT")
    assert first.target == Target("LOG")
    assert third.target == Jump("LOG")
    assert_same(dump(*lines, ":LOG - [0:0]", lines[1]), Family.IPV4)
    with pytest.raises(ParseError):
        rules_of(dump(*lines, ":LOG - [0:0]", lines[1]), "INPUT")


def test_option_cut_short_is_read_again_in_each_line() -> None:
    # Behind -m multiport, --dpor may be its --dports too.
    lines = (
        "-A INPUT -p tcp -m tcp --dpor 22 -j DROP",
        "-A INPUT -p tcp -m multiport --dports 1 -j DROP",
        "-A INPUT -p tcp -m multiport --dports 1 -m tcp --dpor 22 -j DROP",
    )
    assert_same(dump(*lines), Family.IPV4)
    with pytest.raises(ParseError):
        rules_of(dump(*lines), "INPUT")


@pytest.mark.parametrize(
    "teacher",
    [
        "-A web -m tcp -p tcp -j REJECT --reject-with tcp-reset",
        "-A web -m tcp -p tcp --dport 1 -j REJECT --reject-with tcp-reset",
        "-A web -j REJECT --reject-with tcp-reset -p tcp",
    ],
)
def test_sections_out_of_order_teach_nothing(teacher: str) -> None:
    line = "-A web -j REJECT --reject-with tcp-reset"
    assert_same(dump(teacher, line), Family.IPV4)
    with pytest.raises(ParseError):
        rules_of(dump(teacher, line), "web")


def test_checks_see_the_rule_around_a_section() -> None:
    options = "-j DNAT --to-destination 10.0.0.1:80"
    for flag in ("", " --random"):
        teacher = f"-A PREROUTING -p tcp {options}{flag}"
        line = f"-A PREROUTING {options}{flag}"
        text = f"*nat\n-A PREROUTING -j ACCEPT\n{teacher}\n{line}\nCOMMIT\n"
        assert_same(text, Family.IPV4)
        with pytest.raises(ParseError, match="needs -p tcp"):
            parse_rulesets(text, "t", Family.IPV4)


def test_deleted_chain_is_forgotten() -> None:
    assert_same(dump("-A b -j DROP", "-A INPUT -j web", "-F", "-X b", "-A b -j DROP"), Family.IPV4)
    assert_same(dump("-A INPUT -j b", "-F", "-X b", "-A INPUT -j b"), Family.IPV4)


def test_inserted_rules_come_first() -> None:
    lines = [f"-I web -s 10.0.0.{n}/32 -j DROP" for n in range(4)]
    heads = [rule.matches[0] for rule in rules_of(dump(*lines), "web")]
    assert all(isinstance(head, Match) for head in heads)
    assert [rule.line for rule in rules_of(dump(*lines), "web")] == [7, 6, 5, 4]


def test_carriage_returns_are_no_part_of_an_operand() -> None:
    text = dump("-A INPUT -j LOG --log-prefix a", "-A INPUT -j LOG --log-prefix b")
    assert [rule.target for rule in rules_of(text, "INPUT")] == [
        rule.target for rule in rules_of(text.replace("\n", "\r\n"), "INPUT")
    ]
