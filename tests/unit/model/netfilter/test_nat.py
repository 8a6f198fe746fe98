# SPDX-License-Identifier: GPL-2.0-only
"""Bindings and translated packets. Expectations are nf_nat_core.c's and nf_nat_proto.c's, Linux
6.18; of ranges of addresses they are what a live 6.18 kernel chose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from ctlint.ir.values import Range
from ctlint.model.conntrack.core import Template, Tracked, Tracker
from ctlint.model.conntrack.entry import Entry, Zone
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import Dir, EntryStatus, TcpCt, Verdict
from ctlint.model.conntrack.tuple import Tuple, invert_tuple
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.nat import Binding, Manip, Nat, Spread
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.netfilter.addresses import ip

V4, V6 = Family.IPV4, Family.IPV6
SRC, DST = Manip.SRC, Manip.DST
CLIENT, OTHER, SERVER = ip("10.1.0.2"), ip("10.1.0.3"), ip("10.2.0.2")
OUTSIDE = ip("10.2.0.1")
TO_OUTSIDE = Binding(OUTSIDE, OUTSIDE)


def packet(
    protocol: int = UDP,
    saddr: int | str = CLIENT,
    sport: int = 40000,
    daddr: int | str = SERVER,
    dport: int = 53,
    flags: str = "S",
    seq: int = 1000,
    ack: int = 0,
) -> Packet:
    source = ip(saddr) if isinstance(saddr, str) else saddr
    target = ip(daddr) if isinstance(daddr, str) else daddr
    family = V6 if isinstance(saddr, str) and ":" in saddr else V4
    if protocol == TCP:
        parsed = TcpFlags.parse(flags)
        return Packet(family, source, target, TCP, sport, dport, parsed, seq=seq, ack=ack)
    if protocol == UDP:
        return Packet(family, source, target, UDP, sport, dport)
    return Packet(family, source, target, protocol)


def echo(saddr: int = CLIENT, number: int = 7, kind: int = 8) -> Packet:
    return Packet(V4, saddr, SERVER, ICMP, icmp_type=kind, icmp_code=0, icmp_id=number)


@dataclass
class Lots:
    """Draws what it is told to, then the lowest, and remembers between what it was to draw."""

    drawn: list[int] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def draw(self, low: int, high: int) -> int:
        self.asked.append((low, high))
        return self.drawn.pop(0) if self.drawn else low


class Table:
    """A table of connections and their bindings."""

    def __init__(self, *drawn: int, tracker: Tracker | None = None) -> None:
        self.lots = Lots(list(drawn))
        self.tracker = tracker or Tracker(NEWEST, read_settings(NEWEST, {}))
        self.nat = Nat(self.tracker, self.lots.draw)
        self.now: Micros = 0

    def track(self, of: Packet, zone: Zone | None = None) -> Tracked:
        template = Template() if zone is None else Template(zone)
        return self.tracker.nf_conntrack_in(of, self.now, template)

    def open(self, of: Packet, zone: Zone | None = None) -> Entry:
        """The connection that a packet is about to open."""
        entry = self.track(of, zone).entry
        assert entry is not None
        assert not entry.is_confirmed
        return entry

    def confirm(self, entry: Entry) -> Verdict:
        return self.tracker.nf_conntrack_confirm(Tracked(entry, None, ()), self.now)

    def bind(
        self,
        of: Packet,
        binding: Binding = TO_OUTSIDE,
        manip: Manip = SRC,
        zone: Zone | None = None,
    ) -> Entry:
        """Open a connection that is bound so."""
        entry = self.open(of, zone)
        self.nat.nf_nat_setup_info(entry, binding, manip, self.now)
        self.confirm(entry)
        return entry

    def source_of(self, of: Packet, binding: Binding = TO_OUTSIDE) -> tuple[int, int]:
        """What a source becomes."""
        reply = self.bind(of, binding).reply
        return reply.daddr, reply.dport

    def source_port(self, of: Packet, binding: Binding = TO_OUTSIDE) -> int:
        return self.source_of(of, binding)[1]

    def target_port(self, of: Packet, binding: Binding) -> int:
        return self.bind(of, binding, DST).reply.sport

    def close(self, client: int, port: int, seq: int = 1000) -> Entry:
        """A translated connection from a port of the outer address that is in TIME_WAIT."""
        binding = Binding(OUTSIDE, OUTSIDE, Range(port, port))
        entry = self.bind(packet(TCP, client, seq=seq), binding)
        for reply, flags, at, ack in (
            (True, "SA", 1, seq + 1),
            (False, "FA", seq + 1, 2),
            (True, "FA", 2, seq + 2),
            (False, "A", seq + 2, 3),
        ):
            answer = packet(TCP, SERVER, 53, OUTSIDE, port, flags, at, ack)
            self.track(answer if reply else packet(TCP, client, flags=flags, seq=at, ack=ack))
        assert entry.tcp.state == TcpCt.TIME_WAIT
        return entry


# Ports


def test_a_source_keeps_its_port_where_it_is_free() -> None:
    table = Table()
    assert table.source_of(packet()) == (OUTSIDE, 40000)
    assert table.lots.asked == []


@pytest.mark.parametrize(
    ("own", "low", "high"),
    [
        (1, 1, 511),
        (511, 1, 511),
        (512, 600, 1023),
        (1023, 600, 1023),
        (1024, 1024, 65535),
        (65535, 1024, 65535),
    ],
)
def test_a_port_that_is_taken_gives_way_to_one_of_its_kind(own: int, low: int, high: int) -> None:
    table = Table(low + 9)
    table.bind(packet(sport=own))
    assert table.source_port(packet(saddr=OTHER, sport=own)) == low + 9
    assert table.lots.asked == [(low, high)]


def test_a_port_that_was_drawn_and_is_taken_gives_way_to_the_next_round_the_end() -> None:
    table = Table(102)
    ports = Binding(OUTSIDE, OUTSIDE, Range(100, 102))
    for port in (102, 100):
        table.bind(packet(sport=port), ports)
    assert table.source_port(packet(saddr=OTHER), ports) == 101
    assert table.lots.asked == [(100, 102)]


def test_a_port_of_the_range_stays() -> None:
    table = Table()
    ports = Binding(OUTSIDE, OUTSIDE, Range(100, 102))
    assert table.source_port(packet(sport=101), ports) == 101
    assert table.lots.asked == []


def test_random_ports_are_drawn_even_where_the_own_one_is_free() -> None:
    table = Table(5000, 101)
    assert table.source_port(packet(), TO_OUTSIDE._replace(is_random=True)) == 5000
    ports = Binding(SERVER, SERVER, Range(100, 102), is_random=True)
    assert table.target_port(packet(saddr=OTHER, dport=100), ports) == 101
    assert table.lots.asked == [(1024, 65535), (100, 102)]


def test_a_destination_gets_the_first_free_port() -> None:
    table = Table()
    ports = Binding(SERVER, SERVER, Range(100, 102))
    targets = [packet(daddr=f"10.2.0.{number}") for number in range(2, 6)]
    assert [table.target_port(target, ports) for target in targets[:3]] == [100, 101, 102]
    # There is none any more: the last that was tried, with which the packet is dropped.
    entry = table.open(targets[3])
    table.nat.nf_nat_setup_info(entry, ports, DST, 0)
    assert entry.reply.sport == 102
    assert table.confirm(entry) is Verdict.DROP
    assert table.lots.asked == []


def test_a_destinations_port_in_the_range_stays() -> None:
    table = Table()
    assert table.target_port(packet(dport=101), Binding(SERVER, SERVER, Range(100, 102))) == 101


@pytest.mark.parametrize("ports", [None, Range(53, 53)])
def test_a_destination_without_a_choice_takes_what_is_taken(ports: Range | None) -> None:
    table = Table()
    table.bind(packet(), manip=DST, binding=Binding(SERVER, SERVER))
    second = table.open(packet(daddr="10.2.0.9"))
    table.nat.nf_nat_setup_info(second, Binding(SERVER, SERVER, ports), DST, 0)
    assert (second.reply.saddr, second.reply.sport) == (SERVER, 53)
    assert table.confirm(second) is Verdict.DROP


@pytest.mark.parametrize(
    # Measured: DNAT --to-destination 10.2.0.50:100-110/2000.
    ("own", "mapped"),
    [(2000, 100), (2003, 103), (2010, 110), (2011, 100), (1999, 108), (105, 106)],
)
def test_ports_are_shifted_by_their_distance_from_the_base(own: int, mapped: int) -> None:
    shifted = Binding(SERVER, SERVER, Range(100, 110), base=2000)
    # The distance has 16 bits: 1999 lies 65535 behind 2000.
    assert mapped == 100 + (own - 2000) % 65536 % 11
    assert Table().target_port(packet(dport=own), shifted) == mapped


class FullTable(Tracker):
    """One in which every tuple is taken."""

    asked = 0

    def nf_conntrack_tuple_taken(self, reply: Tuple, ignored: Entry, now: Micros) -> Entry | None:
        del reply, now
        self.asked += 1
        return ignored


def test_of_a_long_range_not_all_ports_are_tried() -> None:
    tracker = FullTable(NEWEST, read_settings(NEWEST, {}))
    table = Table(2000, 3000, 4000, 5000, 6000, tracker=tracker)
    binding = Binding(OUTSIDE, OUTSIDE, Range(1024, 65535))
    entry = table.open(packet(sport=9))
    table.nat.nf_nat_setup_info(entry, binding, SRC, 0)
    # 128, then half as many from another port on, as long as that were 16 or more.
    assert tracker.asked == 128 + 64 + 32 + 16 + 8
    assert len(table.lots.asked) == 5
    assert entry.reply.dport == 6007


def test_without_a_draw_ports_lie_apart_and_all_come() -> None:
    draw = Spread()
    drawn = [draw(1024, 65535) for _ in range(10)]
    assert drawn[0] == 1024
    assert all(high - low > 128 for low, high in pairwise(sorted(drawn)))
    draw = Spread()
    assert {draw(100, 109) for _ in range(10)} == set(range(100, 110))


def test_without_a_draw_many_find_a_port() -> None:
    # As a live kernel's 200 of 200 did; one that always tries the same ones finds 128.
    table = Table()
    table.nat = Nat(table.tracker)
    for number in range(1000):
        # In the way of the first draws.
        table.bind(packet(sport=1024 + number))
    entries = [table.bind(packet(saddr=OTHER + number)) for number in range(1000)]
    assert all(entry.is_confirmed for entry in entries)


# ICMP, and what has neither ports nor identifiers


def test_an_identifier_stays_where_it_is_free() -> None:
    table = Table(99)
    assert table.bind(echo()).reply == Tuple(V4, ICMP, SERVER, 7, OUTSIDE, 0)
    assert table.bind(echo(OTHER)).reply == Tuple(V4, ICMP, SERVER, 99, OUTSIDE, 0)
    assert table.lots.asked == [(0, 65535)]


@pytest.mark.parametrize(("own", "mapped"), [(7, 22), (20, 20), (30, 30), (31, 22)])
def test_identifiers_have_ranges_as_ports_do(own: int, mapped: int) -> None:
    table = Table(22)
    entry = table.bind(echo(number=own), Binding(OUTSIDE, OUTSIDE, Range(20, 30)))
    assert entry.reply.sport == mapped


def test_what_has_no_ports_keeps_its_tuple_and_may_be_dropped() -> None:
    table = Table()
    ports = Binding(OUTSIDE, OUTSIDE, Range(20, 30))
    assert table.bind(packet(50), ports).reply == Tuple(V4, 50, SERVER, 0, OUTSIDE, 0)
    second = table.open(packet(50, OTHER))
    table.nat.nf_nat_setup_info(second, TO_OUTSIDE, SRC, 0)
    assert second.reply == Tuple(V4, 50, SERVER, 0, OUTSIDE, 0)
    assert table.confirm(second) is Verdict.DROP
    assert table.lots.asked == []


# Who is over makes room

ONE_PORT = Binding(OUTSIDE, OUTSIDE, Range(5000, 5000))
"""Of a range of one port, each attempt is among the last ones."""


def test_the_last_attempts_evict_a_connection_that_is_over() -> None:
    table = Table()
    old = table.close(CLIENT, 5000)
    new = table.bind(packet(TCP, OTHER, seq=5000), ONE_PORT)
    assert new.is_confirmed
    assert old.status & EntryStatus.DYING
    assert (new.reply.daddr, new.reply.dport) == (OUTSIDE, 5000)


def test_sequence_numbers_must_have_gone_on() -> None:
    table = Table()
    old = table.close(CLIENT, 5000, seq=9000)
    new = table.bind(packet(TCP, OTHER, seq=5000), ONE_PORT)
    assert not new.is_confirmed
    assert not old.status & EntryStatus.DYING


def test_a_connection_that_is_not_over_stays() -> None:
    table = Table()
    old = table.bind(packet(TCP), ONE_PORT)
    assert not table.bind(packet(TCP, OTHER, seq=5000), ONE_PORT).is_confirmed
    assert not old.status & EntryStatus.DYING


def test_a_connection_whose_source_is_its_own_stays() -> None:
    table = Table()
    old = table.close(OUTSIDE, 40000)
    assert not old.status & EntryStatus.SRC_NAT
    binding = Binding(OUTSIDE, OUTSIDE, Range(40000, 40000))
    assert not table.bind(packet(TCP, OTHER, 39999, seq=5000), binding).is_confirmed
    assert not old.status & EntryStatus.DYING


def test_a_connection_that_the_server_opened_stays() -> None:
    table = Table()
    old = table.bind(packet(TCP, SERVER, 53, OUTSIDE, 5000), Binding())
    old.tcp.state = int(TcpCt.TIME_WAIT)
    old.status |= EntryStatus.SRC_NAT
    assert not table.bind(packet(TCP, OTHER, seq=5000), ONE_PORT).is_confirmed
    assert not old.status & EntryStatus.DYING


def test_what_does_not_begin_with_a_syn_evicts_nobody() -> None:
    table = Table()
    old = table.close(CLIENT, 5000)
    new = table.bind(packet(TCP, OTHER, flags="A", seq=5000), ONE_PORT)
    assert not new.is_confirmed
    assert not old.status & EntryStatus.DYING


def test_the_first_attempts_evict_nobody() -> None:
    table = Table()
    ports = range(5000, 5040)
    old = [table.close(CLIENT + port, port) for port in ports]
    # Of 40 attempts the last 32 may.
    binding = Binding(OUTSIDE, OUTSIDE, Range(ports[0], ports[-1]))
    new = table.bind(packet(TCP, seq=5000), binding)
    assert new.reply.dport == 5008
    assert [entry.original.saddr - CLIENT for entry in old if entry.status & EntryStatus.DYING] == [
        5008
    ]


def test_a_free_port_among_the_last_needs_no_room() -> None:
    table = Table(5000, 5001)
    table.close(CLIENT, 5000)
    binding = Binding(OUTSIDE, OUTSIDE, Range(5000, 5001))
    assert table.source_port(packet(TCP, OTHER, seq=5000), binding) == 5001


# The same source again


WIDE = Binding(OUTSIDE, ip("10.2.0.99"), Range(3000, 4000))


def test_a_source_is_translated_as_it_was_last() -> None:
    table = Table(3333)
    first = table.source_of(packet(), WIDE)
    assert first[1] == 3333
    assert [table.source_of(packet(daddr=f"10.2.0.{n}"), WIDE) for n in (3, 4)] == [first] * 2
    assert table.lots.asked == [(3000, 4000)]


def test_another_source_is_not() -> None:
    table = Table(3333, 3444, 3555, 3666)
    table.bind(packet(), WIDE)
    assert table.source_port(packet(saddr=OTHER, daddr="10.2.0.3"), WIDE) == 3444
    assert table.source_port(packet(sport=40001, daddr="10.2.0.4"), WIDE) == 3555
    assert table.source_port(packet(TCP, daddr="10.2.0.5"), WIDE) == 3666


def test_a_zone_has_its_own_sources() -> None:
    table = Table(3333, 3444)
    table.bind(packet(), WIDE)
    assert table.bind(packet(daddr="10.2.0.3"), WIDE, zone=Zone(5)).reply.dport == 3444


def test_the_last_translation_in_the_range_counts() -> None:
    table = Table(3333, 6000)
    first = table.source_of(packet(), WIDE)
    table.bind(packet(daddr="10.2.0.3"), Binding(OUTSIDE, OUTSIDE, Range(5000, 7000)))
    assert table.source_of(packet(daddr="10.2.0.4"), WIDE) == first


def test_a_translation_that_would_not_be_free_is_not_used_again() -> None:
    table = Table(3333)
    address, port = table.source_of(packet(), WIDE)
    table.bind(packet(saddr=address, sport=port, daddr="10.2.0.3"), Binding())
    assert table.source_of(packet(daddr="10.2.0.3"), WIDE) != (address, port)


def test_who_is_gone_does_not_count() -> None:
    table = Table(3333, 3444, 3555)
    table.bind(packet(), WIDE)
    table.tracker.flush()
    assert table.source_port(packet(daddr="10.2.0.3"), WIDE) == 3444
    table.now = 1000 * SECOND
    table.tracker.expire(table.now)
    assert table.source_port(packet(daddr="10.2.0.4"), WIDE) == 3555


def test_who_was_dropped_does_not_count() -> None:
    table = Table(3333, 3444)
    dropped = table.open(packet())
    table.nat.nf_nat_setup_info(dropped, WIDE, SRC, 0)
    assert table.source_port(packet(daddr="10.2.0.3"), WIDE) == 3444


def test_sources_are_remembered_while_others_come_and_go() -> None:
    table = Table(3333)
    first = table.source_of(packet(), WIDE)
    for number in range(3000):
        entry = table.bind(packet(saddr=OTHER, daddr=number + 1), Binding())
        table.tracker.nf_ct_kill(entry)
    assert table.source_of(packet(daddr="10.2.0.4"), WIDE) == first
    assert table.lots.asked == [(3000, 4000)]


# Nothing to translate


def test_nothing_changes_where_all_is_free() -> None:
    table = Table()
    entry = table.open(packet())
    for manip in (DST, SRC):
        assert not table.nat.is_initialized(entry, manip)
        table.nat.nf_nat_alloc_null_binding(entry, manip, 0)
        assert table.nat.is_initialized(entry, manip)
    assert entry.reply == Tuple(V4, UDP, SERVER, 53, CLIENT, 40000)
    assert not entry.status & (EntryStatus.SRC_NAT | EntryStatus.DST_NAT)


def test_what_is_not_translated_gives_way_too() -> None:
    table = Table(2345)
    table.bind(packet())
    entry = table.open(packet(saddr=OUTSIDE))
    table.nat.nf_nat_alloc_null_binding(entry, SRC, 0)
    assert (entry.reply.daddr, entry.reply.dport) == (OUTSIDE, 2345)
    assert entry.status & EntryStatus.SRC_NAT


def test_a_destination_that_is_translated_keeps_its_translation() -> None:
    table = Table(2345)
    table.bind(packet(saddr=OUTSIDE, daddr="10.2.0.9"), Binding())
    entry = table.open(packet(saddr=OUTSIDE))
    target = ip("10.2.0.9")
    table.nat.nf_nat_setup_info(entry, Binding(target, target), DST, 0)
    table.nat.nf_nat_alloc_null_binding(entry, SRC, 0)
    # UDP allows clashes, but not of what is translated.
    assert entry.reply == Tuple(V4, UDP, target, 53, OUTSIDE, 2345)


def simultaneous(protocol: int) -> tuple[Table, Entry]:
    """The server's packet made an entry while the client's was under way."""
    table = Table(2345)
    table.bind(packet(protocol, SERVER, 53, CLIENT, 40000), Binding())
    original = Tuple(V4, protocol, CLIENT, 40000, SERVER, 53)
    reply = invert_tuple(original)
    assert reply is not None
    return table, Entry(original, reply)


def test_both_ends_of_udp_may_open_a_connection_at_once() -> None:
    table, entry = simultaneous(UDP)
    table.nat.nf_nat_alloc_null_binding(entry, SRC, 0)
    assert entry.reply.dport == 40000
    assert table.confirm(entry) is Verdict.ACCEPT


def test_both_ends_of_tcp_may_not() -> None:
    table, entry = simultaneous(TCP)
    table.nat.nf_nat_alloc_null_binding(entry, SRC, 0)
    assert entry.reply.dport == 2345


def test_a_binding_is_for_ever() -> None:
    table = Table()
    entry = table.bind(packet())
    table.nat.nf_nat_setup_info(entry, Binding(CLIENT, CLIENT), SRC, 0)
    assert entry.reply.daddr == OUTSIDE
    assert not entry.status & EntryStatus.DST_NAT_DONE


# Ranges of addresses: what the live kernel chose

RANGE4 = Binding(ip("10.2.1.0"), ip("10.2.1.255"))
UNEVEN4 = Binding(ip("10.2.1.7"), ip("10.2.3.250"))
REVERSED4 = Binding(ip("10.2.1.255"), ip("10.2.1.0"))
NARROW6 = Binding(ip("fd02::1:0"), ip("fd02::2:ffff"))
WIDE6 = Binding(ip("fd02:1::"), ip("fd02:9:ffff::1"))


def chosen(
    binding: Binding, manip: Manip, ends: Iterable[tuple[str, str]], zone: Zone | None = None
) -> list[str]:
    found = []
    for number, (saddr, daddr) in enumerate(ends):
        of = packet(saddr=saddr, sport=5000 + number, daddr=daddr)
        reply = Table().bind(of, binding, manip, zone).reply
        mapped = reply.daddr if manip is SRC else reply.saddr
        found.append(format_address(of.family, mapped))
    return found


SERVERS4 = [("10.1.0.2", f"10.2.0.{number}") for number in (2, 3, 4, 5)]
CLIENTS4 = [(f"10.1.0.{number}", "10.2.0.2") for number in (2, 3, 4, 5)]
SERVERS6 = [("fd01::2", f"fd02::{number}") for number in (2, 3, 4, 5)]


@pytest.mark.parametrize("manip", [SRC, DST])
def test_an_address_is_chosen_by_both_ends(manip: Manip) -> None:
    # Of one word both are alike.
    last = [int(found.rpartition(".")[2]) for found in chosen(RANGE4, manip, SERVERS4)]
    assert last == [103, 197, 51, 106]


def test_a_range_over_several_bytes() -> None:
    assert chosen(UNEVEN4, SRC, CLIENTS4) == [
        *("10.2.2.57", "10.2.1.90", "10.2.1.184", "10.2.1.105")
    ]


def test_the_first_address_may_be_the_greater() -> None:
    assert chosen(REVERSED4, SRC, SERVERS4) == [
        *("113.196.56.11", "207.175.6.86", "61.129.210.56", "116.38.57.68")
    ]


@pytest.mark.parametrize("manip", [SRC, DST])
def test_a_persistent_choice_is_the_clients(manip: Manip) -> None:
    persistent = RANGE4._replace(is_persistent=True)
    ends = [*SERVERS4[:2], ("10.1.0.9", "10.2.0.2")]
    assert chosen(persistent, manip, ends) == ["10.2.1.33", "10.2.1.33", "10.2.1.85"]


def test_a_zone_changes_the_choice() -> None:
    assert chosen(RANGE4, SRC, SERVERS4, Zone(5)) == [
        *("10.2.1.146", "10.2.1.243", "10.2.1.243", "10.2.1.117")
    ]


def test_sources_of_ipv6() -> None:
    assert chosen(NARROW6, SRC, SERVERS6) == [
        *("fd02::1:edad", "fd02::1:899b", "fd02::2:3641", "fd02::1:586f")
    ]
    assert chosen(WIDE6, SRC, SERVERS6) == [
        "fd02:5:76d6:b956:76d6:b956:76d6:b956",
        "fd02:3:44cd:eb7b:44cd:eb7b:44cd:eb7b",
        "fd02:6:9b20:a3dc:9b20:a3dc:9b20:a3dc",
        "fd02:2:2c37:b84f:2c37:b84f:2c37:b84f",
    ]


def test_destinations_of_ipv6() -> None:
    assert chosen(WIDE6, DST, SERVERS6) == [
        "fd02:5:73d6:b956:256f:6f23:600:0",
        "fd02:3:47cd:eb7b:3c26:263a:600:6",
        "fd02:6:9d20:a3dc:4183:833f:7e00:0",
        "fd02:2:2e37:b84f:618f:8f7d:1c00:1e",
    ]


def test_persistent_sources_of_ipv6() -> None:
    ends = [*SERVERS6[:2], ("fd01::9", "fd02::2")]
    assert chosen(WIDE6._replace(is_persistent=True), SRC, ends) == [
        "fd02:5:876a:2056:876a:2056:876a:2056",
        "fd02:5:876a:2056:876a:2056:876a:2056",
        "fd02:7:ad98:415b:ad98:415b:ad98:415b",
    ]


# Packets


def translated(protocol: int = UDP) -> tuple[Table, Entry]:
    """From 10.1.0.2:40000 to 10.2.0.2:53, as 10.2.0.1:5000 to 10.2.0.9:54."""
    table = Table()
    entry = table.open(packet(protocol))
    inner = ip("10.2.0.9")
    table.nat.nf_nat_setup_info(entry, Binding(inner, inner, Range(54, 54)), DST, 0)
    table.nat.nf_nat_setup_info(entry, ONE_PORT, SRC, 0)
    table.confirm(entry)
    return table, entry


@pytest.mark.parametrize(
    ("direction", "manip", "ends"),
    [
        (Dir.ORIGINAL, DST, ("10.1.0.2", 40000, "10.2.0.9", 54)),
        (Dir.ORIGINAL, SRC, ("10.2.0.1", 5000, "10.2.0.2", 53)),
        (Dir.REPLY, DST, ("10.2.0.9", 54, "10.1.0.2", 40000)),
        (Dir.REPLY, SRC, ("10.2.0.2", 53, "10.2.0.1", 5000)),
    ],
)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_packets_are_translated_one_end_at_a_time(
    protocol: int, direction: Dir, manip: Manip, ends: tuple[str, int, str, int]
) -> None:
    table, entry = translated(protocol)
    own = packet(protocol)
    if direction is Dir.REPLY:
        own = packet(protocol, "10.2.0.9", 54, OUTSIDE, 5000, "SA")
    found = table.nat.nf_nat_packet(entry, direction, manip, own)
    saddr, sport, daddr, dport = ends
    assert found == own._replace(saddr=ip(saddr), sport=sport, daddr=ip(daddr), dport=dport)


@pytest.mark.parametrize(
    ("manip", "direction"), [(DST, Dir.ORIGINAL), (SRC, Dir.REPLY)], ids=["there", "back"]
)
def test_only_what_is_bound_is_translated(manip: Manip, direction: Dir) -> None:
    table = Table()
    entry = table.bind(packet())
    own = packet() if direction is Dir.ORIGINAL else packet(UDP, SERVER, 53, OUTSIDE, 40000)
    assert table.nat.nf_nat_packet(entry, direction, manip, own) is own


@pytest.mark.parametrize("kinds", [(8, 0), (13, 14), (15, 16), (17, 18)])
def test_queries_have_their_identifier_translated_both_ways(kinds: tuple[int, int]) -> None:
    table = Table()
    query = echo(kind=kinds[0])
    entry = table.bind(query, Binding(OUTSIDE, OUTSIDE, Range(99, 99)))
    assert table.nat.nf_nat_packet(entry, Dir.ORIGINAL, SRC, query) == query._replace(
        saddr=OUTSIDE, icmp_id=99
    )
    answer = Packet(V4, SERVER, OUTSIDE, ICMP, icmp_type=kinds[1], icmp_code=0, icmp_id=99)
    assert table.nat.nf_nat_packet(entry, Dir.REPLY, DST, answer) == answer._replace(
        daddr=CLIENT, icmp_id=7
    )


@pytest.mark.parametrize(("kind", "mapped"), [(128, 99), (139, 7)])
def test_of_ipv6_only_echoes_have(kind: int, mapped: int) -> None:
    table = Table()
    outside = ip("fd02::1")
    query = Packet(V6, ip("fd01::2"), ip("fd02::2"), ICMPV6, icmp_type=kind, icmp_code=0, icmp_id=7)
    entry = table.bind(query, Binding(outside, outside, Range(99, 99)))
    found = table.nat.nf_nat_packet(entry, Dir.ORIGINAL, SRC, query)
    assert (found.saddr, found.icmp_id) == (outside, mapped)


def test_what_has_no_ports_gets_none() -> None:
    table = Table()
    entry = table.bind(packet(50))
    found = table.nat.nf_nat_packet(entry, Dir.ORIGINAL, SRC, packet(50))
    assert found == packet(50)._replace(saddr=OUTSIDE)
    inner = ip("10.2.0.9")
    entry = table.bind(packet(51), Binding(inner, inner), DST)
    found = table.nat.nf_nat_packet(entry, Dir.ORIGINAL, DST, packet(51))
    assert found == packet(51)._replace(daddr=inner)


# ICMP errors

ROUTER = ip("10.2.0.77")


def error(saddr: int, daddr: int, quoted: Packet | None, kind: int = 3) -> Packet:
    return Packet(V4, saddr, daddr, ICMP, icmp_type=kind, icmp_code=1, quoted=quoted)


def test_an_error_from_outside_and_what_it_quotes_come_back_to_the_client() -> None:
    table, entry = translated()
    sent = packet(UDP, OUTSIDE, 5000, "10.2.0.9", 54)
    got = error(ROUTER, OUTSIDE, sent)
    # As a packet of the reply direction would: the client in PREROUTING, ...
    inside = table.nat.nf_nat_icmp_reply_translation(entry, Dir.REPLY, DST, got)
    assert inside == error(ROUTER, CLIENT, packet(UDP, CLIENT, 40000, "10.2.0.9", 54))
    # ... and the server in POSTROUTING, for which the router speaks then.
    behind = table.nat.nf_nat_icmp_reply_translation(entry, Dir.REPLY, SRC, inside)
    assert behind == error(SERVER, CLIENT, packet())


def test_an_error_of_the_client_goes_to_the_server() -> None:
    table, entry = translated()
    answer = packet(UDP, SERVER, 53, CLIENT, 40000)
    inside = table.nat.nf_nat_icmp_reply_translation(
        entry, Dir.ORIGINAL, DST, error(CLIENT, SERVER, answer)
    )
    inner = ip("10.2.0.9")
    assert inside == error(CLIENT, inner, packet(UDP, inner, 54, CLIENT, 40000))
    behind = table.nat.nf_nat_icmp_reply_translation(entry, Dir.ORIGINAL, SRC, inside)
    assert behind == error(OUTSIDE, inner, packet(UDP, inner, 54, OUTSIDE, 5000))


def test_an_error_quotes_the_identifier_that_was_sent() -> None:
    table = Table()
    entry = table.bind(echo(), Binding(OUTSIDE, OUTSIDE, Range(99, 99)))
    sent = echo(OUTSIDE, 99)
    got = table.nat.nf_nat_icmp_reply_translation(
        entry, Dir.REPLY, DST, error(ROUTER, OUTSIDE, sent)
    )
    assert got == error(ROUTER, CLIENT, echo())


def test_an_error_about_what_is_not_translated_here_stays() -> None:
    table = Table()
    entry = table.bind(packet())
    got = error(ROUTER, CLIENT, packet())
    assert table.nat.nf_nat_icmp_reply_translation(entry, Dir.REPLY, SRC, got) is got


@pytest.mark.parametrize(
    ("binding", "bound", "passes"),
    [
        (Binding(), (DST, SRC), True),
        (Binding(), (SRC,), False),
        (TO_OUTSIDE, (DST, SRC), False),
    ],
)
def test_redirects_pass_only_where_nothing_can_be_translated(
    binding: Binding, bound: tuple[Manip, ...], passes: bool
) -> None:
    table = Table()
    entry = table.open(packet())
    for manip in bound:
        table.nat.nf_nat_setup_info(entry, binding if manip is SRC else Binding(), manip, 0)
    redirect = error(ROUTER, CLIENT, packet(), kind=5)
    found = table.nat.nf_nat_icmp_reply_translation(entry, Dir.REPLY, SRC, redirect)
    assert found is (redirect if passes else None)
