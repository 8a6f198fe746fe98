# SPDX-License-Identifier: GPL-2.0-only
"""What a dump of sets says, its errors, and the fast path beside the grammar. Answers about
membership are held to the real ipset in tests/unit/model/netfilter/test_ipsets.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctlint.ir.ipset import Ipset
from ctlint.parse import ipset_save
from ctlint.parse.errors import MAX_PROBLEMS, ParseError
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.netns import PrivateNetns


def _one(text: str) -> Ipset:
    (found,) = parse_ipset_save(text, "t").values()
    return found


def _nets(ipset: Ipset) -> list[str]:
    return [str(net) for net in ipset.members]


def _problems(text: str) -> list[str]:
    with pytest.raises(ParseError) as caught:
        parse_ipset_save(text, "t")
    return [f"{p.span.line}:{p.span.column}: {p.message}" for p in caught.value.problems]


def test_dump_of_ipset_7_17() -> None:
    """What `ipset save` of ipset 7.17 printed on Linux 6.18."""
    sets = parse_ipset_save(
        "create n hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x72d5\n"
        "add n 10.1.2.0/24\n"
        "add n 10.1.0.0/16 nomatch\n"
        "add n 10.0.0.0/8\n"
        "create c hash:ip family inet hashsize 1024 maxelem 65536 counters comment skbinfo "
        "bucketsize 12 initval 0x017a46c2\n"
        'add c 9.9.9.9 packets 4 bytes 9 comment "a \\ b: nomatch # x" '
        "skbmark 0x11/0xff skbprio 1:10 skbqueue 3\n"
        "create b bitmap:ip range 10.0.0.0-10.255.255.255 netmask 24\n"
        "add b 10.7.7.0\n"
        "create m hash:ip family inet6 hashsize 1024 maxelem 65536 netmask 64 bucketsize 12\n"
        "add m fd00::\n"
        "create p hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12\n"
        "add p 1.1.1.1,udp:53\n"
        "create f hash:net,iface family inet hashsize 1024 maxelem 65536 bucketsize 12\n"
        "add f 10.0.0.0/8,eth1 wildcard\n"
        "create l list:set size 4\n"
        "add l n\n"
        "add l b\n",
        "t",
    )
    assert list(sets) == ["n", "c", "b", "m", "p", "f", "l"]
    assert _nets(sets["n"]) == ["10.1.2.0/24", "10.0.0.0/8"]
    assert [str(net) for net in sets["n"].exceptions] == ["10.1.0.0/16"]
    assert _nets(sets["c"]) == ["9.9.9.9/32"]
    assert _nets(sets["b"]) == ["10.7.7.0/24"]
    assert _nets(sets["m"]) == ["fd00::/64"]
    assert sets["m"].family is Family.IPV6
    assert sets["p"].unknown is not None
    assert sets["f"].unknown is not None
    assert sets["l"].sets == ("n", "b")
    assert sets["l"].family is None


@pytest.mark.parametrize(
    ("create", "add", "nets"),
    [
        ("hash:ip", "10.6.0.1-10.6.0.3", ["10.6.0.1/32", "10.6.0.2/31"]),
        ("hash:ip", "10.5.0.0/30", ["10.5.0.0/30"]),
        ("hash:ip netmask 24", "10.9.9.9", ["10.9.9.0/24"]),
        ("hash:ip bitmask 255.0.255.0", "10.9.9.9", ["10.0.9.0/255.0.255.0"]),
        ("hash:net", "10.1.2.3/24", ["10.1.2.0/24"]),
        ("hash:net", "10.0.0.5-10.0.0.4", ["10.0.0.4/31"]),
        ("hash:net family inet6", "fd00:0::1/16", ["fd00::/16"]),
        ("bitmap:ip range 10.0.0.0/16", "10.0.255.255", ["10.0.255.255/32"]),
    ],
)
def test_elements(create: str, add: str, nets: list[str]) -> None:
    """Forms of an element, ipset(8)."""
    assert _nets(_one(f"create s {create}\nadd s {add}\n")) == nets


@pytest.mark.parametrize(
    ("create", "add"),
    [
        ("hash:ip timeout 300", "10.0.0.1 timeout 299"),
        ("hash:ip timeout 300", "10.0.0.1 timeout 0"),
        ("hash:ip timeout 0", "10.0.0.1 timeout 5"),
        ("hash:ip", "www.example.org"),
        ("hash:net,port", "10.0.0.0/8,80 nomatch"),
        ("hash:brand,new", "what-ever"),
    ],
)
def test_unknown(create: str, add: str) -> None:
    """Elements that may be gone, or that only a resolver or another packet field decides."""
    assert _one(f"create s {create}\nadd s {add}\n").unknown


def test_timeout_0_is_permanent() -> None:
    """ipset(8): zero means that the entry is added permanently."""
    found = _one("create s hash:ip timeout 0\nadd s 10.0.0.1 timeout 0\n")
    assert (found.unknown, _nets(found)) == (None, ["10.0.0.1/32"])


def test_lines_of_restore_files() -> None:
    """Comments, blank lines, COMMIT, -exist and the short commands of ipset(8); CRLF."""
    found = _one(
        "# sets\r\n\n-exist create s hash:ip comment\ncreate -exist s hash:ip\n"
        '-A s 10.0.0.1 -exist\n\tadd  s 10.0.0.2  comment "x y"\r\nadd -! s 10.0.0.1\nCOMMIT\n'
    )
    assert _nets(found) == ["10.0.0.1/32", "10.0.0.2/32"]


def test_name_with_blanks() -> None:
    """ipset prints such a name without quotes."""
    sets = parse_ipset_save(
        "create s net hash:net family inet hashsize 1024\nadd s net 10.0.0.0/8\n"
        "create s hash:ip\nadd s 10.0.0.1\n",
        "t",
    )
    assert {name: _nets(found) for name, found in sets.items()} == {
        "s net": ["10.0.0.0/8"],
        "s": ["10.0.0.1/32"],
    }


def test_nothing() -> None:
    assert parse_ipset_save("", "t") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("create s hash:ip bogus 3\nadd s 10.0.0.1", ["1:18: expected an option"]),
        ("create s hash", ["1:10: expected a type such as hash:net, found 'hash'"]),
        ("create s", ["1:9: expected a type such as hash:net at the end"]),
        ("add s 10.0.0.1", ["1:5: no set 's'"]),
        ("create s hash:ip\nadd s", ["2:6: expected an element at the end"]),
        ("create s hash:ip\nadd s 1.2.3.4 timeout", ["2:22: expected a value at the end"]),
        ("create s hash:ip\nadd s 1.2.3.4 timeout 5", ["2:7: the set 's' was created without"]),
        ("create s hash:ip\nadd s 1.2.3.4 nomatch", ["2:7: a set of type hash:ip has no nomatch"]),
        ("create s hash:ip\nadd s 0.0.0.0", ["2:7: 0.0.0.0: a hash:ip cannot hold"]),
        ("create s hash:ip\nadd s 10.0.0.300", ["2:7: '10.0.0.300' is no IPv4 address"]),
        ("create s hash:ip\nadd s 10.1", ["2:7: '10.1' is no IPv4 address"]),
        ("create s hash:ip\nadd s 010.0.0.1", ["2:7: '010.0.0.1' is no IPv4 address"]),
        ("create s hash:ip\nadd s fd00::1", ["2:7: 'fd00::1' is no IPv4 address"]),
        ("create s hash:ip family inet6\nadd s 1.2.3.4", ["2:7: '1.2.3.4' is no IPv6 address"]),
        ("create s hash:net\nadd s 0.0.0.0/0", ["2:7: 0.0.0.0/0: a hash:net cannot hold all"]),
        ("create s hash:net\nadd s 1.0.0.0/33", ["2:7: 1.0.0.0/33: a prefix length is 0 to 32"]),
        ("create s hash:ip family inet7", ["1:25: the family is inet or inet6, not 'inet7'"]),
        ("create s hash:ip netmask 33", ["1:26: a netmask is 1 to 32, not '33'"]),
        ("create s hash:ip timeout 4294967296", ["1:26: '4294967296' is no timeout in seconds"]),
        ("create s bitmap:ip", ["1:8: a bitmap:ip needs a range"]),
        ("create s bitmap:ip range 10.0.0.0/8", ["1:8: the range has more than 65,536 elements"]),
        ("create s bitmap:ip range 10.0.0.0/24\nadd s 10.0.1.0", ["2:7: 10.0.1.0 is out of"]),
        ("create s hash:ip\ncreate s hash:ip", ["2:8: the set 's' is created twice"]),
        ("create l list:set\nadd l x", ["2:7: no set 'x'"]),
        ("create l list:set\ncreate k list:set\nadd l k", ["3:7: a list:set cannot hold"]),
        (f"create {'x' * 32} hash:ip", ["1:8: the name of the set is longer than 31 bytes"]),
        ("create s hash:ip,port\nadd s 10.0.0.1", ["2:7: 10.0.0.1: fewer than 2 parts"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,tcp:80,3", ["2:7: 10.0.0.1,tcp:80,3: more than"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,foo:3", ["2:7: unknown protocol 'foo'"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,tcp:70000", ["2:7: port 70000 is more than"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,gre:5", ["2:7: gre:5: this protocol has port 0"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,0:0", ["2:7: 0:0: the protocol must be named"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,icmp:8", ["2:7: '8' is no type and code"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,icmp:300/0", ["2:7: 300 is more than 255"]),
        ("create s hash:ip,port\nadd s 0.0.0.0,tcp:3", ["2:7: 0.0.0.0: a hash:ip,port cannot"]),
        (
            "create s hash:ip,port maxelem 9\nadd s 10.0.0.0/28,80",
            ["2:7: 10.0.0.0/28,80: more than 9"],
        ),
        ("create s hash:ip,port family inet6\nadd s fd00::/64,80", ["2:7: fd00::/64: a plain"]),
        ("create s hash:ip,port,ip\nadd s 10.0.0.1,80,10.0.0.0/8", ["2:7: 10.0.0.0/8: a plain"]),
        ("create s hash:net,port\nadd s 0.0.0.0/0,80", ["2:7: 0.0.0.0/0: a hash:net,port cannot"]),
        ("create s hash:ip,port\nadd s 10.0.0.1,80 skbmark 1", ["2:7: '1' is not MARK"]),
        ("create s hash:ip counters\nadd s 1.2.3.4 packets x", ["2:7: 'x' is no number"]),
        ("create s hash:ip maxelem x", ["1:26: 'x' is no number"]),
        (
            "create s hash:net,iface\nadd s 10.0.0.0/8,a23456789012345678",
            ["2:7: 'a23456789012345678'"],
        ),
        ("create s bitmap:port", ["1:8: a bitmap:port needs a range"]),
        ("create s bitmap:port range 0-99\nadd s 100", ["2:7: 100 is out of the range"]),
        ("create s bitmap:port range 0-99\nadd s gre:1", ["2:7: 'gre:1' is no port"]),
        ("create s bitmap:ip,mac range 10.0.0.0/24\nadd s 10.0.0.1,5", ["2:7: '5' is no MAC"]),
        ("swap a b\n*filter", ["1:1: expected create or add", "2:1: expected create or add"]),
    ],
)
def test_errors(text: str, expected: list[str]) -> None:
    found = _problems(text)
    assert len(found) == len(expected)
    assert all(one.startswith(start) for one, start in zip(found, expected, strict=True)), found


@pytest.mark.netns
def test_refused_by_the_real_ipset(netns: PrivateNetns) -> None:
    """What is an error here is one there, but for what is written short on purpose."""
    (cases,) = (mark.args[1] for mark in test_errors.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    for text, _ in cases:
        if re.search(r"010\.|10\.1$", text):
            continue
        netns.run(["ipset", "destroy"])
        answer = netns.run(["ipset", "restore"], text + "\n", check=False)
        assert answer.returncode != 0, text


def test_many_problems() -> None:
    found = _problems("x\n" * (MAX_PROBLEMS + 5))
    assert len(found) == MAX_PROBLEMS + 1
    assert "5 more" in found[-1]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipset_save, "MAX_ELEMENTS", 3)
    text = "create s hash:ip\n" + "add s 10.0.0.1\n" * 5
    assert "more than 3 elements" in _problems(text)[0]
    assert "longer than" in _problems("create " + "x" * 20_000)[0]


@pytest.mark.corpus
@pytest.mark.parametrize("path", corpus_files("**/*ipset*"), ids=lambda path: path.name)
def test_corpus(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    created = [line for line in text.splitlines() if line.startswith("create ")]
    assert len(parse_ipset_save(text, path.name)) == len(created)


_TEXT = """add s t 10.0.0.1 10.0.0.0/24 1.2.3.4-1.2.3.9 fd00::1 0.0.0.0 nomatch timeout 0 300
packets bytes 4 -exist comment "a" x 7 # 10.0.0.1/33 10.1.2.0/24 1.2.3.256 ::/0"""
_WORDS = st.sampled_from(_TEXT.split())


@given(st.lists(_WORDS, min_size=1, max_size=8), st.sampled_from([" ", "  ", "\t"]))
@example(["s", "10.0.0.1", "timeout", "300", "packets", "4", "bytes", "4", "nomatch"], " ")
def test_fast_path_reads_as_the_grammar(words: list[str], blank: str) -> None:
    """The regular expression against the grammar, on lines of the fast form and near it."""
    create = "create s hash:net timeout 0\ncreate t hash:ip family inet6\n"
    line = "add " + blank.join(words)
    # A blank at the end keeps a line from the fast path, and means nothing.
    answers: list[object] = []
    for text in (create + line, create + line + " "):
        try:
            answers.append(parse_ipset_save(text, "t"))
        except ParseError as error:
            answers.append([problem.message for problem in error.problems])
    assert answers[0] == answers[1]


@given(st.text(max_size=60))
def test_fuzz(text: str) -> None:
    try:
        parse_ipset_save("create s hash:net\n" + text, "t")
    except ParseError as error:
        assert error.problems
