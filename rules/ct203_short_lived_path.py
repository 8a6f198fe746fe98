# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags keepalives that come later than another box on the path forgets a silent connection. Only
where `--fact path-idle=…` tells how long that box waits.

## Why it matters
The NAT gateway of a cloud, a load balancer, a firewall of somebody else: each keeps silent
connections for a time of its own, often 4 to 10 minutes. When that is over, one answers the next
packet with a RST, another drops it and says nothing. Timeouts of this host do not help: only what
the ends send in time does, and the kernel sends its first keepalive after two hours.

## Bad
```iptables-save
# expect: CT203
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
path-idle=350s
```

## Good
```sysctl
net.ipv4.tcp_keepalive_time = 120
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
path-idle=350s
```

## When it is right anyway
Where applications send heartbeats or set their own keepalive: `--fact keepalive=60s` or `--fact
idle=2m` says so.

## References
- tcp(7), tcp_keepalive_time
- Elastic Load Balancing, Network Load Balancers, connection idle timeout (350 s by default)
- Azure Load Balancer, TCP reset and idle timeout (4 minutes by default)
- RFC 5382, section 5, REQ-5
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import KEEPALIVE_TIME
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT203", "short-lived-path", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line of the keepalives, or the head of the rules where they have their default."""
    facts = ctx.circumstances
    if facts.path_idle is None:
        return
    silence = facts.silence
    if silence is None and facts.keepalive != "off":
        due = ctx.settings.value(KEEPALIVE_TIME)
        late = f"the first keepalive is due after {due} s"
    elif silence is None:
        due, late = None, "nothing is sent on a silent connection"
    else:
        due, late = silence, f"connections are silent for up to {silence} s"
    if due is not None and due < facts.path_idle:
        return
    value = max(facts.path_idle // 3, 1)
    setting = ctx.settings.setting(KEEPALIVE_TIME)
    fix = None
    if setting is not None and silence is None:
        fix = ctx.setting_fix(setting, value, is_safe=True)
    yield ctx.value_finding(
        KEEPALIVE_TIME,
        Severity.WARNING,
        f"something on the path forgets a connection after {facts.path_idle} s of silence, and "
        f"{late}",
        f"set net.ipv4.tcp_keepalive_time = {value}, and let applications use SO_KEEPALIVE or send "
        "heartbeats as often",
        fix,
    )
