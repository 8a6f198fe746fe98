# SPDX-License-Identifier: GPL-2.0-only
"""``-j SET``. Source: libxt_SET of iptables 1.8.11, set_target_v3_checkentry() of Linux 6.18."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, all_checks, one_of, target
from ctlint.parse.operands import SET_DIRECTIONS, SET_NAME, UINT32, integer

_SET = (SET_NAME, SET_DIRECTIONS)
_MAPS = ("map-mark", "map-prio", "map-queue")


def _check_map(options: Sequence[Option], context: RuleContext) -> str | None:
    given = {option.name for option in options}
    if "map-set" not in given:
        return None
    if not given.intersection(_MAPS):
        return "--map-set needs --map-mark, --map-prio or --map-queue"
    if context.table != "mangle":
        return "--map-set loads only in the table mangle"
    return None


def _check_hook(options: Sequence[Option], chain: str) -> str | None:
    given = {option.name for option in options}
    if given & {"map-prio", "map-queue"} and chain in ("PREROUTING", "INPUT"):
        return "--map-prio and --map-queue load only in FORWARD, OUTPUT and POSTROUTING"
    return None


EXTENSIONS = (
    target(
        "SET",
        OptionSpec("add-set", _SET),
        OptionSpec("exist", also=("add-set",), repeatable=True),
        OptionSpec("timeout", (integer(0, UINT32 - 1),), also=("add-set",)),
        OptionSpec("del-set", _SET),
        OptionSpec("map-set", _SET),
        *(OptionSpec(name, also=("map-set",), repeatable=True) for name in _MAPS),
        check=all_checks(one_of("add-set", "del-set", "map-set"), _check_map),
        hook_check=_check_hook,
    ),
)
