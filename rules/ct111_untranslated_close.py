# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags NAT rules whose connections cannot be closed once conntrack has forgotten them: what has no
entry is not translated.

## Why it matters
NAT looks at its rules for the first packet of a connection alone; every later packet is translated
by what the entry remembers. When the entry has gone, a FIN or RST is INVALID and NAT leaves it
alone: behind SNAT it goes out with the private address of its sender, behind DNAT it stays at this
host, and the answer of the server comes to nobody. Neither end learns of the close. Data of the
client are NEW and may be translated as before; data of the server seldom are.

No rule in the table filter can mend that, and dropping INVALID is right on such a path: it keeps
private addresses off the wire. What helps is that entries live longer than their connections are
silent.

## Bad
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
# expect: CT111 forward
-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.2:8080
# expect: CT111 forward
-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT
```

## Good
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -p udp -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
Nearly always: few networks do without NAT. With the kernel's timeout of five days, or with
keepalives more often than the timeout, entries are lost only to a flush, a failover or a full
table.

## References
- net/netfilter/nf_nat_core.c, nf_nat_inet_fn(): packets without an entry pass as they are
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks (column NONE) and tcp_new()
- RFC 5382, section 5, REQ-5: idle connections are kept for 2 hours 4 minutes at least
- RFC 7857, section 2: what a RST may do to a NAT's entry
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.lint.context import LONGER, Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule
from ctlint.model.conntrack.status import CtState


@rule("CT111", "untranslated-close", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Rules that translate, those that do the same at one hook together."""
    for stranding, others in ctx.translations():
        lost = stranding.decisive
        packet, sender = packet_name(lost.kind), who_sends(stranding, lost)
        if lost.ctstate is CtState.NEW:
            message = (
                f"once conntrack has forgotten the connection, the {packet} of {sender} is NEW and "
                "translated here as the first of another: the other end does not know it"
            )
        elif lost.stays_here:
            message = (
                f"once conntrack has forgotten a connection that is translated here, the {packet} "
                f"of {sender} is {lost.ctstate.name} and stays as it is: it comes to this host "
                "itself"
            )
        else:
            message = (
                f"once conntrack has forgotten a connection that is translated here, the {packet} "
                f"of {sender} is {lost.ctstate.name} and stays as it is: the other end does not "
                "get it as one of the connection"
            )
        yield ctx.translation_finding(stranding, others, message, LONGER)
