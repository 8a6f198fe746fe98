# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags rules that translate addresses of forwarded connections where the FIN of a connection that
conntrack has forgotten leaves untranslated.

## Why it matters
NAT translates what has an entry. Once that has expired, a FIN or RST is INVALID: nothing drops it
here, so it goes on with the address that it came with. A private address shows on the outer wire,
and the other end gets a packet of a connection that it does not know. The close is lost as surely
as if it had been dropped, but a neighbour sees it.

## Bad
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
# expect: CT405 forward
# expect: CT111 forward
-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## Good
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
# expect: CT111 forward
-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -i wan0 -m conntrack --ctstate NEW -j DROP
-A FORWARD -o wan0 -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## When it is right anyway
Where the next router drops private addresses, as providers do, or where both networks know each
other's.

## References
- net/netfilter/nf_nat_core.c, nf_nat_inet_fn(): packets without an entry pass
- RFC 2827, RFC 3704: ingress filtering
- iptables-extensions(8), conntrack: INVALID
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.untranslated import Way
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule


@rule(
    "CT405",
    "private-address-leak",
    severity=Severity.NOTE,
    since="0.1.0",
    persona=Persona.PEDANTIC,
)
def check(ctx: Context) -> Iterator[Finding]:
    """Closes that leave a translating router as they came."""
    for escape in ctx.subject.router.after_expiry():
        end = "client" if escape.way is Way.SOURCE else "server"
        yield ctx.escape_finding(
            escape,
            Severity.NOTE,
            "once conntrack has forgotten a connection that this translates, the FIN of its "
            f"{end} is INVALID and leaves with the {end}'s own address",
            "drop INVALID in FORWARD, limited to what this translates and to its interface",
        )
