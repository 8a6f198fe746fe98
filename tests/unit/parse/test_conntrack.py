# SPDX-License-Identifier: GPL-2.0-only
"""What conntrack and the kernel print of entries. The lines are those of conntrack-tools 1.4.7 and
of Linux 6.18, and older ones as libnetfilter_conntrack and the kernel of their time print them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.ir.evidence import EntryLine, EntryTuple
from ctlint.parse.conntrack import parse_conntrack
from ctlint.parse.errors import ParseError
from ctlint.wire.addresses import Family, parse_ipv6
from tests.corpus import corpus_files

_A, _B, _C = 0x0A000001, 0x0A000002, 0xCB007101
_PLAIN = "src=10.0.0.1 dst=10.0.0.2 sport=5000 dport=80"
_BACK = "src=10.0.0.2 dst=10.0.0.1 sport=80 dport=5000"


def _one(line: str) -> EntryLine:
    (found,) = parse_conntrack(line + "\n", "t")
    return found


@pytest.mark.parametrize("head", ["", "ipv4     2 "])
@pytest.mark.parametrize("counters", ["", " packets=7 bytes=364"])
def test_usual_entry(head: str, counters: str) -> None:
    entry = _one(
        f"{head}tcp      6 431999 ESTABLISHED {_PLAIN}{counters} {_BACK}{counters} [ASSURED] "
        "mark=0 zone=0 use=2"
    )
    assert entry == EntryLine(
        Family.IPV4,
        6,
        431_999,
        "ESTABLISHED",
        EntryTuple(_A, _B, 5000, 80),
        EntryTuple(_B, _A, 80, 5000),
        frozenset({"ASSURED"}),
        "mark=0 zone=0 use=2",
        1,
    )


def test_unreplied_and_translated() -> None:
    entry = _one(
        "tcp      6 118 SYN_SENT src=10.0.0.1 dst=203.0.113.1 sport=5000 dport=80 [UNREPLIED] "
        "src=10.0.0.2 dst=10.0.0.9 sport=8080 dport=61000 mark=0 use=1"
    )
    assert entry.flags == {"UNREPLIED"}
    assert entry.original == EntryTuple(_A, _C, 5000, 80)
    assert entry.reply == EntryTuple(_B, 0x0A000009, 8080, 61000)


def test_entry_of_a_flowtable_has_no_seconds() -> None:
    entry = _one(f"tcp      6 {_PLAIN} {_BACK} [OFFLOAD] mark=0 use=2")
    assert (entry.seconds, entry.state) == (None, "")
    assert entry.flags == {"OFFLOAD"}


def test_other_protocols() -> None:
    icmp = _one(
        "icmp     1 28 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=3059 src=10.0.0.2 dst=10.0.0.1 "
        "type=0 code=0 id=3059 mark=0 use=1"
    )
    assert (icmp.protocol, icmp.original) == (1, EntryTuple(_A, _B, None, None))
    generic = _one("unknown  2 597 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2 dst=10.0.0.1 use=1")
    assert (generic.protocol, generic.seconds) == (2, 597)
    six = _one(
        "ipv6     10 tcp      6 60 CLOSE_WAIT src=fd00::1 dst=fd00::2 sport=1 dport=2 src=fd00::2 "
        "dst=fd00::1 sport=2 dport=1 [ASSURED] helper=ftp use=1"
    )
    assert six.family is Family.IPV6
    assert six.original.saddr == parse_ipv6("fd00::1")
    assert six.words == "helper=ftp use=1"


def test_what_the_program_says_of_itself_is_no_entry() -> None:
    text = "conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n"
    assert parse_conntrack(text, "t") == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("hello", "1:1: expected a protocol such as tcp, found 'hello'"),
        (f"tcp 6 5 CLOSE {_PLAIN}", "1:1: expected src= and dst= of both directions"),
        (
            "tcp 6 5 CLOSE src=10.0.0.300 dst=1.2.3.4 src=1.2.3.4 dst=1.2.3.4",
            "1:19: not an IP address: '10.0.0.300'",
        ),
        (f"tcp 6 5 CLOSE {_PLAIN}00000 {_BACK}", "1:58: not a port: '8000000'"),
        (f"foo 999 5 CLOSE {_PLAIN} {_BACK}", "1:1: there is no protocol 999"),
    ],
)
def test_problems(line: str, problem: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_conntrack(line, "t")
    (found,) = caught.value.problems
    assert f"{found.span.line}:{found.span.column}: {found.message}" == problem


@pytest.mark.corpus
@pytest.mark.parametrize(
    "path", corpus_files("generated/*/conntrack-L.txt"), ids=lambda p: p.parent.name
)
def test_corpus(path: Path) -> None:
    text = path.read_text()
    found = parse_conntrack(text, str(path))
    assert len(found) == len(
        [line for line in text.splitlines() if not line.startswith("conntrack")]
    )
    assert all(entry.original.saddr and entry.reply.saddr for entry in found)
