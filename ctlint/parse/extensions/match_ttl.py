# SPDX-License-Identifier: GPL-2.0-only
"""``-m ttl``. Source: libipt_ttl of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import IPV4_ONLY, OptionSpec, match, one_of
from ctlint.parse.operands import UINT8, integer

_NAMES = ("ttl-eq", "ttl-lt", "ttl-gt")
_TTL = (integer(0, UINT8),)

EXTENSIONS = (
    match(
        "ttl",
        OptionSpec("ttl-lt", _TTL, excludes=_NAMES),
        OptionSpec("ttl-gt", _TTL, excludes=_NAMES),
        OptionSpec("ttl-eq", _TTL, negatable=True, excludes=_NAMES),
        OptionSpec("ttl", _TTL, negatable=True, canonical="ttl-eq", excludes=_NAMES),
        families=IPV4_ONLY,
        check=one_of(*_NAMES),
    ),
)
