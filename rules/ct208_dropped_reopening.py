# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags what drops a SYN of the former server on the ports of a connection in TIME_WAIT, on kernels
that call it INVALID (before Linux 3.18, without its repair).

## Why it matters
A closed connection stays in the table for 120 s, twice as long as a Linux socket stays in
TIME_WAIT. When both ends use fixed ports and change parts within that time (a cluster's members,
old remote shells), the server of the last connection opens the next. Old kernels knew no such SYN:
it is INVALID. Where INVALID is dropped, connect() tries in vain until the entry has gone.

## Bad
```iptables-save
# kernel: 3.16
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT104 forward
# expect: CT208 forward
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## Good
```iptables-save
# kernel: 3.16
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT104 forward
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
```
```sysctl
net.netfilter.nf_conntrack_tcp_timeout_time_wait = 60
```

## When it is right anyway
Where clients draw their ports by lot, as most do: the same pair hardly ever comes again from the
other side.

## References
- Linux commit e37ad9fd6360 (3.18), which gives the two times
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks: a SYN of the reply side in TIME_WAIT
- include/net/tcp.h, TCP_TIMEWAIT_LEN: 60 s
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.live_losses import REOPENED
from ctlint.analysis.settings import TIME_WAIT
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.live_losses import live_finding, live_losses
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.features import Feature

SOCKET: Final = 60
"""Seconds that a Linux socket stays in TIME_WAIT."""


@rule("CT208", "dropped-reopening", severity=Severity.NOTE, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """What loses the SYN, on kernels that do not reopen the entry."""
    kernel = ctx.settings.kernel
    timeout = ctx.settings.value(TIME_WAIT)
    if Feature.SERVER_REOPENS_TIME_WAIT in kernel or timeout <= SOCKET:
        return
    for loss in live_losses(ctx, (REOPENED,)):
        yield live_finding(
            ctx,
            loss,
            Severity.NOTE,
            f"kernel {kernel.name} keeps a closed connection for {timeout} s and calls a SYN from "
            "its server's side INVALID meanwhile: it is lost here",
            f"set {TIME_WAIT} = {SOCKET}, as long as sockets wait; or Linux 3.18",
        )
