# SPDX-License-Identifier: GPL-2.0-only
"""``-m ipcomp``. Source: libxt_ipcomp of iptables 1.8.11, net/netfilter/xt_ipcomp.c.

Without ``--ipcompspi`` the range stays 0:0, so that a bare ``-m ipcomp`` matches only index 0. The
kernel does not look at ``--compres``.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import integer_range

EXTENSIONS = (
    match(
        "ipcomp",
        OptionSpec("ipcompspi", (integer_range(),), negatable=True),
        OptionSpec("compres"),
        protocols=(108,),
    ),
)
