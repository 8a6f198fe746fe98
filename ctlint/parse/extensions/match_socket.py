# SPDX-License-Identifier: GPL-2.0-only
"""``-m socket``. Source: libxt_socket of iptables 1.8.11; net/netfilter/xt_socket.c, Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match

EXTENSIONS = (
    match(
        "socket",
        OptionSpec("transparent"),
        OptionSpec("nowildcard"),
        OptionSpec("restore-skmark"),
        base_chains=("PREROUTING", "INPUT"),
    ),
)
