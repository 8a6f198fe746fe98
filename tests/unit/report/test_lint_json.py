# SPDX-License-Identifier: GPL-2.0-only
"""The JSON of a run is the contract of docs/json.md, to the order of its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from ctlint.finding import (
    Confidence,
    Finding,
    LintResult,
    Location,
    PacketKind,
    Severity,
    Witness,
)
from ctlint.report.lint_json import json_pieces, packet_as_json
from tests.corpus import REPOSITORY
from tests.unit.report.results import EXAMPLE, HOSTILE, hostile_result


def _printed(result: LintResult, version: str) -> str:
    return "".join(json_pieces(result, version=version))


def _documented() -> object:
    page = (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return json.loads(blocks[0])


def test_the_documented_example_is_what_is_printed() -> None:
    printed = json.loads(_printed(EXAMPLE, version="0.1.0"))
    # As text, so that the order of the keys counts.
    assert json.dumps(printed, indent=1) == json.dumps(_documented(), indent=1)


def test_an_empty_result() -> None:
    assert _printed(LintResult("5.10", (), ()), version="1.2.3") == (
        "{\n"
        '  "version": 1,\n'
        '  "tool": {\n'
        '    "name": "ctlint",\n'
        '    "version": "1.2.3"\n'
        "  },\n"
        '  "kernel": "5.10",\n'
        '  "config": null,\n'
        '  "inputs": [],\n'
        '  "findings": [],\n'
        '  "undecided": [],\n'
        '  "summary": {\n'
        '    "error": 0,\n'
        '    "warning": 0,\n'
        '    "note": 0,\n'
        '    "suppressed": 0\n'
        "  },\n"
        '  "causes": 0,\n'
        '  "baseline": null,\n'
        '  "skipped": []\n'
        "}\n"
    )


def test_a_socket_that_nothing_ends_has_no_seconds() -> None:
    printed = json.loads(_printed(hostile_result("x"), version="1"))
    assert printed["findings"][0]["stranded"] == {
        "end": "orig",
        "state": "FIN_WAIT_1",
        "seconds": None,
        "at_most": None,
    }
    assert printed["inputs"][0]["family"] == "ipv6"


def _witnessed(scenario: Mapping[str, object]) -> LintResult:
    """One finding, of no more than it must say, and its witness."""
    finding = Finding(
        "CT101",
        "n",
        Severity.NOTE,
        Confidence.CERTAIN,
        "m",
        "r",
        Location("f", 1),
        witness=Witness(scenario, ()),
    )
    return LintResult("6.18", (), (finding,))


def test_a_witness_may_be_made_of_any_mappings_and_sequences() -> None:
    scenario = MappingProxyType({"sysctls": MappingProxyType({"tcp_loose": 0}), "packets": ({},)})
    printed = json.loads(_printed(_witnessed(scenario), version="1"))
    assert printed["findings"][0]["witness"] == {
        "scenario": {"sysctls": {"tcp_loose": 0}, "packets": [{}]},
        "expect": [],
    }


def test_what_json_has_not_is_our_fault() -> None:
    with pytest.raises(TypeError, match="no JSON for set"):
        _printed(_witnessed({"sysctls": {1, 2}}), version="1")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    rendered = _printed(hostile_result(text), version="1")
    assert rendered.isascii()
    assert {char for char in rendered if not char.isprintable()} == {"\n"}
    finding, allowed = json.loads(rendered)["findings"]
    assert finding["location"]["text"] == f"-A {text}"
    assert finding["related"][0]["message"] == text
    assert finding["ports"] == [text]
    assert finding["witness"]["scenario"] == {"name": text, "ruleset": text}
    assert allowed["suppressed"] == {
        "where": {"kind": "rule", "file": f"f{text}", "line": 7},
        "reason": text,
    }


def test_a_packet() -> None:
    assert list(packet_as_json(PacketKind("FA", "orig", "none", "INVALID")).items()) == [
        ("flags", "FA"),
        ("dir", "orig"),
        ("entry", "none"),
        ("ctstate", "INVALID"),
    ]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_text_is_what_json_writes_of_the_whole(text: str) -> None:
    result = hostile_result(text)
    printed = _printed(replace(result, findings=result.findings * 3), version=text)
    assert json.dumps(json.loads(printed), indent=2) + "\n" == printed


def test_long_rules_of_many_witnesses_are_handed_on_one_by_one() -> None:
    rules = "-A INPUT -j DROP\n" * 10_000
    one = _witnessed({"ruleset": rules, "name": "é\n"})
    result = replace(one, findings=one.findings * 20)
    pieces = list(json_pieces(result, version="1"))
    printed = "".join(pieces)
    assert len(printed) > 20 * len(rules)
    assert max(map(len, pieces)) < 1.2 * len(rules)
    assert json.dumps(json.loads(printed), indent=2) + "\n" == printed
