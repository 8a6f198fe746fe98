# SPDX-License-Identifier: GPL-2.0-only
"""``-j DNPT``: stateless translation of an IPv6 prefix (RFC 6296) on the way in.

Source: libip6t_DNPT of iptables 1.8.11, ip6t_npt_checkentry() in ip6t_NPT.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, OptionSpec, target
from ctlint.parse.operands import Operand
from ctlint.wire.addresses import Family, Net, parse_net


def _parse_prefix(text: str, family: Family) -> Net:
    net = parse_net(text, family)
    length = net.prefix_length
    if length is None or length > 64:
        raise ValueError(f"the prefix of {text} is longer than /64")
    if net.address != parse_net(text.partition("/")[0], family).address:
        raise ValueError(f"{text} has bits outside its prefix, which is {net}")
    return net


_PREFIX = Operand("PREFIX/LENGTH", _parse_prefix)

PREFIXES = (
    OptionSpec("src-pfx", (_PREFIX,), required=True),
    OptionSpec("dst-pfx", (_PREFIX,), required=True),
)
"""The options that DNPT and SNPT share."""

EXTENSIONS = (
    target(
        "DNPT",
        *PREFIXES,
        families=IPV6_ONLY,
        tables=("mangle",),
        base_chains=("PREROUTING", "OUTPUT"),
    ),
)
