# SPDX-License-Identifier: GPL-2.0-only
"""``-j TCPMSS``. Where both options are given, the last holds.

Source: libxt_TCPMSS of iptables 1.8.11, tcpmss_tg4_check() in xt_TCPMSS.c of Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import (
    IPV4_ONLY,
    IPV6_ONLY,
    Extension,
    OptionSpec,
    one_of,
    target,
)
from ctlint.parse.operands import UINT16, integer
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP


def _check_clamp(options: Sequence[Option], chain: str) -> str | None:
    if options[-1].name == "clamp-mss-to-pmtu" and chain in ("PREROUTING", "INPUT"):
        return "--clamp-mss-to-pmtu loads only in FORWARD, OUTPUT and POSTROUTING"
    return None


def _tcpmss(families: frozenset[Family], header_bytes: int) -> Extension:
    return target(
        "TCPMSS",
        OptionSpec("set-mss", (integer(0, UINT16 - header_bytes),)),
        OptionSpec("clamp-mss-to-pmtu"),
        families=families,
        protocols=(TCP,),
        check=one_of("set-mss", "clamp-mss-to-pmtu"),
        hook_check=_check_clamp,
    )


EXTENSIONS = (_tcpmss(IPV4_ONLY, 20), _tcpmss(IPV6_ONLY, 40))
