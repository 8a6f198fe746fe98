# SPDX-License-Identifier: GPL-2.0-only
"""A packet's way through the box. Expected ways: what a 6.18 kernel's hooks and wires showed."""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.box import Box, UnroutableError
from ctlint.scenario.play import play
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import DIR_NAMES, ScenarioError
from ctlint.wire.addresses import Family, parse_address

ORIG, REPLY = Dir.ORIGINAL, Dir.REPLY
HOST = {"kind": "host"}
SERVER = {"kind": "host", "role": "reply"}
THROUGH = ("PREROUTING", "FORWARD")
IN = ("PREROUTING", "INPUT")
OVER_LO = ("OUTPUT", "PREROUTING", "INPUT")


def way(
    topology: Any, sender: Dir, source: str, target: str, flow: Any = None
) -> tuple[tuple[str, ...], str | None]:
    """The hooks that a packet passes, and the side on which it comes out."""
    packet = {"dir": DIR_NAMES[sender], "flags": "S", "saddr": source, "daddr": target}
    given = {"topology": topology, "packets": [packet]} | ({"flow": flow} if flow else {})
    (answer,) = play(scenario_from_json(given), NEWEST).packets
    assert isinstance(answer, PacketAnswer)
    return tuple(answer.hooks), answer.out[0].side if answer.out else None


@pytest.mark.parametrize(
    ("topology", "sender", "source", "target", "path"),
    [
        ("forward", ORIG, "10.1.0.2", "10.2.0.2", (THROUGH, "right")),
        ("forward", REPLY, "10.2.0.2", "10.1.0.2", (THROUGH, "left")),
        ("forward", ORIG, "10.1.0.2", "10.1.0.99", (THROUGH, "left")),
        ("forward", ORIG, "10.1.0.2", "8.8.8.8", (THROUGH, "right")),
        ("forward", ORIG, "10.1.0.2", "240.0.0.1", (THROUGH, "right")),
        ("forward", ORIG, "10.1.0.2", "169.254.7.7", (THROUGH, "right")),
        ("forward", ORIG, "10.1.0.2", "10.2.0.1", (IN, None)),
        ("forward", ORIG, "10.1.0.2", "10.1.0.1", (IN, None)),
        (HOST, ORIG, "10.1.0.1", "10.2.0.2", (("OUTPUT",), "wire")),
        (HOST, REPLY, "10.2.0.2", "10.1.0.1", (IN, None)),
        (HOST, REPLY, "10.2.0.2", "10.9.0.1", (THROUGH, "wire")),
        (HOST, ORIG, "10.1.0.1", "10.1.0.1", (OVER_LO, None)),
        (HOST, ORIG, "10.1.0.77", "10.2.0.2", (("OUTPUT",), "wire")),
        (SERVER, ORIG, "10.2.0.2", "10.1.0.1", (IN, None)),
        (SERVER, REPLY, "10.1.0.1", "10.2.0.2", (("OUTPUT",), "wire")),
        ("lo", ORIG, "127.0.0.1", "127.0.0.1", (OVER_LO, None)),
        (
            {"kind": "forward", "right_if": "eth0"},
            ORIG,
            "10.1.0.2",
            "10.1.0.99",
            (THROUGH, "right"),
        ),
    ],
)
def test_ways(topology: Any, sender: Dir, source: str, target: str, path: Any) -> None:
    assert way(topology, sender, source, target) == path


def test_a_flow_behind_one_side() -> None:
    flow = {"saddr": "10.1.0.2", "daddr": "10.1.0.3"}
    assert way("forward", ORIG, "10.1.0.2", "10.1.0.3", flow)[1] == "right"
    assert way("forward", REPLY, "10.1.0.3", "10.1.0.2", flow)[1] == "left"


@pytest.mark.parametrize(
    ("topology", "source", "target"),
    [
        ("forward", "127.0.0.1", "10.2.0.2"),
        ("forward", "224.0.0.1", "10.2.0.2"),
        ("forward", "0.0.0.0", "10.2.0.2"),
        ("forward", "10.1.0.2", "127.0.0.1"),
        ("forward", "10.1.0.2", "0.1.2.3"),
        ("forward", "10.1.0.2", "255.255.255.255"),
        ("forward", "10.1.0.2", "10.2.255.255"),
        (HOST, "10.1.0.1", "127.0.0.1"),
        ("lo", "127.0.0.1", "8.8.8.8"),
        ({"kind": "forward", "v6": True}, "fd01::2", "::1"),
        ({"kind": "forward", "v6": True}, "::", "fd02::2"),
        ({"kind": "forward", "v6": True}, "fe80::5", "fd02::2"),
        ({"kind": "forward", "v6": True}, "fd01::2", "ff02::1"),
    ],
)
def test_addresses_that_are_more_than_a_hosts(topology: Any, source: str, target: str) -> None:
    with pytest.raises(ScenarioError, match="is not simulated"):
        way(topology, ORIG, source, target)


def test_what_comes_from_outside_with_an_address_of_the_box_is_dropped_by_routing() -> None:
    # Measured on 6.18: PREROUTING moves the entry, no rule and no further hook sees the packet.
    assert way("forward", ORIG, "10.2.0.1", "10.2.0.2") == (("PREROUTING",), None)
    assert way(SERVER, ORIG, "10.1.0.1", "10.1.0.1") == (("PREROUTING",), None)


def test_they_are_refused_with_their_packet() -> None:
    packets = [
        {"dir": "orig", "flags": "S"},
        {"dir": "orig", "flags": "S", "saddr": "10.2.255.255"},
    ]
    with pytest.raises(ScenarioError) as caught:
        play(scenario_from_json({"packets": packets}), NEWEST)
    assert caught.value.packet == 1
    own = {"kind": "forward", "left_addr": "224.0.0.1/4"}
    with pytest.raises(ScenarioError, match=r"224\.0\.0\.1"):
        play(scenario_from_json({"topology": own, "packets": []}), NEWEST)


def test_many_addresses_are_not_all_remembered() -> None:
    scenario = scenario_from_json({"packets": []})
    box = Box(scenario.topology, scenario.flow)
    first = parse_address("11.0.0.0", Family.IPV4)
    for number in range(1, 10_000):
        box.require_routable(ORIG, first + number, first)
    with pytest.raises(UnroutableError):
        box.require_routable(ORIG, first, parse_address("224.0.0.1", Family.IPV4))
