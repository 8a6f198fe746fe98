# SPDX-License-Identifier: GPL-2.0-only
"""What targets change. Marks are what a live 6.18 kernel made of them; the rest is xt_CT.c's and
xt_set.c's.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ctlint.ir.rule import Target
from ctlint.model.conntrack.core import Template, Tracker
from ctlint.model.conntrack.entry import Entry, Zone
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.conntrack.tuple import Tuple, get_tuple, invert_tuple
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.changes import apply_change, forget_change
from ctlint.model.netfilter.host import Host
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.set_state import load_sets
from ctlint.model.netfilter.targets import action, set_mark
from ctlint.model.netfilter.transit import EntryView, Facts, Transit
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.tcp_flags import TcpFlags

SYN = Packet(
    Family.IPV4,
    *(0x0A010002, 0x0A020002, 6, 40000, 80, TcpFlags.SYN),
    options=TcpOptions(mss=1460),
)
PACKET_MARK, ENTRY_MARK = 0x12345678, 0xABCDEF01


def target_of(words: str, table: str = "mangle") -> Target:
    chain = "PREROUTING" if table == "raw" else "FORWARD"
    text = f"*{table}\n-A {chain} -p tcp -j {words}\nCOMMIT\n"
    ((*_, rule),) = parse_rulesets(text, "rules", Family.IPV4)[0].rules()
    assert isinstance(rule.target, Target)
    return rule.target


def transit(*, mtu: int | None = 1500, mark: int | None = PACKET_MARK, sets: str = "") -> Transit:
    memory = Memory(load_sets(parse_ipset_save(sets, "sets")))
    box = Box(Host((), mtu=mtu), Tracker(NEWEST, read_settings(NEWEST, {})), memory)
    return Transit(SYN, CtState.INVALID, "eth0", box=box, mark=mark)


def with_entry(mark: int | None = PACKET_MARK) -> tuple[Transit, Entry]:
    original = Tuple(*get_tuple(SYN))
    reply = invert_tuple(original)
    assert reply is not None
    entry = Entry(original, reply)
    entry.mark = ENTRY_MARK
    passing = transit(mark=mark)
    passing.entry = EntryView(Dir.ORIGINAL, entry)
    return passing, entry


def change(words: str, passing: Transit, table: str = "mangle") -> str | None:
    target = target_of(words, table)
    return apply_change(action(target), target, passing, Facts())


# Marks


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        ("--set-mark 0x5", 0x00000005),
        ("--set-xmark 0x0f/0xff", 0x1234560F),
        ("--set-mark 0x0f/0xff", 0x1234560F),
        ("--and-mark 0xf0", 0x00000070),
        ("--or-mark 0x101", 0x12345779),
        ("--xor-mark 0xff", 0x12345687),
    ],
)
def test_marks_of_the_packet(words: str, mark: int) -> None:
    assert set_mark(target_of(f"MARK {words}"), PACKET_MARK) == mark


def test_a_mark_that_is_not_known_is_known_when_all_of_it_is_set() -> None:
    assert set_mark(target_of("MARK --set-mark 0x5"), None) == 5
    assert set_mark(target_of("MARK --set-xmark 0x5/0xff"), None) is None
    hashed = target_of("HMARK --hmark-tuple src --hmark-mod 7 --hmark-rnd 1")
    assert set_mark(hashed, PACKET_MARK) is None


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        ("--set-mark 0x5", 0x00000005),
        ("--set-xmark 0x0f/0xff", 0xABCDEF0F),
        ("--set-mark 0x0f/0xff", 0xABCDEF0F),
        ("--and-mark 0xf0", 0x00000000),
        ("--or-mark 0x101", 0xABCDEF01),
        ("--xor-mark 0xff", 0xABCDEFFE),
        ("--save-mark", 0x12345678),
        ("--save-mark --mask 0xff", 0xABCDEF78),
        ("--save-mark --nfmask 0xf0 --ctmask 0xff00", 0xABCD0071),
        ("--set-mark 0x5 --left-shift-mark 4", 0x00000050),
        ("--set-xmark 0x0f/0xff --right-shift-mark 2", 0x2AF37BC3),
        ("--set-mark 0xf0000000 --left-shift-mark 1", 0xE0000000),
        ("--save-mark --nfmask 0xf0 --ctmask 0xff00 --left-shift-mark 4", 0xABCD0701),
    ],
)
def test_marks_of_the_entry(words: str, mark: int) -> None:
    passing, entry = with_entry()
    assert change(f"CONNMARK {words}", passing) is None
    assert (entry.mark, passing.mark) == (mark, PACKET_MARK)


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        ("--restore-mark", 0xABCDEF01),
        ("--restore-mark --mask 0xff", 0x12345601),
        ("--restore-mark --nfmask 0xf0 --ctmask 0xff00", 0x1234B908),
        ("--restore-mark --nfmask 0xf0 --ctmask 0xff00 --right-shift-mark 8", 0x123456E7),
    ],
)
def test_marks_that_the_entry_gives(words: str, mark: int) -> None:
    passing, entry = with_entry()
    assert change(f"CONNMARK {words}", passing) is None
    assert (entry.mark, passing.mark) == (ENTRY_MARK, mark)


def test_without_an_entry_there_is_no_mark_of_it() -> None:
    passing = transit()
    for words in ("--set-mark 1", "--save-mark", "--restore-mark"):
        assert change(f"CONNMARK {words}", passing) is None
    assert passing.mark == PACKET_MARK


def test_a_mark_that_is_not_known_cannot_be_saved() -> None:
    passing, entry = with_entry(None)
    assert change("CONNMARK --save-mark", passing) == "the packet's mark is not known"
    assert entry.mark == ENTRY_MARK
    assert change("CONNMARK --set-mark 7", passing) is None
    assert entry.mark == 7


# The packet


def test_the_packet_is_altered() -> None:
    passing = transit()
    assert change("TTL --ttl-set 9", passing) is None
    assert passing.packet == SYN._replace(ttl=9)


def test_a_route_that_is_not_known_has_no_mtu() -> None:
    passing = transit(mtu=None)
    assert change("TCPMSS --clamp-mss-to-pmtu", passing) == "the MTU of the route is not known"
    assert passing.packet is SYN


# Sets


def test_sets_are_added_to_and_forgotten() -> None:
    passing = transit(sets="create seen hash:ip family inet\n")
    assert passing.box is not None
    seen = passing.box.memory.sets["seen"]
    assert seen.unknown is None
    assert change("SET --add-set seen src", passing, "raw") is None
    target = target_of("SET --add-set seen src", "raw")
    assert forget_change(target, passing) == PACKET_MARK
    assert seen.unknown == "what rules have done to the set 'seen' is not known"


def test_a_mark_that_may_have_come_from_a_set_is_not_known() -> None:
    passing = transit(sets="create marks hash:ip family inet skbinfo\n")
    assert passing.box is not None
    assert forget_change(target_of("SET --map-set marks src --map-mark"), passing) is None
    # Asking changes no set.
    assert passing.box.memory.sets["marks"].unknown is None


# Conntrack


@pytest.mark.parametrize(
    ("words", "template", "ctstate"),
    [
        ("NOTRACK", Template(notrack=True), CtState.UNTRACKED),
        ("CT --notrack", Template(notrack=True), CtState.UNTRACKED),
        ("CT --zone 5", Template(Zone(5)), CtState.NEW),
        ("CT --zone-orig 5", Template(Zone(5, is_reply=False)), CtState.NEW),
        ("CT --zone-reply 5", Template(Zone(5, is_original=False)), CtState.NEW),
        # The mark's lower 16 bits.
        ("CT --zone mark", Template(Zone(0x5678)), CtState.NEW),
        ("CT --helper ftp", Template(helper="ftp"), CtState.NEW),
        ("CT --ctevents new", Template(), CtState.NEW),
    ],
)
def test_conntrack_is_told(words: str, template: Template, ctstate: CtState) -> None:
    passing = transit()
    assert change(words, passing, "raw") is None
    assert (passing.template, passing.ctstate) == (template, ctstate)


@pytest.mark.parametrize("later", ["NOTRACK", "CT --notrack", "CT --zone 7"])
@pytest.mark.parametrize("first", ["NOTRACK", "CT --zone 5"])
def test_who_comes_first_has_the_say(first: str, later: str) -> None:
    passing = transit()
    change(first, passing, "raw")
    told = replace(passing)
    assert change(later, passing, "raw") is None
    assert passing == told


def test_what_conntrack_has_seen_is_told_nothing() -> None:
    passing = transit()
    passing.is_tracked = True
    assert change("NOTRACK", passing, "raw") is None
    assert (passing.template, passing.ctstate) == (None, CtState.INVALID)


@pytest.mark.parametrize(
    ("words", "mark"), [("CT --timeout some", PACKET_MARK), ("CT --zone mark", None)]
)
def test_what_cannot_be_known_is_said(words: str, mark: int | None) -> None:
    passing = transit(mark=mark)
    assert change(words, passing, "raw") is not None
    assert passing.template is None
