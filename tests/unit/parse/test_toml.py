# SPDX-License-Identifier: GPL-2.0-only
"""TOML with places. Source of what is TOML: TOML v1.0.0; tomllib reads it."""

from __future__ import annotations

import time
import tomllib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError
from ctlint.parse.toml import MAX_DOTS, TomlDocument, TomlPath, parse_toml

TEXT = """\
# a comment = [1
select = ["CT1", 'a"b'] # and one more
a.b . "c.d" = 1979-05-27 07:32:00
multi = \"\"\"
[no.table]
x = "1\\\\\"\"\"
[facts]
role = [
  "x", # a ] here
  [1, [2]],
]
[[list]]
  "q\\u0041" = { x = 1, 'y z' = [ 2 ], v.w = "}" }
[list.inner]
k = '''a'b\"\"\"'''
[[list]]
[[list.deep]]
[[list.deep]]
z = +1_0.5e3
[facts.more]
z = true
"""


def shown(span: Span, text: str = TEXT) -> str:
    return text.split("\n")[span.line - 1][span.column - 1 : span.end_column - 1]


@pytest.mark.parametrize(
    ("path", "line", "key", "value"),
    [
        (("select",), 2, "select", """["CT1", 'a"b']"""),
        (("select", 1), 2, None, """'a"b'"""),
        (("a", "b"), 3, """a.b . "c.d\"""", None),
        (("a", "b", "c.d"), 3, """a.b . "c.d\"""", "1979-05-27 07:32:00"),
        (("multi",), 4, "multi", '"""'),
        (("facts",), 7, "[facts]", None),
        (("facts", "role"), 8, "role", "["),
        (("facts", "role", 0), 9, None, '"x"'),
        (("facts", "role", 1), 10, None, "[1, [2]]"),
        (("facts", "role", 1, 1, 0), 10, None, "2"),
        (("list", 0), 12, "[[list]]", None),
        (("list", 0, "qA"), 13, '"q\\u0041"', """{ x = 1, 'y z' = [ 2 ], v.w = "}" }"""),
        (("list", 0, "qA", "y z", 0), 13, None, "2"),
        (("list", 0, "qA", "v", "w"), 13, "v.w", '"}"'),
        (("list", 0, "inner"), 14, "[list.inner]", None),
        (("list", 0, "inner", "k"), 15, "k", """'''a'b\"\"\"'''"""),
        (("list", 1), 16, "[[list]]", None),
        (("list", 1, "deep", 1, "z"), 19, "z", "+1_0.5e3"),
        (("facts", "more", "z"), 21, "z", "true"),
    ],
)
def test_places(path: TomlPath, line: int, key: str | None, value: str | None) -> None:
    found = parse_toml(TEXT, "f")
    for places, text in ((found.keys, key), (found.spans, value)):
        if text is None:
            assert path not in places
        else:
            assert (places[path].line, shown(places[path])) == (line, text)


def paths(value: object, path: TomlPath = ()) -> list[TomlPath]:
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [each for key in value for each in paths(value[key], (*path, key))]
    if isinstance(value, list):
        return found + [
            each for number, item in enumerate(value) for each in paths(item, (*path, number))
        ]
    return found


def test_everything_has_a_place() -> None:
    found = parse_toml(TEXT, "f")
    assert found.values == tomllib.loads(TEXT)
    assert set(paths(found.values)) == {*found.keys, *found.spans}


def test_the_nearest_place() -> None:
    found = parse_toml("[a]\nb = 1\n", "f")
    assert found.place(("a", "b")) == Span("f", 2, 5, 6)
    assert found.place(("a", "x", 3)) == Span("f", 1, 1, 4)
    assert found.place(("x",)) == Span("f", 1)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = 1\nb = \n", 2, 5),
        ("a = 1\na = 2\n", 2, 6),
        ("a = [1,\n\n", 3, 1),
        ("a = 1\r\nb", 2, 2),
        ("a = '\udc80'", 1, 6),
        ("\ufeffa = 1", 1, 1),
        (f"a = 1\n{'a.' * (MAX_DOTS + 1)}a = 1", 2, 1),
        (f"a = {'[' * 5_000}{']' * 5_000}", 1, 1),
        (f"a = {'{a = ' * 5_000}1{'}' * 5_000}", 1, 1),
    ],
)
def test_what_is_no_toml(text: str, line: int, column: int) -> None:
    with pytest.raises(ParseError) as error:
        parse_toml(text, "f")
    (problem,) = error.value.problems
    assert (problem.span.file, problem.span.line, problem.span.column) == ("f", line, column)


@pytest.mark.parametrize("piece", ["a.", "'a'.", "[[a]]\n", "a{}=[{{}}]\n", "[a{}.b.c]\n"])
def test_time_is_bounded(piece: str) -> None:
    text = "".join(piece.replace("{}", str(number), 1) for number in range(200_000 // len(piece)))
    text = text.replace("{{}}", "{}")
    start = time.perf_counter()
    with suppress(ParseError):
        parse_toml(text, "f")
    assert time.perf_counter() - start < 20


@given(st.text(alphabet="ab.=[]{}\"'\\#,\n 1", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    found: TomlDocument | None
    try:
        found = parse_toml(text, "f")
    except ParseError:
        found = None
    expected: dict[str, Any] | None
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        expected = None
    assert (found.values if found else None) == expected
    if found is not None:
        assert set(paths(found.values)) == {*found.keys, *found.spans}
