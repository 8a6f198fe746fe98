# SPDX-License-Identifier: GPL-2.0-only
"""Whatever is given as a socket script, nothing but ParseError comes, with a place in the text; and
whatever can be played ends, and can be told.
"""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ctlint.model.world.bounds import Bounds
from ctlint.parse.errors import ParseError
from ctlint.report.caret import print_marked
from ctlint.report.ladder_svg import render_svg
from ctlint.report.ladder_text import render_story
from ctlint.report.socket_check import SocketResult, render_socket_check
from ctlint.report.story_json import write_story_json
from ctlint.scenario.rule_index import index_rules
from ctlint.scenario.scenario import ScenarioError
from ctlint.scenario.socket_check import check_story
from ctlint.scenario.socket_plan import Plan
from ctlint.scenario.socket_play import SocketPlayer
from ctlint.scenario.socket_script import read_socket_script, socket_plans

RULES = (
    "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"
    "-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\n"
    "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\n"
    "-A FORWARD -p tcp --dport 81 -j REJECT --reject-with tcp-reset\n"
    "-A FORWARD -m conntrack --ctstate INVALID -j REJECT\nCOMMIT\n"
)
BOUNDS = Bounds(events=20_000, idle_packets=300)

_WORDS = st.sampled_from(
    (
        *("name", "rules", "kernel", "topology", "flow", "seed", "uptime", "until", "sysctl"),
        *("link", "test", "client", "client2", "server", "box", "wait", "at", "flush", "repeat"),
        *("host", "lo", "v6", "eth0", "10.1.0.1/16", "10.1.0.2", ">", "10.2.0.2:80", "6.18"),
        *("listen", "connect", "reuse port", "send", "shutdown", "close", "abort", "kill", "any"),
        *("keepalive", "linger2", "backlog", "from", "as", "leaks", "accepts nothing", "80", "7"),
        *("delay", "loss", "1%", "10ms", "every", "{", "}", "=>", ",", ";", "\n", "=", "5..7"),
        *("FIN_WAIT_1", "for", "ever", "gone", "after", "about", "at least", "no", "FINs", "RST"),
        *("sends", "arrive", "are refused", "by", "filter/INPUT policy", "gets", "EOF", "data"),
        *("connected", "fails", "fail", "ETIMEDOUT", "entry", "ESTABLISHED", "1s..2s", "107s"),
        *("tcp_fin_timeout=3", "ip_local_port_range=1-9", "#", '"', "'", "\t", "\r\n", "ä", "\0"),
    )
)
_TEXTS = st.lists(_WORDS | st.text(max_size=4), max_size=25).map(" ".join)

_SETTINGS = st.sampled_from(
    (
        *("", "topology lo\n", "topology host client\n", "topology host server\n"),
        *("kernel 2.6.32\n", "kernel 3.10\n", "kernel rhel7\n", "kernel 6.0 \n", "kernel 4.4\n"),
        *("link loss 30%\n", "link delay 2s\n", "rules r\n", "rules r\ntopology host client\n"),
        *("sysctl tcp_abort_on_overflow=1 somaxconn=0 tcp_syncookies=0\n", "topology lo v6\n"),
        "sysctl ip_local_port_range=1024-1025\n",
        "flow 10.1.0.1 > 10.2.0.2\n",
        "flow 0.0.0.0 > 255.255.255.255\n",
        "topology forward eth0 eth0\nflow 10.1.0.2 > 10.1.0.9\n",
        "sysctl box tcp_timeout_established=1 tcp_loose=0\n",
    )
)
_ACTS = st.lists(
    st.sampled_from(
        (
            *("server listen", "server listen 81 backlog 0", "server listen leaks", "wait 1s"),
            *("server listen holds", "server listen accepts nothing", "client connect", "wait 3m"),
            *("client connect 81", "client connect from 45000", "client connect from any serves"),
            *("client connect leaks", "client reuse port", "client send 1", "client send 100000"),
            *("server send 3000", "client shutdown", "server shutdown", "client close", "wait 2h"),
            *("server close", "client abort", "server abort", "client kill", "server kill"),
            *("client keepalive", "server keepalive 1s 1s 2", "client linger2 3s", "flush"),
            *("link loss 100%", "link loss 0%", "link delay 700ms", "sysctl tcp_retries2=1"),
            *("sysctl tcp_fin_timeout=2 tcp_orphan_retries=1", "client2 connect", "client2 close"),
            "repeat 4 every 1ms { client connect; client send 9; wait 1s; client close }",
            "client close => client gone, server CLOSE_WAIT for ever, 3 FINs arrive, no entry",
            "wait 5s => client ESTABLISHED, server gets EOF, 2 segments are lost",
            "client connect => connected after 1s, fails ETIMEDOUT, client gets ECONNRESET",
        )
    ),
    min_size=1,
    max_size=14,
).map("\n".join)


def plans_of(text: str) -> tuple[Plan, ...]:
    script = read_socket_script(text, "f.ctw")
    contents = dict.fromkeys(script.references, RULES)
    return socket_plans(
        script, contents, lambda one, family: index_rules("" if one is None else RULES, "r", family)
    )


@given(_TEXTS)
def test_nothing_but_parse_errors(text: str) -> None:
    try:
        plans_of(text)
    except ParseError as error:
        lines = text.split("\n")
        for problem in error.problems:
            assert problem.span.file == "f.ctw"
            assert 1 <= problem.span.line <= len(lines)
            assert 1 <= problem.span.column <= len(lines[problem.span.line - 1]) + 1
        print_marked(error.problems, {"f.ctw": text}, io.StringIO())


@given(_SETTINGS, _ACTS)
def test_what_can_be_played_ends_and_can_be_told(settings: str, acts: str) -> None:
    text = settings + "server listen 8080\n" + acts
    try:
        plans = plans_of(text)
    except ParseError:
        return
    lines = text.split("\n")
    for plan in plans:
        try:
            story = SocketPlayer(plan, bounds=BOUNDS).play()
        except ScenarioError:
            continue
        stream = io.StringIO()
        console = Console(file=stream, width=80)
        render_story(story, lines, console=console, is_first=True)
        write_story_json(story, lines, stream)
        json.loads(stream.getvalue().splitlines()[-1])
        render_svg([(story, lines)])
        result = SocketResult("f.ctw", "test 1", story, check_story(story), lines)
        render_socket_check(result, console=console)
        again = SocketPlayer(plan, bounds=BOUNDS).play()
        assert (again.ending, again.packets) == (story.ending, story.packets)
