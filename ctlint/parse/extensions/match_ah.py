# SPDX-License-Identifier: GPL-2.0-only
"""``-m ah``. Source: libipt_ah and libip6t_ah of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import IPV4_ONLY, IPV6_ONLY, OptionSpec, match
from ctlint.parse.operands import integer, integer_range

_SPI = OptionSpec("ahspi", (integer_range(),), negatable=True)

EXTENSIONS = (
    match("ah", _SPI, families=IPV4_ONLY, protocols=(51,)),
    match(
        "ah",
        _SPI,
        OptionSpec("ahlen", (integer(),), negatable=True),
        OptionSpec("ahres"),
        families=IPV6_ONLY,
    ),
)
