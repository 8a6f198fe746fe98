# SPDX-License-Identifier: GPL-2.0-only
"""The words of a rule: getopt_long over the tables of the extensions loaded so far.

Each case is what iptables-restore 1.8.9 does with the line; the last tests ask it again.
"""

from __future__ import annotations

import pytest

from ctlint.ir.rule import Goto, Jump, Match, Option, Rule, Target, UnknownMatch, UnknownTarget
from ctlint.ir.values import Range
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, Hostname, Net
from tests.netns import PrivateNetns

# Both lines load, and iptables-save prints the same for both.
SAME = (
    ("-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"),
    ("-A INPUT -p tcp -m tcp --dport=22 -j web", "-A INPUT -p tcp -m tcp --dport 22 -j web"),
    ("-A INPUT -p tcp -m tcp --dpor 22 -j web", "-A INPUT -p tcp -m tcp --dport 22 -j web"),
    ("-A INPUT -p 6 -m tcp --dport 22 -j web", "-A INPUT -p tcp -m tcp --dport 22 -j web"),
    ("-A INPUT -p TCP -m tcp --dport ssh -j web", "-A INPUT -p tcp -m tcp --dport 22 -j web"),
    (
        "-A INPUT -p tcp -m tcp --destination-port 22 -j web",
        "-A INPUT -p tcp -m tcp --dport 22 -j web",
    ),
    ("-A INPUT -m tcp --dport 22 -p tcp -j web", "-A INPUT -p tcp -m tcp --dport 22 -j web"),
    ("-A INPUT -j web -p tcp -m tcp --dport 22", "-A INPUT -p tcp -m tcp --dport 22 -j web"),
    ("-A INPUT --source 10.0.0.0/8 --jump web", "-A INPUT -s 10.0.0.0/8 -j web"),
    ("-A INPUT --src 10.0.0.0/8 -g web", "-A INPUT -s 10.0.0.0/8 -g web"),
    ("-A INPUT -s 10.1.2.3/8 -j web", "-A INPUT -s 10.0.0.0/8 -j web"),
    ("-A INPUT -s 10.1 -j web", "-A INPUT -s 10.1.0.0/32 -j web"),
    ("-A INPUT -s 10.1.2.3 -j web", "-A INPUT -s 10.1.2.3/32 -j web"),
    ("-A INPUT -s 10.1.2.3/255.255.255.0 -j web", "-A INPUT -s 10.1.2.0/24 -j web"),
    ("-A INPUT -s 0.0.0.0/0 -d any/0 -i + -p all -j web", "-A INPUT -j web"),
    ("-A INPUT -i eth0 -s 10.0.0.1/32 -j web", "-A INPUT -s 10.0.0.1/32 -i eth0 -j web"),
    ("--append INPUT --match tcp -p tcp -j web", "-A INPUT -p tcp -m tcp -j web"),
    ("-A INPUT -m comment --comment x -j web", '-A INPUT -m comment --comment "x" -j web'),
    ('-A INPUT -m comment --comment a"b" -j web', "-A INPUT -m comment --comment ab -j web"),
    ('-A INPUT -m comment --comment "a"-j web', "-A INPUT -m comment --comment a -j web"),
    ("-A INPUT  -i\teth0   -j web ", "-A INPUT -i eth0 -j web"),
    ("-4 -A INPUT -j web", "-A INPUT -j web"),
    ("-A INPUT -v -v -j web", "-A INPUT -j web"),
    ("-I INPUT -j web", "-A INPUT -j web"),
    ("-A INPUT -m tcp -p tcp -f -j web", "-A INPUT -p tcp -f -m tcp -j web"),
)  # fmt: skip

REFUSED = (
    ("-A INPUT -p tcp --dprot 22 -j web", "unknown option --dprot"),
    ("-A INPUT --dport 22 -j web", "unknown option --dport"),
    ("-A INPUT -p udp -m tcp --dport 22 -j web", "tcp needs -p tcp"),
    ("-A INPUT ! -p tcp -m tcp --dport 22 -j web", "tcp needs -p tcp"),
    ("-A INPUT -p tcp -m tcp --dport -j web", "expected an option, found 'web'"),
    ("-A INPUT -p tcp -m tcp --dport", "--dport needs a port or a port range"),
    ("-A INPUT -p tcp -m tcp --dport 1 --dport 2 -j web", "a second --dport for tcp"),
    ("-A INPUT -p tcp -m tcp --d 22 -j web", "--d may stand for several options"),
    ("-A INPUT -p tcp -m tcp --syn=1 -j web", "--syn takes no operand"),
    ("-A INPUT -s 10.0.0.1 -s 10.0.0.2 -j web", "a second -s"),
    ("-A INPUT -p tcp -p udp -j web", "a second -p"),
    ("-A INPUT -j web -j web", "a second target"),
    ("-A INPUT -j ACCEPT -g web", "a second target"),
    ("-A INPUT -j INPUT", "INPUT is a base chain: no rule can jump to it"),
    ("-A INPUT -j FORWARD", "FORWARD is a base chain: no rule can jump to it"),
    ("-A INPUT -g nosuch", "no chain 'nosuch' to go to"),
    ("-A nosuch -j ACCEPT", "no chain 'nosuch' in the table filter"),
    ("-A INPUT -A INPUT -j web", "a second command in one line"),
    ("-A INPUT ! ! -i eth0 -j web", "two ! in a row"),
    ("-A INPUT -i eth0 -j web !", "nothing that can be negated follows the !"),
    ("-A INPUT ! -j web", "-j cannot be negated"),
    ("-A INPUT ! -m tcp -j web", "-m cannot be negated"),
    ("! -A INPUT -j web", "expected *TABLE, :CHAIN, a rule"),
    ("-A INPUT -m comment ! --comment x -j web", "--comment cannot be negated"),
    ("-A INPUT -m comment -j web", "comment needs --comment"),
    ("-A INPUT eth0 -j web", "expected an option, found 'eth0'"),
    ('-A INPUT "" -j web', "expected an option, found ''"),
    ("-A INPUT -i abcdefghijklmnop -j web", "longer than 15 bytes"),
    ("-A INPUT -o eth0 -j web", "-o in INPUT"),
    ("-A OUTPUT -i eth0 -j web", "-i in OUTPUT"),
    ("-A INPUT -s 10.0.0.1/33 -j web", "prefix length /33 is more than 32"),
    ("-A INPUT -s 300.0.0.1 -j web", "300 is more than 255"),
    ("-A INPUT -s ! -j web", "expected an option, found 'web'"),
    ("-A INPUT ! -s 10.0.0.1,10.0.0.2 -j web", "lists of addresses and negated ones"),
    ("-A INPUT -p 256 -j web", "protocol 256 is more than 255"),
    ("-A INPUT -p nosuch -j web", "unknown protocol 'nosuch'"),
    ("-A INPUT ! -p all -j web", "never matches"),
    ("-A INPUT -t nat -j web", "-t has no place in a dump of rules"),
    ("-A INPUT ! -s 10.0.0.1 -d 10.0.0.1,10.0.0.2", "lists of addresses and negated ones"),
    ("-A INPUT -j REDIRECT", "REDIRECT loads only in the table nat"),
    ("-A INPUT -m owner --uid-owner 0", "owner loads only in OUTPUT, POSTROUTING"),
    ("-A INPUT -j nosuch", "no chain and no target 'nosuch'"),
    ("-A INPUT -j accept", "no target 'accept'"),
    ("-A INPUT -j log --log-prefix x", "no target 'log'"),
    ("-A INPUT -m TCP -j web", "no match 'TCP'"),
    ("-A INPUT -m conntrak --ctstate NEW -j web", "no match 'conntrak'"),
    ("-A INPUT -j NFLO --nflog-group 5", "no target 'NFLO'"),
    ("-A INPUT -m --state NEW -j web", "expected an option, found 'NEW'"),
    ("-A INPUT -m *x --state NEW -j web", "'*x' is no name of a match"),
    ('-A INPUT -j "a b" --c', "'a b' is no name of a target"),
    ("-A INPUT -m hashlimit --hashlimit-name --x y", "expected an option, found 'y'"),
    ("-A INPUT -j TTL --ttl-set 4", "TTL loads only in the table mangle"),
    ("-A INPUT --table nat -j web", "--table has no place in a dump of rules"),
    ("-A INPUT -n -j web", "-n has no place in a dump of rules"),
    ("-A INPUT --exact -j web", "--exact has no place in a dump of rules"),
    ("-A INPUT -c 1 -j web", "counters are two numbers"),
    ("-A INPUT -c x y -j web", "counters are two numbers"),
    (f"-A INPUT -m comment --comment {'x' * 1024} -j web", "longer than 1023 bytes"),
    (f"-A INPUT{' -v' * 250} -i eth0", "more than 251 words"),
    ("-A INPUT -m set --match-set x src --match-set y src -j web", "a second --match-set"),
)


def dump(*lines: str) -> str:
    """The lines in the filter table, which has the user chain ``web``."""
    return "\n".join(("*filter", ":web - [0:0]", *lines, "COMMIT")) + "\n"


def rules_of(*lines: str, family: Family = Family.IPV4) -> list[Rule]:
    """All rules of the table."""
    (ruleset,) = parse_rulesets(dump(*lines), "t", family)
    return [rule for _, _, _, rule in ruleset.rules()]


def rule_of(line: str, family: Family = Family.IPV4) -> Rule:
    """The one rule of a line."""
    (rule,) = rules_of(line, family=family)
    return rule


def problems_of(line: str) -> tuple[Problem, ...]:
    """The problems of a line."""
    with pytest.raises(ParseError) as caught:
        rule_of(line)
    return caught.value.problems


def meaning(line: str) -> tuple[object, ...]:
    """What a line says, whether or not it names the match of its protocol."""
    rule = rule_of(line)
    matches = [
        match._replace(implicit=False) if isinstance(match, Match) else match
        for match in rule.matches
    ]
    return rule.chain, matches, rule.target


@pytest.mark.parametrize(("line", "usual"), SAME)
def test_spellings_of_the_same_rule(line: str, usual: str) -> None:
    assert meaning(line) == meaning(usual)


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_refused(line: str, message: str) -> None:
    problems = problems_of(line)
    assert len(problems) == 1
    assert message in problems[0].message
    assert problems[0].span.line == 3


def test_problem_stands_at_the_words_at_fault() -> None:
    line = "-A INPUT -p tcp -m tcp --dport 70000 -j web"
    (problem,) = problems_of(line)
    assert line[problem.span.column - 1 : problem.span.end_column - 1] == "70000"


def test_problem_suggests_an_option() -> None:
    assert problems_of("-A INPUT -p tcp -m tcp --dprot 22")[0].hint == "did you mean --dport?"


def test_problem_says_what_loads_an_option() -> None:
    hint = problems_of("-A INPUT --zzzz 22")[0].hint
    assert hint == "no -m or -p before it loads an extension that has it"


def test_implicit_match_is_marked() -> None:
    (_, tcp) = rule_of("-A INPUT -p tcp --dport 22").matches
    assert tcp == Match("tcp", (Option("dport", Range(22, 22)),), implicit=True)
    (_, tcp) = rule_of("-A INPUT -p tcp -m tcp --dport 22").matches
    assert tcp == Match("tcp", (Option("dport", Range(22, 22)),))


def test_option_belongs_to_the_extension_loaded_last() -> None:
    # Both policy and tcpmss have no option in common with comment; --mss is of tcpmss alone.
    rule = rule_of("-A INPUT -p tcp -m tcp -m tcpmss -m comment --comment x --dport 22 --mss 1:9")
    assert [match.name for match in rule.matches] == ["ip", "tcp", "tcpmss", "comment"]
    assert rule.matches[1] == Match("tcp", (Option("dport", Range(22, 22)),))


def test_match_named_twice_is_two_matches() -> None:
    rule = rule_of("-A INPUT -p tcp -m tcp --dport 22 -m tcp --dport 23")
    assert rule.matches[1:] == (
        Match("tcp", (Option("dport", Range(22, 22)),)),
        Match("tcp", (Option("dport", Range(23, 23)),)),
    )


@pytest.mark.parametrize(
    "line", ["-A INPUT ! -s 10.0.0.0/8 -j web", "-A INPUT -s ! 10.0.0.0/8 -j web"]
)
def test_negation_before_option_or_operand(line: str) -> None:
    net = Net(Family.IPV4, 10 << 24, 0xFF000000)
    assert rule_of(line).matches == (Match("ip", (Option("source", net, negated=True),)),)


def test_head_stands_in_the_order_of_iptables_save() -> None:
    (head,) = rule_of("-A FORWARD -f -p tcp -o eth1 -i eth0 -d 10.0.0.2 -s 10.0.0.1").matches
    assert isinstance(head, Match)
    names = "source destination in-interface out-interface protocol fragment"
    assert [option.name for option in head.options] == names.split()


def test_lists_of_addresses_make_rules_sources_slowest() -> None:
    # The order in which iptables-save prints the rules of such a line.
    found = rules_of("-A INPUT -s 10.0.0.1,10.0.0.2 -d 10.0.1.1,10.0.1.2 -j web")
    heads = [[str(option.value) for option in rule.matches[0].options] for rule in found]  # type: ignore[union-attr]
    assert heads == [
        ["10.0.0.1/32", "10.0.1.1/32"],
        ["10.0.0.1/32", "10.0.1.2/32"],
        ["10.0.0.2/32", "10.0.1.1/32"],
        ["10.0.0.2/32", "10.0.1.2/32"],
    ]
    assert {rule.line for rule in found} == {3}


def test_targets() -> None:
    assert rule_of("-A INPUT -j ACCEPT").target == Target("ACCEPT")
    assert rule_of("-A INPUT -j web").target == Jump("web")
    assert rule_of("-A INPUT -g web").target == Goto("web")
    assert rule_of("-A INPUT").target is None


def test_chain_hides_the_target_of_its_name() -> None:
    # Restore says: unknown option "--log-prefix".
    text = "*filter\n:LOG - [0:0]\n-A INPUT -j LOG\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "t", Family.IPV4)
    assert [rule.target for _, _, _, rule in ruleset.rules()] == [Jump("LOG")]
    with pytest.raises(ParseError):
        parse_rulesets(text.replace("-j LOG", "-j LOG --log-prefix x"), "t", Family.IPV4)


def test_host_name_stays_a_name() -> None:
    (head,) = rule_of("-A INPUT -s ntp.example.net -j web").matches
    assert head == Match("ip", (Option("source", Hostname("ntp.example.net")),))


def test_extension_without_a_row_keeps_its_words() -> None:
    rule = rule_of(
        "-A INPUT -m geoip ! --src-cc AT,DE --x y z -p tcp -m tcp --dport 22 -j TARPIT --a"
    )
    assert rule.matches == (
        Match("ip", (Option("protocol", 6),)),
        UnknownMatch("geoip", ("!", "--src-cc", "AT,DE", "--x", "y", "z")),
        Match("tcp", (Option("dport", Range(22, 22)),)),
    )
    assert rule.target == UnknownTarget("TARPIT", ("--a",))


@pytest.mark.parametrize("rule", ["-p tcp -m geoip --src-cc AT -j web", "-p udp -j TARPIT --a b"])
def test_its_words_stay_its_own_where_a_protocol_could_have_options(rule: str) -> None:
    read = rule_of(f"-A INPUT {rule}")
    unknown = [*(m for m in read.matches if isinstance(m, UnknownMatch)), read.target]
    words = [one.words for one in unknown if isinstance(one, UnknownMatch | UnknownTarget)]
    assert words in ([("--src-cc", "AT")], [("--a", "b")])
    # An option of the protocol's match is that match's.
    read = rule_of("-A INPUT -p tcp -j TARPIT --dport 22")
    assert read.matches[1] == Match("tcp", (Option("dport", Range(22, 22)),), implicit=True)
    assert read.target == UnknownTarget("TARPIT", ())


def test_option_in_quotes_of_an_unknown_extension_is_refused() -> None:
    (problem,) = problems_of('-A INPUT -m geoip --src-cc "-j" -j web')
    assert "in quotes" in problem.message


def test_line_for_the_other_family_is_no_rule() -> None:
    # iptables(8), -4: such a line "will be silently ignored", whatever stands behind the option.
    assert rules_of("-6 -A INPUT -j web", "-A INPUT -6 --nosuch") == []
    assert rules_of("-4 -A INPUT -j nosuch", family=Family.IPV6) == []


def test_operand_attached_to_a_letter() -> None:
    # As iptables 1.8.11 reads it; 1.8.9 takes the whole word for the operand of -p, -j and -i.
    assert meaning("-A INPUT -ptcp -jDROP") == meaning("-A INPUT -p tcp -j DROP")


def test_target_continue_is_none() -> None:
    # iptables 1.8.11; 1.8.9 looks for an extension of that name.
    assert rule_of("-A INPUT -j CONTINUE").target is None


def test_fragment_option_is_of_ipv4() -> None:
    with pytest.raises(ParseError, match="-f has no meaning in IPv6"):
        rule_of("-A INPUT -f -j web", Family.IPV6)


# The real restore.


def saved(netns: PrivateNetns, line: str) -> list[str] | None:
    """What iptables-save prints for a rule, or None where restore refuses it."""
    if netns.run(["iptables-legacy-restore"], dump(line), check=False).returncode:
        return None
    lines = netns.run(["iptables-legacy-save", "-t", "filter"]).stdout.splitlines()
    return [line for line in lines if line.startswith("-A")]


@pytest.mark.netns
def test_real_restore_reads_the_spellings_alike(netns: PrivateNetns) -> None:
    for line, usual in SAME:
        assert saved(netns, line) == saved(netns, usual) is not None, line


@pytest.mark.netns
def test_real_restore_refuses(netns: PrivateNetns) -> None:
    assert [line for line, _ in REFUSED if saved(netns, line) is not None] == []
