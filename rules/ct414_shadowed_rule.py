# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that no packet can come to, because rules before it take every packet that it could
match. Rules that ask for the state of a connection have an id of their own, CT409.

## Why it matters
The rule does nothing. Either it is left over, or it stands in the wrong place and something else
happens than it says.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:SERVICES - [0:0]
-A INPUT -p tcp -j SERVICES
# expect: CT414
-A INPUT -s 10.3.0.0/16 -p tcp -m tcp --dport 22 -j DROP
-A SERVICES -p tcp -m tcp --dport 1:79 -j ACCEPT
-A SERVICES -p tcp -m tcp --dport 80:65535 -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:SERVICES - [0:0]
-A INPUT -s 10.3.0.0/16 -p tcp -m tcp --dport 22 -j DROP
-A INPUT -p tcp -j SERVICES
-A SERVICES -p tcp -m tcp --dport 1:79 -j ACCEPT
-A SERVICES -p tcp -m tcp --dport 80:65535 -j ACCEPT
COMMIT
```

## When it is right anyway
Programs that write rules often end a chain with a rule that an earlier one makes needless.

## References
- iptables(8): a packet is given to the rules of a chain in order
- net/ipv4/netfilter/ip_tables.c, ipt_do_table()
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule
from ctlint.lint.shadowing import shadowed_rules


@rule(
    "CT414",
    "shadowed-rule",
    severity=Severity.NOTE,
    since="0.1.0",
    persona=Persona.PEDANTIC,
)
def check(ctx: Context) -> Iterator[Finding]:
    """Shadowed rules that ask for no ctstate."""
    yield from shadowed_rules(ctx, of_state=False)
