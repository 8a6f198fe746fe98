# SPDX-License-Identifier: GPL-2.0-only
"""Whatever is given as a script, nothing but ParseError comes, with a place in the text."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from ctlint.parse.errors import ParseError
from ctlint.report.caret import print_marked
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rule_index import index_rules
from ctlint.scenario.script import read_script, script_tests
from ctlint.scenario.writer import scenario_to_json

RULES = "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"

_WORDS = st.sampled_from(
    (
        *("name", "rules", "rules6", "ipsets", "kernel", "topology", "flow", "fact", "sysctl"),
        *("test", "client", "server", "connect", "close", "idle", "expire", "flush", "forward"),
        *("host", "lo", "v6", "eth0", "10.1.0.1/16", "fd01::1/64", "10.1.0.2:80", ">", "[fd01::2]"),
        *("owner", "uid=0", "gid=1", "time", "2026-11-21T18:00:00Z", "mac", "none", "6.18"),
        *("SYN", "SYN,ACK", "FIN", "A", "exactly", "data", "udp", "ping", "pong", "icmp", "ip"),
        *("unreachable", "3/4", "quoting", "again", "badsum", "100", "50", '"text"', '"\\n'),
        *("seq=+5", "ttl=3", "mss=none", "sack=1-2,3-4", "[", "]", "=", ",", ";", "\n", "=>"),
        *("NEW", "delivered", "as", "dropped", "by", "rejected", "rule", "filter/INPUT#1"),
        *("filter/INPUT policy", "entry", "ESTABLISHED", "no", "ctstate", "not", "130s", "1h30m"),
        *("tcp_loose=0", "#", "# x\n", "\t", "\r\n", "ä", "\u2028"),
    )
)
_TEXTS = st.lists(_WORDS | st.text(max_size=4), max_size=25).map(" ".join)
_STATEMENTS = st.lists(
    st.sampled_from(
        (
            *("connect", "close", "server close => delivered", "client SYN", "server SYN,ACK"),
            *("client data 100 => NEW, rule filter/INPUT#1", "client FIN again", "server RST"),
            *("client ACK => rule filter/INPUT policy, no entry, delivered, NEW",),
            *("client udp 7", "server udp sport=9", "client ping", "server pong", "flush"),
            *("server icmp unreachable", "idle 5s", "expire", "sysctl tcp_loose=0", "test x"),
            *("flow 10.1.0.2 > 10.2.0.2:7", "topology lo", "kernel 5.10", "fact mac none"),
            *("client ACK seq=-1 win=0 ttl=1", "rules r", 'client data "x" again', "name n"),
        )
    ),
    max_size=12,
).map("\n".join)


@given(_TEXTS | _STATEMENTS)
def test_nothing_but_parse_errors(text: str) -> None:
    try:
        script = read_script(text, "f.ct")
        contents = dict.fromkeys(script.references, RULES)
        found = script_tests(
            script,
            contents,
            lambda reference, family: index_rules("" if reference is None else RULES, "r", family),
        )
    except ParseError as error:
        assert error.problems
        lines = text.split("\n")
        for problem in error.problems:
            assert problem.message
            assert len(problem.message) < 400
            span = problem.span
            assert 1 <= span.line <= len(lines)
            assert 1 <= span.column <= span.end_column
            assert span.end_column <= len(lines[span.line - 1]) + 1
        print_marked(error.problems, {"f.ct": text}, io.StringIO())
        return
    assert found
    for test in found:
        assert len(test.places) == len(test.scenario.steps)
        assert scenario_from_json(scenario_to_json(test.scenario)) == test.scenario
