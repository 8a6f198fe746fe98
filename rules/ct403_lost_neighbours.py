# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags IPv6 rules that drop neighbour solicitations or advertisements on hosts that otherwise have
IPv6 connections.

## Why it matters
Neighbour discovery is to IPv6 what ARP is to IPv4, but it is ICMPv6 and passes the same rules as
everything else. Conntrack does not track it: it is neither NEW nor ESTABLISHED but UNTRACKED, so a
rule that accepts these states does not let it in, nor does one for echo requests. Nobody finds the
host's address, or the host nobody's: IPv6 works for a while, as long as others remember, and then
stops.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```ip6tables-save
*filter
# expect: CT106 client
# expect: CT403
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p ipv6-icmp -m conntrack --ctstate NEW -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```ip6tables-save
*filter
# expect: CT106 client
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
COMMIT
```

## When it is right anyway
On links without neighbours: tunnels and point-to-point links need none. Rules of an address family
that nothing is accepted for are not flagged.

## References
- RFC 4890, section 4.4.1: traffic that must not be dropped
- RFC 4861, sections 4.3 and 4.4
- net/netfilter/nf_conntrack_proto_icmpv6.c, nf_conntrack_icmpv6_error(): types 130 to 136 and 143
  are UNTRACKED
- https://github.com/firewalld/firewalld/issues/380
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from ctlint.analysis.neighbours import (
    ADVERTISEMENT,
    NAMES,
    SOLICITATION,
    LostNeighbour,
    lost_neighbours,
)
from ctlint.finding import Confidence, Finding, Role, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.model.netfilter.hooks import Path
from ctlint.wire.addresses import Family


@rule("CT403", "lost-neighbours", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The rule or policy that drops them, for each direction."""
    subject = ctx.subject
    if subject.ruleset.family is not Family.IPV6 or not _has_connections(ctx):
        return
    found = list(lost_neighbours(subject.chains, ctx.settings, subject.witnesses))
    for (path, cause), group in groupby(found, key=lambda one: (one.path, one.cause)):
        lost = list(group)
        kinds = " and ".join(f"{NAMES[one.kind]}s" for one in lost)
        way = "that come in" if path is Path.IN else "that the host sends"
        yield Finding(
            rule=ctx.info.id,
            name=ctx.info.name,
            severity=Severity.ERROR,
            confidence=Confidence.CERTAIN,
            message=f"{kinds} {way} are lost here: over IPv6 {_missed(path, lost)}",
            remedy="accept -p ipv6-icmp --icmpv6-type 133 to 136 whatever their state, before this",
            location=ctx.location(cause),
            family=subject.ruleset.family,
            witness=lost[0].witness,
        )


def _missed(path: Path, lost: Iterable[LostNeighbour]) -> str:
    """Who does not find whom: a solicitation asks, and an advertisement answers it."""
    kinds = {one.kind for one in lost}
    if len(kinds) > 1:
        return "neither the host nor its neighbours find each other"
    own = SOLICITATION if path is Path.OUT else ADVERTISEMENT
    return "the host finds no neighbour" if own in kinds else "no neighbour finds the host"


def _has_connections(ctx: Context) -> bool:
    """Whether rules let the host have any, so that IPv6 is meant to work."""
    return any(
        case.confidence is Confidence.CERTAIN
        for role in (Role.CLIENT, Role.SERVER, Role.FORWARD)
        if ctx.circumstances.has_role(role)
        for case in ctx.subject.report(role).cases
    )
