# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags `tcp_syncookies = 0`.

## Why it matters
A listener holds a request for each SYN until the handshake is done. When its queue is full, a
kernel with SYN cookies goes on answering; without them it drops every further SYN silently. A flood
from forged addresses, or a burst of clients on a slow path, then keeps all others out: they retry
for minutes and time out, while the service itself is idle.

## Bad
```sysctl
# expect: CT506
net.ipv4.tcp_syncookies = 0
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## Good
```sysctl
net.ipv4.tcp_syncookies = 1
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
On a host that nothing listens on, or where a proxy before it (SYNPROXY, a load balancer) takes all
SYNs.

## References
- Documentation/networking/ip-sysctl.rst, tcp_syncookies, tcp_max_syn_backlog
- net/ipv4/tcp_input.c, tcp_conn_request(): a full queue without cookies drops the SYN
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import SYN_COOKIES
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT506", "absent-syn-cookies", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line that turns them off."""
    setting = ctx.settings.setting(SYN_COOKIES)
    if setting is None or ctx.settings.value(SYN_COOKIES):
        return
    yield ctx.setting_finding(
        setting,
        Severity.WARNING,
        "when the request queue of a listener is full, further SYNs are dropped without an answer",
        "set net.ipv4.tcp_syncookies = 1: cookies are sent only while a queue is full",
        ctx.setting_fix(setting, 1, is_safe=True),
    )
