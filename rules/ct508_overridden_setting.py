# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a setting of conntrack or TCP that a later line sets to another value.

## Why it matters
Only one value is in force: the last one that is read. systemd-sysctl reads the files of all
`sysctl.d` folders in the order of their names, so `99-vendor.conf` wins over `60-mine.conf`
wherever they stand. Whoever reads, reviews or raises the first line changes nothing.

## Bad
```sysctl
# expect: CT508
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 120
net.netfilter.nf_conntrack_max = 262144
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 60
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
net.netfilter.nf_conntrack_max = 262144
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 60
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
Where one file is a default and the later one is meant to win, as in a distribution's file and the
administrator's. A glob that a full key makes an exception of is not flagged.

## References
- sysctl.d(5), CONFIGURATION DIRECTORIES AND PRECEDENCE
- sysctl(8), --system
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.finding import Finding, Severity
from ctlint.ir.sysctl import Setting
from ctlint.lint.context import Context
from ctlint.lint.naming import setting_location
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.sysctls import UnknownSysctl, resolve


@rule("CT508", "overridden-setting", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The first line that is not in force, for each key; the one that is stands beside it."""
    given = ctx.settings.given
    keys = dict.fromkeys(setting.key for setting in given.settings if not setting.is_glob)
    for key in filter(_is_known, keys):
        winner = given.get(key)
        if winner is None:
            continue
        losers = [
            each
            for each in given.overridden(key)
            if not each.is_glob and _differ(each, winner) and not ctx.settings.is_reading(each)
        ]
        if not losers:
            continue
        first = losers[0]
        where = f"{winner.span.file}, line {winner.span.line},"
        if ctx.settings.is_reading(winner):
            message = f"this is not in force: the kernel said {winner.value} ({where} has it)"
            remedy = f"apply it, or find what set it to {winner.value}"
        else:
            message = f"this is not in force: {where} is read later and sets {winner.value}"
            remedy = "leave out the line that is not meant"
        finding = ctx.setting_finding(first, Severity.WARNING, message, remedy)
        others = (setting_location(each, "nor is this") for each in losers[1:])
        yield replace(finding, related=(setting_location(winner, "this is in force"), *others))


def _is_known(key: str) -> bool:
    try:
        return resolve(key).name == key
    except UnknownSysctl:
        return False


def _differ(one: Setting, other: Setting) -> bool:
    return one.value.split() != other.value.split()
