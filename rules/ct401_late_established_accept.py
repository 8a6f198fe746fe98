# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a base chain whose rule that accepts ESTABLISHED packets stands behind ten or more others.

## Why it matters
Nearly all packets belong to connections that are open, and each of them walks through all rules
before the one that accepts it. The rules before are about new connections in most cases: they cost
time and say nothing. And a rule among them that drops by address or rate cuts open connections too.

## Bad
```iptables-save
*filter
# expect: CT106 client
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -s 192.0.2.1/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.2/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.3/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.4/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.5/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.6/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.7/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.8/32 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -s 192.0.2.9/32 -p udp -m udp --dport 53 -j ACCEPT
# expect: CT401
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
# expect: CT106 client
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s 192.0.2.0/24 -p udp -m udp --dport 53 -j ACCEPT
COMMIT
```

## When it is right anyway
Where a rule before it must hit open connections as well: a block list that takes effect at once, an
account of all traffic.

## References
- iptables(8): a packet is compared with the rules of a chain one after the other
- https://github.com/projectcalico/felix/pull/1424
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.state_matches import named_states
from ctlint.finding import Finding, Severity
from ctlint.ir.rule import Rule
from ctlint.ir.rule_ref import RuleRef
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule
from ctlint.lint.structure import rule_finding
from ctlint.model.netfilter.targets import Action, action

MOST: Final = 10
"""Rules before it that are still few."""


@rule(
    "CT401",
    "late-established-accept",
    severity=Severity.NOTE,
    since="0.1.0",
    persona=Persona.PEDANTIC,
)
def check(ctx: Context) -> Iterator[Finding]:
    """The first rule of a base chain of filter that accepts all ESTABLISHED packets."""
    for name in ("INPUT", "FORWARD", "OUTPUT"):
        chain = ctx.subject.ruleset.chain("filter", name)
        if chain is None:
            continue
        for position, each in enumerate(chain.rules, 1):
            if not _accepts_established(each):
                continue
            if position > MOST:
                yield rule_finding(
                    ctx,
                    RuleRef("filter", name, position, each),
                    Severity.NOTE,
                    f"every packet of an open connection walks through {position - 1} rules before "
                    "this one accepts it",
                    "put it first, but for rules that must hit open connections too",
                )
            break


def _accepts_established(one: Rule) -> bool:
    """Whether it accepts them whatever else they are, and no new ones."""
    states = named_states(one)
    if action(one.target) is not Action.ACCEPT or states is None:
        return False
    if "ESTABLISHED" not in states or "NEW" in states:
        return False
    return {match.name for match in one.matches} <= {"conntrack", "state", "comment"}
