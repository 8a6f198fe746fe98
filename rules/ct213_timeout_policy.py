# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags `CT --timeout`: connections with a policy of their own do not have the timeouts of the
sysctls, and a policy does not stand in a dump.

## Why it matters
What ctlint says of timeouts it says of the sysctls. For connections that meet this rule the kernel
takes those of the policy, which `nfct timeout` or a script has made and only `nfct list timeout`
shows. A finding about them may be milder or worse than it reads.

## Bad
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT213
-A PREROUTING -p tcp -m tcp --dport 22 -j CT --timeout long-shells
COMMIT
```

## Good
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 53 -j CT --notrack
-A OUTPUT -p tcp -m tcp --sport 53 -j CT --notrack
COMMIT
```

## When it is right anyway
Always, as long as the policy is known: it is the way to give one service longer timeouts. `--fact
idle=…` judges with what is known of it.

## References
- iptables-extensions(8), CT: --timeout
- nfct(8), timeout
- net/netfilter/nf_conntrack_core.c, nf_conntrack_in(); nf_ct_timeout_lookup()
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.ir.rule import Target
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.lint.structure import rule_finding, rules_from


@rule("CT213", "timeout-policy", severity=Severity.NOTE, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Each rule that gives a policy. The kernel takes them in the table raw alone."""
    for ref in rules_from(ctx, "raw", "PREROUTING", "OUTPUT"):
        target = ref.rule.target
        if not isinstance(target, Target) or target.name != "CT":
            continue
        policy = target.get("timeout")
        if policy is not None:
            yield rule_finding(
                ctx,
                ref,
                Severity.NOTE,
                f"connections that meet this rule have the timeouts of the policy "
                f"{policy.value!r}, not those of the sysctls that findings speak of",
                "look at the policy with nfct list timeout, and tell --fact idle=… by it",
            )
