# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags rules that translate forwarded connections on a kernel that calls old and early segments
INVALID, where these pass untranslated and `nf_conntrack_tcp_be_liberal` is 0.

## Why it matters
Before Linux 6.1 a segment that comes twice, late or a little too early is INVALID although its
connection lives. NAT does not translate it. With MASQUERADE or SNAT the server's segment is then
for the router itself, which knows no such connection and answers with a RST; with DNAT it comes to
the client from an address that it never called, and the client answers with a RST. Either RST ends
the connection: large transfers break now and then with "connection reset by peer".

## Bad
```iptables-save
# kernel: 5.15
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
# expect: CT301 forward
# expect: CT111 forward
-A POSTROUTING -s 192.168.1.0/24 -o wan0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## Good
```iptables-save
# kernel: 5.15
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
# expect: CT111 forward
-A POSTROUTING -s 192.168.1.0/24 -o wan0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```
```sysctl
net.netfilter.nf_conntrack_tcp_be_liberal = 1
```

## When it is right anyway
On Linux 6.1 and newer: old segments pass with the state of their entry, and only what no window
reaches is INVALID.

## References
- Linux commit d9a6f0d0df18 (6.1): old and early segments are ignored instead of INVALID
- https://github.com/kubernetes/kubernetes/issues/74839
- https://github.com/kubernetes/kubernetes/issues/117924
- Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_tcp_be_liberal
"""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.settings import TCP_BE_LIBERAL
from ctlint.finding import Finding, Severity
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.features import Feature


@rule("CT301", "unguarded-translation", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Answers outside the window that come through untranslated, on kernels where old ones are."""
    kernel = ctx.settings.kernel
    if Feature.OLD_SEGMENTS_IGNORED in kernel or ctx.settings.value(TCP_BE_LIBERAL):
        return
    for escape in ctx.subject.router.out_of_window():
        what = (
            "comes to this host, which resets the connection"
            if escape.to_host
            else "comes to the client with the server's own address, and the client resets it"
        )
        yield ctx.escape_finding(
            escape,
            Severity.WARNING,
            f"kernel {kernel.name} calls segments INVALID that come twice, late or early; of a "
            f"connection that this translates, the server's then passes untranslated: it {what}",
            "nf_conntrack_tcp_be_liberal = 1; or drop INVALID in "
            f"{'INPUT' if escape.to_host else 'FORWARD'} on that path",
        )
