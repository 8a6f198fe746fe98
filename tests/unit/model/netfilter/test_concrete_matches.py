# SPDX-License-Identifier: GPL-2.0-only
"""Matches on what only a concrete packet has: open for a class of packets, decided for one."""

from __future__ import annotations

import pytest

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.host import Host, InterfaceAddress, Route
from ctlint.model.netfilter.matches import predicates
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Mac, Owner, Transit
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, Net
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.tcp_flags import TcpFlags

V4, V6 = Family.IPV4, Family.IPV6
HOST = Host(
    [InterfaceAddress("eth0", V4, 0x0A010001, 16), InterfaceAddress("eth1", V4, 0x0A020001, 16)],
    [Route(Net(V4, 0, 0), "eth1")],
)
SYN = Packet(V4, 0x0A010002, 0x0A020002, 6, 40000, 80, TcpFlags.SYN)


def truth(
    rule: str,
    packet: Packet = SYN,
    *,
    facts: Facts | None = None,
    is_own: bool = False,
    is_abstract: bool = False,
) -> Tern:
    chain = "OUTPUT" if "owner" in rule or "cgroup" in rule else "PREROUTING"
    text = f"*mangle\n-A {chain} {rule}\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", packet.family)
    found = ruleset.chain("mangle", chain)
    assert found is not None
    box = None if is_abstract else Box(HOST, Tracker(NEWEST, read_settings(NEWEST, {})))
    transit = Transit(packet, CtState.NEW, in_interface="eth0", box=box, is_own=is_own)
    truths = [
        predicate.test(transit)
        for match in found.rules[0].matches
        for predicate in predicates(match, facts or Facts())
    ]
    if Tern.FALSE in truths:
        return Tern.FALSE
    return Tern.UNKNOWN if Tern.UNKNOWN in truths else Tern.TRUE


@pytest.mark.parametrize(
    "rule",
    [
        *("-m length --length 40", "-m ttl --ttl-eq 64", "-m dscp --dscp 0", "-m tos --tos 0"),
        *("-m ecn --ecn-ip-ect 0", "-p tcp -m ecn ! --ecn-tcp-cwr", "-p tcp -m tcpmss ! --mss 1"),
        *("-p tcp -m tcp ! --tcp-option 2", '-m u32 --u32 "0>>28=4"', "-m rpfilter"),
        *('-m string --algo bm ! --string "GET /"', "-m physdev ! --physdev-in eth0"),
        *("-m policy --dir in --pol none", "-m devgroup --src-group 0", "-m helper ! --helper ftp"),
        *("-m addrtype --src-type UNICAST --limit-iface-in", "-m connlabel ! --label 3"),
    ],
)
def test_only_a_concrete_packet_is_decided(rule: str) -> None:
    assert truth(rule, is_abstract=True) is Tern.UNKNOWN
    assert truth(rule) is Tern.TRUE


@pytest.mark.parametrize("rule", ["-m socket", "-m cgroup --cgroup 1", "-m owner --uid-owner 1"])
def test_what_needs_a_socket(rule: str) -> None:
    assert truth(rule, is_abstract=True) is Tern.UNKNOWN
    assert truth(rule) is Tern.FALSE


@pytest.mark.parametrize(
    "rule",
    [
        *("-m cpu --cpu 0", "-m nfacct --nfacct-name a", "-p tcp -m osf --genre Linux"),
        *("-m bpf --object-pinned /sys/fs/bpf/one", "-m owner --uid-owner root"),
    ],
)
def test_what_stays_open(rule: str) -> None:
    assert truth(rule, is_own=True) is Tern.UNKNOWN


@pytest.mark.parametrize(
    ("rule", "mac", "expected"),
    [
        ("--mac-source 02:00:00:00:00:01", None, Tern.UNKNOWN),
        ("--mac-source 02:00:00:00:00:01", Mac(0x020000000001), Tern.TRUE),
        ("! --mac-source 02:00:00:00:00:01", Mac(0x020000000001), Tern.FALSE),
        ("! --mac-source 02:00:00:00:00:02", Mac(0x020000000001), Tern.TRUE),
        # Where there is no Ethernet, nothing matches either way.
        ("--mac-source 02:00:00:00:00:01", Mac(None), Tern.FALSE),
        ("! --mac-source 02:00:00:00:00:01", Mac(None), Tern.FALSE),
    ],
)
def test_mac(rule: str, mac: Mac | None, expected: Tern) -> None:
    assert truth(f"-m mac {rule}", facts=Facts(mac=mac)) is expected


@pytest.mark.parametrize(
    ("mac", "expected"),
    [(0x020000000001, Tern.FALSE), (0x0250_5689_ABCD, Tern.TRUE), (None, Tern.FALSE)],
)
def test_eui64(mac: int | None, expected: Tern) -> None:
    # RFC 4291, appendix A: the universal bit is turned over, and FFFE stands in the middle.
    source = 0xFE80 << 112 | 0x0050_56FF_FE89_ABCD
    packet = Packet(V6, source, 1, 17, 1, 2)
    assert truth("-m eui64", packet, facts=Facts(mac=Mac(mac))) is expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("--uid-owner 7", Tern.TRUE),
        ("! --uid-owner 7", Tern.FALSE),
        ("--gid-owner 9", Tern.FALSE),
        ("--gid-owner 9 --suppl-groups", Tern.TRUE),
        ("--socket-exists", Tern.TRUE),
        ("! --socket-exists", Tern.FALSE),
    ],
)
def test_owner(rule: str, expected: Tern) -> None:
    facts = Facts(owner=Owner(7, 8, (9,)))
    assert truth(f"-m owner {rule}", facts=facts, is_own=True) is expected


def test_bytes_that_are_not_known_matter_only_where_they_count() -> None:
    assert truth('-m u32 --u32 "4>>16=1"') is Tern.UNKNOWN
    assert truth('-m u32 --u32 "4>>16=0:0xFFFF"') is Tern.TRUE
    assert truth('-m u32 --u32 "4>>16&0x0=0&&0>>28=6"') is Tern.FALSE
    assert truth('-m u32 --u32 "4>>16=1&&0>>28=6"') is Tern.FALSE
    assert truth('-m u32 --u32 "4>>16@0=0"') is Tern.UNKNOWN
    assert truth('-m string --algo kmp --hex-string "|8899|"') is Tern.UNKNOWN
    assert truth('-m string --algo kmp --from 12 --hex-string "|889988|"') is Tern.FALSE
    assert truth('-m string --algo kmp --hex-string "|0a 01 00 02 0a|"') is Tern.TRUE


def test_an_option_that_is_only_room_is_no_option() -> None:
    stripped = SYN._replace(options=TcpOptions(stripped=((2, 4),)))
    assert truth("-p tcp -m tcp --tcp-option 2", stripped) is Tern.FALSE
    assert truth("-p tcp -m tcp --tcp-option 1", stripped) is Tern.TRUE
    assert truth("-m length --length 44", stripped) is Tern.TRUE


def test_a_header_cut_off_leaves_the_match_open() -> None:
    short = Packet(V4, 1, 2, 50, payload=7)
    assert truth("-p esp -m esp ! --espspi 1", short) is Tern.UNKNOWN
    assert truth("-p esp -m esp ! --espspi 1", short._replace(payload=8)) is Tern.TRUE
