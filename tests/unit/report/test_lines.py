# SPDX-License-Identifier: GPL-2.0-only
"""The formats of one line each: concise findings, and problems on standard error."""

from __future__ import annotations

import io

import pytest

from ctlint.ir.span import Span
from ctlint.parse.errors import Problem
from ctlint.report.caret import print_marked
from ctlint.report.concise import render_concise
from tests.unit.report.results import EXAMPLE, HOSTILE, hostile_result


def _printed(problem: Problem, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="\n")
    print_marked([problem], {}, stream)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_a_concise_finding() -> None:
    assert render_concise(EXAMPLE) == (
        "rules.v4:37:1: error CT101 After 120 s of silence conntrack has forgotten a connection; "
        "this rule then drops the FIN that closes it. [client]\n"
    )


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_concise_finding_is_one_line(text: str) -> None:
    output = render_concise(hostile_result(text))
    assert len(output.splitlines()) == 1
    assert output[:-1].isprintable()
    assert output.endswith(" [forward]\n")


def test_problems() -> None:
    stream = io.StringIO()
    print_marked(
        [
            Problem(Span("rules.v4", 3, 10), "unknown option --dprot", "did you mean --dport?"),
            Problem(Span("rules.v4", 9), "COMMIT is missing"),
        ],
        {},
        stream,
    )
    assert stream.getvalue() == (
        "rules.v4:3:10: unknown option --dprot\n"
        "  hint: did you mean --dport?\n"
        "rules.v4:9:1: COMMIT is missing\n"
    )


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_problem_is_one_line_and_its_hint_another(text: str) -> None:
    printed = _printed(Problem(Span(f"f{text}", 1), f"no table {text}", f"not {text}"))
    assert len(printed.splitlines()) == 2
    assert printed.replace("\n", "").isprintable()
    assert printed.splitlines()[1].startswith("  hint: not ")


def test_a_problem_on_a_stream_that_is_not_utf_8() -> None:
    assert _printed(Problem(Span("büro", 1), "no table ä漢"), "iso-8859-1") == (
        "büro:1:1: no table ä\\u6f22\n"
    )
    assert _printed(Problem(Span("büro", 1), "x"), "ascii") == "b\\xfcro:1:1: x\n"
