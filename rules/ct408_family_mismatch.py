# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a packet of a forgotten connection that the iptables rules of a host lose and its ip6tables
rules let pass, or the other way round.

## Why it matters
The two rule sets are kept side by side and meant to say the same. Where one was changed and the
other forgotten, a service works over one family and strands connections over the other. Clients
choose the family by themselves, so the fault comes and goes.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
# expect: CT102 client
# expect: CT102 server
# expect: CT408 client
# expect: CT408 server
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
```
```ip6tables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
```
```ip6tables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
```

## When it is right anyway
Where the families have different tasks: IPv4 behind NAT and IPv6 without, or services that are
offered over one alone.

## References
- net/netfilter/nf_conntrack_proto_tcp.c: one state table for both families
- RFC 8305: a client tries both families
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.analysis.other_family import passes_there
from ctlint.analysis.state_matches import named_states
from ctlint.finding import Confidence, Finding, Severity
from ctlint.ir.ruleset import Ruleset
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule


@rule("CT408", "family-mismatch", severity=Severity.NOTE, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Strandings of one family that the other does not have, at the one that loses."""
    subject = ctx.subject
    if not _asks_for_states(subject.ruleset):
        return
    others = [
        each for each in subject.siblings if each.ruleset.family is not subject.ruleset.family
    ]
    if not any(_asks_for_states(other.ruleset) for other in others):
        return
    families = [f"IPv{each.ruleset.family}" for each in (subject, others[0])]
    for stranding in ctx.all_strandings():
        if stranding.confidence is Confidence.POSSIBLE:
            continue
        # With both backends it must pass the rules of each.
        passing = [passes_there(stranding, other.chains, ctx.settings) for other in others]
        if None in passing:
            continue
        lost = stranding.decisive
        finding = ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(stranding, lost)} is lost here over {families[0]}, and passes over "
            f"{families[1]}",
            "let both families say the same",
        )
        there = (
            replace(other.location(cause), message=f"over {families[1]} this lets it pass")
            for other, cause in zip(others, passing, strict=True)
            if cause is not None
        )
        yield replace(finding, severity=Severity.NOTE, related=(*finding.related, *there))


def _asks_for_states(ruleset: Ruleset) -> bool:
    return any(named_states(rule) is not None for *_, rule in ruleset.rules())
