# SPDX-License-Identifier: GPL-2.0-only
"""A packet's way through the box. Expected ways: what a 6.18 kernel's hooks and wires showed."""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.scenario.box import Box, Path, UnroutableError
from ctlint.scenario.play import play
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family, parse_address

ORIG, REPLY = Dir.ORIGINAL, Dir.REPLY
HOST = {"kind": "host"}
SERVER = {"kind": "host", "role": "reply"}
THROUGH = ("PREROUTING", "FORWARD")
IN = ("PREROUTING", "INPUT")
OVER_LO = ("OUTPUT", "PREROUTING", "INPUT")


def way(topology: Any, sender: Dir, source: str, target: str, flow: Any = None) -> Path:
    given = {"topology": topology, "packets": []} | ({"flow": flow} if flow else {})
    scenario = scenario_from_json(given)
    family = scenario.topology.family
    box = Box(scenario.topology, scenario.flow)
    return box.path(sender, parse_address(source, family), parse_address(target, family))


@pytest.mark.parametrize(
    ("topology", "sender", "source", "target", "path"),
    [
        ("forward", ORIG, "10.1.0.2", "10.2.0.2", Path(THROUGH, "right", REPLY)),
        ("forward", REPLY, "10.2.0.2", "10.1.0.2", Path(THROUGH, "left", ORIG)),
        ("forward", ORIG, "10.1.0.2", "10.1.0.99", Path(THROUGH, "left", ORIG)),
        ("forward", ORIG, "10.1.0.2", "8.8.8.8", Path(THROUGH, "right", REPLY)),
        ("forward", ORIG, "10.1.0.2", "240.0.0.1", Path(THROUGH, "right", REPLY)),
        ("forward", ORIG, "10.1.0.2", "169.254.7.7", Path(THROUGH, "right", REPLY)),
        ("forward", ORIG, "10.1.0.2", "10.2.0.1", Path(IN, None, None)),
        ("forward", ORIG, "10.1.0.2", "10.1.0.1", Path(IN, None, None)),
        (HOST, ORIG, "10.1.0.1", "10.2.0.2", Path(("OUTPUT",), "wire", REPLY)),
        (HOST, REPLY, "10.2.0.2", "10.1.0.1", Path(IN, None, ORIG)),
        (HOST, REPLY, "10.2.0.2", "10.9.0.1", Path(THROUGH, "wire", REPLY)),
        (HOST, ORIG, "10.1.0.1", "10.1.0.1", Path(OVER_LO, None, None)),
        (HOST, ORIG, "10.1.0.77", "10.2.0.2", Path(("OUTPUT",), "wire", REPLY)),
        (SERVER, ORIG, "10.2.0.2", "10.1.0.1", Path(IN, None, REPLY)),
        (SERVER, REPLY, "10.1.0.1", "10.2.0.2", Path(("OUTPUT",), "wire", ORIG)),
        ("lo", ORIG, "127.0.0.1", "127.0.0.1", Path(OVER_LO, None, REPLY)),
        (
            {"kind": "forward", "right_if": "eth0"},
            ORIG,
            "10.1.0.2",
            "10.1.0.99",
            Path(THROUGH, "right", REPLY),
        ),
    ],
)
def test_ways(topology: Any, sender: Dir, source: str, target: str, path: Path) -> None:
    assert way(topology, sender, source, target) == path


def test_a_flow_behind_one_side() -> None:
    flow = {"saddr": "10.1.0.2", "daddr": "10.1.0.3"}
    assert way("forward", ORIG, "10.1.0.2", "10.1.0.3", flow).side == "right"
    assert way("forward", REPLY, "10.1.0.3", "10.1.0.2", flow).side == "left"


@pytest.mark.parametrize(
    ("topology", "source", "target"),
    [
        ("forward", "10.2.0.1", "10.2.0.2"),
        ("forward", "127.0.0.1", "10.2.0.2"),
        ("forward", "224.0.0.1", "10.2.0.2"),
        ("forward", "0.0.0.0", "10.2.0.2"),
        ("forward", "10.1.0.2", "127.0.0.1"),
        ("forward", "10.1.0.2", "0.1.2.3"),
        ("forward", "10.1.0.2", "255.255.255.255"),
        ("forward", "10.1.0.2", "10.2.255.255"),
        (HOST, "10.1.0.1", "127.0.0.1"),
        (SERVER, "10.1.0.1", "10.1.0.1"),
        ("lo", "127.0.0.1", "8.8.8.8"),
        ({"kind": "forward", "v6": True}, "fd01::2", "::1"),
        ({"kind": "forward", "v6": True}, "::", "fd02::2"),
        ({"kind": "forward", "v6": True}, "fe80::5", "fd02::2"),
        ({"kind": "forward", "v6": True}, "fd01::2", "ff02::1"),
    ],
)
def test_addresses_that_are_more_than_a_hosts(topology: Any, source: str, target: str) -> None:
    with pytest.raises(UnroutableError):
        way(topology, ORIG, source, target)


def test_they_are_refused_with_their_packet() -> None:
    packets = [{"dir": "orig", "flags": "S"}, {"dir": "orig", "flags": "S", "saddr": "10.2.0.1"}]
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
        assert box.path(ORIG, first + number, first).side == "right"
