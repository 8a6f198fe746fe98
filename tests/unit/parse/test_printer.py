# SPDX-License-Identifier: GPL-2.0-only
"""Printed rule sets: words that iptables-restore reads, and that save to the same rules.

Most options are covered beside the rows of the extensions and by tests/conformance.
"""

from __future__ import annotations

import pytest

from ctlint.ir.rule import Rule
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_match, print_rule, print_ruleset, print_target
from ctlint.parse.words import quote
from ctlint.wire.addresses import Family
from tests.netns import PrivateNetns

# iptables-save 1.8.9 prints these lines so, so that they come back unchanged.
UNCHANGED = (
    "-A INPUT -j ACCEPT",
    "-A INPUT",
    "-A INPUT -j web",
    "-A INPUT -g web",
    "-A web -j RETURN",
    "-A web -j web",
    "[3:180] -A INPUT ! -i lo -j DROP",
    "-A FORWARD ! -s 10.0.0.0/8 -d 192.0.2.1/32 -i eth+ ! -o br0 -p udp -f -j web",
    "-A INPUT -s 10.0.0.0/255.0.255.0 -j web",
    "-A INPUT ! -p tcp -j web",
    "-A INPUT -p 253 -j web",
    "-A INPUT -p tcp -m tcp ! --sport 1:1023 --dport 22 ! --tcp-flags FIN,SYN SYN -j web",
    '-A INPUT -m comment --comment "say \\"hi\\" \\\\ there" -j web',
    '-A INPUT -m comment --comment "" -j web',
    "-A INPUT -m comment --comment -x -j web",
    '-A INPUT -m comment --comment "! -j" -j web',
    '-A INPUT -j LOG --log-prefix "[in] "',
)

SPECIAL_WORDS = (
    ("plain", "plain"),
    ("a b", '"a b"'),
    ("", '""'),
    ('say "hi"', '"say \\"hi\\""'),
    ("back\\slash", '"back\\\\slash"'),
    ("tab\there", '"tab\there"'),
    ("#", '"#"'),
    ("'", '"\'"'),
    ("é", '"é"'),
)


def ruleset_text(*lines: str) -> str:
    """The lines as a table, in the form of iptables-save."""
    return "\n".join(
        (
            "*filter",
            ":INPUT ACCEPT [0:0]",
            ":FORWARD DROP [1:2]",
            ":OUTPUT ACCEPT [0:0]",
            ":web - [0:0]",
            *lines,
            "COMMIT",
            "",
        )
    )


def rule_of(line: str) -> Rule:
    """The one rule of a line."""
    (ruleset,) = parse_rulesets(ruleset_text(line), "t", Family.IPV4)
    (rule,) = [rule for _, _, _, rule in ruleset.rules()]
    return rule


@pytest.mark.parametrize("line", UNCHANGED)
def test_saved_rule_is_printed_unchanged(line: str) -> None:
    assert print_rule(rule_of(line), Family.IPV4) == line


def test_whole_rule_set() -> None:
    text = ruleset_text("-A INPUT -i lo -j ACCEPT", "[1:40] -A web -j DROP")
    (ruleset,) = parse_rulesets(text, "t", Family.IPV4)
    assert print_ruleset(ruleset) == text


def test_two_tables_in_their_order() -> None:
    text = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    (ruleset,) = parse_rulesets(ruleset_text() + text, "t", Family.IPV4)
    assert print_ruleset(ruleset) == ruleset_text() + text


@pytest.mark.parametrize(("word", "quoted"), SPECIAL_WORDS)
def test_quote(word: str, quoted: str) -> None:
    assert quote(word) == quoted
    rule = rule_of(f"-A INPUT -m comment --comment {quoted} -j web")
    assert rule.matches[0].options[0].value == word  # type: ignore[union-attr]


def test_match_and_target_alone() -> None:
    rule = rule_of("-A INPUT -s 10.0.0.1 -p tcp --dport 22 -j REJECT --reject-with tcp-reset")
    assert [print_match(match, Family.IPV4) for match in rule.matches] == [
        "-s 10.0.0.1/32 -p tcp",
        "-m tcp --dport 22",
    ]
    assert print_target(rule, Family.IPV4) == "-j REJECT --reject-with tcp-reset"
    assert print_target(rule._replace(target=None), Family.IPV4) == ""


def test_unknown_extension_is_printed_as_it_was_read() -> None:
    line = '-A INPUT -m geoip ! --source-country AT,DE --note "a b" -é x -j TARPIT --tarpit'
    assert print_rule(rule_of(line), Family.IPV4) == line


@pytest.mark.netns
def test_real_save_prints_the_lines_so(netns: PrivateNetns) -> None:
    netns.run(["iptables-legacy-restore", "-c"], ruleset_text(*UNCHANGED))
    printed = netns.run(["iptables-legacy-save", "-c", "-t", "filter"]).stdout.splitlines()
    rules = [line.removeprefix("[0:0] ") for line in printed if " -A " in line]
    by_chain = sorted(UNCHANGED, key=lambda line: ["INPUT", "FORWARD", "web"].index(_chain(line)))
    assert rules == by_chain


def _chain(line: str) -> str:
    return line.partition("-A ")[2].partition(" ")[0]


@pytest.mark.netns
def test_real_restore_reads_a_printed_name_with_blanks(netns: PrivateNetns) -> None:
    # iptables-save prints the name without quotes, and iptables-restore stops there.
    options = "--hashlimit-upto 5/min --hashlimit-mode srcip --hashlimit-name"
    saved = f"-A INPUT -m hashlimit {options} h one -j ACCEPT"
    printed = print_rule(rule_of(saved), Family.IPV4)
    text = ruleset_text(printed)
    assert netns.run(["iptables-legacy-restore"], ruleset_text(saved), check=False).returncode
    netns.run(["iptables-legacy-restore"], text)
    assert "--hashlimit-name h one" in netns.run(["iptables-legacy-save"]).stdout
