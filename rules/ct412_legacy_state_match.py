# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags the match `state`, which `conntrack` took the place of.

## Why it matters
Both ask the same. `-m state` is an old name that iptables keeps for old rule sets; only
`-m conntrack` can ask for more, such as DNAT or the status of the entry. A rule set that uses both
is harder to search for a state.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT412
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 22 -j ACCEPT
COMMIT
```

## When it is right anyway
Always: it works, and the kernel has no plan to end it.

## References
- iptables-extensions(8), state: "a subset of the conntrack module"
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Confidence, Finding, Severity
from ctlint.ir.rule import Match
from ctlint.ir.rule_ref import RuleRef
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule


@rule(
    "CT412",
    "legacy-state-match",
    severity=Severity.NOTE,
    since="0.1.0",
    persona=Persona.PEDANTIC,
)
def check(ctx: Context) -> Iterator[Finding]:
    """The first rule of a rule set that has the match, for all but those that are allowed."""
    ruleset = ctx.subject.ruleset
    found = [
        RuleRef(table, chain.name, position, rule)
        for table, chain, position, rule in ruleset.rules()
        if any(isinstance(match, Match) and match.name == "state" for match in rule.matches)
    ]
    for group in ctx.subject.together(found):
        more = f", and {len(group) - 1:,} more rules" if len(group) > 1 else ""
        yield Finding(
            rule=ctx.info.id,
            name=ctx.info.name,
            severity=Severity.NOTE,
            confidence=Confidence.CERTAIN,
            message=f"this rule{more} asks for the state with the old match",
            remedy="`-m conntrack --ctstate` with the same states asks the same",
            location=ctx.location(group[0]),
            family=ruleset.family,
            further=ctx.subject.further(group),
        )
