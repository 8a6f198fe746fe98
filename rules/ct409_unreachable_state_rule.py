# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule about connection states that no packet can come to, because rules before it take every
packet that it could match.

## Why it matters
The rule set says something that it does not do. A drop of INVALID behind a rule that accepts the
port without asking for the state drops nothing; an ESTABLISHED rule behind it is never counted.
Whoever reads the rules, or repairs them, relies on what does not happen.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 8000:8999 -j ACCEPT
# expect: CT409
-A INPUT -p tcp -m tcp --dport 8088 -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 8000:8999 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 9000:9999 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
```

## When it is right anyway
In rule sets that a program writes, the same rule may stand in several chains for the sake of
uniformity. It costs nothing but the reader's time.

## References
- iptables(8): a packet is given to the rules of a chain in order
- net/ipv4/netfilter/ip_tables.c, ipt_do_table()
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.lint.shadowing import shadowed_rules


@rule("CT409", "unreachable-state-rule", severity=Severity.NOTE, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Shadowed rules that ask for the ctstate."""
    yield from shadowed_rules(ctx, of_state=True)
