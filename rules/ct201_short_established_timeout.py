# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a timeout of established connections that is shorter than ordinary pauses (20 minutes), or,
where rules translate addresses, shorter than what a NAT owes an idle connection (124 minutes). Only
where keepalives would come in time: where even those are too late, CT202 says so.

## Why it matters
Keepalives renew an entry, but only of sockets that ask for them (SO_KEEPALIVE). A pool of database
connections, a shell, a message queue stay silent for ten minutes or an hour. Then the entry is
gone, and the next packet is NEW, or lost, and a close is INVALID.

## Bad
```sysctl
# expect: CT201
net.netfilter.nf_conntrack_tcp_timeout_established = 600
net.ipv4.tcp_keepalive_time = 300
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
net.netfilter.nf_conntrack_tcp_timeout_established = 7500
net.ipv4.tcp_keepalive_time = 300
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
Where all connections are short, or speak often: a proxy before web servers. `--fact idle=60s` or
`--fact keepalive=30s` says so.

## References
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_timeout_established
- RFC 5382, section 5, REQ-5: not less than 2 hours 4 minutes
- socket(7), SO_KEEPALIVE; tcp(7), tcp_keepalive_time
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.exposure import LEAST_TIMEOUT, RFC5382_TIMEOUT
from ctlint.analysis.settings import ESTABLISHED, KEEPALIVE_TIME
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.model.netfilter.targets import Action, action


@rule("CT201", "short-established-timeout", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line that sets the timeout."""
    setting = ctx.settings.setting(ESTABLISHED)
    if setting is None or ctx.circumstances.silence is not None:
        return
    timeout = ctx.settings.value(ESTABLISHED)
    if timeout <= ctx.settings.value(KEEPALIVE_TIME) or timeout >= RFC5382_TIMEOUT:
        return
    gone = f"an idle entry is forgotten after {timeout} s"
    if timeout < LEAST_TIMEOUT:
        severity = Severity.WARNING
        message = (
            f"{gone}: a connection whose socket sends no keepalives loses it in any longer pause"
        )
    elif _translates(ctx):
        severity = Severity.NOTE
        message = (
            f"{gone}, and a NAT should keep an idle connection for {RFC5382_TIMEOUT} s (RFC 5382)"
        )
    else:
        return
    longer = RFC5382_TIMEOUT + 1
    yield ctx.setting_finding(
        setting,
        severity,
        message,
        f"set {ESTABLISHED} = {longer} or more, or tell how long connections are silent "
        "(--fact idle=…)",
        ctx.setting_fix(setting, longer, is_safe=True),
    )


def _translates(ctx: Context) -> bool:
    return any(
        table == "nat" and action(rule.target) is Action.TRANSLATE
        for table, _, _, rule in ctx.subject.ruleset.rules()
    )
