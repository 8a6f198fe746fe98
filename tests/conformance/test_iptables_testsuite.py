# SPDX-License-Identifier: GPL-2.0-only
"""The rule lines of the test suite of iptables 1.8.11, ``extensions/*.t``.

A line is ``rule;what iptables-save prints;OK or FAIL``, for the chains and the table named above
it; libxt_ files hold for both families. The suite says what loads, the real tools (where they
run) what a rule means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from ctlint.ir.rule import UnknownMatch, UnknownTarget
from ctlint.ir.ruleset import TABLES
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.netns import PrivateNetns

_FAMILIES = {
    "libipt": (Family.IPV4,),
    "libip6t": (Family.IPV6,),
    "libxt": (Family.IPV4, Family.IPV6),
    "iptables.t": (Family.IPV4, Family.IPV6),
}
FILES = [
    path
    for path in corpus_files("iptables-testsuite/extensions/*.t")
    if path.name.partition("_")[0] in _FAMILIES
]

# Lines that the suite expects to fail and that we let pass.
LET_PASS = {
    ("libxt_SET.t", "-j SET --add-set foo src,dst"): "the set must be there when it is loaded",
    ("libxt_set.t", "-m set --match-set foo src,dst"): "the set must be there when it is loaded",
    ("libxt_TCPMSS.t", "-p tcp -j TCPMSS --set-mss 42"): (
        "iptables-nft loads it; the kernel's legacy check wants a tcp match on SYN"
    ),
    ("libxt_connlabel.t", '-m connlabel --label "foobar_not_there"'): (
        "the names of labels stand in connlabel.conf of the machine that loads it"
    ),
    ("libxt_udp.t", "-p udp -m udp --sport 4:3"): "iptables 1.8.9 and the kernel take empty ranges",
    ("libxt_udp.t", "-p udp -m udp --dport 4:3"): "iptables 1.8.9 and the kernel take empty ranges",
    ("libxt_nfacct.t", "-m nfacct --nfacct-name wrong"): (
        "the accounting object must be there when it is loaded"
    ),
}

# Lines that the iptables on the machine may read otherwise than 1.8.11.
OTHER_THAN_1_8_11 = {
    "-j NFQUEUE --queue-balance 4:": "1.8.9 ends the range at 65535, where 1.8.11 ends it at 65534",
}


class Line(NamedTuple):
    """One line of the suite for one family. ``setup`` are rules that must stand before it."""

    file: str
    family: Family
    table: str
    chains: tuple[str, ...]
    rule: str
    loads: bool
    setup: tuple[str, ...]


def read_lines(path: Path) -> list[Line]:
    """The rule lines of one file of the suite."""
    table = "filter"
    chains: tuple[str, ...] = ()
    setup: list[str] = []
    lines: list[Line] = []
    for text in path.read_text("utf-8").splitlines():
        if not text.strip() or text[0] == "#":
            continue
        if text[0] == "*":
            table = text[1:].strip()
        elif text[0] == ":":
            chains = tuple(text[1:].strip().split(","))
        elif text[0] in "@%":
            found = re.fullmatch(r"[@%]iptables (-I .*)", text)
            setup += [found[1]] if found else []
        else:
            rule, _, result = text.split(";")[:3]
            for family in _FAMILIES[path.name.partition("_")[0]]:
                lines.append(
                    Line(path.name, family, table, chains, rule, result == "OK", tuple(setup))
                )
    return lines


def find_refused(lines: Sequence[Line]) -> dict[tuple[str, int, str, str], str]:
    """Which lines we do not read to typed options, and why, by file, family, chain and rule."""
    refused: dict[tuple[str, int, str, str], str] = {}
    places = sorted({(line.family, line.table, chain) for line in lines for chain in line.chains})
    for family, table, chain in places:
        here = [
            line
            for line in lines
            if (line.family, line.table) == (family, table) and chain in line.chains
        ]
        text = f"*{table}\n" + "".join(f"-A {chain} {line.rule}\n" for line in here) + "COMMIT\n"
        why: dict[int, str] = {}
        try:
            (ruleset,) = parse_rulesets(text, "suite", family)
        except ParseError as error:
            why = {problem.span.line: problem.message for problem in error.problems}
        else:
            for _, _, _, rule in ruleset.rules():
                for part in (*rule.matches, rule.target):
                    if isinstance(part, UnknownMatch | UnknownTarget):
                        why[rule.line] = f"{part.name} is not known"
        for number, line in enumerate(here, 2):
            if number in why:
                refused[line.file, int(family), chain, line.rule] = why[number]
    return refused


@pytest.mark.corpus
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_loads_is_read(path: Path) -> None:
    assert find_refused([line for line in read_lines(path) if line.loads]) == {}


@pytest.mark.corpus
def test_what_fails_is_refused(report_count: Callable[[str, int], None]) -> None:
    passed: set[tuple[str, str]] = set()
    seen: set[tuple[str, str]] = set()
    for path in FILES:
        failing = [line for line in read_lines(path) if not line.loads]
        refused = find_refused(failing)
        seen |= {(line.file, line.rule) for line in failing}
        passed |= {
            (line.file, line.rule)
            for line in failing
            for chain in line.chains
            if (line.file, int(line.family), chain, line.rule) not in refused
        }
    assert passed == set(LET_PASS)
    assert len(seen) > 250
    report_count("lines of iptables' own suite that must fail, refused", len(seen - passed))
    for file, rule in sorted(passed):
        report_count(f"of them let pass: {file}: {rule}", 1)


# What the real tools make of a rule: the lines that iptables-save prints for it.
Saved = dict[str, list[str]]


class Tool(NamedTuple):
    """iptables-restore and iptables-save of one backend and family."""

    restore: str
    save: str
    family: Family


TOOLS = [
    Tool(f"{name}-{backend}-restore", f"{name}-{backend}-save", family)
    for backend in ("legacy", "nft")
    for name, family in (("iptables", Family.IPV4), ("ip6tables", Family.IPV6))
]
_SAVED = re.compile(r"(\[\d+:\d+\] -A )(T\d+)( .*|)")


class Case(NamedTuple):
    """One rule in a user chain of its own, so that it can be found in what is saved."""

    chain: str
    table: str
    setup: tuple[str, ...]
    text: str


def restore_text(cases: Sequence[Case]) -> str:
    """The cases as one dump, which also empties the tables that have none."""
    text = ""
    for table in TABLES:
        here = [case for case in cases if case.table == table]
        text += f"*{table}\n"
        text += "".join(f":{case.chain} - [0:0]\n" for case in here)
        text += "".join(f"{rule}\n" for rule in dict.fromkeys(r for c in here for r in c.setup))
        text += "".join(f"{case.text}\n" for case in here)
        text += "COMMIT\n"
    return text


def load(netns: PrivateNetns, tool: Tool, cases: Sequence[Case]) -> Saved:
    """What is saved for each chain of the cases that load; those that do not are left out."""
    if not cases:
        return {}
    text = restore_text(cases)
    if netns.run([tool.restore, "-c"], text, check=False).returncode == 0:
        saved: Saved = {case.chain: [] for case in cases}
        for line in netns.run([tool.save, "-c"]).stdout.splitlines():
            if found := _SAVED.fullmatch(line):
                saved[found[2]].append(found[1] + found[3])
        return saved
    if len(cases) == 1:
        return {}
    middle = len(cases) // 2
    return load(netns, tool, cases[:middle]) | load(netns, tool, cases[middle:])


@pytest.mark.corpus
@pytest.mark.netns
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.restore)
def test_what_we_print_means_the_same(
    tool: Tool, netns: PrivateNetns, record_property: Callable[[str, object], None]
) -> None:
    lines = {
        (line.table, line.rule): line
        for path in FILES
        for line in read_lines(path)
        if line.loads and line.family is tool.family
    }
    original = [
        Case(f"T{number}", line.table, line.setup, f"-A T{number} {line.rule}")
        for number, line in enumerate(lines.values())
    ]
    (ruleset,) = parse_rulesets(restore_text(original), "suite", tool.family)
    ours: dict[str, list[str]] = {}
    for row in print_ruleset(ruleset).splitlines():
        if found_row := re.search(r"^(?:\[\d+:\d+\] )?-A (T\d+)\b", row):
            ours.setdefault(found_row[1], []).append(row)
    printed = [case._replace(text="\n".join(ours[case.chain])) for case in original]

    expected = load(netns, tool, original)
    found = load(netns, tool, [case for case in printed if case.chain in expected])

    record_property("loaded", len(expected))
    record_property("not loaded here", len(original) - len(expected))
    differing = {
        f"{case.text} / {again.text}": (expected[case.chain], found.get(case.chain))
        for case, again in zip(original, printed, strict=True)
        if case.chain in expected
        and expected[case.chain] != found.get(case.chain)
        and case.text.partition(f"{case.chain} ")[2] not in OTHER_THAN_1_8_11
    }
    assert differing == {}
    assert len(expected) > 0.85 * len(original)
