# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags settings of conntrack on a Kubernetes node that are lower than what kube-proxy raises them to
when it starts.

## Why it matters
kube-proxy sets `nf_conntrack_max` (32768 for each core, 131072 at least),
`nf_conntrack_tcp_timeout_established` (24 h) and `nf_conntrack_tcp_timeout_close_wait` (1 h)
wherever they are lower. A file that sets less is in force from boot until then, and nobody reads
the other value anywhere but in /proc/sys.

## Bad
```sysctl
# expect: CT504
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 60
```
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
COMMIT
```

## Good
```sysctl
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600
```
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
COMMIT
```

## When it is right anyway
Where kube-proxy is told to leave them (`conntrack.maxPerCore`, `tcpEstablishedTimeout` and
`tcpCloseWaitTimeout` of 0 in its configuration).

## References
- kubernetes, cmd/kube-proxy/app/conntrack.go, setIntSysCtl(): sets what is lower
- kube-proxy, --conntrack-max-per-core, --conntrack-min, --conntrack-tcp-timeout-established,
  --conntrack-tcp-timeout-close-wait
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.settings import CLOSE_WAIT, ESTABLISHED, TABLE_MAX
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule

RAISED: Final = {TABLE_MAX: 131_072, ESTABLISHED: 86_400, CLOSE_WAIT: 3600}
"""What kube-proxy raises by default, and to what at least."""


@rule("CT504", "raised-by-kube-proxy", severity=Severity.NOTE, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Each line of a file that sets less."""
    if ctx.subject.ruleset.chain("nat", "KUBE-SERVICES") is None:
        return
    for name, least in RAISED.items():
        setting = ctx.settings.setting(name)
        if setting is None or ctx.settings.is_reading(setting):
            continue
        if ctx.settings.value(name) < least:
            yield ctx.setting_finding(
                setting,
                Severity.NOTE,
                f"kube-proxy raises this to {least} or more when it starts, unless it is told to "
                "leave it",
                "set it in the configuration of kube-proxy (conntrack.…)",
            )
