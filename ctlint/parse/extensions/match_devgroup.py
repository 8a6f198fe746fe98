# SPDX-License-Identifier: GPL-2.0-only
"""``-m devgroup``. Source: libxt_devgroup of iptables 1.8.11, net/netfilter/xt_devgroup.c.

A group is a number under a mask (:class:`~ctlint.ir.values.Masked`), or a name that only
/etc/iproute2/group of the machine resolves: it is kept as text.
"""

from __future__ import annotations

import re

from ctlint.ir.values import Masked
from ctlint.parse.extension import OptionSpec, all_checks, match, one_of, only_in
from ctlint.parse.operands import MARK, UINT32, Operand
from ctlint.wire.addresses import Family

_NAME = re.compile(r"[A-Za-z_][^\s/]{0,63}", re.ASCII)


def _parse_group(text: str, family: Family) -> Masked | str:
    if text == "default":
        return Masked(0, UINT32)
    return text if _NAME.fullmatch(text) else MARK.parse(text, family)


def _format_group(value: Masked | str) -> str:
    return value if isinstance(value, str) else MARK.format(value)


_GROUP = Operand("GROUP or GROUP/MASK", _parse_group, _format_group)

EXTENSIONS = (
    match(
        "devgroup",
        OptionSpec("src-group", (_GROUP,), negatable=True),
        OptionSpec("dst-group", (_GROUP,), negatable=True),
        check=one_of("src-group", "dst-group"),
        hook_check=all_checks(
            only_in("src-group", "PREROUTING", "INPUT", "FORWARD"),
            only_in("dst-group", "FORWARD", "OUTPUT", "POSTROUTING"),
        ),
    ),
)
