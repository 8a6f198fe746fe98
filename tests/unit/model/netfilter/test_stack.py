# SPDX-License-Identifier: GPL-2.0-only
"""A box where no live kernel can be asked: what stays undecided, what is not modelled, which ways
are remembered. Expectations are the kernel source's; of undecided matches, what follows from both
of their possible ways. What a live kernel does is in test_ways.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import pytest

from ctlint.model.conntrack.core import NotModelledError, Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState, TcpCt
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, profile
from ctlint.model.netfilter import stack as stack_module
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.host import Host, Route
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.passage import Emitted, Passage
from ctlint.model.netfilter.set_state import load_sets
from ctlint.model.netfilter.stack import Stack
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import PolicyRef, walk
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, Net
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.netfilter.addresses import address, ip

V4 = Family.IPV4

ADDRESSES = (address("eth0", "10.1.0.1/16"), address("eth1", "10.2.0.1/16"))
ROUTER = Host(ADDRESSES, [Route(Net(V4, 0, 0), "eth1")], 1500)
WITHOUT_DEFAULT = Host(ADDRESSES)
UNNUMBERED = Host(
    (), [Route(Net(V4, ip(f"10.{n}.0.0"), ip("255.255.0.0")), f"eth{n - 1}") for n in (1, 2)]
)

CLIENT, SERVER, OWN = "10.1.0.2", "10.2.0.2", "10.1.0.1"
UNKNOWN = "-m time --timestart 10:00 --timestop 11:00"
"""A match that nobody can decide who does not know the time of day."""


def tcp(
    flags: str,
    seq: int = 1000,
    ack: int = 0,
    *,
    saddr: str = CLIENT,
    daddr: str = SERVER,
    sport: int = 40000,
    dport: int = 80,
    ttl: int = 64,
    payload: int = 0,
) -> Packet:
    parsed = TcpFlags.parse(flags)
    ends = (ip(saddr), ip(daddr), TCP, sport, dport)
    return Packet(V4, *ends, parsed, payload=payload, seq=seq, ack=ack, ttl=ttl)


def answer(flags: str, seq: int = 5000, ack: int = 1001, payload: int = 0) -> Packet:
    return tcp(flags, seq, ack, saddr=SERVER, daddr=CLIENT, sport=80, dport=40000, payload=payload)


def udp(
    saddr: str = CLIENT, daddr: str = SERVER, sport: int = 40000, ttl: int = 64, payload: int = 0
) -> Packet:
    return Packet(V4, ip(saddr), ip(daddr), UDP, sport, 53, ttl=ttl, payload=payload)


def reply_to(packet: Packet) -> Packet:
    return packet._replace(
        saddr=packet.daddr, sport=packet.dport, daddr=packet.saddr, dport=packet.sport
    )


SYN = tcp("S")


def rules_of(*rules: str) -> str:
    """Rules, each behind the name of its table and, if it has one, of its chain's policy."""
    tables: dict[str, list[str]] = {}
    for rule in rules:
        name, _, rest = rule.partition(" ")
        tables.setdefault(name, []).append(rest if rest.startswith(":") else f"-A {rest}")
    return "".join(
        "\n".join(
            [f"*{name}", *sorted(lines, key=lambda line: not line.startswith(":")), "COMMIT", ""]
        )
        for name, lines in tables.items()
    )


class Box:
    """A box with rules."""

    def __init__(
        self,
        *rules: str,
        host: Host = ROUTER,
        sets: str = "",
        kernel: KernelProfile = NEWEST,
        **sysctls: int,
    ) -> None:
        (ruleset,) = parse_rulesets(rules_of(*rules), "rules", V4)
        full = {f"net.netfilter.nf_conntrack_{name}": value for name, value in sysctls.items()}
        self.tracker = Tracker(kernel, read_settings(kernel, full))
        self.stack = Stack(
            self.tracker,
            {V4: ChainStore(ruleset, Facts())},
            host,
            memory=Memory(load_sets(parse_ipset_save(sets, "sets"))),
        )
        self.moments: Iterator[int] = count(0, SECOND // 100)

    def receive(self, packet: Packet, interface: str = "eth0") -> Passage:
        return self.stack.receive(packet, interface, next(self.moments))

    def send(self, packet: Packet) -> Passage:
        return self.stack.send(packet, next(self.moments))

    def entries(self) -> int:
        return len(list(self.tracker.entries(self.stack.box.now)))

    def open(self, packet: Packet = SYN) -> None:
        """Open a connection, both ways."""
        self.receive(packet)
        if packet.protocol == UDP:
            self.receive(reply_to(packet), "eth1")
        else:
            self.receive(answer("SA"), "eth1")
            self.receive(tcp("A", 1001, 5001))


# Routes


def test_nobody_is_asked_behind_routing_where_no_route_leads() -> None:
    box = Box("filter :FORWARD ACCEPT", host=WITHOUT_DEFAULT)
    passage = box.receive(udp(daddr="8.8.8.8"))
    ctstates = {Hook.PREROUTING: CtState.NEW}
    assert passage == Passage(
        ctstates, [], [], None, [], [], None, [], [], reached=Hook.PREROUTING, told=[]
    )
    assert box.entries() == 0


def test_nothing_is_sent_where_no_route_leads() -> None:
    box = Box("filter :OUTPUT ACCEPT", host=WITHOUT_DEFAULT)
    assert box.send(udp(OWN, "8.8.8.8")) == Passage({}, [], [], None, [], [], None, [], [], told=[])


def test_nothing_is_sent_to_where_no_route_leads_any_more() -> None:
    box = Box("nat OUTPUT -j DNAT --to-destination 8.8.8.8", "filter :OUTPUT ACCEPT")
    assert box.send(udp(OWN)).is_delivered
    box = Box(
        "nat OUTPUT -j DNAT --to-destination 8.8.8.8",
        "filter :OUTPUT ACCEPT",
        host=WITHOUT_DEFAULT,
    )
    passage = box.send(udp(OWN))
    assert (passage.matched, passage.cause) == (["nat/OUTPUT#1"], None)
    assert not passage.is_delivered


@pytest.mark.parametrize("target", ["10.2.255.255", "224.0.0.1"])
def test_what_is_for_many_is_not_modelled(target: str) -> None:
    box = Box(f"nat PREROUTING -j DNAT --to-destination {target}")
    with pytest.raises(NotModelledError, match=f"routing to {target}"):
        box.receive(udp())


@pytest.mark.parametrize(
    ("saddr", "daddr"), [("127.0.0.1", SERVER), (CLIENT, "127.0.0.1"), ("10.2.0.1", SERVER)]
)
def test_martians_get_as_far_as_prerouting(saddr: str, daddr: str) -> None:
    box = Box("mangle :PREROUTING ACCEPT", "filter :FORWARD ACCEPT", "filter :INPUT ACCEPT")
    passage = box.receive(udp(saddr, daddr))
    assert passage.matched == ["mangle/PREROUTING policy"]
    assert not passage.is_delivered


def test_what_prerouting_rewrites_over_lo_is_routed_anew_with_its_source() -> None:
    # Conntrack of PREROUTING's zone finds the connection that SNAT in INPUT gave the box's own
    # address. ip_route_input_slow() drops what has a source of the box. Measured on Linux 6.18.44.
    own = "10.1.0.1"
    box = Box(
        "raw PREROUTING -j CT --zone 1",
        f"nat INPUT -p tcp -j SNAT --to-source {own}:40000",
        "filter :FORWARD ACCEPT",
    )
    assert box.receive(tcp("S", daddr=own)).is_delivered
    answer = tcp("SA", ack=1001, saddr=own, daddr=own)._replace(sport=80, dport=40000)
    passage = box.send(answer)
    assert passage.ctstates[Hook.PREROUTING] is CtState.ESTABLISHED
    assert passage.matched[2:] == ["raw/PREROUTING#1", "raw/PREROUTING policy"]
    assert not passage.is_delivered


def test_over_lo_a_prefix_that_is_translated_changes_no_route() -> None:
    # nf_nat_ipv6_in() drops the route of what NAT has rewritten; ip6t_NPT does not. Measured on
    # Linux 6.18.44.
    family = Family.IPV6
    text = rules_of("mangle PREROUTING -j DNPT --src-pfx ::/64 --dst-pfx fd01::/64")
    (ruleset,) = parse_rulesets(text, "rules", family)
    tracker = Tracker(NEWEST, read_settings(NEWEST, {}))
    chains = {family: ChainStore(ruleset, Facts())}
    stack = Stack(tracker, chains, ROUTER, memory=Memory())
    passage = stack.send(Packet(family, 1, 1, UDP, 40000, 53), 0)
    assert passage.arrived is not None
    assert passage.arrived.daddr != 1


def test_a_way_back_is_asked_for_before_a_reset() -> None:
    box = Box("filter FORWARD -p tcp -j REJECT --reject-with tcp-reset", host=WITHOUT_DEFAULT)
    passage = box.receive(tcp("S", saddr="9.9.9.9"))
    assert (passage.matched, passage.made_matched, passage.out) == (["filter/FORWARD#1"], [], [])


# What ends a way


def test_a_full_table_drops_what_is_new() -> None:
    box = Box("filter :FORWARD ACCEPT", max=1)
    assert box.receive(udp()).is_delivered
    passage = box.receive(udp(sport=1))
    assert not passage.is_delivered
    assert (passage.ctstates, passage.matched, passage.cause) == ({}, [], None)


def test_a_source_that_is_taken_is_dropped_behind_all_rules() -> None:
    box = Box("nat POSTROUTING -p tcp -j SNAT --to-source 10.2.0.1:5000")
    assert box.receive(SYN).is_delivered
    passage = box.receive(tcp("S", saddr="10.1.0.3"))
    assert passage.matched == ["nat/PREROUTING policy", "nat/POSTROUTING#1"]
    assert (passage.cause, passage.is_delivered) == (None, False)


def zoned(kernel: str) -> Passage:
    """A packet whose answers would be those of a connection in another zone."""
    zones = [f"raw PREROUTING -m ttl --ttl-eq {ttl} -j CT --zone-orig {ttl}" for ttl in (8, 9)]
    box = Box(*zones, "filter :INPUT ACCEPT", kernel=profile(kernel))
    box.receive(udp(daddr=OWN, ttl=8))
    return box.receive(udp(daddr=OWN, ttl=9))


def test_two_zones_with_the_same_answers_clash() -> None:
    # Before 4.9 the second was dropped. Then it took the other's connection, whatever that was;
    # from 6.12 on only if it was its own.
    assert not zoned("4.4").is_delivered
    assert zoned("5.10").is_delivered
    assert not zoned("7.3").is_delivered


def test_masquerade_without_an_address_is_the_cause() -> None:
    box = Box("nat POSTROUTING -j MASQUERADE", host=UNNUMBERED)
    passage = box.receive(SYN)
    assert str(passage.cause and passage.cause.cause) == "nat/POSTROUTING#1"
    assert not passage.is_delivered


def test_what_stops_an_answer_is_not_what_stopped_the_packet() -> None:
    reset = "filter FORWARD -p tcp -j REJECT --reject-with tcp-reset"
    box = Box("nat POSTROUTING -j MASQUERADE", reset, host=UNNUMBERED)
    passage = box.receive(SYN)
    assert str(passage.cause and passage.cause.cause) == "filter/FORWARD#1"
    assert passage.made_matched == ["filter/OUTPUT policy", "nat/POSTROUTING#1"]
    assert passage.out == []


def test_a_table_without_chains_is_passed() -> None:
    # No dump has such a table; what is made by hand may.
    (ruleset,) = parse_rulesets(rules_of("nat PREROUTING -j REDIRECT"), "rules", V4)
    tables = {"nat": replace(ruleset.tables["nat"], chains={})}
    box = Box("filter :FORWARD DROP")
    chains = {V4: ChainStore(replace(ruleset, tables=tables), Facts())}
    box.stack = Stack(box.tracker, chains, ROUTER, memory=Memory())
    passage = box.receive(udp())
    assert (passage.matched, passage.out) == ([], [Emitted("eth1", udp(ttl=63), True)])


def test_a_reset_on_its_way_leaves_the_connection_ten_seconds() -> None:
    # nf_conntrack_tcp_set_closing().
    reject = "filter FORWARD -p tcp --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset"
    box = Box(reject)
    box.open()
    box.receive(tcp("PA", 1001, 5001, payload=1))
    (entry,) = box.tracker.entries(box.stack.box.now)
    assert entry.tcp.state == TcpCt.CLOSE
    assert entry.remaining(box.stack.box.now) == 10


@pytest.mark.parametrize(
    ("helper", "packet", "seconds"),
    [
        ("sip", udp(payload=10), 3600),
        # Without a payload there is nothing to read.
        ("sip", udp(), 30),
        ("tftp", udp(payload=10), 30),
        # It waits for answers.
        ("amanda", udp(payload=10), 30),
    ],
)
def test_the_helper_sip_keeps_an_entry_for_an_hour(
    helper: str, packet: Packet, seconds: int
) -> None:
    # sip_timeout in nf_conntrack_sip.c: SIP_TIMEOUT is 3600.
    box = Box(f"raw PREROUTING -p udp -j CT --helper {helper}")
    box.receive(packet)
    (entry,) = box.tracker.entries(box.stack.box.now)
    assert entry.remaining(box.stack.box.now) == seconds


@pytest.mark.parametrize(
    ("helper", "answers", "seconds"),
    [("amanda", 0, 30), ("amanda", 1, 300), ("tftp", 1, 30)],
)
def test_the_helper_amanda_waits_for_answers(helper: str, answers: int, seconds: int) -> None:
    # master_timeout in nf_conntrack_amanda.c: 300 s from each answer on; measured on 6.18.
    box = Box(f"raw PREROUTING -p udp -j CT --helper {helper}")
    box.receive(udp())
    for _ in range(answers):
        box.receive(reply_to(udp()), "eth1")
    (entry,) = box.tracker.entries(box.stack.box.now)
    assert entry.remaining(box.stack.box.now) == seconds


def test_the_helper_snmp_may_change_what_is_translated() -> None:
    # nf_nat_snmp_basic drops what is no SNMP; where it is not loaded nothing happens.
    helped = "raw PREROUTING -p udp -j CT --helper snmp"
    assert Box(helped).receive(udp()).is_delivered
    with pytest.raises(NotModelledError):
        Box(helped, "nat POSTROUTING -j MASQUERADE").receive(udp())


# What stays open


@pytest.mark.parametrize(
    ("rules", "is_delivered"),
    [
        # A rule that changes nothing.
        (["filter FORWARD {} -j LOG"], True),
        (["filter FORWARD {}"], True),
        # Either way it ends alike.
        (["filter FORWARD {} -j ACCEPT", "filter FORWARD -j ACCEPT"], True),
        (["filter FORWARD {} -j DROP", "filter :FORWARD DROP"], False),
        (["filter :one -", "filter FORWARD {} -j one", "filter one -p tcp -j DROP"], True),
        (["nat PREROUTING {} -j ACCEPT"], True),
    ],
)
def test_the_fate_is_certain_and_the_rules_are_not(rules: list[str], is_delivered: bool) -> None:
    passage = Box(*(rule.format(UNKNOWN) for rule in rules)).receive(udp())
    assert passage.is_delivered is is_delivered
    assert not passage.open
    (unsure,) = passage.unsure
    assert unsure.ref.position == 1


def test_of_drops_that_agree_the_last_is_told() -> None:
    passage = Box(f"filter FORWARD {UNKNOWN} -j DROP", "filter :FORWARD DROP").receive(udp())
    assert passage.cause is not None
    assert passage.cause.cause == PolicyRef("filter", "FORWARD")


@pytest.mark.parametrize(
    "rules",
    [
        ["filter FORWARD {} -j DROP"],
        ["filter FORWARD {} -j REJECT", "filter :FORWARD DROP"],
        ["filter FORWARD {} -j NFQUEUE"],
        ["filter FORWARD -j NFQUEUE"],
        ["nat PREROUTING {} -j DNAT --to-destination 10.2.0.9"],
        ["nat PREROUTING -j NETMAP --to some.example"],
        ["raw PREROUTING {} -j NOTRACK"],
        ["mangle FORWARD {} -j TTL --ttl-set 9"],
        ["mangle FORWARD {} -j MARK --set-mark 1", "filter FORWARD -m mark --mark 1 -j DROP"],
        ["filter :one -", "filter FORWARD {} -j one", "filter one -j DROP"],
        # The packet itself is rejected; what becomes of the answer is open.
        ["filter FORWARD -j REJECT", "filter OUTPUT {} -j DROP"],
    ],
)
def test_the_fate_is_open(rules: list[str]) -> None:
    box = Box(*(rule.format(UNKNOWN) for rule in rules))
    passage = box.receive(udp())
    assert passage.open
    assert not passage.is_delivered
    assert box.entries() == 0


def test_what_the_box_sends_may_be_open_too() -> None:
    passage = Box(f"filter OUTPUT {UNKNOWN} -j DROP").send(udp(OWN))
    assert passage.open
    assert not passage.is_delivered


# Ways that are remembered


class Walks:
    """Counts walks through tables."""

    def __init__(self) -> None:
        self.number = 0

    def walk(self, *arguments: object, **options: object) -> object:
        self.number += 1
        return walk(*arguments, **options)  # type: ignore[arg-type]


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> Walks:
    counter = Walks()
    monkeypatch.setattr(stack_module, "walk", counter.walk)
    return counter


def asked(walks: Walks, box: Box, packet: Packet, interface: str = "eth0") -> int:
    """How many tables a packet is given to."""
    before = walks.number
    box.receive(packet, interface)
    return walks.number - before


PLAIN = ("mangle :FORWARD ACCEPT", "filter :FORWARD ACCEPT", "filter :INPUT ACCEPT")
ALL = 4
"""What a packet meets there on its way through: mangle three times, filter once."""

FLAGS = (*PLAIN, "filter FORWARD -p tcp --tcp-flags PSH PSH -j LOG")


def test_packets_of_an_open_connection_fare_alike(walks: Walks) -> None:
    box = Box(*PLAIN)
    box.open()
    assert asked(walks, box, tcp("A", 1001, 5001)) == 0
    assert asked(walks, box, tcp("PA", 1001, 5001, payload=10)) == 0
    assert asked(walks, box, answer("A", 5001, 1011), "eth1") == 0


def test_where_rules_ask_for_flags_those_with_the_same_do(walks: Walks) -> None:
    box = Box(*FLAGS)
    box.open()
    push = tcp("PA", 1001, 5001, payload=10)
    assert asked(walks, box, tcp("A", 1001, 5001)) == 0
    assert asked(walks, box, push) == ALL
    assert asked(walks, box, push) == 0
    assert asked(walks, box, tcp("A", 1001, 5001)) == 0
    assert box.receive(push).matched == [
        "mangle/PREROUTING policy",
        "mangle/FORWARD policy",
        "filter/FORWARD#1",
        "filter/FORWARD policy",
        "mangle/POSTROUTING policy",
    ]


def test_each_interface_has_its_own_flags(walks: Walks) -> None:
    box = Box(*FLAGS)
    box.open()
    push = tcp("PA", 1001, 5001, payload=10)
    assert asked(walks, box, push, "eth1") == ALL
    assert asked(walks, box, tcp("A", 1001, 5001), "eth1") == ALL
    assert asked(walks, box, push, "eth1") == 0


@pytest.mark.parametrize(
    "rule",
    [
        "filter FORWARD -m conntrack --ctstatus ASSURED -j ACCEPT",
        "filter FORWARD -m connmark --mark 1 -j ACCEPT",
        "filter FORWARD -m length --length 100 -j ACCEPT",
        "filter FORWARD -m ttl --ttl-eq 9 -j ACCEPT",
        "filter FORWARD -m tos --tos 8 -j ACCEPT",
        "filter FORWARD -m string --string x --algo bm -j ACCEPT",
        "filter FORWARD -m limit --limit 1/s -j ACCEPT",
        "filter FORWARD -m recent --name x --set -j ACCEPT",
        "filter FORWARD -m set --match-set known src -j ACCEPT",
        "filter FORWARD -m connbytes --connbytes 1000: --connbytes-dir both "
        "--connbytes-mode bytes -j ACCEPT",
        f"filter FORWARD {UNKNOWN} -j LOG",
        "mangle FORWARD -j TTL --ttl-set 9",
        "mangle FORWARD -j CONNMARK --save-mark",
        "mangle FORWARD -j CONNMARK --restore-mark",
        "mangle FORWARD -j SET --add-set known src",
        "raw :PREROUTING ACCEPT",
        "filter FORWARD -p tcp --dport 80 -j REJECT",
    ],
)
def test_nobody_fares_alike_where_rules_ask_for_more(rule: str, walks: Walks) -> None:
    box = Box(*PLAIN, rule, sets="create known hash:ip family inet\n")
    box.open()
    packet = tcp("A", 1001, 5001)
    expected = asked(walks, box, packet)
    assert expected >= ALL
    assert asked(walks, box, packet) == expected


def test_who_is_new_is_asked_about(walks: Walks) -> None:
    box = Box(*PLAIN)
    assert [asked(walks, box, udp()) for _ in range(3)] == [ALL, ALL, ALL]
    box.receive(reply_to(udp()), "eth1")
    # Only now the client's packets are ESTABLISHED.
    assert [asked(walks, box, udp()) for _ in range(3)] == [ALL, 0, 0]


def test_another_interface_is_asked_about(walks: Walks) -> None:
    box = Box(*PLAIN)
    box.open()
    assert asked(walks, box, tcp("A", 1001, 5001), "eth1") == ALL


def test_the_last_hop_is_asked_about(walks: Walks) -> None:
    box = Box(*PLAIN)
    box.open()
    packet = tcp("A", 1001, 5001, ttl=1)
    (error,) = box.receive(packet).out
    assert (error.packet.icmp_type, error.is_same) == (11, False)
    assert asked(walks, box, tcp("A", 1001, 5001)) == 0


def test_errors_are_asked_about(walks: Walks) -> None:
    box = Box(*PLAIN)
    box.open(udp())
    error = Packet(V4, ip(SERVER), ip(CLIENT), ICMP, icmp_type=3, icmp_code=3, quoted=udp(ttl=63))
    assert asked(walks, box, error, "eth1") == ALL
    assert asked(walks, box, error, "eth1") == ALL


def test_other_protocols_are_asked_about(walks: Walks) -> None:
    box = Box(*PLAIN)
    packet = Packet(V4, ip(CLIENT), ip(SERVER), 50)
    box.receive(packet)
    box.receive(reply_to(packet), "eth1")
    assert [asked(walks, box, packet) for _ in range(2)] == [ALL, ALL]


def test_a_connection_that_is_gone_takes_its_way_with_it(walks: Walks) -> None:
    box = Box(*PLAIN)
    box.open(udp())
    assert asked(walks, box, udp()) == ALL
    assert asked(walks, box, udp()) == 0
    box.tracker.flush()
    assert asked(walks, box, udp()) == ALL
    assert box.receive(udp()).ctstates == {Hook.PREROUTING: CtState.NEW, Hook.FORWARD: CtState.NEW}


def test_where_routing_drops_no_way_is_remembered(walks: Walks) -> None:
    box = Box(*PLAIN, host=WITHOUT_DEFAULT)
    there = udp("8.8.8.8")
    box.receive(there)
    # Only mangle at PREROUTING.
    assert [asked(walks, box, reply_to(there), "eth1") for _ in range(3)] == [1, 1, 1]


def test_what_the_box_gets_has_a_way_too(walks: Walks) -> None:
    box = Box(*PLAIN)
    there = udp(OWN)
    box.send(there)
    back = reply_to(there)
    # mangle twice, filter once.
    assert [asked(walks, box, back, "eth1") for _ in range(2)] == [3, 0]
    passage = box.receive(back, "eth1")
    assert (passage.arrived, passage.out, passage.is_delivered) == (back, (), True)


def test_ways_are_kept_for_many_connections(walks: Walks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "_MOST_SHARED", 2)
    box = Box(*(f"filter FORWARD -p udp --sport {port} -j ACCEPT" for port in range(1, 9)))
    for port in range(1, 9):
        packet = udp(sport=port)
        box.open(packet)
        box.receive(packet)
        assert asked(walks, box, packet) == 0
        assert list(box.receive(packet).matched) == [f"filter/FORWARD#{port}"]


def normal(passage: Passage) -> tuple[object, ...]:
    return tuple(list(part) if isinstance(part, Sequence) else part for part in tuple(passage))


CONVERSATION = (
    *((tcp("S"), "eth0"), (answer("SA"), "eth1"), (tcp("A", 1001, 5001), "eth0")),
    *((tcp("PA", 1001, 5001, payload=100), "eth0"), (answer("A", 5001, 1101), "eth1")),
    *((answer("PA", 5001, 1101, payload=50), "eth1"), (tcp("A", 1101, 5051), "eth0")),
    *((tcp("A", 1101, 5051, ttl=9), "eth0"), (tcp("A", 1101, 5051, ttl=1), "eth0")),
    *((tcp("A", 900, 5051), "eth0"), (tcp("A", 99_999_999, 5051), "eth0")),
    *((tcp("FA", 1101, 5051), "eth0"), (answer("FA", 5051, 1102), "eth1")),
    *((tcp("A", 1102, 5052), "eth0"), (tcp("S", 9000), "eth0"), (answer("RA", 0, 9001), "eth1")),
    (tcp("A", 9001, 1), "eth0"),
)


@pytest.mark.parametrize(
    "rules",
    [
        PLAIN,
        FLAGS,
        ("filter FORWARD -p tcp --tcp-flags ALL ACK -j DROP", "filter FORWARD -i eth1 -j LOG"),
        ("filter FORWARD -m conntrack --ctstate INVALID -j DROP", "filter :FORWARD ACCEPT"),
        ("filter FORWARD -m conntrack --ctstate ESTABLISHED -j DROP", "filter :FORWARD ACCEPT"),
        ("nat PREROUTING -j DNAT --to-destination 10.2.0.2", "mangle FORWARD -j MARK --or-mark 1"),
        ("nat PREROUTING -j REDIRECT", "filter :INPUT ACCEPT"),
        ("mangle PREROUTING -p tcp --tcp-flags PSH PSH -j DROP", "filter :FORWARD ACCEPT"),
    ],
)
def test_a_way_that_is_known_is_the_way_that_would_be_found(rules: tuple[str, ...]) -> None:
    remembering, forgetting = Box(*rules), Box(*rules)
    for packet, interface in CONVERSATION * 2:
        for entry in forgetting.tracker.entries(forgetting.stack.box.now):
            entry.extension = None
        found = remembering.receive(packet, interface)
        assert normal(found) == normal(forgetting.receive(packet, interface))


# What a box tells its own sockets


@pytest.mark.parametrize(
    ("rule", "reached", "flags"),
    [
        (
            "filter OUTPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset",
            Hook.LOCAL_OUT,
            ["RA"],
        ),
        ("filter OUTPUT -j DROP", Hook.LOCAL_OUT, []),
        ("mangle POSTROUTING -j DROP", Hook.POSTROUTING, []),
    ],
)
def test_a_reset_of_the_own_output_comes_to_the_own_socket(
    rule: str, reached: Hook, flags: list[str]
) -> None:
    # net/ipv4/netfilter/nf_reject_ipv4.c, nf_send_reset(): the reset is routed as any packet, and
    # the sender's address is local.
    box = Box(rule, f"{rule.split(maxsplit=1)[0]} :{rule.split()[1]} ACCEPT")
    passage = box.send(tcp("S", saddr=OWN))
    assert passage.reached is reached
    assert [packet.flags.letters for packet in passage.told if packet.flags is not None] == flags
    assert not passage.is_delivered
