# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that drops INVALID packets on their way out of the host, so that a FIN or RST of the
host itself is lost once conntrack has forgotten the connection.

## Why it matters
When the entry of an open connection has expired, the next packet is the first one that conntrack
sees. Data would be NEW, but a FIN or RST cannot open an entry: it is INVALID. A rule that drops
INVALID in OUTPUT then swallows the close before it reaches the wire. The socket retransmits its
FIN in FIN_WAIT_1 (or LAST_ACK, where the peer closed first) until it gives up; the peer hears
nothing and stays ESTABLISHED. Nothing is logged.

`nf_conntrack_tcp_be_liberal` and `nf_conntrack_tcp_ignore_invalid_rst` do not help: they concern
packets that have an entry.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT101 client
# expect: CT101 server
# expect: CT101 loopback
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
On a host that translates addresses, packets that conntrack calls INVALID leave untranslated: there
a drop keeps private addresses off the wire. It belongs into FORWARD or mangle POSTROUTING, limited
to the outer interface, not into OUTPUT.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks (column NONE) and tcp_new()
- iptables-extensions(8), conntrack: INVALID
- RFC 9293, section 3.6: closing a connection
- Documentation/networking/ip-sysctl.rst, tcp_orphan_retries
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.losses import Nature
from ctlint.finding import Finding, Role, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule
from ctlint.model.netfilter.hooks import Hook


@rule("CT101", "output-invalid-drop", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Drops of INVALID at LOCAL_OUT and behind it."""
    for stranding in ctx.strandings(Nature.INVALID_DROP):
        lost = stranding.decisive
        if stranding.role is Role.FORWARD:
            continue
        if lost.hook not in (Hook.LOCAL_OUT, Hook.POSTROUTING):
            continue
        yield ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(stranding, lost)} is INVALID and dropped here: it never leaves",
            ctx.remedy(stranding),
        )
