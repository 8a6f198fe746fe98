# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a comment that speaks to ctlint and is not understood.

## Why it matters
It begins with `ctlint:` and goes on otherwise than with `allow`, a rule and a reason. Whatever its
writer wanted, it has no effect.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
# expect: CT904
# ctlint: ignore CT102 because clients of this host send keepalives
# expect: CT102 client
# expect: CT102 server
-A INPUT -m conntrack --ctstate INVALID -j DROP
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
Where the comment is for people: then it can do without the colon behind the name.

## References
- docs/suppression.md
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.lint.allowing import RunView
from ctlint.lint.rule_api import rule


@rule("CT904", "unread-comment", severity=Severity.WARNING, since="0.1.0", of_run=True)
def check(run: RunView) -> Iterator[Finding]:
    """Each comment with the mark that does not allow a rule."""
    for written in run.written:
        if not written.wording.is_allow:
            yield run.finding(
                written.place,
                Severity.WARNING,
                "this speaks to ctlint and is not understood: it has no effect",
                "write `ctlint: allow CT104 because REASON`",
            )
