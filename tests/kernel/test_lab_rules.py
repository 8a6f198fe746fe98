# SPDX-License-Identifier: GPL-2.0-only
"""What rule sets do on the live kernel, as the lab tells it.

Expected answers are from the kernel's source (net/netfilter/xt_*.c, nf_nat_core.c,
net/ipv4/netfilter/nf_reject_ipv4.c), include/uapi/linux/icmp.h and icmpv6.h, unless said otherwise.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from ctlint.lab.lab import Backend, CannotLoadError, Lab
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.transit import Facts, Mac, Owner
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.scenario import Loopback, Scenario, ScenarioError, Send
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.random_rule_scenarios import generate
from tests.conformance.random_rulesets import POOLS, RulesetWriter
from tests.conformance.random_scenarios import topology_of

pytestmark = pytest.mark.netns

SYN = TcpFlags.SYN
ACK = TcpFlags.ACK
BACKENDS = pytest.mark.parametrize("backend", Backend)
FAMILIES = pytest.mark.parametrize("family", Family)
RULESETS = 40


def table(name: str, *rules: str, chains: str = "") -> str:
    bases = {
        "filter": ("INPUT", "FORWARD", "OUTPUT"),
        "raw": ("PREROUTING", "OUTPUT"),
        "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
        "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    }[name]
    lines = [f":{base} ACCEPT [0:0]" for base in bases]
    lines += [f":{chain} - [0:0]" for chain in chains.split()]
    return "\n".join([f"*{name}", *lines, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def scenario(
    text: str, *steps: Send, kind: str = "forward", family: Family = Family.IPV4, **others: Any
) -> Scenario:
    topology, flow = topology_of(kind, family)
    texts = (text, "") if family is Family.IPV4 else ("", text)
    return replace(Scenario(None, None, {}, *texts, topology, flow, steps), **others)


def answers(lab: Lab, played: Scenario, backend: Backend | None = None) -> list[PacketAnswer]:
    found = lab.play(played, backend).packets
    return [answer for answer in found if isinstance(answer, PacketAnswer)]


def only(lab: Lab, played: Scenario, backend: Backend | None = None) -> PacketAnswer:
    (answer,) = answers(lab, played, backend)
    return answer


def syn(**others: Any) -> Send:
    return replace(Send(Dir.ORIGINAL, TCP, SYN, seq=1000), **others)


# What packets carry


@FAMILIES
@pytest.mark.parametrize("kind", ["forward", "orig", "reply", "lo"])
def test_packets_have_their_ttl_their_tos_and_their_payload(
    kind: str, family: Family, lab: Lab
) -> None:
    hop = "hl" if family is Family.IPV6 else "ttl"
    base = "INPUT" if kind in ("reply", "lo") else "OUTPUT" if kind == "orig" else "FORWARD"
    left = 41 if kind == "forward" else 42
    rules = [
        f"{base} -m {hop} --{hop}-eq {left}",
        f"{base} -m tos --tos 0xb9/0xff",
        f"{base} -m string --algo bm --string GET",
        f"{base} -m string --algo bm --hex-string |0000|",
    ]
    packet = syn(flags=ACK, ttl=42, tos=0xB9, data=b"xGETx", length=7)
    text = table("filter", *rules)
    for protocol in (TCP, UDP, 253):
        sent = replace(packet, protocol=protocol)
        answer = only(lab, scenario(text, sent, kind=kind, family=family))
        assert answer.delivered
        # A wrong checksum would make it INVALID.
        assert answer.ctstate == "NEW"
        assert answer.rules is not None
        matched = [words for words in answer.rules if "#" in words]
        assert matched == [f"filter/{base}#{number}" for number in (1, 2, 3, 4)]


def test_a_packet_whose_time_is_up_is_answered(lab: Lab) -> None:
    answer = only(lab, scenario(table("filter"), syn(ttl=1)))
    assert not answer.delivered
    (out,) = answer.out
    assert (out.src, out.dst, out.dport, out.is_same) == ("10.1.0.1", "10.1.0.2", 11, False)


@pytest.mark.parametrize("kind", ["forward", "reply", "lo"])
def test_neighbour_discovery_of_scenarios_is_no_noise(kind: str, lab: Lab) -> None:
    """IPv6's own is dropped before anybody sees it; theirs has a number."""
    packet = Send(Dir.ORIGINAL, ICMPV6, icmp_type=136, ttl=255)
    answer = only(lab, scenario(table("filter"), packet, kind=kind, family=Family.IPV6))
    assert answer.delivered
    assert answer.ctstate == "UNTRACKED"


# Sets and owners


@BACKENDS
def test_sets_are_the_scenarios(backend: Backend, lab: Lab) -> None:
    text = table("filter", "FORWARD -m set --match-set here dst -j DROP")
    create = "create here hash:ip family inet\n"
    for members, delivered in (("", True), ("add here 10.2.0.2\n", False), ("", True)):
        played = scenario(text, syn(), ipsets=create + members)
        assert only(lab, played, backend).delivered is delivered
    with pytest.raises(CannotLoadError):
        lab.play(scenario(text, syn()), backend)
    lab.restore_ipsets(f"{create}add here 10.2.0.2\n")
    assert not only(lab, scenario(text, syn()), backend).delivered
    lab.restore_ipsets("")


@BACKENDS
def test_what_a_rule_set_remembers_is_forgotten(backend: Backend, lab: Lab) -> None:
    """Also what has a name, and what rules add to sets."""
    rules = {
        "FORWARD -m limit --limit 1/hour --limit-burst 1": (True, False),
        "FORWARD -m recent --name r --update": (False, True),
        "FORWARD -m set --match-set s dst": (False, True),
        "FORWARD -m quota --quota 40": (True, False),
        "FORWARD -m statistic --mode nth --every 2 --packet 1": (False, True),
    }
    ipsets = "create s hash:ip family inet\n"
    for rule, wanted in rules.items():
        text = table(
            "filter",
            rule,
            "FORWARD -m recent --name r --set",
            "FORWARD -m comment --comment x -j SET --add-set s dst",
        )
        for _ in range(2):
            found = answers(lab, scenario(text, syn(), syn(), ipsets=ipsets), backend)
            matched = tuple("filter/FORWARD#1" in (answer.rules or ()) for answer in found)
            assert matched == wanted, rule


@BACKENDS
def test_connections_that_are_over_do_not_count(backend: Backend, lab: Lab) -> None:
    """nf_conncount.c looks for them once a tick; the lab waits for the next."""
    text = table("filter", "FORWARD -p tcp -m connlimit --connlimit-above 1")
    reset = syn(flags=TcpFlags.RST, seq=1001)
    found = answers(lab, scenario(text, *(syn(), reset) * 10), backend)
    assert not any("filter/FORWARD#1" in (answer.rules or ()) for answer in found[::2])


@BACKENDS
def test_sockets_have_an_owner(backend: Backend, lab: Lab) -> None:
    tests = ("--uid-owner 1000", "--gid-owner 7", "--gid-owner 8", "--gid-owner 8 --suppl-groups")
    text = table("filter", *(f"OUTPUT -m owner {test}" for test in tests))
    for owner, numbers in (
        (Owner(1000, 7, (8,)), (1, 2, 4)),
        (Owner(0, 0), ()),
        (Owner(1001, 8), (3, 4)),
        (None, ()),
    ):
        played = scenario(text, syn(), kind="orig", facts=Facts(owner=owner))
        matched = [words for words in only(lab, played, backend).rules or () if "#" in words]
        assert matched == [f"filter/OUTPUT#{number}" for number in numbers]


def test_wires_have_no_addresses(lab: Lab) -> None:
    text = table("filter", "FORWARD -m mac ! --mac-source 02:00:00:00:00:01")
    answer = only(lab, scenario(text, syn(), facts=Facts(mac=Mac(None))))
    assert answer.rules == ("filter/FORWARD policy",)
    with pytest.raises(ScenarioError, match="no link-layer addresses"):
        lab.play(scenario(text, syn(), facts=Facts(mac=Mac(5))))


# REJECT


@BACKENDS
@pytest.mark.parametrize("family", Family)
def test_every_rejection_answers(family: Family, backend: Backend, lab: Lab) -> None:
    names = {
        Family.IPV4: "icmp-net-unreachable icmp-host-unreachable icmp-proto-unreachable "
        "icmp-port-unreachable icmp-net-prohibited icmp-host-prohibited icmp-admin-prohibited",
        Family.IPV6: "icmp6-no-route icmp6-adm-prohibited icmp6-addr-unreachable "
        "icmp6-port-unreachable icmp6-policy-fail icmp6-reject-route",
    }[family]
    box, sender = ("fd01::1", "fd01::2") if family is Family.IPV6 else ("10.1.0.1", "10.1.0.2")
    unreachable = 1 if family is Family.IPV6 else 3
    echo = Send(Dir.ORIGINAL, ICMPV6, icmp_type=128)
    if family is Family.IPV4:
        echo = Send(Dir.ORIGINAL, ICMP, icmp_type=8)
    packets = (syn(), syn(flags=TcpFlags.RST), Send(Dir.ORIGINAL, UDP), echo)
    for name in names.split():
        text = table("filter", f"FORWARD -j REJECT --reject-with {name}")
        for answer in answers(lab, scenario(text, *packets * 3, family=family), backend):
            assert not answer.delivered
            assert answer.entry is None
            (out,) = answer.out
            assert (out.side, out.src, out.dst) == ("left", box, sender)
            assert (out.flags, out.dport, out.is_same) == (None, unreachable, False)
            assert answer.rules == ("filter/FORWARD#1", "filter/OUTPUT policy")


@BACKENDS
@pytest.mark.parametrize("family", Family)
def test_a_reset_answers_what_was_sent(family: Family, backend: Backend, lab: Lab) -> None:
    text = table("filter", "FORWARD -p tcp -j REJECT --reject-with tcp-reset")
    packets = (
        syn(),
        syn(flags=TcpFlags.FIN, length=10),
        syn(flags=ACK, ack=77),
        syn(flags=TcpFlags.RST),
        syn(has_bad_checksum=True),
    )
    found = answers(lab, scenario(text, *packets, family=family), backend)
    told = [[(out.flags, out.seq, out.ack) for out in answer.out] for answer in found]
    assert told == [[("RA", 0, 1001)], [("RA", 0, 1011)], [("R", 77, 0)], [], []]
    assert not any(answer.delivered for answer in found)


@BACKENDS
@pytest.mark.parametrize("family", Family)
def test_a_host_that_rejects_its_own(family: Family, backend: Backend, lab: Lab) -> None:
    """The RST comes back over lo, whatever way the packet would have taken."""
    text = table("filter", "OUTPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset")
    answer = only(lab, scenario(text, syn(), kind="orig", family=family), backend)
    assert answer.out == ()
    assert answer.hooks == {"OUTPUT": "NEW"}
    assert answer.rules == ("filter/OUTPUT#1", "filter/OUTPUT policy", "filter/INPUT policy")


# NAT


@BACKENDS
@pytest.mark.parametrize(
    ("kind", "rule", "leaves"),
    [
        ("forward", "PREROUTING -p tcp -j DNAT --to-destination 10.2.0.9:81", ("10.2.0.9", 81)),
        ("forward", "PREROUTING -j NETMAP --to 10.2.5.0/24", ("10.2.5.2", 80)),
        ("forward", "POSTROUTING -j SNAT --to-source 10.2.0.7", ("10.2.0.2", 80)),
        ("forward", "PREROUTING -p tcp -j REDIRECT --to-ports 99", None),
        ("orig", "OUTPUT -p tcp -j DNAT --to-destination 10.2.0.9", ("10.2.0.9", 80)),
        ("orig", "OUTPUT -p tcp -j REDIRECT --to-ports 99", None),
        ("reply", "PREROUTING -p tcp -j DNAT --to-destination 10.1.0.9", ("10.1.0.9", 80)),
    ],
)
def test_where_translated_packets_go(
    kind: str, rule: str, leaves: tuple[str, int] | None, backend: Backend, lab: Lab
) -> None:
    answer = only(lab, scenario(table("nat", rule), syn(), kind=kind), backend)
    assert answer.delivered
    shown = [(out.dst, out.dport) for out in answer.out]
    assert shown == ([] if leaves is None else [leaves])
    assert answer.entry is not None
    wanted = {"SNAT": ("10.2.0.2", 80, "10.2.0.7", 40000)}
    if "REDIRECT" in rule:
        # PREROUTING: the incoming interface's own; OUTPUT: this host. Measured.
        own = "127.0.0.1" if kind == "orig" else "10.1.0.1"
        sender = "10.1.0.1" if kind == "orig" else "10.1.0.2"
        wanted["REDIRECT"] = (own, 99, sender, 40000)
    for word, reply in wanted.items():
        if word in rule.split():
            assert answer.entry.reply == reply
    if kind == "orig" and leaves is None:
        assert set(answer.hooks) == {"OUTPUT", "PREROUTING", "INPUT"}


@BACKENDS
def test_masquerade_over_lo_vanishes(backend: Backend, lab: Lab) -> None:
    """Measured: lo has no address to give; the target itself drops, and no rule says so."""
    answer = only(
        lab, scenario(table("nat", "POSTROUTING -j MASQUERADE"), syn(), kind="lo"), backend
    )
    assert not answer.delivered
    assert set(answer.hooks) == {"OUTPUT"}
    assert answer.entry is None


@BACKENDS
def test_lo_is_translated_on_its_way_out_only(backend: Backend, lab: Lab) -> None:
    """Measured: the binding is done when the packet comes in."""
    text = table("nat", "PREROUTING -p tcp -j REDIRECT --to-ports 99")
    answer = only(lab, scenario(text, syn(), kind="lo"), backend)
    assert answer.rules == ("nat/OUTPUT policy", "nat/POSTROUTING policy")
    assert answer.entry is not None
    assert answer.entry.reply == ("127.0.0.1", 80, "127.0.0.1", 40000)


# Tracking and marks


@BACKENDS
@FAMILIES
def test_notrack_over_lo(family: Family, backend: Backend, lab: Lab) -> None:
    """Measured: where it comes in it has no effect; where it goes out it holds to INPUT."""
    found = [
        only(
            lab,
            scenario(table("raw", f"{base} -j NOTRACK"), syn(), kind="lo", family=family),
            backend,
        )
        for base in ("PREROUTING", "OUTPUT")
    ]
    assert [set(answer.hooks.values()) for answer in found] == [{"NEW"}, {"UNTRACKED"}]
    assert found[0].rules == ("raw/OUTPUT policy", "raw/PREROUTING#1", "raw/PREROUTING policy")


@BACKENDS
def test_a_mark_goes_over_lo(backend: Backend, lab: Lab) -> None:
    text = table("mangle", "OUTPUT -j MARK --set-mark 5", "INPUT -m mark --mark 5")
    answer = only(lab, scenario(text, syn(), kind="lo"), backend)
    assert "mangle/INPUT#1" in (answer.rules or ())


@BACKENDS
def test_options_without_an_entry_are_not_asked(backend: Backend, lab: Lab) -> None:
    """Measured: INVALID and UNTRACKED have a state and nothing else."""
    text = table(
        "filter",
        "FORWARD -m conntrack --ctstate INVALID --ctproto 17",
        "FORWARD -m conntrack ! --ctproto 17",
        "FORWARD -m conntrack ! --ctstatus ASSURED",
        "FORWARD -m conntrack ! --ctstate NEW",
        "FORWARD -m connmark ! --mark 1",
    )
    answer = only(lab, scenario(text, syn(flags=TcpFlags.FIN)), backend)
    numbers = [words[-1] for words in answer.rules or () if "#" in words]
    assert (answer.ctstate, numbers) == ("INVALID", ["1", "4"])


# Both backends


@BACKENDS
@FAMILIES
@pytest.mark.parametrize("kind", ["forward", "lo"])
def test_rules_are_told_in_the_same_words(
    kind: str, family: Family, backend: Backend, lab: Lab
) -> None:
    text = table(
        "filter",
        "OUTPUT -j one",
        "FORWARD -j one",
        "one -g two",
        "one -m comment --comment unreached",
        "two -p tcp -j three",
        "two -p tcp",
        "two -j LOG",
        "three -p tcp -j RETURN",
        "OUTPUT -j RETURN",
        chains="one two three",
    )
    answer = only(lab, scenario(text, syn(), kind=kind, family=family), backend)
    base = "OUTPUT" if kind == "lo" else "FORWARD"
    walk = [f"{base}#1", "one#1", "two#1", "three#1", "two#2", "two#3", "two return"]
    if kind == "lo":
        walk += ["OUTPUT#2", "OUTPUT policy", "INPUT policy"]
    else:
        walk += ["FORWARD policy"]
    assert list(answer.rules or ()) == [f"filter/{step}" for step in walk]


@BACKENDS
def test_a_policy_does_not_outlive_its_rule_set(backend: Backend, lab: Lab) -> None:
    closed = table("filter").replace("FORWARD ACCEPT", "FORWARD DROP")
    assert not only(lab, scenario(closed, syn()), backend).delivered
    bare = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
    assert only(lab, scenario(bare, syn()), backend).delivered


def test_a_rule_set_that_does_not_load_leaves_nothing(lab: Lab) -> None:
    broken = table("mangle", "FORWARD -j DROP") + table("filter", "FORWARD -j NOSUCH")
    for backend in Backend:
        with pytest.raises(CannotLoadError):
            lab.play(scenario(broken, syn()), backend)
        assert only(lab, scenario(table("filter"), syn()), backend).delivered


def test_random_rule_sets_load(lab: Lab) -> None:
    chance = random.Random(20)
    for backend in Backend:
        for family in Family:
            writer = RulesetWriter(chance, POOLS[family])
            for _ in range(RULESETS // 4):
                drawn = writer.ruleset()
                played = scenario(drawn.text, family=family, ipsets=drawn.ipsets)
                lab.start(played, backend)


def test_the_same_scenario_has_the_same_answer(lab: Lab) -> None:
    """By both backends, but for what the kernel draws by lot: ports, where NAT chooses one."""
    count = 0
    for played in islice(generate(7), RULESETS):
        if "*nat" in played.ruleset + played.ruleset6 or isinstance(played.topology, Loopback):
            continue
        packets = [step for step in played.steps if getattr(step, "quote", None) is None]
        again = replace(played, steps=tuple(packets))
        one, two, three = (
            lab.play(again, backend) for backend in (Backend.LEGACY, Backend.LEGACY, Backend.NFT)
        )
        assert one == two
        assert one == three
        count += 1
    assert count > RULESETS // 4
