# SPDX-License-Identifier: GPL-2.0-only
"""Sets while packets pass, where this machine's kernel cannot be asked: types that it may not have,
and moments. Expected values are those of net/netfilter/ipset of Linux 6.18. What can be asked of a
kernel is in tests/kernel/test_remembering.py.
"""

from __future__ import annotations

import pytest

from ctlint.ir.rule import Option, Target
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.host import Host
from ctlint.model.netfilter.jiffies import HZ
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.set_lookup import is_in_set, sides
from ctlint.model.netfilter.set_state import Request, SetState, load_sets
from ctlint.model.netfilter.set_target import apply_set, forget_sets
from ctlint.model.netfilter.transit import Facts, Mac, Transit
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags

SYN = Packet(Family.IPV4, 0x0A010002, 0x0A020002, 6, 40000, 80, TcpFlags.SYN)
SYN6 = SYN._replace(
    family=Family.IPV6,
    saddr=parse_address("fd01::2", Family.IPV6),
    daddr=parse_address("fd02::2", Family.IPV6),
)
PING6 = Packet(Family.IPV6, SYN6.saddr, SYN6.daddr, 58, icmp_type=128, icmp_code=0, icmp_id=3)
MAC = Mac(0xAABBCC001122)


def _sets(text: str) -> dict[str, SetState]:
    return load_sets(parse_ipset_save(text, "t"))


def _box(text: str) -> Box:
    return Box(Host(()), Tracker(NEWEST, read_settings(NEWEST, {})), Memory(_sets(text)))


def _transit(packet: Packet = SYN, box: Box | None = None, mark: int = 0) -> Transit:
    return Transit(packet, CtState.NEW, "eth0", "eth1", mark=mark, box=box)


def _has(
    text: str, where: str, transit: Transit | None = None, mac: Mac | None = None, tick: int = 0
) -> bool | None:
    """Whether the set ``s`` has the packet."""
    request = Request(tick, 40)
    return is_in_set(_sets(text), "s", transit or _transit(), sides(where.split(",")), request, mac)


@pytest.mark.parametrize(
    ("create", "add", "where", "expected"),
    [
        ("hash:net,net", "10.1.0.0/16,10.2.0.0/16", "src,dst", True),
        ("hash:net,net", "10.1.0.0/16,10.2.0.0/16", "dst,src", False),
        ("hash:net,net", "0.0.0.0/0,10.2.0.0/16", "src,dst", True),
        ("hash:net,port,net", "10.1.0.0/16,tcp:80,10.2.0.0/16", "src,dst,dst", True),
        ("hash:net,port,net", "10.1.0.0/16,tcp:81,10.2.0.0/16", "src,dst,dst", False),
        ("hash:ip,mark", "10.1.0.2,0x5", "src,src", True),
        ("hash:ip,mark markmask 0x4", "10.1.0.2,0xc", "src,src", True),
        ("hash:ip,mark", "10.1.0.2,0x6", "src,src", False),
        ("hash:mac", "aa:bb:cc:00:11:22", "src", True),
        ("hash:mac", "aa:bb:cc:00:11:23", "src", False),
        ("hash:mac", "aa:bb:cc:00:11:22", "dst", None),
        ("hash:ip,mac", "10.1.0.2,aa:bb:cc:00:11:22", "src,src", True),
        ("hash:ip,mac", "10.2.0.2,aa:bb:cc:00:11:22", "src,src", False),
        ("hash:ip bitmask 255.0.255.0", "10.9.0.9", "src", True),
        ("hash:ip,port netmask 24", "10.1.0.9,tcp:80", "src,dst", True),
        ("bitmap:ip range 10.0.0.0/8 netmask 24", "10.1.0.0", "src", True),
        ("hash:ip family inet6", "fd01::2", "src", False),
        ("hash:ip,port", "10.1.0.2,tcp:80", "src", False),
        ("hash:ip,port", "www.example.org,tcp:80", "src,dst", None),
    ],
)
def test_types(create: str, add: str, where: str, expected: bool | None) -> None:
    text = f"create s {create}\nadd s {add}\n"
    assert _has(text, where, _transit(mark=5), MAC) is expected


def test_ipv6() -> None:
    text = "create s hash:ip,port family inet6\nadd s fd02::2,icmpv6:echo-request\n"
    assert _has(text, "dst,dst", _transit(PING6)) is True
    assert _has(text, "dst,dst", _transit(SYN6)) is False
    text = "create s hash:net family inet6\nadd s fd00::/8\nadd s fd01::/16 nomatch\n"
    assert _has(text, "src", _transit(SYN6)) is False
    assert _has(text, "dst", _transit(SYN6)) is True
    text = "create s bitmap:port range 80-80\nadd s 80\n"
    assert _has(text, "dst", _transit(SYN6)) is True


def test_packets_without_a_mac_address() -> None:
    text = "create s hash:mac\nadd s aa:bb:cc:00:11:22\n"
    own, over_lo = _transit(), _transit()
    own.is_own = True
    over_lo.in_interface = "lo"
    for transit, mac in ((own, MAC), (over_lo, MAC), (_transit(), Mac(None)), (_transit(), Mac(0))):
        assert _has(text, "src", transit, mac) is False
    assert _has(text, "src", _transit(), None) is None


def test_bitmap_takes_the_first_mac_address() -> None:
    """bitmap_ipmac: an address without one matches any, and keeps it; its timer starts then."""
    sets = _sets("create s bitmap:ip,mac range 10.1.0.0/24 timeout 9\nadd s 10.1.0.2 timeout 2\n")
    where = sides(["src", "src"])

    def ask(mac: Mac, tick: int) -> bool | None:
        return is_in_set(sets, "s", _transit(), where, Request(tick, 40), mac)

    assert ask(MAC, 100 * HZ) is True
    assert ask(Mac(1), 101 * HZ) is False
    assert ask(MAC, 102 * HZ) is True
    assert ask(MAC, 102 * HZ + 1) is False


def test_a_wildcard_takes_in_what_it_stands_for() -> None:
    """hash_netiface4_data_equal: the second line writes the extensions of the first anew."""
    sets = _sets(
        "create s hash:net,iface counters\nadd s 10.0.0.0/8,eth wildcard packets 1 bytes 9\n"
        "add s 10.0.0.0/8,eth1 packets 5 bytes 8\n"
    )
    ((interface, member),) = next(iter(sets["s"].members.values())).items()
    assert interface is not None
    assert (interface.name, member.packets) == ("eth", 5)


def test_time_is_over_behind_the_last_tick() -> None:
    text = "create s hash:ip timeout 3\nadd s 10.1.0.2\n"
    assert _has(text, "src", tick=3 * HZ) is True
    assert _has(text, "src", tick=3 * HZ + 1) is False
    assert _has("create s hash:ip timeout 3\nadd s 10.1.0.2 timeout 0\n", "src", tick=1 << 40)


def _add(name: str, *options: Option) -> Target:
    return Target("SET", (Option("add-set", (name, ("src",))), *options))


def test_full_sets() -> None:
    """What has timed out makes room; forceadd takes one that the kernel's hash chooses."""
    other = _transit(SYN._replace(saddr=5))
    box = _box(
        "create t hash:ip maxelem 1 timeout 2\nadd t 10.9.9.9\n"
        "create f hash:ip maxelem 1 forceadd\nadd f 10.9.9.9\n"
    )
    sets = box.memory.sets
    other.box = box
    apply_set(_add("t"), other)
    assert sets["t"].count == 1
    assert is_in_set(sets, "t", other, sides("src"), Request(0, 40), None) is False
    box.now = 3 * SECOND
    apply_set(_add("t"), other)
    assert is_in_set(sets, "t", other, sides("src"), Request(3 * HZ, 40), None) is True
    apply_set(_add("f"), other)
    assert is_in_set(sets, "f", other, sides("src"), Request(0, 40), None) is None


def test_added_again() -> None:
    """--exist writes the extensions anew, and takes a nomatch away."""
    box = _box(
        "create n hash:net counters\nadd n 10.1.0.2 nomatch packets 5 bytes 9\n"
        "create t hash:ip timeout 9\n"
    )
    sets, transit = box.memory.sets, _transit(box=box)
    apply_set(_add("n"), transit)
    assert is_in_set(sets, "n", transit, sides("src"), Request(0, 40), None) is False
    apply_set(_add("n", Option("exist")), transit)
    ((member,),) = (group.values() for group in sets["n"].members.values())
    assert (member.packets, member.bytes, member.nomatch) == (1, 40, False)
    apply_set(_add("t", Option("timeout", 0)), transit)
    assert is_in_set(sets, "t", transit, sides("src"), Request(99 * HZ, 40), None) is True


def test_what_may_have_changed_is_not_known() -> None:
    box = _box("create a hash:ip\ncreate l list:set\nadd l a\ncreate m hash:mac\n")
    sets, transit = box.memory.sets, _transit(box=box)
    # The sender's address is not known, so neither is what was added.
    apply_set(_add("m"), transit, Facts())
    assert sets["m"].unknown is not None
    forget_sets(_add("l"), transit)
    assert sets["a"].unknown is not None


@pytest.mark.parametrize("option", ["add-set", "del-set"])
def test_a_set_of_an_unmodelled_type_is_changed(option: str) -> None:
    """list_set_kadd() and list_set_kdel() end with the first member that takes the packet: behind
    one of which that is not known, no other is.
    """
    box = _box(
        "create s hash:foo\n"
        "create before hash:ip\nadd before 10.1.0.2\ncreate behind hash:ip\n"
        "create l list:set\nadd l s\nadd l behind\n"
        "create first list:set\nadd first before\nadd first s\n"
    )
    sets, transit = box.memory.sets, _transit(box=box)
    apply_set(Target("SET", (Option(option, ("s", ("src",))),)), transit)
    assert is_in_set(sets, "s", transit, sides("src"), Request(0, 40), None) is None
    apply_set(Target("SET", (Option(option, ("first", ("src",))), Option("exist"))), transit)
    is_added = option == "add-set"
    assert is_in_set(sets, "before", transit, sides("src"), Request(0, 40), None) is is_added
    assert is_in_set(sets, "behind", transit, sides("src"), Request(0, 40), None) is False
    apply_set(Target("SET", (Option(option, ("l", ("src",))),)), transit)
    assert is_in_set(sets, "behind", transit, sides("src"), Request(0, 40), None) is None


def test_a_full_set_of_a_list_that_replaces_takes_the_packet() -> None:
    """hash_ip_add() makes room in a set with forceadd: list_set_kadd() asks no other."""
    box = _box(
        "create f hash:ip maxelem 1 forceadd\nadd f 10.9.9.9\ncreate behind hash:ip\n"
        "create l list:set\nadd l f\nadd l behind\n"
    )
    sets, transit = box.memory.sets, _transit(box=box)
    apply_set(_add("l"), transit)
    assert is_in_set(sets, "behind", transit, sides("src"), Request(0, 40), None) is not True


def test_mark_of_a_set_that_is_not_known() -> None:
    box = _box("create a hash:ip\n")
    transit = _transit(box=box, mark=3)
    target = Target("SET", (Option("map-set", ("a", ("src",))), Option("map-mark")))
    apply_set(target, transit)
    assert transit.mark == 3
    target = Target("SET", (Option("map-set", ("b", ("src",))), Option("map-mark")))
    apply_set(target, transit)
    assert transit.mark is None
