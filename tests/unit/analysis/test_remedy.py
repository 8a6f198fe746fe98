# SPDX-License-Identifier: GPL-2.0-only
"""Remedies are given only where the rule set with them lets the lost packets through."""

from __future__ import annotations

from ctlint.analysis.remedy import accept_closes
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stranding import examine
from ctlint.finding import Role
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

ACCEPTING = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"


def remedy(rules: str, *, loose: int = 1) -> str | None:
    (ruleset,) = parse_rulesets(f"{ACCEPTING}{rules}COMMIT\n", "rules", Family.IPV4)
    chains = ChainStore(ruleset, Facts())
    settings = Settings(SysctlSet(), NEWEST).replaced(TCP_LOOSE, loose)
    (stranding,) = examine(chains, Role.SERVER, settings).strandings
    return accept_closes(stranding, chains, settings)


def test_rules_that_accept_the_close_help_where_it_is_lost() -> None:
    text = remedy("-A INPUT -m conntrack --ctstate INVALID -j DROP\n")
    assert text is not None
    assert "(checked)" in text


def test_they_are_no_remedy_where_neither_fin_nor_rst_is_lost() -> None:
    lost = "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK ACK -m conntrack --ctstate INVALID "
    assert remedy(f"{lost}-j DROP\n", loose=0) is None
