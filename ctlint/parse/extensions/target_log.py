# SPDX-License-Identifier: GPL-2.0-only
"""``-j LOG``. Without ``--log-level`` it is 4 (warning). Source: libxt_LOG of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import Operand, log_prefix, parse_integer
from ctlint.wire.addresses import Family

# The names of XTTYPE_SYSLOGLEVEL: in lower case only, and without syslog's err and warn.
_LEVELS = {
    "emerg": 0,
    "panic": 0,
    "alert": 1,
    "crit": 2,
    "error": 3,
    "warning": 4,
    "notice": 5,
    "info": 6,
    "debug": 7,
}


def _parse_level(text: str, _: Family) -> int:
    known = _LEVELS.get(text)
    return parse_integer(text, 0, 7) if known is None else known


EXTENSIONS = (
    target(
        "LOG",
        OptionSpec("log-level", (Operand(f"0-7 or one of {', '.join(_LEVELS)}", _parse_level),)),
        OptionSpec("log-prefix", (log_prefix(29),)),
        OptionSpec("log-tcp-sequence"),
        OptionSpec("log-tcp-options"),
        OptionSpec("log-ip-options"),
        OptionSpec("log-uid"),
        OptionSpec("log-macdecode"),
    ),
)
