# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a rule that rejects INVALID packets.

## Why it matters
A packet is INVALID not only when its connection is over. Before Linux 6.1 one that comes late or
twice is too, and on any kernel one that lies beyond the window. REJECT answers it: with `tcp-reset`
the RST goes to an end whose connection may be alive, and kills it; the RST is tracked as a packet
of the connection, so it closes the entry as well. What would have been one lost packet becomes a
lost connection: an error before Linux 6.1, and a warning since. An ICMP error, which REJECT sends
without that option, ends no open connection (RFC 5927): such a rule is as bad as a DROP.

The close of a forgotten connection is lost just as with a DROP.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
# expect: CT108 client
# expect: CT108 server
-A INPUT -p tcp -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 113 -j REJECT --reject-with tcp-reset
COMMIT
```

## When it is right anyway
No case is known.

## References
- iptables-extensions(8), REJECT: its warning about INVALID
- net/ipv4/netfilter/nf_reject_ipv4.c, nf_send_reset()
- Linux commit d9a6f0d0df18 (6.1): old and early segments are ignored instead of INVALID
- RFC 9293, section 3.5.2: reset generation
- RFC 5927, section 5.2: ICMP errors are soft for connections that are open; net/ipv4/tcp_ipv4.c,
  tcp_v4_err()
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.analysis.consequence import is_reset
from ctlint.analysis.losses import Lost, Nature
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.features import Feature


@rule("CT108", "invalid-reject", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Rejects of INVALID; RSTs are bad whatever the timeouts, for live connections are hit too."""
    for stranding in ctx.strandings(Nature.INVALID_REJECT):
        lost = stranding.decisive
        remedy = ctx.remedy(stranding)
        if not remedy.changes:
            remedy = remedy._replace(text=f"drop instead of reject; {remedy.text}")
        answer, least = _answer(ctx, lost)
        finding = ctx.stranding_finding(
            stranding,
            f"the {packet_name(lost.kind)} of {who_sends(stranding, lost)} is INVALID once "
            f"conntrack has forgotten the connection, and is rejected here; {answer}",
            remedy,
        )
        yield replace(finding, severity=max(finding.severity, least, key=lambda one: one.rank))


def _answer(ctx: Context, lost: Lost) -> tuple[str, Severity]:
    """What the answer does, and how bad that is at least."""
    kernel = ctx.settings.kernel
    if not is_reset(lost):
        return "the ICMP error that answers it ends no connection", Severity.NOTE
    if Feature.OLD_SEGMENTS_IGNORED not in kernel:
        late = f"kernel {kernel.name} calls late segments of live connections INVALID too"
        return f"{late}, and the RST that answers one ends its connection", Severity.ERROR
    beyond = "a segment of a live connection that is beyond the window is answered too"
    return f"{beyond}, and the RST ends the connection", Severity.WARNING
