# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags settings of conntrack in files: at boot they are in force only if the module is loaded before
they are applied.

## Why it matters
`net.netfilter.*` exists only once nf_conntrack is loaded, and that is done by the first rule that
needs it. systemd-sysctl runs earlier. It writes "No such file or directory" to the journal, and the
host runs with the defaults until somebody calls `sysctl --system` by hand, which then works: so the
fault shows only after the next boot.

## Bad
```sysctl
# expect: CT503
net.netfilter.nf_conntrack_max = 262144
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
Where `/etc/modules-load.d` names nf_conntrack, where it is built into the kernel, or where a
service applies the file once the firewall is loaded. None of these is among the inputs of ctlint,
so this rule can only remind.

## References
- sysctl.d(5): modules are loaded on demand; modules-load.d(5)
- https://github.com/systemd/systemd/issues/1113
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.finding import Confidence, Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule
from ctlint.model.kernel.sysctls import NETFILTER

_OF_MODULE = (NETFILTER, "net.nf_conntrack_")


@rule("CT503", "late-module", severity=Severity.NOTE, since="0.1.0", persona=Persona.PEDANTIC)
def check(ctx: Context) -> Iterator[Finding]:
    """The first such line, for all."""
    lines = [
        setting
        for setting in ctx.settings.given.settings
        if setting.key.startswith(_OF_MODULE) and not ctx.settings.is_reading(setting)
    ]
    if not lines:
        return
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    finding = ctx.setting_finding(
        lines[0],
        Severity.NOTE,
        f"this{more} can be set only once nf_conntrack is loaded, and at boot that may be later",
        "name nf_conntrack in /etc/modules-load.d/",
    )
    yield replace(finding, confidence=Confidence.POSSIBLE)
