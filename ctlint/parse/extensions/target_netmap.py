# SPDX-License-Identifier: GPL-2.0-only
"""``-j NETMAP``: the network part of an address is replaced, the host part stays.

Source: libipt_NETMAP and libip6t_NETMAP of iptables 1.8.11, xt_NETMAP.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import HOST_NET, Operand
from ctlint.wire.addresses import Family, Hostname, Net


def _parse_contiguous(text: str, family: Family) -> Net | Hostname:
    net: Net | Hostname = HOST_NET.parse(text, family)
    if isinstance(net, Net) and net.prefix_length is None:
        # iptables 1.8.9 loads such a mask as that of a single host.
        raise ValueError(f"the mask of {text} is not contiguous")
    return net


EXTENSIONS = (
    target(
        "NETMAP",
        OptionSpec(
            "to", (Operand(HOST_NET.expected, _parse_contiguous, HOST_NET.format),), required=True
        ),
        tables=("nat",),
        base_chains=("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    ),
)
