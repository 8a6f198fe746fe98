# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a comment that allows findings and gives no reason.

## Why it matters
Whoever reads the rule next year must decide whether the permission still holds, and cannot know
what it was given for. A comment without a reason allows nothing: the findings stay.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
# expect: CT901
# expect: CT102 client
# expect: CT102 server
-A INPUT -m conntrack --ctstate INVALID -m comment --comment "ctlint: allow CT102" -j DROP
COMMIT
```

## Good
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
# ctlint: allow CT102 because clients of this host send keepalives
-A INPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
```

## When it is right anyway
Never: one clause is enough.

## References
- docs/suppression.md
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.lint.allowing import RunView
from ctlint.lint.rule_api import rule


@rule("CT901", "allow-without-reason", severity=Severity.WARNING, since="0.1.0", of_run=True)
def check(run: RunView) -> Iterator[Finding]:
    """Each comment that names rules and no reason."""
    for written in run.written:
        wording = written.wording
        if wording.is_allow and not wording.reason:
            named = ", ".join((*wording.rules, *wording.unknown))
            yield run.finding(
                written.place,
                Severity.WARNING,
                f"this is to allow {named} and gives no reason: it allows nothing",
                f"say why: `ctlint: allow {named} because REASON`",
            )
