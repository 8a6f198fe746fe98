# SPDX-License-Identifier: GPL-2.0-only
"""The matches addrtype to limit: what their words mean, and what iptables refuses.

Expected values come from the options of iptables-extensions(8) and from what iptables-save 1.8.9
printed for the same rule; the last test asks the installed tools again.
"""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.ir.rule import Match, Option
from ctlint.ir.values import (
    AddressRange,
    BpfInstruction,
    HeaderOption,
    IcmpType,
    Masked,
    MaskedAddress,
    Range,
    Rate,
)
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family, Net
from tests.netns import PrivateNetns

V4, V6 = Family.IPV4, Family.IPV6
ALL32, ALL64 = (1 << 32) - 1, (1 << 64) - 1


def dump(rule: str, chain: str, table: str = "filter") -> str:
    return f"*{table}\n-A {chain} {rule}\nCOMMIT\n"


def last_match(rule: str, family: Family) -> Match:
    (ruleset,) = parse_rulesets(dump(rule, "INPUT"), "t", family)
    ((_, _, _, parsed),) = ruleset.rules()
    found = parsed.matches[-1]
    assert isinstance(found, Match)
    return found


HASH = "-m hashlimit --hashlimit-name a"
VALUES: list[tuple[Family, str, tuple[tuple[Any, ...], ...]]] = [
    # Lists whose words may be cut short: the first name that fits.
    (V4, "-m conntrack --ctstate EST,r", (("ctstate", ("ESTABLISHED", "RELATED")),)),
    (V4, "-m state ! --state new,i", (("state", ("NEW", "INVALID"), True),)),
    (V4, "-m addrtype --src-type u,unr", (("src-type", ("UNSPEC", "UNREACHABLE")),)),
    # getaddrinfo reads the address; the kernel compares under the mask.
    (
        V4,
        "-m conntrack --ctorigsrc 10.1.2.3/255.255.0.0",
        (("ctorigsrc", Net(V4, 0x0A010000, 0xFFFF0000)),),
    ),
    (V4, "-m conntrack --ctexpire 4294967295", (("ctexpire", Range(ALL32, ALL32)),)),
    # Ranges with an open end.
    (V4, "-p ah -m ah ! --ahspi :", (("ahspi", Range(0, ALL32), True),)),
    (V6, "-m frag --fragid :42", (("fragid", Range(0, 42)),)),
    (V4, "-m length --length 4:", (("length", Range(4, 65535)),)),
    (V4, "-p esp --espspi 0x10", (("espspi", Range(16, 16)),)),
    # connbytes alone takes one number as a lower bound.
    *(
        (
            V4,
            f"-m connbytes --connbytes {text} --connbytes-mode bytes --connbytes-dir both",
            (("connbytes", value), ("connbytes-mode", "bytes"), ("connbytes-dir", "both")),
        )
        for text, value in (
            ("1000", Range(1000, ALL64)),
            (":", Range(0, ALL64)),
            ("5:5", Range(5, 5)),
        )
    ),
    # Rates: a unit cut short, none at all, letters behind the number.
    (V4, "-m limit --limit 5/m", (("limit", Rate(5, 60, "packets")),)),
    (V4, "-m limit --limit 7", (("limit", Rate(7, 1, "packets")),)),
    (V4, "-m limit --limit 5x/D", (("limit", Rate(5, 86400, "packets")),)),
    (
        V4,
        "-m limit --limit 3/hour --limit-burst 20",
        (("limit", Rate(3, 3600, "packets")), ("limit-burst", 20)),
    ),
    *(
        (V4, f"{HASH} --hashlimit-upto {text}", (("hashlimit-name", "a"), ("hashlimit-upto", rate)))
        for text, rate in (
            ("4kb/s", Rate(4096, 1, "bytes")),
            ("10mb/second", Rate(10 << 20, 1, "bytes")),
            ("123456b/s", Rate(123456, 1, "bytes")),
            # Neither is a byte rate: the letters do not count, as iptables-save shows.
            ("10kb/min", Rate(10, 60, "packets")),
            ("10KB/s", Rate(10, 1, "packets")),
        )
    ),
    (
        V4,
        f"{HASH} ! --hashlimit 1/s --hashlimit-burst 2k --hashlimit-mode srcip|dstport,",
        (
            ("hashlimit-name", "a"),
            ("hashlimit-upto", Rate(1, 1, "packets"), True),
            ("hashlimit-burst", 2048),
            ("hashlimit-mode", ("srcip", "dstport")),
        ),
    ),
    (
        V4,
        "-m connlimit --connlimit-above 3 --connlimit-mask 255.255.0.0",
        (("connlimit-above", 3), ("connlimit-mask", 16)),
    ),
    # ICMP types by name, by a name cut short, by number, with codes.
    (V4, "-p icmp --icmp-type any", (("icmp-type", IcmpType(255, 0, 255)),)),
    (V4, "-p icmp --icmp-type echo-req", (("icmp-type", IcmpType(8, 0, 255)),)),
    (V4, "-p icmp --icmp-type TOS-host-r", (("icmp-type", IcmpType(5, 3, 3)),)),
    (V4, "-p icmp ! --icmp-type 3/4", (("icmp-type", IcmpType(3, 4, 4), True),)),
    (V4, "-p icmp --icmp-type 3/1:2", (("icmp-type", IcmpType(3, 1, 2)),)),
    (V6, "-p icmpv6 --icmpv6-type 2", (("icmpv6-type", IcmpType(2, 0, 255)),)),
    (V6, "-p icmpv6 -m icmpv6 --icmpv6-type no-route", (("icmpv6-type", IcmpType(1, 0, 0)),)),
    # Short addresses are padded at the end; a single address is a range of one.
    (
        V4,
        "-m iprange --src-range 10.1-10.2 ! --dst-range 1.2.3.4",
        (
            ("src-range", AddressRange(V4, 0x0A010000, 0x0A020000)),
            ("dst-range", AddressRange(V4, 0x01020304, 0x01020304), True),
        ),
    ),
    # 300 is 44 in eight bits; length 255 is "any length".
    (
        V6,
        "-m dst --dst-opts 300:5,0x10:0xff,0",
        (("dst-opts", (HeaderOption(44, 5), HeaderOption(16), HeaderOption(0))),),
    ),
    (
        V6,
        "-m ipv6header --header ipv6-opts,ah,255,0 --soft",
        (("header", ("dst", "auth", "prot", "hop")), ("soft",)),
    ),
    (V6, "-m hl ! --hl 5", (("hl-eq", 5, True),)),
    (V4, "-m dscp --dscp-class af41", (("dscp", 0x22),)),
    (V4, "-m devgroup ! --src-group default", (("src-group", Masked(0, ALL32), True),)),
    (V4, "-m devgroup --src-group 0x10/0xf0", (("src-group", Masked(0x10, 0xF0)),)),
    (V4, "-m connlabel --label 0x28 --set", (("label", 40), ("set",))),
    (V4, "-m connlabel --label eth0-in", (("label", "eth0-in"),)),
    (V4, "-m connmark ! --mark 1/3", (("mark", Masked(1, 3), True),)),
    (
        V4,
        "-p dccp --source-port 5:7 --dccp-types request,,reset",
        (("sport", Range(5, 7)), ("dccp-types", ("REQUEST", "RESET"))),
    ),
    (
        V4,
        '-m bpf --bytecode "2,48 0 0 9,6 0 0 1,"',
        (("bytecode", (BpfInstruction(48, 0, 0, 9), BpfInstruction(6, 0, 0, 1))),),
    ),
    (V4, f"-m comment --comment {'x' * 300}", (("comment", "x" * 255),)),
    (V4, f"-m helper --helper {'x' * 40}", (("helper", "x" * 29),)),
    (V4, "-p tcp --tcp-flags SYN,,ACK none", (("tcp-flags", (0x12, 0)),)),
    (
        V4,
        "-m ipvs --vproto TCP --vaddr 1.2.3.4/16 --vport http --vdir reply --vmethod Gate",
        (
            ("vproto", 6),
            ("vaddr", MaskedAddress(V4, 0x01020304, 0xFFFF0000)),
            ("vport", 80),
            ("vdir", "REPLY"),
            ("vmethod", "GATE"),
        ),
    ),
]


@pytest.mark.parametrize(("family", "rule", "options"), VALUES, ids=[rule for _, rule, _ in VALUES])
def test_words_become_typed_values(
    family: Family, rule: str, options: tuple[tuple[Any, ...], ...]
) -> None:
    assert last_match(rule, family).options == tuple(Option(*option) for option in options)


CLUSTER = "-m cluster --cluster-hash-seed 1 --cluster-total-nodes"
REFUSED = [
    (V4, "-m limit --limit 5/seconds", "no rate"),
    (V4, "-m limit --limit 0/s", "no rate"),
    (V4, "-m limit --limit 10001/s", "too fast"),
    (V4, "-m limit ! --limit 3/s", "cannot be negated"),
    (V4, f"{HASH} --hashlimit-upto 1000001/s", "too fast"),
    (V4, f"{HASH} --hashlimit-upto 10/s --hashlimit-mode none", "none of"),
    (V4, f"{HASH} --hashlimit-upto 10/s --hashlimit-above 20/s", "exclude"),
    (V4, f"{HASH} --hashlimit-upto 10/s --hashlimit-burst 1000001", "not in 1-1000000"),
    (V4, f"{HASH} --hashlimit-upto 10/s --hashlimit-burst 2m", "at most 1000000 packets"),
    # iptables: "burst cannot be smaller than 102400b"
    (V4, f"{HASH} --hashlimit-upto 100kb/s --hashlimit-burst 99kb", "at least 102400b"),
    (V4, "-m hashlimit --hashlimit-upto 10/s --hashlimit-name a/b", "/proc"),
    (V4, HASH, "needs --hashlimit-upto or --hashlimit-above"),
    (V4, "-m conntrack --ctstate NEW,", "none of"),
    (V4, "-m conntrack ! --ctproto 0", "protocol 0"),
    (V4, "-m conntrack ! --ctdir REPLY", "cannot be negated"),
    (V4, "-m state --state SNAT", "none of"),
    (V4, "-m addrtype --limit-iface-in", "needs --src-type or --dst-type"),
    (V4, "-m addrtype --dst-type LOCAL --limit-iface-out", "only in FORWARD"),
    (V6, "-m addrtype --src-type BLACKHOLE", "IPv6"),
    (V4, "-m devgroup --dst-group 1", "only in FORWARD"),
    (V4, "-m ah --ahspi 3", "needs -p ah"),
    (V4, "-p ah -m ah --ahspi 4:3", "empty"),
    (V4, "-p udp -m ecn --ecn-tcp-cwr", "needs -p tcp"),
    (V4, "-m connlabel --label 128", "not in 0-127"),
    (V4, f"{CLUSTER} 2 --cluster-local-node 3", "more than"),
    (V4, f"{CLUSTER} 4 --cluster-local-nodemask 0x11", "beyond"),
    (V4, f"{CLUSTER} 4", "needs --cluster-local-node"),
    (V4, '-m bpf --bytecode "2,6 0 0 1"', "1 instructions, but 2"),
    (V4, "-m cgroup --cgroup 1 --path /", "exclude"),
    (V4, "-m ipvs ! --ipvs --vport 3", "alone"),
    (V4, "-p icmp --icmp-type p", "may stand for"),
    (V4, "-p icmp --icmp-type 3:4", "not a range"),
    (V4, "-p icmp --icmp-type echo-reply/0", "unknown type"),
    (V4, "! -p icmp -m icmp --icmp-type 8", "needs -p icmp"),
    (V6, "-p icmpv6 --icmpv6-type any", "unknown type"),
    (V6, "-m dst --dst-opts 0:5", "no length"),
    (V6, f"-m dst --dst-opts {'1,' * 15}1:3", "option 16"),
    (V6, f"-m dst --dst-opts {'1,' * 16}1", "more than 16"),
    (V6, "-m hl --hl-gt 3 --hl-lt 5", "exclude"),
    (V6, "-m ipv6header --header tcp", "extension header"),
    (V6, "-m frag --fraglast --fragmore", "exclude"),
    (V6, "-m iprange --src-range 10.0.0.1", "10.0.0.1"),
]


@pytest.mark.parametrize(
    ("family", "rule", "message"), REFUSED, ids=[rule for _, rule, _ in REFUSED]
)
def test_what_iptables_refuses_is_refused(family: Family, rule: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse_rulesets(dump(rule, "INPUT"), "t", family)


def test_conditions_on_chains_hold_for_base_chains_only() -> None:
    # The kernel checks a user chain from the hooks that reach it.
    rule = "-m devgroup --dst-group 1"
    text = f"*mangle\n:inner - [0:0]\n-A inner {rule}\n-A POSTROUTING {rule}\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "t", V4)
    assert ruleset.rule_count == 2
    for extension, chain in (("eui64", "POSTROUTING"), ("cgroup --cgroup 1", "FORWARD")):
        with pytest.raises(ParseError, match="loads only in"):
            parse_rulesets(dump(f"-m {extension}", chain, "mangle"), "t", V6)


# The kernel or the tools at hand may lack these, or keep less of the rule than its words say.
_NOT_ASKED = ("ipvs", "label eth0-in", "3/1:2", "10.1.2.3/255.255.0.0")


@pytest.mark.netns
@pytest.mark.parametrize("family", [V4, V6], ids=["IPv4", "IPv6"])
def test_the_real_tools_agree(netns: PrivateNetns, family: Family) -> None:
    """They load what is read above, save the printed rule like the original, refuse the rest."""
    tables = "iptables-legacy" if family is V4 else "ip6tables-legacy"

    def saved(text: str) -> list[str] | None:
        loaded = netns.run([f"{tables}-restore"], text, check=False)
        if loaded.returncode:
            return None
        lines = netns.run([f"{tables}-save", "-t", "filter"]).stdout.splitlines()
        return [line for line in lines if line.startswith("-A")]

    for _, rule, _ in (row for row in VALUES if row[0] is family):
        if not any(words in rule for words in _NOT_ASKED):
            text = dump(rule, "INPUT")
            original = saved(text)
            assert original is not None, rule
            (ruleset,) = parse_rulesets(text, "t", family)
            assert saved(print_ruleset(ruleset)) == original, rule
    for _, rule, _ in (row for row in REFUSED if row[0] is family):
        # Old tools take these two; 1.8.11 does not (libipt_ah.t, libxt_conntrack.t).
        if "4:3" not in rule and "--ctproto 0" not in rule:
            assert saved(dump(rule, "INPUT")) is None, rule
