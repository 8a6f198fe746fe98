# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags `nf_conntrack_tcp_loose=0` where the rules lose what conntrack then no longer picks up.

## Why it matters
With the default of 1 a forgotten connection is picked up again from its next data segment or ACK,
which is NEW. With 0 every packet of it is INVALID, not only FIN and RST: data and keepalives are
lost too, and nothing can renew the entry. A reload, a failover or a full table ends every open
connection at once.

## Bad
```sysctl
# expect: CT107 client
# expect: CT107 server
net.netfilter.nf_conntrack_tcp_loose = 0
```
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
```sysctl
net.netfilter.nf_conntrack_tcp_loose = 1
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
SYNPROXY needs it. Elsewhere it is a decision for security over availability, and wants long
timeouts, keepalives and synchronised state.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_new()
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_loose
- iptables-extensions(8), SYNPROXY
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import TCP_LOOSE
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT107", "tcp-loose-zero", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The sysctl line, for each role that would be better off with 1."""
    setting = ctx.settings.setting(TCP_LOOSE)
    if setting is None or ctx.settings.value(TCP_LOOSE) != 0:
        return
    for stranding in ctx.lost_to_loose():
        yield ctx.loose_finding(
            setting,
            stranding,
            "with nf_conntrack_tcp_loose=0 even data and keepalives of a forgotten connection are "
            "INVALID, and the rules lose them",
            "set net.netfilter.nf_conntrack_tcp_loose = 1: conntrack then picks the connection up "
            "again (checked: the packet passes)",
        )
