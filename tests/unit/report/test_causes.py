# SPDX-License-Identifier: GPL-2.0-only
"""What is one cause on several hosts, and how reports tell it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console

from ctlint.finding import (
    AllowedBy,
    Confidence,
    Finding,
    InputSummary,
    LintResult,
    Location,
    Role,
    Severity,
    Skipped,
    Suppressed,
)
from ctlint.report.causes import causes
from ctlint.report.lint_json import json_pieces
from ctlint.report.sarif import render_sarif
from ctlint.report.text import render_text
from ctlint.wire.addresses import Family
from tests.unit.report.results import DROP, LOST_FIN, RULES, SKIPPED


def _printed(result: LintResult, version: str) -> str:
    return "".join(json_pieces(result, version=version))


def _on(host: str, line: int = 37, text: str = DROP) -> Finding:
    where = replace(LOST_FIN.location, file=f"{host}/rules.v4", line=line, text=text)
    return replace(LOST_FIN, location=where, host=host)


def _result(*findings: Finding, skipped: tuple[Skipped, ...] = ()) -> LintResult:
    hosts = dict.fromkeys(finding.host for finding in findings)
    inputs = tuple(
        InputSummary(f"{host}/rules.v4", Family.IPV4, 2, ("filter",), host=host) for host in hosts
    )
    return LintResult("6.18", inputs, findings, skipped=skipped)


def _page(result: LintResult) -> str:
    stream = io.StringIO()
    render_text(result, console=Console(file=stream, width=100, _environ={}))
    return stream.getvalue()


def test_one_rule_on_three_hosts_is_one_cause_wherever_it_stands() -> None:
    found = causes(_result(_on("a"), _on("b", line=5), _on("c")))
    assert [cause.hosts for cause in found] == [("a", "b", "c")]
    assert found[0].lead.host == "a"
    assert found[0].files == ("a/rules.v4", "b/rules.v4", "c/rules.v4")


def test_counters_make_no_other_cause() -> None:
    found = causes(_result(_on("a", text=f"[1:52] {DROP}"), _on("b", text=f"[7:90] {DROP}")))
    assert len(found) == 1


def test_what_differs_in_more_than_its_place_is_another_cause() -> None:
    one = _on("a")
    other = _on("b")
    place = other.location
    why = Suppressed(AllowedBy.CONFIG, "known", "ctlint.toml", 1)
    for different in (
        replace(other, rule="CT102"),
        replace(other, severity=Severity.NOTE),
        replace(other, confidence=Confidence.POSSIBLE),
        replace(other, role=Role.SERVER),
        replace(other, family=Family.IPV6),
        replace(other, message="something else"),
        replace(other, suppressed=why),
        replace(other, location=replace(place, table="raw")),
        replace(other, location=replace(place, chain="INPUT")),
        replace(other, location=replace(place, text="-A OUTPUT -j DROP")),
    ):
        assert len(causes(_result(one, different))) == 2, different


def test_what_stands_twice_on_one_host_is_two_causes() -> None:
    found = causes(_result(_on("a"), _on("a", line=40), _on("b"), _on("b", line=50)))
    assert [[each.location.line for each in cause.findings] for cause in found] == [
        [37, 37],
        [40, 50],
    ]


def test_a_finding_without_a_host_is_told_apart_by_its_file() -> None:
    known = [replace(LOST_FIN, location=Location(file, 1), host="") for file in "aab"]
    assert [cause.hosts for cause in causes(_result(*known))] == [("a", "b"), ("a",)]


def test_a_page_of_several_hosts() -> None:
    hosts = [f"host{number:02}" for number in range(37)]
    page = _page(_result(*map(_on, hosts)))
    assert page.count("error[CT101]") == 1
    assert "   = on 37 hosts: host00, host01, host02 and 34 more\n" in page
    assert page.splitlines()[-1] == (
        "37 errors of 1 cause in 37 files of 37 hosts (74 rules), kernel 6.18"
    )
    assert "what follows" not in page


def test_hosts_that_lose_other_ports_are_told() -> None:
    page = _page(_result(_on("a"), replace(_on("b"), ports=("22",))))
    assert "   = on 2 hosts: a, b\n   = what follows is of: a\n" in page


def test_roles_share_a_block_only_on_the_same_hosts() -> None:
    server = [replace(_on(host), role=Role.SERVER) for host in "ab"]
    both = _page(_result(_on("a"), _on("b"), *server))
    assert both.count("error[CT101]") == 1
    one = _page(_result(_on("a"), _on("b"), *server[:1]))
    assert one.count("error[CT101]") == 2


def test_ten_causes_of_a_rule_are_shown_in_full_whatever_the_number_of_hosts() -> None:
    found = [
        _on(host, line, f"-A OUTPUT -p tcp --dport {line} -j DROP")
        for line in range(1, 13)
        for host in ("a", "b", "c")
    ]
    page = _page(_result(*found))
    assert page.count("on 3 hosts: a, b, c\n") == 10
    assert "  error[CT101] a/rules.v4:11:1 (client, 3 hosts) -A OUTPUT" in page
    assert page.splitlines()[-1].startswith("36 errors of 12 causes in 3 files of 3 hosts")


def test_a_page_says_what_it_leaves_out() -> None:
    page = _page(_result(_on("a"), skipped=SKIPPED))
    assert page.splitlines()[-2] == (
        "left out, as said on standard error: 2 inputs with errors, 1 input with a fault of "
        "ctlint's own"
    )


def test_json_has_hosts_causes_and_what_is_left_out() -> None:
    text = _printed(_result(_on("a"), _on("a", 40), _on("b"), skipped=SKIPPED), version="1")
    printed = json.loads(text)
    assert [(each["host"], each["cause"]) for each in printed["findings"]] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
    ]
    assert printed["causes"] == 2
    assert [each["why"] for each in printed["skipped"]] == ["unreadable", "unreadable", "fault"]
    assert printed["skipped"][0]["errors"] == [
        {
            "message": "what is this",
            "file": "x/rules.v4",
            "line": 3,
            "column": 7,
            "hint": "leave it out",
        },
        {"message": "and this", "file": "x/rules.v4", "line": 4, "column": 1, "hint": None},
    ]
    assert printed["skipped"][1]["errors"][0]["file"] is None


def test_sarif_says_that_the_run_is_not_whole() -> None:
    log = json.loads(render_sarif(_result(skipped=SKIPPED), version="1", rules=RULES))
    (invocation,) = log["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    notes = invocation["toolExecutionNotifications"]
    assert [note["level"] for note in notes] == ["error"] * 3
    assert notes[0]["message"]["text"] == (
        "Not looked at: x\nx/rules.v4:3:7: what is this\nand 1 more"
    )
    where = notes[0]["locations"][0]["physicalLocation"]
    assert where == {
        "artifactLocation": {"uri": "x/rules.v4"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert "locations" not in notes[1]
