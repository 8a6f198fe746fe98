# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a timeout of established connections that is not longer than that of the flowtable. Only where
`--fact offload=yes` tells that flows are offloaded.

## Why it matters
While a flowtable forwards a connection, its entry's clock stands. When the flow has been silent for
`nf_flowtable_tcp_timeout`, the entry comes back with its own timeout less that time, and not less
than nothing: with 30 s for both it is gone in the same moment. Every pause of half a minute then
ends a connection.

## Bad
```sysctl
# expect: CT211
net.netfilter.nf_conntrack_tcp_timeout_established = 7500
net.netfilter.nf_flowtable_tcp_timeout = 7500
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
offload=yes
keepalive=30s
```

## Good
```sysctl
net.netfilter.nf_conntrack_tcp_timeout_established = 7500
net.netfilter.nf_flowtable_tcp_timeout = 30
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
offload=yes
keepalive=30s
```

## When it is right anyway
Never. Before Linux 5.14 the key did not exist, and entries came back with 120 s.

## References
- net/netfilter/nf_flow_table_core.c, flow_offload_fixup_ct(): read, not measured
- Documentation/networking/nf_conntrack-sysctl.rst, nf_flowtable_tcp_timeout
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import ESTABLISHED, FLOWTABLE_TIMEOUT
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT211", "slow-flowtable", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line of the established timeout, or the flowtable's where only that is set."""
    settings = ctx.settings
    if not ctx.circumstances.offload or not settings.kernel.has_sysctl(FLOWTABLE_TIMEOUT):
        return
    timeout, flow = settings.value(ESTABLISHED), settings.value(FLOWTABLE_TIMEOUT)
    setting = settings.setting(ESTABLISHED) or settings.setting(FLOWTABLE_TIMEOUT)
    if setting is None or timeout > flow:
        return
    yield ctx.setting_finding(
        setting,
        Severity.ERROR,
        f"an entry that comes back from the flowtable has {timeout} s less {flow} s: it is gone at "
        "once",
        f"set {ESTABLISHED} far above {flow}, or {FLOWTABLE_TIMEOUT} far below {timeout}",
    )
