# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags SYNPROXY where the packets that it must see do not come to it: with
`nf_conntrack_tcp_loose=1`, without a rule that has SYNs not tracked, or behind a match that does
not ask for UNTRACKED and INVALID.

## Why it matters
SYNPROXY answers a SYN that conntrack has not seen (UNTRACKED) with a cookie, and takes the ACK of
that cookie, which belongs to no entry, as INVALID. With `nf_conntrack_tcp_loose=1`, the default,
that ACK is NEW instead, a connection picked up in mid-stream: it passes SYNPROXY by and reaches a
server that never saw a SYN, which answers with a RST. A SYN that is tracked is NEW and passes it by
as well: then nothing is protected.

## Bad
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT309 server
-A INPUT -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1460
COMMIT
```

## Good
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1460
COMMIT
```
```sysctl
net.netfilter.nf_conntrack_tcp_loose = 0
```

## When it is right anyway
Never. Since Linux 4.4 a server of its own needs no SYNPROXY, says its page: SYN cookies do.

## References
- iptables-extensions(8), SYNPROXY: the example
- net/ipv4/netfilter/ipt_SYNPROXY.c, synproxy_tg4()
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_loose
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import HOST, LEFT, RIGHT
from ctlint.analysis.mid_stream import first_ack
from ctlint.analysis.settings import TCP_LOOSE
from ctlint.analysis.state_matches import named_states
from ctlint.finding import Finding, Role, Severity
from ctlint.ir.rule import Rule, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.lint.structure import matches, rule_finding, rules_from
from ctlint.model.netfilter.targets import Action, action

_NEEDED = frozenset({"INVALID", "UNTRACKED"})


class _Fault(NamedTuple):
    what: str
    remedy: str


_STATES = _Fault(
    "SYNs are UNTRACKED and the ACKs of cookies INVALID here, and this rule does not ask for both",
    "-m conntrack --ctstate INVALID,UNTRACKED",
)
_TRACKED = _Fault(
    "no rule has SYNs not tracked: they are NEW, and do not come to SYNPROXY as they must",
    "-t raw -A PREROUTING -p tcp --syn … -j CT --notrack, with what this rule asks for",
)
_LOOSE = _Fault(
    "with nf_conntrack_tcp_loose=1 the ACK of a cookie is NEW, not INVALID: it passes this by, and "
    "the server resets the connection",
    "set net.netfilter.nf_conntrack_tcp_loose = 0",
)


@rule("CT309", "bypassed-synproxy", severity=Severity.ERROR, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The first rule with the target for each fault."""
    seen: set[_Fault] = set()
    table = ctx.subject.ruleset.tables.get("filter")
    if table is None or "SYNPROXY" not in table.parts.targets:
        return
    for ref in rules_from(ctx, "filter", "INPUT", "FORWARD"):
        if not isinstance(ref.rule.target, Target) or ref.rule.target.name != "SYNPROXY":
            continue
        fault = _fault(ctx, ref.rule)
        if fault is None or fault in seen:
            continue
        seen.add(fault)
        finding = rule_finding(ctx, ref, Severity.ERROR, fault.what, fault.remedy)
        yield _shown(ctx, ref, finding) if fault is _LOOSE else finding


def _fault(ctx: Context, one: Rule) -> _Fault | None:
    """What keeps packets from the rule, the first that is found."""
    states = named_states(one)
    if states is not None and not states >= _NEEDED:
        return _STATES
    if not any(
        action(ref.rule.target) is Action.UNTRACK for ref in rules_from(ctx, "raw", "PREROUTING")
    ):
        return _TRACKED
    return _LOOSE if ctx.settings.value(TCP_LOOSE) else None


def _shown(ctx: Context, ref: RuleRef, finding: Finding) -> Finding:
    """The finding with the ACK that is NEW, where that can be played."""
    subject = ctx.subject
    family = subject.ruleset.family
    ports = [option.value for match in matches(ref.rule, "tcp") if (option := match.get("dport"))]
    port = ports[0].low if ports else 80
    table = subject.ruleset.tables[ref.table]
    is_local = ref.chain in table.called_from("INPUT")
    role, server = (Role.SERVER, HOST) if is_local else (Role.FORWARD, RIGHT)
    connection = Connection(
        role,
        family,
        LEFT[family],
        40000,
        server[family],
        port,
        "eth0",
        "eth0" if is_local else "eth1",
    )
    ack = first_ack(connection, subject.chains, ctx.settings, subject.witnesses)
    if ack is None:
        return finding
    return replace(
        finding, role=role, packet=ack.packet, packets=(ack.packet,), witness=ack.witness
    )
