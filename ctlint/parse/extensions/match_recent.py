# SPDX-License-Identifier: GPL-2.0-only
"""``-m recent``, lists of recently seen addresses.

Source: libxt_recent of iptables 1.8.11; combinations, list names and the highest hit count:
net/netfilter/xt_recent.c, Linux 6.18 (older kernels count to less).
"""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, all_checks, match, one_of
from ctlint.parse.operands import HOST, UINT16, UINT32, Operand, cut_text, integer
from ctlint.wire.addresses import Family

_ACTIONS = ("set", "rcheck", "update", "remove")
_TEXT = cut_text(199)


def _parse_name(word: str, family: Family) -> str:
    name: str = _TEXT.parse(word, family)
    if name in ("", ".", "..") or "/" in name:
        raise ValueError(f"{word!r} cannot name a list: it is the name of a file in /proc")
    return name


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    names = {option.name for option in options}
    conditions = {
        option.name
        for option in options
        if option.name == "seconds" or (option.name == "hitcount" and option.value)
    }
    if names & {"set", "remove"} and conditions:
        return f"--{min(conditions)} is for --rcheck and --update only"
    return None


EXTENSIONS = (
    match(
        "recent",
        *(OptionSpec(name, negatable=True, excludes=_ACTIONS) for name in _ACTIONS),
        OptionSpec("seconds", (integer(1, UINT32),)),
        OptionSpec("reap", also=("seconds",)),
        OptionSpec("hitcount", (integer(0, UINT16),)),
        OptionSpec("rttl", excludes=("set", "remove")),
        OptionSpec("name", (Operand("the name of a list", _parse_name),)),
        OptionSpec("rsource"),
        OptionSpec("rdest"),
        OptionSpec("mask", (HOST,)),
        check=all_checks(one_of(*_ACTIONS), _check),
    ),
)
