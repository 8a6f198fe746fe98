# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags `tcp_tw_recycle`, where the kernel still has it and TCP timestamps are on.

## Why it matters
The kernel then remembers the last timestamp of each address for a minute, and drops every SYN from
there that carries an older one, without an answer. Behind one address of a NAT stand many clients,
each with a clock of its own: now one connects, now another, at random. The server's only trace is a
counter of passive connections rejected because of time stamp. Since Linux 4.10 timestamps have an
offset of their own for each connection, and even one client alone is hit.

## Bad
```iptables-save
# kernel: 3.10
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```sysctl
# expect: CT501
net.ipv4.tcp_tw_recycle = 1
```

## Good
```iptables-save
# kernel: 3.10
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```sysctl
net.ipv4.tcp_tw_recycle = 0
```

## When it is right anyway
On a host that nobody calls through NAT, and never on one that listens to the Internet.

## References
- Documentation/networking/ip-sysctl.txt of Linux 4.11, tcp_tw_recycle
- tcp(7), tcp_tw_recycle: not recommended, for it causes problems with NAT
- Linux commit 4396e46187ca (4.12): tcp: remove tcp_tw_recycle
- RFC 7323, section 5: PAWS
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import TIMESTAMPS, TW_RECYCLE
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT501", "recycled-time-wait", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line that sets it. A kernel without the key: CT502."""
    settings = ctx.settings
    setting = settings.setting(TW_RECYCLE)
    if setting is None or not settings.kernel.has_sysctl(TW_RECYCLE):
        return
    if not settings.value(TW_RECYCLE) or not settings.value(TIMESTAMPS):
        return
    yield ctx.setting_finding(
        setting,
        Severity.ERROR,
        "SYNs of clients behind one NAT address are dropped at random: those whose timestamp lies "
        "behind the last one seen from that address",
        "set net.ipv4.tcp_tw_recycle = 0; where a client runs out of ports, tcp_tw_reuse = 1 there",
        ctx.setting_fix(setting, 0, is_safe=False),
    )
