# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a `tcp_fin_timeout` below the kernel's default of 60 s.

## Why it matters
A socket that its program has closed, and whose peer has not, waits in FIN_WAIT_2 for so long and
then goes without a word. The peer still holds its end: it stays in CLOSE_WAIT for as long as its
program likes. What the peer sends later is answered with a RST. And the port is free for a new
connection to the same service, whose SYN then meets the old socket there: the shorter this is, the
more ports come back while the other end still has them.

## Bad
```sysctl
# expect: CT507
net.ipv4.tcp_fin_timeout = 15
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
net.ipv4.tcp_fin_timeout = 60
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
On servers that close first and have very many clients which vanish: each FIN_WAIT_2 costs memory.
It does not shorten TIME_WAIT, which is 60 s whatever this says.

## References
- Documentation/networking/ip-sysctl.rst, tcp_fin_timeout
- net/ipv4/tcp.c, __tcp_close(); net/ipv4/tcp_minisocks.c, tcp_time_wait()
- RFC 9293, section 3.6: closing a connection
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.settings import FIN_TIMEOUT
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule

DEFAULT: Final = 60


@rule("CT507", "short-fin-timeout", severity=Severity.NOTE, since="0.1.0", persona=Persona.PEDANTIC)
def check(ctx: Context) -> Iterator[Finding]:
    """The line that lowers it."""
    setting = ctx.settings.setting(FIN_TIMEOUT)
    if setting is None or (seconds := ctx.settings.value(FIN_TIMEOUT)) >= DEFAULT:
        return
    yield ctx.setting_finding(
        setting,
        Severity.NOTE,
        f"a closed socket waits only {seconds} s for its peer's FIN: a peer that closes later "
        "keeps its end in CLOSE_WAIT, and its port comes back while that end is still there",
        f"leave net.ipv4.tcp_fin_timeout at {DEFAULT}; it does not shorten TIME_WAIT",
        ctx.setting_fix(setting, DEFAULT, is_safe=True),
    )
