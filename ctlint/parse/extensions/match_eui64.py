# SPDX-License-Identifier: GPL-2.0-only
"""``-m eui64``. Source: libip6t_eui64 of iptables 1.8.11, net/ipv6/netfilter/ip6t_eui64.c."""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, match

EXTENSIONS = (match("eui64", families=IPV6_ONLY, base_chains=("PREROUTING", "INPUT", "FORWARD")),)
