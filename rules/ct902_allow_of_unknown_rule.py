# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a comment that allows a rule which ctlint does not have.

## Why it matters
A misspelled id or name allows nothing, and what it was written for stays a finding. An id of a
newer ctlint is unknown to an older one: the two then disagree about the same file.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
# expect: CT902
# ctlint: allow CT012 because clients of this host send keepalives
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
Where several versions of ctlint read the file and only the newer ones have the rule.

## References
- docs/suppression.md
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.lint.allowing import RunView
from ctlint.lint.rule_api import rule
from ctlint.lint.suppression import similar


@rule("CT902", "allow-of-unknown-rule", severity=Severity.WARNING, since="0.1.0", of_run=True)
def check(run: RunView) -> Iterator[Finding]:
    """Each comment that names what is no rule."""
    for number, written in enumerate(run.written):
        unknown = written.wording.unknown
        if not unknown:
            continue
        shown = ", ".join(repr(word) for word in unknown[:MOST])
        if len(unknown) > MOST:
            shown += f" and {len(unknown) - MOST:,} more"
        close = similar(unknown[0], run.known) if number < MOST_HINTS else None
        hint = f"did you mean {close}? " if close else ""
        yield run.finding(
            written.place,
            Severity.WARNING,
            f"this allows {shown}: there is no such rule",
            f"{hint}`ctlint rules` lists the ids and names",
        )


MOST = 5
"""Words that are named."""

MOST_HINTS = 100
"""Comments for which a known word is looked for: that takes some milliseconds each."""
