# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios as JSON knows them, in their short form: what the reader fills in is left out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.sysctls import SYSCTLS
from ctlint.scenario.defaults import (
    LEFT_ADDRESS,
    LEFT_INTERFACE,
    RIGHT_ADDRESS,
    RIGHT_INTERFACE,
    default_flow,
    default_icmp_type,
)
from ctlint.scenario.expectation_reader import claims_to_json
from ctlint.scenario.facts_reader import facts_to_json
from ctlint.scenario.scenario import (
    DIR_NAMES,
    Flow,
    Forward,
    Host,
    Scenario,
    Send,
    SetSysctls,
    Step,
    Topology,
    Wait,
)
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import DEFAULT_TTL, TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

_PROTOCOLS: Final[Mapping[int, str]] = {UDP: "udp", ICMP: "icmp", ICMPV6: "icmp"}


def scenario_to_json(scenario: Scenario) -> dict[str, Any]:
    """The scenario as `json.dumps` takes it.

    The reader makes the same scenario of it again. That holds for what the reader can give: sysctls
    that are known, values that go on a wire. A span that is not a whole number of seconds is a
    float, whose shortest form is exact up to the reader's bound.
    """
    family = scenario.topology.family
    written: dict[str, Any] = {}
    if scenario.name is not None:
        written["name"] = scenario.name
    if scenario.kernel is not None:
        written["kernel"] = scenario.kernel
    if scenario.sysctls:
        written["sysctls"] = _sysctls(scenario.sysctls)
    if scenario.ruleset:
        written["ruleset"] = scenario.ruleset
    if scenario.ruleset6:
        written["ruleset6"] = scenario.ruleset6
    if scenario.ipsets:
        written["ipsets"] = scenario.ipsets
    facts = facts_to_json(scenario.facts)
    if facts:
        written["facts"] = facts
    topology = _topology(scenario.topology)
    if topology != "forward":
        written["topology"] = topology
    flow = _flow(scenario.flow, default_flow(scenario.topology), family)
    if flow:
        written["flow"] = flow
    packets = [_step(step, family) for step in scenario.steps]
    for expectation in scenario.expectations:
        packets[expectation.packet]["expect"] = claims_to_json(expectation.claims)
    written["packets"] = packets
    return written


def _sysctls(sysctls: Mapping[str, int]) -> dict[str, int]:
    return {SYSCTLS[name].short_name: value for name, value in sysctls.items()}


def _topology(topology: Topology) -> str | dict[str, Any]:
    family = topology.family
    suffix = "6" if family is Family.IPV6 else ""
    own: dict[str, Any]
    usual: dict[str, Any]
    if isinstance(topology, Forward):
        kind = "forward"
        own = {
            "left_if": topology.left_if,
            "right_if": topology.right_if,
            f"left_addr{suffix}": topology.left_addr,
            f"right_addr{suffix}": topology.right_addr,
        }
        usual = {
            "left_if": LEFT_INTERFACE,
            "right_if": RIGHT_INTERFACE,
            f"left_addr{suffix}": LEFT_ADDRESS[family],
            f"right_addr{suffix}": RIGHT_ADDRESS[family],
        }
    elif isinstance(topology, Host):
        kind = "host"
        own = {
            "role": DIR_NAMES[topology.role],
            "if": topology.interface,
            f"addr{suffix}": topology.addr,
        }
        usual = {
            "role": DIR_NAMES[Dir.ORIGINAL],
            "if": LEFT_INTERFACE,
            f"addr{suffix}": LEFT_ADDRESS[family],
        }
    else:
        kind, own, usual = "lo", {}, {}
    written = {key: value for key, value in own.items() if value != usual[key]}
    if family is Family.IPV6:
        written["v6"] = True
    return {"kind": kind, **written} if written else kind


def _flow(flow: Flow, usual: Flow, family: Family) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if flow.saddr != usual.saddr:
        written["saddr"] = format_address(family, flow.saddr)
    if flow.sport != usual.sport:
        written["sport"] = flow.sport
    if flow.daddr != usual.daddr:
        written["daddr"] = format_address(family, flow.daddr)
    if flow.dport != usual.dport:
        written["dport"] = flow.dport
    return written


def _step(step: Step, family: Family) -> dict[str, Any]:
    if isinstance(step, Send):
        return _send(step, family)
    written: dict[str, Any] = {"op": step.op}
    if isinstance(step, Wait):
        written["dt"] = _seconds(step.span)
    elif isinstance(step, SetSysctls):
        written["sysctls"] = _sysctls(step.sysctls)
    return written


def _send(packet: Send, family: Family) -> dict[str, Any]:
    written: dict[str, Any] = {"dir": DIR_NAMES[packet.sender]}
    if packet.protocol != TCP:
        written["proto"] = _PROTOCOLS.get(packet.protocol, packet.protocol)
    if packet.protocol == TCP:
        written |= _tcp(packet)
    elif packet.protocol in (ICMP, ICMPV6):
        written |= _icmp(packet, family)
    if packet.data:
        written["data"] = packet.data.decode()
    if packet.length != len(packet.data):
        written["len"] = packet.length
    if packet.options is not None:
        written["opts"] = _options(packet.options)
    if packet.saddr is not None:
        written["saddr"] = format_address(family, packet.saddr)
    if packet.sport is not None:
        written["sport"] = packet.sport
    if packet.daddr is not None:
        written["daddr"] = format_address(family, packet.daddr)
    if packet.dport is not None:
        written["dport"] = packet.dport
    if packet.has_bad_checksum:
        written["badsum"] = True
    if packet.ttl != DEFAULT_TTL:
        written["ttl"] = packet.ttl
    if packet.tos:
        written["tos"] = packet.tos
    if packet.wait:
        written["dt"] = _seconds(packet.wait)
    if packet.expire:
        written["expire"] = True
    return written


def _tcp(packet: Send) -> dict[str, Any]:
    written: dict[str, Any] = {"flags": packet.flags.letters} if packet.flags else {}
    if packet.seq:
        written["seq"] = packet.seq
    if packet.ack:
        written["ack"] = packet.ack
    if packet.window != 65535:
        written["win"] = packet.window
    return written


def _icmp(packet: Send, family: Family) -> dict[str, Any]:
    written: dict[str, Any] = {}
    is_error = packet.quote is not None
    if packet.icmp_type != default_icmp_type(family, packet.sender, is_error=is_error):
        written["type"] = packet.icmp_type
    if packet.icmp_code:
        written["code"] = packet.icmp_code
    if packet.icmp_id:
        written["id"] = packet.icmp_id
    if packet.icmp_seq:
        written["seq"] = packet.icmp_seq
    if packet.quote is not None:
        written["quote"] = DIR_NAMES[packet.quote]
    return written


def _options(options: TcpOptions) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if options.mss is not None:
        written["mss"] = options.mss
    if options.sack_permitted:
        written["sackok"] = True
    if options.timestamps is not None:
        written["ts"] = list(options.timestamps)
    if options.sack:
        written["sack"] = [list(block) for block in options.sack]
    if options.wscale is not None:
        written["wscale"] = options.wscale
    return written


def _seconds(span: Micros) -> int | float:
    """Seconds: a double tells 15 digits apart, and the longest span has so many."""
    whole, rest = divmod(span, SECOND)
    return float(Decimal(span).scaleb(-6)) if rest else whole
