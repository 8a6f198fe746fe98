# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that drops or rejects NEW packets that are no SYN.

## Why it matters
When the entry of an open connection has expired, conntrack picks the connection up again from its
next data segment, keepalive or bare ACK: that packet is NEW. A rule against "NEW, not SYN" drops
it, and with it every packet that could have mended the entry. The connection is a black hole: the
sender retransmits until it gives up, and a FIN that got through is never acknowledged. The effect
is that of `nf_conntrack_tcp_loose=0` (CT107).

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT105 client
# expect: CT105 server
# expect: CT105 loopback
-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctstate NEW -j DROP
COMMIT
```

## When it is right anyway
Against scans, where timeouts are long and every application sends keepalives. Behind a failover
without synchronised state it breaks every connection at once.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_new(): pick-up of a connection in mid-stream
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_loose
- RFC 9293, section 3.8: retransmission
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.losses import Nature
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule


@rule("CT105", "new-not-syn-drop", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Rules that name flags and lose NEW packets."""
    for stranding in ctx.strandings(Nature.NEW_NOT_SYN):
        lost = stranding.decisive
        yield ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(stranding, lost)} is NEW without being a SYN and is lost here: nothing "
            "can renew the entry",
            ctx.remedy(stranding),
        )
