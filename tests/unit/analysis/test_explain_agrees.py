# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a packet without knowing the host's addresses is what the model of a whole host
says that knows them: NAT, entries, three protocols, three roles. The live kernel is asked the same
by tests/kernel/test_explained_cases.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Final

import pytest

from ctlint.analysis.sending import send_inquiry
from ctlint.analysis.settings import Settings
from ctlint.analysis.tracking import EntryState, Inquiry
from ctlint.finding import Role
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import profile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts, Field
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.answer import PacketAnswer, ScenarioAnswer
from ctlint.scenario.play import play
from ctlint.scenario.scenario import Flow, Forward, Host, Loopback, Scenario, Send, Topology
from ctlint.wire.addresses import Family, format_address, parse_address
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

V4, ORIG, REPLY = Family.IPV4, Dir.ORIGINAL, Dir.REPLY
KERNEL: Final = profile("6.18")
CASES: Final = 1200

TOPOLOGIES: Final[dict[Role, tuple[Topology, tuple[str, str]]]] = {
    Role.FORWARD: (
        Forward(V4, "eth0", "10.1.0.1/16", "eth1", "10.2.0.1/16"),
        ("10.1.0.2", "10.2.0.2"),
    ),
    Role.CLIENT: (Host(V4, ORIG, "eth1", "10.1.0.1/16"), ("10.1.0.1", "10.2.0.2")),
    Role.SERVER: (Host(V4, REPLY, "eth0", "10.1.0.1/16"), ("10.2.0.2", "10.1.0.1")),
    Role.LOOPBACK: (Loopback(V4), ("127.0.0.1", "127.0.0.1")),
}
INTERFACES: Final[dict[Role, dict[Dir, tuple[str | None, str | None]]]] = {
    Role.FORWARD: {ORIG: ("eth0", "eth1"), REPLY: ("eth1", "eth0")},
    Role.CLIENT: {ORIG: (None, "eth1"), REPLY: ("eth1", None)},
    Role.SERVER: {ORIG: ("eth0", None), REPLY: (None, "eth0")},
    Role.LOOPBACK: {ORIG: (None, None), REPLY: (None, None)},
}
DESTINATIONS: Final = {
    Role.FORWARD: (
        *("DNAT --to-destination 10.2.0.9:8080", "DNAT --to-destination 10.2.0.16-10.2.0.31"),
        *("DNAT --to-destination :81-90", "REDIRECT --to-ports 3128", "NETMAP --to 10.2.7.0/24"),
        *("REDIRECT", "RETURN", "ACCEPT"),
    ),
    Role.CLIENT: (
        *("DNAT --to-destination 10.2.0.9:8080", "DNAT --to-destination 10.2.0.16-10.2.0.31"),
        *("REDIRECT --to-ports 3128", "DNAT --to-destination :70-90", "RETURN"),
    ),
    Role.SERVER: ("REDIRECT --to-ports 3128", "DNAT --to-destination :81-90", "RETURN"),
    Role.LOOPBACK: (
        *("REDIRECT --to-ports 3128", "DNAT --to-destination 127.0.0.1:8080", "RETURN"),
        "DNAT --to-destination :70-90",
    ),
}
SOURCES: Final = (
    *("MASQUERADE", "SNAT --to-source 10.2.0.1", "SNAT --to-source 10.2.0.200:5000-5010"),
    *("MASQUERADE --to-ports 39000-41000", "RETURN", "ACCEPT"),
)
CONDITIONS: Final = (
    *("", "-p tcp", "-p udp", "-p icmp", "-p tcp --dport 80", "-p tcp --dport 8080"),
    *("-p tcp --sport 80", "-d 10.2.0.2", "-d 10.2.0.9", "-s 10.1.0.2", "-s 10.2.0.2"),
    *("-p udp --dport 3128", "-m conntrack --ctstate NEW", "-m conntrack --ctstate ESTABLISHED"),
    *("-m conntrack --ctstate INVALID", "-m conntrack --ctstate DNAT", "-d 10.2.0.16/28"),
    *("-m conntrack --ctstate SNAT", "-m conntrack --ctdir REPLY", "-m mark --mark 1", "-i eth0"),
    *("-m conntrack --ctorigdst 10.2.0.2", "-m addrtype --dst-type LOCAL", "-p icmp --icmp-type 8"),
)  # fmt: skip


def ruleset(random: Random, role: Role) -> str:
    """Rules that mostly let packets through."""
    manip, chain = ("PREROUTING", "FORWARD"), "FORWARD"
    if role in (Role.CLIENT, Role.LOOPBACK):
        manip = ("OUTPUT", "")
    nat = ["*nat"]
    simple = [one for one in CONDITIONS[:11] if one != "-p tcp --sport 80"]
    for _ in range(random.randint(0, 3)):
        target = random.choice(DESTINATIONS[role])
        condition = random.choice(simple)
        if ":" in target or "--to-ports" in target:
            condition = random.choice(("-p tcp", "-p udp", "-p tcp --dport 80"))
        nat.append(f"-A {manip[0]} {condition} -j {target}")
    for _ in range(random.randint(0, 2)):
        target = random.choice(SOURCES)
        if role in (Role.SERVER, Role.LOOPBACK):
            break
        condition = "-p tcp" if ":" in target or "--to-ports" in target else random.choice(simple)
        nat.append(f"-A POSTROUTING {condition} -j {target}")
    mangle = ["*mangle"]
    if random.random() < 0.3:
        mangle.append(f"-A {manip[0]} -p tcp -j MARK --set-mark 1")
    body = ["*filter"]
    for _ in range(random.randint(1, 6)):
        chain = random.choice(("FORWARD", "INPUT", "OUTPUT"))
        condition = random.choice(CONDITIONS)
        if chain == "OUTPUT":
            condition = condition.replace("-i eth0", "-o eth1")
        body.append(f"-A {chain} {condition} -j {random.choice(('ACCEPT', 'ACCEPT', 'DROP'))}")
    return "\n".join((*nat, "COMMIT", *mangle, "COMMIT", *body, "COMMIT", ""))


def steps(random: Random) -> tuple[list[Send], EntryState]:
    """A start of a connection and a packet of it, and the entry that the packet then has."""
    kind = random.choice(("tcp", "tcp", "tcp", "udp", "icmp"))
    if kind == "tcp":
        shake = [
            Send(ORIG, TCP, TcpFlags.SYN, seq=1000),
            Send(REPLY, TCP, TcpFlags.SYN | TcpFlags.ACK, seq=2000, ack=1001),
            Send(ORIG, TCP, TcpFlags.ACK, seq=1001, ack=2001),
        ]
        count = random.randint(0, 3)
        if count < 3:
            states = (EntryState.NONE, EntryState.SYN_SENT, EntryState.SYN_RECV)
            return shake[: count + 1], states[count]
        sender = random.choice((ORIG, REPLY))
        seq, ack = (1001, 2001) if sender is ORIG else (2001, 1001)
        flags = random.choice(("A", "PA", "FA", "R", "RA"))
        gone = random.random() < 0.4
        last = Send(sender, TCP, TcpFlags.parse(flags), seq=seq, ack=ack, expire=gone)
        return [*shake, last], EntryState.EXPIRED if gone else EntryState.ESTABLISHED
    if kind == "udp":
        first, back = Send(ORIG, UDP, length=4), Send(REPLY, UDP, length=4)
    else:
        first = Send(ORIG, ICMP, icmp_type=8, icmp_id=7)
        back = Send(REPLY, ICMP, icmp_type=0, icmp_id=7)
    every = [first, back, random.choice((first, back))]
    count = random.randint(1, 3)
    return every[:count], (EntryState.NONE, EntryState.UNREPLIED, EntryState.ESTABLISHED)[count - 1]


def packet_of(step: Send, flow: Flow) -> Packet:
    """The packet as both ends of the connection call it."""
    ends = (flow.saddr, flow.daddr, step.protocol, flow.sport, flow.dport)
    if step.sender is REPLY:
        ends = (flow.daddr, flow.saddr, step.protocol, flow.dport, flow.sport)
    packet = Packet(V4, *ends)
    if step.protocol == ICMP:
        return packet._replace(
            sport=None, dport=None, icmp_type=step.icmp_type, icmp_code=0, icmp_id=step.icmp_id
        )
    return packet._replace(flags=step.flags if step.protocol == TCP else None)


def disagreement(seed: int, play: Callable[[Scenario], ScenarioAnswer]) -> str | None:
    """What is said of a random packet and is not so; "" where there is nothing to compare."""
    random = Random(seed)
    role = random.choice(list(TOPOLOGIES))
    topology, (saddr, daddr) = TOPOLOGIES[role]
    flow = Flow(parse_address(saddr, V4), 40000, parse_address(daddr, V4), 80)
    rules, (packets, entry) = ruleset(random, role), steps(random)
    scenario = Scenario(None, None, {}, rules, "", topology, flow, tuple(packets))
    answers = play(scenario).packets
    reply: tuple[str, int, str, int] = ("", 0, "", 0)
    for step, answer in zip(packets, answers, strict=True):
        assert isinstance(answer, PacketAnswer)
        if step is not packets[-1] and not answer.delivered:
            return ""
        if step.sender is REPLY and not step.expire and answer.pktdir is not REPLY:
            # Where this host has taken the connection for itself, the other end has none.
            return ""
        if not step.expire and answer.entry is not None:
            reply = answer.entry.reply
    into, out = INTERFACES[role][packets[-1].sender]
    (parsed,) = parse_rulesets(rules, "rules")
    packet = packet_of(packets[-1], flow)
    if packets[-1].sender is REPLY and not entry.is_alive:
        # Nothing translates it any more: it is as its sender knows the connection.
        saddr, sport, daddr, dport = reply
        if topology is TOPOLOGIES[Role.FORWARD][0] and daddr == "10.2.0.1":
            # As the client would get it: by role it is not for the router.
            daddr, dport = format_address(V4, flow.saddr), flow.sport
        elif daddr != format_address(V4, flow.saddr) and role is not Role.SERVER:
            # An address that no host here has.
            return ""
        packet = packet._replace(
            saddr=parse_address(saddr, V4), sport=sport, daddr=parse_address(daddr, V4), dport=dport
        )
    inquiry = Inquiry(packet, role, packets[-1].sender, entry, into, out)
    sent = send_inquiry(ChainStore(parsed, Facts()), inquiry, Settings(SysctlSet(()), KERNEL))
    if len(sent.ends) > 1 or sent.ends[0].disposition.name == "UNDECIDED":
        return ""
    (end,) = sent.ends
    assert isinstance(answer, PacketAnswer)
    state = sent.fate.ctstates[end.hook or list(sent.fate.ctstates)[-1]].name
    said = (state, end.cause is None)
    real = (answer.ctstate, answer.delivered)
    name = "" if end.cause is None else str(end.cause)
    wrong = said != real or (bool(name) and name not in (answer.rules or ()))
    leaving = [one for one in answer.out if one.is_same]
    if not wrong and leaving and sent.fate.packet is not None:
        left, seen, unknown = sent.fate.packet, leaving[0], sent.fate.unknown
        pairs = {
            Field.SADDR: (format_address(V4, left.saddr), seen.src),
            Field.SPORT: (left.sport, seen.sport if left.sport is not None else None),
            Field.DADDR: (format_address(V4, left.daddr), seen.dst),
            Field.DPORT: (left.dport, seen.dport if left.dport is not None else None),
        }
        wrong = any(one != other for field, (one, other) in pairs.items() if field not in unknown)
    if wrong:
        return (
            f"{seed} {role} {packet} {entry}\nsaid {said} {name} {sent.fate.packet}\n"
            f"real {real} {answer.rules} {answer.out}\n{rules}"
        )
    return None


@pytest.mark.parametrize("part", range(3))
def test_both_say_the_same(part: int) -> None:
    seeds = range(part * CASES // 3, (part + 1) * CASES // 3)
    found = [disagreement(seed, partial(play, kernel=KERNEL)) for seed in seeds]
    assert [one for one in found if one] == []
    # Most must be compared, or nothing is tested.
    assert found.count(None) > CASES // 3 // 2


SECURITY_AND_NAT: Final = """*nat
-A INPUT -j SNAT --to-source 9.9.9.9
COMMIT
*security
-A INPUT -s 9.9.9.9 -j DROP
COMMIT
"""
"""In INPUT security has the priority 50 and nat 100 (nf_ip_hook_priorities); iptables-nft gives
security 150 (nft.c of iptables 1.8.11).
"""
ASKED_IN_INPUT: Final = {
    False: ("security/INPUT policy", "nat/INPUT#1"),
    True: ("nat/INPUT#1", "security/INPUT#1"),
}
"""What a first packet meets there, by whether iptables-nft has the rules. Measured on 6.18."""


def check_security_and_nat(*, is_nft: bool, play: Callable[[Scenario], ScenarioAnswer]) -> None:
    """What is said of a first packet, and what becomes of it. Raises AssertionError."""
    saved_by = "iptables-nft-save v1.8.9" if is_nft else "iptables-save v1.8.9"
    rules = f"# Generated by {saved_by}\n{SECURITY_AND_NAT}"
    topology, (saddr, daddr) = TOPOLOGIES[Role.SERVER]
    flow = Flow(parse_address(saddr, V4), 40000, parse_address(daddr, V4), 80)
    first = Send(ORIG, TCP, TcpFlags.SYN, seq=1000)
    scenario = Scenario(None, None, {}, rules, "", topology, flow, (first,))
    (answer,) = play(scenario).packets
    assert isinstance(answer, PacketAnswer)
    assert answer.rules is not None
    assert (_of_input(answer.rules), answer.delivered) == (ASKED_IN_INPUT[is_nft], not is_nft)
    inquiry = Inquiry(packet_of(first, flow), Role.SERVER, ORIG, EntryState.NONE, "eth0", None)
    (parsed,) = parse_rulesets(rules, "rules")
    sent = send_inquiry(ChainStore(parsed, Facts()), inquiry, Settings(SysctlSet(()), KERNEL))
    assert _of_input(sent.fate.matched) == ASKED_IN_INPUT[is_nft]
    assert [end.cause is None for end in sent.ends] == [answer.delivered]


def _of_input(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if "/INPUT" in name)


@pytest.mark.parametrize("is_nft", [False, True])
def test_both_ask_security_and_nat_in_one_order(*, is_nft: bool) -> None:
    check_security_and_nat(is_nft=is_nft, play=partial(play, kernel=KERNEL))
