# SPDX-License-Identifier: GPL-2.0-only
"""Matches that remember, where no live kernel can be asked in time: expected values are the kernel
source's. What can be asked of one is in tests/kernel/test_remembering.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ctlint.ir.rule import Match
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.conntrack.tuple import Tuple, get_tuple, invert_tuple
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.host import Host
from ctlint.model.netfilter.matches import predicates
from ctlint.model.netfilter.matches.named import make_named, named_matches
from ctlint.model.netfilter.matches.rates import (
    BYTE_CREDITS,
    HASH_CREDITS,
    LIMIT_CREDITS,
    limit_credits,
)
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import EntryView, Facts, Field, Transit
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags

T, F, U = Tern.TRUE, Tern.FALSE, Tern.UNKNOWN
SYN = Packet(Family.IPV4, 0x0A010002, 0x0A020002, 6, 40000, 80, TcpFlags.SYN)


def _box() -> Box:
    return Box(Host(()), Tracker(NEWEST, read_settings(NEWEST, {})))


def of_protocol(protocol: int, data: bytes) -> Packet:
    return Packet(Family.IPV4, SYN.saddr, SYN.daddr, protocol, payload=len(data), data=data)


@dataclass
class Asked:
    """One match of one rule, at a box."""

    words: str
    facts: Facts = field(default_factory=Facts)
    box: Box | None = field(default_factory=_box)

    def __post_init__(self) -> None:
        text = f"*filter\n-A FORWARD -m {self.words} -j DROP\nCOMMIT\n"
        (self.ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
        ((*_, self.rule),) = self.ruleset.rules()
        match = self.rule.matches[-1]
        assert isinstance(match, Match)
        (self.predicate,) = predicates(match, self.facts)
        if self.box is not None:
            make_named(self.box.memory, named_matches(self.ruleset), self.ruleset.family)

    def at(
        self, seconds: float = 0, packet: Packet = SYN, entry: Entry | None = None, out: str = ""
    ) -> Tern:
        if self.box is not None:
            self.box.now = round(seconds * SECOND)
        view = None if entry is None else EntryView(Dir.ORIGINAL, entry)
        transit = Transit(packet, CtState.NEW, "eth0", out, entry=view, box=self.box)
        transit.rule = self.rule
        return self.predicate.test(transit)


@pytest.mark.parametrize(
    ("words", "remembers"),
    [
        ("limit", True),
        ("hashlimit --hashlimit-upto 1/s --hashlimit-name x", True),
        ("recent --rcheck", True),
        ("recent --update --seconds 60 --hitcount 4", True),
        ("quota --quota 1000", True),
        ("statistic --mode nth --every 1 --packet 0", True),
        ("statistic --mode random --probability 1", False),
        ("connlimit --connlimit-above 1", True),
        ("connbytes --connbytes 1 --connbytes-dir both --connbytes-mode packets", False),
        ("time --weekdays Mon,Tue,Wed,Thu,Fri,Sat,Sun", False),
        ("set --match-set x src --packets-gt 2", True),
    ],
)
def test_a_class_of_packets_is_undecided(words: str, remembers: bool) -> None:
    asked = Asked(words, Facts(clock=0), box=None)
    assert asked.at() is U
    assert asked.predicate.why
    assert asked.predicate.remembers is remembers
    assert Field.BOX in asked.predicate.reads


@pytest.mark.parametrize(
    ("words", "truth"), [("recent --set", T), ("recent --set --rdest", T), ("recent ! --set", F)]
)
def test_setting_always_matches(words: str, truth: Tern) -> None:
    """iptables-extensions(8), recent: "This will always return success (or failure if ! is passed
    in)"; recent_mt() in xt_recent.c.
    """
    asked = Asked(words, box=None)
    assert asked.at() is truth
    assert asked.predicate.reads == {Field.BOX}


def test_credits() -> None:
    """At 250 Hz: the highest powers of two below 2^32 / (250 x 86400), 2^64 / (250 x 86400) and
    2^32 / 250; 1/day is 864,000,000 steps, too many for 32 bits unless divided first.
    """
    assert (LIMIT_CREDITS, HASH_CREDITS, BYTE_CREDITS) == (1 << 7, 1 << 39, 1 << 24)
    assert limit_credits(10_000) == 250 * 128
    assert limit_credits(864_000_000) == 86_400 * 250 * 128


def test_limit_gains_a_packet_as_soon_as_it_is_paid() -> None:
    asked = Asked("limit --limit 2/second --limit-burst 1")
    assert [asked.at(0), asked.at(0), asked.at(0.496), asked.at(0.5)] == [T, F, F, T]
    # No more than the burst is saved up.
    assert [asked.at(100), asked.at(100)] == [T, F]


def test_rules_do_not_share_a_limit() -> None:
    box = _box()
    one = Asked("limit --limit 1/hour --limit-burst 1", box=box)
    other = Asked("comment --comment x -m limit --limit 1/hour --limit-burst 1", box=box)
    assert [one.at(), other.at(), one.at(), other.at()] == [T, T, F, F]
    # Nor do a rule of iptables and the same rule of ip6tables.
    assert one.at(0, SYN._replace(family=Family.IPV6)) is T


def test_hashlimit_forgets_at_some_time() -> None:
    """An entry is thrown away by the first collection behind its time, each second: until then it
    is not known whether the burst is full again.
    """
    words = "hashlimit --hashlimit-upto 1/minute --hashlimit-burst 3 --hashlimit-name x"
    asked = Asked(words + " --hashlimit-mode srcip")
    assert [asked.at(0) for _ in range(4)] == [T, T, T, F]
    assert asked.at(59.9) is F
    assert asked.at(119) is T  # 59.1 s after the last one, within its time
    assert asked.at(180) is U
    assert [asked.at(300) for _ in range(4)] == [T, T, T, F]


def test_hashlimit_reads_ports_where_the_kernel_does() -> None:
    # proto_ports_offset(): the SPI of ESP is where TCP has its ports, that of AH 4 bytes behind; a
    # packet that ends before has hashlimit_mt_common() drop it. Measured on Linux 6.18.44.
    words = "hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-name x"
    asked = Asked(words + " --hashlimit-mode srcport,dstport")
    one = of_protocol(50, b"\x00\x01\x00\x02")
    assert [asked.at(packet=one), asked.at(packet=one)] == [T, F]
    assert asked.at(packet=of_protocol(50, b"\x00\x01\x00\x03")) is T
    header = of_protocol(51, b"\x01\x02\x03\x04\x00\x01\x00\x02")
    assert asked.at(packet=header) is F
    assert asked.at(packet=of_protocol(89, b"")) is T
    assert asked.at(packet=of_protocol(89, b"\x00\x01\x00\x02")) is F
    assert asked.at(packet=one._replace(data=b"")) is U


@pytest.mark.parametrize("packet", [(50, b"abc"), (51, b"1234abc")])
def test_hashlimit_has_packets_dropped_that_end_before_their_ports(
    packet: tuple[int, bytes],
) -> None:
    words = "hashlimit --hashlimit-upto 1/hour --hashlimit-name x --hashlimit-mode srcport"
    asked = Asked(words)
    transit = Transit(of_protocol(*packet), CtState.NEW, "eth0", box=asked.box)
    transit.rule = asked.rule
    assert (asked.predicate.test(transit), transit.is_hot) == (F, True)


def test_hashlimit_of_an_idle_entry_whose_bucket_is_full() -> None:
    asked = Asked("hashlimit --hashlimit-upto 3/second --hashlimit-burst 3 --hashlimit-name x")
    assert [asked.at(0), asked.at(1.5)] == [T, T]


def test_statistic_draws_lots() -> None:
    asked = Asked("statistic --mode random --probability 0.25")
    assert asked.at() is U
    drawn = [(1 << 29) - 1, 1 << 29]
    assert asked.box is not None
    asked.box.lots = lambda low, high: drawn.pop(0) if (low, high) == (0, (1 << 31) - 1) else -1
    assert [asked.at(), asked.at()] == [T, F]


def test_recent_holds_100_addresses() -> None:
    """ip_list_tot: the one that was not seen for longest gives way."""
    box = _box()
    setting = Asked("recent --set --name x", box=box)
    looking = Asked("recent --rcheck --name x", box=box)
    for number in range(101):
        setting.at(0, SYN._replace(saddr=number + 1))
    assert looking.at(0, SYN._replace(saddr=1)) is F
    assert looking.at(0, SYN._replace(saddr=2)) is T


def test_recent_counts_the_ttl_before_forwarding() -> None:
    box = _box()
    setting = Asked("recent --set --name x", box=box)
    looking = Asked("recent --rcheck --rttl --name x", box=box)
    setting.at(0, SYN._replace(ttl=63), out="eth1")
    assert looking.at(0, SYN._replace(ttl=64)) is T
    assert looking.at(0, SYN._replace(ttl=63)) is F


def test_recent_window_holds_its_first_tick() -> None:
    """time_after(): a stamp of just so many seconds ago counts."""
    box = _box()
    setting = Asked("recent --set --name x", box=box)
    looking = Asked("recent --rcheck --seconds 10 --name x", box=box)
    setting.at(5)
    assert [looking.at(15), looking.at(15.004)] == [T, F]


# 2026-11-20 is a Friday; 2026-11-21 00:30 belongs to the night before it.
_FRIDAY = 1_795_132_800


@pytest.mark.parametrize(
    ("words", "seconds", "expected"),
    [
        ("--timestart 23:00 --timestop 01:00", 23.5 * 3600, T),
        ("--timestart 23:00 --timestop 01:00", 24.5 * 3600, T),
        ("--timestart 23:00 --timestop 01:00", 12 * 3600, F),
        ("--timestart 23:00 --timestop 01:00 --weekdays Fri", 0.5 * 3600, T),
        ("--timestart 23:00 --timestop 01:00 --weekdays Fri", 24.5 * 3600, F),
        ("--timestart 23:00 --timestop 01:00 --weekdays Fri --contiguous", 24.5 * 3600, T),
        ("--timestart 23:00 --timestop 01:00 --weekdays Fri --contiguous", 0.5 * 3600, F),
        ("--timestart 23:00 --timestop 01:00 --monthdays 20 --contiguous", 24.5 * 3600, T),
        ("--timestop 12:00", 12 * 3600, T),
        ("--timestop 12:00", 12 * 3600 + 1, F),
        ("! --weekdays Fri", 0, F),
        ("--monthdays 20", 0, T),
        ("--datestart 2026-11-20T00:00:01", 0, F),
        ("--datestart 2026-11-20T00:00:01", 1.5, T),
        # Any time of day is right, in whatever time zone. Measured on Linux 5.10.262 and 6.18.44.
        ("--kerneltz", 0, T),
        ("--kerneltz --weekdays Mon", 0, U),
    ],
)
def test_time(words: str, seconds: float, expected: Tern) -> None:
    assert Asked(f"time {words}", Facts(clock=_FRIDAY * SECOND)).at(seconds) is expected


def test_time_needs_a_clock() -> None:
    assert Asked("time --weekdays Mon").at() is U


def _entry(*carried: tuple[Dir, int]) -> Entry:
    key = get_tuple(SYN)
    entry = Entry(Tuple(*key), invert_tuple(key) or Tuple(*key))
    for direction, length in carried:
        entry.carry(direction, length)
    return entry


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--connbytes 2 --connbytes-dir original --connbytes-mode packets", T),
        ("--connbytes 3 --connbytes-dir original --connbytes-mode packets", F),
        ("--connbytes 3:3 --connbytes-dir both --connbytes-mode packets", T),
        ("! --connbytes 3:3 --connbytes-dir both --connbytes-mode packets", T),
        ("! --connbytes 2:3 --connbytes-dir both --connbytes-mode packets", F),
        ("--connbytes :40 --connbytes-dir reply --connbytes-mode bytes", T),
        ("--connbytes 101:200 --connbytes-dir both --connbytes-mode bytes", T),
        ("--connbytes 50:50 --connbytes-dir original --connbytes-mode avgpkt", T),
        ("--connbytes 46:46 --connbytes-dir both --connbytes-mode avgpkt", T),
    ],
)
def test_connbytes(words: str, expected: Tern) -> None:
    carried = ((Dir.ORIGINAL, 40), (Dir.ORIGINAL, 60), (Dir.REPLY, 40))
    assert Asked(f"connbytes {words}").at(0, SYN, _entry(*carried)) is expected


def test_connbytes_of_nothing() -> None:
    words = "connbytes --connbytes 0 --connbytes-dir both --connbytes-mode"
    assert Asked(f"{words} avgpkt").at(0, SYN, _entry()) is T
    assert Asked(f"{words} packets").at(0, SYN, None) is F


def test_connlimit_counts_what_was_dropped_for_two_ticks() -> None:
    """find_or_evict() and last_gc: within a tick nothing is surely gone from the list."""
    asked = Asked("connlimit --connlimit-above 1 --connlimit-mask 24")
    others = [SYN._replace(sport=port) for port in range(3)]
    assert asked.at(0, others[0]) is F
    assert asked.at(0.004, others[1]) is U
    assert asked.at(0.012, others[2]) is F


def test_the_first_rule_gives_a_list_its_mask() -> None:
    text = (
        "*filter\n-A FORWARD -m recent --rcheck --name x --mask 255.0.0.0\n"
        "-A FORWARD -m recent --set --name x\nCOMMIT\n"
    )
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    box = _box()
    make_named(box.memory, named_matches(ruleset), ruleset.family)
    Asked("recent --set --name x", box=box).at()
    assert Asked("recent --rcheck --name x", box=box).at(0, SYN._replace(saddr=0x0A636363)) is T


@pytest.mark.parametrize("mask", ["foo.example", "255.0.0.0"])
def test_a_mask_of_recent_may_be_a_name(mask: str) -> None:
    """libxt_recent reads it as XTTYPE_HOST; recent_mt_check() takes that of the first rule only."""
    text = (
        f"*filter\n-A FORWARD -m recent --set --name x --mask {mask}\n"
        "-A FORWARD -m recent --rcheck --name x --mask foo.example\nCOMMIT\n"
    )
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    box = _box()
    make_named(box.memory, named_matches(ruleset), ruleset.family)
    first = Asked(f"recent --set --name x --mask {mask}", box=box)
    other = Asked("recent --rcheck --name x --mask foo.example", box=box)
    is_known = mask != "foo.example"
    assert first.at() is (T if is_known else U)
    assert other.at(0, SYN._replace(saddr=0x0A636363)) is (T if is_known else U)
    assert other.at(0, SYN._replace(saddr=0x0B636363)) is (F if is_known else U)
    assert other.predicate.why is not None
    assert "foo.example" in other.predicate.why
