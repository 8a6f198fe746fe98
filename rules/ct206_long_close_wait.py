# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a long timeout of CLOSE_WAIT beside a small table: fewer than 36 connections a second that are
never closed by their second end fill it.

## Why it matters
A server that forgets to close its sockets leaves one entry in CLOSE_WAIT for each of its
connections, for as long as this timeout. With an hour and 65536 entries, 18 such connections a
second fill the table, and then the kernel drops the first packet of everybody else. No socket of
the router shows it: the entries are all there is.

## Bad
```sysctl
# expect: CT206
# expect: CT503
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600
net.netfilter.nf_conntrack_max = 65536
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
# expect: CT503
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600
net.netfilter.nf_conntrack_max = 262144
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
Where half-closed connections need it (CT205) and servers close what they opened. kube-proxy sets
3600 s, with 131072 entries at least: that is the measure here.

## References
- https://github.com/kubernetes/kubernetes/issues/97377
- kubernetes, cmd/kube-proxy: --conntrack-tcp-timeout-close-wait (1 h), --conntrack-min (131072)
- net/netfilter/nf_conntrack_core.c, __nf_conntrack_alloc(): table full, dropping packet
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ctlint.analysis.settings import CLOSE_WAIT, TABLE_MAX
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import setting_location
from ctlint.lint.rule_api import Persona, rule

LONG: Final = 600
"""Seconds: what is shorter empties a table by itself before long."""
LEAST_ENTRIES: Final = 131_072
LEAST_SECONDS: Final = 3600
"""kube-proxy's own pair: 36 entries a second."""


@rule("CT206", "long-close-wait", severity=Severity.NOTE, since="0.1.0", persona=Persona.PEDANTIC)
def check(ctx: Context) -> Iterator[Finding]:
    """The line of the timeout, with that of the maximum."""
    settings = ctx.settings
    setting, most = settings.setting(CLOSE_WAIT), settings.setting(TABLE_MAX)
    if setting is None or most is None:
        return
    timeout, entries = settings.value(CLOSE_WAIT), settings.value(TABLE_MAX)
    is_roomy = entries * LEAST_SECONDS >= timeout * LEAST_ENTRIES
    if timeout <= LONG or not entries or is_roomy:
        return
    finding = ctx.setting_finding(
        setting,
        Severity.NOTE,
        f"an entry whose second end never closes stays for {timeout} s: {entries // timeout + 1} "
        f"of them a second fill the table of {entries:,}",
        f"lower the timeout to what half-closed connections need, or raise {TABLE_MAX}",
    )
    yield replace(finding, related=(setting_location(most, "the size of the table"),))
