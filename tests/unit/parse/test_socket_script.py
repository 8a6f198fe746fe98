# SPDX-License-Identifier: GPL-2.0-only
"""The language of socket scripts: what docs/sockets.md says of statements."""

from __future__ import annotations

import pytest

from ctlint.parse.connection_script import BlockText, FileText, NameText, TopologyText
from ctlint.parse.errors import ParseError
from ctlint.parse.socket_script import (
    STATEMENTS,
    CallText,
    ConnectText,
    HostKernelText,
    HostSysctlText,
    LinkText,
    ListenText,
    NumberText,
    RepeatText,
    Statement,
    TableText,
    UntilText,
    UptimeText,
    WaitText,
    parse_socket_script,
)


def parse(text: str) -> tuple[Statement, ...]:
    return parse_socket_script(text, "f.ctw")


def refusal(text: str) -> tuple[str, str, str | None]:
    with pytest.raises(ParseError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    return str(problem.span), problem.message, problem.hint


def test_settings() -> None:
    found = parse(
        'name "a # b"; rules r.v4\nkernel 6.18\nkernel client 6.18 server 5.10\n'
        "topology host client eth0 10.1.0.1/16\nseed 7; uptime client2 1h; until 2h\n"
        "sysctl box tcp_loose=0 tcp_be_liberal=1\nsysctl ip_local_port_range=1024-2048\n"
        "link delay 10ms loss 0.5%\nlink server loss 100%\ntest x\n"
    )
    name, rules, one, two, topology, seed, uptime, until, box, ports, link, server, test = found
    assert isinstance(name, NameText)
    assert name.title.text == "a # b"
    assert isinstance(rules, FileText)
    assert isinstance(one, HostKernelText)
    assert [(host, version.text) for host, version in one.versions] == [(None, "6.18")]
    assert isinstance(two, HostKernelText)
    assert [(host and host.text, version.text) for host, version in two.versions] == [
        ("client", "6.18"),
        ("server", "5.10"),
    ]
    assert isinstance(topology, TopologyText)
    assert (topology.kind, topology.role and topology.role.text) == ("host", "client")
    assert isinstance(seed, NumberText)
    assert isinstance(uptime, UptimeText)
    assert (uptime.host.text, uptime.amount.text) == ("client2", "1h")
    assert isinstance(until, UntilText)
    assert isinstance(box, HostSysctlText)
    assert (box.host and box.host.text) == "box"
    assert [(key.text, value.text) for key, value in box.settings] == [
        ("tcp_loose", "0"),
        ("tcp_be_liberal", "1"),
    ]
    assert isinstance(ports, HostSysctlText)
    assert ports.settings[0][1].text == "1024-2048"
    assert isinstance(link, LinkText)
    assert (link.host, link.delay and link.delay.text, link.loss and link.loss.text) == (
        None,
        "10ms",
        "0.5%",
    )
    assert isinstance(server, LinkText)
    assert (server.host and server.host.text, server.delay) == ("server", None)
    assert isinstance(test, BlockText)


def test_what_programs_do() -> None:
    found = parse(
        "server listen 8080 backlog 2 leaks accepts nothing\n"
        "client connect 8080 from 45000 as old\n"
        "client2 reuse port as new holds\nclient send 100 old\nclient keepalive 30s 10s 3\n"
        "client keepalive old; client linger2 10s; server shutdown; client kill\n"
    )
    listen, connect, reuse, send, keepalive, named, linger, shutdown, kill = found
    assert isinstance(listen, ListenText)
    assert (listen.port and listen.port.text, listen.backlog and listen.backlog.text) == (
        "8080",
        "2",
    )
    assert [word.text for word in listen.manners] == ["leaks", "accepts nothing"]
    assert isinstance(connect, ConnectText)
    assert connect.local_port is not None
    assert connect.label is not None
    assert (connect.what.text, connect.local_port.text, connect.label.text) == (
        "connect",
        "45000",
        "old",
    )
    assert isinstance(reuse, ConnectText)
    assert (reuse.actor.text, reuse.what.text, reuse.port) == ("client2", "reuse port", None)
    calls = [send, keepalive, named, linger, shutdown, kill]
    said = []
    for call in calls:
        assert isinstance(call, CallText)
        label = None if call.label is None else call.label.text
        said.append((call.actor.text, call.what.text, [w.text for w in call.operands], label))
    assert said == [
        ("client", "send", ["100"], "old"),
        ("client", "keepalive", ["30s", "10s", "3"], None),
        ("client", "keepalive", [], "old"),
        ("client", "linger2", ["10s"], None),
        ("server", "shutdown", [], None),
        ("client", "kill", [], None),
    ]


def test_time_and_repetition() -> None:
    wait, at, flush, repeat = parse(
        "wait 1h30m\nat 2h\nflush\nrepeat 1000 every 10ms {\n  client connect; wait 1s\n"
        "\n  client close\n} => 990 connected, at least 3 fail ETIMEDOUT\n"
    )
    assert isinstance(wait, WaitText)
    assert isinstance(at, WaitText)
    assert (wait.what.text, at.what.text, at.amount.text) == ("wait", "at", "2h")
    assert isinstance(flush, TableText)
    assert isinstance(repeat, RepeatText)
    assert (repeat.number.text, repeat.every.text) == ("1000", "10ms")
    assert [type(act) for act in repeat.acts] == [ConnectText, WaitText, CallText]
    assert [claim.kind for claim in repeat.claims] == ["many", "many"]


def test_what_is_expected() -> None:
    (kill,) = parse(
        "client kill => client FIN_WAIT_1 for about 107s, client sends 9 FINs,\n"
        "  no FIN arrives, 9 FINs are refused by filter/OUTPUT policy,\n"
        "  server ESTABLISHED for ever, server gone after 1s..2s, client gets ECONNRESET,\n"
        "  connected after 1s, fails ETIMEDOUT, entry ESTABLISHED, no entry, 5..7 SYNs are lost"
    )
    assert isinstance(kill, CallText)
    said = [
        (claim.kind, {key: word.text for key, word in claim.words.items()}) for claim in kill.claims
    ]
    kinds = [kind for kind, _ in said]
    assert kinds == [
        *("state", "sent", "counted", "counted", "state", "gone", "noticed"),
        *("connected", "fails", "entry", "no_entry", "counted"),
    ]
    assert said[0][1] == {
        "CLIENT": "client",
        "STATE": "FIN_WAIT_1",
        "BOUND": "about",
        "SPAN": "107s",
    }
    assert said[3][1]["RULE"] == "filter/OUTPUT policy"
    assert said[5][1]["SPANS"] == "1s..2s"
    assert [claim.span.line for claim in kill.claims][-1] == 4


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("client conect", "f.ctw:1:8", "what it does: listen, connect", "did you mean connect?"),
        ("clinet connect", "f.ctw:1:1", "a statement: client, server", "did you mean client?"),
        ("wait 10", "f.ctw:1:6", "a span such as 130s", None),
        ("client", "f.ctw:1:7", "what it does", None),
        ("client close\nclient close => conected", "f.ctw:2:17", "an expectation", "connected"),
        ("client close => client FIN_WAIT_1 for 1", "f.ctw:1:39", "'ever', or a span", None),
        ("repeat 10 { client connect }", "f.ctw:1:11", "'every' and a span", None),
        ("repeat 10 every 1s { client conect }", "f.ctw:1:29", "what it does", "connect?"),
        ("repeat 10 every 1s { foo }", "f.ctw:1:22", "what is done: client, server", None),
        ("topology forwrd", "f.ctw:1:10", "forward, host or lo", "did you mean forward?"),
        ("link delay 1s delay 2s", "f.ctw:1:21", "delay stands twice", None),
        ("client close => 3 FNs arrive", "f.ctw:1:19", "a kind of packet", None),
        ("sysctl client foo", "f.ctw:1:15", "a setting such as", None),
        ("flush => connected", "f.ctw:1:7", "", "what client and server do"),
        ('{"topology": "lo"}', "f.ctw:1:1", "a statement", "this looks like JSON"),
        ("*filter", "f.ctw:1:1", "a statement", "a rule set is a file of its own"),
    ],
)
def test_what_cannot_be_read(text: str, place: str, message: str, hint: str | None) -> None:
    where, said, advice = refusal(text)
    assert where == place
    assert message in said
    assert (advice is None) if hint is None else (advice is not None and hint in advice)


def test_every_statement_begins_with_one_of_its_words() -> None:
    (problem,) = (refusal("-"),)
    assert problem[1].startswith("expected a statement")
    assert {"client", "server", "repeat", "wait", "until"} <= {*STATEMENTS}
