# SPDX-License-Identifier: GPL-2.0-only
"""Witnesses as ladders. What conntrack and rules do with their packets is held elsewhere; here
stands which of it is drawn.
"""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.finding import Witness
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.report.ladder import Row, RowKind
from ctlint.report.ladder_text import plain_ladder
from ctlint.report.witness_ladder import MOST_STEPS, say_stage, witness_ladder
from tests.rules.pages import example

DROP = "*filter\n:FORWARD ACCEPT\n-A FORWARD -m conntrack --ctstate INVALID -j {}\nCOMMIT\n"
HANDSHAKE: list[dict[str, Any]] = [
    {"dir": "orig", "flags": "S", "seq": 4294967295},
    {"dir": "reply", "flags": "SA", "seq": 70, "ack": 0},
    {"dir": "orig", "flags": "A", "seq": 0, "ack": 71},
]
FIN = {"dir": "orig", "flags": "FA", "seq": 0, "ack": 71, "expire": True}


def rows(packets: list[dict[str, Any]], **more: Any) -> list[Row]:
    ladder = witness_ladder(Witness({"kernel": "6.1", "packets": packets, **more}, ()))
    assert ladder is not None
    return [*ladder.rows]


def words(packets: list[dict[str, Any]], **more: Any) -> list[str]:
    return [row.words for row in rows(packets, **more)]


def test_a_close_after_expiry() -> None:
    ladder = witness_ladder(
        Witness({"kernel": "6.1", "ruleset": DROP.format("DROP"), "packets": [*HANDSHAKE, FIN]}, ())
    )
    assert ladder is not None
    assert (ladder.client, ladder.server) == ("10.1.0.2:40000", "10.2.0.2:80")
    assert say_stage(ladder) == "kernel 6.1; routed from eth0 to eth1"
    assert plain_ladder(ladder.rows, 60) == [
        "│ SYN 0 ─── NEW ─────────────────────────────────────────────▶ │",
        "│ ◀─────────────────────────────── ESTABLISHED ─── SYN,ACK 0:1 │",
        "│ ACK 1:1 ─── ESTABLISHED ───────────────────────────────────▶ │",
        "⋮      432000 s (5 d) of silence: the entry is forgotten       ⋮",
        "│ FIN,ACK 1:1 ─── INVALID ───────✗ dropped by filter/FORWARD#1 │",
    ]


def test_what_the_box_answers_is_a_packet_of_its_own() -> None:
    reject = DROP.format("REJECT --reject-with tcp-reset").replace(
        "INVALID -j", "INVALID -p tcp -j"
    )
    lost, answer = rows([*HANDSHAKE, FIN], ruleset=reject)[-2:]
    assert lost.end == "rejected by filter/FORWARD#1"
    assert (answer.is_boxs, answer.to_server, answer.words) == (True, False, "RST")


def test_translation_is_told_and_its_absence() -> None:
    nat = (
        "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.1\nCOMMIT\n"
    )
    told = words([*HANDSHAKE, FIN], ruleset=nat)
    assert told == [
        "SYN 0",
        "leaves as 192.0.2.1:40000 > 10.2.0.2:80",
        "SYN,ACK 0:1",
        "ACK 1:1",
        "leaves as 192.0.2.1:40000 > 10.2.0.2:80",
        "432000 s (5 d) of silence: the entry is forgotten",
        "FIN,ACK 1:1",
        "leaves untranslated: 10.1.0.2:40000 > 10.2.0.2:80",
    ]


def test_operations_and_other_protocols() -> None:
    assert words(
        [
            {"op": "sysctl", "sysctls": {"tcp_loose": 0}},
            {"dir": "orig", "proto": "udp", "len": 5},
            {"op": "wait", "dt": 20},
            {"op": "flush"},
            {"op": "expire"},
            {"dir": "orig", "proto": "icmp"},
            {"dir": "orig", "flags": "A", "seq": 1, "ack": 1, "sport": 7, "dt": 1.5},
        ]
    ) == [
        "sysctl tcp_loose=0",
        "UDP (5)",
        "20 s of silence",
        "all entries are deleted",
        "silence: the entry is forgotten",
        "ICMP 8/0",
        "1.5 s of silence",
        "ACK 0:0 from 10.1.0.2:7",
    ]


def test_what_is_no_picture() -> None:
    ack = {"dir": "orig", "flags": "A", "seq": 1, "ack": 1}
    assert len(rows([ack] * MOST_STEPS)) == MOST_STEPS
    assert witness_ladder(Witness({"packets": [ack] * (MOST_STEPS + 1)}, ())) is None
    assert witness_ladder(Witness({"packets": [{"dir": "up"}]}, ())) is None
    assert witness_ladder(Witness({"ruleset": "no rules", "packets": [ack]}, ())) is None


@pytest.mark.parametrize(
    "info", [each for each in shipped_rules() if each.check], ids=lambda i: i.id
)
def test_witnesses_of_the_rules_can_be_drawn(info: Any) -> None:
    """The packet that a finding is about is lost in its picture, or leaves as it should not."""
    bad = example(info, "Bad")
    host = Host(bad.rulesets(), bad.sysctls(), None, bad.told, texts=bad.texts())
    for finding in lint([host], bad.kernel, (info,)).findings:
        if finding.witness is None:
            continue
        ladder = witness_ladder(finding.witness)
        assert ladder is not None
        last = [row for row in ladder.rows if row.kind is RowKind.PACKET and not row.is_boxs][-1]
        if {one.get("delivered") for one in finding.witness.expect} == {False}:
            assert last.is_lost
