# SPDX-License-Identifier: GPL-2.0-only
"""``-m srh``, the segment routing header. Source: libip6t_srh of iptables 1.8.11, revision 1."""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match
from ctlint.parse.operands import MASKED_HOST, UINT8, UINT16, integer


def _byte(name: str) -> OptionSpec:
    return OptionSpec(f"srh-{name}", (integer(0, UINT8),), negatable=True)


EXTENSIONS = (
    match(
        "srh",
        _byte("next-hdr"),
        *(
            _byte(f"{field}-{comparison}")
            for field in ("hdr-len", "segs-left", "last-entry")
            for comparison in ("eq", "gt", "lt")
        ),
        OptionSpec("srh-tag", (integer(0, UINT16),), negatable=True),
        OptionSpec("srh-psid", (MASKED_HOST,), negatable=True),
        OptionSpec("srh-nsid", (MASKED_HOST,), negatable=True),
        OptionSpec("srh-lsid", (MASKED_HOST,), negatable=True),
        families=IPV6_ONLY,
    ),
)
