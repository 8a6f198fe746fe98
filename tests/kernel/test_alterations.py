# SPDX-License-Identifier: GPL-2.0-only
"""Targets that change a packet: every byte that the model knows of the changed one is asked of the
live kernel by u32 rules behind the target.
"""

from __future__ import annotations

from typing import Final

import pytest

from ctlint.ir.rule import Target
from ctlint.lab.lab import Backend, Lab
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.alterations import ALTERATIONS
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.scenario import Flow, Forward, Scenario, Send
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.encoding import encode
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.protocols import TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

pytestmark = pytest.mark.netns

V4, V6 = Family.IPV4, Family.IPV6
MTU: Final = 65535
TESTS_A_RULE: Final = 10
CONGESTED: Final = TcpFlags.SYN | TcpFlags.ECE | TcpFlags.CWR

EVERYTHING: Final = (
    *("-j TOS --set-tos 0x10", "-j TOS --set-tos 0x10/0x3f", "-j TOS --and-tos 0x0f"),
    *("-j TOS --or-tos 0xc0", "-j TOS --xor-tos 0xff", "-j TOS --set-tos Minimize-Cost"),
    *("-j TOS --set-tos 0xff/0x0f", "-j DSCP --set-dscp 0x2e", "-j DSCP --set-dscp-class CS7"),
    "-j CHECKSUM --checksum-fill",
)
SYNS: Final = (
    *(f"-j TCPMSS --set-mss {mss}" for mss in (100, 535, 536, 537, 1219, 1221, 1460, 60000)),
    "-j TCPMSS --clamp-mss-to-pmtu",
)
SEGMENTS: Final = (
    *("mss", "wscale", "sack-permitted", "sack", "timestamp", "8,2,19,3"),
    "mss,wscale,sack-permitted,sack,timestamp,md5",
)
RULES: Final = {
    V4: (
        *EVERYTHING,
        *("-j TTL --ttl-set 9", "-j TTL --ttl-inc 5", "-j TTL --ttl-inc 255", "-j TTL --ttl-dec 5"),
        *("-j TTL --ttl-dec 255", "-j TTL --ttl-set 0"),
        *(f"-j ECN --ecn-ip-ect {ect}" for ect in range(4)),
        *("-p tcp -j ECN --ecn-tcp-remove", "-p tcp -j ECN --ecn-tcp-cwr 1"),
        *("-p tcp -j ECN --ecn-tcp-ece 0", "-p tcp -j ECN --ecn-tcp-cwr 0 --ecn-ip-ect 3"),
        "-p tcp -j ECN --ecn-tcp-cwr 1 --ecn-tcp-ece 0 --ecn-ip-ect 1",
    ),
    V6: (
        *EVERYTHING,
        *("-j HL --hl-set 9", "-j HL --hl-inc 5", "-j HL --hl-inc 255", "-j HL --hl-dec 5"),
        *("-j HL --hl-dec 255", "-j HL --hl-set 0"),
    ),
}
OPTIONS: Final = (
    None,
    TcpOptions(mss=1460),
    TcpOptions(mss=536),
    TcpOptions(1460, 7, True, (0x01020304, 0x05060708)),
    TcpOptions(timestamps=(1, 2), wscale=3),
    TcpOptions(sack_permitted=True, sack=((1, 2), (3, 4))),
    TcpOptions(timestamps=(1, 2), sack=((1, 2), (3, 4), (5, 6))),
    TcpOptions(sack=((1, 2), (3, 4), (5, 6), (7, 8)), wscale=2),
)


@pytest.mark.parametrize("family", Family)
def test_packets_behind_a_target(family: Family, kernel: Lab) -> None:
    packets = [
        Send(Dir.ORIGINAL, UDP, length=5, data=b"hello", ttl=250, tos=0x2E),
        Send(Dir.ORIGINAL, UDP, ttl=4, tos=0xD1),
        Send(Dir.ORIGINAL, TCP, CONGESTED, seq=7, tos=2, options=TcpOptions(mss=1400)),
        Send(Dir.ORIGINAL, TCP, TcpFlags.SYN | TcpFlags.ECE, seq=7, tos=1),
    ]
    for rule in RULES[family]:
        for send in packets:
            if send.protocol == TCP or not rule.startswith("-p tcp"):
                judge(kernel, family, rule, send)


@pytest.mark.parametrize("family", Family)
def test_tcp_options_behind_a_target(family: Family, kernel: Lab) -> None:
    is_syn = "-p tcp --tcp-flags SYN,RST SYN"
    rules = [f"{is_syn} {rule}" for rule in SYNS]
    rules += [f"-p tcp -j TCPOPTSTRIP --strip-options {kinds}" for kinds in SEGMENTS]
    for rule in rules:
        for options in OPTIONS:
            for data in (b"", b"data"):
                send = Send(
                    Dir.ORIGINAL, TCP, TcpFlags.SYN, 5, options=options, length=len(data), data=data
                )
                judge(kernel, family, rule, send)


@pytest.mark.parametrize("family", Family)
def test_two_targets_one_behind_the_other(family: Family, kernel: Lab) -> None:
    is_syn = "-p tcp --tcp-flags SYN,RST SYN"
    strip = "-p tcp -j TCPOPTSTRIP --strip-options mss,timestamp"
    clamp = f"{is_syn} -j TCPMSS --set-mss 1400"
    for options in OPTIONS:
        send = Send(Dir.ORIGINAL, TCP, TcpFlags.SYN, 5, options=options)
        judge(kernel, family, strip, send, then=clamp)
        judge(kernel, family, clamp, send, then=strip)


def judge(kernel: Lab, family: Family, rule: str, send: Send, then: str = "") -> None:
    """Have one packet altered by a rule of mangle FORWARD, and look at what comes of it."""
    names = ("10.1.0.2", "10.2.0.2") if family is V4 else ("fd01::2", "fd02::2")
    saddr, daddr = (parse_address(name, family) for name in names)
    is_tcp = send.protocol == TCP
    packet: Packet | None = Packet(
        family,
        saddr,
        daddr,
        send.protocol,
        40000,
        80,
        send.flags if is_tcp else None,
        payload=send.length,
        seq=send.seq,
        options=send.options,
        # The router takes one off before FORWARD.
        ttl=send.ttl - 1,
        tos=send.tos,
        data=send.data,
    )
    rules = [each for each in (rule, then) if each]
    for each in rules:
        assert packet is not None
        target = target_of(each, family)
        packet = ALTERATIONS[target.name](target, packet, MTU)
    assert packet is not None
    questions = questions_of(packet)
    lines = [f"-A FORWARD {each}" for each in (*rules, *questions)]
    ruleset = "\n".join(("*mangle", *lines, "COMMIT", ""))
    addresses = ("10.1.0.1/16", "10.2.0.1/16") if family is V4 else ("fd01::1/64", "fd02::1/64")
    scenario = Scenario(
        name=None,
        kernel=None,
        sysctls={},
        ruleset=ruleset if family is V4 else "",
        ruleset6=ruleset if family is V6 else "",
        topology=Forward(family, "eth0", addresses[0], "eth1", addresses[1]),
        flow=Flow(saddr, 40000, daddr, 80),
        steps=(send,),
    )
    (answer,) = kernel.play(scenario, Backend.LEGACY).packets
    assert isinstance(answer, PacketAnswer)
    first = len(rules) + 1
    missing = [
        question
        for number, question in enumerate(questions, first)
        if f"mangle/FORWARD#{number}" not in (answer.rules or ())
    ]
    assert missing == [], f"{rule} {then} made something else of {send}"


def target_of(rule: str, family: Family) -> Target:
    (ruleset,) = parse_rulesets(f"*mangle\n-A FORWARD {rule}\nCOMMIT\n", "rule", family)
    chain = ruleset.chain("mangle", "FORWARD")
    assert chain is not None
    target = chain.rules[0].target
    assert isinstance(target, Target)
    return target


def questions_of(packet: Packet) -> list[str]:
    """Rules that match a packet with these bytes, as far as they are known, and this length."""
    encoding = encode(packet)
    assert encoding is not None
    tests = []
    for at in range(0, len(encoding.data) - 3, 4):
        word = int.from_bytes(encoding.data[at : at + 4], "big")
        unknown = bytes(encoding.unknown.get(at + place, 0) for place in range(4))
        mask = 0xFFFFFFFF ^ int.from_bytes(unknown, "big")
        tests.append(f"{at}&{mask:#x}={word:#x}")
    groups = [tests[at : at + TESTS_A_RULE] for at in range(0, len(tests), TESTS_A_RULE)]
    rules = [f'-m u32 --u32 "{"&&".join(group)}"' for group in groups]
    return [*rules, f"-m length --length {len(encoding.data)}"]
