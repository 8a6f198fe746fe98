# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a timeout of CLOSE_WAIT that is not longer than a half-closed connection is silent. Only where
`--fact half-close=…` tells how long that is.

## Why it matters
When one end has closed and the other still works on its answer (a report that is computed, a dump,
`ssh host command < file`), the entry is in CLOSE_WAIT: 60 s by default, not five days. After that
the answer is a strange packet: NEW to the rules, untranslated where NAT is, and its FIN INVALID.

## Bad
```sysctl
# expect: CT205
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 60
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
half-close=5m
```

## Good
```sysctl
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
half-close=5m
```

## When it is right anyway
Where no program closes one direction only: most protocols do not.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks: a FIN and its ACK lead to CLOSE_WAIT
- https://github.com/kubernetes/kubernetes/issues/32551
- RFC 9293, section 3.6: half-closed connections; RFC 1122, section 4.2.2.13
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import CLOSE_WAIT
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT205", "short-half-close", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line that sets the timeout, or the head of the rules where it has its default."""
    silence = ctx.circumstances.half_close
    timeout = ctx.settings.value(CLOSE_WAIT)
    if silence is None or silence < timeout:
        return
    setting = ctx.settings.setting(CLOSE_WAIT)
    longer = 2 * silence
    yield ctx.value_finding(
        CLOSE_WAIT,
        Severity.WARNING,
        f"once one end has closed, the entry is forgotten after {timeout} s without a packet, and "
        f"the other end is silent for up to {silence} s",
        f"set {CLOSE_WAIT} = {longer} or more",
        None if setting is None else ctx.setting_fix(setting, longer, is_safe=True),
    )
