# SPDX-License-Identifier: GPL-2.0-only
"""Asks one rule of rule sets and settings in text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctlint.analysis.circumstances import circumstances
from ctlint.finding import Finding
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import profile
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl

OPEN: Final = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
"""Rules that let everything through."""


def found(
    rule: str,
    *files: str,
    rules: str = OPEN,
    kernel: str = "7.3",
    facts: Sequence[tuple[str, str]] = (),
) -> list[Finding]:
    """The findings of a rule, or of all whose ids begin so, where these sysctl files, a.conf,
    b.conf …, are read one by one.
    """
    runs = [
        SysctlRun((parse_sysctl(text, f"{name}.conf"),))
        for name, text in zip("abc", files, strict=False)
    ]
    host = Host(
        parse_rulesets(rules, "rules"),
        SysctlSet(tuple(runs)),
        circumstances=circumstances(facts),
        texts={f"{name}.conf": text for name, text in zip("abc", files, strict=False)},
    )
    chosen = [one for one in shipped_rules() if one.id.startswith(rule)]
    return list(lint([host], profile(kernel), chosen, persona=Persona.PEDANTIC).findings)
