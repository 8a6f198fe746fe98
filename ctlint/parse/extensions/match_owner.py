# SPDX-License-Identifier: GPL-2.0-only
"""``-m owner``, the socket's owner.

Source: libxt_owner of iptables 1.8.11; hooks and empty ranges: net/netfilter/xt_owner.c, Linux
6.18. ``--pid-owner``, ``--sid-owner`` and ``--cmd-owner`` are of revision 0, which kernels before
2.6.25 had.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.ir.values import Range
from ctlint.parse.extension import (
    IPV4_ONLY,
    IPV6_ONLY,
    Extension,
    OptionSpec,
    RuleContext,
    match,
)
from ctlint.parse.operands import UINT32, Operand, cut_text, integer, parse_integer
from ctlint.wire.addresses import Family

_NAME = re.compile(r"[^\W\d][^\s:]{0,254}")
_RANGE = re.compile(r"(\w+)(?:[-:](\w+))?", re.ASCII)
_HIGHEST = UINT32 - 1
_INT_MAX = (1 << 31) - 1
_NEW = ("socket-exists", "suppl-groups")
_OLD = ("pid-owner", "sid-owner", "cmd-owner")


def _parse_owner(word: str, _: Family) -> Range | str:
    if _NAME.fullmatch(word):
        return word
    found = _RANGE.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r} is neither a name nor a number nor a range")
    low = parse_integer(found[1], 0, _HIGHEST)
    high = low if found[2] is None else parse_integer(found[2], 0, _HIGHEST)
    if low > high:
        raise ValueError(f"the range {word} is empty")
    return Range(low, high)


def _format_owner(value: Range | str) -> str:
    if isinstance(value, str):
        return value
    return str(value.low) if value.low == value.high else f"{value.low}-{value.high}"


_OWNER = Operand("a name, a number or a range", _parse_owner, _format_owner)
"""A name is looked up on the machine that loads the rule, so it stays a name here."""


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    names = [option.name for option in options]
    if not names:
        return "needs --uid-owner, --gid-owner or --socket-exists"
    if "suppl-groups" in names and "gid-owner" not in names[: names.index("suppl-groups")]:
        return "--suppl-groups needs --gid-owner before it"
    return None


def _owner(families: frozenset[Family], *options: OptionSpec) -> Extension:
    return match(
        "owner",
        OptionSpec("uid-owner", (_OWNER,), negatable=True),
        OptionSpec("gid-owner", (_OWNER,), negatable=True),
        OptionSpec("socket-exists", negatable=True, excludes=_OLD),
        OptionSpec("suppl-groups", excludes=_OLD),
        OptionSpec("pid-owner", (integer(0, _INT_MAX),), negatable=True, excludes=_NEW),
        OptionSpec("sid-owner", (integer(0, _INT_MAX),), negatable=True, excludes=_NEW),
        *options,
        families=families,
        base_chains=("OUTPUT", "POSTROUTING"),
        check=_check,
    )


EXTENSIONS = (
    _owner(
        IPV4_ONLY,
        OptionSpec("cmd-owner", (cut_text(15),), negatable=True, excludes=_NEW),
    ),
    _owner(IPV6_ONLY),
)
