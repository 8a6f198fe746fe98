# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule or policy that loses the RST of a connection that conntrack has forgotten, and nothing
else of it.

## Why it matters
An end that gives a connection up at once sends a RST: a process that is killed with unread data, a
socket closed with `SO_LINGER` 0, a kernel that answers for a socket that is gone. Without an entry
it is INVALID. Its sender keeps nothing and sends it once; where it is lost, the other end stays
ESTABLISHED until it sends something itself, which it may never do without keepalives.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags FIN FIN -j ACCEPT
# expect: CT109 client
# expect: CT109 server
# expect: CT109 loopback
-A OUTPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags FIN FIN -j ACCEPT
-A OUTPUT -p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags RST RST -j ACCEPT
-A OUTPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## When it is right anyway
Tools that speak TCP without the kernel drop the RSTs with which it answers for connections that it
does not know. They do so for their own ports.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks (column NONE) and tcp_new()
- RFC 9293, section 3.6: closing a connection; section 3.5.3: reset processing
- socket(7), SO_LINGER
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import who_sends
from ctlint.lint.rule_api import rule


@rule("CT109", "rst-lost", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Strandings of RSTs alone."""
    for stranding in ctx.reset_strandings():
        finding = ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the RST of "
            f"{who_sends(stranding, stranding.decisive)} is INVALID and lost here, and is not "
            "sent again: the other end hears nothing",
            ctx.remedy(stranding),
        )
        if finding.severity is Severity.ERROR:
            finding = replace(finding, severity=Severity.WARNING)
        yield finding
