# SPDX-License-Identifier: GPL-2.0-only
"""Class and validity of every combination of flags."""

from __future__ import annotations

import pytest

from ctlint.model.conntrack.status import Seg
from ctlint.model.conntrack.tcp_flags import VALID_FLAGS, get_conntrack_index, has_valid_flags
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.kernel.kernel_facts import shared


def test_the_nine_valid_combinations() -> None:
    assert [flags.letters for flags in VALID_FLAGS] == [
        "S",
        "SU",
        "SA",
        "R",
        "RA",
        "FA",
        "FAU",
        "A",
        "AU",
    ]


def test_all_256_combinations_against_the_list_that_was_measured() -> None:
    """PSH, ECE and CWR are free; the rest is the first table of the measured answers."""
    text = shared("kernel-facts", "measured-6.18.md").read_text(encoding="utf-8")
    section = text.split("## 1. The 64 flag combinations")[1].split("\n## 2.")[0]
    verdicts: dict[TcpFlags, bool] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 5 or not (cells[2].startswith(("INVALID >", "NEW >"))):
            continue
        for word in cells[1].split():
            flags = TcpFlags(0) if word == "(none)" else TcpFlags.parse(word)
            verdicts[flags] = not cells[4].startswith("invalid tcp flag combination")
    assert len(verdicts) == 64
    for value in range(256):
        flags = TcpFlags(value)
        without_ecn = flags & ~(TcpFlags.ECE | TcpFlags.CWR)
        assert has_valid_flags(flags) is verdicts[without_ecn], flags.letters


@pytest.mark.parametrize(
    ("letters", "seg"),
    [
        ("", Seg.NONE),
        ("P", Seg.NONE),
        ("U", Seg.NONE),
        ("S", Seg.SYN),
        ("SEC", Seg.SYN),
        ("SF", Seg.SYN),
        ("SA", Seg.SYNACK),
        ("SFA", Seg.SYNACK),
        ("F", Seg.FIN),
        ("FA", Seg.FIN),
        ("A", Seg.ACK),
        ("PA", Seg.ACK),
        ("R", Seg.RST),
        ("RA", Seg.RST),
        ("SFRPAU", Seg.RST),
    ],
)
def test_class_of_a_segment(letters: str, seg: Seg) -> None:
    assert get_conntrack_index(TcpFlags.parse(letters)) is seg
