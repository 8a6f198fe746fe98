# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios from JSON. What is right is said by docs/scenario.md, RFCs and kernel sources."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from ctlint.model.conntrack.status import Dir
from ctlint.scenario.document import ScenarioSyntaxError
from ctlint.scenario.reader import (
    MAX_PACKETS,
    MAX_TEXT,
    read_scenarios,
    scenario_from_json,
)
from ctlint.scenario.scenario import (
    Expire,
    Flow,
    Flush,
    Forward,
    Host,
    Loopback,
    Scenario,
    ScenarioError,
    Send,
    SetSysctls,
    Wait,
)
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.packet import TcpOptions
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.answers import Recording, read_answers, recordings

V4, V6 = Family.IPV4, Family.IPV6
TCP_LOOSE = "net.netfilter.nf_conntrack_tcp_loose"


def read(*packets: dict[str, Any], **keys: Any) -> Scenario:
    return scenario_from_json({"packets": list(packets)} | keys)


def send(**keys: Any) -> Send:
    (step,) = read({"dir": "orig"} | keys).steps
    assert isinstance(step, Send)
    return step


def fault(*packets: object, **keys: Any) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_json({"packets": list(packets)} | keys)
    return caught.value


def syntax_fault(text: str) -> tuple[int, int, str]:
    with pytest.raises(ScenarioSyntaxError) as caught:
        list(read_scenarios(text))
    return caught.value.line, caught.value.column, caught.value.message


# ---- what is filled in


def flow(saddr: str, daddr: str, family: Family = V4) -> Flow:
    return Flow(parse_address(saddr, family), 40000, parse_address(daddr, family), 80)


@pytest.mark.parametrize(
    ("said", "topology", "expected"),
    [
        (
            "forward",
            Forward(V4, "eth0", "10.1.0.1/16", "eth1", "10.2.0.1/16"),
            flow("10.1.0.2", "10.2.0.2"),
        ),
        (
            {"kind": "forward", "v6": True},
            Forward(V6, "eth0", "fd01::1/64", "eth1", "fd02::1/64"),
            flow("fd01::2", "fd02::2", V6),
        ),
        (
            "host",
            Host(V4, Dir.ORIGINAL, "eth0", "10.1.0.1/16"),
            flow("10.1.0.1", "10.2.0.2"),
        ),
        (
            {"kind": "host", "role": "reply"},
            Host(V4, Dir.REPLY, "eth0", "10.1.0.1/16"),
            flow("10.2.0.2", "10.1.0.1"),
        ),
        (
            {"kind": "host", "v6": True, "if": "wg0", "addr6": "FD0A:0:0::5/48"},
            Host(V6, Dir.ORIGINAL, "wg0", "fd0a::5/48"),
            flow("fd0a::5", "fd02::2", V6),
        ),
        ("lo", Loopback(V4), flow("127.0.0.1", "127.0.0.1")),
        ({"kind": "lo", "v6": True}, Loopback(V6), flow("::1", "::1", V6)),
    ],
)
def test_topologies_and_their_flows(said: object, topology: object, expected: Flow) -> None:
    scenario = read(topology=said)
    assert scenario.topology == topology
    assert scenario.flow == expected


def test_a_scenario_of_nothing_but_packets() -> None:
    assert read({"dir": "orig"}) == Scenario(
        name=None,
        kernel=None,
        sysctls={},
        ruleset="",
        ruleset6="",
        topology=Forward(V4, "eth0", "10.1.0.1/16", "eth1", "10.2.0.1/16"),
        flow=flow("10.1.0.2", "10.2.0.2"),
        steps=(Send(Dir.ORIGINAL, 6),),
    )


def test_a_flow_says_what_is_not_usual() -> None:
    usual = flow("10.1.0.2", "10.2.0.2")
    assert read(flow={"dport": 443}).flow == replace(usual, dport=443)
    assert read(flow={"saddr": "192.0.2.1"}).flow == flow("192.0.2.1", "10.2.0.2")


def test_a_packet_with_everything() -> None:
    step = send(
        flags="AF",
        seq=4294967295,
        ack=7,
        win=0,
        len=100,
        opts={"wscale": 7, "sackok": True, "ts": [1, 2], "sack": [[3, 4], [5, 6]]},
        sport=1,
        dport=65535,
        saddr="10.9.9.9",
        daddr="10.8.8.8",
        badsum=True,
        dt=1.5,
        expire=True,
    )
    assert step == Send(
        Dir.ORIGINAL,
        6,
        flags=TcpFlags.FIN | TcpFlags.ACK,
        seq=4294967295,
        ack=7,
        window=0,
        length=100,
        options=TcpOptions(None, 7, True, (1, 2), ((3, 4), (5, 6))),
        saddr=0x0A090909,
        sport=1,
        daddr=0x0A080808,
        dport=65535,
        has_bad_checksum=True,
        wait=1_500_000,
        expire=True,
    )


def test_a_header_without_options_has_none() -> None:
    assert send(opts={}).options is None
    assert send(opts={"sackok": False, "sack": []}).options is None


def test_protocols() -> None:
    assert send(proto="udp").protocol == send(proto=17).protocol == 17
    assert send(proto=50, len=1).protocol == 50
    v6 = {"kind": "forward", "v6": True}
    (step,) = read({"dir": "reply", "proto": "icmp", "id": 7, "seq": 3}, topology=v6).steps
    # RFC 4443, section 4.2: type 129 is an echo reply.
    assert step == Send(Dir.REPLY, 58, icmp_type=129, icmp_id=7, icmp_seq=3)


def test_an_icmp_error_quotes() -> None:
    step = read(
        {"dir": "orig"},
        {"dir": "reply", "proto": "icmp", "type": 3, "code": 4, "quote": "orig"},
    ).steps[1]
    assert step == Send(Dir.REPLY, 1, icmp_type=3, icmp_code=4, quote=Dir.ORIGINAL)


def test_operations() -> None:
    steps = read(
        {"op": "expire"},
        {"op": "flush"},
        {"op": "wait", "dt": 3},
        {"op": "sysctl", "sysctls": {"nf_conntrack_tcp_loose": 0}},
    ).steps
    assert steps == (Expire(), Flush(), Wait(3_000_000), SetSysctls({TCP_LOOSE: 0}))


@pytest.mark.parametrize("name", ["tcp_loose", "nf_conntrack_tcp_loose", TCP_LOOSE])
def test_names_of_sysctls(name: str) -> None:
    assert read(sysctls={name: 0}).sysctls == {TCP_LOOSE: 0}


def test_a_sysctl_that_the_kernel_lacks_is_kept() -> None:
    scenario = read(kernel="rhel7", sysctls={"tcp_timeout_unacknowledged": 5})
    assert scenario.kernel == "rhel7"
    assert len(scenario.sysctls) == 1


# ---- exact numbers


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0.1", 100_000),
        ("0.000001", 1),
        ("1e-6", 1),
        ("1.10", 1_100_000),
        ("3.153600e8", 315_360_000_000_000),
        ("315359999.999999", 315_359_999_999_999),
        ("0e999999", 0),
        ("-0.0", 0),
        ("7", 7_000_000),
        # What floats make of 0.1 + 0.2, of 0.8 - 0.1 and of 0.3 - (0.1 + 0.2).
        ("0.30000000000000004", 300_000),
        ("0.7000000000000001", 700_000),
        ("5.551115123125783e-17", 0),
        ("0.0000009999999", 1),
        ("0.0000010009", 1),
        ("1e-999999", 0),
    ],
)
def test_spans_are_exact(text: str, micros: int) -> None:
    (scenario,) = read_scenarios(f'{{"packets": [{{"op": "wait", "dt": {text}}}]}}')
    assert scenario.steps == (Wait(micros),)


@pytest.mark.parametrize(
    "text",
    [
        "1e-7",
        "0.000001001",
        "0.000000999",
        "-5.551115123125783e-17",
        "0.0000001",
        "315360000.000001",
        "-1e-6",
        "1e999999",
        "1e99999999999999999999",
        "0." + "1" * 5000,
        "9" * 5000,
        "NaN",
        "Infinity",
        "-Infinity",
        '"1"',
        "true",
        "null",
    ],
)
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(ScenarioError):
        list(read_scenarios(f'{{"packets": [{{"op": "wait", "dt": {text}}}]}}'))


def test_floats_count_as_they_are_written() -> None:
    assert read({"op": "wait", "dt": 0.3}).steps == (Wait(300_000),)
    assert read({"op": "wait", "dt": 0.1 + 0.2}).steps == (Wait(300_000),)
    for wrong in (float("nan"), float("inf"), 1e300, 1e-8):
        fault({"op": "wait", "dt": wrong})


# ---- what is refused


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"seq": True}, '"seq" must be a whole number from 0 to 4294967295, not true'),
        ({"seq": 1.0}, "not 1.0"),
        ({"seq": "1"}, 'not "1"'),
        ({"seq": None}, "not null"),
        ({"seq": -1}, "not -1"),
        ({"seq": 2**32}, "not 4294967296"),
        ({"seq": 10**4000}, "not a very large number"),
        ({"ack": 2**32}, '"ack"'),
        ({"win": 65536}, '"win" must be a whole number from 0 to 65535'),
        ({"sport": 65536}, '"sport"'),
        ({"dport": -1}, '"dport"'),
        ({"flags": "SX"}, "letters of SFRPAUEC"),
        ({"flags": "SS"}, "twice"),
        ({"flags": "S" * 100_000}, "twice"),
        ({"flags": "X" * 100_000}, "letters of SFRPAUEC"),
        ({"flags": "SYN,ACK"}, '"flags" must be letters of SFRPAUEC, not "SYN,ACK"; did you mean'),
        ({"flags": "SYN,ACK"}, 'did you mean "SA"?'),
        ({"flags": "FIN"}, 'did you mean "F"?'),
        ({"flags": "sa"}, 'did you mean "SA"?'),
        ({"flags": " S"}, 'did you mean "S"?'),
        ({"flags": " "}, 'letters of SFRPAUEC, not " "'),
        ({"flags": "SYN,SYN"}, 'not "SYN,SYN"'),
        ({"flags": 2}, '"flags" must be text'),
        ({"saddr": "fd01::1"}, '"saddr" must be an IPv4 address'),
        ({"daddr": "10.1"}, '"daddr" must be an IPv4 address'),
        ({"daddr": "1" * 100_000}, '"daddr" must be an IPv4 address'),
        ({"badsum": 1}, '"badsum" must be true or false'),
        ({"expire": "yes"}, '"expire" must be true or false'),
        ({"dir": "original"}, 'did you mean "orig"?'),
        ({"flag": "S"}, 'unknown key "flag"; did you mean "flags"?'),
        ({"opts": []}, '"opts" must be an object'),
        ({"opts": {"wscal": 7}}, 'did you mean "wscale"?'),
        ({"opts": {"wscale": 256}}, "from 0 to 255"),
        ({"opts": {"mss": 65536}}, "from 0 to 65535"),
        ({"opts": {"ts": [1]}}, "pairs of two numbers"),
        ({"opts": {"ts": [1, 2**32]}}, '"ts"'),
        ({"opts": {"sack": [[1, 2]] * 5}}, "at most 4"),
        ({"opts": {"sack": [1, 2]}}, "pairs"),
        ({"opts": {"sack": [[1, 2]] * 4, "ts": [1, 2]}}, "take 44 bytes"),
        ({"opts": {"sack": [[1, 2]] * 4, "mss": 1, "sackok": True, "wscale": 1}}, "take 43"),
        ({"proto": "tpc"}, 'did you mean "tcp"?'),
        ({"proto": 256}, '"proto"'),
        ({"proto": 47}, "GRE"),
        ({"proto": 132}, "SCTP"),
        ({"proto": 33}, "DCCP"),
        ({"proto": 136}, "UDP-Lite"),
        ({"proto": 58}, 'write "icmp"'),
        ({"proto": "udp", "flags": "S"}, '"flags" says nothing of a packet of UDP'),
        ({"proto": "icmp", "sport": 1}, '"sport" says nothing of a packet of ICMP'),
        ({"proto": 50, "badsum": True}, '"badsum" says nothing of a packet of protocol 50'),
        ({"proto": "icmp", "type": 256}, '"type"'),
        ({"proto": "icmp", "id": 65536}, '"id"'),
        ({"proto": "icmp", "quote": "reply"}, "there is no packet of reply before this one"),
        ({"proto": "icmp", "quote": "orig"}, "does not receive its own packets"),
        ({"proto": "icmp", "quote": "reply", "type": 8}, "type 8 is no error"),
        ({"proto": "icmp", "quote": "reply", "len": 8}, '"len"'),
        ({"quote": "reply"}, '"quote" says nothing of a packet of TCP'),
    ],
)
def test_packets_that_cannot_be(keys: dict[str, Any], words: str) -> None:
    error = fault({"op": "flush"}, {"dir": "orig"} | keys, name="N")
    assert words in error.message
    assert (error.packet, error.name) == (1, "N")
    assert str(error).startswith("packet 1: ")
    assert len(error.message) < 250


@pytest.mark.parametrize(
    ("proto", "v6", "most"),
    [
        # RFC 791: 65535 bytes with the header; RFC 8200: 65535 without.
        ("tcp", False, 65495),
        ("tcp", True, 65515),
        ("udp", False, 65507),
        ("udp", True, 65527),
        ("icmp", False, 65507),
        ("icmp", True, 65527),
        (50, False, 65515),
        (50, True, 65535),
    ],
)
def test_the_longest_packets(proto: str | int, v6: bool, most: int) -> None:
    topology = {"kind": "forward", "v6": v6}
    packet = {"dir": "orig", "proto": proto}
    read(packet | {"len": most}, topology=topology)
    assert '"len"' in fault(packet | {"len": most + 1}, topology=topology).message


def test_options_take_room_from_the_payload() -> None:
    # Eleven bytes of options take three words.
    opts = {"mss": 1460, "wscale": 7, "sackok": True}
    send(len=65495 - 12, opts=opts)
    fault({"dir": "orig", "len": 65495 - 11, "opts": opts})


def test_every_scale_that_fits_on_the_wire() -> None:
    assert send(opts={"wscale": 255}).options == TcpOptions(wscale=255)


@pytest.mark.parametrize("number", [0, 43, 44, 51, 60])
def test_extension_headers_are_no_protocols(number: int) -> None:
    packet = {"dir": "orig", "proto": number}
    read(packet)
    v6 = {"kind": "forward", "v6": True}
    assert "extension header" in fault(packet, topology=v6).message


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"nmae": "x"}, 'unknown key "nmae"; did you mean "name"?'),
        ({"trace": False}, 'unknown key "trace"'),
        ({"\x1b[31m": 1}, "unknown key"),
        ({"name": 1}, '"name" must be text, not 1'),
        ({"ruleset": ["*filter"]}, '"ruleset" must be text, not a list'),
        ({"kernel": "6.99"}, "unknown kernel '6.99': the nearest known is 6.19"),
        ({"kernel": "6.99"}, "; `ctlint kernel --list` names all"),
        ({"kernel": 6.18}, '"kernel" must be text'),
        ({"name": "a\ud800"}, '"name" is no text: it has half of a surrogate pair'),
        ({"ruleset": "\udcff"}, '"ruleset" is no text'),
        ({"dir": "orig"}, 'packets are a scenario\'s "packets": {"packets": [ … ]}'),
        ({"op": "flush"}, 'packets are a scenario\'s "packets"'),
        ({"packets": {}}, '"packets" must be a list, not an object'),
        ({"packets": [[]]}, "a packet must be an object, not a list"),
        ({"packets": [{"seq": 1}]}, 'a packet needs "dir"'),
        ({"packets": [{"op": "wiat"}]}, 'did you mean "wait"?'),
        ({"packets": [{"op": ["wait"]}]}, '"op" is a list'),
        ({"packets": [{"op": "wait"}]}, 'needs "dt"'),
        ({"packets": [{"op": "sysctl"}]}, 'needs "sysctls"'),
        ({"packets": [{"op": "flush", "dt": 1}]}, 'unknown key "dt"'),
        ({"sysctls": []}, '"sysctls" must be an object'),
        ({"sysctls": {"tcp_lose": 1}}, f"did you mean {TCP_LOOSE}?"),
        ({"sysctls": {"TCP_LOOSE": 1}}, 'did you mean "tcp_loose"?'),
        ({"sysctls": {TCP_LOOSE.upper(): 1}}, f'did you mean "{TCP_LOOSE}"?'),
        ({"sysctls": {" tcp_loose": 1}}, 'the name " tcp_loose" has blanks'),
        ({"sysctls": {"tcp_loose\n": 1}}, "has blanks"),
        ({"sysctls": {"tcp loose": 1}}, "has blanks"),
        # nf_conntrack_standalone.c: mode 0444.
        ({"sysctls": {"nf_conntrack_count": 1}}, "nf_conntrack_count is read-only"),
        ({"sysctls": {"buckets": 1}}, "nf_conntrack_buckets is read-only"),
        ({"sysctls": {"tcp_loose": 2}}, "from 0 to 1, not 2"),
        ({"sysctls": {"tcp_loose": False}}, "not false"),
        ({"sysctls": {"tcp_loose": 1, TCP_LOOSE: 0}}, "twice"),
        ({"sysctls": {"tcp_timeout_close": -1}}, "not -1"),
        ({"sysctls": {"tcp_timeout_close": 2**31}}, "from 0 to"),
        ({"flow": {"sadr": "10.0.0.1"}}, 'did you mean "saddr"?'),
        ({"flow": {"saddr": "fd01::1"}}, "IPv4 address"),
        ({"flow": {"sport": 65536}}, '"sport"'),
        ({"topology": "lol"}, 'did you mean "lo"?'),
        ({"topology": 4}, '"topology" must be a name or an object'),
        ({"topology": {}}, 'needs "kind"'),
        ({"topology": {"kind": "host", "left_if": "a"}}, 'unknown key "left_if"'),
        ({"topology": {"kind": "host", "role": "server"}}, '"role" is "server"'),
        ({"topology": {"kind": "host", "addr": "10.1.0.1"}}, "prefix length"),
        ({"topology": {"kind": "host", "addr": "10.1.0.1/33"}}, "more than 32"),
        ({"topology": {"kind": "host", "addr": "fd01::1/64"}}, "IPv4 address"),
        ({"topology": {"kind": "host", "addr6": "fd01::1/64"}}, '"v6": true'),
        (
            {"topology": {"kind": "host", "v6": True, "addr": "x/1", "addr6": "fd01::1/64"}},
            "IPv4 address",
        ),
        (
            {"topology": {"kind": "host", "v6": True, "addr": "fd01::1/64"}},
            '"addr" is that of IPv4; with "v6": true write "addr6"',
        ),
        (
            {"topology": {"kind": "forward", "v6": True, "left_addr": "10.1.0.1/16"}},
            'write "left_addr6"',
        ),
        ({"topology": {"kind": "forward", "v6": True, "right_addr": 1}}, 'write "right_addr6"'),
        ({"topology": {"kind": "host", "v6": 1}}, '"v6" must be true or false'),
        *(
            ({"topology": {"kind": "host", "if": name}}, "interface name")
            for name in ("", ".", "..", "a b", "a/b", "a:b", "a\n", "x" * 16, "ä" * 8, "lo", "\0")
        ),
    ],
)
def test_scenarios_that_cannot_be(keys: dict[str, Any], words: str) -> None:
    error = fault(**keys)
    assert words in error.message
    assert len(error.message) < 250


def test_an_error_has_the_scenarios_name() -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_json({"packets": 1})
    assert caught.value.name is None
    with pytest.raises(ScenarioError) as caught:
        scenario_from_json({"packets": 1, "name": "own"})
    assert caught.value.name == "own"


@pytest.mark.parametrize("value", [None, 1, "x", [], [{}], 1.5, True, object(), {1: 2}, {None: 1}])
def test_what_is_no_scenario(value: object) -> None:
    with pytest.raises(ScenarioError):
        scenario_from_json(value)
    with pytest.raises(ScenarioError):
        scenario_from_json({"packets": [], "sysctls": value if value != [] else {1: 1}})


@pytest.mark.parametrize(("kind", "is_error"), [(1, True), (127, True), (128, False), (129, False)])
def test_errors_of_icmpv6_have_types_below_128(kind: int, is_error: bool) -> None:
    """RFC 4443, section 2.1."""
    v6 = {"kind": "forward", "v6": True}
    packets = ({"dir": "orig"}, {"dir": "reply", "proto": "icmp", "type": kind, "quote": "orig"})
    if is_error:
        step = read(*packets, topology=v6).steps[1]
        assert isinstance(step, Send)
        assert step.icmp_type == kind
    else:
        assert f"of type {kind} is no error" in fault(*packets, topology=v6).message


def test_flags_in_any_order() -> None:
    assert send(flags="CEUAPRFS").flags == TcpFlags(255)
    assert send(flags="").flags == TcpFlags(0)


# ---- documents


@pytest.mark.parametrize("order", ["topology first", "packets first"])
def test_the_order_of_keys_says_nothing(order: str) -> None:
    packets = '"packets": [{"dir": "orig", "saddr": "fd01::9"}, {"op": "flush"}]'
    topology = '"topology": {"kind": "lo", "v6": true}'
    parts = (topology, packets) if order == "topology first" else (packets, topology)
    (scenario,) = read_scenarios("{" + ", ".join(parts) + "}")
    assert scenario.topology == Loopback(V6)
    assert len(scenario.steps) == 2


def test_brackets_in_a_text_are_no_lists() -> None:
    (scenario,) = read_scenarios(json.dumps({"ruleset": "[0:0]" * 3_000_000, "packets": []}))
    assert len(scenario.ruleset) == 15_000_000


def test_values_may_be_longer_than_most() -> None:
    """What is longer than a first piece of the text, in every place where that piece may end."""
    for blanks in range(470, 520):
        packet = '{"dir": "orig", %s"dt": 0.25, "flags": "SA", "expire": true}' % (" " * blanks)
        (scenario,) = read_scenarios(f'{{"packets": [{packet}, {packet}]}}')
        wanted = Send(Dir.ORIGINAL, 6, TcpFlags.SYN | TcpFlags.ACK, wait=250_000, expire=True)
        assert scenario.steps == (wanted, wanted)
    packet = '{"dir": "orig" %s' % (" " * 60_000)
    assert len(list(read_scenarios('{"packets": [' + packet + "}]}"))) == 1
    with pytest.raises(ScenarioError, match="a value of more than 64 KiB") as caught:
        list(read_scenarios('{"packets": [{"op": "flush"}, ' + packet + " " * 9_000 + "}]}"))
    assert caught.value.packet == 1


@pytest.mark.parametrize(
    ("text", "line", "number", "packet"),
    [
        ('{"packets": []}\n\n{"packets": 1}\n', 3, 2, None),
        ('{"packets": []}\n{"packets": [],\n"name": 1}', 2, 2, None),
        ('[\n{"packets": []},\n{"packets": [\n{"dir": "orig"},\n{"dir": "up"}]}]', 5, 2, 1),
        ('[\n{"packets": [\n{"dir": "orig"},\n{"dir": "orig", "dt": NaN}]}]', 4, 1, 1),
        ('\n{"packets": [\n{"dir": "orig", "dt": 1e99999999999999999999}]}', 3, 1, 0),
        ('{"packets": [\n{"dir": "orig", "dt": %s}]}' % ("9" * 5000), 2, 1, 0),
        ('{"packets": [\n{"dir": "orig", "dt": 0.%s}]}' % ("9" * 5000), 2, 1, 0),
        ('{"packets": [\n%s' % ("[" * 100_000), 2, 1, 0),
        ('{"packets": [],\n"topology": %s' % ('{"a":' * 100_000), 2, 1, None),
        ('{"packets": [],\n"flow": {"sport": Infinity}}', 2, 1, None),
        ('{"packets": []}\n{"packets": [%s{}]}' % ("{}," * MAX_PACKETS), 2, 2, None),
    ],
)
def test_where_a_fault_is(text: str, line: int, number: int, packet: int | None) -> None:
    reader = read_scenarios(text)
    with pytest.raises(ScenarioError) as caught:
        list(reader)
    assert (reader.line, reader.number, caught.value.packet) == (line, number, packet)


def test_where_a_scenario_begins() -> None:
    reader = read_scenarios('[{"packets": []},\n{"packets": [{"op": "flush"},\n{"op": "flush"}]}]')
    assert [(reader.line, reader.number) for _ in reader] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"packets": []} // no', "JSON has no comments"),
        ('{"packets": [ /* none */ ]}', "JSON has no comments"),
        ('{\n# all\n"packets": []}', "JSON has no comments"),
        ('# all\n{"packets": []}', "JSON has no comments"),
        ('// all\n{"packets": []}', "JSON has no comments"),
        ("{'packets': []}", "double quotes"),
        ('{"packets": [{"dir": \'orig\'}]}', "double quotes"),
        ('{"packets": [{"op": "flush"},]}', "no comma behind the last"),
        ('{"packets": [{"op": "flush",}]}', "no comma behind the last"),
        ('{"packets": [{"op": "flush",\n}]}', "no comma behind the last"),
        ('{"packets": [],}', "no comma behind the last"),
        ('[{"packets": []},]', "no comma behind the last"),
        ('{"name": "a\nb", "packets": []}', "a line break is written"),
        ("---\nname: x\n", "YAML"),
        ("name: x\npackets: []\n", "YAML"),
        ('{"packets": []}\n---\n', "YAML"),
        ('{"packets": []},\n{"packets": []}', "JSON Lines have none"),
        ('{"packets": []}\n\ufeff{"packets": []}', "byte order mark stands inside"),
        ('\ufeff{"packets": []}', "remove the byte order mark"),
        ("# Generated by iptables-save\n*filter\nCOMMIT\n", '"ruleset"'),
        ("table ip x {\n}\n", '"ruleset"'),
        ('{"name": "\udcff"}', "UTF-8"),
    ],
)
def test_hints_for_common_mistakes(text: str, words: str) -> None:
    with pytest.raises(ScenarioSyntaxError) as caught:
        list(read_scenarios(text))
    assert caught.value.hint is not None
    assert words in caught.value.hint


def test_half_a_surrogate_pair() -> None:
    assert syntax_fault('{"packets": [],\n "name": "\udc80"}') == (2, 11, "not UTF-8")
    (scenario,) = read_scenarios(r'{"name": "\ud83d\ude00", "packets": []}')
    assert scenario.name == "\U0001f600"
    with pytest.raises(ScenarioError, match="half of a surrogate pair"):
        list(read_scenarios(r'{"name": "\ud83d", "packets": []}'))


def test_one_object_a_list_or_json_lines() -> None:
    one, two = '{"name": "1", "packets": []}', '{"name": "2", "packets": []}'

    def names(text: str) -> list[str | None]:
        return [scenario.name for scenario in read_scenarios(text)]

    assert names(f" {one}\n") == ["1"]
    assert names(f"[{one},\n {two}]\n") == names(f"{one}\n{two}\n") == ["1", "2"]
    assert names(f"{one}\r\n\r\n{two}") == ["1", "2"]
    assert names(json.dumps(json.loads(one), indent=2) + "\n" + two) == ["1", "2"]
    assert names(" [ ] ") == []


@pytest.mark.parametrize("text", ['{"packets": []}\nx', '[{"packets": []}, x]'])
def test_scenarios_come_before_the_fault_behind_them(text: str) -> None:
    found = read_scenarios(text)
    assert next(found).steps == ()
    with pytest.raises(ScenarioSyntaxError):
        next(found)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("\n\n ", 3, 2),
        ("*filter\n", 1, 1),
        ("\x00\xff", 1, 1),
        ("17", 1, 1),
        ('{"packets": [}', 1, 14),
        ('{"name": "a\nb"}', 1, 12),
        ('{"packets": []} {"packets": []}', 1, 17),
        ('{"packets": []}\n[]', 2, 1),
        ('[{"packets": []}', 1, 17),
        ('[{"packets": []},]', 1, 18),
        ('[{"packets": []}]\n{}', 2, 1),
        ("{'packets': []}", 1, 2),
        ('{"packets": []', 1, 15),
        ('{"packets": [] // no\n}', 1, 16),
    ],
)
def test_a_syntax_error_says_where(text: str, line: int, column: int) -> None:
    assert syntax_fault(text)[:2] == (line, column)


def test_a_rule_set_is_told_from_a_scenario() -> None:
    with pytest.raises(ScenarioSyntaxError) as caught:
        list(read_scenarios("*filter\nCOMMIT\n"))
    assert caught.value.hint is not None
    assert '"ruleset"' in caught.value.hint


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ('{"packets": [], "packets": []}', None),
        ('{"packets": [{"op": "flush"}, {"dir": "orig", "seq": 1, "seq": 1}]}', 1),
        ('{"packets": [{"dir": "orig", "opts": {"mss": 1, "mss": 1}}]}', 0),
        ('{"packets": [], "sysctls": {"tcp_loose": 0, "tcp_loose": 0}}', None),
        ('{"packets": [], "flow": {"sport": 0, "sport": 0}}', None),
        ('{"packets": [], "topology": {"kind": "lo", "kind": "lo"}}', None),
    ],
)
def test_a_key_that_stands_twice(text: str, packet: int | None) -> None:
    with pytest.raises(ScenarioError, match="twice") as caught:
        list(read_scenarios(text))
    assert caught.value.packet == packet


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"flow":' + '{"a":' * 100_000, '{"packets":' + "[" * 100_000]
)
def test_deep_nesting(text: str) -> None:
    with pytest.raises(ScenarioError, match="nested too deeply"):
        list(read_scenarios(text))


# ---- bounds


def _peak(text: str, words: str) -> int:
    """The memory that refusing a text takes, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ScenarioError, match=words):
            list(read_scenarios(text))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_more_packets_than_are_played() -> None:
    bound = f"{MAX_PACKETS:,}"
    assert f"more than {bound} packets" in fault(*([{}] * (MAX_PACKETS + 1))).message
    text = '{"packets": [' + "{}," * MAX_PACKETS + "{}]}"
    assert _peak(text, f"more than {bound} packets") < 1 << 20


@pytest.mark.parametrize("filler", ["{},", "[],", "0.5,", '{"dt": 0.5, "dir": {}},'])
def test_refusing_much_takes_little(filler: str) -> None:
    text = '{"packets": [' + filler * 300_000 + "1]}"
    assert _peak(text, "more than|must be an object") < 1 << 20
    text = '{"packets": [[' + filler * 300_000 + "1]]}"
    assert _peak(text, "more than 64 KiB") < 4 << 20
    text = '{"packets": [], "sysctls": [' + filler * 300_000 + "1]}"
    assert _peak(text, "more than 64 KiB") < 4 << 20


def test_steps_are_kept_and_no_json_of_them() -> None:
    packet = '{"dir": "orig", "flags": "PA", "seq": %d, "ack": 5, "len": 9, "opts": {"ts": [1, 2]}}'
    text = '{"packets": [' + ",".join(packet % (9000 + number) for number in range(20_000)) + "]}"
    tracemalloc.start()
    try:
        (scenario,) = read_scenarios(text)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(scenario.steps) == 20_000
    assert len({id(step.options) for step in scenario.steps if isinstance(step, Send)}) == 1
    # Measured: some 270 bytes a packet. Its JSON takes 800 as objects.
    assert peak < 20_000 * 400
    assert peak - now < 1 << 20


def test_a_text_over_the_bound() -> None:
    with pytest.raises(ScenarioError, match="longer than 64 MiB"):
        list(read_scenarios(" " * (MAX_TEXT + 1)))


def test_json_lines_are_read_one_at_a_time() -> None:
    line = json.dumps({"packets": [{"dir": "orig", "flags": "A"}] * 1000}) + "\n"
    text = line * 60
    tracemalloc.start()
    try:
        for scenario in read_scenarios(text):
            assert len(scenario.steps) == 1000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A scenario of this size takes some 600 kB, all of them 60 times as much.
    assert peak < 8 << 20


# ---- what others wrote


@pytest.mark.parametrize("recording", recordings(), ids=str)
def test_the_scenarios_that_kernels_answered(recording: Recording) -> None:
    for answer in read_answers(recording):
        assert len(answer.scenario.steps) == len(answer.source["packets"])


@pytest.mark.parametrize("digits", [511, 512, 513, 700])
def test_a_long_number_is_read_whole(digits: int) -> None:
    """It is refused for what it is, wherever the reader cuts the text into pieces."""
    with pytest.raises(ScenarioError) as caught:
        list(read_scenarios('{"packets": [' + "1" * digits + "]}"))
    assert "not JSON" not in str(caught.value)


def test_an_address_on_two_interfaces_is_named() -> None:
    topology = {"kind": "forward", "v6": True, "left_addr6": "fd02:0::1/64", "right_if": "lan"}
    with pytest.raises(ScenarioError, match=r"fd02::1 is on two interfaces, eth0 and lan"):
        scenario_from_json({"topology": topology, "packets": []})
    same = {"kind": "forward", "left_addr": "10.2.0.1/16", "right_if": "eth0"}
    assert scenario_from_json({"topology": same, "packets": []}).topology.family is Family.IPV4
