# SPDX-License-Identifier: GPL-2.0-only
"""Single sets out of dumps."""

from __future__ import annotations

from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.ipset_text import NO_SETS, SavedSets

DUMP = """create one hash:ip family inet
add one 10.0.0.1
create two hash:net family inet
add two 10.1.0.0/16 nomatch
create both list:set size 8
add both one
add both two
create other hash:ip family inet
"""


def test_a_set_comes_with_its_elements_and_nothing_else() -> None:
    saved = SavedSets([DUMP])
    assert saved.text(["two"]) == ("create two hash:net family inet\nadd two 10.1.0.0/16 nomatch\n")
    assert saved.text(["none"]) == NO_SETS.text(["two"]) == saved.text([]) == ""


def test_a_list_comes_behind_its_members() -> None:
    text = SavedSets([DUMP]).text(["both", "one"])
    assert list(parse_ipset_save(text, "sets")) == ["one", "two", "both"]
    assert parse_ipset_save(text, "sets")["both"].sets == ("one", "two")


def test_the_last_text_counts() -> None:
    later = "create one hash:net family inet\nadd one 10.9.0.0/16\n"
    assert SavedSets([DUMP, later]).text(["one"]) == later


def test_a_name_with_a_blank_is_no_other_name() -> None:
    saved = SavedSets(['create "a b" hash:ip family inet\ncreate "c" hash:ip family inet\n'])
    assert saved.text(["a"]) == ""
    assert saved.text(["c"]) == 'create "c" hash:ip family inet\n'
