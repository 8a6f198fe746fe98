# SPDX-License-Identifier: GPL-2.0-only
"""Any configuration and any baseline is read or refused, and never anything else."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctlint.lint.config_reader import read_config
from ctlint.lint.config_schema import config_keys
from ctlint.parse.errors import ParseError
from ctlint.source.baseline_files import read_baseline
from ctlint.source.errors import SourceError

KEYS = config_keys()
NAMES = [
    *(name for keys in (KEYS.top, KEYS.override, KEYS.allow, KEYS.facts) for name in keys),
    *("severity", "facts", "override", "allow", "CT101", "output-invalid-drop", "x"),
]
VALUES = [
    *('"CT101"', '"server"', '"10m"', '"error"', '"filter"', '"text"', '"-A INPUT"', '""', "'*'"),
    *("1", "-1", "1.5", "nan", "true", "2020-01-01", "[]", "{}", '["CT1"]', '["client"]', "[[]]"),
]
keys = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(".".join)
lines = st.one_of(
    st.tuples(keys, st.sampled_from(VALUES)).map(" = ".join),
    keys.map("[{}]".format),
    keys.map("[[{}]]".format),
)


@given(st.lists(lines, max_size=8).map("\n".join))
def test_any_configuration(text: str) -> None:
    try:
        found = read_config(text, "c")
    except ParseError as error:
        assert all(problem.span.file == "c" for problem in error.problems)
        return
    assert found is not None
    holds = found.effective({}, ["a"])
    assert holds.circumstances is not None
    assert holds.severities is not None


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
entries = st.dictionaries(
    st.sampled_from(["rule", "role", "family", "table", "chain", "text", "severity", "count"]),
    plain | st.sampled_from(["note", 1]),
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "tool": st.just("ctlint") | plain,
        "version": st.just(1) | plain,
        "findings": st.lists(entries | plain, max_size=3) | plain,
    },
)


@given(documents | plain | st.lists(plain))
def test_any_baseline(document: Any) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "b"
        file.write_text(json.dumps(document), encoding="utf-8")
        try:
            found = read_baseline(str(file))
        except SourceError:
            return
        assert all(known.times >= 1 for known in found.values())
