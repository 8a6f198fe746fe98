# SPDX-License-Identifier: GPL-2.0-only
"""The lab hears and tells what the kernel really does.

Expected answers are what other recorders measured on kernels from 5.10 to 7.2, unless said
otherwise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from ctlint.lab.lab import (
    Backend,
    CannotLoadError,
    Lab,
    LabError,
    LabStalled,
    LabUnavailable,
    open_lab,
)
from ctlint.lab.loopback import Loopback
from ctlint.lab.namespace import private_netns, sweep
from ctlint.model.conntrack.status import Dir
from ctlint.scenario.answer import PacketAnswer, ScenarioAnswer, to_json
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import ScenarioError, Send
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.answers import DRAWN, read_answers, recordings
from tools.record_answers import is_folder_of

pytestmark = pytest.mark.netns

TOPOLOGIES: tuple[dict[str, Any], ...] = tuple(
    {**kind, "v6": v6}
    for v6 in (False, True)
    for kind in (
        {"kind": "forward"},
        {"kind": "host"},
        {"kind": "host", "role": "reply"},
        {"kind": "lo"},
    )
)
EVERYWHERE = pytest.mark.parametrize("topology", TOPOLOGIES, ids=str)
V6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])

# nf_conntrack_proto_tcp.c, tcp_valid_flags; PSH, ECE and CWR do not count.
VALID = {"S", "SU", "SA", "R", "RA", "FA", "FAU", "A", "AU"}

HANDSHAKE: list[dict[str, Any]] = [
    {"dir": "orig", "flags": "S", "seq": 1000},
    {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001},
    {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001},
]
MASQUERADE = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
"""
DNAT = MASQUERADE.replace(
    "-A POSTROUTING -o eth1 -j MASQUERADE",
    "-A PREROUTING -d 10.1.0.1 -p tcp --dport 80 -j DNAT --to-destination 10.2.0.2:8080",
)
FILTER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
{}
COMMIT
"""
REJECT = FILTER.format(
    "-A FORWARD -p tcp -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset"
)


def play(lab: Lab, packets: Sequence[Mapping[str, Any]], **others: Any) -> ScenarioAnswer:
    return lab.play(scenario_from_json({"packets": list(packets), **others}))


def answers(lab: Lab, packets: Sequence[Mapping[str, Any]], **others: Any) -> list[PacketAnswer]:
    found = play(lab, packets, **others).packets
    return [answer for answer in found if isinstance(answer, PacketAnswer)]


def timeout(answer: PacketAnswer) -> int | None:
    return None if answer.entry is None else answer.entry.timeout


def leaves_as(answer: PacketAnswer) -> tuple[str, str, int, str, int]:
    (out,) = answer.out
    return out.side, out.src, out.sport, out.dst, out.dport


# What the kernel says


def test_recorded_answers(lab: Lab) -> None:
    """Another recorder's answers of the same release, every field that it has."""
    mine = [
        one
        for one in recordings()
        if is_folder_of(one.release, lab.release) and one.name not in DRAWN
    ]
    if not mine:
        pytest.skip(f"no answers of kernel {lab.release} were recorded")
    for recording in mine:
        for recorded in read_answers(recording):
            answer = lab.play(recorded.scenario)
            got = to_json(answer, internals=True)
            where = f"{recording} {recorded.index}"
            for number, (wanted, shown) in enumerate(
                zip(recorded.packets, got["packets"], strict=True)
            ):
                if "out" in wanted:
                    for out, theirs in zip(shown["out"], wanted["out"], strict=True):
                        assert out.items() >= theirs.items(), (where, number)
                plain = {name: value for name, value in wanted.items() if name != "out"}
                assert {name: shown.get(name) for name in plain} == plain, (where, number)
                assert shown.get("why", []) == wanted.get("why", []), (where, number)
            assert got["entries"] == list(recorded.entries), where


@EVERYWHERE
@pytest.mark.parametrize("loose", [0, 1])
def test_flags_without_an_entry(topology: dict[str, Any], loose: int, lab: Lab) -> None:
    """All 256 combinations of flags as first packets: the measured table, the same everywhere."""
    packets = []
    for flags in range(256):
        packets.append({"dir": "orig", "flags": TcpFlags(flags).letters, "seq": 1, "ack": 1})
        packets.append({"op": "flush"})
    found = answers(lab, packets, topology=topology, sysctls={"tcp_loose": loose})
    assert len(found) == 256
    times = 2 if topology["kind"] == "lo" else 1
    for flags, answer in enumerate(found):
        letters = TcpFlags(flags & ~0xC8).letters
        why: tuple[str, ...] = ()
        ctstate, state, left = "INVALID", None, None
        if letters not in VALID:
            why = ("nf_ct_proto_6: invalid tcp flag combination",) * times
        elif letters in ("S", "SU"):
            ctstate, state, left = "NEW", "SYN_SENT", 120
        elif letters not in ("A", "AU"):
            why = ("nf_ct_proto_6: invalid new",) * times
        elif loose:
            ctstate, state, left = "NEW", "ESTABLISHED", 300
        where = topology, letters, answer
        assert answer.ctstate == ctstate, where
        assert answer.why == why, where
        assert answer.delivered, where
        assert (answer.entry is None) is (state is None), where
        if answer.entry is not None:
            assert (answer.entry.state, answer.entry.timeout) == (state, left), where
            assert answer.entry.flags == ("UNREPLIED",), where
            assert answer.pktdir is Dir.ORIGINAL, where
            assert answer.entry.is_fresh, where


HOOKS = {
    ("forward", "orig"): {"PREROUTING", "FORWARD"},
    ("forward", "reply"): {"PREROUTING", "FORWARD"},
    ("host", "orig"): {"OUTPUT"},
    ("host", "reply"): {"PREROUTING", "INPUT"},
    ("lo", "orig"): {"OUTPUT", "PREROUTING", "INPUT"},
    ("lo", "reply"): {"OUTPUT", "PREROUTING", "INPUT"},
}


@EVERYWHERE
def test_a_connection_and_its_expiry(topology: dict[str, Any], lab: Lab) -> None:
    packets = [
        *HANDSHAKE,
        {"dir": "reply", "flags": "PA", "seq": 5001, "ack": 1001, "len": 10},
        {"dir": "orig", "flags": "FA", "seq": 1001, "ack": 5011, "expire": True},
    ]
    found = play(lab, packets, topology=topology)
    assert found.entries == ()
    told = [
        ("NEW", "SYN_SENT", 120, ("UNREPLIED",), True),
        ("ESTABLISHED", "SYN_RECV", 60, (), False),
        ("ESTABLISHED", "ESTABLISHED", 432000, ("ASSURED",), False),
        ("ESTABLISHED", "ESTABLISHED", 300, ("ASSURED",), False),
        ("INVALID", None, None, None, None),
    ]
    is_server = topology.get("role") == "reply"
    for packet, answer, wanted in zip(packets, found.packets, told, strict=True):
        assert isinstance(answer, PacketAnswer)
        entry = answer.entry
        shown = (None,) * 4
        if entry is not None:
            shown = entry.state, entry.timeout, entry.flags, entry.is_fresh  # type: ignore[assignment]
        assert (answer.ctstate, *shown) == wanted
        end = packet["dir"]
        if is_server:
            end = "reply" if end == "orig" else "orig"
        assert set(answer.hooks) == HOOKS[topology["kind"], end]
        assert set(answer.hooks.values()) == {answer.ctstate}
        assert answer.delivered
        # What the host takes in does not come out.
        assert len(answer.out) == ("INPUT" not in answer.hooks)
        for out in answer.out:
            assert out.is_same
            assert (out.flags, out.seq, out.length) == (
                packet["flags"],
                packet["seq"],
                packet.get("len", 0),
            )
    times = 2 if topology["kind"] == "lo" else 1
    assert found.packets[-1].why == ("nf_ct_proto_6: invalid new",) * times  # type: ignore[union-attr]


# Rules and NAT


def test_replies_follow_masquerade_until_it_is_gone(lab: Lab) -> None:
    packets = [
        *HANDSHAKE[:2],
        {"dir": "orig", "flags": "FA", "seq": 1001, "ack": 5001, "expire": True},
        {"dir": "reply", "flags": "A", "seq": 5001, "ack": 1001},
    ]
    syn, synack, fin, ack = answers(lab, packets, ruleset=MASQUERADE, sysctls={"tcp_loose": 0})
    assert leaves_as(syn) == ("right", "10.2.0.1", 40000, "10.2.0.2", 80)
    assert syn.entry is not None
    assert syn.entry.orig == ("10.1.0.2", 40000, "10.2.0.2", 80)
    assert syn.entry.reply == ("10.2.0.2", 80, "10.2.0.1", 40000)
    assert leaves_as(synack) == ("left", "10.2.0.2", 80, "10.1.0.2", 40000)
    assert synack.pktdir is Dir.REPLY
    assert (fin.ctstate, fin.entry) == ("INVALID", None)
    assert leaves_as(fin) == ("right", "10.1.0.2", 40000, "10.2.0.2", 80)
    assert leaves_as(ack) == ("left", "10.2.0.2", 80, "10.1.0.2", 40000)


def test_of_two_addresses_of_one_interface_the_left_one_is_the_first(lab: Lab) -> None:
    """inet_select_addr() of net/ipv4/devinet.c takes the first, whatever was there before."""
    low, high = "10.2.0.1/32", "192.168.0.1/32"
    for left, right in ((high, low), (low, high), (high, low)):
        topology = {
            **{"kind": "forward", "left_if": "eth1", "right_if": "eth1"},
            **{"left_addr": left, "right_addr": right},
        }
        (syn,) = answers(lab, HANDSHAKE[:1], ruleset=MASQUERADE, topology=topology)
        (out,) = syn.out
        assert f"{out.src}/32" == left


def test_a_masqueraded_server_that_speaks_first_after_expiry_meets_the_box(lab: Lab) -> None:
    packets = [
        *HANDSHAKE,
        {"dir": "reply", "flags": "FA", "seq": 5001, "ack": 1001, "expire": True},
    ]
    fin = answers(lab, packets, ruleset=MASQUERADE)[-1]
    assert fin.hooks == {"PREROUTING": "INVALID", "INPUT": "INVALID"}
    assert fin.out == ()
    assert fin.delivered


def test_dnat(lab: Lab) -> None:
    flow = {"saddr": "10.1.0.2", "sport": 40000, "daddr": "10.1.0.1", "dport": 80}
    packets = [
        *HANDSHAKE[:2],
        {"dir": "reply", "flags": "A", "seq": 5001, "ack": 1001, "expire": True},
    ]
    syn, synack, ack = answers(lab, packets, ruleset=DNAT, flow=flow, sysctls={"tcp_loose": 0})
    assert leaves_as(syn) == ("right", "10.1.0.2", 40000, "10.2.0.2", 8080)
    assert leaves_as(synack) == ("left", "10.1.0.1", 80, "10.1.0.2", 40000)
    assert leaves_as(ack) == ("left", "10.2.0.2", 8080, "10.1.0.2", 40000)


def test_own_ends_of_a_packet_are_not_the_flows(lab: Lab) -> None:
    packets = [HANDSHAKE[0], {**HANDSHAKE[0], "sport": 40001}, HANDSHAKE[1]]
    assert leaves_as(answers(lab, packets)[2]) == ("left", "10.2.0.2", 80, "10.1.0.2", 40000)


@pytest.mark.parametrize(
    ("sender", "ack", "side"), [("orig", 10001, "left"), ("reply", 6001, "right")]
)
def test_reject_of_an_invalid_packet(sender: str, ack: int, side: str, lab: Lab) -> None:
    """The RST is a packet of the flow: the entry gets the close timer."""
    seq = 1001 if sender == "orig" else 5001
    packets = [*HANDSHAKE, {"dir": sender, "flags": "A", "seq": seq, "ack": ack}]
    answer = answers(lab, packets, ruleset=REJECT)[-1]
    assert answer.ctstate == "INVALID"
    assert answer.hooks == {"PREROUTING": "INVALID", "FORWARD": "INVALID"}
    assert not answer.delivered
    assert answer.rules == ("filter/FORWARD#1", "filter/OUTPUT policy")
    (rst,) = answer.out
    assert (rst.side, rst.flags, rst.seq, rst.is_same) == (side, "R", ack, False)
    assert answer.entry is not None
    assert (answer.entry.state, answer.entry.timeout) == ("ESTABLISHED", 10)


def test_what_reject_says_is_not_limited(lab: Lab) -> None:
    rules = FILTER.format("-A FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable")
    packets = [{"dir": "orig", "proto": "udp", "len": 5}] * 50
    for answer in answers(lab, packets, ruleset=rules):
        (out,) = answer.out
        assert (out.side, out.src, out.dst, out.flags) == ("left", "10.1.0.1", "10.1.0.2", None)
        assert answer.entry is None
        assert answer.rules == ("filter/FORWARD#1", "filter/OUTPUT policy")


def test_rules_are_numbered_as_they_stand(lab: Lab) -> None:
    """An unconditional DROP is a rule, though TRACE calls it a policy."""
    rules = FILTER.format("-A FORWARD -m conntrack --ctstate ESTABLISHED\n-A FORWARD -j DROP")
    (answer,) = answers(lab, HANDSHAKE[:1], ruleset=rules)
    assert answer.rules == ("filter/FORWARD#2",)
    assert answer.entry is None
    assert answers(lab, HANDSHAKE[:1])[0].rules is None


def test_notrack_and_zones(lab: Lab) -> None:
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -j CT {}\nCOMMIT\n"
    (answer,) = answers(lab, HANDSHAKE[:1], ruleset=raw.format("--notrack"))
    assert (answer.ctstate, answer.entry) == ("UNTRACKED", None)
    packets = [*HANDSHAKE, {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "dt": 200}]
    found = play(lab, packets, ruleset=raw.format("--zone 7"))
    last = found.packets[-1]
    assert isinstance(last, PacketAnswer)
    assert timeout(last) == 432000
    packets[-1]["dt"] = 432000
    gone = answers(lab, packets, ruleset=raw.format("--zone 7"), sysctls={"tcp_loose": 0})[-1]
    assert (gone.ctstate, gone.entry) == ("INVALID", None)


def test_mark_of_the_entry(lab: Lab) -> None:
    mangle = (
        "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"
        ":OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
        "-A FORWARD -j CONNMARK --set-xmark 0x2a/0xffffffff\nCOMMIT\n"
    )
    (answer,) = answers(lab, HANDSHAKE[:1], ruleset=mangle)
    assert answer.entry is not None
    assert answer.entry.mark == 42


def test_a_rule_set_that_the_real_restore_refuses(lab: Lab) -> None:
    with pytest.raises(CannotLoadError):
        answers(lab, [], ruleset=FILTER.format("-A FORWARD -j NOSUCHTARGET"))
    (answer,) = answers(lab, HANDSHAKE[:1], ruleset=FILTER.format("-A FORWARD -j DROP"))
    assert not answer.delivered


def test_the_nft_backend_tells_rules_too(lab: Lab) -> None:
    scenario = scenario_from_json(
        {"ruleset": FILTER.format("-A FORWARD -j DROP"), "packets": HANDSHAKE[:1]}
    )
    (answer,) = lab.play(scenario, Backend.NFT).packets
    assert isinstance(answer, PacketAnswer)
    assert not answer.delivered
    assert answer.rules == ("filter/FORWARD#1",)


# Time


def test_time_passes_by_seconds_and_parts(lab: Lab) -> None:
    """A retransmitted SYN does not refresh the timer of 120 s."""
    packets: list[dict[str, Any]] = [HANDSHAKE[0]]
    packets += [{**HANDSHAKE[0], "dt": dt} for dt in (0.5, 0.5, 8.25, 50, 60.25, 0.25, 0.25)]
    started = time.monotonic()
    found = answers(lab, packets)
    assert time.monotonic() - started < 2
    assert [timeout(answer) for answer in found] == [120, 119, 119, 110, 60, 0, 0, 120]
    assert [answer.entry is not None and answer.entry.is_fresh for answer in found] == [
        *(True, False, False, False, False, False, False),
        True,
    ]


def test_a_timer_is_told_from_one_set_anew_to_a_neighbouring_second(lab: Lab) -> None:
    """The retransmitted SYN leaves 62, 61 or 60 s; the SYN-ACK then sets 60 or 61."""
    for recv in (60, 61):
        for before in (58, 58.5, 59, 59.5, 60):
            packets = [HANDSHAKE[0], {**HANDSHAKE[0], "dt": before}, HANDSHAKE[1], HANDSHAKE[1]]
            found = answers(lab, packets, sysctls={"tcp_timeout_syn_recv": recv})
            shown = [timeout(answer) for answer in found]
            assert shown == [120, int(120 - before), recv, recv], (recv, before)
    # Both are timeouts in force.
    sysctls = {"tcp_timeout_syn_sent": 61, "tcp_timeout_syn_recv": 60, "tcp_timeout_close": 59}
    for _ in range(5):
        found = answers(lab, HANDSHAKE[:2], sysctls=sysctls)
        assert [timeout(answer) for answer in found] == [61, 60]


def test_real_time_does_not_count(lab: Lab) -> None:
    lab.start(scenario_from_json({"packets": []}))
    syn = Send(Dir.ORIGINAL, 6, TcpFlags.SYN, seq=1000)
    for _ in range(4):
        answer = lab.step(syn)
        assert isinstance(answer, PacketAnswer)
        assert timeout(answer) == 120
        time.sleep(0.5)
    (entry,) = lab.entries()
    assert entry.timeout == 120


def test_an_old_entry_does_not_take_the_timer_of_its_successor(lab: Lab) -> None:
    """RST on an unreplied entry destroys it; a new one has the same tuple."""
    packets: list[dict[str, Any]] = [
        HANDSHAKE[0],
        {"dir": "orig", "flags": "R", "seq": 1001},
        *HANDSHAKE,
        {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "dt": 121},
    ]
    found = answers(lab, packets)
    assert found[1].entry is None
    assert (found[-1].ctstate, timeout(found[-1])) == ("ESTABLISHED", 432000)


def test_expire_flush_wait_and_sysctl(lab: Lab) -> None:
    operations: list[dict[str, Any]] = [
        {"op": "expire"},
        {"op": "flush"},
        {"op": "wait", "dt": 432000},
    ]
    packets: list[dict[str, Any]]
    for op in operations:
        packets = [*HANDSHAKE, op, {"dir": "orig", "flags": "FA", "seq": 1001, "ack": 5001}]
        assert answers(lab, packets)[-1].ctstate == "INVALID", op
    packets = [*HANDSHAKE, {"op": "wait", "dt": 431999}, HANDSHAKE[2]]
    assert answers(lab, packets)[-1].ctstate == "ESTABLISHED"
    packets = [
        {"op": "sysctl", "sysctls": {"tcp_loose": 0, "tcp_timeout_syn_sent": 77}},
        {"dir": "orig", "flags": "A"},
        {"dir": "orig", "flags": "S"},
    ]
    found = play(lab, packets)
    assert [getattr(answer, "ctstate", None) for answer in found.packets] == [
        None,
        "INVALID",
        "NEW",
    ]
    assert found.entries[0].timeout == 77
    # The next scenario has the defaults again.
    found_again = answers(lab, packets[1:])
    assert [(one.ctstate, timeout(one)) for one in found_again[:1]] == [("NEW", 300)]
    assert timeout(answers(lab, packets[2:])[0]) == 120


def test_sysctls_that_a_namespace_does_not_have(lab: Lab) -> None:
    sysctls = {"max": 5, "tcp_no_window_check": 1, "tcp_loose": 0}
    before = Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text()
    packets: list[dict[str, Any]] = [
        {"dir": "orig", "flags": "A"},
        {"op": "sysctl", "sysctls": {"helper": 1}},
    ]
    found = play(lab, packets, sysctls=sysctls)
    prefix = "net.netfilter.nf_conntrack_"
    assert found.missing_sysctls == tuple(
        prefix + name for name in ("max", "tcp_no_window_check", "helper")
    )
    assert found.packets[0].ctstate == "INVALID"  # type: ignore[union-attr]
    assert Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text() == before


# Other protocols


@pytest.mark.parametrize(("dt", "left"), [(1, 30), (2, 30), (2.5, 120), (29, 120)])
def test_udp_is_a_stream_from_two_seconds_on(dt: float, left: int, lab: Lab) -> None:
    """nf_conntrack_proto_udp.c: after two seconds, and with traffic both ways."""
    packets = [
        {"dir": "orig", "proto": "udp", "len": 10},
        {"dir": "orig", "proto": "udp", "len": 10},
        {"dir": "reply", "proto": "udp", "len": 10},
        {"dir": "orig", "proto": "udp", "len": 10, "dt": dt},
    ]
    found = answers(lab, packets)
    assert [(one.ctstate, timeout(one)) for one in found] == [
        ("NEW", 30),
        ("NEW", 30),
        ("ESTABLISHED", 30),
        ("ESTABLISHED", left),
    ]
    assert found[3].entry is not None
    assert found[3].entry.flags == (("ASSURED",) if left == 120 else ())
    assert found[3].entry.state is None
    assert found[3].out[0].flags is None
    assert found[3].out[0].length == 10


@V6
def test_ping(v6: bool, lab: Lab) -> None:
    topology = {"kind": "forward", "v6": v6}
    packets = [
        {"dir": "orig", "proto": "icmp", "id": 7, "seq": 1, "len": 56},
        {"dir": "reply", "proto": "icmp", "id": 7, "seq": 1, "len": 56},
        {"dir": "reply", "proto": "icmp", "id": 8, "seq": 1},
    ]
    found = answers(lab, packets, topology=topology)
    assert [one.ctstate for one in found] == ["NEW", "ESTABLISHED", "INVALID"]
    assert [timeout(one) for one in found] == [30, 30, None]
    entry = found[0].entry
    assert entry is not None
    assert entry.state is None
    kinds = (128, 129) if v6 else (8, 0)
    assert (entry.orig[1], entry.orig[3]) == (7, kinds[0])
    assert (entry.reply[1], entry.reply[3]) == (7, kinds[1])
    assert [one.pktdir for one in found] == [Dir.ORIGINAL, Dir.REPLY, None]
    assert found[0].out[0].length == 56


@V6
def test_the_box_does_not_answer_a_ping(v6: bool, lab: Lab) -> None:
    topology = {"kind": "host", "role": "reply", "v6": v6}
    (answer,) = answers(lab, [{"dir": "orig", "proto": "icmp"}], topology=topology)
    assert answer.delivered
    assert answer.out == ()
    assert answer.hooks == {"PREROUTING": "NEW", "INPUT": "NEW"}


@EVERYWHERE
@pytest.mark.parametrize(("quoted", "sender"), [("orig", "reply"), ("reply", "orig")])
def test_icmp_errors(quoted: str, sender: str, topology: dict[str, Any], lab: Lab) -> None:
    error = {"dir": sender, "proto": "icmp", "quote": quoted}
    packets = [*HANDSHAKE, error, {**error, "expire": True}]
    found = answers(lab, packets, topology=topology)
    assert [one.ctstate for one in found[3:]] == ["RELATED", "INVALID"]
    assert all(one.delivered for one in found)
    assert found[3].entry is found[4].entry is None


def test_an_icmp_error_finds_its_way_through_nat(lab: Lab) -> None:
    packets = [*HANDSHAKE, {"dir": "reply", "proto": "icmp", "quote": "orig"}]
    error = answers(lab, packets, ruleset=MASQUERADE)[-1]
    assert error.ctstate == "RELATED"
    assert (error.out[0].side, error.out[0].dst) == ("left", "10.1.0.2")


def test_an_error_about_nothing(lab: Lab) -> None:
    rules = FILTER.format("-A FORWARD -j DROP")
    packets = [HANDSHAKE[0], {"dir": "reply", "proto": "icmp", "quote": "orig"}]
    with pytest.raises(ScenarioError, match="received none") as caught:
        answers(lab, packets, ruleset=rules, name="nothing")
    assert (caught.value.packet, caught.value.name) == (1, "nothing")


@V6
def test_a_protocol_without_a_tracker_of_its_own(v6: bool, lab: Lab) -> None:
    packets = [
        {"dir": "orig", "proto": 99, "len": 20},
        {"dir": "reply", "proto": 99, "len": 20},
    ]
    found = answers(lab, packets, topology={"kind": "forward", "v6": v6})
    assert [(one.ctstate, timeout(one)) for one in found] == [("NEW", 600), ("ESTABLISHED", 600)]
    assert [one.pktdir for one in found] == list(Dir)
    assert found[0].out[0].length == 20


@V6
@pytest.mark.parametrize("proto", ["tcp", "udp", "icmp"])
def test_wrong_checksums(proto: str, v6: bool, lab: Lab) -> None:
    packet = {"dir": "orig", "proto": proto, "badsum": True}
    if proto == "tcp":
        packet["flags"] = "S"
    (answer,) = answers(lab, [packet], topology={"kind": "forward", "v6": v6})
    assert answer.ctstate == "INVALID"
    assert len(answer.why) == 1
    assert "checksum" in answer.why[0]


def test_long_packets(lab: Lab) -> None:
    packets = [{"dir": "orig", "flags": "S", "len": 65535 - 40}]
    (answer,) = answers(lab, packets)
    assert answer.out[0].length == 65535 - 40
    with pytest.raises(ScenarioError, match="65535 bytes"):
        answers(
            lab,
            [{"dir": "orig", "flags": "S", "len": 65535 - 20}],
            topology={"kind": "lo", "v6": True},
        )


# Topologies


def test_changing_topologies(lab: Lab) -> None:
    """Nothing of one is left in the next: addresses, routes, what was logged."""
    flow = {"saddr": "10.9.0.2", "sport": 1, "daddr": "10.8.0.2", "dport": 2}
    for _ in range(3):
        for topology in TOPOLOGIES:
            (answer,) = answers(lab, HANDSHAKE[:1], topology=topology)
            is_server = topology.get("role") == "reply"
            end = "reply" if is_server else "orig"
            assert set(answer.hooks) == HOOKS[topology["kind"], end], topology
        swapped = {"kind": "forward", "left_if": "eth1", "right_if": "eth0"}
        (answer,) = answers(lab, HANDSHAKE[:1], topology=swapped, flow=flow)
        assert leaves_as(answer) == ("right", "10.9.0.2", 1, "10.8.0.2", 2)
        back = {**flow, "saddr": flow["daddr"], "daddr": flow["saddr"]}
        (answer,) = answers(lab, HANDSHAKE[:1], flow=back)
        assert leaves_as(answer) == ("right", "10.8.0.2", 1, "10.9.0.2", 2)


def test_interfaces_have_the_names_of_the_scenario(lab: Lab) -> None:
    rules = FILTER.format("-A FORWARD -i wan-7 -o lan.3 -j DROP")
    topology = {"kind": "forward", "left_if": "wan-7", "right_if": "lan.3"}
    first, second = answers(lab, HANDSHAKE[:2], ruleset=rules, topology=topology)
    assert not first.delivered
    assert second.delivered
    for number in range(20):
        topology = {"kind": "host", "if": f"many{number}"}
        assert answers(lab, HANDSHAKE[:1], topology=topology)[0].delivered
    with pytest.raises(ScenarioError, match="no interface can be named eth%d"):
        answers(lab, [], topology={"kind": "host", "if": "eth%d"})


def test_lo_with_other_addresses(lab: Lab) -> None:
    flow = {"saddr": "192.0.2.1", "daddr": "192.0.2.2"}
    for answer in answers(lab, HANDSHAKE, topology="lo", flow=flow):
        assert set(answer.hooks) == {"OUTPUT", "PREROUTING", "INPUT"}


@V6
def test_lo_tells_what_was_dropped_on_the_way(v6: bool, lab: Lab) -> None:
    """Nothing of a packet is heard, or half of it, and yet all of it has happened."""
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A {} -p tcp -j DROP\nCOMMIT\n"
    key = "ruleset6" if v6 else "ruleset"
    rules = [raw.format("PREROUTING"), raw.format("OUTPUT"), FILTER.format("-A INPUT -j DROP")]
    hooks: list[set[str]] = [{"OUTPUT"}, set(), {"OUTPUT", "PREROUTING", "INPUT"}]
    for text, wanted in zip(rules, hooks, strict=True):
        topology = {"kind": "lo", "v6": v6}
        for answer in answers(lab, HANDSHAKE[:1] * 5, topology=topology, **{key: text}):
            assert set(answer.hooks) == wanted
            assert not answer.delivered


def test_lo_tells_what_reject_made(lab: Lab) -> None:
    rules = FILTER.format("-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset")
    for answer in answers(lab, HANDSHAKE[:1] * 20, topology="lo", ruleset=rules):
        assert not answer.delivered
        assert answer.rules is not None
        # The SYN twice, and the RST twice.
        assert answer.rules == (
            "filter/OUTPUT policy",
            "filter/INPUT#1",
            "filter/OUTPUT policy",
            "filter/INPUT policy",
        )


def test_a_queue_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a frame on lo tells: without it there is no answer."""
    monkeypatch.setattr("ctlint.lab.loopback._SECONDS_TO_WAIT", 0.05)
    with private_netns() as namespace:
        with namespace.inside():
            loopback = Loopback()
        for _ in range(50):
            with loopback.on_one_processor():
                assert len(os.sched_getaffinity(0)) == 1
                loopback.flush()
        # A frame that does not come back: our socket does not take this EtherType.
        monkeypatch.setattr("ctlint.lab.loopback._HEADER", bytes(12) + b"\x88\xb6")
        with pytest.raises(LabStalled):
            loopback.flush()
        loopback.close()


# The lab itself


def test_what_was_not_started_cannot_be_stepped() -> None:
    with pytest.raises(LabError):
        Lab().step(Send(Dir.ORIGINAL, 6))


def play_in_a_lab_of_its_own(count: int) -> list[str | None]:
    with open_lab() as own:
        return [answers(own, HANDSHAKE)[2].ctstate for _ in range(count)]


def test_two_processes_at_once() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for found in pool.map(play_in_a_lab_of_its_own, [100, 100]):
            assert found == ["ESTABLISHED"] * 100


def namespaces() -> set[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}


def of_process(pid: int) -> set[str]:
    return {name for name in namespaces() if name.startswith(f"ctlint-{pid}-")}


def test_namespaces_are_deleted() -> None:
    before = of_process(os.getpid())

    def fail() -> None:
        with open_lab() as own:
            answers(own, HANDSHAKE, ruleset=MASQUERADE)
            assert len(of_process(os.getpid()) - before) == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert of_process(os.getpid()) == before


def test_what_killed_processes_leave_is_swept() -> None:
    script = (
        "import time\nfrom ctlint.lab.lab import open_lab\n"
        "with open_lab():\n print('open', flush=True)\n time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        assert of_process(child.pid)
        sweep()
        assert of_process(child.pid), "a living process keeps its namespaces"
        child.send_signal(signal.SIGKILL)
    sweep()
    assert not of_process(child.pid)


def test_other_process_namespaces_keep_what_lives(lab: Lab) -> None:
    """Containers that share /run: the process id of an owner means nothing there."""
    script = "from ctlint.lab.namespace import sweep\nsweep()\n"
    before = of_process(os.getpid())
    assert before
    command = ["unshare", "-pf", "--mount-proc", sys.executable, "-c", script]
    subprocess.run(command, check=True)
    assert of_process(os.getpid()) == before
    assert answers(lab, HANDSHAKE)[2].ctstate == "ESTABLISHED"


def test_what_was_killed_among_other_processes_is_swept() -> None:
    script = (
        "import os, signal\nfrom ctlint.lab.lab import open_lab\n"
        "with open_lab() as lab:\n print(os.getpid(), lab.namespace.name, flush=True)\n"
        " os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = ["unshare", "-pf", "--mount-proc", "sh", "-c", '"$0" -c "$1"; true']
    done = subprocess.run([*command, sys.executable, script], capture_output=True, text=True)
    pid, name = done.stdout.split()
    assert name.startswith(f"ctlint-{pid}-")
    sweep()
    assert name not in namespaces()


def test_a_namespace_that_somebody_has_deleted() -> None:
    with open_lab() as own:
        answers(own, HANDSHAKE)
        name = own.namespace.name
        subprocess.run(["ip", "netns", "delete", name], check=True)
        # What is open stays open; only the name is gone.
        assert answers(own, HANDSHAKE)[2].ctstate == "ESTABLISHED"
    assert name not in namespaces()


def test_a_name_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody who shares the names but not the locks: it stays his."""
    monkeypatch.setattr("ctlint.lab.namespace._numbers", iter([900001, 900002]))
    name = f"ctlint-{os.getpid()}-900001"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with private_netns() as found:
            assert found.name == f"ctlint-{os.getpid()}-900002"
        assert name in namespaces()
        sweep()
        assert name in namespaces()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


BROKEN = [
    ("mount -t tmpfs none /dev/net", "needs /dev/net/tun"),
    ("mount --bind /dev/null /dev/net/tun", "/dev/net/tun is another device"),
    (
        "mount -t tmpfs none /dev/net && mkdir /dev/net/tun",
        "cannot open /dev/net/tun: Is a directory",
    ),
    (
        "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys",
        "cannot write /proc/sys/net/ipv4/ip_forward: Read-only file system",
    ),
    ("mount -t tmpfs none /proc/sys", "this kernel has no sysctl net.ipv4.ip_forward"),
    ("mount -t tmpfs -o ro none /run", "/run/ctlint: Read-only file system"),
    ("mount -t tmpfs none /run && touch /run/ctlint", "/run/ctlint: File exists"),
    ("mount -t tmpfs none /run && touch /run/netns", "ip failed: "),
    ("umount -l /proc", "ip failed: "),
]


@pytest.mark.parametrize(("breaking", "reason"), BROKEN)
def test_a_broken_machine(breaking: str, reason: str) -> None:
    """Nothing but a reason comes, and nothing is left behind."""
    script = (
        "from ctlint.lab.lab import LabUnavailable, open_lab, why_unavailable\n"
        "reason = why_unavailable()\n"
        "try:\n with open_lab(): pass\n"
        "except LabUnavailable as error: assert str(error) == reason\n"
        "print(reason)\n"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{breaking} && exec "$0" -c "$1"', sys.executable, script],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(reason)
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("program", ["ip", "nft"])
def test_a_broken_program(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / program
    broken.write_bytes(b"#!/bin/sh\necho 'it is\n\xffbroken' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with (
        pytest.raises(LabUnavailable, match=rf"^{program} failed: it is [?\ufffd]broken$"),
        open_lab(),
    ):
        pass


def test_the_machine_itself_is_not_touched(lab: Lab) -> None:
    folder = Path("/proc/sys/net/netfilter")
    watched = [path for path in folder.glob("nf_conntrack_*") if path.name != "nf_conntrack_count"]
    watched += [Path("/proc/sys/net/ipv4/ip_forward"), Path("/proc/sys/net/ipv4/icmp_ratemask")]
    before = {path: path.read_text() for path in watched}
    tables = subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True).stdout
    play(lab, HANDSHAKE, ruleset=MASQUERADE, sysctls={"tcp_loose": 0, "udp_timeout": 3})
    assert {path: path.read_text() for path in watched} == before
    after = subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True).stdout
    assert after == tables


def test_lost_lines_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctlint.lab.log._BUFFER", 1)
    rules = FILTER.format("\n".join(["-A FORWARD -m conntrack --ctstate NEW"] * 200))
    with open_lab() as own, pytest.raises(LabError, match="logged more"):
        answers(own, HANDSHAKE[:1], ruleset=rules)


def test_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabUnavailable, match="needs root"), open_lab():
        pass


def test_programs_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LabUnavailable, match="needs the program ip"), open_lab():
        pass
