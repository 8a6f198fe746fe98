# SPDX-License-Identifier: GPL-2.0-only
"""How a connection is put on the stage of a scenario (docs/scenario.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import HOST
from ctlint.finding import Role
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import Dir
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import DIR_NAMES, Scenario
from ctlint.wire.addresses import Family, format_address

_OPTIONS: Final = {"mss": 1460, "sackok": True, "wscale": 7}
HANDSHAKE: Final[tuple[dict[str, Any], ...]] = (
    {"dir": "orig", "flags": "S", "seq": 1000, "opts": _OPTIONS},
    {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001, "opts": _OPTIONS},
    {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "win": 502},
)
"""The packets that open a connection."""

_HOSTS_TRIED: Final = 1 << 16

NEXT: Final = {Dir.ORIGINAL: (1001, 5001), Dir.REPLY: (5001, 1001)}
"""The sequence number and the acknowledgement of what each end sends next."""


def stage(connection: Connection) -> dict[str, Any]:
    """Topology and flow of a scenario that plays this connection."""
    flow = {
        "saddr": format_address(connection.family, connection.orig_address),
        "sport": connection.orig_port,
        "daddr": format_address(connection.family, connection.reply_address),
        "dport": connection.reply_port,
    }
    return {"topology": _topology(connection), "flow": flow}


def as_scenario(given: Mapping[str, Any]) -> Scenario:
    """A scenario of the analysis, whose rules are played as they were read. Raises ScenarioError.

    Its texts are not read, nor its interfaces: rules may have names that JSON cannot hold, and that
    iptables takes and no interface can have (``eth0:1``).
    """
    left = dict(given)
    # What is known of sets stands in the facts of the chains.
    left.pop("ipsets", None)
    texts = {key: left.pop(key, "") for key in ("ruleset", "ruleset6")}
    names: dict[str, Any] = {}
    if isinstance(left.get("topology"), dict):
        topology = dict(left["topology"])
        names = {_FIELDS[key]: topology.pop(key) for key in _FIELDS if key in topology}
        left["topology"] = topology
    scenario = scenario_from_json(left)
    return replace(scenario, topology=replace(scenario.topology, **names), **texts)


_FIELDS: Final = {"if": "interface", "left_if": "left_if", "right_if": "right_if"}
"""Keys of a topology that name interfaces, and the fields that hold them."""


def _topology(connection: Connection) -> str | dict[str, Any]:
    v6 = connection.family is Family.IPV6
    if connection.role is Role.LOOPBACK:
        return {"kind": "lo", "v6": True} if v6 else "lo"
    if connection.final_role is Role.FORWARD:
        return _router(connection)
    home = home_of(connection.role)
    own = connection.orig_address if home is Dir.ORIGINAL else connection.reply_address
    if connection.role is Role.FORWARD:
        # The packets are for another host, and NAT leads them to this one.
        home, own = Dir.REPLY, HOST[connection.family]
        if own in (connection.orig_address, connection.reply_address):
            own += 8
    return {
        "kind": "host",
        "role": DIR_NAMES[home],
        "if": connection.orig_interface,
        f"addr{'6' if v6 else ''}": f"{format_address(connection.family, own)}/{64 if v6 else 16}",
        "v6": v6,
    }


def _router(connection: Connection) -> dict[str, Any]:
    family = connection.family
    v6 = family is Family.IPV6
    suffix = "6" if v6 else ""
    client, server = connection.orig_address, connection.reply_address
    taken = [Range(client, client), Range(server, server)]
    length = 64 if v6 else 16
    translated = connection.translated
    if translated is not None:
        # No network of its own may hold the server as it really is called: all but the client is
        # behind the right interface.
        length = family.bits
        end = translated.destination
        called = None if end is None else end.mapped(server)
        if called is not None:
            server = called.low
            taken.append(called)
    if connection.role is Role.SERVER:
        # The client calls this host itself.
        left = connection.reply_address
    else:
        left = _router_address(family, client, taken)
    right = _router_address(family, server, [*taken, Range(left, left)])
    return {
        "kind": "forward",
        "left_if": connection.orig_interface,
        "right_if": connection.reply_interface,
        f"left_addr{suffix}": f"{format_address(family, left)}/{length}",
        f"right_addr{suffix}": f"{format_address(family, right)}/{length}",
        "v6": v6,
    }


def _router_address(family: Family, neighbour: int, taken: Sequence[Range]) -> int:
    """The first free address of the box in the network of one of its neighbours."""
    length = 64 if family is Family.IPV6 else 16
    network = neighbour >> (family.bits - length) << (family.bits - length)
    free = (network + n for n in range(1, _HOSTS_TRIED))
    return next((one for one in free if not any(one in each for each in taken)), network + 1)


def home_of(role: Role) -> Dir:
    """The end that is the host itself; the client where neither or both are."""
    return Dir.REPLY if role is Role.SERVER else Dir.ORIGINAL
