# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that drops INVALID packets on their way into the host, so that the peer's FIN or RST is
lost once conntrack has forgotten the connection.

## Why it matters
When the entry of an open connection has expired, the peer's FIN or RST is the first packet that
conntrack sees, and INVALID. Dropped, it leaves the peer in FIN_WAIT_1 (or LAST_ACK) until it gives
up, and the host's own socket in ESTABLISHED for ever, unless keepalives find out. After a RST the
peer's socket is gone at once, and the host's knows nothing of it.

Many distributions ship this rule. With the kernel's default of five days an entry seldom goes
before its connection; with minutes it goes in every pause.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
# expect: CT102 client
# expect: CT102 server
-A INPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags FIN FIN -j ACCEPT
-A INPUT -p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags RST RST -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## When it is right anyway
Where timeouts are long and applications use keepalives, or where scans weigh more than hanging
sockets. Do not turn the drop into a REJECT: see CT108.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks (column NONE) and tcp_new()
- iptables-extensions(8), conntrack: INVALID
- RFC 9293, section 3.6: closing a connection
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.losses import Nature
from ctlint.finding import Finding, Role, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule
from ctlint.model.netfilter.hooks import Hook


@rule("CT102", "input-invalid-drop", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Drops of INVALID at PREROUTING and LOCAL_IN."""
    for stranding in ctx.strandings(Nature.INVALID_DROP):
        lost = stranding.decisive
        if stranding.role is Role.FORWARD:
            continue
        if lost.hook not in (Hook.PREROUTING, Hook.LOCAL_IN):
            continue
        yield ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(stranding, lost)} is INVALID and dropped here: the host never learns of "
            "it",
            ctx.remedy(stranding),
        )
