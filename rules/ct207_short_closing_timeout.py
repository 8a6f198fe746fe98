# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags timeouts of closing connections that are shorter than the waits of the sockets they belong to:
CLOSE_WAIT below `tcp_fin_timeout`, LAST_ACK below the longest pause between two FINs.

## Why it matters
A socket that closed first waits in FIN_WAIT_2 for its peer's FIN, 60 s by default; the entry of
such a connection is in CLOSE_WAIT. If that is over sooner, the peer's FIN is INVALID, and the peer
hangs in LAST_ACK. And a FIN that is lost on the way is sent again, the last time 28 s after the
time before: an entry in LAST_ACK that lives less long makes that one INVALID too.

## Bad
```sysctl
# expect: CT207
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 15
# expect: CT207
net.netfilter.nf_conntrack_tcp_timeout_last_ack = 10
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
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 60
net.netfilter.nf_conntrack_tcp_timeout_last_ack = 30
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
While a table is full, in an attack: entries of closing connections are the cheapest to lose.

## References
- Documentation/networking/nf_conntrack-sysctl.rst: 60 s and 30 s by default
- Documentation/networking/ip-sysctl.rst, tcp_fin_timeout
- net/ipv4/tcp_timer.c, tcp_retransmit_timer(): the pause doubles each time. Measured with real
  sockets on 5.10 and 6.18: FINs after 0, 0.2, 0.4, 0.9, 1.7, 3.3, 6.7, 13, 27 and 54 s, end at 107
  s
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.settings import CLOSE_WAIT, FIN_TIMEOUT, LAST_ACK
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule

LONGEST_PAUSE: Final = 28
"""Seconds between the last two FINs of an orphaned socket with the least timer."""


@rule("CT207", "short-closing-timeout", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The lines that set them."""
    wait = ctx.settings.value(FIN_TIMEOUT)
    yield from _shorter(
        ctx,
        CLOSE_WAIT,
        wait,
        Severity.WARNING,
        f"the end that closed first waits {wait} s for the other's FIN, and the entry only {{}} s: "
        "a later FIN is INVALID",
    )
    yield from _shorter(
        ctx,
        LAST_ACK,
        LONGEST_PAUSE,
        Severity.NOTE,
        f"a lost FIN is sent again after pauses of up to {LONGEST_PAUSE} s, and the entry lives "
        "only {} s: the last ones are INVALID",
    )


def _shorter(
    ctx: Context, name: str, least: int, severity: Severity, message: str
) -> Iterator[Finding]:
    setting = ctx.settings.setting(name)
    if setting is None or (timeout := ctx.settings.value(name)) >= least:
        return
    enough = ctx.settings.kernel.sysctl_default(name) or least
    enough = max(enough, least)
    yield ctx.setting_finding(
        setting,
        severity,
        message.format(timeout),
        f"set {name} = {enough}",
        ctx.setting_fix(setting, enough, is_safe=True),
    )
