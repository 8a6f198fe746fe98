# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML and GitLab Code Quality reports.

No package ships a schema of either. junit.xsd beside this file is ours, written from what Jenkins'
own says (xunit-plugin, junit-10.xsd) and from GitLab's page "Unit test reports". CODE_QUALITY is
written from GitLab's page "Code Quality", section "Code Quality report format".
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema

from ctlint.finding import (
    InputSummary,
    LintResult,
    Location,
    Severity,
    Skipped,
    SkipReason,
    Trouble,
)
from ctlint.report.gitlab import render_gitlab
from ctlint.report.junit import render_junit
from ctlint.wire.addresses import Family
from tests.unit.report.results import DROP, EXAMPLE, HOSTILE, LOST_FIN, SKIPPED, hostile_result


def test_junit() -> None:
    assert render_junit(EXAMPLE) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<testsuites name="ctlint" tests="2" failures="1" errors="0">\n'
        '<testsuite name="rules.v4" tests="1" failures="1" errors="0" skipped="0"'
        ' file="rules.v4">\n'
        '<testcase name="CT101 output-invalid-drop: filter/OUTPUT, rule 9 [client]"'
        ' classname="rules.v4">\n'
        '<failure type="error" message="After 120 s of silence conntrack has forgotten a'
        ' connection; this rule then drops the FIN that closes it.">'
        "rules.v4:37:1: After 120 s of silence conntrack has forgotten a connection; this rule"
        " then drops the FIN that closes it.\n"
        f"{DROP}\n"
        "local socket: FIN_WAIT_1 for 102 to 158 s; the peer stays ESTABLISHED\n"
        "help: Accept INVALID packets that have FIN or RST ahead of this rule.</failure>\n"
        "</testcase>\n"
        "</testsuite>\n"
        '<testsuite name="sysctl" tests="1" failures="0" errors="0" skipped="1" file="sysctl">\n'
        '<testcase name="CT501 tcp-tw-recycle: line 3" classname="sysctl">\n'
        '<skipped message="no clients behind NAT">no clients behind NAT</skipped>\n'
        "</testcase>\n"
        "</testsuite>\n"
        "</testsuites>\n"
    )


def test_junit_of_a_clean_file_and_of_a_note() -> None:
    note = replace(LOST_FIN, severity=Severity.NOTE, location=Location("b", 1))
    inputs = tuple(InputSummary(file, Family.IPV4, 1, ()) for file in "ab")
    root = ET.fromstring(render_junit(LintResult("6.18", inputs, (note,))))
    assert root.attrib == {
        "name": "ctlint",
        "tests": "2",
        "failures": "0",
        "errors": "0",
    }
    assert [case.attrib["name"] for case in root.iter("testcase")] == [
        "no findings",
        "CT101 output-invalid-drop: line 1 [client]",
    ]
    assert [child.tag for case in root.iter("testcase") for child in case] == ["system-out"]


def test_cases_of_one_name_are_told_apart() -> None:
    """GitLab takes the first case of each name alone ("File requirements")."""
    root = ET.fromstring(render_junit(LintResult("6.18", (), (LOST_FIN, LOST_FIN, LOST_FIN))))
    names = [case.attrib["name"] for case in root.iter("testcase")]
    first = "CT101 output-invalid-drop: filter/OUTPUT, rule 9 [client]"
    assert names == [first, f"{first} (2)", f"{first} (3)"]


_HOSTILE_SKIPPED = Skipped(
    "".join(HOSTILE.values()),
    SkipReason.UNREADABLE,
    tuple(Trouble(text, f"./{text}", 3, 4) for text in HOSTILE.values()),
)
RESULTS = [
    EXAMPLE,
    LintResult("6.18", (), ()),
    replace(EXAMPLE, skipped=SKIPPED),
    LintResult("6.18", (), (), skipped=(_HOSTILE_SKIPPED,)),
    *(hostile_result(text) for text in HOSTILE.values()),
]
RESULT_IDS = ["example", "empty", "left out", "hostile left out", *HOSTILE]


@pytest.fixture(scope="module")
def junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


@pytest.mark.parametrize("result", RESULTS, ids=RESULT_IDS)
def test_the_schema_accepts_junit(junit_schema: xmlschema.XMLSchema, result: LintResult) -> None:
    junit_schema.validate(render_junit(result))


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ("<testsuites ", '<testsuites skipped="1" '),
        ('classname="rules.v4"', 'classname="rules.v4" line="3"'),
        ('failures="1"', 'failures="some"'),
        ("<testsuite ", "<suite "),
        ("<failure ", "<finding "),
    ],
)
def test_the_schema_can_refuse(junit_schema: xmlschema.XMLSchema, given: str, other: str) -> None:
    text = render_junit(EXAMPLE)
    assert given in text
    changed = text.replace(given, other)
    if given.startswith("<") and given != "<testsuites ":
        changed = changed.replace(f"</{given[1:-1]}>", f"</{other[1:-1]}>")
    assert not junit_schema.is_valid(changed)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_junit(text: str) -> None:
    output = render_junit(hostile_result(text))
    assert output.isascii()
    root = ET.fromstring(output)
    (suite,) = root
    tags = [element.tag for element in suite.iter()]
    assert tags == ["testsuite", "testcase", "failure", "testcase", "skipped"]
    message = suite[0][0].attrib["message"]
    assert message.isprintable()
    if text.isprintable():
        assert message == f"The chain {text} drops it."


CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    # relative, and not prefixed with ./
                    "path": {"type": "string", "pattern": r"^(?!\./)"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize("result", RESULTS, ids=RESULT_IDS)
def test_the_schema_accepts_code_quality(result: LintResult) -> None:
    entries = json.loads(render_gitlab(result))
    validator = jsonschema.Draft7Validator(CODE_QUALITY)
    assert [error.message for error in validator.iter_errors(entries)] == []
    for entry in entries:
        entry["severity"] = "error"
    assert len(list(validator.iter_errors(entries))) == len(entries)


def test_gitlab() -> None:
    (entry,) = json.loads(render_gitlab(EXAMPLE))
    assert len(entry.pop("fingerprint")) == 32
    assert entry == {
        "description": "After 120 s of silence conntrack has forgotten a connection; this rule "
        "then drops the FIN that closes it. [client]",
        "check_name": "CT101",
        "severity": "critical",
        "location": {"path": "rules.v4", "lines": {"begin": 37}},
    }


def test_gitlab_fingerprints_differ() -> None:
    """The same rule twice in a file, and in another file: GitLab would show one of them."""
    other = replace(LOST_FIN, location=replace(LOST_FIN.location, line=38))
    third = replace(LOST_FIN, location=replace(LOST_FIN.location, file="./host/rules"))
    entries = json.loads(render_gitlab(LintResult("6.18", (), (LOST_FIN, other, third))))
    assert len({entry["fingerprint"] for entry in entries}) == 3
    assert entries[2]["location"]["path"] == "host/rules"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_gitlab(text: str) -> None:
    output = render_gitlab(hostile_result(text))
    assert output.isascii()
    (entry,) = json.loads(output)
    assert entry["description"].isprintable()
    assert entry["location"]["path"].isprintable()


def test_inputs_that_are_left_out_are_errors() -> None:
    root = ET.fromstring(render_junit(LintResult("6.18", (), (), skipped=SKIPPED)))
    assert (root.attrib["tests"], root.attrib["errors"], root.attrib["failures"]) == ("3", "3", "0")
    assert [suite.attrib["name"] for suite in root] == ["x", "y", "z"]
    first = root[0][0][0]
    assert (first.tag, first.attrib["type"]) == ("error", "unreadable")
    assert first.text == "x/rules.v4:3:7: what is this\nx/rules.v4:4:1: and this"
    assert root[2][0][0].attrib["type"] == "fault"


def test_inputs_that_are_left_out_block() -> None:
    entries = json.loads(render_gitlab(LintResult("6.18", (), (LOST_FIN,), skipped=SKIPPED)))
    assert [entry["severity"] for entry in entries] == ["blocker"] * 3 + ["critical"]
    assert entries[0]["location"] == {"path": "x/rules.v4", "lines": {"begin": 3}}
    assert entries[1]["location"] == {"path": "y", "lines": {"begin": 1}}
    assert entries[0]["description"] == "not looked at: x/rules.v4:3:7: what is this"
    assert len({entry["fingerprint"] for entry in entries}) == 4
