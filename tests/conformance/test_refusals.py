# SPDX-License-Identifier: GPL-2.0-only
"""Broken rule sets: the real restore refuses them, and so do we, at the line that is at fault.

``legacy`` and ``nft`` say what iptables-restore 1.8.9 of each backend does on Linux 6.18 when it
really loads a text; --test does not ask the kernel. The namespace tests ask again. What one of the
two loads is read (docs/input.md), so that a text is an error where both refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest

from ctlint.ir.ruleset import BUILTIN_CHAINS
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from tests.netns import PrivateNetns, private_netns

V4, V6 = Family.IPV4, Family.IPV6


class Case(NamedTuple):
    """A text as ``*TABLE``, its user chains, its lines and COMMIT.

    ``legacy`` and ``nft``: what the real restore says when it refuses the text, "" where it names
    no reason; None where it loads. ``at`` is LINE:COLUMN of our error, lines
    counted from the first behind the chains; ``says`` is part of its message.
    """

    table: str
    chains: str
    lines: str
    legacy: str | None
    nft: str | None
    at: str = ""
    says: str = ""
    family: Family = V4
    end: str = "COMMIT\n"

    @property
    def text(self) -> str:
        """What is loaded."""
        chains = "".join(f":{chain} - [0:0]\n" for chain in self.chains.split())
        return f"*{self.table}\n{chains}{self.lines}\n{self.end}"

    @property
    def place(self) -> tuple[int, int]:
        """Line and column of the error in the text."""
        line, column = self.at.split(":")
        return 1 + len(self.chains.split()) + int(line), int(column)


LOOP = "Too many links"
INVALID = "Invalid argument"
SNAT = "-j SNAT --to-source 192.0.2.1"
DNAT = "-j DNAT --to-destination 192.0.2.1"
NO_TARGET = "Couldn't load target"
NO_CHAIN = "does not exist"
DEEP = " ".join(f"c{number}" for number in range(40))
DEEP_CALLS = "\n".join(f"-A {one} -j {two}" for one, two in pairwise(["INPUT", *DEEP.split()]))

CASES = {
    # Circles
    "a chain calls itself": Case(
        "filter", "a", "-A INPUT -j a\n-A a -j a", "", LOOP, "2:9", "calls itself"
    ),
    "a chain goes to itself": Case(
        "filter", "a", "-A INPUT -j a\n-A a -g a", "", LOOP, "2:9", "calls itself"
    ),
    "two chains in a circle": Case(
        "filter", "a b", "-A INPUT -j a\n-A a -j b\n-A b -j a", "", LOOP, "3:9", "a > b > a"
    ),
    "gotos in a circle": Case(
        "filter", "a b", "-A INPUT -g a\n-A a -g b\n-A b -g a", "", LOOP, "3:9", "a > b > a"
    ),
    "a jump and a goto in a circle": Case(
        "filter", "a b", "-A INPUT -j a\n-A a -g b\n-A b -j a", "", LOOP, "3:9", "a > b > a"
    ),
    "the circle lies behind other chains": Case(
        "filter",
        "a b c",
        "-A FORWARD -p udp -j a\n-A a -s 192.0.2.1 -j b\n-A b -p tcp -j c\n-A c -i lo -j b",
        "",
        LOOP,
        "4:15",
        "b > c > b",
    ),
    "no packet could go round": Case(
        "filter",
        "a b",
        "-A INPUT -j a\n-A a -p tcp -j b\n-A b -p udp -j a",
        "",
        LOOP,
        "3:16",
        "a > b > a",
    ),
    "rules behind a circle": Case(
        "filter", "a", "-A INPUT -j a\n-A a -j a\n-A a -j ACCEPT", "", LOOP, "2:9", "calls itself"
    ),
    "a target that is no verdict does not end a chain": Case(
        "filter", "a", "-A INPUT -j a\n-A a -j REJECT\n-A a -j a", "", LOOP, "3:9", "calls itself"
    ),
    "a condition that always holds": Case(
        "filter",
        "a",
        "-A INPUT -j a\n-A a -m comment --comment x -j DROP\n-A a -j a",
        "",
        LOOP,
        "3:9",
        "calls itself",
    ),
    "any interface is a condition": Case(
        "filter", "a", "-A INPUT -j a\n-A a -i + -j DROP\n-A a -j a", "", LOOP, "3:9", "itself"
    ),
    "a goto does not end a chain": Case(
        "filter", "a b", "-A INPUT -j a\n-A a -g b\n-A a -j a", "", LOOP, "3:9", "calls itself"
    ),
    "a circle in IPv6": Case(
        "mangle", "a", "-A OUTPUT -j a\n-A a -j a", "", LOOP, "2:9", "calls itself", V6
    ),
    "a circle that no base chain reaches": Case(
        "filter", "a b", "-A a -j b\n-A b -j a", None, None
    ),
    "a circle behind a rule that ends its chain": Case(
        "filter", "a", "-A INPUT -j a\n-A a -j RETURN\n-A a -j a", None, LOOP
    ),
    "a circle that is called behind such a rule": Case(
        "filter", "a", "-A INPUT -p all -s 0.0.0.0/0 -j DROP\n-A INPUT -j a\n-A a -j a", None, LOOP
    ),
    "forty chains deep": Case("filter", DEEP, DEEP_CALLS, None, LOOP),
    "a chain that is called twice": Case(
        "filter", "a b", "-A INPUT -j a\n-A INPUT -j b\n-A a -j b\n-A FORWARD -j b", None, None
    ),
    # Hooks
    "SNAT in PREROUTING": Case(
        "nat", "", f"-A PREROUTING {SNAT}", "", INVALID, "1:18", "SNAT loads only in INPUT"
    ),
    "DNAT in POSTROUTING": Case(
        "nat", "", f"-A POSTROUTING {DNAT}", "", INVALID, "1:19", "DNAT loads only in PREROUTING"
    ),
    "SNAT in a chain that PREROUTING calls": Case(
        "nat",
        "a",
        f"-A PREROUTING -j a\n-A a {SNAT}",
        "",
        INVALID,
        "2:9",
        "PREROUTING reaches the chain 'a'",
    ),
    "SNAT two chains down": Case(
        "nat",
        "a b",
        f"-A OUTPUT -p tcp -g a\n-A a -p udp -j b\n-A b {SNAT}",
        "",
        INVALID,
        "3:9",
        "OUTPUT reaches the chain 'b'",
    ),
    "one of two callers is at the wrong hook": Case(
        "nat",
        "a",
        f"-A POSTROUTING -j a\n-A PREROUTING -j a\n-A a {SNAT}",
        "",
        INVALID,
        "3:9",
        "PREROUTING reaches the chain 'a'",
    ),
    "owner on the way in": Case(
        "filter",
        "a",
        "-A INPUT -j a\n-A a -p tcp -m owner --uid-owner 0 -j DROP",
        "",
        INVALID,
        "2:16",
        "owner loads only in OUTPUT, POSTROUTING",
    ),
    "mac on the way out": Case(
        "filter",
        "a",
        "-A OUTPUT -j a\n-A a -m mac --mac-source 02:00:00:00:00:01 -j DROP",
        "",
        INVALID,
        "2:9",
        "mac loads only in PREROUTING, INPUT, FORWARD",
    ),
    "TPROXY in INPUT": Case(
        "mangle",
        "",
        "-A INPUT -p tcp -j TPROXY --on-port 1",
        "",
        INVALID,
        "1:20",
        "TPROXY loads only in PREROUTING",
    ),
    "MASQUERADE in OUTPUT": Case(
        "nat", "", "-A OUTPUT -j MASQUERADE", "", INVALID, "1:14", "MASQUERADE loads only in POST"
    ),
    "CLASSIFY in PREROUTING": Case(
        "mangle",
        "",
        "-A PREROUTING -j CLASSIFY --set-class 1:1",
        "",
        INVALID,
        "1:18",
        "CLASSIFY loads only in FORWARD, OUTPUT, POSTROUTING",
    ),
    "DNPT on the way out of the host": Case(
        "mangle",
        "",
        "-A OUTPUT -j DNPT --src-pfx 2001:db8:1::/64 --dst-pfx 2001:db8:2::/64",
        None,
        None,
        family=V6,
    ),
    "DNPT behind routing": Case(
        "mangle",
        "",
        "-A POSTROUTING -j DNPT --src-pfx 2001:db8:1::/64 --dst-pfx 2001:db8:2::/64",
        "",
        INVALID,
        "1:19",
        "DNPT loads only in PREROUTING, OUTPUT",
        V6,
    ),
    "an option for another hook": Case(
        "mangle",
        "",
        "-A INPUT -m policy --dir out --pol ipsec",
        "",
        INVALID,
        "1:13",
        "--dir out has no place there",
    ),
    "an option for another hook in a user chain": Case(
        "mangle", "a", "-A INPUT -j a\n-A a -m policy --dir out --pol ipsec", "", None
    ),
    "an interface's group for another hook in a user chain": Case(
        "filter", "a", "-A OUTPUT -j a\n-A a -m devgroup --src-group 1", "", None
    ),
    "clamping on the way in, in a user chain": Case(
        "mangle",
        "a",
        "-A INPUT -j a\n-A a -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
        "",
        None,
    ),
    "a chain that no base chain reaches": Case("nat", "a", f"-A a {SNAT}", None, None),
    "behind a rule that ends its chain": Case(
        "nat", "", f"-A PREROUTING -j ACCEPT\n-A PREROUTING {SNAT}", None, INVALID
    ),
    # Tables
    "MASQUERADE in filter": Case(
        "filter", "", "-A FORWARD -j MASQUERADE", "", INVALID, "1:15", "only in the table nat"
    ),
    "SNAT in mangle": Case(
        "mangle", "", f"-A POSTROUTING {SNAT}", "", INVALID, "1:19", "only in the table nat"
    ),
    "DNAT in a chain that nobody calls": Case(
        "mangle", "a", f"-A a {DNAT}", "", INVALID, "1:9", "only in the table nat"
    ),
    "REDIRECT in raw": Case(
        "raw", "", "-A PREROUTING -j REDIRECT", "", INVALID, "1:18", "only in the table nat"
    ),
    "NETMAP in mangle": Case(
        "mangle",
        "",
        "-A PREROUTING -j NETMAP --to 192.0.2.0/24",
        "",
        INVALID,
        "1:18",
        "only in the table nat",
    ),
    "REJECT in nat": Case(
        "nat", "", "-A PREROUTING -j REJECT", "", INVALID, "1:18", "only in the table filter"
    ),
    "CT in filter": Case(
        "filter", "", "-A INPUT -j CT --notrack", "", INVALID, "1:13", "only in the table raw"
    ),
    "TPROXY in nat": Case(
        "nat",
        "",
        "-A PREROUTING -p tcp -j TPROXY --on-port 1",
        "",
        INVALID,
        "1:25",
        "only in the table mangle",
    ),
    "DROP in nat": Case(
        "nat", "", "-A PREROUTING -j DROP", "not intended", "not intended", "1:18", "no DROP"
    ),
    "DROP as policy in nat, by command": Case(
        "nat", "", "-P PREROUTING DROP", "not intended", "not intended", "1:15", "no DROP"
    ),
    "DROP as policy in nat": Case("nat", "", ":PREROUTING DROP [0:0]", None, None),
    "QUEUE": Case("filter", "", "-A INPUT -j QUEUE", None, "No such file"),
    "NFQUEUE anywhere": Case("nat", "", "-A PREROUTING -j NFQUEUE", None, None),
    # Chains
    "an unknown chain": Case(
        "filter", "web", "-A INPUT -j wbe", NO_TARGET, NO_CHAIN, "1:13", "no chain and no target"
    ),
    "an unknown chain to go to": Case(
        "filter", "web", "-A INPUT -g wbe", "is not a chain", NO_CHAIN, "1:13", "to go to"
    ),
    "a verdict to go to": Case(
        "filter", "", "-A INPUT -g ACCEPT", "is not a chain", NO_CHAIN, "1:13", "to go to"
    ),
    "a chain that is declared later": Case(
        "filter", "", "-A INPUT -j a\n:a - [0:0]", NO_TARGET, NO_CHAIN, "1:13", "no chain"
    ),
    "a chain that is made later": Case(
        "filter", "", "-A INPUT -g a\n-N a", "is not a chain", NO_CHAIN, "1:13", "no chain 'a'"
    ),
    "a chain of the table before": Case(
        "filter",
        "a",
        "COMMIT\n*mangle\n-A INPUT -j a",
        NO_TARGET,
        NO_CHAIN,
        "3:13",
        "no chain and no target 'a'",
    ),
    "a jump to a base chain": Case(
        "filter", "a", "-A a -j INPUT", "", "No such file", "1:9", "INPUT is a base chain"
    ),
    "a goto to a base chain": Case(
        "filter", "", "-A INPUT -g FORWARD", "", "No such file", "1:13", "FORWARD is a base chain"
    ),
    "a rule of a chain that is not there": Case(
        "filter", "", "-A web -j DROP", "", "No chain", "1:4", "no chain 'web'"
    ),
    "a base chain of another table": Case(
        "filter", "", "-A PREROUTING -j DROP", "", "No chain", "1:4", "no chain 'PREROUTING'"
    ),
    "a chain that is made twice": Case(
        "filter", "a", "-N a", "", "already exists", "1:4", "exists already"
    ),
    "a base chain that is made": Case(
        "filter", "", "-N INPUT", "", "already exists", "1:4", "exists already"
    ),
    "a chain with the name of a verdict": Case(
        "filter", "ACCEPT", "-A INPUT", "File exists", "may not clash", "0:1", "of the verdict"
    ),
    "a name of 29 bytes": Case(
        "filter", "x" * 29, "-A INPUT", "28 chars max", "too long", "0:1", "longer than 28 bytes"
    ),
    "a name of 28 bytes": Case("filter", "x" * 28, "-A INPUT", None, None),
    "a chain that is in use is deleted": Case(
        "filter", "a", "-A INPUT -j a\n-X a", "", "busy", "2:1", "still name the chain"
    ),
    "a chain with rules is deleted": Case(
        "filter", "a", "-A a -j DROP\n-X a", "", "", "2:4", "is not empty"
    ),
    "a policy that is none": Case(
        "filter", "", ":INPUT RETURN [0:0]", "Bad policy", "Bad policy", "1:1", "is no policy"
    ),
    "a policy of a user chain, by command": Case(
        "filter", "a", "-P a DROP", "", "Bad built-in", "1:1", "is no base chain"
    ),
    "a chain declared twice": Case("filter", "a", "-A a -j DROP\n:a - [0:0]", "File exists", None),
    # Tables open and close
    "no COMMIT": Case(
        "filter",
        "",
        "-A INPUT -j DROP",
        "COMMIT expected",
        "COMMIT expected",
        "1:1",
        "COMMIT is missing",
        end="",
    ),
    "a second table without COMMIT": Case(
        "filter", "", "*nat", "Bad argument", "Bad argument", "1:1", "before COMMIT"
    ),
    # Rules
    "MASQUERADE with an address": Case(
        "nat",
        "",
        "-A POSTROUTING -j MASQUERADE --to-source 192.0.2.1",
        "unknown option",
        "unknown option",
        "1:30",
        "unknown option --to-source",
    ),
    "tcp-reset without -p tcp": Case(
        "filter", "", "-A INPUT -j REJECT --reject-with tcp-reset", "", INVALID, "1:13", "-p tcp"
    ),
    "-i in OUTPUT": Case(
        "filter", "", "-A OUTPUT -i eth0", "Can't use -i", "Can't use -i", "1:11", "-i in OUTPUT"
    ),
    "-o in INPUT": Case(
        "filter", "", "-A INPUT -o eth0", "Can't use -o", "Can't use -o", "1:10", "-o in INPUT"
    ),
    "-i in POSTROUTING": Case(
        "nat", "", "-A POSTROUTING -i eth0", "Can't use", "Can't use", "1:16", "-i in POSTROUTING"
    ),
    "a port without -p": Case(
        "filter", "", "-A INPUT --dport 22", "unknown option", "unknown option", "1:10", "unknown"
    ),
    "a match that needs -p": Case(
        "filter", "", "-A INPUT -m multiport --dports 1,2", "", "", "1:13", "multiport needs -p"
    ),
    "DNAT with a port and without -p": Case(
        "nat", "", f"-A PREROUTING {DNAT}:80", "Need TCP", "Need TCP", "1:18", "needs -p tcp"
    ),
    "DNAT to the other family": Case(
        "nat",
        "",
        "-A PREROUTING -j DNAT --to-destination 2001:db8::1",
        "",
        "",
        "1:40",
        "--to-destination",
    ),
    "DNAT to a range of ports upside down": Case(
        "nat", "", f"-A PREROUTING -p tcp {DNAT}:90-80", "funky", "funky", "1:47", "is empty"
    ),
    "TPROXY without a port": Case(
        "mangle",
        "",
        "-A PREROUTING -p tcp -j TPROXY",
        "must be specified",
        "must be specified",
        "1:25",
        "needs --on-port",
    ),
    "a list beside a negated address": Case(
        "filter",
        "",
        "-A INPUT -s 192.0.2.1,192.0.2.2 ! -d 192.0.2.3",
        "not allowed with multiple",
        "not allowed with multiple",
        "1:38",
        "exclude each other",
    ),
    "a target in lower case": Case(
        "filter", "", "-A INPUT -j accept", NO_TARGET, NO_CHAIN, "1:13", "no target 'accept'"
    ),
    "a jump is deleted where a goto stands": Case(
        "filter", "a", "-A INPUT -g a\n-D INPUT -j a", "", "Bad rule", "2:1", "no such rule"
    ),
}


def problems(case: Case) -> tuple[Problem, ...]:
    """What we say against a text; nothing where we read it."""
    try:
        parse_rulesets(case.text, "t", case.family)
    except ParseError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("name", CASES)
def test_what_both_refuse_is_refused_at_its_place(name: str) -> None:
    case = CASES[name]
    found = problems(case)
    if case.legacy is None or case.nft is None:
        assert found == ()
        return
    first = found[0]
    assert case.says in first.message
    assert (first.span.line, first.span.column) == case.place


@pytest.fixture(scope="module")
def shared_netns() -> Iterator[PrivateNetns]:
    with private_netns() as namespace:
        yield namespace


_FLUSH = "".join(f"*{table}\nCOMMIT\n" for table in BUILTIN_CHAINS)


@pytest.mark.netns
@pytest.mark.parametrize("backend", ["legacy", "nft"])
@pytest.mark.parametrize("name", CASES)
def test_the_real_restore_says_so(name: str, backend: str, shared_netns: PrivateNetns) -> None:
    case = CASES[name]
    tool = f"{'iptables' if case.family is V4 else 'ip6tables'}-{backend}-restore"
    expected = case.legacy if backend == "legacy" else case.nft
    done = shared_netns.run([tool], case.text, check=False)
    shared_netns.run([tool], _FLUSH)
    if expected is None:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode != 0
        assert expected in done.stderr


# As many chains as there are in no real table: the walk takes time in proportion, and no stack.
MANY = 100_000


def many(calls: Iterator[tuple[str, str]]) -> str:
    chains = "".join(f":c{number} - [0:0]\n" for number in range(MANY))
    rules = "".join(f"-A {one} -j {other}\n" for one, other in calls)
    return f"*filter\n{chains}{rules}COMMIT\n"


@pytest.mark.slow
def test_a_circle_of_very_many_chains() -> None:
    names = [f"c{number}" for number in range(MANY)]
    text = many(pairwise(["INPUT", *names, "c0"]))
    with pytest.raises(ParseError) as caught:
        parse_rulesets(text, "t", V4)
    (problem,) = caught.value.problems
    assert problem.span.line == 2 * MANY + 2
    assert "c0 > c1 > c2 > … > c99998 > c99999 > c0" in problem.message


@pytest.mark.slow
def test_very_many_circles() -> None:
    names = [f"c{number}" for number in range(MANY)]
    text = many(iter([*pairwise(["INPUT", *names]), *((name, "c0") for name in names)]))
    with pytest.raises(ParseError) as caught:
        parse_rulesets(text, "t", V4)
    assert len(caught.value.problems) == 100


@pytest.mark.slow
def test_very_many_ways_without_a_circle() -> None:
    names = [f"c{number}" for number in range(MANY)]
    text = many(pair for pair in pairwise(["INPUT", *names]) for _ in range(2))
    (ruleset,) = parse_rulesets(text, "t", V4)
    assert ruleset.rule_count == 2 * MANY
