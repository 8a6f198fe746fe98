# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a policy or a final rule that drops whatever was not accepted before, where that includes the
FIN or RST of a connection that conntrack has forgotten.

## Why it matters
No rule names INVALID, so no search for it finds the fault. A service accepted with
`--ctstate NEW`, and everything else with `RELATED,ESTABLISHED`, is accepted as long as its entry
lives. When the entry has expired, data are NEW and pass, but FIN and RST are INVALID and fall
through to the policy: the peer hangs in FIN_WAIT_1 or LAST_ACK, the host's socket stays
ESTABLISHED.

A service that is accepted by its port alone, whatever the state, is not affected.

## Bad
```iptables-save
*filter
# expect: CT103 server
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
# expect: CT103 server
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 8088 -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
```

## Good
```iptables-save
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 8088 -j ACCEPT
COMMIT
```

## When it is right anyway
Where every idle time is shorter than the timeout of its entry: with the kernel's default of five
days and keepalives that is the usual case.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks (column NONE) and tcp_new()
- iptables(8), TARGETS: the policy of a chain
- RFC 9293, section 3.6: closing a connection
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.losses import Nature
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import packet_name, who_sends
from ctlint.lint.rule_api import rule
from ctlint.model.conntrack.status import CtState


@rule("CT103", "implicit-invalid-drop", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Policies and final drops whose decisive packet is INVALID."""
    for stranding in ctx.strandings(Nature.CATCH_ALL):
        lost = stranding.decisive
        # Over lo, NOTRACK in PREROUTING takes what has no entry: it is UNTRACKED in INPUT.
        if lost.ctstate not in (CtState.INVALID, CtState.UNTRACKED):
            continue
        yield ctx.stranding_finding(
            stranding,
            f"once conntrack has forgotten the connection, the {packet_name(lost.kind)} of "
            f"{who_sends(stranding, lost)} is {lost.ctstate.name}, and nothing before this accepts "
            "it",
            ctx.remedy(stranding),
        )
