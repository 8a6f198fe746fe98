# SPDX-License-Identifier: GPL-2.0-only
"""``-m nfacct``. Source: libxt_nfacct of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import Operand, cut_text
from ctlint.wire.addresses import Family

_NAME = cut_text(31)


def _parse_name(word: str, family: Family) -> str:
    if not word:
        raise ValueError("the name is empty")
    if "\n" in word:
        raise ValueError("the name holds a line break")
    name: str = _NAME.parse(word, family)
    return name


EXTENSIONS = (
    match(
        "nfacct",
        OptionSpec(
            "nfacct-name",
            (Operand("the name of an accounting object", _parse_name),),
            required=True,
        ),
    ),
)
