# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a policy or a final rule that drops the ACK with which an open connection would be picked up
again after its entry has expired.

## Why it matters
The host closes a connection that conntrack has forgotten. Its FIN is INVALID, yet nothing drops it,
and it reaches the peer. The peer's ACK is then the first packet that conntrack can follow: it is
NEW, addressed to an ephemeral port that no rule accepts, and falls through to the policy. The host
retransmits its FIN in FIN_WAIT_1 until it gives up, although the peer answers every one. The peer's
own data and FIN are lost the same way.

A drop of INVALID is not needed for this: rules that accept RELATED,ESTABLISHED and nothing else are
enough.

## Bad
```iptables-save
*filter
# expect: CT106 client
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A INPUT -p tcp -m tcp --sport 443 ! --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
-A OUTPUT -p tcp -m tcp --dport 443 -j ACCEPT
COMMIT
```

## When it is right anyway
It is the ordinary stateful firewall of a client, and right as long as entries outlive every pause:
five days by default. With a timeout of minutes, or without keepalives, it is not.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_new(): pick-up of a connection in mid-stream
- RFC 9293, section 3.6: closing a connection
- Documentation/networking/ip-sysctl.rst, tcp_orphan_retries, tcp_keepalive_time
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.losses import Kind, Nature
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule
from ctlint.model.conntrack.status import CtState


@rule("CT106", "unaccepted-mid-stream-ack", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Policies and final drops whose decisive packet is NEW."""
    for stranding in ctx.strandings(Nature.CATCH_ALL):
        lost = stranding.decisive
        if lost.ctstate is not CtState.NEW:
            continue
        answers = lost.kind is Kind.ACK
        yield ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(stranding, lost)}{' that answers a FIN' if answers else ''} is NEW, and "
            "nothing before this accepts it",
            ctx.remedy(stranding),
        )
