# SPDX-License-Identifier: GPL-2.0-only
"""The keys of the configuration, once for its reader, its documentation and its JSON schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from ctlint.analysis.circumstances import FACTS
from ctlint.finding import Severity
from ctlint.ir.ruleset import TABLES
from ctlint.lint.config_kinds import (
    Choice,
    FactValue,
    Kernel,
    Kind,
    Listed,
    Number,
    RuleId,
    RuleWord,
    Text,
)
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona

FORMATS: Final = (
    *("text", "concise", "json", "sarif", "github", "junit", "gitlab", "markdown", "html"),
)
"""The forms of a report: docs/formats.md."""

MAX_JOBS: Final = 256
"""Processes that hosts are shared among."""

SEVERITIES: Final = tuple(severity.value for severity in Severity)
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The draft that editors of TOML know."""


class Key(NamedTuple):
    """A key: what its value may be, and what it is for."""

    name: str
    kind: Kind
    about: str


class Keys(NamedTuple):
    """The keys of each table. ``everywhere`` are those that an override may have too."""

    everywhere: Mapping[str, Key]
    top: Mapping[str, Key]
    facts: Mapping[str, Key]
    severity: Kind
    override: Mapping[str, Key]
    allow: Mapping[str, Key]


@cache
def config_keys() -> Keys:
    """The keys, with the rules that come with ctlint."""
    rules = shipped_rules()
    words, ids, paths = Listed(RuleWord(rules)), Listed(RuleId(rules), 1), Listed(Text())
    globs = Key(
        "paths",
        Listed(Text(), 1),
        "Globs of inputs, from the folder of this file on: * in a name, ** over folders.",
    )
    everywhere = (
        Key("select", words, "Only these rules: ids, beginnings of ids (CT1), names."),
        Key("ignore", words, "Not these rules."),
    )
    top = (
        *everywhere,
        Key("persona", Choice(tuple(each.value for each in Persona)), "Who wants to see rules."),
        Key("kernel", Kernel(), "A profile (`ctlint kernel --list`), or what `uname -r` prints."),
        Key("fail-on", Choice(SEVERITIES), "Least severity that gives exit code 1."),
        Key("format", Choice(FORMATS), "Form of the report."),
        Key("sysctl", paths, "Files or folders of kernel settings, the last one wins."),
        Key("sets", paths, "Files that `ipset save` has printed."),
        Key("baseline", Text(), "What was found before: docs/baseline.md."),
        Key("exclude", paths, "Globs of what is passed by in folders: docs/input.md."),
        Key("jobs", Number(1, MAX_JOBS), "Processes that hosts are shared among."),
    )
    allow = (
        Key("rules", ids, "Ids or names of rules whose findings are allowed."),
        Key("reason", Text(), "Why."),
        globs,
        Key("table", Choice(TABLES), "Only findings in this table."),
        Key("chain", Text(), "Only findings in this chain."),
        Key("text", Text(), "Only findings at this line, written without counters."),
    )
    facts = [Key(name, FactValue(name), fact.about) for name, fact in FACTS.items()]
    return Keys(
        _by_name(everywhere),
        _by_name(top),
        _by_name(facts),
        Choice(SEVERITIES),
        _by_name((globs, *everywhere)),
        _by_name(allow),
    )


def _by_name(keys: Sequence[Key]) -> Mapping[str, Key]:
    return {key.name: key for key in keys}


# The JSON schema


def json_schema() -> str:
    """The schema of ctlint.toml for editors, with a final newline."""
    keys = config_keys()
    shared = {
        "severity": {
            "description": "Severities of rules in place of their own.",
            **_object({}),
            "propertyNames": RuleId(shipped_rules()).schema(),
            "additionalProperties": keys.severity.schema(),
        },
        "facts": {
            "description": "What is known of the hosts: docs/facts.md.",
            **_object(keys.facts),
        },
    }
    override = _object(keys.override, required=("paths",))
    override["properties"] |= {name: {"$ref": f"#/definitions/{name}"} for name in shared}
    top = _object(keys.top)
    top["properties"] |= {
        **{name: {"$ref": f"#/definitions/{name}"} for name in shared},
        "override": {
            "description": "Other values for some inputs; the last one that fits wins.",
            "type": "array",
            "items": override,
        },
        "allow": {
            "description": "Findings that are allowed.",
            "type": "array",
            "items": _object(keys.allow, required=("rules", "reason")),
        },
    }
    schema = {
        "$schema": DRAFT,
        "title": "ctlint.toml",
        "description": "Configuration of ctlint: docs/config.md.",
        **top,
        "definitions": shared,
    }
    return json.dumps(schema, indent=2, ensure_ascii=True) + "\n"


def _object(keys: Mapping[str, Key], required: Sequence[str] = ()) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            key.name: {"description": key.about, **key.kind.schema()} for key in keys.values()
        },
        "additionalProperties": False,
    }
    return schema | {"required": list(required)} if required else schema
