# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that drops NEW and INVALID packets alike, where that loses packets with which an open
connection would be picked up again after its entry has expired.

## Why it matters
The rule reads as a guard against strangers: what is neither ESTABLISHED nor RELATED goes. But after
an expiry, a reload or a failover NEW is also the next data segment or ACK of a connection that is
open at both ends. Conntrack would pick it up in mid-stream and all would go on; the rule drops it,
as often as it is sent again. A drop of INVALID alone loses the close and leaves the data.

Where the loss of that packet is what the rule is named for anyway (CT106), this says nothing more.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT101 server
# expect: CT410 server
-A OUTPUT -o eth0 -p tcp -m conntrack --ctstate INVALID,NEW -m tcp --sport 8088 -j DROP
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -o eth0 -p tcp -m conntrack --ctstate NEW -m tcp --sport 8088 --syn -j DROP
COMMIT
```

## When it is right anyway
Where a strange packet in mid-stream must never open an entry, and entries outlive every pause.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_new(): pick-up of a connection in mid-stream
- iptables-extensions(8), conntrack: ctstate
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.analysis.state_matches import named_states
from ctlint.finding import Finding, Severity
from ctlint.ir.rule_ref import RuleRef
from ctlint.lint.context import LONGER, Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import Persona, rule
from ctlint.model.conntrack.status import CtState


@rule(
    "CT410",
    "mixed-state-drop",
    severity=Severity.NOTE,
    since="0.1.0",
    persona=Persona.PEDANTIC,
)
def check(ctx: Context) -> Iterator[Finding]:
    """Drops of NEW and INVALID in one rule that lose NEW packets."""
    for stranding in ctx.all_strandings():
        cause = stranding.cause
        if not isinstance(cause, RuleRef) or stranding.decisive.ctstate is CtState.NEW:
            continue
        states = named_states(cause.rule)
        if states is None or not states >= {"INVALID", "NEW"} or "ESTABLISHED" in states:
            continue
        lost = next((each for each in stranding.lost if each.ctstate is CtState.NEW), None)
        if lost is None:
            continue
        part = replace(stranding, lost=[lost])
        finding = ctx.stranding_finding(
            part,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(part, lost)} is NEW and would open its entry again; this drops it with "
            "what is INVALID",
            LONGER,
        )
        yield replace(finding, severity=Severity.NOTE)
