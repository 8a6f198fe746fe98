# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags DNAT where a connection that is never answered stays with the address it was given first: on
kernels that renew its entry with every repeated SYN, or where such an entry lives longer than the
kernel's 120 s.

## Why it matters
A rule of the table nat is asked once for each connection, at its first packet. While the entry
lives, repeated SYNs go where the first one went, even if the backend has died and the rule names
another one by now. Before Linux 5.14 (and its repairs elsewhere) each of them renews the entry: a
client that goes on trying with the same port never gets to the new backend.

An entry without an answer lives for `nf_conntrack_tcp_timeout_syn_sent`, since Linux 4.15 for no
longer than `nf_conntrack_tcp_timeout_max_retrans` (300 s): no window is known of it.

## Bad
```sysctl
# expect: CT503
net.netfilter.nf_conntrack_tcp_timeout_syn_sent = 600
```
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
# expect: CT111 forward
# expect: CT405 forward
# expect: CT209
-A PREROUTING -i wan0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 192.168.1.9:80
COMMIT
```

## Good
```iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
# expect: CT111 forward
# expect: CT405 forward
-A PREROUTING -i wan0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 192.168.1.9:80
COMMIT
```

## When it is right anyway
Where backends do not change, or what changes them also deletes their entries (conntrack -D), as
kube-proxy does for UDP.

## References
- Linux commit fbcd253d2448 (4.15): with no window known, max_retrans bounds the timeout
- Linux commit e15d4cdf27cb (5.14): a repeated SYN does not refresh the timer of SYN_SENT
- net/netfilter/nf_nat_core.c, nf_nat_inet_fn(): rules are asked for NEW connections alone
- https://github.com/bottlerocket-os/bottlerocket-core-kit/issues/907
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ctlint.analysis.phase import SYN_SENT, lifetime
from ctlint.finding import Finding, Severity
from ctlint.ir.rule import Target
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule
from ctlint.lint.structure import rule_finding, rules_from
from ctlint.model.kernel.features import Feature

DEFAULT: Final = 120


@rule("CT209", "lingering-dnat", severity=Severity.NOTE, since="0.1.0", persona=Persona.PEDANTIC)
def check(ctx: Context) -> Iterator[Finding]:
    """The first DNAT rule of a rule set, for all but those that are allowed."""
    kernel, timeout = ctx.settings.kernel, lifetime(SYN_SENT, ctx.settings)
    if Feature.SYN_RETRANSMISSION_KEEPS_TIMER not in kernel:
        kept = f"kernel {kernel.name} renews it with every repeated SYN"
    elif timeout > DEFAULT:
        kept = f"its entry lives for {timeout} s"
    else:
        return
    found = [
        ref
        for ref in rules_from(ctx, "nat", "PREROUTING", "OUTPUT")
        if isinstance(ref.rule.target, Target) and ref.rule.target.name == "DNAT"
    ]
    for group in ctx.subject.together(found):
        more = f" (and of {len(group) - 1:,} more)" if len(group) > 1 else ""
        finding = rule_finding(
            ctx,
            group[0],
            Severity.NOTE,
            f"a connection of this rule{more} that nobody answers stays with the address that it "
            f"was given first, and {kept}",
            "delete such entries when a backend goes: conntrack -D -p tcp --state SYN_SENT -q "
            "ADDRESS",
        )
        yield replace(finding, further=ctx.subject.further(group))
