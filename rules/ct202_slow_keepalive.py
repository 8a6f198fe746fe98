# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a timeout of established connections that is not longer than the time until TCP sends its
first keepalive.

## Why it matters
Keepalives are what renews the entry of an idle connection. If the first one is due only when the
entry has expired, it comes too late: it is NEW where it opens a new entry, and lost where the rules
do not accept that. Even a connection with SO_KEEPALIVE is then forgotten in every longer pause.

## Bad
```sysctl
# expect: CT202
net.netfilter.nf_conntrack_tcp_timeout_established = 1200
net.ipv4.tcp_keepalive_time = 7200
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
net.netfilter.nf_conntrack_tcp_timeout_established = 1200
net.ipv4.tcp_keepalive_time = 600
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
Where every application sets its own keepalive (TCP_KEEPIDLE) or exchanges messages of its own more
often than the timeout.

## References
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_timeout_established
- tcp(7), tcp_keepalive_time
- RFC 5382, section 5, REQ-5
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.consequence import exposure, longer_timeout
from ctlint.analysis.settings import ESTABLISHED, KEEPALIVE_TIME
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT202", "slow-keepalive", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line that sets the timeout, or the keepalive where only that is set."""
    timeout = ctx.settings.value(ESTABLISHED)
    keepalive = ctx.settings.value(KEEPALIVE_TIME)
    setting = ctx.settings.setting(ESTABLISHED) or ctx.settings.setting(KEEPALIVE_TIME)
    if setting is None or timeout > keepalive:
        return
    name, value = ESTABLISHED, longer_timeout(keepalive)
    if ctx.settings.setting(ESTABLISHED) is None:
        name, value = KEEPALIVE_TIME, max(timeout // 2, 1)
    after = exposure(ctx.settings.replaced(name, value)).severity.value
    yield ctx.setting_finding(
        setting,
        Severity.WARNING,
        f"an idle entry is forgotten after {timeout} s, but the first keepalive is due after "
        f"{keepalive} s",
        f"set net.netfilter.nf_conntrack_tcp_timeout_established above {keepalive}, or "
        f"net.ipv4.tcp_keepalive_time below {timeout}, and let applications use SO_KEEPALIVE "
        f"(checked: with {name} = {value} what loses closes is of severity {after}; it lets no "
        "packet through)",
        ctx.setting_fix(setting, value, is_safe=True),
    )
