# SPDX-License-Identifier: GPL-2.0-only
"""The table: zones, timeouts of a connection's own, expiry, clashes, a full table.

Expected values: net/netfilter/nf_conntrack_core.c of 6.18, and what a 6.18 kernel answered.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ctlint.model.conntrack.core import NotModelledError, Template, Tracker
from ctlint.model.conntrack.entry import Entry, TimeoutPolicy, Zone
from ctlint.model.conntrack.first_packet import classify_first
from ctlint.model.conntrack.settings import UdpTimeouts, read_settings
from ctlint.model.conntrack.status import CtInfo, CtState, Dir, TcpCt, Verdict
from ctlint.model.conntrack.tuple import Tuple, get_tuple, invert_tuple
from ctlint.model.kernel.profiles import KernelProfile, all_profiles, profile
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.protocols import ICMP, UDP
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.conntrack.conversation import CLIENT, SERVER, Conversation


def datagram(side: str, *, protocol: int = UDP, defect: Defect | None = None) -> Packet:
    """A datagram between the two ends."""
    saddr, daddr, sport, dport = (
        (CLIENT, SERVER, 5000, 53) if side == "o" else (SERVER, CLIENT, 53, 5000)
    )
    if protocol != UDP:
        return Packet(Family.IPV4, saddr, daddr, protocol, payload=10, defect=defect)
    return Packet(Family.IPV4, saddr, daddr, protocol, sport, dport, payload=10, defect=defect)


def test_an_entry_is_gone_exactly_when_its_timer_is() -> None:
    """nf_ct_is_expired: timeout - now <= 0."""
    for short, found in ((1, "ESTABLISHED SYN_RECV 60"), (0, "INVALID none")):
        talk = Conversation()
        talk.send("o", "S", 1000)
        talk.now = 120 * SECOND - short
        assert talk.send("r", "SA", 5000, 1001) == found


def test_a_dropped_packet_leaves_no_entry() -> None:
    talk = Conversation()
    tracked = talk.tracker.nf_conntrack_in(talk.packet("o", "S", 1000), 0)
    assert tracked.ctstate is CtState.NEW
    assert tracked.entry is not None
    assert tracked.entry.remaining(0) == 120
    assert list(talk.tracker.entries(0)) == []
    assert talk.send("r", "SA", 5000, 1001) == "INVALID none"


def test_the_timer_runs_from_confirmation_on() -> None:
    talk = Conversation()
    tracked = talk.tracker.nf_conntrack_in(talk.packet("o", "S", 1000), 0)
    talk.tracker.nf_conntrack_confirm(tracked, 5 * SECOND)
    assert talk.tracker.next_expiry(5 * SECOND) == 125 * SECOND


def test_expiry_in_order() -> None:
    talk = Conversation()
    assert talk.tracker.next_expiry(0) is None
    talk.give(talk.packet("o", "S", 1000, sport=1))
    talk.now = 10 * SECOND
    talk.give(talk.packet("o", "S", 1000, sport=2))
    assert talk.tracker.next_expiry(talk.now) == 120 * SECOND
    assert [entry.original.sport for entry in talk.tracker.expire(120 * SECOND)] == [1]
    assert talk.tracker.next_expiry(120 * SECOND) == 130 * SECOND
    assert talk.tracker.count == 1


def test_memory_is_bounded_by_live_entries() -> None:
    """Ports that are never seen again do not stay in the table for ever."""
    talk = Conversation(tcp_timeout_syn_sent=1)
    highest = 0
    for port in range(20_000):
        talk.now += SECOND // 100  # a hundred live entries at a time
        talk.give(talk.packet("o", "S", 1000, sport=port))
        highest = max(highest, talk.tracker.count)
    assert highest <= 1200


def test_flush() -> None:
    talk = Conversation()
    talk.shake_hands()
    talk.tracker.flush()
    assert talk.send("o", "FA", 1001, 5001) == "INVALID none"


def test_a_connection_to_itself_has_one_tuple() -> None:
    """Both directions have the same tuple, and the kernel finds the reply direction's first."""
    talk = Conversation()
    here = Packet(Family.IPV4, CLIENT, CLIENT, 6, 80, 80, TcpFlags.SYN, seq=1000)
    assert talk.give(here) == "NEW SYN_SENT 120 u"
    assert talk.give(here) == "ESTABLISHED SYN_SENT2 120"
    assert len(list(talk.tracker.entries(0))) == 1
    assert talk.tracker.count == 1
    talk.wait(120)
    assert len(talk.tracker.expire(talk.now)) == 1


def test_a_connection_to_itself_in_a_zone_of_one_direction_is_one_entry() -> None:
    """Its two halves stand in two zones; ctnetlink_dump_table lists the original one alone."""
    talk = Conversation()
    here = Packet(Family.IPV4, CLIENT, CLIENT, 6, 80, 80, TcpFlags.SYN, seq=1000)
    talk.give(here, Template(Zone(5, is_reply=False)))
    assert len(list(talk.tracker.entries(0))) == 1
    talk.wait(120)
    assert len(talk.tracker.expire(talk.now)) == 1


# ---- the CT target


def test_notrack() -> None:
    talk = Conversation()
    assert talk.give(talk.packet("o", "S", 1000), Template(notrack=True)) == "UNTRACKED none"
    assert talk.tracked is not None
    assert talk.tracked.ctinfo is CtInfo.UNTRACKED


def test_zones_keep_connections_apart() -> None:
    talk = Conversation()
    first, second = Template(Zone(1)), Template(Zone(2))
    assert talk.give(talk.packet("o", "S", 1000), first) == "NEW SYN_SENT 120 u"
    assert talk.give(talk.packet("o", "S", 1000), second) == "NEW SYN_SENT 120 u"
    assert talk.give(talk.packet("o", "S", 1000)) == "NEW SYN_SENT 120 u"
    assert talk.give(talk.packet("r", "SA", 5000, 1001), first) == "ESTABLISHED SYN_RECV 60"
    assert talk.give(talk.packet("o", "A", 1001, 5001), second).startswith("INVALID")
    assert len(list(talk.tracker.entries(0))) == 3


def test_a_zone_of_one_direction() -> None:
    """--zone-orig 5: the answer is looked up in the default zone (nf_ct_zone_id)."""
    talk = Conversation()
    original = Template(Zone(5, is_reply=False))
    assert talk.give(talk.packet("o", "S", 1000), original) == "NEW SYN_SENT 120 u"
    assert talk.give(talk.packet("o", "S", 1000), original) == "NEW SYN_SENT 120 u"
    assert talk.give(talk.packet("r", "SA", 5000, 1001)) == "ESTABLISHED SYN_RECV 60"
    # From the zone's side the answer is found too: its reply direction is the default zone.
    assert talk.give(talk.packet("r", "SA", 5000, 1001), original).startswith("ESTABLISHED")
    # Without a zone the client's packets belong to no connection.
    assert talk.give(talk.packet("o", "FA", 1001, 5001)) == "INVALID none"


def test_a_tuple_of_another_direction_is_not_found() -> None:
    """nf_ct_key_equal: the zones of the direction that was found must agree."""
    talk = Conversation()
    talk.give(talk.packet("o", "S", 1000), Template(Zone(5, is_original=False)))
    # Its original direction stands in the default zone, whose replies are not zone 5's.
    assert talk.give(talk.packet("o", "S", 1000)).startswith("NEW")
    key = get_tuple(talk.packet("r", "SA"))
    assert talk.tracker.find(key, 0, Zone(5, is_reply=False)) is None
    assert talk.tracker.find(key, 0, Zone(5)) is not None


def test_timeouts_of_a_connections_own() -> None:
    """CT --timeout: the policy replaces the sysctls, for its protocol only."""
    talk = Conversation()
    tcp = tuple(second * SECOND for second in range(1000, 1012))
    policy = TimeoutPolicy(tcp=tcp)
    assert talk.give(talk.packet("o", "S", 1000), Template(policy=policy)) == "NEW SYN_SENT 1001 u"
    assert talk.send("r", "SA", 5000, 1001) == "ESTABLISHED SYN_RECV 1002"
    assert talk.send("o", "A", 1001, 5001) == "ESTABLISHED ESTABLISHED 1003 a"
    assert talk.give(datagram("o"), Template(policy=policy)) == "NEW 30 u"

    udp = TimeoutPolicy(udp=UdpTimeouts(5 * SECOND, 50 * SECOND), generic=7 * SECOND)
    other = Conversation()
    assert other.give(datagram("o"), Template(policy=udp)) == "NEW 5 u"
    assert other.give(datagram("o", protocol=89), Template(policy=udp)) == "NEW 7 u"


# ---- UDP and the generic tracker


def test_udp_becomes_a_stream_after_two_seconds() -> None:
    """Strictly after: time_after(jiffies, stream_ts)."""
    talk = Conversation()
    assert talk.give(datagram("o")) == "NEW 30 u"
    assert talk.give(datagram("o")) == "NEW 30 u"
    assert talk.give(datagram("r")) == "ESTABLISHED 30"
    talk.wait(2)
    assert talk.give(datagram("o")) == "ESTABLISHED 30"
    talk.now += 1
    assert talk.give(datagram("o")) == "ESTABLISHED 120 a"
    assert talk.give(datagram("r")) == "ESTABLISHED 120 a"


def test_the_first_answer_is_handled_before_the_entry_counts_as_replied() -> None:
    talk = Conversation()
    talk.give(datagram("o"))
    talk.wait(5)
    assert talk.give(datagram("r")) == "ESTABLISHED 30"
    assert talk.give(datagram("r")) == "ESTABLISHED 120 a"


@pytest.mark.parametrize(
    ("kernel", "third"),
    [
        ("4.19", "ESTABLISHED 180 a"),  # at once, for three minutes
        ("rhel7", "ESTABLISHED 180 a"),
        ("5.14", "ESTABLISHED 30 a"),  # UDP_STREAM_AFTER_2S
        ("rhel8", "ESTABLISHED 30 a"),
        ("5.4", "ESTABLISHED 30"),  # UDP_ASSURED_AS_STREAM
        ("5.10", "ESTABLISHED 30"),
        ("5.15", "ESTABLISHED 30"),
        ("6.18", "ESTABLISHED 30"),
    ],
)
def test_udp_of_older_kernels(kernel: str, third: str) -> None:
    talk = Conversation(kernel)
    talk.give(datagram("o"))
    talk.give(datagram("r"))
    assert talk.give(datagram("o")) == third


def test_a_wrong_checksum_counts_only_on_the_way_in() -> None:
    broken = datagram("o", defect=Defect.CHECKSUM)
    talk = Conversation()
    assert talk.give(broken) == "INVALID none"
    assert talk.log == ["bad checksum"]
    assert talk.give(broken, is_received=False) == "NEW 30 u"
    assert Conversation(checksum=0).give(broken) == "NEW 30 u"
    segment = talk.packet("o", "S", 1000)._replace(defect=Defect.CHECKSUM)
    assert talk.give(segment) == "INVALID none"
    assert talk.give(segment, is_received=False) == "NEW SYN_SENT 120 u"
    assert Conversation(checksum=0).give(segment) == "NEW SYN_SENT 120 u"


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (datagram("o", defect=Defect.TRUNCATED), "truncated/malformed packet"),
        (Conversation().packet("o", "S"), "truncated packet"),
        (Packet(Family.IPV4, CLIENT, SERVER, ICMP, icmp_type=8), "short packet"),
    ],
)
def test_a_header_that_is_cut_short(packet: Packet, words: str) -> None:
    talk = Conversation()
    assert talk.give(packet._replace(defect=Defect.TRUNCATED)) == "INVALID none"
    assert talk.log == [words]


def test_any_other_protocol() -> None:
    talk = Conversation()
    assert talk.give(datagram("o", protocol=89)) == "NEW 600 u"
    talk.wait(100)
    assert talk.give(datagram("r", protocol=89)) == "ESTABLISHED 600"


@pytest.mark.parametrize(
    ("kernel", "protocol"), [("6.12", 33), ("7.3", 47), ("7.3", 132), ("6.18", 136)]
)
def test_protocols_that_are_not_modelled(kernel: str, protocol: int) -> None:
    with pytest.raises(NotModelledError):
        Conversation(kernel).give(datagram("o", protocol=protocol))


@pytest.mark.parametrize(("kernel", "protocol"), [("6.18", 33), ("7.3", 33), ("7.1", 136)])
def test_protocols_whose_tracker_is_gone(kernel: str, protocol: int) -> None:
    """DCCP_TRACKER_GONE, UDPLITE_TRACKER_GONE: nf_conntrack_proto.c no longer names them."""
    assert Conversation(kernel).give(datagram("o", protocol=protocol)) == "NEW 600 u"


# ---- confirmation and clashes


def test_of_two_syns_at_the_same_time_one_is_dropped() -> None:
    talk = Conversation()
    first = talk.tracker.nf_conntrack_in(talk.packet("o", "S", 1000), 0)
    second = talk.tracker.nf_conntrack_in(talk.packet("o", "S", 1000), 0)
    assert talk.tracker.nf_conntrack_confirm(first, 0) is Verdict.ACCEPT
    assert talk.tracker.nf_conntrack_confirm(first, 0) is Verdict.ACCEPT
    assert talk.tracker.nf_conntrack_confirm(second, 0) is Verdict.DROP


def at_once(kernel: str, one: Packet, other: Packet, *templates: Template) -> tuple[Verdict, bool]:
    """Two packets are tracked before either leaves: the fate of the second, and if both share."""
    talk = Conversation(kernel)
    ways = templates or (Template(), Template())
    first, second = (
        talk.tracker.nf_conntrack_in(packet, 0, way)
        for packet, way in zip((one, other), ways, strict=True)
    )
    assert talk.tracker.nf_conntrack_confirm(first, 0) is Verdict.ACCEPT
    verdict = talk.tracker.nf_conntrack_confirm(second, 0)
    return verdict, second.entry is first.entry


ECHO = Packet(Family.IPV4, CLIENT, SERVER, ICMP, icmp_type=8, icmp_code=0, icmp_id=7)


@pytest.mark.parametrize(
    ("kernel", "packet", "passes"),
    [  # allow_clash in the trackers of 4.4.178, 4.9, 6.1.175, 6.19.0 and 7.1.5
        ("4.8", datagram("o"), False),
        ("rhel7", datagram("o"), True),
        ("4.9", datagram("o"), True),
        ("6.18", datagram("o"), True),
        ("6.18", datagram("o", protocol=89), False),
        ("6.1", datagram("o", protocol=89), True),
        ("7.1", datagram("o", protocol=89), True),
        ("6.19", ECHO, False),
        ("7.1", ECHO, True),
    ],
)
def test_two_packets_at_the_same_time(kernel: str, packet: Packet, passes: bool) -> None:
    """nf_ct_resolve_clash: the second takes the entry of the first, where its protocol allows."""
    assert at_once(kernel, packet, packet) == (Verdict.ACCEPT if passes else Verdict.DROP, passes)


def test_two_ends_that_speak_at_the_same_time() -> None:
    """nf_ct_match_reverse: it is one connection, seen from either end."""
    for kernel in ("4.9", "6.12", "6.18"):
        assert at_once(kernel, datagram("o"), datagram("r")) == (Verdict.ACCEPT, True)


def test_one_tuple_in_two_zones() -> None:
    """CLASH_NEEDS_MATCH: measured on 6.18.44, the second is dropped; before it was taken along."""
    zones = tuple(Template(Zone(number, is_reply=False)) for number in (1, 2))
    for kernel, passes in (("6.10", True), ("6.12", False), ("6.18", False)):
        verdict, is_shared = at_once(kernel, datagram("o"), datagram("o"), *zones)
        assert is_shared is passes
        assert (verdict is Verdict.ACCEPT) is passes


def test_an_entry_that_was_killed_is_not_confirmed() -> None:
    talk = Conversation()
    tracked = talk.tracker.nf_conntrack_in(talk.packet("o", "S", 1000), 0)
    assert tracked.entry is not None
    talk.tracker.nf_ct_kill(tracked.entry)
    assert talk.tracker.nf_conntrack_confirm(tracked, 0) is Verdict.DROP


def test_a_packet_of_the_reply_direction_confirms_nothing() -> None:
    """REJECT answers with the entry of the packet that it rejects attached."""
    talk = Conversation()
    tracked = talk.tracker.nf_conntrack_in(talk.packet("o", "S", 1000), 0)
    tracked.ctinfo = CtInfo.RELATED_REPLY
    assert talk.tracker.nf_conntrack_confirm(tracked, 0) is Verdict.ACCEPT
    assert talk.tracker.count == 0


def test_nothing_to_confirm() -> None:
    talk = Conversation()
    tracked = talk.tracker.nf_conntrack_in(talk.packet("o", "R", 1000), 0)
    assert talk.tracker.nf_conntrack_confirm(tracked, 0) is Verdict.ACCEPT


# ---- a full table


def fill(talk: Conversation, many: int) -> None:
    for port in range(many):
        talk.give(talk.packet("o", "S", 1000, sport=port))


def test_a_full_table_drops_what_needs_an_entry() -> None:
    talk = Conversation(max=3)
    talk.shake_hands()
    fill(talk, 2)
    assert talk.send("o", "A", 1001, 5001).startswith("ESTABLISHED")
    assert talk.give(talk.packet("o", "S", 1000, sport=99)) == "DROP"
    talk.wait(120)  # the two have expired
    assert talk.give(talk.packet("o", "S", 1000, sport=99)) == "NEW SYN_SENT 120 u"


def test_a_malformed_packet_meets_a_full_table_first() -> None:
    """CHECKS_AFTER_ALLOCATION: before 4.20 its header was looked at before an entry was made."""
    for kernel, answer in (("4.19", "INVALID none"), ("4.20", "DROP")):
        talk = Conversation(kernel, max=1)
        fill(talk, 1)
        assert talk.send("o", "SF", 1000) == answer
        assert talk.give(datagram("o", defect=Defect.TRUNCATED)) == answer
        assert talk.send("o", "S", 1000) == "DROP"


def test_early_drop_asks_for_entries_that_are_not_assured() -> None:
    offered: list[int] = []

    def oldest(candidates: Sequence[Entry]) -> Entry | None:
        offered.extend(entry.original.sport for entry in candidates)
        return candidates[0]

    talk = Conversation(max=3)
    talk.tracker = Tracker(talk.kernel, read_settings(talk.kernel, talk.sysctls), oldest)
    talk.shake_hands()
    fill(talk, 2)
    assert talk.give(talk.packet("o", "S", 1000, sport=99)) == "NEW SYN_SENT 120 u"
    assert offered == [0, 1]
    ports = [entry.original.sport for entry in talk.tracker.entries(0)]
    assert ports == [40000, 1, 99]

    full = Conversation(max=1)
    full.tracker = Tracker(full.kernel, read_settings(full.kernel, full.sysctls), oldest)
    full.shake_hands()
    assert full.give(full.packet("o", "S", 1000, sport=99)) == "DROP"  # all are ASSURED


def test_the_collector_evicts_what_is_closing() -> None:
    """GC_EARLY_DROP, since 4.12: until the table is 95 % full."""
    for kernel, left in (("6.18", 94), ("4.11", 100)):
        talk = Conversation(kernel, max=100)
        talk.shake_hands()
        talk.send("o", "FA", 1001, 5001)
        fill(talk, 99)
        gone = talk.tracker.gc_worker(talk.now)
        assert talk.tracker.count == left
        assert len(gone) == 100 - left
        if gone:
            assert TcpCt(gone[0].tcp.state) is TcpCt.FIN_WAIT

    talk = Conversation(max=100)
    for port in range(96):
        talk.give(talk.packet("o", "A", 1000, 5000, sport=port))
        talk.give(talk.packet("r", "A", 5000, 1000, sport=port))
        talk.give(talk.packet("o", "A", 1000, 5000, sport=port))
    assert talk.tracker.gc_worker(talk.now) == []  # established and ASSURED


# ---- tuples, status, settings


def test_tuples_of_all_protocols() -> None:
    echo = Packet(Family.IPV4, CLIENT, SERVER, ICMP, icmp_type=8, icmp_code=0, icmp_id=77)
    assert get_tuple(echo) == Tuple(4, 1, CLIENT, 77, SERVER, 0x0800)
    assert invert_tuple(get_tuple(echo)) == Tuple(4, 1, SERVER, 77, CLIENT, 0)
    assert get_tuple(datagram("o", protocol=89)) == Tuple(4, 89, CLIENT, 0, SERVER, 0)
    unreachable = echo._replace(icmp_type=3)
    assert invert_tuple(get_tuple(unreachable)) is None


@pytest.mark.parametrize(
    ("info", "direction", "ctstate"),
    [
        (CtInfo.NEW, Dir.ORIGINAL, CtState.NEW),
        (CtInfo.ESTABLISHED, Dir.ORIGINAL, CtState.ESTABLISHED),
        (CtInfo.ESTABLISHED_REPLY, Dir.REPLY, CtState.ESTABLISHED),
        (CtInfo.RELATED, Dir.ORIGINAL, CtState.RELATED),
        (CtInfo.RELATED_REPLY, Dir.REPLY, CtState.RELATED),
    ],
)
def test_ctinfo(info: CtInfo, direction: Dir, ctstate: CtState) -> None:
    assert info.direction is direction
    assert info.ctstate is ctstate


def test_expected_connections_are_related() -> None:
    """IPS_EXPECTED: what a helper foretold."""
    talk = Conversation()
    talk.send("o", "S", 1000)
    talk.entry.status |= 1
    assert talk.send("o", "S", 1000) == "RELATED SYN_SENT 120 u"


def test_settings_ignore_what_the_kernel_does_not_have() -> None:
    old = read_settings(profile("5.10"), {"net.netfilter.nf_conntrack_tcp_ignore_invalid_rst": 1})
    assert not old.tcp_ignore_invalid_rst
    named = "net.ipv4.netfilter.ip_conntrack_tcp_timeout_syn_sent2"
    assert read_settings(profile("3.10"), {named: 77}).tcp[TcpCt.SYN_SENT2] == 77 * SECOND
    assert read_settings(profile("6.18"), {named: 77}).tcp[TcpCt.SYN_SENT2] == 120 * SECOND


@pytest.mark.parametrize("kernel", all_profiles(), ids=lambda kernel: kernel.name)
def test_the_first_packet_as_the_table_alone_tells_it(kernel: KernelProfile) -> None:
    """classify_first, which rules are judged by, says what the tracker does."""
    for loose in (0, 1):
        settings = read_settings(kernel, {"net.netfilter.nf_conntrack_tcp_loose": loose})
        for value in range(256):
            flags = TcpFlags(value)
            packet = Packet(Family.IPV4, CLIENT, SERVER, 6, 40000, 80, flags, seq=5, ack=9**9)
            tracker = Tracker(kernel, settings)
            tracked = tracker.nf_conntrack_in(packet, 0)
            first = classify_first(flags, tcp_loose=bool(loose), kernel=kernel)
            assert tracked.ctstate is first.ctstate
            assert [line.reason for line in tracked.log] == ([first.reason] if first.reason else [])
            if tracked.entry is not None:
                assert tracked.entry.tcp.state == first.entry_state
