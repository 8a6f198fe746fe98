# SPDX-License-Identifier: GPL-2.0-only
"""What the target rows make of their options.

The values follow from what iptables-save 1.8.9 prints for the same rule, and from
iptables-extensions(8); the last test asks the real tools about every rule in this file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from ctlint.ir.rule import Target
from ctlint.ir.values import AddressRange, MacAddress, Masked, NatRange, Range
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family, Hostname, Net
from tests.netns import PrivateNetns

V4 = Family.IPV4
V6 = Family.IPV6
ALL = 0xFFFFFFFF
DEAD = 0xDEAD << 112


class Place(NamedTuple):
    """Where a rule stands."""

    table: str = "filter"
    chain: str = "OUTPUT"
    family: Family = V4

    def text(self, rule: str) -> str:
        """The rule as a whole rule set."""
        return f"*{self.table}\n-A {self.chain} {rule}\nCOMMIT\n"


FILTER = Place()
INPUT = Place(chain="INPUT")
RAW = Place("raw")
MANGLE = Place("mangle")
MANGLE_IN = Place("mangle", "INPUT")
TPROXY = Place("mangle", "PREROUTING")
DNAT = Place("nat")
SNAT = Place("nat", "POSTROUTING")
FILTER6 = Place(family=V6)
DNAT6 = Place("nat", family=V6)
NPT6 = Place("mangle", "PREROUTING", V6)

ONE = AddressRange(V4, 0x01010101, 0x01010101)
ONE_TO_TEN = AddressRange(V4, 0x01010101, 0x0101010A)

# Rule, and the options of its target as the IR has them.
READ: list[tuple[Place, str, dict[str, Any]]] = [
    (FILTER, "-j MARK --set-mark 1/2", {"set-xmark": Masked(1, 3)}),
    (FILTER, "-j MARK --set-xmark 1/2", {"set-xmark": Masked(1, 2)}),
    (FILTER, "-j MARK --set-mark 5", {"set-xmark": Masked(5, ALL)}),
    (FILTER, "-j MARK --and-mark 5", {"set-xmark": Masked(0, 0xFFFFFFFA)}),
    (FILTER, "-j MARK --or-mark 0x10", {"set-xmark": Masked(0x10, 0x10)}),
    (FILTER, "-j MARK --xor-mark 010", {"set-xmark": Masked(8, 0)}),
    (FILTER, "-j CONNMARK --xor-mark 5", {"set-xmark": Masked(5, 0)}),
    (FILTER, "-j CONNMARK --save-mark --mask 0xf", {"save-mark": None, "mask": 15}),
    (
        FILTER,
        "-j CONNMARK --restore-mark --nfmask 3 --left-shift-mark 8",
        {"restore-mark": None, "nfmask": 3, "left-shift-mark": 8},
    ),
    (FILTER, "-j CONNMARK --set-mark 1 --ctmask 255", {"set-xmark": Masked(1, ALL), "ctmask": 255}),
    (FILTER, "-j REJECT", {}),
    (FILTER, "-j REJECT --reject-with HOST", {"reject-with": "icmp-host-unreachable"}),
    (FILTER, "-j REJECT --reject-with admin-prohib", {"reject-with": "icmp-admin-prohibited"}),
    (FILTER, "-p 6 -j REJECT --reject-with tcp", {"reject-with": "tcp-reset"}),
    (FILTER6, "-j REJECT --reject-with no-route", {"reject-with": "icmp6-no-route"}),
    (FILTER6, "-j REJECT --reject-with POLICY", {"reject-with": "icmp6-policy-fail"}),
    (DNAT, "-j DNAT --to-destination 1.1.1.1", {"to-destination": NatRange(ONE)}),
    (
        DNAT,
        "-p tcp -j DNAT --to-destination 1.1.1.1-1.1.1.10:1000-2000/http --persistent",
        {"to-destination": NatRange(ONE_TO_TEN, Range(1000, 2000), 80), "persistent": None},
    ),
    (DNAT, "-p tcp -j DNAT --to :0x50", {"to-destination": NatRange(None, Range(80, 80))}),
    (
        DNAT,
        "-p tcp -j DNAT --to-destination 1.1.1.1:ftp-data",
        {"to-destination": NatRange(ONE, Range(20, 20))},
    ),
    (
        DNAT6,
        "-p tcp -j DNAT --to-destination [dead::-dead::5]:22",
        {"to-destination": NatRange(AddressRange(V6, DEAD, DEAD + 5), Range(22, 22))},
    ),
    (
        DNAT6,
        "-j DNAT --to-destination dead::1",
        {"to-destination": NatRange(AddressRange(V6, DEAD + 1, DEAD + 1))},
    ),
    (DNAT6, "-p tcp -j DNAT --to []:80", {"to-destination": NatRange(None, Range(80, 80))}),
    (DNAT, "-p udp -j REDIRECT --to-ports 5-6", {"to-ports": NatRange(None, Range(5, 6))}),
    (
        SNAT,
        "-p icmp -j SNAT --to-source 1.1.1.1:5 --random --random-fully",
        {"to-source": NatRange(ONE, Range(5, 5)), "random": None, "random-fully": None},
    ),
    (SNAT, "! -p tcp -j SNAT --to-source :80", {"to-source": NatRange(None, Range(80, 80))}),
    (SNAT, "-j MASQUERADE --random", {"random": None}),
    (SNAT, "-j NETMAP --to 1.2.3.9/24", {"to": Net(V4, 0x01020300, 0xFFFFFF00)}),
    (DNAT6, "-j NETMAP --to dead::1", {"to": Net(V6, DEAD + 1, V6.full_mask)}),
    (FILTER, "-j LOG --log-level panic", {"log-level": 0}),
    (FILTER, f"-j LOG --log-prefix {'x' * 40}", {"log-prefix": "x" * 29}),
    (FILTER, "-j NFLOG --nflog-group 3 --nflog-size 0", {"nflog-group": 3, "nflog-size": 0}),
    (FILTER, "-j NFQUEUE --queue-balance :4", {"queue-balance": Range(0, 4)}),
    (FILTER, "-j CLASSIFY --set-class 0x1:0xfffff", {"set-class": 0x1FFFF}),
    (FILTER, "-j AUDIT --type DROP", {"type": "drop"}),
    (FILTER, "-j TEE --gateway 1.1.1.1", {"gateway": Net(V4, 0x01010101, ALL)}),
    (FILTER, "-j TEE --gateway localhost", {"gateway": Hostname("localhost")}),
    (
        FILTER,
        "-j SET --add-set foo src,dst --exist --timeout 5",
        {"add-set": ("foo", ("src", "dst")), "exist": None, "timeout": 5},
    ),
    (
        MANGLE,
        "-j SET --map-set foo dst --map-prio",
        {"map-set": ("foo", ("dst",)), "map-prio": None},
    ),
    (
        FILTER,
        "-j RATEEST --rateest-name x --rateest-interval .5s --rateest-ewmalog 3000MSECS",
        {"rateest-name": "x", "rateest-interval": 500_000, "rateest-ewmalog": 3_000_000},
    ),
    (
        FILTER,
        "-j HMARK --hmark-tuple src,spo --hmark-mod 5 --hmark-rnd 4",
        {"hmark-tuple": ("src", "sport"), "hmark-mod": 5, "hmark-rnd": 4},
    ),
    (
        FILTER,
        "-j HMARK --hmark-src-prefix 255.255.0.0 --hmark-mod 5 --hmark-rnd 4",
        {"hmark-src-prefix": 16, "hmark-mod": 5, "hmark-rnd": 4},
    ),
    (INPUT, "-p tcp -j SYNPROXY --sack-perm --mss 1460", {"sack-perm": None, "mss": 1460}),
    (MANGLE, "-j TOS --set-tos 5", {"set-tos": Masked(5, 0xFF)}),
    (MANGLE, "-j TOS --set-tos minimize-cost", {"set-tos": Masked(2, 0x3F)}),
    (MANGLE, "-j TOS --and-tos 0x12", {"set-tos": Masked(0, 0xED)}),
    (MANGLE, "-j TOS --xor-tos 0x12", {"set-tos": Masked(0x12, 0)}),
    (MANGLE, "-j DSCP --set-dscp-class af43", {"set-dscp": 0x26}),
    (MANGLE, "-j DSCP --set-dscp-class EF", {"set-dscp": 0x2E}),
    (MANGLE, "-j TTL --ttl-set 0", {"ttl-set": 0}),
    (MANGLE, "-p tcp -j ECN --ecn-tcp-cwr 1 --ecn-ip-ect 2", {"ecn-tcp-cwr": 1, "ecn-ip-ect": 2}),
    (MANGLE, "-p tcp -j TCPOPTSTRIP --strip-options sack,2", {"strip-options": (5, 2)}),
    (
        MANGLE_IN,
        "-p tcp --syn -j TCPMSS --clamp --set-mss 4",
        {"clamp-mss-to-pmtu": None, "set-mss": 4},
    ),
    (
        TPROXY,
        "-p tcp -j TPROXY --on-port http --tproxy-mark 1",
        {"on-port": 80, "tproxy-mark": Masked(1, ALL)},
    ),
    (RAW, "-j CT --zone-orig MARK", {"zone-orig": "mark"}),
    (RAW, "-p tcp -j CT --helper ftp --zone 65535", {"helper": "ftp", "zone": 65535}),
    (RAW, "-j CT --ctevents new,destroy", {"ctevents": ("new", "destroy")}),
    (
        NPT6,
        "-j DNPT --src-pfx dead::/64 --dst-pfx ::/0",
        {
            "src-pfx": Net(V6, DEAD, ((1 << 64) - 1) << 64),
            "dst-pfx": Net(V6, 0, 0),
        },
    ),
]

# Targets that this kernel no longer has, or has not: the values follow from the manual page.
NOT_LOADED: list[tuple[Place, str, dict[str, Any]]] = [
    (
        INPUT,
        "-d 1.1.1.1 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:00:5e:00:00:01"
        " --total-nodes 2 --local-node 1",
        {
            "new": None,
            "hashmode": "sourceip",
            "clustermac": MacAddress(0x01005E000001),
            "total-nodes": 2,
            "local-node": 1,
        },
    ),
    (
        FILTER,
        "-j ULOG --ulog-nlgroup 2 --ulog-cprange 100",
        {"ulog-nlgroup": 2, "ulog-cprange": 100},
    ),
    (
        FILTER,
        "-j LED --led-trigger-id x --led-delay inf",
        {"led-trigger-id": "x", "led-delay": ALL},
    ),
    (
        FILTER,
        "-j IDLETIMER --timeout 3 --label x --alarm --send_nl_msg",
        {"timeout": 3, "label": "x", "alarm": None, "send_nl_msg": None},
    ),
]

# Rules that neither we nor iptables take.
REFUSED = [
    (FILTER, "-j MARK"),
    (FILTER, "-j MARK --set-mark 1 --or-mark 2"),
    (FILTER, "-j MARK --set-mark 1/"),
    (FILTER, "-j MARK ! --set-mark 1"),
    (FILTER, "-j CONNMARK --mask 3"),
    (FILTER, "-j CONNMARK --set-mark 1 --save-mark"),
    (FILTER, "-j CONNMARK --save-mark --mask 1 --nfmask 2"),
    (FILTER, "-j CONNMARK --save-mark --right-shift-mark 33"),
    (FILTER, "-j REJECT --reject-with tcp-reset"),
    (FILTER, "! -p tcp -j REJECT --reject-with tcp-reset"),
    (FILTER, "-j REJECT --reject-with icmp6-no-route"),
    (FILTER6, "-j REJECT --reject-with icmp-port-unreachable"),
    (MANGLE, "-j REJECT"),
    (DNAT, "-j DNAT --to-destination 1.1.1.1:80"),
    (DNAT, "-p udplite -j DNAT --to-destination 1.1.1.1:80"),
    (DNAT, "-j DNAT --to-destination localhost"),
    (DNAT, "-j DNAT --to-destination 01.1.1.1"),
    (DNAT, "-j DNAT --to-destination 1.1.1"),
    (DNAT, "-p tcp -j DNAT --to-destination 1.1.1.1:"),
    (DNAT, "-p tcp -j DNAT --to-destination 1.1.1.1:08"),
    (DNAT, "-p tcp -j DNAT --to-destination 1.1.1.1:1/5"),
    (DNAT, "-p tcp -j DNAT --to-destination 1.1.1.1:2-1"),
    (DNAT, "-p tcp -j DNAT --to-destination 1.1.1.1:10-ssh"),
    (DNAT, "-j DNAT --to-destination 1.1.1.1 --random-fully"),
    (DNAT, "-j SNAT --to-source 1.1.1.1"),
    (DNAT, "-p tcp -j REDIRECT --to-ports 1-2/3"),
    (DNAT6, "-p tcp -j DNAT --to-destination ::1:80 --random --random"),
    (DNAT6, "-p ipv6-icmp -j DNAT --to-destination [::1]:80"),
    (DNAT6, "-p tcp -j DNAT --to-destination [::1"),
    (SNAT, "-j MASQUERADE --persistent"),
    (INPUT, "-j MASQUERADE"),
    (FILTER, "-j LOG --log-level warn"),
    (FILTER, "-j LOG --log-level ALERT"),
    (FILTER, '-j LOG --log-prefix ""'),
    (FILTER, "-j NFLOG --nflog-size 4 --nflog-range 4"),
    (FILTER, "-j NFQUEUE --queue-cpu-fanout"),
    (FILTER, "-j NFQUEUE --queue-balance 1:2:3"),
    (FILTER, "-j CLASSIFY --set-class 1"),
    (INPUT, "-j CLASSIFY --set-class 1:2"),
    (FILTER, "-j TEE --gateway 0.0.0.0"),
    (FILTER, "-j TEE --gateway 1.2.3.4/24"),
    (FILTER, "-j IDLETIMER --timeout 2147483 --label a"),
    (FILTER, '-j IDLETIMER --timeout 3 --label ""'),
    (FILTER, "-j SET --add-set foo"),
    (FILTER, "-j SET --del-set foo src --timeout 42"),
    (FILTER, "-j SET --add-set foo src,dst,src,dst,src,dst,src"),
    (FILTER, "-j SET --map-set foo dst --map-mark"),
    (MANGLE, "-j SET --map-set foo dst"),
    (MANGLE_IN, "-j SET --map-set foo dst --map-prio"),
    (FILTER, "-j RATEEST --rateest-name x --rateest-interval 9s --rateest-ewmalog 90s"),
    (FILTER, "-j RATEEST --rateest-name x --rateest-interval 250ms --rateest-ewmalog 360ms"),
    (FILTER, "-j HMARK --hmark-mod 5 --hmark-rnd 4"),
    (FILTER, "-j HMARK --hmark-tuple spi,sport --hmark-mod 5 --hmark-rnd 4"),
    (FILTER, "-j HMARK --hmark-spi 24 --hmark-sport 4 --hmark-mod 5 --hmark-rnd 4"),
    (FILTER, "-p tcp -j SYNPROXY"),
    (MANGLE, "-j DSCP --set-dscp 64"),
    (MANGLE, "-j TOS --and-tos 5 --or-tos 4"),
    (MANGLE, "! -p tcp -j ECN --ecn-tcp-remove"),
    (MANGLE, "-p tcp -j TCPOPTSTRIP --strip-options sack,5"),
    (MANGLE_IN, "-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu"),
    (FILTER, "-p tcp --syn -j TCPMSS --set-mss 65516"),
    (FILTER6, "-p tcp --syn -j TCPMSS --set-mss 65496"),
    (TPROXY, "! -p tcp -j TPROXY --on-port 1"),
    (MANGLE, "-p tcp -j TPROXY --on-port 1"),
    (RAW, "-j CT --helper ftp"),
    (RAW, "-j CT --ctevents NEW"),
    (FILTER, "-j NOTRACK"),
    (NPT6, "-j DNPT --src-pfx dead::/65 --dst-pfx 1c3::/64"),
    (NPT6, "-j DNPT --src-pfx dead::1/64 --dst-pfx 1c3::/64"),
    (NPT6, "-j SNPT --src-pfx dead::/64 --dst-pfx 1c3::/64"),
]

# Rules that we refuse and iptables 1.8.9 loads, as something else than what is written.
STRICTER = [
    (DNAT, "-j NETMAP --to 1.2.3.0/255.0.255.0", "-j NETMAP --to 1.2.3.0/32"),
    (DNAT, "-j NETMAP --to 1.2.3.4/33", "-j NETMAP --to 1.2.3.4/32"),
    (DNAT6, "-p tcp -j DNAT --to-destination [::1]80", "-p tcp -j DNAT --to-destination ::1"),
    (
        FILTER,
        "-j HMARK --hmark-src-prefix 33 --hmark-mod 5 --hmark-rnd 4",
        "-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000004 --hmark-mod 5",
    ),
]


@pytest.mark.parametrize(("place", "rule", "options"), [*READ, *NOT_LOADED])
def test_options(place: Place, rule: str, options: dict[str, Any]) -> None:
    (ruleset,) = parse_rulesets(place.text(rule), "rules", place.family)
    ((_, _, _, read),) = ruleset.rules()
    assert isinstance(read.target, Target)
    assert {option.name: option.value for option in read.target.options} == options


@pytest.mark.parametrize(
    ("place", "rule"), [*REFUSED, *((place, rule) for place, rule, _ in STRICTER)]
)
def test_refused(place: Place, rule: str) -> None:
    with pytest.raises(ParseError):
        parse_rulesets(place.text(rule), "rules", place.family)


def save(netns: PrivateNetns, place: Place, text: str) -> list[str] | None:
    """What iptables-legacy saves of a rule set in that place; None where it does not load."""
    tool = "iptables-legacy" if place.family is V4 else "ip6tables-legacy"
    if netns.run([f"{tool}-restore"], text, check=False).returncode:
        return None
    saved = netns.run([f"{tool}-save", "-t", place.table]).stdout
    return [line for line in saved.splitlines() if line.startswith("-A ")]


@pytest.mark.netns
def test_iptables_agrees(netns: PrivateNetns) -> None:
    netns.run(["ipset", "create", "foo", "hash:ip", "timeout", "9", "skbinfo"])
    wrong = []
    for place, rule, _ in READ:
        original = save(netns, place, place.text(rule))
        (ruleset,) = parse_rulesets(place.text(rule), "rules", place.family)
        if original is None or save(netns, place, print_ruleset(ruleset)) != original:
            wrong.append((rule, original, print_ruleset(ruleset)))
    assert wrong == []
    assert [rule for place, rule in REFUSED if save(netns, place, place.text(rule))] == []
    assert {rule: save(netns, place, place.text(rule)) for place, rule, _ in STRICTER} == {
        rule: [f"-A {place.chain} {meant}"] for place, rule, meant in STRICTER
    }
