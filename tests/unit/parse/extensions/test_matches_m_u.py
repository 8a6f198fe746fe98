# SPDX-License-Identifier: GPL-2.0-only
"""The matches mac to udp: what their words mean, and what iptables refuses.

Expected values come from iptables-extensions(8) and from what iptables-save 1.8.9 printed for the
same rule on Linux 6.18; the last test asks the installed tools again.
"""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.ir.rule import Match, Option
from ctlint.ir.values import MacAddress, Masked, MaskedAddress, Range
from ctlint.parse.errors import ParseError
from ctlint.parse.extensions.match_sctp import ALL_CHUNKS, SctpChunk
from ctlint.parse.extensions.match_u32 import U32Step, U32Test
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family, Net
from tests.netns import PrivateNetns

V4, V6 = Family.IPV4, Family.IPV6
ALL32 = (1 << 32) - 1
DAY = 86_400


def dump(rule: str, chain: str, table: str) -> str:
    return f"*{table}\n-A {chain} {rule}\nCOMMIT\n"


MULTIPORT = "-p tcp -m multiport --dports"
STRICT = "-m policy --dir in --pol ipsec --strict"
HEX = "-m string --algo bm --hex-string"

# Family, table and chain (of the kind that the match needs), rule, options.
VALUES: list[tuple[Family, str, str, str, tuple[tuple[Any, ...], ...]]] = [
    (
        V4,
        "filter",
        "INPUT",
        "-m mac ! --mac-source 0:1:2:a:B:ff",
        (("mac-source", MacAddress(0x0001020A0BFF), True),),
    ),
    (V4, "filter", "INPUT", "-m mark --mark 0x10/0xff", (("mark", Masked(16, 255)),)),
    # An abbreviation means the first name that starts so, a whole name itself.
    (V6, "filter", "INPUT", "-p 135 -m mh --mh-type home-t", (("mh-type", Range(1, 1)),)),
    (V6, "filter", "INPUT", "-p 135 -m mh --mh-type home-test", (("mh-type", Range(3, 3)),)),
    (V6, "filter", "INPUT", "-p 135 -m mh ! --mh-type BU:", (("mh-type", Range(5, 255), True),)),
    (
        V4,
        "filter",
        "INPUT",
        f"{MULTIPORT} http,0x51,1024:65535",
        (("dports", (Range(80, 80), Range(81, 81), Range(1024, 65535))),),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-p udp -m multiport ! --source-ports 53",
        (("sports", (Range(53, 53),), True),),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-p tcp -m osf --genre Linux --ttl 2",
        (("genre", "Linux"), ("ttl", 2)),
    ),
    (
        V4,
        "filter",
        "OUTPUT",
        "-m owner --uid-owner 5:10 ! --gid-owner root --suppl-groups",
        (("uid-owner", Range(5, 10)), ("gid-owner", "root", True), ("suppl-groups",)),
    ),
    (
        V4,
        "filter",
        "OUTPUT",
        "-m physdev --physdev-out eth+ --physdev-is-bridged",
        (("physdev-out", "eth+"), ("physdev-is-bridged",)),
    ),
    (V4, "filter", "INPUT", "-m pkttype --pkt-type HOST", (("pkt-type", "unicast"),)),
    (V4, "filter", "INPUT", "-m pkttype ! --pkt-type mcast", (("pkt-type", "multicast", True),)),
    (
        V4,
        "filter",
        "INPUT",
        f"{STRICT} --proto esp ! --mode transport --tunnel-src 10.1.2.3/8 --next --spi 0x10",
        (
            ("dir", "in"),
            ("pol", "ipsec"),
            ("strict",),
            ("proto", 50),
            ("mode", "transport", True),
            ("tunnel-src", MaskedAddress(V4, 0x0A010203, 0xFF000000)),
            ("next",),
            ("spi", 16),
        ),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-m quota ! --quota 18446744073709551615",
        (("quota", (1 << 64) - 1, True),),
    ),
    (V4, "filter", "INPUT", "-m realm --realm 0x1/0x2a", (("realm", Masked(1, 42)),)),
    (V4, "filter", "INPUT", "-m realm --realm cosmos", (("realm", "cosmos"),)),
    (
        V4,
        "filter",
        "INPUT",
        "-m recent ! --rcheck --seconds 60 --reap --hitcount 4 --name ssh --mask 255.255.0.255",
        (
            ("rcheck", None, True),
            ("seconds", 60),
            ("reap",),
            ("hitcount", 4),
            ("name", "ssh"),
            ("mask", Net(V4, 0xFFFF00FF, ALL32)),
        ),
    ),
    (V4, "raw", "PREROUTING", "-m rpfilter --loose --invert", (("loose",), ("invert",))),
    (
        V6,
        "filter",
        "INPUT",
        "-m rt --rt-type 0 ! --rt-segsleft :3 --rt-0-addrs a::1,b::2 --rt-0-not-strict",
        (
            ("rt-type", 0),
            ("rt-segsleft", Range(0, 3), True),
            (
                "rt-0-addrs",
                (Net(V6, (10 << 112) + 1, V6.full_mask), Net(V6, (11 << 112) + 2, V6.full_mask)),
            ),
            ("rt-0-not-strict",),
        ),
    ),
    # Upper case: set, lower case: clear, what is not named: either. Types are sorted.
    (
        V4,
        "filter",
        "INPUT",
        "-p sctp --chunk-types any ABORT:t,,data:Be,INIT:-",
        (("chunk-types", ("any", (SctpChunk(0, 2, 3), SctpChunk(1, 0, 128), SctpChunk(6, 0, 1)))),),
    ),
    # iptables loses flags of the newer types, and the kernel never sees them.
    (
        V4,
        "filter",
        "INPUT",
        "-p sctp ! --chunk-types ONLY I_DATA:B",
        (("chunk-types", ("only", (SctpChunk(64),)), True),),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-p sctp --chunk-types all ALL",
        (("chunk-types", ("all", ALL_CHUNKS)),),
    ),
    (V4, "filter", "INPUT", "-p sctp --chunk-types all none", (("chunk-types", ("all", ())),)),
    (
        V4,
        "filter",
        "INPUT",
        "-m set ! --set foo src,dst ! --update-counters ! --packets-eq 5 --bytes-gt 10",
        (
            ("match-set", ("foo", ("src", "dst")), True),
            ("update-counters", None, True),
            ("packets-eq", 5, True),
            ("bytes-gt", 10),
        ),
    ),
    (
        V4,
        "mangle",
        "PREROUTING",
        "-m socket --transparent --nowildcard",
        (("transparent",), ("nowildcard",)),
    ),
    (
        V6,
        "filter",
        "INPUT",
        "-m srh ! --srh-segs-left-gt 1 --srh-lsid c::/0",
        (("srh-segs-left-gt", 1, True), ("srh-lsid", MaskedAddress(V6, 12 << 112, 0))),
    ),
    # iptables-save: 0.33333333349 and 0.10000000009, the nearest multiples of 2^-31.
    (
        V4,
        "filter",
        "INPUT",
        "-m statistic --mode random --probability 0.3333333333",
        (("mode", "random"), ("probability", 715827883 / 2**31)),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-m statistic --mode random ! --probability 1e-1",
        (("mode", "random"), ("probability", 214748365 / 2**31, True)),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-m statistic --mode nth ! --every 5 --packet 4",
        (("mode", "nth"), ("every", 5, True), ("packet", 4)),
    ),
    (
        V4,
        "filter",
        "INPUT",
        r'-m string --algo kmp ! --string "a\\b\"c" --icase --from 40 --to 57',
        (("algo", "kmp"), ("string", rb"a\b" + b'"c', True), ("icase",), ("from", 40), ("to", 57)),
    ),
    # iptables-save: 037777770a7c, 0a7c3062, 61620a0b5c78 and "a|b".
    *(
        (V4, "filter", "INPUT", f"{HEX} {text}", (("algo", "bm"), ("hex-string", pattern)))
        for text, pattern in (
            ('"|03|www|0A 7c|"', b"\x03www\x0a|"),
            ('"|0a||0b|"', b"\x0a|0b"),
            (r'"ab|0a 0b|\\x"', rb"ab" + b"\x0a\x0b" + rb"\x"),
            (r'"a\\|b"', b"a|b"),
            (f'"|{"00" * 127}|\\\\"', bytes(127) + b"\\"),
        )
    ),
    (V4, "filter", "INPUT", "-p tcp -m tcpmss ! --mss 42:", (("mss", Range(42, 65535), True),)),
    # February 31 is March 3; 1970-01-02 is day 1.
    (
        V4,
        "filter",
        "INPUT",
        "-m time --datestart 2001-02-31 --datestop 2038-12-31T23:59:59 --localtz",
        (("datestart", 11384 * DAY), ("datestop", 25202 * DAY - 1), ("kerneltz",)),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-m time --timestart 22:00 --timestop 6:07:08 --contiguous",
        (("timestart", 79200), ("timestop", 22028), ("contiguous",)),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-m time ! --weekdays Su,Monday,3 --monthdays 31,1,1,",
        (("weekdays", (1, 3, 7), True), ("monthdays", (1, 31))),
    ),
    (V4, "filter", "INPUT", "-m tos --tos Minimize-Delay", (("tos", Masked(0x10, 0x3F)),)),
    (V4, "filter", "INPUT", "-m ttl ! --ttl 5", (("ttl-eq", 5, True),)),
    (
        V4,
        "filter",
        "INPUT",
        '-m u32 --u32 "0 >> 22 & 0x3C @ 0 = 5:3 , 7 && 010=1"',
        (
            (
                "u32",
                (
                    U32Test(
                        0,
                        (U32Step(">>", 22), U32Step("&", 0x3C), U32Step("@", 0)),
                        (Range(5, 3), Range(7, 7)),
                    ),
                    U32Test(8, (), (Range(1, 1),)),
                ),
            ),
        ),
    ),
    (
        V4,
        "filter",
        "INPUT",
        "-p udp ! --destination-port 53:",
        (("dport", Range(53, 65535), True),),
    ),
]
IDS = [row[3][:70] for row in VALUES]


def parse(family: Family, table: str, chain: str, rule: str) -> Match:
    (ruleset,) = parse_rulesets(dump(rule, chain, table), "t", family)
    ((_, _, _, parsed),) = ruleset.rules()
    found = parsed.matches[-1]
    assert isinstance(found, Match)
    return found


@pytest.mark.parametrize(("family", "table", "chain", "rule", "options"), VALUES, ids=IDS)
def test_words_become_typed_values(
    family: Family, table: str, chain: str, rule: str, options: tuple[tuple[Any, ...], ...]
) -> None:
    found = parse(family, table, chain, rule)
    assert found.options == tuple(Option(*option) for option in options)


def test_words_that_depend_on_the_machine_are_kept() -> None:
    accounting = parse(V4, "filter", "INPUT", f'-m nfacct --nfacct-name "{"x" * 40}"')
    assert accounting.options == (Option("nfacct-name", "x" * 31),)
    for family, name in ((V4, "pid-owner"), (V6, "sid-owner"), (V4, "cmd-owner")):
        old = parse(family, "filter", "OUTPUT", f"-m owner --{name} 5")
        assert old.options == (Option(name, "5" if name == "cmd-owner" else 5),)


REFUSED = [
    (V4, "filter", "OUTPUT", "-m mac --mac-source 00:01:02:03:04:05", "loads only in"),
    (V4, "filter", "INPUT", "-m mac --mac-source 00:01:02:03:04", "not a MAC address"),
    (V4, "filter", "INPUT", "-m mark --mark 4294967296", "not in"),
    (V6, "filter", "INPUT", "-p 135 -m mh --mh-type ho-ti", "no mobility header type"),
    (V6, "filter", "INPUT", "-p 135 -m mh --mh-type 4:3", "empty"),
    (V6, "filter", "INPUT", "-m mh", "needs -p"),
    (V4, "filter", "INPUT", f"{MULTIPORT} 80:80", "empty"),
    (V4, "filter", "INPUT", f"{MULTIPORT} 1:", "unknown port"),
    (V4, "filter", "INPUT", f"{MULTIPORT} {','.join(map(str, range(14)))},20:21", "16 slots"),
    (V4, "filter", "INPUT", f"{MULTIPORT} 80 --sports 90", "exclude"),
    (V4, "filter", "INPUT", "-p icmp -m multiport --ports 80", "needs -p"),
    (V4, "filter", "INPUT", "! -p tcp -m multiport --ports 80", "needs -p"),
    (V4, "filter", "INPUT", "-p tcp -m multiport", "needs --sports or --dports or --ports"),
    (V4, "filter", "INPUT", "-m osf --genre Linux", "needs -p tcp"),
    (V4, "filter", "INPUT", "-m owner --uid-owner 0", "loads only in OUTPUT, POSTROUTING"),
    (V4, "filter", "OUTPUT", "-m owner --uid-owner 10-5", "empty"),
    (V4, "filter", "OUTPUT", "-m owner --uid-owner 4294967295", "not in"),
    (V4, "filter", "OUTPUT", "-m owner --suppl-groups --gid-owner 5", "before it"),
    (V4, "filter", "OUTPUT", "-m owner", "needs --uid-owner"),
    (V4, "filter", "OUTPUT", "-m physdev --physdev-is-out", "is-bridged"),
    (V4, "filter", "INPUT", "-m physdev", "needs an option"),
    (V4, "filter", "INPUT", "-m pkttype --pkt-type loopback", "none of"),
    (V4, "filter", "INPUT", "-m policy --pol ipsec", "needs --dir"),
    (V4, "filter", "INPUT", "-m policy --dir out", "no outgoing policy"),
    (V4, "filter", "OUTPUT", "-m policy --dir in", "no incoming policy"),
    (V4, "filter", "INPUT", f"{STRICT} --reqid 1 --next", "empty"),
    (V4, "filter", "INPUT", f"{STRICT} --reqid 1 --reqid 2", "a second --reqid"),
    (V4, "filter", "INPUT", f"{STRICT} --reqid 1{' --next --reqid 2' * 4}", "at most 4"),
    (V4, "filter", "INPUT", f"{STRICT} --tunnel-src 10.0.0.1", "--mode tunnel"),
    (V4, "filter", "INPUT", f"{STRICT} ! --mode tunnel --tunnel-src 10.0.0.1", "--mode tunnel"),
    (V4, "filter", "INPUT", "-m policy --dir in --reqid 1 --next --reqid 2", "needs --strict"),
    (V4, "filter", "INPUT", "-m policy --dir in --pol none --strict --reqid 1", "no elements"),
    (V4, "filter", "INPUT", "-m policy --dir in --proto tcp", "none of esp"),
    (V4, "filter", "INPUT", "-m quota --quota 18446744073709551616", "not in"),
    (V4, "mangle", "PREROUTING", "-m realm --realm 5", "loads only in"),
    (V4, "filter", "INPUT", "-m recent --name a", "needs --set"),
    (V4, "filter", "INPUT", "-m recent --set --update", "exclude"),
    (V4, "filter", "INPUT", "-m recent --set --seconds 5", "for --rcheck and --update only"),
    (V4, "filter", "INPUT", "-m recent --update --reap", "needs --seconds"),
    (V4, "filter", "INPUT", "-m recent --update --hitcount 65536", "not in"),
    (V4, "filter", "INPUT", "-m recent --update --name a/b", "/proc"),
    (V4, "filter", "INPUT", "-m rpfilter", "table raw, mangle"),
    (V4, "mangle", "INPUT", "-m rpfilter", "loads only in PREROUTING"),
    (V6, "filter", "INPUT", "-m rt --rt-0-res --rt-type 0", "before it"),
    (V6, "filter", "INPUT", "-m rt ! --rt-type 0 --rt-0-res", "before it"),
    (V6, "filter", "INPUT", "-m rt --rt-type 0 --rt-0-not-strict", "before it"),
    (V6, "filter", "INPUT", f"-m rt --rt-type 0 --rt-0-addrs {'a::,' * 16}b::", "more than 16"),
    (V4, "filter", "INPUT", "-m sctp --dport 5", "needs -p sctp"),
    (V4, "filter", "INPUT", "-p sctp --chunk-types none DATA", "none of"),
    (V4, "filter", "INPUT", "-p sctp --chunk-types any DATA:T", "no flag of DATA"),
    (V4, "filter", "INPUT", "-p sctp --chunk-types any ALL,DATA", "no SCTP chunk type"),
    (
        V4,
        "filter",
        "INPUT",
        "-p sctp --chunk-types any DATA:B,INIT:-,SACK:-,ERROR:-,ABORT:T",
        "more than 4",
    ),
    (V4, "filter", "INPUT", "-m set --match-set foo", "needs a list"),
    (V4, "filter", "INPUT", f"-m set --match-set {'x' * 32} src", "31 bytes"),
    (V4, "filter", "INPUT", f"-m set --match-set foo src{',src' * 6}", "more than 6"),
    (V4, "filter", "INPUT", "-m set --match-set foo src --match-set foo dst", "a second"),
    (V4, "filter", "INPUT", "-m set --match-set foo src ! --bytes-lt 5", "cannot be negated"),
    (V4, "filter", "INPUT", "-m set --match-set foo src --bytes-lt 5 --bytes-gt 3", "exclude"),
    (V4, "filter", "OUTPUT", "-m socket", "loads only in PREROUTING, INPUT"),
    (V6, "filter", "INPUT", "-m srh --srh-hdr-len-eq 256", "not in"),
    (V4, "filter", "INPUT", "-m statistic --mode random --probability 1.1", "not in 0-1"),
    (V4, "filter", "INPUT", "-m statistic --mode nth --probability 0.5", "needs --every"),
    (V4, "filter", "INPUT", "-m statistic --mode random --every 2 --packet 1", "needs --prob"),
    (V4, "filter", "INPUT", "-m statistic --mode nth --every 5 --packet 5", "not in 0-4"),
    (V4, "filter", "INPUT", "-m string --algo bm", "needs --string or --hex-string"),
    (V4, "filter", "INPUT", "-m string --algo fsm --string aaaa", "none of bm, kmp"),
    (V4, "filter", "INPUT", '-m string --algo bm --string ""', "empty"),
    (V4, "filter", "INPUT", f"-m string --algo bm --string {'x' * 129}", "at most 128"),
    (V4, "filter", "INPUT", "-m string --algo bm --string a --from 9 --to 8", "behind"),
    (V4, "filter", "INPUT", f'{HEX} "|{"00" * 128}|a"', "at most 128"),
    (V4, "filter", "INPUT", f'{HEX} "|0a  0b|"', "hex digits"),
    (V4, "filter", "INPUT", f'{HEX} "|0a0b"', "ends with"),
    (V4, "filter", "INPUT", f'{HEX} "|0a\\\\0b|"', "backslash in a hex block"),
    (V4, "filter", "INPUT", f'{HEX} "|"', "empty"),
    (V4, "filter", "INPUT", "-p udp -m tcpmss --mss 42", "needs -p tcp"),
    (V4, "filter", "INPUT", "-p tcp -m tcpmss --mss 65535:1000", "empty"),
    (V4, "filter", "INPUT", "-m time --contiguous", "needs a --timestop before"),
    (V4, "filter", "INPUT", "-m time --timestart 24:00", "not hh:mm"),
    (V4, "filter", "INPUT", "-m time --datestart 2039", "no date in 1970-2038"),
    (V4, "filter", "INPUT", "-m time --datestart 1970-00-01", "before 1970"),
    (V4, "filter", "INPUT", "-m time --datestart 2001-02-03T24", "no time of day"),
    (V4, "filter", "INPUT", "-m time --weekdays 0", "no weekday"),
    (V4, "filter", "INPUT", "-m time --weekdays mon", "no weekday"),
    (V4, "filter", "INPUT", "-m time --monthdays 32", "not in 1-31"),
    (V4, "filter", "INPUT", "-m time --utc --localtz", "exclude"),
    (V4, "filter", "INPUT", "-m tos --tos 0x100", "not in"),
    (V4, "filter", "INPUT", "-m ttl --ttl-lt 5 --ttl-gt 1", "exclude"),
    (V4, "filter", "INPUT", "-m ttl", "needs --ttl-eq"),
    (V4, "filter", "INPUT", '-m u32 --u32 "0&0=1&&"', "not the end"),
    (V4, "filter", "INPUT", '-m u32 --u32 "0&&0=1"', "operator"),
    (V4, "filter", "INPUT", '-m u32 --u32 "0>>32=1"', "shift"),
    (V4, "filter", "INPUT", f'-m u32 --u32 "0{"&0" * 10}=1"', "more than 10"),
    (V4, "filter", "INPUT", f'-m u32 --u32 "0=0{",0" * 10}"', "more than 10"),
    (V4, "filter", "INPUT", f'-m u32 --u32 "0=0{"&&0=0" * 10}"', "at most 10"),
    (V4, "filter", "INPUT", "-m udp --dport 1", "needs -p udp"),
]


@pytest.mark.parametrize(
    ("family", "table", "chain", "rule", "message"), REFUSED, ids=[row[3][:70] for row in REFUSED]
)
def test_what_iptables_refuses_is_refused(
    family: Family, table: str, chain: str, rule: str, message: str
) -> None:
    with pytest.raises(ParseError, match=message):
        parse_rulesets(dump(rule, chain, table), "t", family)


def test_values_that_the_manual_does_not_know_are_refused() -> None:
    """iptables loads these, and the rule then means something else than its words."""
    for words in ("--weekdays 8", "--monthdays 0", "--monthdays 123", '--weekdays ""'):
        with pytest.raises(ParseError):
            parse_rulesets(dump(f"-m time {words}", "INPUT", "filter"), "t", V4)


def test_a_hex_pattern_that_only_iptables_save_writes_is_read() -> None:
    """iptables-save writes 128 bytes with a bar behind them, which iptables-restore refuses."""
    found = parse(V4, "filter", "INPUT", f'{HEX} "|{"00" * 128}|"')
    assert found.options[1].value == bytes(128)


def test_a_user_chain_may_hold_what_a_base_chain_may_not() -> None:
    """The kernel asks which hooks reach the chain, and that is not known while it is read."""
    rules = ("-m mac --mac-source 0:0:0:0:0:1", "-m owner --uid-owner 0", "-m policy --dir in")
    text = (
        "*filter\n:inner - [0:0]\n" + "".join(f"-A inner {rule}\n" for rule in rules) + "COMMIT\n"
    )
    (ruleset,) = parse_rulesets(text, "t", V4)
    assert ruleset.rule_count == len(rules)


@pytest.mark.netns
@pytest.mark.parametrize("family", [V4, V6], ids=["IPv4", "IPv6"])
def test_the_real_tools_agree(netns: PrivateNetns, family: Family) -> None:
    """They load what is read above, save the printed rule like the original, refuse the rest."""
    tables = "iptables-legacy" if family is V4 else "ip6tables-legacy"
    if family is V4:
        netns.run(["ipset", "create", "foo", "hash:ip,port", "counters"])

    def saved(text: str, table: str) -> list[str] | None:
        if netns.run([f"{tables}-restore"], text, check=False).returncode:
            return None
        lines = netns.run([f"{tables}-save", "-t", table]).stdout.splitlines()
        return [line for line in lines if line.startswith("-A")]

    for _, table, chain, rule, _ in (row for row in VALUES if row[0] is family):
        text = dump(rule, chain, table)
        original = saved(text, table)
        assert original is not None, rule
        (ruleset,) = parse_rulesets(text, "t", family)
        assert saved(print_ruleset(ruleset), table) == original, rule
        # What was saved reads back to a rule that is saved alike.
        (again,) = parse_rulesets("\n".join((f"*{table}", *original, "COMMIT", "")), "t", family)
        assert saved(print_ruleset(again), table) == original, rule
    for _, table, chain, rule, _ in (row for row in REFUSED if row[0] is family):
        assert saved(dump(rule, chain, table), table) is None, rule
