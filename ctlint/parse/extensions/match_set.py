# SPDX-License-Identifier: GPL-2.0-only
"""``-m set``, ipset membership. Source: libxt_set of iptables 1.8.11, revision 4."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import SET_DIRECTIONS, SET_NAME, UINT64, integer

_COUNTER = (integer(0, UINT64),)


def _counter(unit: str) -> tuple[OptionSpec, ...]:
    names = (f"{unit}-eq", f"{unit}-lt", f"{unit}-gt")
    return (
        OptionSpec(names[0], _COUNTER, negatable=True, excludes=names),
        OptionSpec(names[1], _COUNTER, excludes=names),
        OptionSpec(names[2], _COUNTER, excludes=names),
    )


EXTENSIONS = (
    match(
        "set",
        OptionSpec(
            "match-set",
            (SET_NAME, SET_DIRECTIONS),
            negatable=True,
            required=True,
            holds_blanks=True,
        ),
        OptionSpec("set", (SET_NAME, SET_DIRECTIONS), negatable=True, canonical="match-set"),
        OptionSpec("return-nomatch"),
        OptionSpec("update-counters", negatable=True),
        OptionSpec("update-subcounters", negatable=True),
        *_counter("packets"),
        *_counter("bytes"),
    ),
)
