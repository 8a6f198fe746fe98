# SPDX-License-Identifier: GPL-2.0-only
"""``-m realm``, the routing realm.

Source: libipt_realm of iptables 1.8.11; hooks: net/netfilter/xt_realm.c, Linux 6.18.
"""

from __future__ import annotations

import re

from ctlint.ir.values import Masked
from ctlint.parse.extension import IPV4_ONLY, OptionSpec, match
from ctlint.parse.operands import MARK, Operand
from ctlint.wire.addresses import Family

_NAME = re.compile(r"[^\W\d]\S*")


def _parse_realm(word: str, family: Family) -> Masked | str:
    if _NAME.fullmatch(word):
        return word
    realm: Masked = MARK.parse(word, family)
    return realm


def _format_realm(value: Masked | str) -> str:
    return value if isinstance(value, str) else MARK.format(value)


_REALM = Operand("a realm, REALM/MASK or a name", _parse_realm, _format_realm)
"""A name stands in /etc/iproute2/rt_realms of the machine that loads the rule."""

EXTENSIONS = (
    match(
        "realm",
        OptionSpec("realm", (_REALM,), negatable=True, required=True),
        families=IPV4_ONLY,
        base_chains=("INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    ),
)
