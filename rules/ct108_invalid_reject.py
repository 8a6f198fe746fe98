# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that rejects INVALID packets.

## Why it matters
A packet is INVALID not only when its connection is over, but also when it comes late or twice, or
when conntrack has forgotten the connection. REJECT answers it: with `tcp-reset` the RST goes to an
end whose connection may be alive, and kills it; the RST is tracked as a packet of the connection,
so it closes the entry as well. What would have been one lost packet becomes a lost connection. The
close of a forgotten connection is lost just as with a DROP.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
# expect: CT108 client
# expect: CT108 server
-A INPUT -p tcp -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 113 -j REJECT --reject-with tcp-reset
COMMIT
```

## When it is right anyway
No case is known.

## References
- iptables-extensions(8), REJECT: its warning about INVALID
- net/ipv4/netfilter/nf_reject_ipv4.c, nf_send_reset()
- RFC 9293, section 3.5.2: reset generation
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.analysis.losses import Nature
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context, packet_name, who_sends
from ctlint.lint.rule_api import rule


@rule("CT108", "invalid-reject", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Rejects of INVALID; an error whatever the timeouts, for live connections are hit too."""
    for stranding in ctx.strandings(Nature.INVALID_REJECT):
        lost = stranding.decisive
        remedy = ctx.remedy(stranding)
        if not remedy.changes:
            remedy = remedy._replace(text=f"drop instead of reject; {remedy.text}")
        finding = ctx.stranding_finding(
            stranding,
            f"the {packet_name(lost.kind)} of {who_sends(stranding, lost)} is INVALID once "
            "conntrack has forgotten the connection, and is rejected here; a late packet of a "
            "live connection is answered too, which can end it",
            remedy,
        )
        yield replace(finding, severity=Severity.ERROR)
