# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a NOTRACK (`CT --notrack`) of one direction of connections whose other direction is tracked
and lost as INVALID.

## Why it matters
Conntrack follows both directions or neither. Where the SYN is not tracked, its SYN/ACK comes
without a connection and is INVALID; where the SYN/ACK is not, the client's ACK is. A rule or policy
that drops INVALID then keeps every such connection from being opened.

Where another rule has the other direction not tracked, but by one interface alone, the finding is a
note: whether such connections come by another, only the routes tell.

## Bad
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT402 server
-A PREROUTING -p tcp -m tcp --dport 8088 -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -o eth0 -p tcp -m conntrack --ctstate INVALID -m tcp --sport 8088 -j DROP
COMMIT
```

## Good
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8088 -j CT --notrack
-A OUTPUT -p tcp -m tcp --sport 8088 -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -o eth0 -p tcp -m conntrack --ctstate INVALID -m tcp --sport 8088 -j DROP
COMMIT
```

## When it is right anyway
No case is known: whoever wants no such connections drops their SYN.

## References
- iptables-extensions(8), CT: --notrack; conntrack: UNTRACKED
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks: SYN/ACK in column NONE, ACK in SYN_SENT
- https://github.com/projectcalico/felix/pull/2021
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.half_tracked import half_tracked
from ctlint.finding import Confidence, Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT402", "one-sided-notrack", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """NOTRACK rules that keep connections from being opened."""
    subject = ctx.subject
    for found in half_tracked(subject.chains, ctx.settings, subject.witnesses, subject.reports):
        lost, untracked = ("SYN/ACK", "SYN") if found.packet.flags == "SA" else ("ACK", "SYN/ACK")
        message = (
            f"this has the {untracked} of a connection not tracked, but its {lost} is: that is "
            "INVALID and lost, and the connection is never opened"
        )
        related = [ctx.location(found.loses, "loses the other direction")]
        if found.pair is not None:
            message = (
                f"this has the {untracked} of a connection not tracked, and its {lost} is not "
                f"tracked where it comes in by {found.by}; by another interface it is INVALID and "
                "lost, and the connection is never opened"
            )
            related.append(ctx.location(found.pair, "has the other direction not tracked"))
        yield Finding(
            rule=ctx.info.id,
            name=ctx.info.name,
            severity=Severity.ERROR if found.pair is None else Severity.NOTE,
            confidence=Confidence.CERTAIN,
            message=message,
            remedy="have the packets of the other direction not tracked either, or none",
            location=ctx.location(found.untracks),
            related=tuple(related),
            family=ctx.subject.ruleset.family,
            role=found.role,
            packet=found.packet,
            packets=(found.packet,),
            witness=found.witness,
        )
