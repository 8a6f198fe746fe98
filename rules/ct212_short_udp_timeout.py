# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a timeout of UDP streams that is not longer than lasting UDP flows are silent. Only where
`--fact udp-idle=…` tells how long that is.

## Why it matters
A tunnel, a call, a QUIC connection lasts for hours, and UDP says nothing when it opens or ends: the
entry is all that a firewall knows. It lives for `nf_conntrack_udp_timeout_stream` after the last
packet, 120 s by default. After a longer silence the peer's next packet is NEW: rules that accept
ESTABLISHED alone drop it, NAT has no address for it, and the own next packet may get another port,
which the peer does not know. It looks like a tunnel that stands still until the host itself speaks.

## Bad
```sysctl
# expect: CT212
net.netfilter.nf_conntrack_udp_timeout_stream = 60
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
udp-idle=90s
```

## Good
```sysctl
net.netfilter.nf_conntrack_udp_timeout_stream = 60
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```facts
udp-idle=25s
```

## When it is right anyway
Where the silent end always speaks first, or the other's packets are accepted whatever their state
and no NAT is on the path.

## References
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_udp_timeout_stream
- net/netfilter/nf_conntrack_proto_udp.c, nf_conntrack_udp_packet()
- wg(8), PersistentKeepalive: 25 s suit most firewalls
- RFC 4787, section 4.3, REQ-5: not less than 2 minutes
- https://github.com/kubernetes/kubernetes/issues/120214
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import UDP_STREAM
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT212", "short-udp-timeout", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The line that sets the timeout, or the head of the rules where it has its default."""
    silence = ctx.circumstances.udp_idle
    timeout = ctx.settings.value(UDP_STREAM)
    if silence is None or silence < timeout:
        return
    setting = ctx.settings.setting(UDP_STREAM)
    longer = 2 * silence
    yield ctx.value_finding(
        UDP_STREAM,
        Severity.WARNING,
        f"the entry of a UDP flow is forgotten after {timeout} s without a packet, and flows are "
        f"silent for up to {silence} s: the peer's next packet is NEW then",
        f"set {UDP_STREAM} = {longer} or more, or have keepalives sent more often than every "
        f"{timeout} s",
        None if setting is None else ctx.setting_fix(setting, longer, is_safe=True),
    )
