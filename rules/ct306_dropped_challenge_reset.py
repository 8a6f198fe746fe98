# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags what drops the RST with which a client answers a challenge ACK, on kernels that call it
INVALID: Linux 5.17.6 to 6.1.8, and some that distributions have patched (RHEL 8).

## Why it matters
A server that never closes its sockets leaves them in CLOSE_WAIT. When the client's port comes
again, its SYN meets the old socket, which answers with a challenge ACK (RFC 5961); the client
answers that with a RST, and that frees the port: it connects at once. These kernels take the RST
for INVALID when the old entry has expired and the new sequence number lies behind the old one,
about half of all times. Where INVALID is dropped, the RST never arrives, and connect() fails after
two minutes: ETIMEDOUT after 129 s, measured on 6.0 with all sysctls at their defaults. It connects
at once on 5.10, 6.1.192, 6.12, 6.18 and 7.2.

## Bad
```iptables-save
# kernel: 6.0
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT101 client
# expect: CT101 server
# expect: CT306 client
-A OUTPUT -o eth0 -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## Good
```iptables-save
# kernel: 6.0
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -o eth0 -p tcp -m tcp --tcp-flags RST RST -m conntrack --ctstate INVALID -j ACCEPT
# expect: CT101 client
# expect: CT101 server
-A OUTPUT -o eth0 -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## When it is right anyway
Where every server closes its sockets, or where ports are never used again within the life of a
connection. With `nf_conntrack_tcp_be_liberal = 1` it does not happen.

## References
- Linux commit c7aab4f17021 (5.18, 5.17.6), which brought it, and c410cb974f2b (6.2, 6.1.9), the
  repair
- RFC 5961, section 4.2: challenge ACK
- https://blog.cloudflare.com/this-is-strictly-a-violation-of-the-tcp-specification/
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.live_losses import CHALLENGE
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.live_losses import live_finding, live_losses
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.features import Feature


@rule("CT306", "dropped-challenge-reset", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """What loses the RST, on kernels with the fault."""
    kernel = ctx.settings.kernel
    if Feature.REINIT_ONLY_BY_SYN not in kernel or Feature.RST_AFTER_CHALLENGE_ACK in kernel:
        return
    for loss in live_losses(ctx, (CHALLENGE,)):
        yield live_finding(
            ctx,
            loss,
            Severity.WARNING,
            f"kernel {kernel.name} calls the RST that answers a challenge ACK INVALID, and it is "
            "lost here: a client that uses a port again which its server still holds cannot "
            "connect",
            "accept INVALID packets with RST before this; or nf_conntrack_tcp_be_liberal = 1; or a "
            "kernel with the repair (6.1.9, 6.2)",
        )
