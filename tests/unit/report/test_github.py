# SPDX-License-Identifier: GPL-2.0-only
"""Workflow commands arrive as they were meant, and nothing else does.

:func:`_run` is written from what the runner does (actions/runner,
src/Runner.Common/ActionCommand.cs: TryParseV2 and the two Unescape functions).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.finding import (
    Confidence,
    Finding,
    LintResult,
    Location,
    Severity,
    Skipped,
    SkipReason,
    Trouble,
)
from ctlint.report.github import render_github
from tests.unit.report.results import EXAMPLE, HOSTILE, SKIPPED, hostile_result


class Command(NamedTuple):
    """What the runner takes from a line."""

    name: str
    properties: dict[str, str]
    data: str


def _unescape(text: str, codes: dict[str, str]) -> str:
    for code, char in codes.items():
        text = text.replace(code, char)
    return text.replace("%25", "%")


_DATA = {"%0D": "\r", "%0A": "\n"}
_PROPERTY = {**_DATA, "%3A": ":", "%2C": ","}


def _run(output: str) -> list[Command]:
    commands = []
    for line in output.replace("\r", "\n").split("\n"):
        line = line.strip()
        if not line.startswith("::") or "::" not in line[2:]:
            assert line == "", "a line that is no command"
            continue
        head, data = line[2:].split("::", 1)
        name, _, listed = head.partition(" ")
        properties = {}
        for pair in filter(None, listed.split(",")):
            key, value = pair.split("=", 1)
            properties[key] = _unescape(value, _PROPERTY)
        commands.append(Command(name, properties, _unescape(data, _DATA)))
    return commands


def test_a_finding_is_one_line() -> None:
    assert render_github(EXAMPLE) == (
        "::error file=rules.v4,line=37,col=1,endColumn=43,title=CT101 output-invalid-drop::"
        "After 120 s of silence conntrack has forgotten a connection; this rule then drops the "
        "FIN that closes it.%0A"
        "local socket: FIN_WAIT_1 for 102 to 158 s; the peer stays ESTABLISHED%0A"
        "help: Accept INVALID packets that have FIN or RST ahead of this rule.\n"
    )


@pytest.mark.parametrize(
    ("severity", "command"),
    [(Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.NOTE, "notice")],
)
def test_severities(severity: Severity, command: str) -> None:
    finding = Finding("CT1", "n", severity, Confidence.LIKELY, "m", "", Location("a,b:c%d", 3, 2))
    assert render_github(LintResult("6.18", (), (finding,))) == (
        f"::{command} file=a%2Cb%3Ac%25d,line=3,col=2,title=CT1 n::m\n"
    )


def test_inputs_that_are_left_out_are_errors() -> None:
    output = render_github(LintResult("6.18", (), (), skipped=SKIPPED))
    assert output.splitlines()[:2] == [
        "::error file=x/rules.v4,line=3,col=7,title=not looked at::"
        "x/rules.v4:3:7: what is this%0Ax/rules.v4:4:1: and this",
        "::error file=y,title=not looked at::y: no such file",
    ]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_input_that_is_left_out_makes_one_command(text: str) -> None:
    skipped = Skipped(text, SkipReason.UNREADABLE, (Trouble(text, text, 1, 2), Trouble(text)))
    (command,) = _run(render_github(LintResult("6.18", (), (), skipped=(skipped,))))
    assert (command.name, command.properties["line"]) == ("error", "1")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_data(text: str) -> None:
    output = render_github(hostile_result(text))
    assert output.count("\n") == 1
    assert output[:-1].isprintable()
    (command,) = _run(output)
    assert command.name == "error"
    assert list(command.properties) == ["file", "line", "col", "endColumn", "title"]
    assert command.properties["line"] == "7"
    assert command.properties["title"] == "CT101 output-invalid-drop"
    assert command.data.count("\n") == 2


SIGNS = st.lists(
    st.sampled_from(
        [
            *("\n", "\r", "\r\n", "\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", "\udc85"),
            *("::", ":", ",", "=", "%", "%0A", "%0D", "%25", "%3A", "%2C", " ", "##[error]"),
            *("::error::", "::set-output name=a::", "::stop-commands::x", "::add-mask::", "a"),
        ]
    )
).map("".join)


@given(st.text() | SIGNS)
def test_any_text_makes_one_command(text: str) -> None:
    """Whatever ends a line for anybody: for the runner, for Python, for a terminal."""
    output = render_github(hostile_result(text))
    assert output.splitlines() == [output[:-1]]
    assert output[:-1].isprintable()
    (command,) = _run(output)
    assert (command.name, command.properties["col"]) == ("error", "1")
    if text.isprintable():
        assert command.properties["file"] == f"f{text}"
        assert command.data.startswith(f"The chain {text} drops it.\n")
