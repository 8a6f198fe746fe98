# SPDX-License-Identifier: GPL-2.0-only
"""Single matches on both sides of their bounds: what the model says against the live kernel.

Each rule set counts only, so that every packet is asked about by every rule, at each hook that it
passes. What the model leaves open is compared with nothing, and is named in the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import pytest

from ctlint.lab.lab import Backend, Lab
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.transit import Facts, Mac, Owner, Transit
from ctlint.model.netfilter.traverse import walk
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.box import Box as ScenarioBox
from ctlint.scenario.play import play
from ctlint.scenario.scenario import Flow, Forward, Host, Loopback, Scenario, Send, Topology
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

pytestmark = pytest.mark.netns

V4, V6 = Family.IPV4, Family.IPV6
ESP, AH, IPCOMP, MOBILITY, NOTHING, SCTP, DCCP = 50, 51, 108, 135, 59, 132, 33

SYN: Final = Send(Dir.ORIGINAL, TCP, TcpFlags.SYN, seq=0x01020304)
DATAGRAM: Final = Send(Dir.ORIGINAL, UDP)
PING: Final = {
    V4: Send(Dir.ORIGINAL, ICMP, icmp_type=8, icmp_id=77),
    V6: Send(Dir.ORIGINAL, ICMPV6, icmp_type=128, icmp_id=77),
}
FORWARD: Final[dict[Family, Topology]] = {
    V4: Forward(V4, "eth0", "10.1.0.1/16", "eth1", "10.2.0.1/16"),
    V6: Forward(V6, "eth0", "fd01::1/64", "eth1", "fd02::1/64"),
}
FLOWS: Final = {V4: ("10.1.0.2", "10.2.0.2"), V6: ("fd01::2", "fd02::2")}


def rules_of(matches: Sequence[str], chain: str, table: str = "filter", *first: str) -> str:
    lines = [*first, *(f"-A {chain} {match}" for match in matches)]
    return "\n".join((f"*{table}", *lines, "COMMIT", ""))


def compare(
    kernel: Lab,
    topology: Topology,
    ruleset: str,
    packets: Sequence[Send],
    *,
    flow: tuple[str, str] | None = None,
    facts: Facts | None = None,
) -> dict[str, list[bool]]:
    """Which rules matched each packet, in the kernel's word; the model must say the same.

    Behind "open: " stands what it leaves open.
    """
    scenario = scenario_of(topology, ruleset, packets, flow, facts)
    answers: list[Said] = []
    for answer in play(scenario, NEWEST).packets:
        assert isinstance(answer, PacketAnswer)
        opened = {str(one["rule"]) for one in answer.undecided}
        answers.append(Said(set(answer.rules or ()), opened))
    return confront(kernel, scenario, ruleset, answers)


def compare_at_entrance(
    kernel: Lab,
    family: Family,
    ruleset: str,
    packets: Sequence[Send],
    *,
    facts: Facts | None = None,
) -> dict[str, list[bool]]:
    """The same for datagrams that ask raw PREROUTING alone, wherever they are routed then."""
    scenario = scenario_of(FORWARD[family], ruleset, packets, None, facts)
    flow = scenario.flow
    (parsed,) = parse_rulesets(ruleset, "rules", family)
    chains = ChainStore(parsed, scenario.facts)
    host = ScenarioBox(scenario.topology, flow).host
    box = Box(host, Tracker(NEWEST, read_settings(NEWEST, {})))
    answers = []
    for send in packets:
        is_orig = send.sender is Dir.ORIGINAL
        saddr, daddr = (flow.saddr, flow.daddr) if is_orig else (flow.daddr, flow.saddr)
        packet = Packet(
            family,
            saddr if send.saddr is None else send.saddr,
            daddr if send.daddr is None else send.daddr,
            UDP,
            flow.sport,
            flow.dport,
        )
        transit = Transit(
            packet,
            CtState.INVALID,
            "eth0" if is_orig else "eth1",
            box=box,
            hook=Hook.PREROUTING,
        )
        found = walk(chains, "raw", "PREROUTING", transit)
        answers.append(Said(set(found.matched), {str(one.ref) for one in found.unsure}))
    return confront(kernel, scenario, ruleset, answers)


class Said(NamedTuple):
    """The rules that match, and those that may."""

    matched: set[str]
    opened: set[str]


def scenario_of(
    topology: Topology,
    ruleset: str,
    packets: Sequence[Send],
    flow: tuple[str, str] | None,
    facts: Facts | None,
) -> Scenario:
    family = topology.family
    saddr, daddr = (parse_address(text, family) for text in flow or FLOWS[family])
    return Scenario(
        name=None,
        kernel=None,
        sysctls={},
        ruleset="" if family is V6 else ruleset,
        ruleset6=ruleset if family is V6 else "",
        topology=topology,
        flow=Flow(saddr, 40000, daddr, 80),
        steps=tuple(packets),
        facts=facts or Facts(),
    )


def confront(
    kernel: Lab, scenario: Scenario, ruleset: str, answers: Sequence[Said]
) -> dict[str, list[bool]]:
    matched: dict[str, list[bool]] = {}
    wrong: list[str] = []
    texts = named_rules(ruleset)
    truths = kernel.play(scenario, Backend.LEGACY).packets
    for step, truth, said in zip(scenario.steps, truths, answers, strict=True):
        assert isinstance(truth, PacketAnswer)
        for name, text in texts.items():
            is_real = name in (truth.rules or ())
            matched.setdefault(text, []).append(is_real)
            if name in said.opened:
                matched.setdefault(f"open: {text}", []).append(is_real)
            elif is_real is not (name in said.matched):
                wrong.append(f"{text}: kernel {is_real}, model {not is_real}: {step}")
    assert not wrong, "\n".join(wrong)
    return matched


def named_rules(ruleset: str) -> dict[str, str]:
    """The rules of a dump by their names in answers."""
    found: dict[str, str] = {}
    numbers: dict[str, int] = {}
    table = ""
    for line in ruleset.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            _, chain, text = line.split(" ", 2)
            name = f"{table}/{chain}"
            numbers[name] = numbers.get(name, 0) + 1
            found[f"{name}#{numbers[name]}"] = text
    return found


def require_both(matched: dict[str, list[bool]], *, besides: Sequence[str] = ()) -> None:
    """Every rule must have matched a packet and not matched another, and none be left open."""
    one_sided = [text for text, truths in matched.items() if len(set(truths)) < 2]
    assert [text for text in one_sided if text not in besides] == []
    assert not [text for text in matched if text.startswith("open: ")]


@pytest.mark.parametrize("family", Family)
def test_length(family: Family, kernel: Lab) -> None:
    plain = 40 if family is V4 else 60
    matches = [
        *(f"-m length --length {plain}", f"-m length ! --length {plain}"),
        *(f"-m length --length {plain + 1}:", f"-m length --length :{plain}"),
        *(f"-m length --length {plain + 4}:{plain + 20}", "-m length --length 1400:65535"),
        *(f"-m length --length {plain - 12}", "-m length --length 65535"),
    ]
    longest = 65535 - plain
    packets = [
        SYN,
        replace(SYN, length=1),
        replace(SYN, length=1400),
        replace(SYN, length=longest),
        replace(SYN, options=TcpOptions(mss=1460)),
        replace(SYN, options=TcpOptions(1460, 7, True, (1, 0))),
        replace(SYN, options=TcpOptions(sack=((1, 2), (3, 4)))),
        DATAGRAM,
        replace(DATAGRAM, length=12),
        replace(DATAGRAM, length=13),
        PING[family],
        replace(PING[family], length=56),
        Send(Dir.ORIGINAL, 99, length=20),
    ]
    require_both(compare(kernel, FORWARD[family], rules_of(matches, "FORWARD"), packets))


@pytest.mark.parametrize(("family", "name"), [(V4, "ttl"), (V6, "hl")])
def test_hops(family: Family, name: str, kernel: Lab) -> None:
    tests = [f"--{name}-eq 64", f"! --{name}-eq 64", f"--{name}-lt 64", f"--{name}-gt 64"]
    matches = [f"-m {name} {test}" for test in tests]
    packets = [replace(DATAGRAM, ttl=ttl) for ttl in (2, 63, 64, 65, 66, 254)]
    for chain, table in (("FORWARD", "filter"), ("PREROUTING", "raw")):
        rules = rules_of(matches, chain, table)
        require_both(compare(kernel, FORWARD[family], rules, packets))


@pytest.mark.parametrize("family", Family)
def test_type_of_service(family: Family, kernel: Lab) -> None:
    matches = [
        *("-m dscp --dscp 0x2e", "-m dscp ! --dscp 0x2e", "-m dscp --dscp-class AF11"),
        *("-m tos --tos 0x10", "-m tos ! --tos 0x10", "-m tos --tos 0x10/0x10"),
        *("-m tos --tos 0x11/0x10", "-m tos ! --tos 0x11/0x10", "-m tos --tos Minimize-Delay"),
        *(f"-m ecn --ecn-ip-ect {ect}" for ect in range(4)),
        "-m ecn ! --ecn-ip-ect 2",
        *("-p tcp -m ecn --ecn-tcp-cwr", "-p tcp -m ecn ! --ecn-tcp-cwr"),
        *("-p tcp -m ecn --ecn-tcp-ece", "-p tcp -m ecn ! --ecn-tcp-ece"),
        "-p tcp -m ecn ! --ecn-tcp-ece --ecn-tcp-cwr --ecn-ip-ect 1",
    ]
    congested = TcpFlags.ECE | TcpFlags.CWR
    packets = [
        *(replace(DATAGRAM, tos=tos) for tos in (0, 1, 2, 3, 0x10, 0x11, 0x28, 0x50, 0xB8, 0xFF)),
        *(replace(SYN, flags=SYN.flags | flags) for flags in (TcpFlags(0), congested)),
        replace(SYN, flags=SYN.flags | TcpFlags.CWR, tos=1),
    ]
    never = ("-m tos --tos 0x11/0x10", "-m tos ! --tos 0x11/0x10")
    matched = compare(kernel, FORWARD[family], rules_of(matches, "FORWARD"), packets)
    require_both(matched, besides=never)


@pytest.mark.parametrize("family", Family)
def test_tcp_options(family: Family, kernel: Lab) -> None:
    kinds = (1, 2, 3, 4, 5, 8)
    matches = [
        *(f"-p tcp -m tcp --tcp-option {kind}" for kind in (*kinds, 19)),
        *(f"-p tcp -m tcp ! --tcp-option {kind}" for kind in kinds),
        *("-p tcp -m tcpmss --mss 1460", "-p tcp -m tcpmss ! --mss 1460"),
        *("-p tcp -m tcpmss --mss 536:1459", "-p tcp -m tcpmss ! --mss 536:1459"),
    ]
    packets = [
        replace(SYN, options=options)
        for options in (
            None,
            TcpOptions(mss=1460),
            TcpOptions(mss=1459),
            TcpOptions(mss=535),
            TcpOptions(wscale=2),
            TcpOptions(sack_permitted=True),
            TcpOptions(timestamps=(0x08030402, 0x05050505)),
            TcpOptions(sack=((0x02040302, 0x08080808),)),
            TcpOptions(1460, 8, True, (1, 2)),
        )
    ]
    matched = compare(kernel, FORWARD[family], rules_of(matches, "FORWARD"), packets)
    require_both(matched, besides=("-p tcp -m tcp --tcp-option 19",))


@pytest.mark.parametrize("family", Family)
def test_u32(family: Family, kernel: Lab) -> None:
    head, length = (40, "4>>16&0xFFFF") if family is V6 else (20, "0&0xFFFF")
    tests = [
        *(f"{length}=0x1000:0xFFFF", f"{head}>>16=40000", f"{head}&0xFFFF=80,443"),
        *("0>>28=4", "0>>28=6", "0x0>>20&0xFF=0x10:0x1F", "0&0xF0000000>>28<<2=16"),
        *(f"{head + 8}&0=0&&{head + 4}=0x01020304", f"{head + 8}>>31=1", f"{head + 4}&0=1"),
        *(f"{head + 12}>>26&0x3C@{head}=0x47455420", f"{head + 12}>>26&0x3C@{head}=0x0:0x1"),
        *("60=0", "96=0", "97=0", "0>>22&0x3C@0>>16=40000", "0>>22&0x3C@12>>26&0x3C@0=0x47455420"),
        *("4294967295=0", "0&0xFFFFFFFF@0=0", "0=0:0xFFFFFFFF", "0=1:0"),
    ]
    matches = [f'-m u32 {no}--u32 "{test}"' for test in tests for no in ("", "! ")]
    packets = [
        SYN,
        replace(SYN, length=4, data=b"GET "),
        replace(SYN, options=TcpOptions(1460, 7), length=9, data=b"GET / HTT"),
        replace(SYN, sport=443, dport=443, tos=0x1F, seq=7, ack=1 << 31),
        replace(SYN, length=41),
        *(replace(DATAGRAM, length=length) for length in (0, 72, 73, 80)),
        replace(DATAGRAM, length=60000),
        PING[family],
        Send(Dir.ORIGINAL, 99, length=4, data=b"\x80\1\1\1"),
    ]
    matched = compare(kernel, FORWARD[family], rules_of(matches, "FORWARD"), packets)
    # Where the other port would stand, an echo request has its checksum.
    opened = {text for text in matched if text.startswith("open: ")}
    leaps = {f'"{head}&0xFFFF=80,443"'} | ({'"0&0xFFFFFFFF@0=0"'} if family is V6 else set())
    assert {text.rsplit("--u32 ")[1] for text in opened} == leaps


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("algorithm", ["bm", "kmp"])
def test_string(algorithm: str, family: Family, kernel: Lab) -> None:
    at = 28 if family is V4 else 48
    tests = [
        *('--string "GET /"', '! --string "GET /"', '--string "get /"', '--string "get /" --icase'),
        *(
            '--hex-string "|00 00 00 00|"',
            '--hex-string "|DEADBEEF|"',
            '--hex-string "|9c40 0050|"',
        ),
        *(f'--from {at} --string "GET"', f'--from {at + 1} --string "GET"'),
        *(f'--from {at + 2} --to {at + end} --string "abc"' for end in (2, 3, 4, 5, 6)),
        *(f'--to {end} --string "GET"' for end in (at, at + 2, at + 3, at + 4)),
        *(f'--from 5000 --string "{text}"' for text in ("end", "END")),
        f'--from {at} --to {at} --string "G"',
        *('--hex-string "|e4 f6 fc ff df|" --icase', '--hex-string "|e0|" --icase'),
        *('--hex-string "|c0|" --icase', '--hex-string "|f7|" --icase', '--string "aab" --icase'),
        '--string "abababc"',
    ]
    matches = [f"-m string --algo {algorithm} {test}" for test in tests]
    contents = [
        *(b"GET / HTTP/1.1", b"Get /", b"xGET", b"GETabc", b"xxabc", b"xabc", b"GE", b"", b"abc"),
        *(b"\xde\xad\xbe\xef", b"\xc4\xd6\xdc\xdf\xbf", b"\xe4\xf6\xfc\xff\xdf", b"\xd7", b"\xf7"),
        *(b"\xc0", b"\xe0", b"aaAB", b"ababababc", b"abababdabababc", b"ABABABC"),
        bytes(5000) + b"END",
        bytes(5000) + b"end",
        b"b" * 3000 + b"aabend",
    ]
    packets = [replace(DATAGRAM, length=len(data), data=data) for data in contents]
    packets.append(replace(DATAGRAM, length=1, data=b"GET"))
    matched = compare(kernel, FORWARD[family], rules_of(matches, "FORWARD"), packets)
    never = [text for text, truths in matched.items() if True not in truths]
    assert {text.rsplit("--algo ")[1] for text in never if not text.startswith("open: ")} == {
        f"{algorithm} {test}"
        for test in (
            '--string "get /"',
            *(f'--from {at + 2} --to {at + end} --string "abc"' for end in (2, 3, 4)),
            *(f'--to {end} --string "GET"' for end in (at, at + 2)),
            f'--from {at} --to {at} --string "G"',
        )
    }


def protocol(number: int, data: bytes) -> Send:
    return Send(Dir.ORIGINAL, number, length=len(data), data=data)


@pytest.mark.parametrize("family", Family)
def test_esp_and_ipcomp(family: Family, kernel: Lab) -> None:
    matches = [
        *("-p esp -m esp --espspi 500", "-p esp -m esp ! --espspi 500", "-p esp -m esp"),
        *("-p esp -m esp --espspi 0:499", "-p esp -m esp --espspi 0x80000000:0xFFFFFFFF"),
        *("-p ipcomp -m ipcomp", "-p ipcomp -m ipcomp --ipcompspi 7"),
        *("-p ipcomp -m ipcomp ! --ipcompspi 7", "-p ipcomp -m ipcomp --ipcompspi 7 --compres"),
    ]
    packets = [
        *(protocol(ESP, spi.to_bytes(4, "big") + bytes(4)) for spi in (0, 499, 500, 501, 1 << 31)),
        *(protocol(IPCOMP, bytes((6, reserved, 0, cpi))) for cpi in (0, 7) for reserved in (0, 1)),
        DATAGRAM,
    ]
    rules = rules_of(matches, "PREROUTING", "raw")
    require_both(compare(kernel, FORWARD[family], rules, packets))


@pytest.mark.parametrize("family", Family)
def test_authentication_header(family: Family, kernel: Lab) -> None:
    tests = ["--ahspi 500", "! --ahspi 500", ""]
    if family is V6:
        tests += ["--ahlen 24", "! --ahlen 24", "--ahlen 0", "! --ahlen 0", "--ahres"]
    protocol_too = "-p ah " if family is V4 else ""
    matches = [f"{protocol_too}-m ah {test}".rstrip() for test in tests]
    packets = [
        *(protocol(AH, bytes((59, 1, 0, 0, 0, 0, 1, low)) + bytes(4)) for low in (0xF3, 0xF4)),
        protocol(AH, bytes((59, 4, 0, 1, 0, 0, 1, 0xF4)) + bytes(16)),
        DATAGRAM,
    ]
    rules = rules_of(matches, "PREROUTING", "raw")
    require_both(compare(kernel, FORWARD[family], rules, packets))


def test_ipv6_headers(kernel: Lab) -> None:
    names = ("prot", "esp", "none", "hop", "esp,prot", "none,prot")
    matches = [
        *(f"-m ipv6header {no}--header {name}" for name in names for no in ("", "! ")),
        *(f"-m ipv6header {no}--header {name} --soft" for name in names for no in ("", "! ")),
        *("-m frag", "-m hbh", "-m dst", "-m rt", "-m srh", "-m rt ! --rt-type 0", "-m ah"),
        *("-m frag ! --fragid 1", "-m hbh ! --hbh-len 8", "-m srh ! --srh-tag 1"),
        *("-p mh -m mh --mh-type bu", "-p mh -m mh ! --mh-type bu", "-p mh -m mh --mh-type 0:1"),
    ]
    packets = [
        *(
            SYN,
            DATAGRAM,
            PING[V6],
            protocol(99, b""),
            protocol(ESP, bytes(8)),
            protocol(ESP, b"12"),
        ),
        protocol(NOTHING, b""),
        *(protocol(MOBILITY, bytes((NOTHING, 0, kind)) + bytes(5)) for kind in (0, 1, 2, 5)),
    ]
    compare(kernel, FORWARD[V6], rules_of(matches, "PREROUTING", "raw"), packets)


UNTRACKED: Final = "-A PREROUTING -j CT --notrack"


@pytest.mark.parametrize("family", Family)
def test_sctp(family: Family, kernel: Lab) -> None:
    tests = [
        *("--sport 40000", "! --sport 40000", "--dport 80:90", "! --dport 80:90"),
        *(
            f"{no}--chunk-types {how} {chunks}"
            for how in ("any", "all", "only")
            for chunks in ("INIT", "DATA", "DATA,SACK", "DATA:Be,SACK", "ABORT:t")
            for no in ("", "! ")
        ),
    ]
    matches = [f"-p sctp -m sctp {test}" for test in tests]

    def packet(dport: int, *chunks: tuple[int, int, int]) -> Send:
        head = (40000).to_bytes(2, "big") + dport.to_bytes(2, "big") + bytes(8)
        body = b"".join(
            bytes((kind, flags, 0, length)) + bytes((length + 3 & ~3) - 4)
            for kind, flags, length in chunks
        )
        return protocol(SCTP, head + body)

    data, begun, sack, opening, aborted = (0, 0, 17), (0, 2, 16), (3, 0, 16), (1, 0, 20), (6, 0, 4)
    packets = [
        *(packet(80, data), packet(90, begun), packet(91, opening), packet(79, data, sack)),
        *(packet(80, begun, sack), packet(80, sack, data, begun), packet(80, data, aborted)),
        *(packet(80, (6, 1, 4)), packet(80, aborted, sack), packet(80, sack)),
        replace(packet(80, data), sender=Dir.ORIGINAL, data=bytes(12), length=12),
    ]
    rules = rules_of(matches, "PREROUTING", "raw", UNTRACKED)
    compare(kernel, FORWARD[family], rules, packets)


@pytest.mark.parametrize("family", Family)
def test_dccp(family: Family, kernel: Lab) -> None:
    tests = [
        *("--sport 40000", "! --sport 40001", "--dport 80", "! --dport 80"),
        *("--dccp-types REQUEST", "! --dccp-types REQUEST", "--dccp-types DATA,INVALID"),
        *("--dccp-option 1", "--dccp-option 33", "! --dccp-option 33", "--dccp-option 44"),
    ]
    matches = [f"-p dccp -m dccp {test}" for test in tests]

    def packet(kind: int, options: bytes = b"", *, long: bool = True, port: int = 80) -> Send:
        more = {0: 4, 1: 12, 2: 0, 7: 12}.get(kind, 8) + 4 * long
        size = 12 + more + len(options)
        head = (40000).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes((size // 4, 0, 0, 0))
        return protocol(DCCP, head + bytes((kind << 1 | long, 0, 0, 0)) + bytes(more) + options)

    packets = [
        *(packet(kind, b"\x01\x21\x05\x2c\x2c\x2c\x00\x00") for kind in (0, 1, 2, 3, 7, 9)),
        *(packet(kind, b"\x2c\x03\x21\x01", long=False) for kind in (2, 4, 8)),
        *(packet(10), packet(15, b"\x21\x00\x00\x00"), packet(2, port=81)),
    ]
    rules = rules_of(matches, "PREROUTING", "raw", UNTRACKED)
    compare(kernel, FORWARD[family], rules, packets)


LOCAL: Final[dict[Family, Topology]] = {V4: Loopback(V4), V6: Loopback(V6)}
OWN_ADDRESS: Final = {V4: "10.1.0.1", V6: "fd01::1"}
HOST: Final[dict[Family, Topology]] = {
    V4: Host(V4, Dir.ORIGINAL, "eth0", "10.1.0.1/16"),
    V6: Host(V6, Dir.ORIGINAL, "eth0", "fd01::1/64"),
}
TYPES: Final = {
    V4: (
        *("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE"),
        *("UNREACHABLE", "PROHIBIT", "THROW", "LOCAL,BROADCAST", "UNICAST,MULTICAST"),
    ),
    V6: (
        *("UNSPEC", "UNICAST", "LOCAL", "ANYCAST", "MULTICAST", "UNREACHABLE", "LOCAL,UNICAST"),
        *("LOCAL,ANYCAST", "UNREACHABLE,LOCAL", "UNICAST,ANYCAST", "MULTICAST,LOCAL"),
    ),
}
ADDRESSES: Final = {
    V4: (
        *("10.1.0.2", "10.1.0.1", "10.2.0.1", "10.1.255.255", "10.2.255.255", "10.1.0.0"),
        *("192.0.2.1", "127.0.0.1", "127.0.0.2", "127.255.255.255", "224.0.0.1", "239.1.2.3"),
        *("255.255.255.255", "0.0.0.0", "0.1.2.3", "240.0.0.1"),
    ),
    V6: (
        *("fd01::2", "fd01::1", "fd02::1", "fd01::", "fd02::", "2001:db8::1", "ff02::1"),
        *("ff05::2", "::ffff:1.2.3.4", "::1.2.3.4", "fec0::1"),
    ),
}


def with_ends(family: Family, *, sources: bool) -> list[Send]:
    """Packets to, or from, all kinds of addresses."""
    found = []
    for text in ADDRESSES[family]:
        address = parse_address(text, family)
        if sources:
            found.append(replace(DATAGRAM, saddr=address))
        else:
            found.append(replace(DATAGRAM, daddr=address))
    return found


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("sources", [True, False])
def test_addrtype(sources: bool, family: Family, kernel: Lab) -> None:
    option = "--src-type" if sources else "--dst-type"
    matches = [
        f"-m addrtype {no}{option} {kind}{limit}"
        for kind in TYPES[family]
        for no in ("", "! ")
        for limit in ("", " --limit-iface-in")
    ]
    packets = with_ends(family, sources=sources)
    if family is V6 and sources:
        # IPv6 takes no packet from them.
        packets = [each for each in packets if (each.saddr or 0) >> 120 != 0xFF]
    rules = rules_of(matches, "PREROUTING", "raw")
    matched = compare_at_entrance(kernel, family, rules, packets)
    if family is V4:
        assert not [text for text in matched if text.startswith("open: ")]


@pytest.mark.parametrize("family", Family)
def test_addrtype_where_packets_leave(family: Family, kernel: Lab) -> None:
    matches = [
        f"-m addrtype {no}--{side}-type {kind} --limit-iface-out"
        for kind in TYPES[family]
        for no in ("", "! ")
        for side in ("src", "dst")
    ]
    other = parse_address(ADDRESSES[family][5 if family is V6 else 6], family)
    packets = [DATAGRAM, replace(DATAGRAM, sender=Dir.REPLY), replace(DATAGRAM, daddr=other)]
    rules = rules_of(matches, "POSTROUTING", "mangle")
    compare(kernel, FORWARD[family], rules, packets)
    own = OWN_ADDRESS[family]
    ends = {V4: ("10.1.0.1", "10.2.0.2"), V6: ("fd01::1", "fd02::2")}[family]
    compare(kernel, HOST[family], rules, [DATAGRAM], flow=ends)
    compare(kernel, LOCAL[family], rules, [DATAGRAM], flow=(own, own))


@pytest.mark.parametrize("family", Family)
def test_address_ranges(family: Family, kernel: Lab) -> None:
    prefix = "10.1.0." if family is V4 else "fd01::"
    ranges = (f"{prefix}2-{prefix}4", f"{prefix}4-{prefix}2", f"{prefix}3")
    matches = [
        f"-m iprange {no}--{side}-range {each}"
        for each in ranges
        for no in ("", "! ")
        for side in ("src", "dst")
    ]
    base = parse_address(f"{prefix}1", family)
    packets = [replace(DATAGRAM, saddr=base + low, daddr=base + 4 - low) for low in range(5)]
    compare(kernel, FORWARD[family], rules_of(matches, "PREROUTING", "raw"), packets)


@pytest.mark.parametrize("family", Family)
def test_rpfilter(family: Family, kernel: Lab) -> None:
    options = ("", " --loose", " --accept-local", " --accept-local --loose", " --validmark")
    matches = [f"-m rpfilter{option}{no}" for option in options for no in ("", " --invert")]
    rules = rules_of(matches, "PREROUTING", "raw")
    packets = [each for each in with_ends(family, sources=True) if (each.saddr or 0) >> 120 != 0xFF]
    if family is V4:
        everyone = parse_address("255.255.255.255", V4)
        packets += [replace(DATAGRAM, saddr=0, daddr=daddr) for daddr in (everyone, 0xE0000001)]
        packets.append(replace(DATAGRAM, saddr=0, daddr=0xE0000101))
    else:
        packets.append(replace(DATAGRAM, saddr=0))
    packets += [replace(each, sender=Dir.REPLY) for each in packets]
    require_both(compare_at_entrance(kernel, family, rules, packets))
    own = OWN_ADDRESS[family]
    compare(kernel, LOCAL[family], rules, [DATAGRAM], flow=(own, own))


@pytest.mark.parametrize("family", Family)
def test_what_the_box_has_not(family: Family, kernel: Lab) -> None:
    """No bridge, no IPsec, no groups, no realms, no sockets that take anything, no Ethernet."""
    routed = [
        *(f"-m physdev {no}--physdev-in eth0" for no in ("", "! ")),
        *(f"-m physdev {no}--physdev-out eth0 --physdev-is-bridged" for no in ("", "! ")),
        *("-m physdev ! --physdev-is-in ! --physdev-is-out", "-m physdev ! --physdev-is-bridged"),
        *("-m policy --dir in --pol none", "-m policy --dir in --pol ipsec", "-m policy --dir in"),
        *("-m policy --dir out --pol none", "-m policy --dir out --pol ipsec"),
        "-m policy --dir out --pol ipsec --strict --proto esp --mode transport",
        *("-m devgroup --src-group 0", "-m devgroup ! --src-group 0", "-m devgroup --dst-group 1"),
        *("-m devgroup --src-group 0x10/0x0f", "-m devgroup ! --dst-group 0x11/0x10"),
        *("-m helper --helper ftp", "-m helper ! --helper ftp"),
        *("-m mac --mac-source 02:00:00:00:00:01", "-m mac ! --mac-source 02:00:00:00:00:01"),
        *(f"-m pkttype --pkt-type {kind}" for kind in ("unicast", "broadcast", "multicast")),
        *("-m pkttype ! --pkt-type unicast", "-m pkttype ! --pkt-type multicast"),
    ]
    if family is V4:
        routed += [
            *("-m realm --realm 0", "-m realm ! --realm 0", "-m realm --realm 1"),
            *("-m realm --realm 0x10/0x0f", "-m realm ! --realm 0x10/0x0f", "-m realm --realm 0/1"),
        ]
    else:
        routed.append("-m eui64")
    received = ["-m socket", "-m socket --nowildcard", "-m socket --transparent --nowildcard"]
    tunnel = Facts(mac=Mac(None))
    rules = rules_of(routed, "FORWARD") + rules_of(received, "PREROUTING", "mangle")
    packets = [SYN, DATAGRAM, PING[family], protocol(99, b"")]
    matched = compare(kernel, FORWARD[family], rules, packets, facts=tunnel)
    assert not [text for text in matched if text.startswith("open: ")]
    # Over lo as well, where nothing is said of the sender's MAC address.
    own = OWN_ADDRESS[family]
    rules = rules_of([each for each in routed if " out" not in each and "dst" not in each], "INPUT")
    rules = rules.replace("--physdev-out eth0 ", "") + rules_of(received, "INPUT", "mangle")
    matched = compare(kernel, LOCAL[family], rules, packets, flow=(own, own))
    assert not [text for text in matched if text.startswith("open: ")]


def test_packet_types_of_a_tunnel(kernel: Lab) -> None:
    kinds = ("unicast", "broadcast", "multicast")
    matches = [f"-m pkttype --pkt-type {kind}" for kind in kinds]
    rules = rules_of(matches, "PREROUTING", "raw")
    packets = with_ends(V4, sources=False)
    matched = compare_at_entrance(kernel, V4, rules, packets, facts=Facts(mac=Mac(None)))
    assert not [text for text in matched if text.startswith("open: ")]
    matched = compare_at_entrance(kernel, V4, rules, packets)
    assert [text for text in matched if text.startswith("open: ")]


@pytest.mark.parametrize("family", Family)
def test_owner(family: Family, kernel: Lab) -> None:
    tests = [
        *(
            "--uid-owner 1000",
            "! --uid-owner 1000",
            "--uid-owner 999-1000",
            "--uid-owner 1001-9999",
        ),
        *("--gid-owner 100", "! --gid-owner 100", "--gid-owner 27", "! --gid-owner 27"),
        *("--gid-owner 27 --suppl-groups", "! --gid-owner 27 --suppl-groups"),
        *("--gid-owner 28 --suppl-groups", "! --gid-owner 28 --suppl-groups"),
        *("--socket-exists", "! --socket-exists", "--uid-owner 1000 --gid-owner 100"),
        *("! --uid-owner 0 ! --gid-owner 0", "! --socket-exists ! --uid-owner 1000"),
    ]
    matches = [f"-m owner {test}" for test in tests]
    rules = rules_of(matches, "OUTPUT") + rules_of(matches, "POSTROUTING", "mangle")
    ends = {V4: ("10.1.0.1", "10.2.0.2"), V6: ("fd01::1", "fd02::2")}[family]
    packets = [DATAGRAM, replace(DATAGRAM, sender=Dir.REPLY)]
    for groups in ((), (27, 30)):
        facts = Facts(owner=Owner(1000, 100, groups))
        matched = compare(kernel, HOST[family], rules, packets, flow=ends, facts=facts)
        assert not [text for text in matched if text.startswith("open: ")]
        matched = compare(kernel, FORWARD[family], rules, packets, facts=facts)
        assert not [text for text in matched if text.startswith("open: ")]
    matched = compare(kernel, HOST[family], rules, packets, flow=ends)
    assert "open: -m owner --socket-exists" not in matched
    assert "open: -m owner --uid-owner 1000" in matched


@pytest.mark.parametrize("family", Family)
def test_nodes_of_a_cluster(family: Family, kernel: Lab) -> None:
    matches = [
        f"-m cluster --cluster-total-nodes {total} {no}--cluster-local-node {node} "
        f"--cluster-hash-seed {seed}"
        for total in (2, 5, 32)
        for node in (1, total)
        for seed in ("0x0", "0xdeadbeef")
        for no in ("", "! ")
    ]
    matches.append(
        "-m cluster --cluster-total-nodes 4 --cluster-local-nodemask 0x5 --cluster-hash-seed 0x1"
    )
    base = parse_address(FLOWS[family][0], family)
    # Of an IPv6 address only the first word counts.
    shift = 0 if family is V4 else 96
    packets = [replace(DATAGRAM, saddr=base + (7919 * step % 60000 << shift)) for step in range(40)]
    packets.append(replace(SYN, flags=TcpFlags.FIN | TcpFlags.SYN))
    compare(kernel, FORWARD[family], rules_of(matches, "FORWARD"), packets)


@pytest.mark.parametrize("family", Family)
def test_labels(family: Family, kernel: Lab) -> None:
    matches = [
        *("-m connlabel --label 5", "-m connlabel ! --label 5", "-m connlabel --label 127"),
        *("-p udp --dport 81 -m connlabel --label 5 --set", "-m connlabel --label 5"),
        *("-p udp --dport 82 -m connlabel ! --label 6 --set", "-m connlabel ! --label 6"),
    ]
    packets = [
        *(DATAGRAM, replace(DATAGRAM, dport=81), replace(DATAGRAM, dport=82)),
        *(DATAGRAM, replace(DATAGRAM, dport=81), replace(DATAGRAM, dport=82)),
        replace(DATAGRAM, sender=Dir.REPLY, sport=81),
        replace(SYN, flags=TcpFlags.FIN | TcpFlags.SYN),
    ]
    compare(kernel, FORWARD[family], rules_of(matches, "FORWARD"), packets)


@pytest.mark.parametrize("family", Family)
def test_cgroup_of_a_packet_without_a_socket(family: Family, kernel: Lab) -> None:
    matches = ["-m cgroup --cgroup 1", "-m cgroup ! --cgroup 1"]
    rules = rules_of(matches, "INPUT")
    own = OWN_ADDRESS[family]
    compare(kernel, LOCAL[family], rules, [DATAGRAM], flow=(own, own))
    rules = rules_of(matches, "POSTROUTING", "mangle")
    compare(kernel, FORWARD[family], rules, [DATAGRAM])


@pytest.mark.parametrize("family", Family)
def test_programs(family: Family, kernel: Lab) -> None:
    where, head = (9, 20) if family is V4 else (6, 40)
    load = f"48 0 0 {where}"
    ends = "6 0 0 65535,6 0 0 0"
    programs = [
        # The protocol is UDP; so is it, found in the table of a second register.
        *(f"4,{load},21 0 1 17,{ends}", f"6,{load},7 0 0 0,135 0 0 0,21 0 1 17,{ends}"),
        # Ports: the second one at an offset from X, by way of memory.
        f"7,1 0 0 {head},72 0 0 2,2 0 0 3,96 0 0 3,21 0 1 80,{ends}",
        # The length, and a word far behind, beyond which there is no match either way.
        *(f"4,128 0 0 0,37 0 1 {head + 28},{ends}", f"4,32 0 0 {head + 24},21 1 0 0,{ends}"),
        # Arithmetic on the first payload bytes of UDP.
        *(
            f"5,32 0 0 {head + 8},{code} 0 0 {number},21 0 1 {wanted},{ends}"
            for code, number, wanted in (
                *((4, 1, 0x01020305), (20, 0x01020304, 0), (36, 256, 0x02030400)),
                *((52, 2, 0x00810182), (68, 0xFF, 0x010203FF), (84, 0xFF, 4)),
                *((100, 8, 0x02030400), (116, 8, 0x010203), (148, 10, 0x01020304 % 10)),
                *((164, 0x01020304, 0), (132, 0, 0xFEFDFCFC)),
            )
        ),
        # Division by X, which is 0 in some packets.
        f"7,48 0 0 {head + 11},7 0 0 0,0 0 0 8,60 0 0 0,21 0 1 2,{ends}",
        *(f"4,48 0 0 {head + 9},69 0 1 5,{ends}", f"4,48 0 0 {head + 9},53 1 0 3,{ends}"),
        *(f"2,48 0 0 {head + 8},22 0 0 0", f"5,48 0 0 {head + 8},5 0 0 1,6 0 0 0,{ends}"),
        # The header's length, from the packet itself.
        *(f"5,177 0 0 0,72 0 0 2,21 0 1 80,{ends}", "1,6 0 0 0", "1,6 0 0 1"),
    ]
    matches = [f'-m bpf --bytecode "{program}"' for program in programs]
    contents = [b"", b"\x01\x02\x03\x04", b"\x00\x02\x03\x00", b"\x00\x03\x01\x02" + bytes(40)]
    packets = [
        *(replace(DATAGRAM, length=len(data), data=data) for data in contents),
        *(SYN, replace(SYN, length=30), replace(DATAGRAM, dport=81)),
    ]
    matched = compare(kernel, FORWARD[family], rules_of(matches, "PREROUTING", "raw"), packets)
    opened = [text for text in matched if text.startswith("open: ")]
    never = [text for text, truths in matched.items() if True not in truths]
    assert len(opened) <= 1
    assert len(never) <= 4
