# SPDX-License-Identifier: GPL-2.0-only
"""What is written reads back, and says no more than it must (docs/scenario.md)."""

from __future__ import annotations

import json

from hypothesis import given

from ctlint.model.kernel.sysctls import SYSCTLS, resolve
from ctlint.scenario.reader import read_scenarios, scenario_from_json
from ctlint.scenario.scenario import Scenario, Wait
from ctlint.scenario.writer import scenario_to_json
from tests.unit.scenario.scenarios import TEN_YEARS, scenarios


@given(scenarios())
def test_every_scenario_reads_back(scenario: Scenario) -> None:
    written = scenario_to_json(scenario)
    assert scenario_from_json(written) == scenario
    assert list(read_scenarios(json.dumps(written))) == [scenario]
    assert scenario_to_json(scenario_from_json(written)) == written


def test_defaults_are_left_out() -> None:
    said = {
        "topology": {
            "kind": "forward",
            "left_if": "eth0",
            "right_if": "eth1",
            "left_addr": "10.1.0.1/16",
            "right_addr": "10.2.0.1/16",
            "v6": False,
        },
        "flow": {"saddr": "10.1.0.2", "sport": 40000, "daddr": "10.2.0.2", "dport": 80},
        "sysctls": {"net.netfilter.nf_conntrack_tcp_loose": 0},
        "ruleset": "",
        "packets": [
            {
                "dir": "orig",
                "proto": "tcp",
                "flags": "AF",
                "seq": 1,
                "ack": 0,
                "win": 65535,
                "len": 0,
                "opts": {"sackok": False},
                "badsum": False,
                "expire": False,
                "dt": 0.0,
            },
            {"dir": "reply", "proto": "icmp", "type": 0, "code": 0, "id": 0, "seq": 0},
        ],
    }
    assert scenario_to_json(scenario_from_json(said)) == {
        "sysctls": {"tcp_loose": 0},
        "packets": [
            {"dir": "orig", "flags": "FA", "seq": 1},
            {"dir": "reply", "proto": "icmp"},
        ],
    }


def test_short_names_of_sysctls_lead_back() -> None:
    for name, sysctl in SYSCTLS.items():
        assert resolve(sysctl.short_name).sysctl.name == name


def test_spans_at_the_edge_keep_their_microseconds() -> None:
    for span in (1, 999_999, 1_000_001, TEN_YEARS - 1, TEN_YEARS):
        said = {"packets": [{"op": "wait", "dt": 0}]}
        scenario = scenario_from_json(said)
        changed = Scenario(None, None, {}, "", "", scenario.topology, scenario.flow, (Wait(span),))
        assert scenario_from_json(scenario_to_json(changed)) == changed
        (read,) = read_scenarios(json.dumps(scenario_to_json(changed)))
        assert read == changed
