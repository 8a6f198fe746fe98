# SPDX-License-Identifier: GPL-2.0-only
"""What reports for people say of findings at one place."""

from __future__ import annotations

from dataclasses import replace

from ctlint.finding import LintResult, Location, Role, Skipped, SkipReason, Trouble, Undecided
from ctlint.report.causes import Cause
from ctlint.report.places import (
    PLACES_SHOWN,
    UNDECIDED_SHOWN,
    Item,
    hosts_of,
    known_of,
    losses_of,
    remedies_of,
    say_allowed,
    say_left_out,
    say_undecided,
    split_code,
    split_messages,
)
from tests.unit.report.results import ALLOWED, LOST_FIN, RST

SERVER = replace(LOST_FIN, role=Role.SERVER)


def test_what_all_messages_end_with_is_said_once() -> None:
    assert split_messages(["a; b; c", "d; b; c"]) == (["a", "d"], "b; c")
    assert split_messages(["a; b", "a; b"]) == (["a", "a"], "b")
    assert split_messages(["a; b"]) == (["a; b"], "")


def test_code_in_sentences() -> None:
    assert split_code("a `b` c") == [("a ", False), ("b", True), (" c", False)]
    assert split_code("a `b c") == [("a `b c", False)]


def test_what_is_suppressed() -> None:
    server = replace(ALLOWED, role=Role.SERVER)
    why = "no clients behind NAT (the comment at sysctl:2)"
    assert say_allowed([LOST_FIN, ALLOWED, server]) == [
        f"warning CT501 sysctl:3:1: {why}",
        f"warning CT501 sysctl:3:1 (server): {why}",
    ]


def test_what_is_known() -> None:
    assert known_of([LOST_FIN, SERVER]) == ["certain", "client", "server", "IPv4"]
    assert known_of([ALLOWED]) == ["likely"]


def test_losses() -> None:
    assert [item.label for item in losses_of(LOST_FIN)] == [
        *("packet", "also lost", "stranded", "ports"),
    ]
    assert losses_of(ALLOWED) == []
    # What is INVALID never comes to the table nat.
    in_nat = replace(LOST_FIN, packets=(), location=Location("f", 1, table="nat", chain="OUTPUT"))
    assert losses_of(in_nat)[0] == Item("packet", "FIN,ACK from the client, no entry: INVALID")
    new = replace(in_nat, packet=replace(RST, ctstate="NEW"))
    assert losses_of(new)[0].text == "RST from the client, no entry: NEW in nat/OUTPUT"


def test_remedies_name_roles_where_they_differ() -> None:
    assert remedies_of([LOST_FIN, SERVER]) == [Item("help", LOST_FIN.remedy)]
    other = replace(SERVER, remedy="Else.")
    assert remedies_of([LOST_FIN, other]) == [
        Item("help (client)", LOST_FIN.remedy),
        Item("help (server)", "Else."),
    ]


def test_hosts_of_one_cause() -> None:
    hosts = [replace(LOST_FIN, host=f"h{n}", location=Location(f"h{n}/r", n)) for n in range(5)]
    assert hosts_of([Cause((hosts[0],))]) == []
    assert hosts_of([Cause(tuple(hosts))]) == [Item("on 5 hosts", "h0, h1, h2 and 2 more")]
    hosts[3] = replace(hosts[3], ports=("1",))
    assert hosts_of([Cause(tuple(hosts))])[1:] == [Item("what follows is of", "h0")]


def test_what_is_left_out() -> None:
    bad = Skipped(
        "h1/r", SkipReason.UNREADABLE, (Trouble("unknown option", "h1/r", 3, 4), Trouble("other"))
    )
    gone = Skipped("h2", SkipReason.UNREADABLE, (Trouble("No such file"),))
    assert say_left_out(LintResult("6.18", (), (), skipped=(bad, gone))) == [
        "h1/r:3:4: unknown option; and 1 more",
        "h2: No such file",
    ]


def test_undecided_matches_are_told_once_with_their_places() -> None:
    same = [Undecided(Location("f", line), "-m x", "why") for line in range(1, PLACES_SHOWN + 3)]
    whole = Undecided(Location("g", 9), "", "too large")
    assert say_undecided([*same, whole]) == [
        "-m x: why (f:1, f:2, f:3 and 2 more)",
        "too large (g:9)",
    ]
    many = [Undecided(Location("f", n), f"-m x{n}", "why") for n in range(UNDECIDED_SHOWN + 4)]
    assert say_undecided(many)[UNDECIDED_SHOWN:] == ["and 4 more kinds"]
