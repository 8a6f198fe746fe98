# SPDX-License-Identifier: GPL-2.0-only
"""The wording of packets, places, sockets and counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ctlint.finding import InputSummary, LintResult, Location, PacketKind, Role, Severity, Stranded
from ctlint.report.sentence import (
    say_chain,
    say_duration,
    say_facts,
    say_flags,
    say_packet,
    say_packets,
    say_place,
    say_rules,
    say_stranded,
    say_summary,
)
from ctlint.wire.addresses import Family
from tests.unit.report.results import ALLOWED, FIN, LOST_FIN, RST, RST_ACK


@pytest.mark.parametrize(
    ("letters", "names"),
    [
        ("FA", "FIN,ACK"),
        ("AF", "FIN,ACK"),
        ("SFRPAUEC", "SYN,FIN,RST,PSH,ACK,URG,ECE,CWR"),
        ("", "no flags"),
        ("X?", "X?"),
    ],
)
def test_flags(letters: str, names: str) -> None:
    assert say_flags(letters) == names


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (FIN, "FIN,ACK from the client, no entry: INVALID"),
        (PacketKind("A", "reply", "none", "NEW"), "ACK from the server, no entry: NEW"),
        (
            PacketKind("S", "orig", "TIME_WAIT", "NEW"),
            "SYN from the client, entry TIME_WAIT: NEW",
        ),
    ],
)
def test_a_packet(packet: PacketKind, said: str) -> None:
    assert say_packet(packet) == said


def test_packets_that_differ_in_flags_are_said_together() -> None:
    ack = PacketKind("A", "reply", "none", "NEW")
    assert say_packets((RST, ack, RST_ACK)) == [
        "RST or RST,ACK from the client, no entry: INVALID",
        "ACK from the server, no entry: NEW",
    ]


@pytest.mark.parametrize(
    ("location", "chain", "place"),
    [
        (
            Location("f", 1, table="filter", chain="OUTPUT", position=9),
            "filter/OUTPUT",
            "filter/OUTPUT, rule 9",
        ),
        (
            Location("f", 1, table="filter", chain="INPUT"),
            "filter/INPUT",
            "filter/INPUT, policy",
        ),
        (Location("f", 1, table="nat"), "nat", "nat"),
        (Location("sysctl", 1), "", ""),
    ],
)
def test_a_place(location: Location, chain: str, place: str) -> None:
    assert (say_chain(location), say_place(location)) == (chain, place)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (102, "102 s"),
        (300, "300 s"),
        (301, "301 s (5 min)"),
        (3599, "3599 s (60 min)"),
        (7200, "7200 s (2 h)"),
        (9000, "9000 s (2.5 h)"),
        (432000, "432000 s (5 d)"),
    ],
)
def test_a_duration(seconds: int, said: str) -> None:
    assert say_duration(seconds) == said


@pytest.mark.parametrize(
    ("role", "sender", "flags", "stranded", "said"),
    [
        # The FIN of the stranded end itself is lost: its peer never hears of the close.
        (
            Role.CLIENT,
            "orig",
            "FA",
            Stranded("local", "FIN_WAIT_1", 102, 158),
            "local socket: FIN_WAIT_1 for 102 to 158 s; the peer stays ESTABLISHED",
        ),
        (
            Role.SERVER,
            "reply",
            "FA",
            Stranded("local", "FIN_WAIT_1", 102, 158),
            "local socket: FIN_WAIT_1 for 102 to 158 s; the peer stays ESTABLISHED",
        ),
        (
            Role.FORWARD,
            "reply",
            "FPA",
            Stranded("reply", "FIN_WAIT_1", 102, 158),
            "server's socket: FIN_WAIT_1 for 102 to 158 s; the client's socket stays ESTABLISHED",
        ),
        (
            Role.CLIENT,
            "reply",
            "FA",
            Stranded("remote", "FIN_WAIT_1", 102, 158),
            "remote socket: FIN_WAIT_1 for 102 to 158 s; the local socket stays ESTABLISHED",
        ),
        # The peer's ACK is lost: the FIN arrived, so the peer is in CLOSE_WAIT or later.
        (
            Role.CLIENT,
            "reply",
            "A",
            Stranded("local", "FIN_WAIT_1", 102, 158),
            "local socket: FIN_WAIT_1 for 102 to 158 s",
        ),
        # Data is lost, not yet the FIN.
        (
            Role.CLIENT,
            "orig",
            "PA",
            Stranded("local", "FIN_WAIT_1", 102, 158),
            "local socket: FIN_WAIT_1 for 102 to 158 s",
        ),
        # The peer's FIN is lost, not the stranded end's.
        (
            Role.CLIENT,
            "reply",
            "FA",
            Stranded("local", "FIN_WAIT_1", 102, 158),
            "local socket: FIN_WAIT_1 for 102 to 158 s",
        ),
        (
            Role.CLIENT,
            "orig",
            "FA",
            Stranded("local", "LAST_ACK", 102, 158),
            "local socket: LAST_ACK for 102 to 158 s",
        ),
        (
            Role.CLIENT,
            "orig",
            "R",
            Stranded("remote", "ESTABLISHED", None, None),
            "remote socket: ESTABLISHED, and nothing ends it",
        ),
        (
            Role.FORWARD,
            "orig",
            "R",
            Stranded("reply", "ESTABLISHED", 7875, 7875),
            "server's socket: ESTABLISHED for 7875 s (2.2 h)",
        ),
    ],
)
def test_a_stranded_socket(
    role: Role, sender: str, flags: str, stranded: Stranded, said: str
) -> None:
    packet = PacketKind(flags, sender, "none", "INVALID")
    assert say_stranded(replace(LOST_FIN, role=role, packet=packet, stranded=stranded)) == said


def test_no_socket_is_stranded() -> None:
    assert say_stranded(ALLOWED) == ""


def test_the_summary() -> None:
    inputs = (InputSummary("a", Family.IPV4, 24, ("filter",)),)
    mixed = LintResult(
        "6.18",
        inputs,
        (
            *(replace(LOST_FIN, severity=Severity.ERROR),) * 2,
            replace(LOST_FIN, severity=Severity.WARNING),
            *(replace(LOST_FIN, severity=Severity.NOTE),) * 3,
        ),
    )
    assert say_summary(mixed) == ("2 errors, 1 warning, 3 notes in 1 file (24 rules), kernel 6.18")
    both = (*inputs, InputSummary("a", Family.IPV6, 0, ()), InputSummary("b", Family.IPV4, 1, ()))
    assert say_summary(LintResult("rhel7", both, (ALLOWED,))) == (
        "no findings in 2 files (25 rules), kernel rhel7; 1 suppressed"
    )
    assert say_summary(LintResult("6.1", inputs[:0], ())) == (
        "no findings in 0 files (0 rules), kernel 6.1"
    )


def test_what_was_told_of_the_hosts() -> None:
    told = {"half-close": 90, "idle": 600, "keepalive": "off", "offload": False}
    one = InputSummary("a", Family.IPV4, 1, (), {**told, "role": ["client", "router"]})
    said = "half-close=90 s, idle=600 s (10 min), keepalive=off, offload=no, role=client,router"
    assert say_facts(LintResult("6.18", (one, one), ())) == f"told: {said}"
    other = InputSummary("b", Family.IPV4, 1, (), {"offload": True})
    untold = InputSummary("c", Family.IPV4, 1, ())
    of_each = f"told of a: {said}; of b: offload=yes"
    assert say_facts(LintResult("6.18", (one, other, untold), ())) == of_each
    assert say_facts(LintResult("6.18", (untold,), ())) == ""


def test_how_often_each_rule_has_spoken() -> None:
    warning = replace(LOST_FIN, severity=Severity.WARNING)
    other = replace(ALLOWED, suppressed=None)
    result = LintResult("6.18", (), (LOST_FIN, other, warning, warning, ALLOWED))
    assert say_rules(result) == [
        "CT101 output-invalid-drop: 1 error, 2 warnings",
        "CT501 tcp-tw-recycle: 1 warning",
    ]
