# SPDX-License-Identifier: GPL-2.0-only
"""Takes the examples out of rule pages."""

from __future__ import annotations

import re
from typing import NamedTuple

from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.rule_api import RuleInfo
from ctlint.parse.sysctl import parse_sysctl

_FENCE = re.compile(r"^```([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPECT = re.compile(r"# expect: (CT\d{3})(?: (client|server|forward|loopback))?$")


class Expected(NamedTuple):
    """A finding that must come: rule, role (empty: none), file and line."""

    rule: str
    role: str
    file: str
    line: int


class Example(NamedTuple):
    """One example: a rule set, settings, and the findings written into them."""

    rules: str
    sysctl: str
    expected: frozenset[Expected]

    def sysctls(self) -> SysctlSet:
        """The settings, parsed."""
        if not self.sysctl:
            return SysctlSet()
        return SysctlSet((SysctlRun((parse_sysctl(self.sysctl, "sysctl"),)),))


def example(info: RuleInfo, heading: str) -> Example:
    """The example under a heading; it has one iptables-save block and at most one sysctl block."""
    blocks = dict(_FENCE.findall(info.sections[heading]))
    assert set(blocks) <= {"iptables-save", "sysctl"}, set(blocks)
    expected = {
        *_expected(blocks["iptables-save"], "rules"),
        *_expected(blocks.get("sysctl", ""), "sysctl"),
    }
    return Example(blocks["iptables-save"], blocks.get("sysctl", ""), frozenset(expected))


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
