# SPDX-License-Identifier: GPL-2.0-only
"""The state table against what was read in kernel sources and measured on a running kernel."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ctlint.model.conntrack.status import Cell, Dir, Mark, Seg, TcpCt
from ctlint.model.conntrack.tcp_flags import get_conntrack_index
from ctlint.model.conntrack.tcp_table import CELL_DELTAS, tcp_table
from ctlint.model.kernel.profiles import all_profiles, profile
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.kernel.kernel_facts import shared

CODES: dict[str, Cell] = {
    "NO": TcpCt.NONE,
    "SS": TcpCt.SYN_SENT,
    "SR": TcpCt.SYN_RECV,
    "ES": TcpCt.ESTABLISHED,
    "FW": TcpCt.FIN_WAIT,
    "CW": TcpCt.CLOSE_WAIT,
    "LA": TcpCt.LAST_ACK,
    "TW": TcpCt.TIME_WAIT,
    "CL": TcpCt.CLOSE,
    "S2": TcpCt.SYN_SENT2,
    "IV": Mark.INVALID,
    "IG": Mark.IGNORE,
}
ROWS = {"ORIG": Dir.ORIGINAL, "REPL": Dir.REPLY}

VARIANTS = {
    "B": ["2.6.32", "2.6.37", "3.0"],
    "C": ["3.1", "3.3", "3.5"],
    "D": ["3.4", "3.6", "3.10", "3.16", "3.17"],
    "E": ["3.18", "4.4", "rhel7", "rhel8", "5.10", "6.1", "6.18", "7.1", "7.2"],
}


# Read in the sources of 57 kernels: 3.18.20 … 7.1.5, RHEL 7 and 8 have this one.
VARIANT_E = """
ORIG syn     SS SS IG IG IG IG IG SS SS S2
ORIG synack  IV IV SR IV IV IV IV IV IV SR
ORIG fin     IV IV FW FW LA LA LA TW CL IV
ORIG ack     ES IV ES ES CW CW TW TW CL IV
ORIG rst     IV CL CL CL CL CL CL CL CL CL
ORIG none    IV IV IV IV IV IV IV IV IV IV
REPL syn     IV S2 IV IV IV IV IV SS IV S2
REPL synack  IV SR IG IG IG IG IG IG IG SR
REPL fin     IV IV FW FW LA LA LA TW CL IV
REPL ack     IV IG SR ES CW CW TW TW CL IG
REPL rst     IV CL CL CL CL CL CL CL CL CL
REPL none    IV IV IV IV IV IV IV IV IV IV
"""

# The rows in which older ones differ, and the variants that have them.
OLDER_ROWS = [
    ("BCD", "REPL syn", "IV S2 IV IV IV IV IV IV IV S2"),
    ("BC", "ORIG synack", "IV IV IG IG IG IG IG IG IG SR"),
    ("B", "REPL synack", "IV SR SR IG IG IG IG IG IG SR"),
]


def row(text: str) -> tuple[Cell, ...]:
    return tuple(CODES[code] for code in text.split())


def place(text: str) -> tuple[Dir, Seg]:
    way, seg = text.split()
    return ROWS[way], Seg[seg.upper()]


def variant(name: str) -> dict[tuple[Dir, Seg], tuple[Cell, ...]]:
    """Variant E with the rows in which an older one differs."""
    lines = VARIANT_E.strip().splitlines()
    whole = {place(line[:12]): row(line[12:]) for line in lines}
    for names, where, cells in OLDER_ROWS:
        if name in names:
            whole[place(where)] = row(cells)
    return whole


def test_the_variants_are_written_as_in_the_facts() -> None:
    text = shared("kernel-facts", "by-version.md").read_text(encoding="utf-8")
    assert VARIANT_E.strip() in text
    line_of_b = next(line for line in text.splitlines() if line.startswith("| B |"))
    for _, where, cells in OLDER_ROWS:
        assert f"{where} `{cells}`" in line_of_b


@pytest.mark.parametrize(
    ("name", "kernel"), [(name, kernel) for name, ks in VARIANTS.items() for kernel in ks]
)
def test_variants_are_those_read_in_sources(name: str, kernel: str) -> None:
    table = tcp_table(profile(kernel))
    for (way, seg), cells in variant(name).items():
        assert table[way][seg] == cells, (way, seg)


def test_rhel6_is_variant_b_with_one_cell_of_e() -> None:
    expected = variant("B")
    syn = list(expected[Dir.REPLY, Seg.SYN])
    syn[TcpCt.TIME_WAIT] = TcpCt.SYN_SENT
    expected[Dir.REPLY, Seg.SYN] = tuple(syn)
    table = tcp_table(profile("rhel6"))
    for (way, seg), cells in expected.items():
        assert table[way][seg] == cells, (way, seg)


@pytest.mark.parametrize("kernel", all_profiles(), ids=lambda kernel: kernel.name)
def test_a_table_is_whole(kernel: object) -> None:
    table = tcp_table(next(k for k in all_profiles() if k is kernel))
    assert list(table) == list(Dir)
    for rows in table.values():
        assert list(rows) == list(Seg)
        assert all(len(cells) == len(TcpCt) for cells in rows.values())


def test_every_delta_changes_its_cell() -> None:
    newest = tcp_table(profile("7.2"))
    for delta in CELL_DELTAS:
        assert newest[delta.dir][delta.seg][delta.from_state] is not delta.before


# ---- what a 6.18 kernel did with in-window packets ----------------------------------------------


def measured_rows() -> list[tuple[str, Dir, list[TcpFlags], str]]:
    """State, direction, flags and answer of each line of the measured transitions.

    Lines whose answer depends on settings are left out.
    """
    text = shared("kernel-facts", "measured-6.18.md").read_text(encoding="utf-8")
    section = text.split("## 2. The transition table")[1].split("\n## 3.")[0]
    found = []
    for block in section.split("\n#### ")[1:]:
        heading = block.split("(built by")[0].split("(")[0].strip()
        if "picked up" in block.splitlines()[0]:
            continue
        for way, flags, answer in re.findall(
            r"^\| (orig|reply) \| (.+?) \| (.+?) \|", block, re.MULTILINE
        ):
            if "lib0" in answer:
                continue
            words = flags.replace("(none)", "").split()
            direction = Dir.ORIGINAL if way == "orig" else Dir.REPLY
            parsed = [TcpFlags.parse(word) for word in words]
            found.append((heading, direction, parsed, answer))
    return found


def test_measured_transitions() -> None:
    """In-window packets of the tables on a 6.18 kernel lead where the state table says."""
    table = tcp_table(profile("6.18"))
    compared = 0
    for state_name, direction, kinds, answer in measured_rows():
        state = TcpCt[state_name]
        if state is TcpCt.NONE:
            direction = Dir.ORIGINAL  # whoever opens an entry is its original end
        for flags in kinds:
            if flags == TcpFlags.FIN:
                continue  # no valid combination: the table is not asked
            cell = table[direction][get_conntrack_index(flags)][state]
            ctstate, after = answer.split(" > ", 1)
            if cell is Mark.INVALID:
                assert ctstate == "INVALID", (state, direction, flags)
            elif cell is Mark.IGNORE:
                assert ctstate != "INVALID"
                assert after.startswith(f"{state.name} not refreshed"), (state, direction, flags)
            elif after == "none":  # a RST on an entry without reply removes it
                assert cell is TcpCt.CLOSE
            elif (direction, flags, state) == (Dir.ORIGINAL, TcpFlags.SYN, TcpCt.CLOSE):
                # Reopens after a RST of its own side only: both are measured, under one state.
                assert after.startswith(("SYN_SENT", "CLOSE not refreshed"))
            else:
                assert after.split()[0] == cell.name, (state, direction, flags)
            compared += 1
    assert compared >= 130


# ---- the kernel's own source, where a tree is at hand -------------------------------------------


def test_table_of_a_kernel_tree() -> None:
    """CTLINT_KERNEL_TREE names a tree, CTLINT_KERNEL_TREE_PROFILE its profile."""
    tree, name = (os.environ.get(f"CTLINT_KERNEL_TREE{end}") for end in ("", "_PROFILE"))
    if tree is None or name is None:
        pytest.skip("set CTLINT_KERNEL_TREE and CTLINT_KERNEL_TREE_PROFILE")
    source = (Path(tree) / "net/netfilter/nf_conntrack_proto_tcp.c").read_text(encoding="utf-8")
    body = source.split("tcp_conntracks[2][6][TCP_CONNTRACK_MAX]")[1].split("\n};")[0]
    rows = re.findall(r"/\*(\w+)\*/\s*\{([^}]*)\}", body)
    assert [seg for seg, _ in rows] == ["syn", "synack", "fin", "ack", "rst", "none"] * 2
    table = tcp_table(profile(name))
    for position, (seg, cells) in enumerate(rows):
        codes = tuple(CODES[code.strip().removeprefix("s")] for code in cells.split(","))
        assert table[Dir(position // 6)][Seg[seg.upper()]] == codes, seg
