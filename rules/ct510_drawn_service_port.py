# SPDX-License-Identifier: GPL-2.0-only
"""
## What it does
Flags an accepted TCP port of a service that lies where the host draws ports for its own connections
(`ip_local_port_range`) and is not reserved.

## Why it matters
Any program that calls out can get the service's port by chance. While it has it, the service cannot
start: "address already in use". Worse, a program that calls its own host at that port while the
service is down can be given the very port it calls: TCP takes that for a simultaneous open, and the
program is connected with itself. It reads back what it writes, and keeps the service out.

## Bad
```iptables-save
*filter
# expect: CT106 client
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
# expect: CT510
-A INPUT -p tcp -m tcp --dport 50070 -j ACCEPT
COMMIT
```
```sysctl
net.ipv4.ip_local_port_range = 32768 60999
```

## Good
```iptables-save
*filter
# expect: CT106 client
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 50070 -j ACCEPT
COMMIT
```
```sysctl
net.ipv4.ip_local_port_range = 32768 60999
net.ipv4.ip_local_reserved_ports = 50070
```

## When it is right anyway
Where the port is one of many that a program tries in turn (passive FTP, RPC): ranges are not
flagged. Where nothing listens on it, the rule can go.

## References
- Documentation/networking/ip-sysctl.rst, ip_local_port_range, ip_local_reserved_ports
- RFC 9293, section 3.5: simultaneous open
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctlint.analysis.local_ports import RESERVED_PORTS, local_ports
from ctlint.analysis.state_matches import named_states
from ctlint.finding import Finding, Role, Severity
from ctlint.ir.rule import Rule
from ctlint.ir.values import Range
from ctlint.lint.context import Context
from ctlint.lint.naming import setting_location
from ctlint.lint.rule_api import rule
from ctlint.lint.structure import matches, protocol, rule_finding, rules_from
from ctlint.model.netfilter.targets import Action, action
from ctlint.wire.protocols import TCP


@rule("CT510", "drawn-service-port", severity=Severity.NOTE, since="0.1.0")
def check(ctx: Context) -> Iterator[Finding]:
    """Rules of INPUT that accept new connections to single ports that the host may draw."""
    if not ctx.circumstances.has_role(Role.SERVER):
        return
    local = local_ports(ctx.settings)
    seen: set[int] = set()
    for ref in rules_from(ctx, "filter", "INPUT"):
        drawn = [port for port in _accepted(ref.rule) if local.gives(port) and port not in seen]
        if not drawn:
            continue
        seen.update(drawn)
        ports = tuple(map(str, drawn))
        finding = rule_finding(
            ctx,
            ref,
            Severity.NOTE,
            f"the host draws ports for its own connections from {local.drawn.low} to "
            f"{local.drawn.high}: one of these can get {', '.join(ports)} before the service "
            "does, or call it while it is down and be connected with itself",
            f"name it in {RESERVED_PORTS}, or let the service listen outside of the range",
        )
        related = () if local.setting is None else (setting_location(local.setting, "the range"),)
        yield replace(finding, ports=ports, related=related)


def _accepted(one: Rule) -> list[int]:
    """The single TCP ports to which a rule accepts new connections."""
    states = named_states(one)
    if action(one.target) is not Action.ACCEPT or (states is not None and "NEW" not in states):
        return []
    if protocol(one) != TCP:
        return []
    found: list[Range] = []
    for match in matches(one, "tcp", "multiport"):
        for option in match.options:
            if option.name == "dport" and not option.negated:
                found.append(option.value)
            elif option.name == "dports" and not option.negated:
                found += option.value
    return [ports.low for ports in found if ports.low == ports.high]
