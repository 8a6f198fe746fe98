# SPDX-License-Identifier: GPL-2.0-only
"""``-j CONNSECMARK``.

Source: libxt_CONNSECMARK of iptables 1.8.11, xt_CONNSECMARK.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, one_of, target

EXTENSIONS = (
    target(
        "CONNSECMARK",
        OptionSpec("save", excludes=("restore",)),
        OptionSpec("restore", excludes=("save",)),
        tables=("mangle", "security"),
        check=one_of("save", "restore"),
    ),
)
