# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags a setting of conntrack or TCP that the kernel does not have: a misspelled key, one of another
age, one that only a distribution's patch knows.

## Why it matters
What sets it at boot prints one line in a log and goes on. The file reads as if the timeout were
raised, or the window check were off; the kernel runs with its default. Old guides spread
`net.ipv4.netfilter.ip_conntrack_*` and `nf_conntrack_be_liberal` to this day.

## Bad
```sysctl
# expect: CT502
net.ipv4.netfilter.ip_conntrack_tcp_timeout_established = 86400
# expect: CT502
net.netfilter.nf_conntrack_be_liberal = 1
# expect: CT502
net.netfilter.nf_conntrack_helper = 1
# expect: CT502
net.ipv4.tcp_keepalive_intval = 30
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## Good
```sysctl
net.netfilter.nf_conntrack_tcp_timeout_established = 86400
net.netfilter.nf_conntrack_tcp_be_liberal = 1
net.ipv4.tcp_keepalive_intvl = 30
```
```iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
```

## When it is right anyway
In a file that several kernels share: `-KEY = VALUE` says that a kernel may lack the key, and then
only a key that no kernel has is flagged. `--kernel` names the kernel; without it the newest is
taken. What `sysctl -a` printed is never flagged: that kernel has it.

## References
- Documentation/networking/nf_conntrack-sysctl.rst
- Documentation/networking/ip-sysctl.rst
- sysctl.d(5): a prefix of "-" ignores errors
- Linux 4.9 dropped CONFIG_NF_CONNTRACK_PROC_COMPAT with the names ip_conntrack_*, Linux 6.1
  nf_conntrack_helper
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final, NamedTuple

from ctlint.finding import Finding, Severity
from ctlint.ir.sysctl import Setting
from ctlint.lint.context import Context
from ctlint.lint.rule_api import rule
from ctlint.model.kernel.features import Feature, Version
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import IPV4, OTHER_TCP, Sysctl, UnknownSysctl, resolve

CLOSE: Final = 0.85
"""How alike a key of TCP must be to a known one to be a misspelling of it: TCP has more keys."""

_FOLDERS: Final = ("net.netfilter.nf_conntrack_", "net.netfilter.nf_flowtable_", "net.nf_conntrack")
_OLD_FOLDER: Final = "net.ipv4.netfilter."
_OURS: Final = ("net.", "nf_conntrack_", "ip_conntrack_")
_INSTEAD: Final = {
    "net.netfilter.nf_conntrack_helper": "name the helper in a rule of the table raw: "
    "-j CT --helper NAME",
    "net.ipv4.tcp_tw_recycle": "leave it out",
}


@rule("CT502", "unknown-setting", severity=Severity.WARNING, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Each line with a key that the kernel does not have."""
    for setting in ctx.settings.given.settings:
        if setting.is_glob or ctx.settings.is_reading(setting):
            continue
        if not setting.key.startswith(_OURS):
            continue
        fault = _fault(setting, ctx.settings.kernel)
        if fault is None:
            continue
        fix = None
        if fault.instead and ctx.settings.kernel.has_sysctl(fault.instead):
            fix = ctx.renaming_fix(setting, fault.instead)
        yield ctx.setting_finding(
            setting,
            Severity.WARNING,
            f"{fault.what}: this sets nothing",
            fault.remedy or f"write {fault.instead}",
            fix,
        )


class _Fault(NamedTuple):
    """What is wrong with a key; the key that is meant for certain, or what else to do."""

    what: str
    instead: str = ""
    remedy: str = ""


def _fault(setting: Setting, kernel: KernelProfile) -> _Fault | None:
    key = setting.key
    try:
        sysctl, full = resolve(key)
    except UnknownSysctl as error:
        return _misspelled(key, error.suggestions)
    if full != key:  # the last part alone
        return _Fault(f"no kernel has a sysctl {key}", full)
    if kernel.has_sysctl(key) or setting.ignore_errors:
        return None
    if key in sysctl.obsolete:
        return _Fault(f"kernel {kernel.name} does not know this old name", sysctl.name)
    return _of_another_kernel(sysctl, kernel)


def _of_another_kernel(sysctl: Sysctl, kernel: KernelProfile) -> _Fault:
    remedy = _INSTEAD.get(sysctl.name, "leave it out")
    if sysctl.vendor is not None:
        only = f"only kernels of {sysctl.vendor} have {sysctl.name}"
        return _Fault(only, remedy="nf_conntrack_tcp_be_liberal = 1 comes nearest to it")
    if sysctl.gone is not None and kernel.is_past(sysctl.gone):
        return _Fault(f"Linux {_release(sysctl.gone)} dropped {sysctl.name}", remedy=remedy)
    if sysctl.since is None:
        return _Fault(f"kernel {kernel.name} has no {sysctl.name}", remedy=remedy)
    came = f"{sysctl.name} came with Linux {_release(sysctl.since)}"
    return _Fault(came, remedy="leave it out, or use -KEY")


def _release(change: Feature | Version) -> str:
    return ".".join(map(str, change.since if isinstance(change, Feature) else change))


def _misspelled(key: str, suggestions: tuple[str, ...]) -> _Fault | None:
    """None for keys of others: only what is nearly one of ours is taken for it."""
    what = f"no kernel has a sysctl {key[:128]}"
    last = key.rpartition(".")[2]
    try:
        return _Fault(what, resolve(last).sysctl.name)
    except UnknownSysctl as error:
        suggestions = suggestions or error.suggestions
    fault = _Fault(
        what, remedy=f"did you mean {suggestions[0]}?" if suggestions else "leave it out"
    )
    if key.startswith((*_FOLDERS, _OLD_FOLDER)):
        return fault
    if key.startswith(IPV4 + "tcp_") and key not in OTHER_TCP and suggestions:
        ratio = difflib.SequenceMatcher(None, last, suggestions[0].rpartition(".")[2]).ratio()
        if ratio >= CLOSE:
            return fault
    return None
