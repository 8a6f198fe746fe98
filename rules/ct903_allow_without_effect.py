# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a comment or an entry of the configuration that allows a rule which finds nothing there.

## Why it matters
What it was written for has been mended, or stands elsewhere now. Left alone, it hides the next
finding of that rule at this place, which nobody has looked at. Only rules that were asked count:
one that `--ignore` or the persona leaves out finds nothing anywhere.

## Bad
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
# expect: CT903
# ctlint: allow CT102, CT108 because clients of this host send keepalives
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
Where one file is checked under several kernels, settings or facts, and the finding comes with some
of them alone.

## References
- docs/suppression.md
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Finding, Severity
from ctlint.lint.allowing import RunView
from ctlint.lint.rule_api import rule
from ctlint.lint.suppression import Written


@rule("CT903", "allow-without-effect", severity=Severity.NOTE, since="0.1.0", of_run=True)
def check(run: RunView) -> Iterator[Finding]:
    """Each permission that names a rule which was asked and found nothing there."""
    for use in run.uses:
        if not use.idle:
            continue
        named = ", ".join(use.idle)
        source = use.source
        if isinstance(source, Written) and not source.line:
            message = f"this allows {named}, but no rule or setting stands below it"
        else:
            message = f"this allows {named}, which finds nothing here"
        rest = [each for each in source.allows if each not in use.idle]
        remedy = f"leave out {named}" if rest else "remove it"
        yield run.finding(source.place, Severity.NOTE, message, remedy)
