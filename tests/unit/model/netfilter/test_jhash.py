# SPDX-License-Identifier: GPL-2.0-only
"""Expected values are what a C compiler makes of jhash2() in include/linux/jhash.h."""

from __future__ import annotations

import pytest

from ctlint.model.netfilter.jhash import jhash2, jhash_1word

WORDS = (
    *(0x01020304, 0xFFFEFDFC, 0xDEADBEEF, 0x0A010002),
    *(0x00000005, 0x00000006, 0x80000000, 0xFFFFFFFF),
)


@pytest.mark.parametrize(
    ("count", "without_seed", "with_seed"),
    [
        (1, 0xEC5B1971, 0x4CFC60C7),
        (2, 0x703EFF22, 0x4E080EE4),
        (3, 0x1049A0CB, 0x4D12D73B),
        (4, 0x59BB2FD2, 0xE87A8010),
        (5, 0x619AAF74, 0x8FC3F6F9),
        (6, 0xC04C9237, 0x1838E334),
        (7, 0x772F3E14, 0xB017FB71),
        (8, 0xA4B2CB93, 0xB24B15B2),
    ],
)
def test_words_are_mixed_by_threes(count: int, without_seed: int, with_seed: int) -> None:
    assert jhash2(WORDS[:count], 0) == without_seed
    assert jhash2(WORDS[:count], 0xC0FFEE11) == with_seed


def test_one_word() -> None:
    assert jhash_1word(0x0200010A, 7) == 0x61363112
