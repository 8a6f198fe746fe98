# SPDX-License-Identifier: GPL-2.0-only
"""Permissions as a user writes them: docs/suppression.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import ctlint

HOSTILE = "x \x1b[31m[bold]\u202e ::error::y"
HEAD = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
"""
RULES = f"""{HEAD}# ctlint: allow CT102 because {HOSTILE}
-A INPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
"""


def test_what_is_allowed_does_not_fail(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(RULES, encoding="utf-8")
    done = ctlint(["lint", "r", "--fail-on", "note"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("no findings in 1 file (2 rules), kernel ")
    # Client, server, loopback.
    assert done.stdout.endswith("; 3 suppressed\n")
    other = RULES.replace("CT102", "CT108")
    assert ctlint(["lint", "-", "--fail-on", "note"], other).returncode == 1


@pytest.mark.parametrize("form", ["text", "concise", "github"])
def test_a_reason_cannot_speak_for_ctlint(form: str) -> None:
    done = ctlint(["lint", "-", "--format", form, "--show-suppressed"], RULES, COLUMNS="500")
    assert done.returncode == 0
    assert not {"\x1b", "\u202e"} & set(done.stdout)
    assert not any(line.startswith("::") for line in done.stdout.splitlines())
    shown = r"x \x1b[31m[bold]\u202e ::error::y (the comment at -:6)"
    assert (shown in done.stdout) is (form != "github")


def test_reports_for_programs_hold_what_is_allowed() -> None:
    found = json.loads(ctlint(["lint", "-", "--format", "json"], RULES).stdout)
    assert {finding["rule"] for finding in found["findings"]} == {"CT102"}
    for finding in found["findings"]:
        where = {"kind": "comment", "file": "-", "line": 6}
        assert finding["suppressed"] == {"where": where, "reason": HOSTILE}
    assert found["summary"] == {"error": 0, "warning": 0, "note": 0, "suppressed": 3}


def test_permissions_that_are_not_as_they_should_be() -> None:
    said = "# ctlint: allow CT102\n# ctlint: allow output-invalid-dorp because x\n# ctlint: hi\n"
    rules = f"{HEAD}{said}-A INPUT -j ACCEPT\nCOMMIT\n"
    done = ctlint(["lint", "-", "--format", "concise", "--select", "CT9"], rules)
    assert done.returncode == 1
    assert [line.split(" ")[:3] for line in done.stdout.splitlines()] == [
        ["-:6:1:", "warning", "CT901"],
        ["-:7:1:", "warning", "CT902"],
        ["-:8:1:", "warning", "CT904"],
    ]
    done = ctlint(["lint", "-", "--select", "CT902"], rules)
    assert "did you mean output-invalid-drop?" in done.stdout
