# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that accepts NEW TCP packets to a service whatever their flags.

## Why it matters
NEW is not "a SYN": with `nf_conntrack_tcp_loose=1`, the default, an ACK that belongs to no
connection is NEW as well, opens an entry and reaches the service. Whoever sends such packets learns
from the RST that comes back which ports are filtered and which not (an ACK scan), and can fill the
table without a handshake. This is the other side of CT105: to ask for SYN here loses the packets
with which connections that conntrack has forgotten go on.

## Bad
```iptables-save
*filter
# expect: CT103 server
# expect: CT106 client
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
# expect: CT413 server
-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
# expect: CT106 client
# expect: CT106 server
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 --syn -m conntrack --ctstate NEW -j ACCEPT
COMMIT
```

## When it is right anyway
Where connections must survive an expiry, a reload or a failover: then it is what lets them go on.
It is a note for those who asked, no advice.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_new()
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_loose
- nmap(1), -sA: ACK scan
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from ctlint.analysis.losses import Case
from ctlint.analysis.mid_stream import first_ack
from ctlint.analysis.state_matches import named_states
from ctlint.finding import Confidence, Finding, Role, Severity
from ctlint.ir.rule_ref import RuleRef, ref_named
from ctlint.lint.context import Context
from ctlint.lint.naming import port_text
from ctlint.lint.rule_api import Persona, rule
from ctlint.lint.structure import rule_finding
from ctlint.model.netfilter.targets import Action, action

MAX_TRIED: Final = 100
"""Connections of each role that are played."""


@rule("CT413", "unchecked-new", severity=Severity.NOTE, since="0.1.0", persona=Persona.PEDANTIC)
def check(ctx: Context) -> Iterator[Finding]:
    """The first rule of each role that accepts such an ACK and asks for NEW."""
    for role in (Role.SERVER, Role.FORWARD):
        if not ctx.circumstances.has_role(role):
            continue
        cases = islice(filter(_is_plain, ctx.subject.report(role).cases), MAX_TRIED)
        found = next((one for case in cases if (one := _finding(ctx, role, case))), None)
        if found is not None:
            yield found


def _is_plain(case: Case) -> bool:
    return case.confidence is Confidence.CERTAIN and case.connection.translated is None


def _finding(ctx: Context, role: Role, case: Case) -> Finding | None:
    """None where the ACK of this connection is not let in by a rule that asks for NEW."""
    subject, connection = ctx.subject, case.connection
    ack = first_ack(connection, subject.chains, ctx.settings, subject.witnesses)
    if ack is None or ack.delivered is not True:
        return None
    accepting = (ref_named(subject.ruleset, name) for name in ack.matched if "#" in name)
    ref = next((one for one in accepting if _accepts_new(one)), None)
    if ref is None:
        return None
    ports = "" if connection.ports is None else f" (port {port_text(connection.ports)})"
    finding = rule_finding(
        ctx,
        ref,
        Severity.NOTE,
        f"an ACK that belongs to no connection is NEW, and this lets it in{ports}",
        "--syn, if connections need not survive an expiry of their entries; otherwise leave it",
    )
    return replace(
        finding,
        role=role,
        packet=ack.packet,
        packets=(ack.packet,),
        ports=() if connection.ports is None else (port_text(connection.ports),),
        witness=ack.witness,
    )


def _accepts_new(ref: RuleRef) -> bool:
    """Of rules that a NEW packet matches."""
    is_filter = ref.table == "filter" and action(ref.rule.target) is Action.ACCEPT
    return is_filter and named_states(ref.rule) is not None
