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
often than the timeout: `--fact keepalive=30s` or `--fact idle=90s` says so.

## References
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_timeout_established
- tcp(7), tcp_keepalive_time
- RFC 5382, section 5, REQ-5
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.exposure import exposure, longer_timeout
from ctlint.analysis.settings import ESTABLISHED, KEEPALIVE_TIME
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT202", "slow-keepalive", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line that sets the timeout, or the keepalive where only that is set."""
    timeout = ctx.settings.value(ESTABLISHED)
    told, silence = ctx.circumstances.keepalive, ctx.circumstances.silence
    due = ctx.settings.value(KEEPALIVE_TIME) if silence is None else silence
    setting = ctx.settings.setting(ESTABLISHED) or ctx.settings.setting(KEEPALIVE_TIME)
    if setting is None or timeout > due:
        return
    name, value = ESTABLISHED, longer_timeout(due)
    if ctx.settings.setting(ESTABLISHED) is None:
        name, value = KEEPALIVE_TIME, max(timeout // 2, 1)
    after = exposure(ctx.settings.replaced(name, value), ctx.circumstances).severity.value
    if silence is not None and told == silence:
        late = f"but a keepalive comes only after {due} s of silence"
    elif silence is not None:
        late = f"but connections are silent for up to {due} s"
    elif told == "off":
        late = "and no keepalive renews it"
    else:
        late = f"but the first keepalive is due after {due} s"
    yield ctx.setting_finding(
        setting,
        Severity.WARNING,
        f"an idle entry is forgotten after {timeout} s, {late}",
        f"set net.netfilter.nf_conntrack_tcp_timeout_established above {due}, or "
        f"net.ipv4.tcp_keepalive_time below {timeout}, and let applications use SO_KEEPALIVE "
        f"(checked: with {name} = {value} what loses closes is of severity {after}; it lets no "
        "packet through)",
        ctx.setting_fix(setting, value, is_safe=True),
    )
