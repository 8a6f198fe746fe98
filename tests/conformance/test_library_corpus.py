# SPDX-License-Identifier: GPL-2.0-only
"""python-iptables and iptables-legacy-save give the same rules of what the kernel holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from ctlint.ir.rule import UnknownMatch
from ctlint.ir.ruleset import Ruleset
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.source.iptables_library import library_dump, why_no_library
from ctlint.wire.addresses import Family
from tests.conformance.corpus_scenarios import made_up_sets, names_in
from tests.conformance.test_corpus import Dump, loadable_dumps
from tests.netns import private_netns

MOST_RULES: Final = 1_000
_NAMES: Final = {Family.IPV4: ("iptables", "ip_tables"), Family.IPV6: ("ip6tables", "ip6_tables")}


def texts_of(dump: Dump) -> tuple[str, str] | None:
    """What the program and the library print of a dump; None where legacy does not load it."""
    name, module = _NAMES[dump.family]
    sets = "" if dump.sets is None else dump.sets.read_text("utf-8")
    if not sets:
        named = names_in(dump.text, dump.family)
        sets = made_up_sets(dump.text, dump.family, random.Random(dump.name), named)
    with private_netns() as netns:
        netns.run(["ipset", "restore", "-exist"], input=sets, check=False)
        done = netns.run([f"{name}-legacy-restore"], input=dump.text, check=False)
        if done.returncode:
            return None
        saved = netns.run([f"{name}-legacy-save"]).stdout
        with netns.inside():
            tables = Path(f"/proc/thread-self/net/{module}_names").read_text().split()
            return saved, library_dump(dump.family, tables)


def unread(ruleset: Ruleset) -> list[str]:
    """What the library could not show."""
    return [
        match.name
        for *_, rule in ruleset.rules()
        for match in rule.matches
        if isinstance(match, UnknownMatch) and match.name.startswith("unread-")
    ]


@pytest.mark.netns
@pytest.mark.corpus
@pytest.mark.slow
def test_the_library_reads_what_the_program_saves(
    report_count: Callable[[str, int], None],
) -> None:
    reason = why_no_library()
    if reason is not None:
        pytest.skip(reason)
    same = rules = not_loaded = 0
    differing: list[str] = []
    for dump in loadable_dumps():
        if dump.text.count("\n-A ") > MOST_RULES or dump.name.endswith("-c.txt"):
            continue
        texts = texts_of(dump)
        if texts is None:
            not_loaded += 1
            continue
        try:
            saved, read = (parse_rulesets(each, "rules", dump.family) for each in texts)
        except ParseError as error:
            differing.append(f"{dump.name}: {error}")
            continue
        if not saved and not read:
            continue
        if print_ruleset(saved[0]) == print_ruleset(read[0]):
            same += 1
            rules += saved[0].rule_count
        else:
            differing.append(f"{dump.name}: {unread(read[0])[:3]}")
    report_count("dumps that python-iptables reads as iptables-legacy-save prints them", same)
    report_count("rules in them", rules)
    report_count("dumps that iptables-legacy-restore refuses here", not_loaded)
    assert differing == []
