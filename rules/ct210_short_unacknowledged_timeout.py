# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a timeout for unacknowledged data, or for repeated packets, that is not longer than the
longest pause between two retransmissions.

## Why it matters
While data are not acknowledged an entry lives for `nf_conntrack_tcp_timeout_unacknowledged`, and
after some repeats, or with a closed window, for `nf_conntrack_tcp_timeout_max_retrans`: 300 s each.
TCP goes on repeating for a quarter of an hour, in the end every 120 s, and probes a closed window
as seldom. A shorter timeout ends the entry between two of these: an outage that TCP would survive
costs the connection.

## Bad
```sysctl
# expect: CT210
net.netfilter.nf_conntrack_tcp_timeout_unacknowledged = 60
# expect: CT210
net.netfilter.nf_conntrack_tcp_timeout_max_retrans = 60
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
net.netfilter.nf_conntrack_tcp_timeout_unacknowledged = 300
net.netfilter.nf_conntrack_tcp_timeout_max_retrans = 300
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
Where applications give up sooner than TCP does (TCP_USER_TIMEOUT), or where the ends retransmit
more often (`tcp_rto_max_ms`, which is read).

## References
- Documentation/networking/nf_conntrack-sysctl.rst
- net/netfilter/nf_conntrack_proto_tcp.c, nf_conntrack_tcp_packet(): which timeout an entry gets
- include/net/tcp.h, TCP_RTO_MAX: 120 s; net/ipv4/tcp_timer.c, tcp_probe_timer()
- RFC 6298, section 2.5: a maximum of 60 s or more
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.retransmission import RTO_MAX_MS, pause_of_data
from ctlint.analysis.settings import MAX_RETRANS, RETRIES2, RTO_MAX, UNACKNOWLEDGED, Settings
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT210", "short-unacknowledged-timeout", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The lines that set them."""
    settings = ctx.settings
    pause = _longest_pause(settings)
    for name, whose in ((UNACKNOWLEDGED, "unacknowledged data"), (MAX_RETRANS, "repeated packets")):
        setting = settings.setting(name)
        if setting is None or (timeout := settings.value(name)) > pause:
            continue
        yield ctx.setting_finding(
            setting,
            Severity.WARNING,
            f"an entry with {whose} is forgotten after {timeout} s, and the ends repeat packets "
            f"up to {pause} s apart: an outage of some minutes costs the connection its entry",
            f"leave {name} at 300",
            ctx.setting_fix(setting, 300, is_safe=True),
        )


def _longest_pause(settings: Settings) -> int:
    """Seconds between the last two repeats, at least; the peer is taken to have these settings."""
    rto_max_ms = RTO_MAX_MS if settings.setting(RTO_MAX) is None else settings.value(RTO_MAX)
    return pause_of_data(settings.value(RETRIES2), rto_max_ms).least
