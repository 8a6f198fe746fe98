# SPDX-License-Identifier: GPL-2.0-only
"""Takes the examples out of rule pages."""

from __future__ import annotations

import re
from typing import NamedTuple

from ctlint.analysis.circumstances import Circumstances, circumstances
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.rule_api import RuleInfo
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, profile
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.wire.addresses import Family

_FENCE = re.compile(r"^```([a-z0-9-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_KERNEL = re.compile(r"# kernel: (\S+)\n")
_EXPECT = re.compile(r"# expect: (CT\d{3})(?: (client|server|forward|loopback))?$")


class Expected(NamedTuple):
    """A finding that must come: rule, role (empty: none), file and line."""

    rule: str
    role: str
    file: str
    line: int


class Example(NamedTuple):
    """One example: a rule set, settings, the findings written into them, the kernel that a comment
    names (the newest where none does), and the facts that are told, one KEY=VALUE a line.
    """

    rules: str
    rules6: str
    sysctl: str
    expected: frozenset[Expected]
    kernel: KernelProfile
    told: Circumstances

    def rulesets(self) -> tuple[Ruleset, ...]:
        """The rules, parsed."""
        found = parse_rulesets(self.rules, "rules")
        if self.rules6:
            found += parse_rulesets(self.rules6, "rules6", Family.IPV6)
        return found

    def texts(self) -> dict[str, str]:
        """The texts by the names of their files."""
        return {"rules": self.rules, "rules6": self.rules6, "sysctl": self.sysctl}

    def sysctls(self) -> SysctlSet:
        """The settings, parsed."""
        if not self.sysctl:
            return SysctlSet()
        return SysctlSet((SysctlRun((parse_sysctl(self.sysctl, "sysctl"),)),))


def example(info: RuleInfo, heading: str) -> Example:
    """The example under a heading; it has one iptables-save block and at most one of the
    others."""
    blocks = dict(_FENCE.findall(info.sections[heading]))
    assert set(blocks) <= {"iptables-save", "ip6tables-save", "sysctl", "facts"}, set(blocks)
    expected = {
        *_expected(blocks["iptables-save"], "rules"),
        *_expected(blocks.get("ip6tables-save", ""), "rules6"),
        *_expected(blocks.get("sysctl", ""), "sysctl"),
    }
    rules = blocks["iptables-save"]
    named = _KERNEL.match(rules)
    kernel = profile(named[1]) if named else NEWEST
    rules6, sysctl = (blocks.get(name, "") for name in ("ip6tables-save", "sysctl"))
    facts = [line.split("=", 1) for line in blocks.get("facts", "").splitlines()]
    told = circumstances((key, text) for key, text in facts)
    return Example(rules, rules6, sysctl, frozenset(expected), kernel, told)


def _expected(text: str, file: str) -> list[Expected]:
    found: list[Expected] = []
    pending: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        mark = _EXPECT.fullmatch(line)
        if mark:
            pending.append((mark[1], mark[2] or ""))
            continue
        found += [Expected(rule, role, file, number) for rule, role in pending]
        pending = []
    assert not pending, "an expectation stands above no line"
    return found
