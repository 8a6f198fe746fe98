# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags an `nf_conntrack_max` of more than four times `nf_conntrack_buckets`.

## Why it matters
Each entry stands in the hash table twice, once for each direction. With as many entries as buckets,
the kernel's default since 5.15, a full table has two in a bucket; with sixteen times as many it has
32, and every packet of every connection walks through half of them. Raising the maximum alone turns
a full table into a slow one.

## Bad
```sysctl
# expect: CT505
net.netfilter.nf_conntrack_max = 1048576
net.netfilter.nf_conntrack_buckets = 65536
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
net.netfilter.nf_conntrack_max = 1048576
net.netfilter.nf_conntrack_buckets = 524288
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
Where the maximum is a ceiling that is never come near. Where the module gets its buckets elsewhere
(`options nf_conntrack hashsize=…` in modprobe.d), which ctlint does not read: without a line for
the buckets, only a maximum of more than four times the largest default is flagged.

## References
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_max, nf_conntrack_buckets
- net/netfilter/nf_conntrack_core.c, nf_conntrack_init_start(): the defaults; four entries a bucket
  until 5.14
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ctlint.analysis.settings import TABLE_BUCKETS, TABLE_MAX
from ctlint.finding import Confidence, Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import setting_location
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile

MOST: Final = 4
"""Entries a bucket: the kernel's own default until 5.14."""


@rule("CT505", "long-hash-chains", severity=Severity.NOTE, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line of the maximum."""
    settings = ctx.settings
    most, buckets = settings.setting(TABLE_MAX), settings.setting(TABLE_BUCKETS)
    if most is None:
        return
    entries = settings.value(TABLE_MAX)
    size = _largest(settings.kernel) if buckets is None else settings.value(TABLE_BUCKETS)
    if not size or entries <= MOST * size:
        return
    has = "the kernel makes at most" if buckets is None else "there are only"
    finding = ctx.setting_finding(
        most,
        Severity.NOTE,
        f"{entries:,} entries are allowed and {has} {size:,} buckets: in a full table "
        f"{2 * entries // size} stand in each, and every packet searches them",
        f"set {TABLE_BUCKETS} to {entries // 2:,} or more (it can be set in the first network "
        "namespace only), or lower the maximum",
    )
    if buckets is None:
        yield replace(finding, confidence=Confidence.LIKELY)
    else:
        yield replace(finding, related=(setting_location(buckets, "the buckets"),))


def _largest(kernel: KernelProfile) -> int:
    """The most buckets that a kernel makes by itself."""
    if Feature.TABLE_SIZE_ONE_PER_BUCKET in kernel:
        return 262_144
    return 65_536 if Feature.TABLE_SIZE_4GIB in kernel else 16_384
