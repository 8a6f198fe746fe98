# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a table that was nearly full when its sysctls were read: `nf_conntrack_count` at 95 % of
`nf_conntrack_max` or more.

## Why it matters
From 95 % on the kernel looks for entries that it can do without, and takes those of closing
connections first, acknowledged or not: their last FINs and RSTs find no entry, are INVALID, and are
lost where INVALID is. When the table is full the first packet of any other connection is dropped:
"nf_conntrack: table full, dropping packet".

## Bad
```sysctl
net.netfilter.nf_conntrack_count = 64200
# expect: CT214
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
net.netfilter.nf_conntrack_count = 64200
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
Never: what is full now may only have been an attack, but it was felt.

## References
- net/netfilter/nf_conntrack_core.c, gc_worker(), nf_conntrack_max95, gc_worker_can_early_drop()
  (since 4.12), __nf_conntrack_alloc()
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_count, nf_conntrack_max
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.settings import TABLE_COUNT, TABLE_MAX
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.features import Feature

NEARLY: Final = 95
"""Percent: nf_conntrack_max95."""


@rule("CT214", "nearly-full-table", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line of the maximum, in what a kernel printed."""
    settings = ctx.settings
    count, most = settings.setting(TABLE_COUNT), settings.setting(TABLE_MAX)
    if count is None or most is None or count.span.file != most.span.file:
        return
    entries, limit = settings.value(TABLE_COUNT), settings.value(TABLE_MAX)
    if not limit or entries < limit // 100 * NEARLY:
        return
    early = (
        "entries of closing connections are removed early, and"
        if Feature.GC_EARLY_DROP in settings.kernel
        else "soon"
    )
    yield ctx.setting_finding(
        most,
        Severity.WARNING,
        f"{entries:,} of {limit:,} entries were taken: {early} new connections are dropped when "
        "it is full",
        f"raise {TABLE_MAX} (and the buckets with it), or find what fills the table: conntrack -L",
    )
