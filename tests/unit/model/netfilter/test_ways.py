# SPDX-License-Identifier: GPL-2.0-only
"""The ways of packets through a box. Each answer is that of a live 6.18 kernel with
iptables-legacy: what conntrack calls the packet and whether it came through, what came out, the
rules that matched, the entry with its two tuples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ctlint.model.kernel.profiles import profile
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import play
from ctlint.scenario.reader import scenario_from_json

BASES = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}


def table(name: str, *rules: str, drops: str = "") -> str:
    bases = [f":{base} {'DROP' if base == drops else 'ACCEPT'} [0:0]" for base in BASES[name]]
    return "\n".join([f"*{name}", *bases, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def tcp(way: str, flags: str, seq: int, ack: int, **others: Any) -> dict[str, Any]:
    return {"dir": way, "flags": flags, "seq": seq, "ack": ack, **others}


def syn(way: str = "orig", **others: Any) -> dict[str, Any]:
    return {"dir": way, "flags": "S", "seq": 1000, **others}


def udp(way: str = "orig", **others: Any) -> dict[str, Any]:
    return {"dir": way, "proto": "udp", **others}


def ping(way: str = "orig", **others: Any) -> dict[str, Any]:
    return {"dir": way, "proto": "icmp", "id": 7, **others}


def error(way: str, quoted: str, **others: Any) -> dict[str, Any]:
    return {"dir": way, "proto": "icmp", "quote": quoted, **others}


SYNACK = tcp("reply", "SA", 5000, 1001)
OPEN = [syn(), SYNACK, tcp("orig", "A", 1001, 5001)]
HOST = {"kind": "host"}
SERVER = {"kind": "host", "role": "reply"}
LO = {"kind": "lo"}
V6 = {"kind": "forward", "v6": True}
HOST6 = {"kind": "host", "v6": True}
LO6 = {"kind": "lo", "v6": True}
EVERYTHING = "".join(map(table, BASES))


@dataclass
class Case:
    """A scenario, and what the kernel answered."""

    name: str
    answers: str
    scenario: dict[str, Any]


def case(name: str, answers: str, **scenario: Any) -> Case:
    return Case(name, answers, scenario)


CASES = [
    case(
        "the order in forward",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            raw/PREROUTING policy, mangle/PREROUTING policy, nat/PREROUTING policy,
                mangle/FORWARD policy, filter/FORWARD policy, security/FORWARD policy,
                mangle/POSTROUTING policy, nat/POSTROUTING policy
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000 SA 5000:1001
            raw/PREROUTING policy, mangle/PREROUTING policy, mangle/FORWARD policy,
                filter/FORWARD policy, security/FORWARD policy, mangle/POSTROUTING policy
            entry SYN_RECV 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            right 10.1.0.2:40000 > 10.2.0.2:80 A 1001:5001
            raw/PREROUTING policy, mangle/PREROUTING policy, mangle/FORWARD policy,
                filter/FORWARD policy, security/FORWARD policy, mangle/POSTROUTING policy
            entry ESTABLISHED 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=EVERYTHING,
        packets=OPEN,
    ),
    case(
        "the order of what the box sends",
        """
        NEW through
            wire 10.1.0.1:40000 > 10.2.0.2:80
            raw/OUTPUT policy, mangle/OUTPUT policy, nat/OUTPUT policy, filter/OUTPUT policy,
                security/OUTPUT policy, mangle/POSTROUTING policy, nat/POSTROUTING policy
            entry None 10.1.0.1:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.1:40000
        ESTABLISHED through
            raw/PREROUTING policy, mangle/PREROUTING policy, mangle/INPUT policy, filter/INPUT
                policy, security/INPUT policy
            entry None 10.1.0.1:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.1:40000
        """,
        topology=HOST,
        ruleset=EVERYTHING,
        packets=[udp(), udp("reply")],
    ),
    case(
        "the order of what the box gets",
        """
        NEW through
            raw/PREROUTING policy, mangle/PREROUTING policy, nat/PREROUTING policy, mangle/INPUT
                policy, filter/INPUT policy, security/INPUT policy, nat/INPUT policy
            entry None 10.2.0.2:40000 > 10.1.0.1:80, 10.1.0.1:80 > 10.2.0.2:40000
        ESTABLISHED through
            wire 10.1.0.1:80 > 10.2.0.2:40000
            raw/OUTPUT policy, mangle/OUTPUT policy, filter/OUTPUT policy, security/OUTPUT
                policy, mangle/POSTROUTING policy
            entry None 10.2.0.2:40000 > 10.1.0.1:80, 10.1.0.1:80 > 10.2.0.2:40000
        """,
        topology=SERVER,
        ruleset=EVERYTHING,
        packets=[udp(), udp("reply")],
    ),
    case(
        "the order over lo",
        """
        NEW through
            raw/OUTPUT policy, mangle/OUTPUT policy, nat/OUTPUT policy, filter/OUTPUT policy,
                security/OUTPUT policy, mangle/POSTROUTING policy, nat/POSTROUTING policy,
                raw/PREROUTING policy, mangle/PREROUTING policy, mangle/INPUT policy, filter/INPUT
                policy, security/INPUT policy
            entry None 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        ESTABLISHED through
            raw/OUTPUT policy, mangle/OUTPUT policy, filter/OUTPUT policy, security/OUTPUT
                policy, mangle/POSTROUTING policy, raw/PREROUTING policy, mangle/PREROUTING policy,
                mangle/INPUT policy, filter/INPUT policy, security/INPUT policy
            entry None 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        """,
        topology=LO,
        ruleset=EVERYTHING,
        packets=[udp(), udp("reply")],
    ),
    case(
        "the order of ipv6",
        """
        NEW through
            right fd01::2:40000 > fd02::2:80
            raw/PREROUTING policy, mangle/PREROUTING policy, nat/PREROUTING policy,
                mangle/FORWARD policy, filter/FORWARD policy, security/FORWARD policy,
                mangle/POSTROUTING policy, nat/POSTROUTING policy
            entry None fd01::2:40000 > fd02::2:80, fd02::2:80 > fd01::2:40000
        """,
        topology=V6,
        ruleset6=EVERYTHING,
        packets=[udp()],
    ),
    case(
        "no rules",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000 SA 5000:1001
            entry SYN_RECV 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            right 10.1.0.2:40000 > 10.2.0.2:80 A 1001:5001
            entry ESTABLISHED 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        packets=OPEN,
    ),
    case(
        "no rules over lo",
        """
        NEW through
            entry None 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        """,
        topology=LO,
        packets=[udp()],
    ),
    case(
        "dropped in FORWARD",
        """
        NEW stopped
            filter/FORWARD policy
        NEW stopped
            filter/FORWARD policy
        """,
        ruleset=table("filter", drops="FORWARD"),
        packets=[syn(), syn()],
    ),
    case(
        "dropped in raw",
        """
        None stopped
            raw/PREROUTING#1
        """,
        ruleset=table("raw", "PREROUTING -j DROP"),
        packets=[syn()],
    ),
    case(
        "dropped in OUTPUT",
        """
        NEW stopped
            filter/OUTPUT#1
        """,
        topology=HOST,
        ruleset=table("filter", "OUTPUT -j DROP"),
        packets=[syn()],
    ),
    case(
        "dropped in POSTROUTING",
        """
        NEW stopped
            mangle/PREROUTING policy, mangle/FORWARD policy, mangle/POSTROUTING#1
        """,
        ruleset=table("mangle", "POSTROUTING -j DROP"),
        packets=[syn()],
    ),
    case(
        "dropped in INPUT over lo",
        """
        NEW stopped
            filter/OUTPUT policy, filter/INPUT#1
            entry SYN_SENT 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        """,
        topology=LO,
        ruleset=table("filter", "INPUT -j DROP"),
        packets=[syn()],
    ),
    case(
        "dropped by the policy of nat",
        """
        NEW stopped
            nat/PREROUTING policy
        """,
        ruleset=table("nat", drops="PREROUTING"),
        packets=[syn()],
    ),
    case(
        "dropped by the policy of nat for an answer",
        """
        NEW stopped
            nat/PREROUTING policy, filter/INPUT#1, filter/OUTPUT policy, nat/POSTROUTING policy
        """,
        topology=SERVER,
        ruleset=table("nat", drops="POSTROUTING")
        + table("filter", "INPUT -p tcp -j REJECT --reject-with tcp-reset"),
        packets=[syn()],
    ),
    case(
        "hot",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            filter/FORWARD#2
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000 SA 5000:1001
            filter/FORWARD#2
            entry SYN_RECV 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            right 10.1.0.2:40000 > 10.2.0.2:80 A 1001:5001
            filter/FORWARD#2
            entry ESTABLISHED 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        NEW through
            right 10.1.0.2:2 > 10.2.0.2:80 SP 1000:0
            filter/FORWARD#2
            entry SYN_SENT 10.1.0.2:2 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:2
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:2 RA 0:1001
            filter/FORWARD#2
        ESTABLISHED stopped
            entry ESTABLISHED 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table(
            "filter",
            "FORWARD -p tcp --tcp-flags PSH PSH -m connlimit --connlimit-above 5 -j ACCEPT",
            "FORWARD -p tcp -j ACCEPT",
        ),
        packets=[
            *OPEN,
            syn(flags="SP", sport=2),
            tcp("reply", "RA", 0, 1001, dport=2),
            tcp("orig", "PA", 1001, 5001, dt=0.1, len=1),
        ],
    ),
    case(
        "DNAT and its answers",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.9:8080 S 1000:0
            nat/PREROUTING#1, nat/POSTROUTING policy
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.9:8080 > 10.1.0.2:40000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000 SA 5000:1001
            entry SYN_RECV 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.9:8080 > 10.1.0.2:40000
        ESTABLISHED through
            right 10.1.0.2:40000 > 10.2.0.9:8080 A 1001:5001
            entry ESTABLISHED 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.9:8080 > 10.1.0.2:40000
        """,
        ruleset=table("nat", "PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.2.0.9:8080"),
        packets=OPEN,
    ),
    case(
        "SNAT and its answers",
        """
        NEW through
            right 10.2.0.1:5000 > 10.2.0.2:80 S 1000:0
            nat/PREROUTING policy, nat/POSTROUTING#1
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.2.0.1:5000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000 SA 5000:1001
            entry SYN_RECV 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.2.0.1:5000
        ESTABLISHED through
            right 10.2.0.1:5000 > 10.2.0.2:80 A 1001:5001
            entry ESTABLISHED 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.2.0.1:5000
        """,
        ruleset=table("nat", "POSTROUTING -p tcp -j SNAT --to-source 10.2.0.1:5000"),
        packets=OPEN,
    ),
    case(
        "SNAT of ping",
        """
        NEW through
            right 10.2.0.1:7 > 10.2.0.2:8
            nat/PREROUTING policy, nat/POSTROUTING#1
            entry None 10.1.0.2:7 > 10.2.0.2:8, 10.2.0.2:7 > 10.2.0.1:0
        ESTABLISHED through
            left 10.2.0.2:7 > 10.1.0.2:0
            entry None 10.1.0.2:7 > 10.2.0.2:8, 10.2.0.2:7 > 10.2.0.1:0
        """,
        ruleset=table("nat", "POSTROUTING -j SNAT --to-source 10.2.0.1"),
        packets=[ping(), ping("reply", daddr="10.2.0.1")],
    ),
    case(
        "no NAT without an entry",
        """
        UNTRACKED through
            right 10.1.0.2:40000 > 10.2.0.2:80
            raw/PREROUTING#1, raw/PREROUTING policy
        """,
        ruleset=table("raw", "PREROUTING -j NOTRACK")
        + table("nat", "PREROUTING -j DNAT --to-destination 10.2.0.9"),
        packets=[udp()],
    ),
    case(
        "the box as destination",
        """
        NEW through
            nat/PREROUTING#1, nat/INPUT policy
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.1.0.1:3128 > 10.1.0.2:40000
        ESTABLISHED stopped
            entry SYN_RECV 10.1.0.2:40000 > 10.2.0.2:80, 10.1.0.1:3128 > 10.1.0.2:40000
        """,
        ruleset=table("nat", "PREROUTING -p tcp -j REDIRECT --to-ports 3128"),
        packets=[syn(), tcp("reply", "SA", 5000, 1001, saddr="10.1.0.1", sport=3128)],
    ),
    case(
        "DNAT to nowhere but here",
        """
        NEW stopped
            nat/PREROUTING#1
        """,
        ruleset=table("nat", "PREROUTING -j DNAT --to-destination 127.0.0.1"),
        packets=[syn()],
    ),
    case(
        "SNAT in INPUT",
        """
        NEW through
            nat/PREROUTING policy, nat/INPUT#1
            entry SYN_SENT 10.2.0.2:40000 > 10.1.0.1:80, 10.1.0.1:80 > 192.168.7.9:40000
        ESTABLISHED through
            wire 10.1.0.1:80 > 10.2.0.2:40000 SA 5000:1001
            entry SYN_RECV 10.2.0.2:40000 > 10.1.0.1:80, 10.1.0.1:80 > 192.168.7.9:40000
        """,
        topology=SERVER,
        ruleset=table("nat", "INPUT -p tcp -j SNAT --to-source 192.168.7.9"),
        packets=[syn(), SYNACK],
    ),
    case(
        "MASQUERADE over lo",
        """
        NEW stopped
            nat/OUTPUT policy, nat/POSTROUTING#1
        """,
        topology=LO,
        ruleset=table("nat", "POSTROUTING -j MASQUERADE"),
        packets=[syn()],
    ),
    case(
        "MASQUERADE over lo of ipv6",
        """
        NEW through
            nat/OUTPUT policy, nat/POSTROUTING#1
            entry SYN_SENT ::1:40000 > ::1:80, ::1:80 > ::1:40000
        """,
        topology=LO6,
        ruleset6=table("nat", "POSTROUTING -j MASQUERADE"),
        packets=[syn()],
    ),
    case(
        "DNAT of the box's own",
        """
        NEW through
            wire 10.1.0.1:40000 > 10.2.0.9:8080 S 1000:0
            nat/OUTPUT#1, filter/OUTPUT policy, nat/POSTROUTING policy
            entry SYN_SENT 10.1.0.1:40000 > 10.2.0.2:80, 10.2.0.9:8080 > 10.1.0.1:40000
        """,
        topology=HOST,
        ruleset=table("nat", "OUTPUT -p tcp -j DNAT --to-destination 10.2.0.9:8080")
        + table("filter"),
        packets=[syn()],
    ),
    case(
        "REDIRECT of the box's own",
        """
        NEW through
            nat/OUTPUT#1, filter/OUTPUT#1, nat/POSTROUTING policy, filter/INPUT policy
            entry SYN_SENT 10.1.0.1:40000 > 10.2.0.2:80, 127.0.0.1:3128 > 10.1.0.1:40000
        """,
        topology=HOST,
        ruleset=table("nat", "OUTPUT -p tcp -j REDIRECT --to-ports 3128")
        + table("filter", "OUTPUT -o eth0 -j ACCEPT"),
        packets=[syn()],
    ),
    case(
        "REDIRECT of the box's own of ipv6",
        """
        NEW through
            nat/OUTPUT#1, filter/OUTPUT#1, nat/POSTROUTING policy, filter/INPUT policy
            entry SYN_SENT fd01::1:40000 > fd02::2:80, ::1:3128 > fd01::1:40000
        """,
        topology=HOST6,
        ruleset6=table("nat", "OUTPUT -p tcp -j REDIRECT --to-ports 3128")
        + table("filter", "OUTPUT -o eth0 -j ACCEPT"),
        packets=[syn()],
    ),
    case(
        "REDIRECT over lo in PREROUTING",
        """
        NEW through
            nat/OUTPUT policy, nat/POSTROUTING policy
            entry SYN_SENT 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        """,
        topology=LO,
        ruleset=table("nat", "PREROUTING -p tcp -j REDIRECT --to-ports 3128"),
        packets=[syn()],
    ),
    case(
        "DNAT over lo to another address of its own",
        """
        NEW through
            nat/OUTPUT#1, nat/POSTROUTING policy
            entry None 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.9:53 > 127.0.0.1:40000
        """,
        topology=LO,
        ruleset=table("nat", "OUTPUT -p udp -j DNAT --to-destination 127.0.0.9:53"),
        packets=[udp()],
    ),
    case(
        "ACCEPT in nat",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            nat/PREROUTING#1, nat/POSTROUTING policy
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table(
            "nat",
            "PREROUTING -p tcp -j ACCEPT",
            "PREROUTING -p tcp -j DNAT --to-destination 10.2.0.9",
        ),
        packets=[syn()],
    ),
    case(
        "an answer from the box's own address",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        INVALID stopped
        """,
        packets=[syn(), tcp("reply", "SA", 5000, 1001, saddr="10.2.0.1")],
    ),
    case(
        "an answer from the box's own address of ipv6",
        """
        NEW through
            left fd02::1:80 > fd01::2:40000 S 1000:0
            entry SYN_SENT fd02::1:80 > fd01::2:40000, fd01::2:40000 > fd02::1:80
        """,
        topology=V6,
        packets=[syn("reply", saddr="fd02::1")],
    ),
    case(
        "an error to a translated client",
        """
        NEW through
            right 10.2.0.1:40000 > 10.2.0.2:80
            nat/PREROUTING policy, filter/FORWARD policy, nat/POSTROUTING#1
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.2.0.1:40000
        RELATED through
            left 10.2.0.2:0 > 10.1.0.2:3
            filter/FORWARD policy
        """,
        ruleset=table("nat", "POSTROUTING -j SNAT --to-source 10.2.0.1") + table("filter"),
        packets=[udp(), error("reply", "orig", daddr="10.2.0.1")],
    ),
    case(
        "an error of a translated client",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.9:80
            nat/PREROUTING#1, filter/FORWARD policy, nat/POSTROUTING policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.9:80 > 10.1.0.2:40000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000
            filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.9:80 > 10.1.0.2:40000
        RELATED through
            right 10.1.0.2:0 > 10.2.0.9:3
            filter/FORWARD policy
        """,
        ruleset=table("nat", "PREROUTING -j DNAT --to-destination 10.2.0.9") + table("filter"),
        packets=[udp(), udp("reply"), error("orig", "reply")],
    ),
    case(
        "an error with a wrong checksum",
        """
        NEW through
            right 10.2.0.1:40000 > 10.2.0.2:80
            nat/PREROUTING policy, filter/FORWARD policy, nat/POSTROUTING#1
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.2.0.1:40000
        RELATED stopped
        """,
        sysctls={"nf_conntrack_checksum": 0},
        ruleset=table("nat", "POSTROUTING -j SNAT --to-source 10.2.0.1") + table("filter"),
        packets=[udp(), error("reply", "orig", daddr="10.2.0.1", badsum=True)],
    ),
    case(
        "a redirect of a translated connection",
        """
        NEW through
            right 10.2.0.1:40000 > 10.2.0.2:80
            nat/PREROUTING policy, filter/FORWARD policy, nat/POSTROUTING#1
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.2.0.1:40000
        RELATED stopped
        """,
        ruleset=table("nat", "POSTROUTING -j SNAT --to-source 10.2.0.1") + table("filter"),
        packets=[udp(), error("reply", "orig", daddr="10.2.0.1", type=5, code=1)],
    ),
    case(
        "the last hop",
        """
        NEW stopped
            left 10.1.0.1:0 > 10.1.0.2:11 made
            filter/OUTPUT policy
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table("filter"),
        packets=[udp(ttl=1), udp(ttl=2)],
    ),
    case(
        "the last hop to the box",
        """
        NEW through
            filter/INPUT policy
            entry None 10.2.0.2:40000 > 10.1.0.1:80, 10.1.0.1:80 > 10.2.0.2:40000
        """,
        topology=SERVER,
        ruleset=table("filter"),
        packets=[udp(ttl=1)],
    ),
    case(
        "the last hop of ipv6",
        """
        NEW stopped
            left fd01::1:0 > fd01::2:3 made
            filter/OUTPUT policy
        """,
        topology=V6,
        ruleset6=table("filter"),
        packets=[udp(ttl=1)],
    ),
    case(
        "the last hop of an error",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        RELATED stopped
        """,
        ruleset=table("filter"),
        packets=[udp(), error("reply", "orig", ttl=1)],
    ),
    case(
        "REJECT of what is new",
        """
        NEW stopped
            left 10.1.0.1:0 > 10.1.0.2:3 made
            filter/FORWARD#1, filter/OUTPUT policy
        """,
        ruleset=table("filter", "FORWARD -j REJECT"),
        packets=[syn()],
    ),
    case(
        "REJECT that says how",
        """
        NEW stopped
            left 10.1.0.1:0 > 10.1.0.2:3 made
            filter/FORWARD#1, filter/OUTPUT policy
        """,
        ruleset=table("filter", "FORWARD -j REJECT --reject-with icmp-admin-prohibited"),
        packets=[udp()],
    ),
    case(
        "REJECT of ipv6",
        """
        NEW stopped
            left fd01::1:0 > fd01::2:1 made
            filter/FORWARD#1, filter/OUTPUT policy
        """,
        topology=V6,
        ruleset6=table("filter", "FORWARD -j REJECT"),
        packets=[udp()],
    ),
    case(
        "REJECT with a reset",
        """
        NEW stopped
            left 10.2.0.2:80 > 10.1.0.2:40000 RA 0:1006 made
            filter/FORWARD#1, filter/OUTPUT policy
        """,
        ruleset=table("filter", "FORWARD -p tcp -j REJECT --reject-with tcp-reset"),
        packets=[syn(len=5)],
    ),
    case(
        "REJECT of what is established",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            filter/FORWARD policy
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000 SA 5000:1001
            filter/FORWARD policy
            entry SYN_RECV 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            right 10.1.0.2:40000 > 10.2.0.2:80 A 1001:5001
            filter/FORWARD policy
            entry ESTABLISHED 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED stopped
            left 10.2.0.2:80 > 10.1.0.2:40000 R 5001:0 made
            filter/FORWARD#1, filter/OUTPUT policy
            entry CLOSE 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED stopped
            left 10.2.0.2:80 > 10.1.0.2:40000 R 5001:0 made
            filter/FORWARD#1, filter/OUTPUT policy
            entry CLOSE 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table(
            "filter", "FORWARD -p tcp --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset"
        ),
        packets=[
            *OPEN,
            tcp("orig", "PA", 1001, 5001, len=10),
            tcp("orig", "PA", 1001, 5001, len=10),
        ],
    ),
    case(
        "REJECT of an answer",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            filter/FORWARD policy
            entry SYN_SENT 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED stopped
            right 10.1.0.2:40000 > 10.2.0.2:80 R 1001:0 made
            filter/FORWARD#1, filter/OUTPUT policy
            entry CLOSE 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table(
            "filter", "FORWARD -p tcp --tcp-flags SYN,ACK SYN,ACK -j REJECT --reject-with tcp-reset"
        ),
        packets=[syn(), SYNACK],
    ),
    case(
        "REJECT of a reset with a reset",
        """
        INVALID stopped
            filter/FORWARD#1
        """,
        ruleset=table("filter", "FORWARD -p tcp -j REJECT --reject-with tcp-reset"),
        packets=[tcp("orig", "R", 1000, 0)],
    ),
    case(
        "REJECT of a wrong checksum",
        """
        INVALID stopped
            filter/FORWARD#1
        INVALID stopped
            filter/FORWARD#2
        """,
        ruleset=table(
            "filter", "FORWARD -p tcp -j REJECT --reject-with tcp-reset", "FORWARD -j REJECT"
        ),
        packets=[syn(badsum=True), udp(badsum=True)],
    ),
    case(
        "REJECT in OUTPUT",
        """
        NEW stopped
            filter/OUTPUT#1, filter/OUTPUT policy, filter/INPUT policy
        """,
        topology=HOST,
        ruleset=table("filter", "OUTPUT -p tcp --syn -j REJECT --reject-with tcp-reset"),
        packets=[syn()],
    ),
    case(
        "REJECT in OUTPUT with an error",
        """
        NEW stopped
            filter/OUTPUT#1, filter/OUTPUT policy, filter/INPUT policy
        """,
        topology=HOST,
        ruleset=table("filter", "OUTPUT -p udp -j REJECT"),
        packets=[udp()],
    ),
    case(
        "REJECT over lo",
        """
        NEW stopped
            filter/OUTPUT policy, filter/INPUT#1, filter/OUTPUT policy, filter/INPUT policy
            entry None 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        """,
        topology=LO,
        ruleset=table("filter", "INPUT -p udp -j REJECT"),
        packets=[udp()],
    ),
    case(
        "REJECT of what is untracked",
        """
        UNTRACKED stopped
            left 10.2.0.2:80 > 10.1.0.2:40000 RA 0:1001 made
            raw/PREROUTING#1, raw/PREROUTING policy, filter/FORWARD#1, raw/OUTPUT policy,
                filter/OUTPUT policy
        UNTRACKED stopped
            left 10.1.0.1:0 > 10.1.0.2:3 made
            raw/PREROUTING#1, raw/PREROUTING policy, filter/FORWARD#2, raw/OUTPUT policy,
                filter/OUTPUT policy
        """,
        ruleset=table("raw", "PREROUTING -j NOTRACK")
        + table("filter", "FORWARD -p tcp -j REJECT --reject-with tcp-reset", "FORWARD -j REJECT"),
        packets=[syn(), udp()],
    ),
    case(
        "REJECT of what is invalid",
        """
        INVALID stopped
            left 10.2.0.2:80 > 10.1.0.2:40000 R 1:0 made
            filter/FORWARD#1, filter/OUTPUT policy
        INVALID stopped
            left 10.2.0.2:80 > 10.1.0.2:40000 RA 0:3 made
            filter/FORWARD#1, filter/OUTPUT policy
        """,
        ruleset=table("filter", "FORWARD -p tcp -j REJECT --reject-with tcp-reset"),
        packets=[tcp("orig", "FA", 1, 1), tcp("orig", "SF", 1, 1)],
    ),
    case(
        "REJECT of what is translated",
        """
        NEW stopped
            left 10.2.0.2:80 > 10.1.0.2:40000 RA 0:1001 made
            nat/PREROUTING#1, filter/FORWARD#1, filter/OUTPUT policy, nat/POSTROUTING policy
        """,
        ruleset=table("nat", "PREROUTING -p tcp -j DNAT --to-destination 10.2.0.9:8080")
        + table("filter", "FORWARD -p tcp -j REJECT --reject-with tcp-reset"),
        packets=[syn()],
    ),
    case(
        "REJECT of what is translated with an error",
        """
        NEW stopped
            left 10.2.0.2:0 > 10.1.0.2:3 made
            nat/PREROUTING#1, filter/FORWARD#1, filter/OUTPUT policy
        """,
        ruleset=table("nat", "PREROUTING -p tcp -j DNAT --to-destination 10.2.0.9:8080")
        + table("filter", "FORWARD -p tcp -j REJECT"),
        packets=[syn()],
    ),
    case(
        "REJECT of an error",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        RELATED stopped
            filter/FORWARD#1
        NEW stopped
            left 10.1.0.1:0 > 10.1.0.2:3 made
            filter/FORWARD#1, filter/OUTPUT policy
        """,
        ruleset=table("filter", "FORWARD -p icmp -j REJECT"),
        packets=[udp(), error("reply", "orig"), ping()],
    ),
    case(
        "REJECT whose answer is dropped",
        """
        NEW stopped
            filter/FORWARD#1, filter/OUTPUT#1
        """,
        ruleset=table(
            "filter", "FORWARD -j REJECT", "OUTPUT -m conntrack --ctstate RELATED -j DROP"
        ),
        packets=[udp()],
    ),
    case(
        "REJECT whose answer is rejected",
        """
        NEW stopped
            filter/FORWARD#1, filter/OUTPUT#1
        """,
        ruleset=table("filter", "FORWARD -j REJECT", "OUTPUT -j REJECT"),
        packets=[udp()],
    ),
    case(
        "NOTRACK",
        """
        UNTRACKED through
            right 10.1.0.2:40000 > 10.2.0.2:80 S 1000:0
            raw/PREROUTING#1, raw/PREROUTING policy, filter/FORWARD policy
        UNTRACKED through
            left 10.2.0.2:80 > 10.1.0.2:40000 SA 5000:1001
            raw/PREROUTING#1, raw/PREROUTING policy, filter/FORWARD policy
        """,
        ruleset=table("raw", "PREROUTING -j NOTRACK") + table("filter"),
        packets=[syn(), SYNACK],
    ),
    case(
        "NOTRACK of the box's own",
        """
        UNTRACKED through
            wire 10.1.0.1:40000 > 10.2.0.2:80 S 1000:0
            raw/OUTPUT#1, raw/OUTPUT policy, filter/OUTPUT policy
        INVALID through
            raw/PREROUTING policy, filter/INPUT policy
        """,
        topology=HOST,
        ruleset=table("raw", "OUTPUT -j NOTRACK") + table("filter"),
        packets=[syn(), SYNACK],
    ),
    case(
        "NOTRACK over lo",
        """
        UNTRACKED through
            raw/OUTPUT#1, raw/OUTPUT policy, filter/OUTPUT policy, raw/PREROUTING policy,
                filter/INPUT policy
        """,
        topology=LO,
        ruleset=table("raw", "OUTPUT -j NOTRACK") + table("filter"),
        packets=[udp()],
    ),
    case(
        "NOTRACK over lo in PREROUTING",
        """
        NEW through
            raw/OUTPUT policy, filter/OUTPUT policy, raw/PREROUTING#1, raw/PREROUTING policy,
                filter/INPUT policy
            entry None 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        """,
        topology=LO,
        ruleset=table("raw", "PREROUTING -j NOTRACK") + table("filter"),
        packets=[udp()],
    ),
    case(
        "NOTRACK behind a zone",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            raw/PREROUTING#1, raw/PREROUTING#2, raw/PREROUTING policy, filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table("raw", "PREROUTING -j CT --zone 5", "PREROUTING -j NOTRACK")
        + table("filter"),
        packets=[udp()],
    ),
    case(
        "a zone of one direction",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            raw/PREROUTING#1, raw/PREROUTING policy, filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        NEW through
            left 10.2.0.2:80 > 10.1.0.2:40000
            raw/PREROUTING policy, filter/FORWARD policy
            entry None 10.2.0.2:80 > 10.1.0.2:40000, 10.1.0.2:40000 > 10.2.0.2:80
        """,
        ruleset=table("raw", "PREROUTING -i eth0 -j CT --zone 5") + table("filter"),
        packets=[udp(), udp("reply")],
    ),
    case(
        "a zone of the way there",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            raw/PREROUTING#1, raw/PREROUTING policy, filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED through
            left 10.2.0.2:80 > 10.1.0.2:40000
            raw/PREROUTING policy, filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table("raw", "PREROUTING -i eth0 -j CT --zone-orig 5") + table("filter"),
        packets=[udp(), udp("reply")],
    ),
    case(
        "connections that are counted",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            filter/FORWARD policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        NEW stopped
            filter/FORWARD#1
        NEW stopped
            filter/FORWARD#1
        """,
        ruleset=table("filter", "FORWARD -m connlimit --connlimit-above 1 -j DROP"),
        packets=[udp(), udp(sport=1), udp(sport=2)],
    ),
    case(
        "a mark over lo",
        """
        NEW stopped
            mangle/OUTPUT#1, mangle/OUTPUT policy, filter/OUTPUT policy, mangle/POSTROUTING
                policy, mangle/PREROUTING policy, mangle/INPUT policy, filter/INPUT#1
            entry None 127.0.0.1:40000 > 127.0.0.1:80, 127.0.0.1:80 > 127.0.0.1:40000
        """,
        topology=LO,
        ruleset=table("mangle", "OUTPUT -j MARK --set-mark 5")
        + table("filter", "INPUT -m mark --mark 5 -j DROP"),
        packets=[udp()],
    ),
    case(
        "a mark of the connection",
        """
        NEW through
            right 10.1.0.2:40000 > 10.2.0.2:80
            mangle/PREROUTING#1, mangle/PREROUTING#2, mangle/PREROUTING policy, mangle/FORWARD
                policy, filter/FORWARD policy, mangle/POSTROUTING policy
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        ESTABLISHED stopped
            mangle/PREROUTING#2, mangle/PREROUTING policy, mangle/FORWARD policy,
                filter/FORWARD#1
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.2:80 > 10.1.0.2:40000
        """,
        ruleset=table(
            "mangle",
            "PREROUTING -m conntrack --ctstate NEW -j CONNMARK --set-mark 7",
            "PREROUTING -j CONNMARK --restore-mark",
        )
        + table("filter", "FORWARD -m mark --mark 7 -m conntrack --ctstate ESTABLISHED -j DROP"),
        packets=[udp(), udp("reply")],
    ),
    case(
        "a TTL that is set",
        """
        NEW stopped
            left 10.1.0.1:0 > 10.1.0.2:11 made
            mangle/PREROUTING#1, mangle/PREROUTING policy, mangle/OUTPUT policy,
                mangle/POSTROUTING policy
        """,
        ruleset=table("mangle", "PREROUTING -j TTL --ttl-set 1"),
        packets=[udp()],
    ),
    case(
        "an option that is set",
        """
        NEW stopped
            mangle/PREROUTING policy, mangle/FORWARD#1, mangle/FORWARD policy, filter/FORWARD#1
        """,
        ruleset=table("mangle", "FORWARD -p tcp --syn -j TCPMSS --set-mss 100")
        + table("filter", "FORWARD -p tcp -m tcpmss --mss 100 -j DROP"),
        packets=[syn(opts={"mss": 1460})],
    ),
    case(
        "DNAT to ::1",
        # Another ::1 than the box's own: that of the link where the packet came in.
        """
        NEW stopped
            left fd02::2:0 > fd01::2:1 made
            nat/PREROUTING#1
        NEW through
            right fd02::2:80 > ::1:40000
            nat/PREROUTING#1, nat/POSTROUTING policy
            entry None fd02::2:80 > fd01::2:40000, ::1:40000 > fd02::2:80
        """,
        topology=V6,
        ruleset6=table("nat", "PREROUTING -j DNAT --to-destination ::1"),
        packets=[udp(), udp("reply")],
    ),
    case(
        "the cgroup of an answer",
        """
        NEW stopped
            filter/OUTPUT#1, filter/OUTPUT#2, filter/OUTPUT#3
        """,
        topology=HOST,
        ruleset=table(
            "filter",
            "OUTPUT -p udp -j REJECT",
            "OUTPUT -m cgroup ! --cgroup 1",
            "OUTPUT -m cgroup --cgroup 0 -j DROP",
        ),
        packets=[udp()],
    ),
    case(
        "prefixes",
        """
        NEW through
            right fd05::fffb:0:0:2:40000 > fd02::2:80
            mangle/PREROUTING policy, mangle/FORWARD policy, mangle/POSTROUTING#1,
                mangle/POSTROUTING policy
            entry None fd01::2:40000 > fd02::2:80, fd02::2:80 > fd01::2:40000
        INVALID through
            left fd02::2:0 > fd01::2:1
            mangle/PREROUTING#1, mangle/PREROUTING policy, mangle/FORWARD policy,
                mangle/POSTROUTING policy
        """,
        topology=V6,
        ruleset6=table(
            "mangle",
            "POSTROUTING -o eth1 -j SNPT --src-pfx fd01::/64 --dst-pfx fd05::/64",
            "PREROUTING -i eth1 -j DNPT --src-pfx fd05::/64 --dst-pfx fd01::/64",
        ),
        packets=[udp(), error("reply", "orig")],
    ),
    case(
        "a prefix of the box's own",
        """
        NEW through
            wire fd01::1:40000 > fd01::1:0:0:1:80
            mangle/OUTPUT#1, mangle/OUTPUT policy, mangle/POSTROUTING policy
            entry None fd01::1:40000 > fd02::1:80, fd02::1:80 > fd01::1:40000
        """,
        topology=HOST6,
        ruleset6=table("mangle", "OUTPUT -j DNPT --src-pfx fd02::/64 --dst-pfx fd01::/64"),
        packets=[udp(daddr="fd02::1")],
    ),
    case(
        "both ends behind one interface",
        """
        NEW through
            right 10.1.0.1:40000 > 10.1.0.9:80
            nat/PREROUTING#1, nat/POSTROUTING#1
            entry None 10.1.0.2:40000 > 10.1.0.1:80, 10.1.0.9:80 > 10.1.0.1:40000
        ESTABLISHED through
            left 10.1.0.1:80 > 10.1.0.2:40000
            entry None 10.1.0.2:40000 > 10.1.0.1:80, 10.1.0.9:80 > 10.1.0.1:40000
        RELATED through
            right 10.1.0.1:0 > 10.1.0.9:3
        """,
        topology={"kind": "forward", "right_if": "eth0"},
        flow={"daddr": "10.1.0.1"},
        ruleset=table(
            "nat",
            "PREROUTING -d 10.1.0.1 -j DNAT --to-destination 10.1.0.9",
            "POSTROUTING -d 10.1.0.9 -j MASQUERADE",
        ),
        packets=[udp(), udp("reply"), error("orig", "reply")],
    ),
    case(
        "a peer that speaks first behind the end of a connection",
        """
        NEW through
            right 10.2.0.77:40000 > 10.2.0.9:80
            nat/PREROUTING#1, nat/POSTROUTING#1
            entry None 10.1.0.2:40000 > 10.2.0.2:80, 10.2.0.9:80 > 10.2.0.77:40000
        NEW through
            right 10.2.0.77:80 > 10.2.0.77:40000
            nat/PREROUTING policy, nat/POSTROUTING#1
            entry None 10.2.0.9:80 > 10.2.0.77:40000, 10.2.0.77:40000 > 10.2.0.77:80
        """,
        ruleset=table(
            "nat",
            "PREROUTING -d 10.2.0.2 -j DNAT --to-destination 10.2.0.9",
            "POSTROUTING -o eth1 -j SNAT --to-source 10.2.0.77",
        ),
        packets=[udp(), {"op": "expire"}, udp("reply")],
    ),
]


def in_words(answer: PacketAnswer) -> str:
    """An answer as the cases have it."""
    lines = [f"{answer.ctstate} {'through' if answer.delivered else 'stopped'}"]
    for packet in answer.out:
        ends = f"{packet.src}:{packet.sport} > {packet.dst}:{packet.dport}"
        lines.append(f"{packet.side} {ends}")
        if packet.flags is not None:
            lines.append(f"{packet.flags} {packet.seq}:{packet.ack}")
        if not packet.is_same:
            lines.append("made")
    if answer.rules:
        lines.append(", ".join(answer.rules))
    if answer.entry is not None:
        original, reply = (
            f"{ends[0]}:{ends[1]} > {ends[2]}:{ends[3]}"
            for ends in (answer.entry.orig, answer.entry.reply)
        )
        lines.append(f"entry {answer.entry.state} {original}, {reply}")
    return " ".join(lines)


@pytest.mark.parametrize("told", CASES, ids=lambda told: told.name)
def test_a_packet_takes_the_kernels_way(told: Case) -> None:
    answers = play(scenario_from_json(told.scenario), profile("6.18")).packets
    assert not any(isinstance(each, PacketAnswer) and each.undecided for each in answers)
    found = " ".join(in_words(each) for each in answers if isinstance(each, PacketAnswer))
    assert found == " ".join(told.answers.split())


def test_iptables_nft_asks_security_behind_nat() -> None:
    # nft.c of iptables 1.8.11: its chains have the priority 150 at all hooks.
    saved = f"# Generated by iptables-nft-save v1.8.9\n{EVERYTHING}"
    told = {"topology": SERVER, "ruleset": saved, "packets": [udp()]}
    (answer,) = play(scenario_from_json(told), profile("6.18")).packets
    assert isinstance(answer, PacketAnswer)
    assert answer.rules is not None
    assert answer.rules[-2:] == ("nat/INPUT policy", "security/INPUT policy")


def test_an_entry_of_another_zone_is_not_fresh() -> None:
    # The RST takes off the entry that the answer before it has made: what is left is the first.
    told = {
        "ruleset": table("raw", "PREROUTING -i eth1 -j CT --zone-reply 2"),
        "packets": [OPEN[2], tcp("reply", "A", 5001, 1001), tcp("reply", "R", 5001, 0)],
    }
    answers = play(scenario_from_json(told), profile("6.18")).packets
    fresh = [
        each.entry.is_fresh for each in answers if isinstance(each, PacketAnswer) and each.entry
    ]
    assert fresh == [True, True, False]
