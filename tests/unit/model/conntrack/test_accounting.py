# SPDX-License-Identifier: GPL-2.0-only
"""What entries count, and which tuples are taken.

Expected values: nf_conntrack_acct.c, nf_conntrack_proto_tcp.c and nf_conntrack_core.c of 6.18; that
a repeated SYN and an ignored packet are not counted was measured on 6.18.44 with rules that ask
connbytes. Lengths are those of IP packets: 20 bytes of IPv4, 20 of TCP, 8 of UDP.
"""

from __future__ import annotations

import pytest

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.entry import Entry, Zone
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.tuple import Tuple, invert_tuple
from ctlint.model.kernel.profiles import profile
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP, UDP
from tests.unit.model.conntrack.conversation import CLIENT, SERVER, Conversation


def test_traffic_is_counted_in_each_direction() -> None:
    talk = Conversation(acct=1)
    talk.shake_hands()
    talk.send("o", "PA", 1001, 5001, 100)
    talk.send("r", "A", 5001, 1101)
    assert talk.entry.packets == (3, 2)
    assert talk.entry.bytes == (40 + 40 + 140, 40 + 40)


def test_without_the_sysctl_nothing_is_counted_until_a_rule_asks() -> None:
    talk = Conversation()
    talk.send("o", "S", 1000)
    assert talk.entry.packets == (0, 0)
    talk.tracker.account()
    talk.send("r", "SA", 5000, 1001)
    assert talk.entry.packets == (0, 1)


def test_what_leaves_the_timer_alone_is_not_counted() -> None:
    talk = Conversation(acct=1)
    talk.send("o", "S", 1000)
    talk.send("o", "S", 1000)
    assert talk.entry.packets == (1, 0)
    old = Conversation("2.6.32", acct=1)
    old.send("o", "S", 1000)
    old.send("o", "S", 1000)
    assert old.entry.packets == (2, 0)
    talk.send("r", "SA", 5000, 1001)
    talk.send("o", "A", 1001, 5001)
    assert talk.send("o", "S", 90000) == "ESTABLISHED ESTABLISHED 432000 a"
    assert talk.entry.packets == (2, 1)
    assert talk.send("o", "FA", 900000000, 5001) == "INVALID ESTABLISHED 432000 a"
    assert talk.entry.packets == (2, 1)


def test_an_rst_that_ends_the_entry_is_counted() -> None:
    """nf_ct_kill_acct: rules that the RST meets see it counted."""
    talk = Conversation(acct=1)
    talk.send("o", "S", 1000)
    entry = talk.entry
    assert talk.send("r", "RA", 0, 1001) == "ESTABLISHED none"
    assert entry.packets == (1, 1)


def test_datagrams_are_counted_and_broken_ones_are_not() -> None:
    talk = Conversation(acct=1)
    query = Packet(Family.IPV4, CLIENT, SERVER, UDP, 5000, 53, payload=10)
    talk.give(query)
    talk.give(query._replace(saddr=SERVER, daddr=CLIENT, sport=53, dport=5000, payload=30))
    assert (talk.entry.packets, talk.entry.bytes) == ((1, 1), (38, 58))


def entry_of(sport: int, zone: int = 0) -> Entry:
    original = Tuple(int(Family.IPV4), TCP, CLIENT, sport, SERVER, 80)
    reply = invert_tuple(original)
    assert reply is not None
    return Entry(original, reply, Zone(zone))


@pytest.mark.parametrize(
    ("sport", "zone", "is_taken"),
    [
        (40001, 0, True),
        # The same connection, opened twice at once.
        (40000, 0, False),
        (40001, 7, False),
    ],
)
def test_a_reply_tuple_is_taken_by_another_connection(
    sport: int, zone: int, is_taken: bool
) -> None:
    """nf_conntrack_tuple_taken: of another connection, in the same zone."""
    talk = Conversation()
    talk.send("o", "S", 1000)
    wanted = talk.entry.reply
    found = talk.tracker.nf_conntrack_tuple_taken(wanted, entry_of(sport, zone), talk.now)
    assert (found is talk.entry) is is_taken
    assert talk.tracker.nf_conntrack_tuple_taken(wanted, talk.entry, talk.now) is None


def test_a_free_tuple_is_not_taken() -> None:
    kernel = profile("6.18")
    tracker = Tracker(kernel, read_settings(kernel, {}))
    one = entry_of(40000)
    assert tracker.nf_conntrack_tuple_taken(one.reply, one, 0) is None
