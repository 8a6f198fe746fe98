# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that drops INVALID packets on their way through a router, so that a FIN or RST of
either end is lost once conntrack has forgotten the connection.

## Why it matters
Neither end knows that the router has forgotten them. The end that closes first hangs in FIN_WAIT_1
until it gives up; the other stays ESTABLISHED until it sends something, or for ever. RFC 5382
therefore asks of a NAT to keep an idle established connection for at least 2 hours and 4 minutes.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT104 forward
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags FIN FIN -j ACCEPT
-A FORWARD -p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags RST RST -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## When it is right anyway
On the paths of a router that translates addresses: an INVALID packet is not translated, so it would
leave with its private address, or reach the router's own stack, which answers with a RST.
Connections that NAT rules rewrite are not judged by this rule.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks (column NONE) and tcp_new()
- RFC 5382, section 5, REQ-5
- RFC 9293, section 3.6: closing a connection
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.losses import Nature
from ctlint.finding import Finding, Role, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule


@rule("CT104", "forward-invalid-drop", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Drops of INVALID on forwarded connections."""
    for stranding in ctx.strandings(Nature.INVALID_DROP):
        lost = stranding.decisive
        if stranding.role is not Role.FORWARD:
            continue
        yield ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(stranding, lost)} is INVALID and dropped here: the other end never "
            "learns of it",
            ctx.remedy(stranding),
        )
