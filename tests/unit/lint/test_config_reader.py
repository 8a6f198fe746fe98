# SPDX-License-Identifier: GPL-2.0-only
"""What ctlint.toml may say, and what is said of what it may not. docs/config.md."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest

from ctlint.finding import Severity
from ctlint.lint.config_reader import SECTION, read_config
from ctlint.lint.config_schema import json_schema
from ctlint.lint.configuration import Configuration
from ctlint.lint.registry import shipped_rules
from ctlint.parse.errors import MAX_PROBLEMS, ParseError
from ctlint.parse.toml import parse_toml
from tests.corpus import REPOSITORY

EXAMPLE = (REPOSITORY / "examples" / "config" / "ctlint.toml").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads(json_schema())


def read(text: str) -> Configuration:
    found = read_config(text, "c")
    assert found is not None
    return found


def problems(text: str) -> list[tuple[str, str, str | None]]:
    """Line and column, message and hint."""
    with pytest.raises(ParseError) as error:
        read_config(text, "c")
    return [
        (str(each.span).removeprefix("c:"), each.message, each.hint)
        for each in error.value.problems
    ]


def fits_schema(text: str) -> bool:
    return bool(jsonschema.Draft7Validator(SCHEMA).is_valid(dict(parse_toml(text, "c").values)))


def test_the_example() -> None:
    found = read(EXAMPLE)
    assert {key: said.value for key, said in found.values.items()} == {
        "ignore": ("CT412",),
        "kernel": "6.1",
        "fail-on": "warning",
        "sysctl": ("sysctl.d",),
        "severity.CT105": "error",
        "facts.idle": "10m",
        "facts.role": "server",
    }
    line = EXAMPLE.split("\n").index('idle = "10m"') + 1
    assert found.values["facts.idle"].origin == f"c:{line}"
    ((scope, values),) = found.overrides
    assert scope.globs == ("hosts/edge*",)
    assert {key: said.value for key, said in values.items()} == {
        "facts.role": "router",
        "facts.keepalive": "300",
        "severity.CT104": "warning",
    }
    ((scope, allow),) = found.allows
    assert scope.globs == ("hosts/**/rules.v4",)
    assert (allow.allows, allow.table, allow.chain) == (("CT103", "CT106"), "filter", "INPUT")
    assert allow.text is None
    assert allow.place.line == EXAMPLE.split("\n").index("[[allow]]") + 1
    assert allow.place.text == "[[allow]]"


def test_an_empty_one() -> None:
    assert read("") == Configuration("c")


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ("[tool.ctlint]\nkernel = '6.1'\n", True),
        ("[tool]\nctlint.kernel = '6.1'\n", True),
        ("[tool.ctlinter]\nx = 1\n", False),
        ("tool = 1\n", False),
        ("kernel = 1\n", False),
    ],
)
def test_a_section_of_a_larger_file(text: str, is_there: bool) -> None:
    found = read_config(text, "c", SECTION)
    assert (found is not None) is is_there
    if found is not None:
        assert found.values["kernel"].value == "6.1"


def test_problems_in_a_section_have_their_places() -> None:
    with pytest.raises(ParseError, match=r"^c:3:1: the configuration has no key 'kernal'$"):
        read_config("a = 1\n[tool.ctlint]\nkernal = 1\n", "c", SECTION)
    with pytest.raises(ParseError, match=r"^c:1:18: the configuration is a number, not a table$"):
        read_config("tool = {ctlint = 1}\n", "c", SECTION)


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("selct = []", "1:1", "the configuration has no key 'selct'", "did you mean select?"),
        ("x.y.z = 1", "1:1", "the configuration has no key 'x'", None),
        ('select = "CT1"', "1:10", "expected a list, not 'CT1'", "write it in [ ]"),
        ('select = ["CT1",\n "CT1O1"]', "2:2", "no rule 'CT1O1'", "did you mean CT101?"),
        ("ignore = [3]", "1:11", "expected a text, not a number", None),
        ("ignore = [true]", "1:11", "expected a text, not true", None),
        ('ignore = [""]', "1:11", "the text is empty", None),
        ('ignore = ["zzzzzzzzz"]', "1:11", "no rule 'zzzzzzzzz'", "`ctlint rules` lists them"),
        ("persona = 1979-05-27", "1:11", "expected regular or pedantic, not a date", None),
        (
            'persona = "pedantc"',
            "1:11",
            "'pedantc' is not regular or pedantic",
            "did you mean pedantic?",
        ),
        (
            'kernel = "5.99x"',
            "1:10",
            "unknown kernel '5.99x': the nearest known is 5.9",
            "`ctlint kernel --list` lists them",
        ),
        ("kernel = 6.1", "1:10", "expected a text, not a number", None),
        (
            'fail-on = "eror"',
            "1:11",
            "'eror' is not error, warning or note",
            "did you mean error?",
        ),
        (
            "sysctl = ['a\\\\u0000']\nsets = [\"\\u0000x\"]",
            "2:9",
            "the text holds a NUL byte",
            None,
        ),
        ("severity = 1", "1:12", "severity is no table", 'write severity.CT101 = "note"'),
        ('severity.CT1 = "note"', "1:1", "'CT1' is not the id of one rule", "write ids whole"),
        ('[severity]\nCT999 = "note"', "2:1", "no rule 'CT999'", None),
        ("[severity]\nCT101 = 1", "2:9", "expected error, warning or note, not a number", None),
        (
            '[severity]\nCT101 = "note"\noutput-invalid-drop = "note"',
            "3:1",
            "CT101 stands twice: by its id and by its name",
            None,
        ),
        ("facts = []", "1:9", "facts is a list, not a table", None),
        ("facts.idel = 3", "1:1", "facts has no key 'idel'", "did you mean idle?"),
        ("[facts]\nidle = 0", "2:8", "idle: '0' is not between 1 and 2147483647 seconds", None),
        ("[facts]\nidle = 1.5", "2:8", "idle: a number cannot be its value", None),
        ("[facts]\nidle = true", "2:8", "idle: true cannot be its value", None),
        ("[facts]\noffload = 1", "2:11", "offload: a number cannot be its value", None),
        (
            "[facts]\nrole = ['servr']",
            "2:9",
            "'servr' is not client, server, router or loopback",
            "did you mean server?",
        ),
        ("[facts]\nrole = []", "2:8", "the list is empty", None),
        ("[facts]\nrole = ['client', 'client']", "2:8", "role: client stands twice", None),
        ("override = {}", "1:12", "override is no list of tables", "write [[override]]"),
        ("[allow]", "1:1", "allow is no list of tables", "write [[allow]]"),
        ("override = [1]", "1:13", "override is a number, not a table", None),
        (
            "[[override]]\nignore = []",
            "1:1",
            "override has no paths",
            "for all inputs a value stands at the top",
        ),
        ("[[override]]\npaths = ['a']", "1:1", "override changes nothing", None),
        ("[[override]]\npaths = []\nignore = []", "2:9", "the list is empty", None),
        (
            "[[override]]\npaths = ['a']\nkernel = '6.1'",
            "3:1",
            "override has no key 'kernel'",
            None,
        ),
        ("[[allow]]\nrules = ['CT101']", "1:1", "allow has no reason", None),
        ("[[allow]]\nreason = 'x'", "1:1", "allow has no rules", None),
        ("[[allow]]\nrules = ['CT101']\nreason = ' '", "3:10", "the text is empty", None),
        ("[[allow]]\nrules = []\nreason = 'x'", "2:9", "the list is empty", None),
        (
            "[[allow]]\nrules = ['CT1']\nreason = 'x'",
            "2:10",
            "'CT1' is not the id of one rule",
            "write ids whole",
        ),
        (
            "[[allow]]\nrules = ['CT101']\nreason = 'x'\ntable = 'fliter'",
            "4:9",
            "'fliter' is not raw, mangle, nat, filter or security",
            "did you mean filter?",
        ),
    ],
)
def test_what_it_may_not_say(text: str, place: str, message: str, hint: str | None) -> None:
    found = problems(text)
    assert found[0][:2] == (place, message)
    if hint is not None:
        assert found[0][2] == hint
    # An editor with the schema refuses it as well, but for what a schema cannot know.
    beyond = ("'CT1O1'", "unknown kernel", "CT101 stands twice", "changes nothing", "NUL")
    if not any(word in message for word in beyond):
        assert not fits_schema(text)


def test_all_problems_are_told_at_once_in_the_order_of_the_text() -> None:
    text = "kernel = 1\n[severity]\nCT101 = 1\n[[allow]]\nx = 1\n[facts]\ny = 1\n"
    assert [place for place, *_ in problems(text)] == ["1:10", "3:9", "4:1", "5:1", "7:1"]
    many = "\n".join(f"k{number} = 1" for number in range(2 * MAX_PROBLEMS))
    assert len(problems(many)) == MAX_PROBLEMS


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**31])
def test_a_number_without_bound(number: int) -> None:
    ((place, message, _),) = problems(f"facts.idle = {number}")
    assert place == "1:14"
    assert message.endswith("is not between 1 and 2147483647 seconds") or "whole number" in message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("keepalive = 'off'", "off"),
        ("keepalive = '5m'", "5m"),
        ("keepalive = 300", "300"),
        ("offload = true", "yes"),
        ("offload = 'no'", "no"),
        ("role = 'server'", "server"),
        ("role = ['server', 'router']", "server,router"),
        ("half-close = '1h'", "1h"),
    ],
)
def test_facts(text: str, value: str) -> None:
    whole = f"[facts]\n{text}\n"
    (said,) = read(whole).values.values()
    assert said.value == value
    assert fits_schema(whole)


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        "",
        "select = ['CT1', 'ct101', 'output-invalid-drop']",
        "persona = 'pedantic'\nformat = 'json'\nsets = ['a']",
        "[[allow]]\nrules = ['output-invalid-drop']\nreason = 'x'\ntext = '-A INPUT -j DROP'",
        "[[override]]\npaths = ['*']\nselect = []",
    ],
)
def test_what_it_may_say_fits_the_schema(text: str) -> None:
    read(text)
    assert fits_schema(text)


def test_the_schema_is_one_and_the_file_is_up_to_date() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    page = REPOSITORY / "docs" / "ctlint.schema.json"
    assert page.read_text(encoding="utf-8") == json_schema(), (
        "python -m ctlint config --isolated --schema > docs/ctlint.schema.json"
    )


def test_an_entry_names_the_line_without_counters() -> None:
    text = "[[allow]]\nrules = ['CT101']\nreason = 'x'\ntext = ' [1:2] -A INPUT -j DROP '"
    ((_, allow),) = read(text).allows
    assert allow.text == "-A INPUT -j DROP"


def test_what_holds() -> None:
    """An option wins over an override, that over the top, and a later override over an earlier."""
    found = read(
        "select = ['CT1']\nignore = ['CT2']\nfacts = {idle = 5, half-close = 6}\n"
        "severity.CT101 = 'error'\n"
        "[[override]]\npaths = ['a*']\nignore = ['CT3']\nfacts.idle = 7\n"
        "[[override]]\npaths = ['ab']\nignore = []\nseverity.CT101 = 'note'\n"
        "[[allow]]\nrules = ['CT101']\nreason = 'x'\npaths = ['ab']\n"
    )
    rules = shipped_rules()
    for path, ignore, idle, severity, allows in (
        ("b", ("CT2",), 5, Severity.ERROR, 0),
        ("ac", ("CT3",), 7, Severity.ERROR, 0),
        ("ab", (), 7, Severity.NOTE, 1),
    ):
        holds = found.effective({}, [path])
        assert holds["ignore"] == ignore
        assert (holds.circumstances.idle, holds.circumstances.half_close) == (idle, 6)
        assert holds.severities == {"CT101": severity}
        assert len(holds.allows) == allows
        assert {info.id[:3] for info in holds.rules(rules)} == {"CT1"}
        told = found.effective({"facts.idle": holds.values["facts.half-close"]}, [path])
        assert told.circumstances.idle == 6


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"key{number} = 1\n" for number in range(40_000)),
        f"ignore = [{', '.join(f'{chr(34)}word{number}{chr(34)}' for number in range(40_000))}]",
        "".join(f"[[allow]]\nx{number} = 1\n" for number in range(30_000)),
        "[severity]\n" + "".join(f"CX{number} = 1\n" for number in range(40_000)),
        "[facts]\n" + "".join(f"f{number} = 1\n" for number in range(40_000)),
        "".join(f"[[override]]\npaths = ['{number}']\nx = 1\n" for number in range(20_000)),
    ],
)
def test_many_problems_take_little_time(text: str) -> None:
    start = time.perf_counter()
    assert len(problems(text)) == MAX_PROBLEMS
    assert time.perf_counter() - start < 20
