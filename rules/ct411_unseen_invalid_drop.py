# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags drops of INVALID packets before which nothing logs them, on kernels that do not log themselves
what opens no connection (before Linux 6.8).

## Why it matters
What is INVALID is dropped without a word, and nobody looks at a counter. Whoever then hunts a
connection that hangs finds no trace. `nf_conntrack_log_invalid` tells of packets outside a window,
but before 6.8 not of a FIN or RST without an entry: those that are lost when an entry has expired.

## Bad
```iptables-save
# kernel: 6.1
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT411
# expect: CT102 client
# expect: CT102 server
# expect: CT102 loopback
-A INPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## Good
```iptables-save
# kernel: 6.1
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate INVALID -m limit --limit 5/min -j LOG --log-prefix "invalid: "
# expect: CT102 client
# expect: CT102 server
# expect: CT102 loopback
-A INPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## When it is right anyway
Where the counters are watched, or where a log would be too much: scans are INVALID too.

## References
- net/netfilter/nf_conntrack_proto_tcp.c, tcp_new(): logs "invalid new" since 6.8 (measured)
- https://github.com/kubernetes/kubernetes/pull/122812
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.analysis.state_matches import named_states
from ctlint.finding import Finding, Severity
from ctlint.ir.rule import Rule, Target
from ctlint.ir.ruleset import Chain
from ctlint.lint.context import Context
from ctlint.lint.rule_api import Persona, rule
from ctlint.lint.structure import rule_finding, rules_from
from ctlint.model.kernel.features import Feature
from ctlint.model.netfilter.targets import Action, action

_LOGGING = frozenset({"LOG", "NFLOG", "ULOG"})
_INVALID = frozenset({"INVALID"})


@rule(
    "CT411",
    "unseen-invalid-drop",
    severity=Severity.NOTE,
    since="0.1.0",
    persona=Persona.PEDANTIC,
)
def check(ctx: Context) -> Iterator[Finding]:
    """The first such rule of a rule set, for all but those that are allowed."""
    kernel = ctx.settings.kernel
    if Feature.LOG_INVALID_NEW in kernel:
        return
    ruleset = ctx.subject.ruleset
    found = [
        ref
        for ref in rules_from(ctx, "filter", "INPUT", "FORWARD", "OUTPUT")
        if action(ref.rule.target) is Action.DROP
        and named_states(ref.rule) == _INVALID
        and not _is_logged(ruleset.chain("filter", ref.chain), ref.position)
    ]
    for group in ctx.subject.together(found):
        which = "this drops" if len(group) == 1 else f"this and {len(group) - 1:,} more drop"
        finding = rule_finding(
            ctx,
            group[0],
            Severity.NOTE,
            f"{which} INVALID packets and nothing logs them, nor does kernel {kernel.name} those "
            "without an entry",
            "-m conntrack --ctstate INVALID -m limit … -j LOG before it",
        )
        yield replace(finding, further=ctx.subject.further(group))


def _is_logged(chain: Chain | None, position: int) -> bool:
    """Whether a rule before it in its chain logs INVALID packets."""
    before = () if chain is None else chain.rules[: position - 1]
    return any(_logs_invalid(each) for each in before)


def _logs_invalid(one: Rule) -> bool:
    states = named_states(one)
    is_log = isinstance(one.target, Target) and one.target.name in _LOGGING
    return is_log and (states is None or "INVALID" in states)
