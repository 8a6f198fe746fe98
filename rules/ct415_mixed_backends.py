# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a host on which tables of iptables-legacy and of iptables-nft are loaded at once.

## Why it matters
Both are in force: each backend hooks into the kernel by itself, at the same priorities, and a
packet must pass the rules of both. `iptables -L` shows those of one backend alone, so a rule that
accepts a service is there to see, and the one that drops it is not. It happens when a program
brings an iptables of its own (a container runtime, a VPN), and when a distribution changes the
default backend while the old tables stay loaded until the next boot.

## Bad
```iptables-legacy-save
# expect: CT415
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
```
```iptables-nft-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT
COMMIT
```

## Good
```iptables-legacy-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
```

## When it is right anyway
Where the tables of one backend let everything pass, as those do that a program has asked for and
left empty: then it is a note.

## References
- iptables(8), xtables-nft(8): two backends, each with its own tables in the kernel
- net/netfilter/core.c, nf_hook_slow(): behind NF_ACCEPT the next hook is asked
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.finding import Confidence, Finding, Severity
from ctlint.lint.both_backends import is_idle, other_backend
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule


@rule("CT415", "mixed-backends", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """At the head of the legacy rules of a family, with the nft ones beside."""
    other = other_backend(ctx.subject)
    if other is None or ctx.subject.ruleset.is_nft:
        return
    idle = [each.ruleset.file for each in (ctx.subject, other) if is_idle(each.ruleset)]
    message = "rules of iptables-legacy and of iptables-nft are in force at once"
    if idle:
        message += f"; {' and '.join(idle)} let{'s' if len(idle) == 1 else ''} every packet pass"
    else:
        message += (
            ": what one accepts the other may drop, and `iptables -L` shows one of them alone"
        )
    span = next(iter(other.ruleset.tables.values())).span
    there = replace(
        ctx.head(), file=span.file, line=span.line, message="these rules are in force as well"
    )
    yield Finding(
        rule=ctx.info.id,
        name=ctx.info.name,
        severity=Severity.NOTE if idle else Severity.WARNING,
        confidence=Confidence.CERTAIN,
        message=message,
        remedy="move the rules to one backend, and empty the tables of the other "
        "(iptables-legacy -F, iptables-nft -F)",
        location=ctx.head(),
        related=(there,),
        family=ctx.subject.ruleset.family,
    )
