# SPDX-License-Identifier: GPL-2.0-only
"""Which paths a glob covers: gitignore(5), "PATTERN FORMAT", for ``*``, ``?``, ``[]``, ``**``."""

from __future__ import annotations

import time

import pytest

from ctlint.lint.configuration import Scope, glob_covers


@pytest.mark.parametrize(
    ("glob", "path", "covers"),
    [
        ("rules.v4", "rules.v4", True),
        ("rules.v4", "hosts/rules.v4", False),
        ("*.v4", "rules.v4", True),
        ("*.v4", "hosts/rules.v4", False),
        ("*.v?", "rules.v6", True),
        ("*.v[46]", "rules.v5", False),
        ("**/*.v4", "rules.v4", True),
        ("**/*.v4", "a/b/rules.v4", True),
        ("hosts/*", "hosts/edge1", True),
        ("hosts/edge*", "hosts/edge1/rules.v4", True),
        ("hosts/edge*/", "hosts/edge1", True),
        ("hosts", "hosts/edge1/etc/iptables/rules.v4", True),
        ("hosts", "hosts2/edge1", False),
        ("hosts/edge1/rules.v4", "hosts/edge1", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("a/**", "a/x", True),
        ("**", "x", True),
        ("**", "-", True),
        ("./a", "a", True),
        (".", "a/b", True),
        (".", ".", True),
        ("../a", "../a", True),
        ("/srv/*", "/srv/a", True),
        ("/srv/*", "srv/a", False),
        ("srv/*", "/srv/a", False),
        ("-", "-", True),
        ("A", "a", False),
    ],
)
def test_globs(glob: str, path: str, covers: bool) -> None:
    assert glob_covers(glob, path) is covers


def test_any_glob_for_any_path() -> None:
    assert Scope(("a", "b")).covers(["x", "b"])
    assert not Scope(("a", "b")).covers(["x", "y"])
    assert not Scope(("a",)).covers([])
    assert Scope().covers([])


def test_many_stars_take_little_time() -> None:
    start = time.perf_counter()
    assert not glob_covers("**/a/" * 30 + "b", "a/" * 200 + "c")
    assert not glob_covers("*a" * 30 + "b", "a" * 200)
    assert time.perf_counter() - start < 5
