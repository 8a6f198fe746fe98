# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags rules that ask for packets of a conntrack helper (`-m helper`, or RELATED with TCP or UDP
alone) where no rule assigns the helper and the kernel does not do so by itself.

## Why it matters
Only a helper can read in the control connection of FTP, SIP or the like that a second connection
will come. Until Linux 4.6 the kernel gave each such connection its helper by the port; since then
only with `nf_conntrack_helper = 1`, and since 6.1 never: a rule in the table raw must. Without one
these packets are NEW like all others, the rule matches nothing, and transfers hang.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# expect: CT406
-A INPUT -p tcp -m helper --helper ftp -m conntrack --ctstate RELATED -j ACCEPT
COMMIT
```

## Good
```iptables-save
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m helper --helper ftp -m conntrack --ctstate RELATED -j ACCEPT
COMMIT
```

## When it is right anyway
Where nftables rules or a program (conntrackd's helpers, firewalld) assign it. A rule that accepts
RELATED together with ESTABLISHED is not flagged: ICMP errors need it.

## References
- Linux 4.7: off by default; Linux 6.1: no nf_conntrack_helper any more (ctlint kernel)
- iptables-extensions(8), helper; CT: --helper
- https://github.com/firewalld/firewalld/issues/1049
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.settings import HELPER, Settings
from ctlint.analysis.state_matches import named_states
from ctlint.finding import Finding, Severity
from ctlint.ir.rule import Rule, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.lint.structure import matches, protocol, rule_finding, rules_from
from ctlint.model.kernel.features import Feature
from ctlint.model.netfilter.targets import Action, action
from ctlint.wire.protocols import TCP, UDP

_RELATED: Final = frozenset({"RELATED"})


@rule("CT406", "unassigned-helper", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """The first rule for helpers that are not assigned, and the first for RELATED alone."""
    if _is_automatic(ctx.settings):
        return
    assigned = set(_assigned(ctx))
    named: dict[str, RuleRef] = {}
    for ref in rules_from(ctx, "filter", "INPUT", "FORWARD"):
        wanted = _wanted(ref.rule)
        # "ftp-2121": the helper ftp on another port.
        if wanted is not None and wanted.partition("-")[0] not in assigned:
            named.setdefault(wanted, ref)
    related = named.pop("", None)
    if named:
        names = ", ".join(sorted(named))
        which = f"the helper{'s' if len(named) > 1 else ''} {names}"
        first = min(named.values(), key=lambda ref: ref.rule.line)
        yield _finding(ctx, first, which, next(iter(sorted(named))))
    elif related is not None and not assigned:
        yield _finding(ctx, related, "a helper", "NAME")


def _finding(ctx: Context, ref: RuleRef, which: str, example: str) -> Finding:
    return rule_finding(
        ctx,
        ref,
        Severity.WARNING,
        f"no rule assigns {which}, and kernel {ctx.settings.kernel.name} does not do so by itself: "
        "rules that ask for it match nothing",
        f"-t raw -A PREROUTING … -j CT --helper {example}",
    )


def _is_automatic(settings: Settings) -> bool:
    """Whether the kernel gives connections their helpers by port."""
    if not settings.kernel.has_sysctl(HELPER):
        # Gone in newer kernels; those before it always did.
        return Feature.HELPER_SYSCTL not in settings.kernel
    return settings.value(HELPER) != 0


def _assigned(ctx: Context) -> Iterator[str]:
    for ref in rules_from(ctx, "raw", "PREROUTING", "OUTPUT"):
        target = ref.rule.target
        if isinstance(target, Target) and target.name == "CT":
            helper = target.get("helper")
            if helper is not None:
                yield str(helper.value)


def _wanted(one: Rule) -> str | None:
    """The helper whose packets an accepting rule asks for, "" for any; None where for none."""
    if action(one.target) is not Action.ACCEPT:
        return None
    for match in matches(one, "helper"):
        option = match.get("helper")
        if option is not None and not option.negated:
            return str(option.value)
    if named_states(one) != _RELATED or protocol(one) not in (TCP, UDP):
        return None
    # The RST of a REJECT is RELATED too, without any helper.
    flags = any(match.get("tcp-flags") or match.get("syn") for match in matches(one, "tcp"))
    return None if flags else ""
