# SPDX-License-Identifier: GPL-2.0-only
"""The language of connection scripts: what docs/scripts.md says of statements and their ends."""

from __future__ import annotations

import pytest

from ctlint.parse.connection_script import (
    BlockText,
    ExchangeText,
    FactText,
    FlowText,
    IdleText,
    KernelText,
    NameText,
    OperationText,
    PacketText,
    Statement,
    SysctlText,
    TopologyText,
    begins_as_script,
    parse_connection_script,
)
from ctlint.parse.errors import ParseError
from ctlint.parse.script_reader import MAX_SCRIPT


def parse(text: str) -> tuple[Statement, ...]:
    return parse_connection_script(text, "f.ct")


def packet(text: str) -> PacketText:
    (found,) = parse(text)
    assert isinstance(found, PacketText)
    return found


def refusal(text: str) -> tuple[int, int, int, str, str | None]:
    with pytest.raises(ParseError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    span = problem.span
    return span.line, span.column, span.end_column, problem.message, problem.hint


def test_statements_end_with_the_line_or_a_semicolon() -> None:
    text = (
        "\n# a comment; client SYN\n\nconnect;; idle 1s ;expire # another\nflush;\r\nclient ACK\r\n"
    )
    assert [type(each) for each in parse(text)] == [
        *(ExchangeText, IdleText, OperationText, OperationText, PacketText),
    ]
    assert parse("") == parse(" \n;; # nothing\n") == ()


def test_a_statement_goes_on_behind_a_comma_and_before_what_is_expected() -> None:
    found = packet("client SYN # first\n\n  => NEW, # ctstate\n\n   delivered,\nno entry")
    assert [claim.kind for claim in found.claims] == ["ctstate", "delivered", "no_entry"]
    assert [claim.span.line for claim in found.claims] == [3, 5, 6]
    assert len(parse("client SYN\nclient ACK")) == 2


def test_settings() -> None:
    found = parse(
        'name Web server # mine\nname "a # b; \\u00e4"\nkernel 6.18-rc1\n'
        "topology host server eth0.5 fd01::1/64\ntopology lo v6\ntopology forward\n"
        "flow [fd01::2]:https -> fd02::2\nfact owner uid=0 groups=4,27\nfact mac none\n"
        "sysctl net/netfilter/nf_conntrack_tcp_loose = 0 tcp_be_liberal=1\ntest x\n"
    )
    assert isinstance(found[0], NameText)
    assert found[0].title.text == "Web server"
    assert isinstance(found[1], NameText)
    assert found[1].title.text == "a # b; ä"
    assert isinstance(found[2], KernelText)
    assert found[2].version.text == "6.18-rc1"
    host, lo, forward, flow, owner, mac, sysctl, test = found[3:]
    assert isinstance(host, TopologyText)
    assert host.role is not None
    assert (host.kind, host.role.text, host.is_v6) == ("host", "server", False)
    ((interface, address),) = host.interfaces
    assert address is not None
    assert (interface.text, address.text) == ("eth0.5", "fd01::1/64")
    assert isinstance(lo, TopologyText)
    assert (lo.kind, lo.role, lo.is_v6) == ("lo", None, True)
    assert isinstance(forward, TopologyText)
    assert (forward.kind, forward.interfaces) == ("forward", ())
    assert isinstance(flow, FlowText)
    assert (flow.source.text, flow.target.text) == ("[fd01::2]:https", "fd02::2")
    assert isinstance(owner, FactText)
    assert [(key.text, value.text) for key, value in owner.pairs] == [
        ("uid", "0"),
        ("groups", "4,27"),
    ]
    assert isinstance(mac, FactText)
    assert mac.value is not None
    assert mac.value.text == "none"
    assert isinstance(sysctl, SysctlText)
    assert [key.text for key, _ in sysctl.settings] == [
        "net/netfilter/nf_conntrack_tcp_loose",
        "tcp_be_liberal",
    ]
    assert isinstance(test, BlockText)


def test_packets() -> None:
    found = packet('client data "x\\r\\n" again seq=+5 [win=3, sack=1-2,5-9 badsum] => rule f/x#3')
    assert found.sender.text == "client"
    assert found.what.text == "data"
    assert found.load is not None
    assert (found.load.text, found.load.is_quoted) == ("x\r\n", True)
    assert [mark.text for mark in found.marks] == ["again", "badsum"]
    assert [(key.text, value.text) for key, value in found.options] == [
        ("seq", "+5"),
        ("win", "3"),
        ("sack", "1-2,5-9"),
    ]
    (claim,) = found.claims
    assert (claim.kind, claim.words[0].text) == ("matched", "f/x#3")
    found = packet("server icmp 3/4 quoting client saddr=fd00::1")
    assert (found.operand and found.operand.text, found.quoted and found.quoted.text) == (
        "3/4",
        "client",
    )
    found = packet("client exactly none")
    assert (found.what.text, found.operand and found.operand.text) == ("exactly", "none")
    found = packet("client ip 50 100")
    assert (found.operand and found.operand.text, found.load and found.load.text) == ("50", "100")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dropped by filter/OUTPUT#2", ["dropped", "filter/OUTPUT#2"]),
        ("dropped by filter/INPUT policy", ["dropped", "filter/INPUT policy"]),
        ("rule filter/policy return", ["filter/policy return"]),
        ("delivered as 10.2.0.1:1 > [fd00::1]:2", ["delivered", "10.2.0.1:1", "[fd00::1]:2"]),
        ("entry SYN_SENT2", ["entry", "SYN_SENT2"]),
    ],
)
def test_claims(text: str, words: list[str]) -> None:
    (claim,) = packet(f"client SYN => {text} # x").claims
    assert [word.text for word in claim.words] == words


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("clinet SYN", (1, 1, 7), "expected a statement", "did you mean client?"),
        ("connect\n client SYNN", (2, 9, 13), "expected what it sends", "did you mean SYN?"),
        ("client syn", (1, 8, 11), "expected what it sends", "did you mean SYN?"),
        ("client SYN,AKC", (1, 8, 15), "expected what it sends", "did you mean SYN,ACK?"),
        ("client", (1, 7, 7), "found the end", None),
        ("client\nserver", (1, 7, 7), "found the end of the line", None),
        ("client SYN => ;", (1, 15, 15), "found ';'", None),
        ('client data "ab', (1, 13, 16), "found", "no quote ends this text on its line"),
        (r'client data "ab\"', (1, 13, 18), "found", "no quote ends this text on its line"),
        ("client SYN => NWE, x", (1, 15, 18), "expected an expectation", "did you mean NEW?"),
        ("client SYN => no entri", (1, 18, 23), "'entry' or 'ctstate'", "did you mean entry?"),
        ("client SYN => NEW delivered", (1, 19, 28), "',' and more that is expected", None),
        ("client SYN ttl", (1, 12, 15), "expected an option", None),
        ("client SYN [ttl=3 => NEW", (1, 19, 21), "or ']'", None),
        ("client SYN mss=", (1, 16, 16), "expected a value", None),
        ("idle 130", (1, 6, 9), "expected a span", None),
        ("idle 5s => NEW", (1, 9, 11), "the end of the statement", "only a packet has an answer"),
        ("flow 10.0.0.1:3 10.0.0.2", (1, 17, 25), "'>' between", None),
        ("topology forwrd", (1, 10, 16), "forward, host or lo", "did you mean forward?"),
        ("topology forward eth0 10.1.0.1/16", (1, 34, 34), "an interface", None),
        ("fact clock 5", (1, 6, 11), "owner, time or mac", None),
        ("sysctl tcp_loose", (1, 8, 17), "a setting such as", None),
        ("sysctl tcp_loose=-1", (1, 18, 20), "a whole number", None),
        ("rules", (1, 6, 6), "a file", None),
        ("client icmp", (1, 12, 12), "a type such as", None),
        ('{"packets": []}', (1, 1, 12), "a statement", "this looks like JSON"),
        ("*filter", (1, 1, 8), "a statement", "a rule set is a file of its own"),
        ('client data "a\\q"', (1, 13, 18), "a backslash that is not one", "a backslash stands"),
        ('client data "\\ud800"', (1, 13, 21), "a backslash that is not one", "a backslash"),
        ("client SYN\n\ufeffconnect", (2, 1, 2), "a byte order mark", None),
        ("client SYN \udcff", (1, 12, 13), "not UTF-8 text", None),
        (" " * (MAX_SCRIPT + 1), (1, 1, 1), "longer than 1 MiB", None),
    ],
)
def test_where_reading_stops(
    text: str, place: tuple[int, int, int], message: str, hint: str | None
) -> None:
    line, column, end, said, advice = refusal(text)
    assert (line, column, end) == place
    assert message in said
    if hint is None:
        assert advice is None
    else:
        assert advice is not None
        assert hint in advice


def test_what_begins_as_a_script() -> None:
    for text in (
        "connect",
        "# x\n; client SYN",
        'test"a"',
        "rules6 x",
        "expire;",
        "\n\nflow 1 > 2",
    ):
        assert begins_as_script(text), text
    for text in ("", "# only", "*filter", '{"a": 1}', "clients SYN", "client-x", "# connect"):
        assert not begins_as_script(text), text


def test_long_scripts_take_little_time() -> None:
    assert len(parse("client data 100 => ESTABLISHED, delivered\n" * 5_000)) == 5_000
    assert parse(("\n" * 1_000 + ";" * 1_000 + "# x\n") * 100) == ()
