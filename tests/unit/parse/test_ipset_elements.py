# SPDX-License-Identifier: GPL-2.0-only
"""Elements of several dimensions. Forms: ipset(8); names, numbers: what ipset 7.17 saved and
Linux 6.18 held for the same lines.
"""

from __future__ import annotations

import pytest

from ctlint.ir.ipset import Extensions, Interface, Service
from ctlint.ir.values import Masked
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.wire.addresses import Family, parse_net
from tests.netns import PrivateNetns


def _shown(part: object) -> str:
    if isinstance(part, Service):
        return f"{part.protocol}:{part.port}"
    if isinstance(part, Interface):
        return f"{part.name}{'+' * part.is_wildcard}{' bridge' * part.is_physdev}"
    return f"{part:x}" if isinstance(part, int) else str(part).removesuffix("/32")


def _elements(create: str, add: str) -> list[str]:
    (found,) = parse_ipset_save(f"create s {create}\nadd s {add}\n", "t").values()
    return [" ".join(_shown(part) for part in element) for element in found.elements]


CASES = [
    ("hash:ip,port", "10.0.0.1,80", ["10.0.0.1 6:80"]),
    ("hash:ip,port", "10.0.0.1,http", ["10.0.0.1 6:80"]),
    ("hash:ip,port", "10.0.0.1,udp:53", ["10.0.0.1 17:53"]),
    ("hash:ip,port", "10.0.0.1,icmp:8/0", ["10.0.0.1 1:2048"]),
    ("hash:ip,port", "10.0.0.1,icmp:host-unreachable", ["10.0.0.1 1:769"]),
    ("hash:ip,port", "10.0.0.1,gre:0", ["10.0.0.1 47:0"]),
    ("hash:ip,port", "10.0.0.1,udplite:7", ["10.0.0.1 136:7"]),
    ("hash:ip,port netmask 24", "10.0.0.9,tcp:5", ["10.0.0.0 6:5"]),
    (
        "hash:ip,port",
        "10.0.0.2-10.0.0.3,tcp:11-10",
        ["10.0.0.2 6:10", "10.0.0.2 6:11", "10.0.0.3 6:10", "10.0.0.3 6:11"],
    ),
    ("hash:ip,port family inet6", "fd00::1,icmpv6:128/0", ["fd00::1/128 58:32768"]),
    ("hash:ip,port family inet6", "fd00::1,ipv6-icmp:echo-request", ["fd00::1/128 58:32768"]),
    ("hash:net,port", "10.9.0.0/8,sctp:80", ["10.0.0.0/8 132:80"]),
    ("hash:ip,port,ip", "10.0.0.1,80,10.0.0.2", ["10.0.0.1 6:80 10.0.0.2"]),
    ("hash:ip,port,net", "10.0.0.1,80,10.0.0.0/8", ["10.0.0.1 6:80 10.0.0.0/8"]),
    ("hash:net,net", "10.0.0.0/8,11.0.0.0/8", ["10.0.0.0/8 11.0.0.0/8"]),
    ("hash:net,iface", "10.0.0.0/8,eth0", ["10.0.0.0/8 eth0"]),
    ("hash:net,iface", "0.0.0.0/0,eth wildcard", ["0.0.0.0/0 eth+"]),
    ("hash:net,iface", "10.0.0.0/8,physdev:eth3", ["10.0.0.0/8 eth3 bridge"]),
    ("hash:ip,mark", "10.0.0.1,0x63", ["10.0.0.1 63"]),
    ("hash:ip,mark markmask 0xf", "10.0.0.1,99", ["10.0.0.1 3"]),
    ("hash:mac", "AA:BB:CC:00:11:22", ["aabbcc001122"]),
    ("hash:ip,mac", "10.0.0.1,0:1:2:3:4:5", ["10.0.0.1 102030405"]),
    ("bitmap:ip,mac range 10.0.0.0/24", "10.0.0.1", ["10.0.0.1 None"]),
    ("bitmap:ip,mac range 10.0.0.0/24", "10.0.0.1,0:1:2:3:4:5", ["10.0.0.1 102030405"]),
    ("bitmap:port range 0-1000", "85-87", ["55", "56", "57"]),
    ("bitmap:port range 0-1000", "udp:53", ["35"]),
]


@pytest.mark.parametrize(("create", "add", "expected"), CASES)
def test_elements(create: str, add: str, expected: list[str]) -> None:
    assert _elements(create, add) == expected


@pytest.mark.netns
def test_the_kernel_saves_what_was_read(netns: PrivateNetns) -> None:
    """What `ipset save` prints of a line stands for the same elements as the line."""
    asked = 0
    for create, add, _ in CASES:
        text = f"create s {create}\nadd s {add}\n"
        netns.run(["ipset", "destroy"])
        answer = netns.run(["ipset", "restore"], text, check=False)
        if "type not supported" in answer.stderr:
            continue
        assert answer.returncode == 0, (text, answer.stderr)
        saved = parse_ipset_save(netns.run(["ipset", "save"]).stdout, "save")["s"]
        assert set(saved.elements) == set(parse_ipset_save(text, "t")["s"].elements), text
        asked += 1
    assert asked > 15


def test_extensions() -> None:
    """A line of `ipset save`, and the fast path beside it."""
    found = parse_ipset_save(
        "create e hash:ip,port timeout 50 counters skbinfo maxelem 7 forceadd\n"
        "add e 10.0.0.3,80 timeout 9 packets 5 bytes 70 skbmark 0x5/0xff skbprio 1:2 skbqueue 9\n"
        "create j hash:ip timeout 5 counters\n"
        "add j 1.1.1.1 timeout 4 packets 5 bytes 7\n"
        "create n hash:net\nadd n 10.0.0.0/8 nomatch\n"
        "create l list:set timeout 9 counters skbinfo\n"
        "add l j timeout 6 packets 3 bytes 9 skbmark 0x3\n",
        "t",
    )
    (extensions,) = found["e"].elements.values()
    assert extensions == Extensions(False, 9, 5, 70, Masked(5, 0xFF))
    sets = found["e"]
    assert (sets.timeout, sets.max_elements) == (50, 7)
    assert sets.has_counters
    assert sets.has_marks
    assert sets.replaces
    assert found["j"].elements == {
        parse_net("1.1.1.1", Family.IPV4): Extensions(False, 4, 5, 7, None)
    }
    assert found["l"].lists == {"j": Extensions(False, 6, 3, 9, Masked(3, 0xFFFFFFFF))}
    assert found["n"].exceptions == (parse_net("10.0.0.0/8", Family.IPV4),)


def test_an_element_that_is_written_anew_keeps_its_counters() -> None:
    """Measured on Linux 6.18: `ipset -exist restore` of both lines, then `ipset save`."""
    (found,) = parse_ipset_save(
        "create n hash:net counters\nadd n 10.0.0.0/8 nomatch packets 3 bytes 9\n"
        "add n 10.1.0.0/8\n",
        "t",
    ).values()
    assert list(found.elements.values()) == [Extensions(False, None, 3, 9, None)]


def test_a_name_is_resolved_when_the_set_is_loaded() -> None:
    (found,) = parse_ipset_save("create s hash:ip,port\nadd s www.example.org,80\n", "t").values()
    assert found.unread == "the address of 'www.example.org' is not known"
    (timing,) = parse_ipset_save("create s hash:ip timeout 5\nadd s 10.0.0.1\n", "t").values()
    assert (timing.unread, timing.unknown) == (None, "its elements time out")
    assert timing.members == ()


def test_lines_of_too_many_elements() -> None:
    text = f"create s hash:ip,port maxelem {1 << 32 - 1}\nadd s 10.0.0.0/8,80\n"
    with pytest.raises(Exception, match="more than 1,048,576 elements"):
        parse_ipset_save(text, "t")
