# SPDX-License-Identifier: GPL-2.0-only
"""Walks through chains. Expectations are what a live 6.18 kernel did with the same rules, or, for
undecided matches, what follows from both of its possible ways.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.host import Host
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.set_state import load_sets
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.model.netfilter.traverse import EndlessWalkError, Verdict, Walk, walk
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags

SYN = TcpFlags.SYN


def go(
    rules: str,
    *,
    chain: str = "INPUT",
    policy: str = "ACCEPT",
    dport: int = 22,
    flags: TcpFlags = SYN,
    ctstate: CtState = CtState.NEW,
    in_interface: str | None = "eth0",
    chains: str = "",
) -> Walk:
    declared = "".join(f":{name} - [0:0]\n" for name in chains.split())
    text = f"*filter\n:{chain} {policy} [0:0]\n{declared}{rules}\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    packet = Packet(Family.IPV4, 0x0A020002, 0x0A010001, 6, 40000, dport, flags)
    transit = Transit(packet, ctstate, in_interface=in_interface)
    return walk(ChainStore(ruleset, Facts()), "filter", chain, transit)


def verdict(result: Walk) -> Verdict:
    (only,) = result.verdicts()
    return only


def test_the_first_rule_that_matches_decides() -> None:
    result = go(
        "-A INPUT -p tcp --dport 23 -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP"
    )
    assert verdict(result) is Verdict.ACCEPT
    assert result.matched == ["filter/INPUT#2"]


def test_a_chain_that_runs_out_has_its_policy() -> None:
    result = go("-A INPUT -p tcp --dport 23 -j ACCEPT", policy="DROP")
    assert verdict(result) is Verdict.DROP
    assert result.matched == ["filter/INPUT policy"]


def test_return_from_a_user_chain_goes_on_behind_the_jump() -> None:
    result = go(
        "-A INPUT -j one\n-A INPUT -j DROP\n-A one -j RETURN\n-A one -j ACCEPT", chains="one"
    )
    assert verdict(result) is Verdict.DROP
    # The kernel traces RETURN as a rule; "return" is the end of a chain.
    assert result.matched == ["filter/INPUT#1", "filter/one#1", "filter/INPUT#2"]


def test_return_in_a_base_chain_is_its_policy() -> None:
    result = go("-A INPUT -j RETURN\n-A INPUT -j ACCEPT", policy="DROP")
    assert verdict(result) is Verdict.DROP


def test_the_end_of_a_chain_that_a_base_chain_went_to_is_the_policy() -> None:
    result = go(
        "-A INPUT -g one\n-A INPUT -j ACCEPT\n-A one -p udp -j ACCEPT", policy="DROP", chains="one"
    )
    assert verdict(result) is Verdict.DROP
    assert result.matched[-1] == "filter/INPUT policy"


def test_the_end_of_a_chain_that_a_user_chain_went_to_returns_to_that_chains_caller() -> None:
    result = go(
        "-A INPUT -j one\n-A INPUT -j ACCEPT\n-A one -g two\n-A one -j DROP\n-A two -p udp -j DROP",
        policy="DROP",
        chains="one two",
    )
    assert verdict(result) is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("condition", "matches"),
    [("-i eth0", False), ("! -i eth0", True), ("-i eth+", False)],
)
def test_a_packet_without_incoming_interface(condition: str, matches: bool) -> None:
    # A user chain that OUTPUT calls: the packet has no incoming interface.
    result = go(
        f"-A OUTPUT -j one\n-A one {condition} -j DROP",
        chain="OUTPUT",
        in_interface="",
        chains="one",
    )
    assert verdict(result) is (Verdict.DROP if matches else Verdict.ACCEPT)


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        # Without an entry ctstate is tested alone.
        ("--ctstate INVALID", True),
        ("--ctstate INVALID --ctproto 17", True),
        ("--ctstate INVALID --ctdir REPLY --ctorigsrc 9.9.9.9", True),
        ("! --ctstate NEW", True),
        ("! --ctstate SNAT", True),
        # Without ctstate nothing matches, negated or not.
        ("! --ctstatus ASSURED", False),
        ("! --ctproto 17", False),
        ("--ctdir ORIGINAL", False),
        ("! --ctexpire 0", False),
    ],
)
def test_conntrack_options_without_an_entry(condition: str, matches: bool) -> None:
    result = go(
        f"-A INPUT -m conntrack {condition} -j DROP",
        flags=TcpFlags.FIN | TcpFlags.ACK,
        ctstate=CtState.INVALID,
    )
    assert verdict(result) is (Verdict.DROP if matches else Verdict.ACCEPT)


def test_connmark_never_matches_without_an_entry() -> None:
    for condition in ("--mark 1", "! --mark 1", "--mark 0"):
        result = go(f"-A INPUT -m connmark {condition} -j DROP", ctstate=CtState.INVALID)
        assert verdict(result) is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("flags", "matches"),
    [("S", True), ("SEC", True), ("SP", True), ("SA", False), ("FA", False), ("A", False)],
)
def test_syn_ignores_psh_ece_and_cwr(flags: str, matches: bool) -> None:
    result = go("-A INPUT -p tcp --syn -j DROP", flags=TcpFlags.parse(flags))
    assert verdict(result) is (Verdict.DROP if matches else Verdict.ACCEPT)


def test_a_mark_set_before_is_seen_later() -> None:
    result = go(
        "-A INPUT -j MARK --set-xmark 0x1/0xff\n-A INPUT -m mark --mark 0x1/0xff -j DROP",
    )
    assert verdict(result) is Verdict.DROP


# What is not decided


def test_an_undecided_drop_leaves_both_ways_open() -> None:
    result = go("-A INPUT -m limit --limit 1/sec -j DROP\n-A INPUT -j ACCEPT")
    assert result.verdicts() == {Verdict.DROP, Verdict.ACCEPT}
    assert [str(item.ref) for item in result.open] == ["filter/INPUT#1"]


def test_an_undecided_log_leaves_nothing_open() -> None:
    result = go("-A INPUT -m limit --limit 1/sec -j LOG\n-A INPUT -j DROP")
    assert result.verdicts() == {Verdict.DROP}
    assert result.open == []


def test_what_every_way_leads_to_is_certain() -> None:
    result = go(
        "-A INPUT -m limit --limit 1/sec -j one\n-A INPUT -j DROP\n-A one -j DROP", chains="one"
    )
    assert result.verdicts() == {Verdict.DROP}


def test_an_undecided_return_leaves_the_rest_of_the_chain_open() -> None:
    result = go(
        "-A INPUT -j one\n-A INPUT -j DROP\n"
        "-A one -m limit --limit 1/sec -j RETURN\n-A one -j ACCEPT",
        chains="one",
    )
    assert result.verdicts() == {Verdict.ACCEPT, Verdict.DROP}


def test_an_undecided_return_in_a_base_chain_leaves_the_policy_open() -> None:
    result = go("-A INPUT -m limit --limit 1/sec -j RETURN\n-A INPUT -j ACCEPT", policy="DROP")
    assert result.verdicts() == {Verdict.ACCEPT, Verdict.DROP}


def test_an_undecided_goto_may_end_the_chain() -> None:
    # Taken: two ends, so does one, and INPUT goes on: DROP. Not taken: ACCEPT.
    result = go(
        "-A INPUT -j one\n-A INPUT -j DROP\n"
        "-A one -m limit --limit 1/sec -g two\n-A one -j ACCEPT\n-A two -p udp -j DROP",
        chains="one two",
    )
    assert result.verdicts() == {Verdict.ACCEPT, Verdict.DROP}


def test_a_mark_set_by_an_undecided_rule_is_not_known() -> None:
    result = go(
        "-A INPUT -m limit --limit 1/sec -j MARK --set-xmark 0x1/0xffffffff\n"
        "-A INPUT -m mark --mark 0x1 -j DROP",
    )
    assert result.verdicts() == {Verdict.DROP, Verdict.ACCEPT}


def test_a_false_condition_wins_over_an_undecided_one() -> None:
    result = go("-A INPUT -p tcp --dport 23 -m limit --limit 1/sec -j DROP")
    assert result.verdicts() == {Verdict.ACCEPT}
    assert result.open == []


@pytest.mark.parametrize("target", ["NFQUEUE --queue-num 1", "FOO --bar"])
def test_a_target_that_decides_elsewhere_is_not_guessed(target: str) -> None:
    result = go(f"-A INPUT -j {target}")
    assert Verdict.ELSEWHERE in result.verdicts()


@pytest.mark.parametrize(
    "target",
    [
        # hmark_tg_v4() writes skb->mark; so does set_target_v3() with --map-mark.
        "HMARK --hmark-tuple src --hmark-mod 10 --hmark-offset 5 --hmark-rnd 0x1",
        "SET --map-set one src --map-mark",
    ],
)
def test_a_mark_from_a_hash_or_a_set_is_not_known(target: str) -> None:
    text = (
        f"*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j {target}\n"
        "-A INPUT -m mark --mark 0x0 -j DROP\nCOMMIT\n"
    )
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    packet = Packet(Family.IPV4, 0x0A020002, 0x0A010001, 6, 40000, 22, SYN)
    transit = Transit(packet, CtState.NEW, in_interface="eth0")
    result = walk(ChainStore(ruleset, Facts()), "mangle", "INPUT", transit)
    assert result.verdicts() == {Verdict.DROP, Verdict.ACCEPT}


def test_a_prefix_translation_is_not_followed() -> None:
    # ip6t_dnpt_tg() rewrites the destination, so what stands behind it sees another packet.
    text = (
        "*mangle\n:PREROUTING ACCEPT [0:0]\n"
        "-A PREROUTING -j DNPT --src-pfx 2001:db8::/64 --dst-pfx fd00::/64\n"
        "-A PREROUTING -j DROP\nCOMMIT\n"
    )
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV6)
    packet = Packet(Family.IPV6, 3, 4, 6, 40000, 22, SYN)
    transit = Transit(packet, CtState.NEW, in_interface="eth0")
    result = walk(ChainStore(ruleset, Facts()), "mangle", "PREROUTING", transit)
    assert result.verdicts() == {Verdict.ELSEWHERE}


@pytest.mark.parametrize(("condition", "matches"), [("-i lo", False), ("! -i lo", True)])
def test_an_unknown_interface_is_not_lo(condition: str, matches: bool) -> None:
    result = go(f"-A INPUT {condition} -j DROP", in_interface=None)
    assert verdict(result) is (Verdict.DROP if matches else Verdict.ACCEPT)
    assert result.open == []


def test_unknown_interface_is_undecided() -> None:
    result = go("-A INPUT -i eth0 -j DROP", in_interface=None)
    assert result.verdicts() == {Verdict.DROP, Verdict.ACCEPT}


def test_chains_too_deep_in_each_other_end_with_an_error() -> None:
    # The legacy restore loads them; circles are refused when the text is read.
    names = [f"c{number}" for number in range(5000)]
    rules = "\n".join(f"-A {one} -j {other}" for one, other in pairwise(["INPUT", *names]))
    with pytest.raises(EndlessWalkError):
        go(f"{rules}\n-A c4999 -j DROP", chains=" ".join(names))


def test_chains_that_call_each_other_twice_end_with_an_error() -> None:
    names = [f"c{number}" for number in range(40)]
    rules = "-A INPUT -j c0\n" + "\n".join(
        f"-A {one} -p tcp -j {other}\n-A {one} -p tcp -j {other}" for one, other in pairwise(names)
    )
    with pytest.raises(EndlessWalkError):
        go(f"{rules}\n-A c39 -m mark --mark 7 -j DROP", chains=" ".join(names))


def test_a_rule_far_down_a_long_list_is_found_through_the_index() -> None:
    rules = "\n".join(f"-A INPUT -p tcp --dport {port} -j DROP" for port in range(1000, 6000))
    result = go(f"{rules}\n-A INPUT -j ACCEPT", dport=5555)
    assert result.matched == ["filter/INPUT#4556"]


# At a box


def at_box(*rules: str, mark: int | None = 0, sets: str = "") -> tuple[Walk, Transit]:
    """A concrete packet at INPUT of the mangle table."""
    text = "\n".join(["*mangle", ":one - [0:0]", *(f"-A {rule}" for rule in rules), "COMMIT", ""])
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    packet = Packet(Family.IPV4, 0x0A020002, 0x0A010001, 6, 40000, 22, SYN)
    memory = Memory(load_sets(parse_ipset_save(sets, "sets")))
    box = Box(Host(()), Tracker(NEWEST, read_settings(NEWEST, {})), memory)
    transit = Transit(packet, CtState.NEW, in_interface="eth0", box=box, mark=mark)
    return walk(ChainStore(ruleset, Facts()), "mangle", "INPUT", transit), transit


UNKNOWN = "-m time --timestart 10:00 --timestop 11:00"


def test_a_concrete_packet_is_changed() -> None:
    result, transit = at_box("INPUT -j TTL --ttl-set 9", "INPUT -m ttl --ttl-eq 9 -j DROP")
    assert verdict(result) is Verdict.DROP
    assert transit.packet.ttl == 9
    assert result.matched == ["mangle/INPUT#1", "mangle/INPUT#2"]


@pytest.mark.parametrize(
    "rules",
    [
        (f"INPUT {UNKNOWN} -j TTL --ttl-set 9",),
        # The rule matches, but nobody knows whether the packet comes there.
        (f"INPUT {UNKNOWN} -j one", "one -j TTL --ttl-set 9"),
        (f"INPUT {UNKNOWN} -j RETURN", "INPUT -j CONNMARK --restore-mark"),
    ],
)
def test_what_may_have_been_changed_is_open(rules: tuple[str, ...]) -> None:
    result, transit = at_box(*rules)
    assert result.verdicts() == {Verdict.ELSEWHERE, Verdict.ACCEPT}
    assert transit.packet.ttl == 64


def test_what_cannot_be_known_is_said() -> None:
    result, transit = at_box("INPUT -j CONNMARK --save-mark", mark=None)
    assert result.verdicts() == {Verdict.ELSEWHERE, Verdict.ACCEPT}
    assert [item.why for item in result.open] == ["the packet's mark is not known"]
    assert transit.mark is None


@pytest.mark.parametrize(("target", "mark"), [("--add-set s src", 5), ("--map-set s src", 5)])
def test_a_set_that_may_have_been_changed_is_not_known(target: str, mark: int) -> None:
    sets = "create s hash:ip family inet skbinfo\n"
    is_map = target.startswith("--map")
    words = f"{target} --map-mark" if is_map else target
    result, transit = at_box(f"INPUT {UNKNOWN} -j SET {words}", mark=mark, sets=sets)
    assert result.verdicts() == {Verdict.ACCEPT}
    assert transit.mark == (None if is_map else mark)
    assert transit.box is not None
    assert (transit.box.memory.sets["s"].unknown is None) is is_map


def test_a_mark_comes_from_a_set() -> None:
    sets = "create s hash:ip family inet skbinfo\nadd s 10.2.0.2 skbmark 0x7/0xff\n"
    result, transit = at_box(
        "INPUT -j SET --map-set s src --map-mark", "INPUT -m mark --mark 7 -j DROP", sets=sets
    )
    assert verdict(result) is Verdict.DROP
    assert transit.mark == 7


def test_chains_for_packets_that_are_not_wholly_known_are_kept() -> None:
    text = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.2.0.2 -p tcp --dport 22 -j DROP\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    packet = Packet(Family.IPV4, 0x0A020002, 0x0A010001, 6, 40000, 22, SYN)
    chains = ChainStore(ruleset, Facts())
    assert chains.blind({}) is chains
    source = chains.blind({Field.SADDR: "no source"})
    assert source is chains.blind({Field.SADDR: "no source"})
    assert source is not chains.blind({Field.SADDR: "another reason"})
    for store, why in (
        (source, ["no source"]),
        (source.blind({Field.DPORT: "no port"}), ["no source", "no port"]),
    ):
        result = walk(store, "filter", "INPUT", Transit(packet, CtState.NEW))
        assert result.verdicts() == {Verdict.DROP, Verdict.ACCEPT}
        assert [one.why for one in result.open] == why
    assert walk(chains, "filter", "INPUT", Transit(packet, CtState.NEW)).verdicts() == {
        Verdict.DROP
    }
