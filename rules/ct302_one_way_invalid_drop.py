# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags what drops INVALID packets on their way through a router that sees one direction of
connections only. Only where `--fact one-way=yes` tells that there are such.

## Why it matters
Conntrack needs both directions. Where answers take another way (a second router, equal-cost routes,
direct server return), the client's ACK follows a SYN whose SYN/ACK was never seen, and is INVALID;
where only answers come by, the SYN/ACK is. With the drop no such connection can be opened. Without
it they pass, untracked in effect. `nf_conntrack_tcp_be_liberal` does not help: it is about windows.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT104 forward
# expect: CT302 forward
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```
```facts
one-way=yes
```

## Good
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```
```facts
one-way=yes
```

## When it is right anyway
Where the rule is limited to interfaces or addresses whose connections come by both ways: then the
finding is about connections that there are not.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks: an ACK of the client in SYN_SENT, and a
  SYN/ACK without an entry, are INVALID
- https://github.com/kubernetes/kubernetes/issues/94861
- https://github.com/firewalld/firewalld/issues/1061
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.live_losses import ONE_WAY
from ctlint.finding import Finding, Role, Severity
from ctlint.lint.context import Context
from ctlint.lint.live_losses import live_finding, live_losses
from ctlint.lint.rule_api import rule


@rule("CT302", "one-way-invalid-drop", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """What loses the ACK or the SYN/ACK of a handshake that is seen by half."""
    if not ctx.circumstances.one_way:
        return
    for loss in live_losses(ctx, ONE_WAY, (Role.FORWARD,)):
        whose = "client's ACK" if loss.shown.packet.dir == "orig" else "server's SYN/ACK"
        yield live_finding(
            ctx,
            loss,
            Severity.ERROR,
            f"where the host sees one direction only, the {whose} is INVALID and is lost here: the "
            "connection cannot be opened",
            "have such packets not tracked (-t raw, CT --notrack), or accept them before this",
        )
