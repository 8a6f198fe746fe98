# SPDX-License-Identifier: GPL-2.0-only
"""What a remedy lets through, in words."""

from __future__ import annotations

from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import NEWEST
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.wire.addresses import Family


def test_addresses_under_a_mask_with_holes_are_not_counted_up() -> None:
    """ip6tables takes such masks; one with a hole of 104 bits holds 2**104 networks."""
    text = (
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -s fd00::2/ff00::ffff -p tcp -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    sysctl = parse_sysctl("net.netfilter.nf_conntrack_tcp_loose = 0\n", "sysctl")
    host = Host(parse_rulesets(text, "rules", Family.IPV6), SysctlSet((SysctlRun((sysctl,)),)))
    found = [one for one in lint([host], NEWEST, shipped_rules()).findings if one.rule == "CT107"]
    assert found
    assert any("from some addresses" in one.remedy for one in found)
