# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags what drops INVALID packets on their way through a router whose connections something else
forwards past conntrack. Only where `--fact offload=yes` tells that.

## Why it matters
A network processor, a switch chip or a driver of a vendor forwards the data of a connection, and
conntrack does not see them: its windows stand where they stood. The FINs and RSTs are handed to the
kernel again. They lie far beyond what conntrack has seen, are INVALID, and are dropped: both ends
hang, as if the entry had expired, in the middle of a busy connection.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT104 forward
# expect: CT307 forward
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```
```facts
offload=yes
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT104 forward
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```
```sysctl
net.netfilter.nf_conntrack_tcp_be_liberal = 1
```
```facts
offload=yes
```

## When it is right anyway
With the kernel's own flowtable alone: when it gives a connection back, it has conntrack forget its
windows, and the next packet is in window whatever it is. Which one is meant by the fact ctlint does
not know.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_in_window()
- net/netfilter/nf_flow_table_core.c, flow_offload_fixup_tcp(): windows are forgotten
- https://github.com/JuliusBairaktaris/openwrt-nss-edma/issues/20
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.analysis.live_losses import OFFLOADED
from ctlint.finding import Confidence, Finding, Role, Severity
from ctlint.lint.context import Context
from ctlint.lint.live_losses import live_finding, live_losses
from ctlint.lint.rule_api import rule


@rule("CT307", "offloaded-invalid-drop", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """What loses a FIN beyond the window of a connection that lives."""
    if not ctx.circumstances.offload:
        return
    for loss in live_losses(ctx, OFFLOADED, (Role.FORWARD,)):
        whose = "client" if loss.shown.packet.dir == "orig" else "server"
        finding = live_finding(
            ctx,
            loss,
            Severity.WARNING,
            f"where data are forwarded past conntrack, the FIN of the {whose} is beyond the window "
            "that conntrack knows: INVALID, and lost here",
            "nf_conntrack_tcp_be_liberal = 1; or no drop of INVALID between interfaces that are "
            "offloaded",
        )
        # Whether what offloads hides windows is not told.
        yield replace(finding, confidence=Confidence.POSSIBLE)
