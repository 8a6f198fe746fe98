# SPDX-License-Identifier: GPL-2.0-only
"""What a scenario need not say: topologies, flows and ICMP types where none are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ctlint.model.conntrack.status import Dir
from ctlint.scenario.scenario import Flow, Forward, Host, Topology
from ctlint.wire.addresses import Family, parse_address

LEFT_INTERFACE: Final = "eth0"
RIGHT_INTERFACE: Final = "eth1"
LEFT_ADDRESS: Final[Mapping[Family, str]] = {
    Family.IPV4: "10.1.0.1/16",
    Family.IPV6: "fd01::1/64",
}
RIGHT_ADDRESS: Final[Mapping[Family, str]] = {
    Family.IPV4: "10.2.0.1/16",
    Family.IPV6: "fd02::1/64",
}
ORIG_PORT: Final = 40000
REPLY_PORT: Final = 80

_LEFT_END: Final[Mapping[Family, str]] = {Family.IPV4: "10.1.0.2", Family.IPV6: "fd01::2"}
_RIGHT_END: Final[Mapping[Family, str]] = {Family.IPV4: "10.2.0.2", Family.IPV6: "fd02::2"}
_LOOPBACK: Final[Mapping[Family, str]] = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}

# RFC 792 and RFC 4443: echo request, echo reply, destination unreachable.
_ECHO: Final[Mapping[Family, Mapping[Dir, int]]] = {
    Family.IPV4: {Dir.ORIGINAL: 8, Dir.REPLY: 0},
    Family.IPV6: {Dir.ORIGINAL: 128, Dir.REPLY: 129},
}
_UNREACHABLE: Final[Mapping[Family, int]] = {Family.IPV4: 3, Family.IPV6: 1}


def default_flow(topology: Topology) -> Flow:
    """The flow of a scenario that names none; a host uses its own address."""
    family = topology.family
    if isinstance(topology, Forward):
        ends = _LEFT_END[family], _RIGHT_END[family]
    elif isinstance(topology, Host):
        own = topology.addr.partition("/")[0]
        ends = own, _RIGHT_END[family]
        if topology.role is Dir.REPLY:
            ends = ends[1], ends[0]
    else:
        ends = _LOOPBACK[family], _LOOPBACK[family]
    source, target = (parse_address(text, family) for text in ends)
    return Flow(source, ORIG_PORT, target, REPLY_PORT)


def default_icmp_type(family: Family, sender: Dir, *, is_error: bool) -> int:
    """The type of an ICMP packet that names none: a query of the orig end, an answer of the reply
    end, or, for an error, "destination unreachable".
    """
    return _UNREACHABLE[family] if is_error else _ECHO[family][sender]
