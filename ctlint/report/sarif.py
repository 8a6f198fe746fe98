# SPDX-License-Identifier: GPL-2.0-only
"""Findings as SARIF 2.1.0, for code scanning services and editors.

Only what ctlint has to say is written. Section numbers are those of the OASIS standard "Static
Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01". What code scanning asks
beyond stands in GitHub Docs, "SARIF support for code scanning". Its fingerprint, the
``primaryLocationLineHash``, is left to its own upload action: that warns of each which is not its
own (github/codeql-action, src/fingerprints.ts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote

from ctlint.finding import (
    AllowedBy,
    Edit,
    Finding,
    Fix,
    LintResult,
    Location,
    Severity,
    Skipped,
    Suppressed,
    Undecided,
)
from ctlint.report.escape import visible
from ctlint.report.lint_json import packet_as_json, stranded_json

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FINGERPRINT = "ctlint/v1"
"""Name of the partial fingerprint; it changes when the way of making it does (3.27.17)."""

MOST_RESULTS = 25_000
"""Code scanning refuses a run with more, and shows 5,000."""

MOST_LOCATIONS = 100
"""Code scanning takes no more of one result."""

MOST_IN_WITNESSES = 20_000_000
"""Characters of the rule sets of all witnesses in a log: code scanning takes 10 MB, compressed."""

_LINKED = 4
"""So many related places are linked in a message."""

_DESCRIPTION = 1_000
"""Characters of a full description that code scanning takes."""

_BRACKETS = re.compile(r"[\[\]\\]")
_PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}
_EXTERNAL = (AllowedBy.CONFIG, AllowedBy.BASELINE)
_TAGS = {
    "CT1": "close-after-expiry",
    "CT2": "timeout",
    "CT3": "invalid",
    "CT4": "rule-structure",
    "CT5": "tcp-sysctl",
    "CT9": "input",
}


class RuleMetadata(Protocol):
    """What a lint rule says of itself. ``sections`` are its page: headings with their Markdown."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def summary(self) -> str: ...
    @property
    def sections(self) -> Mapping[str, str]: ...


def render_sarif(result: LintResult, *, version: str, rules: Sequence[RuleMetadata]) -> str:
    """The result as one SARIF log with a final newline; the text is ASCII.

    ``version`` is that of ctlint, ``rules`` are those that ran. Suppressed findings are results
    with a suppression; what was not decided is a notification of the run, and so are inputs that
    were not looked at, and how many results are left out. Those that matter most come first.
    """
    index = {rule.id: number for number, rule in enumerate(rules)}
    findings = result.findings[:MOST_RESULTS]
    notifications = [_say_skipped(skipped) for skipped in result.skipped]
    notifications += [_notification(what) for what in result.undecided]
    if len(findings) < len(result.findings):
        notifications.append(_say_left_out(len(result.findings) - len(findings)))
    witnesses = _Witnesses()
    run = {
        "tool": {
            "driver": {
                "name": "ctlint",
                "version": version,
                "semanticVersion": version,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not result.skipped,
                "toolExecutionNotifications": notifications,
            }
        ],
        "columnKind": "unicodeCodePoints",  # 3.14.27: our columns count characters
        "results": [
            _result(finding, index, witnesses, is_compared=result.baseline is not None)
            for finding in findings
        ],
        "properties": {"kernel": result.kernel},
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(_well_formed(log), indent=2, ensure_ascii=True) + "\n"


def _rule(rule: RuleMetadata) -> dict[str, object]:
    """A reportingDescriptor (3.49)."""
    page = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in rule.sections.items())
    full = next(iter(rule.sections.values()), rule.summary)
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": full[:_DESCRIPTION]},
        "help": {"text": page or rule.summary, "markdown": page or rule.summary},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {
            "tags": ["netfilter", *_tags(rule.id)],
            "problem.severity": _PROBLEM[rule.severity],
        },
    }


def _tags(rule_id: str) -> list[str]:
    tag = _TAGS.get(rule_id[:3])
    return [tag] if tag else []


class _Witnesses:
    """The witnesses of a log, as many as it has room for."""

    def __init__(self) -> None:
        self.room = MOST_IN_WITNESSES

    def of(self, finding: Finding) -> dict[str, object] | None:
        """The witness as a property; None where there is none, or no room."""
        if finding.witness is None:
            return None
        scenario = finding.witness.scenario
        keys = ("ruleset", "ruleset6", "ipsets")
        size = sum(len(str(scenario.get(key, ""))) for key in keys)
        if size > self.room:
            return None
        self.room -= size
        return {"scenario": scenario, "expect": finding.witness.expect}


def _result(
    finding: Finding, index: Mapping[str, int], witnesses: _Witnesses, *, is_compared: bool
) -> dict[str, object]:
    """A result (3.27). Its level is the finding's own: kernel and settings may change it."""
    result: dict[str, object] = {"ruleId": finding.rule}
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    result["level"] = finding.severity.value
    remedy = [f"Remedy: {finding.remedy}"] if finding.remedy else []
    related = finding.related[:MOST_LOCATIONS]
    result["message"] = _message(finding.message, *remedy, links=_links(related))
    result["locations"] = [_location(finding.location)]
    if related:
        result["relatedLocations"] = [
            {"id": number, **_location(place), "message": _message(place.message)}
            for number, place in enumerate(related)
        ]
    result["partialFingerprints"] = {FINGERPRINT: finding.fingerprint}
    if is_compared:  # 3.27.24: in all results of a run, or in none
        result["baselineState"] = "unchanged" if _is_hidden(finding) else "new"
    if finding.suppressed is not None:
        result["suppressions"] = [_suppression(finding.suppressed)]
    if finding.fix is not None:
        result["fixes"] = [_fix(finding.fix)]
    result["properties"] = _properties(finding, witnesses.of(finding))
    return result


def _is_hidden(finding: Finding) -> bool:
    return finding.suppressed is not None and finding.suppressed.by is AllowedBy.BASELINE


def _suppression(suppressed: Suppressed) -> dict[str, object]:
    """A suppression (3.35). What stands in a file of ours is external to what was checked."""
    return {
        "kind": "external" if suppressed.by in _EXTERNAL else "inSource",
        "status": "accepted",
        "justification": suppressed.reason,
        "location": {
            "physicalLocation": {
                "artifactLocation": {"uri": artifact_uri(suppressed.file)},
                "region": {"startLine": suppressed.line},
            }
        },
    }


def _fix(fix: Fix) -> dict[str, object]:
    """A fix (3.55): per file the replacements (3.57), whose regions are whole lines."""
    changes: dict[str, list[dict[str, object]]] = {}
    for edit in fix.edits:
        changes.setdefault(edit.file, []).append(_replacement(edit))
    return {
        "description": _message(fix.description),
        "artifactChanges": [
            {"artifactLocation": {"uri": artifact_uri(file)}, "replacements": replacements}
            for file, replacements in changes.items()
        ],
        "properties": {"safe": fix.is_safe, "leaks": fix.leaks},
    }


def _replacement(edit: Edit) -> dict[str, object]:
    text = "\n".join(edit.insert)
    if not edit.delete:
        # An insertion point (3.57.3): a region of no characters.
        region = {"startLine": edit.line, "startColumn": 1, "endLine": edit.line, "endColumn": 1}
        return {"deletedRegion": region, "insertedContent": {"text": f"{text}\n"}}
    if not edit.insert:
        end = edit.line + edit.delete
        region = {"startLine": edit.line, "startColumn": 1, "endLine": end, "endColumn": 1}
        return {"deletedRegion": region}
    # To the end of the last line, whose line end stays (3.30.8).
    region = {"startLine": edit.line, "startColumn": 1, "endLine": edit.line + edit.delete - 1}
    return {"deletedRegion": region, "insertedContent": {"text": text}}


def _properties(finding: Finding, witness: dict[str, object] | None) -> dict[str, object]:
    properties: dict[str, object] = {"confidence": finding.confidence.value}
    if finding.role:
        properties["role"] = finding.role.value
    properties["ports"] = finding.ports
    if finding.packet:
        properties["packet"] = packet_as_json(finding.packet)
    if finding.stranded:
        properties["stranded"] = stranded_json(finding.stranded)
    if witness is not None:
        properties["witness"] = witness
    return properties


def _location(location: Location) -> dict[str, object]:
    """A location (3.28) with the place in the file and, in a rule set, the chain."""
    physical: dict[str, object] = {
        "artifactLocation": {"uri": artifact_uri(location.file)},
        "region": _region(location),
    }
    if context := _context(location):
        physical["contextRegion"] = context
    found: dict[str, object] = {"physicalLocation": physical}
    if location.table is not None:
        found["logicalLocations"] = _logical(location.table, location.chain)
    return found


def _region(location: Location) -> dict[str, object]:
    """A region (3.30). Without an end it reaches to the end of the line (3.30.8)."""
    region: dict[str, object] = {"startLine": location.line, "startColumn": location.column}
    end = None
    if location.end_column > location.column:
        end = region["endColumn"] = location.end_column
    if snippet := location.text[location.column - 1 : end and end - 1]:
        region["snippet"] = {"text": snippet}
    return region


def _context(location: Location) -> dict[str, object] | None:
    """The whole line, where it holds more than the region: 3.29.5 wants a proper superset."""
    end = location.end_column
    whole = location.column == 1 and (end <= 1 or end > len(location.text))
    if whole or not location.text:
        return None
    return {"startLine": location.line, "snippet": {"text": location.text}}


def _logical(table: str, chain: str | None) -> list[dict[str, str]]:
    if chain is None:
        return [{"name": table, "kind": "table"}]
    full = f"{table}/{chain}"
    return [{"name": chain, "fullyQualifiedName": full, "kind": "chain"}]


def _notification(undecided: Undecided) -> dict[str, object]:
    """A notification (3.58)."""
    return {
        "level": "note",
        "message": _message(f"Not decided: {undecided.match}: {undecided.why}"),
        "locations": [_location(undecided.location)],
    }


def _say_left_out(count: int) -> dict[str, object]:
    return {"level": "warning", "message": _message(f"{count:,} more results are left out.")}


def _say_skipped(skipped: Skipped) -> dict[str, object]:
    """A notification (3.58) about an input that was not looked at."""
    first = skipped.troubles[0]
    place: dict[str, object] = {"artifactLocation": {"uri": artifact_uri(first.file)}}
    if first.line:
        place["region"] = {"startLine": first.line, "startColumn": max(first.column, 1)}
    more = len(skipped.troubles) - 1
    said = [f"Not looked at: {skipped.host}", str(first)]
    if more:
        said.append(f"and {more:,} more")
    return {
        "level": "error",
        "message": _message(*said),
        **({"locations": [{"physicalLocation": place}]} if first.file else {}),
    }


def _message(*paragraphs: str, links: str = "") -> dict[str, str]:
    """A message (3.11) in plain text, without placeholders (3.11.5) and links (3.11.6) but ours."""
    text = "\n".join(map(_unlinked, paragraphs))
    return {"text": f"{text}\n{links}" if links else text}


def _unlinked(text: str) -> str:
    return visible(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _links(places: Sequence[Location]) -> str:
    """Links to the first related places, by their ids (3.11.6): code scanning shows no others."""
    return "; ".join(
        f"[{_BRACKETS.sub(_escaped, _unlinked(place.message) or 'see also')}]({number})"
        for number, place in enumerate(places[:_LINKED])
    )


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _well_formed(value: object) -> object:
    """The value with its strings as Unicode text: many readers of JSON refuse lone surrogates,
    which stand for bytes of an input that were not UTF-8.
    """
    if isinstance(value, str):
        if value.isascii():
            return value
        return re.sub("[\ud800-\udfff]", lambda found: visible(found[0]), value)
    if isinstance(value, Mapping):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_well_formed(item) for item in value]
    return value


def artifact_uri(file: str) -> str:
    """A path as URI (3.4.3): relative if the path is, percent-encoded.

    ".." segments stay: they may pass through symbolic links (3.10.2).
    """
    path = "/".join(part for part in file.split("/") if part not in ("", "."))
    uri = quote(path.encode("utf-8", "surrogateescape"), safe="/")
    return f"file:///{uri}" if file.startswith("/") else uri
