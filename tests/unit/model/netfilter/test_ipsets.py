# SPDX-License-Identifier: GPL-2.0-only
"""Membership as the live kernel answers it: sets made by the real ipset, read from its dump."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from ctlint.model.netfilter.ipsets import address_sets, changed_sets
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, format_address, parse_address
from tests.netns import PrivateNetns

pytestmark = pytest.mark.netns

_SCRIPT = """\
create ip hash:ip
add ip 10.0.0.1
add ip 10.5.0.0/30
add ip 255.255.255.255
create masked hash:ip netmask 20
add masked 10.0.16.1
create bits hash:ip bitmask 255.0.255.0
add bits 10.9.9.9
create net hash:net
add net 10.0.0.0/8
add net 10.1.0.0/16 nomatch
add net 10.1.2.0/24
add net 10.1.2.128/25 nomatch
add net 10.1.2.200
add net 10.200.0.0/16 nomatch
create halves hash:net
add halves 0.0.0.0/1
add halves 128.0.0.0/1
add halves 10.0.0.0/8 nomatch
create hole hash:net
add hole 10.1.2.128/26
add hole 255.255.255.0/24
create empty hash:net
create map bitmap:ip range 10.0.0.0/16
add map 10.0.0.0/30
create map24 bitmap:ip range 10.0.0.0/8 netmask 24
add map24 10.1.2.3
create net6 hash:net family inet6
add net6 fd00::/8
add net6 fd00:1::/32 nomatch
add net6 fd00:1::1
create ip6 hash:ip family inet6
add ip6 ::1
create ip6masked hash:ip family inet6 netmask 64
add ip6masked fd00:5::5
"""
_INTERESTING = [
    "0.0.0.1", "9.255.255.255", "10.0.0.0", "10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.15.255",
    "10.0.16.0", "10.0.31.255", "10.0.32.0", "10.1.0.0", "10.1.1.255", "10.1.2.0", "10.1.2.127",
    "10.1.2.128", "10.1.2.191", "10.1.2.192", "10.1.2.199", "10.1.2.200", "10.1.2.201",
    "10.1.2.255", "10.1.3.0", "10.1.255.255", "10.2.0.0", "10.5.0.0", "10.5.0.3", "10.5.0.4",
    "10.77.9.1", "10.199.255.255", "10.200.0.0", "10.201.0.0", "11.0.0.0", "127.255.255.255",
    "128.0.0.0", "255.255.254.255", "255.255.255.0", "255.255.255.255",
]  # fmt: skip
_INTERESTING6 = [
    "::1", "::2", "fc00::", "fd00::", "fd00:1::", "fd00:1::1", "fd00:1::2", "fd00:2::", "fe00::",
    "fd00:5::", "fd00:5::ffff:ffff:ffff:ffff", "fd00:5:0:1::", "fd00:0:ffff:ffff::",
]  # fmt: skip


def _is_member(netns: PrivateNetns, name: str, address: str) -> bool:
    return netns.run(["ipset", "test", name, address], check=False).returncode == 0


def _samples(family: Family) -> Sequence[str]:
    rng = random.Random(4)
    fixed = _INTERESTING if family is Family.IPV4 else _INTERESTING6
    return [*fixed, *(format_address(family, rng.getrandbits(family.bits)) for _ in range(10))]


def test_membership(netns: PrivateNetns) -> None:
    netns.run(["ipset", "restore"], _SCRIPT)
    sets = parse_ipset_save(netns.run(["ipset", "save"]).stdout, "save")
    known = address_sets(sets)
    assert set(known) == set(sets)
    # The script, which has ranges and host bits, says the same as the dump of the kernel.
    written = address_sets(parse_ipset_save(_SCRIPT, "script"))
    for name, found in known.items():
        family = sets[name].family
        assert family is not None
        for text in _samples(family):
            if sets[name].type == "bitmap:ip" and not text.startswith("10."):
                continue
            if name == "map" and not text.startswith("10.0."):
                continue
            address = parse_address(text, family)
            expected = _is_member(netns, name, text)
            assert found.contains(address, family) == expected, (name, text)
            assert written[name].contains(address, family) == expected, (name, text)


_SENDER = """\
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for address in sys.argv[1:]:
    try:
        sender.sendto(b"", (address, 9))
    except PermissionError:
        pass  # what a DROP in OUTPUT answers
"""


def _matches(netns: PrivateNetns, name: str, addresses: Sequence[str]) -> list[bool]:
    """Whether `-m set --match-set` matches packets to these addresses, by a rule's counter."""
    netns.run(["iptables-legacy", "-F", "OUTPUT"])
    rules = [f"-A OUTPUT -d {text} -m set --match-set {name} dst -j DROP" for text in addresses]
    netns.run(
        ["iptables-legacy-restore"], "*filter\n:OUTPUT ACCEPT\n" + "\n".join(rules) + "\nCOMMIT\n"
    )
    netns.run(["python3", "-c", _SENDER, *addresses])
    saved = netns.run(["iptables-legacy-save", "-c", "-t", "filter"]).stdout
    lines = [line for line in saved.splitlines() if "--match-set" in line]
    return [not line.startswith("[0:0]") for line in lines]


def test_lists(netns: PrivateNetns) -> None:
    """A list of sets, with exceptions in its members, against packets and the real match: the
    program `ipset` tests only the names in a list.
    """
    netns.run(["ipset", "restore"], _SCRIPT)
    lists = {
        "l1": ["net", "hole"], "l2": ["hole", "net"], "l3": ["net", "halves"], "l4": ["net", "ip"],
        "l5": [], "l6": ["net", "empty"],
    }  # fmt: skip
    for name, members in lists.items():
        netns.run(["ipset", "create", name, "list:set"])
        for member in members:
            netns.run(["ipset", "add", name, member])
    netns.run(["ip", "route", "add", "default", "dev", "lo"])
    known = address_sets(parse_ipset_save(netns.run(["ipset", "save"]).stdout, "save"))
    # What the kernel routes as unicast.
    odd = ("0.0.0.1", "127.255.255.255", "255.255.255.255")
    addresses = [text for text in _INTERESTING if text not in odd]
    for name in lists:
        expected = _matches(netns, name, addresses)
        ours = [
            known[name].contains(parse_address(text, Family.IPV4), Family.IPV4)
            for text in addresses
        ]
        assert dict(zip(addresses, ours, strict=True)) == dict(
            zip(addresses, expected, strict=True)
        ), name
    assert True in _matches(netns, "l1", addresses)


def test_what_is_not_known() -> None:
    sets = parse_ipset_save(
        "create p hash:ip,port\ncreate t hash:ip timeout 60\ncreate a hash:ip\ncreate b hash:ip\n"
        "create six hash:ip family inet6\n"
        "create l1 list:set\nadd l1 a\nadd l1 p\ncreate l2 list:set\nadd l2 a\nadd l2 six\n"
        "create l3 list:set\nadd l3 a\ncreate l4 list:set\nadd l4 b\n",
        "t",
    )
    rules = parse_rulesets(
        "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -j SET --add-set b src\n"
        "-A PREROUTING -m set --match-set a src -j ACCEPT\nCOMMIT\n",
        "r",
    )
    changed = changed_sets(rules)
    assert changed == {"b"}
    assert set(address_sets(sets, changed)) == {"a", "six", "l3"}
