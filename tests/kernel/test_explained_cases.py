# SPDX-License-Identifier: GPL-2.0-only
"""The cases of docs/explain.md in the live kernel: what `ctlint explain` says of a packet is what
becomes of it.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

import pytest

from ctlint.lab.lab import Backend, Lab
from ctlint.model.conntrack.status import Dir
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.scenario import Flow, Forward, Host, Scenario, Send, Topology
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags
from tests.documents.explained import Explained, documented
from tests.unit.analysis.test_explain_agrees import check_security_and_nat, disagreement

pytestmark = pytest.mark.netns

V4, ORIG, REPLY = Family.IPV4, Dir.ORIGINAL, Dir.REPLY


def segment(sender: Dir, flags: str, seq: int, ack: int = 0, **more: object) -> Send:
    """A segment; an ACK acknowledges what is given."""
    return Send(sender, TCP, TcpFlags.parse(flags), seq=seq, ack=ack, **more)  # type: ignore[arg-type]


HANDSHAKE: Final = (
    segment(ORIG, "S", 1000),
    segment(REPLY, "SA", 2000, 1001),
    segment(ORIG, "A", 1001, 2001),
)


class Played(NamedTuple):
    """The scenario of a case: what the packet in question is sent into, and that packet."""

    topology: Topology
    flow: tuple[str, int, str, int]
    packet: Send


SEEDS: Final = range(150)
CLIENT: Final = Host(V4, ORIG, "eth0", "10.1.0.1/16")
SERVER: Final = Host(V4, REPLY, "eth0", "10.1.0.1/16")
ROUTER: Final = Forward(V4, "eth0", "10.1.0.1/16", "eth1", "10.2.0.1/16")
CASES: Final = {
    "The client's FIN after expiry": Played(
        CLIENT,
        ("10.1.0.1", 40000, "10.2.0.2", 8088),
        segment(ORIG, "FA", 1001, 2001, expire=True),
    ),
    "The peer's ACK after expiry": Played(
        CLIENT,
        ("10.1.0.1", 40000, "10.2.0.2", 8088),
        segment(REPLY, "A", 2001, 1001, expire=True),
    ),
    "A FIN that leaves untranslated": Played(
        ROUTER,
        ("10.1.0.2", 40000, "10.1.0.1", 8080),
        segment(REPLY, "FA", 2001, 1001, expire=True),
    ),
    "A line of ufw in the kernel's log": Played(
        CLIENT,
        ("10.1.0.1", 51234, "10.2.0.2", 443),
        segment(REPLY, "R", 2001, expire=True, ttl=51, window=0),
    ),
    "REJECT with tcp-reset": Played(
        SERVER,
        ("10.2.0.2", 40000, "10.1.0.1", 80),
        segment(ORIG, "PA", 1001, 2001, length=1200),
    ),
}


def play(kernel: Lab, case: Explained) -> PacketAnswer:
    """What the kernel makes of the packet."""
    topology, (saddr, sport, daddr, dport), packet = CASES[case.title]
    flow = Flow(parse_address(saddr, V4), sport, parse_address(daddr, V4), dport)
    scenario = Scenario(
        name=case.title,
        kernel=None,
        sysctls={},
        ruleset=case.rules,
        ruleset6="",
        topology=topology,
        flow=flow,
        steps=(*HANDSHAKE, packet),
    )
    answers = kernel.play(scenario, Backend.LEGACY).packets
    for answer in answers[:-1]:
        assert isinstance(answer, PacketAnswer)
        assert answer.delivered
    found = answers[-1]
    assert isinstance(found, PacketAnswer)
    return found


def test_every_case_is_played() -> None:
    assert [case.title for case in documented()] == list(CASES)


@pytest.mark.parametrize("case", documented(), ids=lambda case: case.title)
def test_the_kernel_does_what_is_said(kernel: Lab, case: Explained) -> None:
    said = case.answer()
    real = play(kernel, case)
    assert real.ctstate == said["result"]["ctstate"]
    assert real.delivered is said["result"]["delivered"]
    phase = next(phase for phase in reversed(said["phases"]) if phase["table"] == "filter")
    (verdict,) = phase["verdicts"]
    assert real.rules is not None
    asked = [rule for rule in real.rules if rule.startswith("filter/")]
    # Behind the rule that decides only what the kernel itself answers meets rules.
    behind = asked[asked.index(verdict["name"]) + 1 :]
    assert [rule.split("#")[0] for rule in behind] == (["filter/OUTPUT"] if said["answer"] else [])


def test_the_kernel_agrees_on_random_packets(kernel: Lab) -> None:
    found = [disagreement(seed, partial(kernel.play, backend=Backend.LEGACY)) for seed in SEEDS]
    assert [one for one in found if one] == []
    assert found.count(None) > len(SEEDS) // 2


@pytest.mark.parametrize("is_nft", [False, True])
def test_the_kernel_asks_security_and_nat_in_this_order(kernel: Lab, *, is_nft: bool) -> None:
    """Each rule set is loaded by the backend that has saved it."""
    check_security_and_nat(is_nft=is_nft, play=kernel.play)


def test_the_fin_leaves_with_the_servers_own_address(kernel: Lab) -> None:
    (case,) = [case for case in documented() if case.title == "A FIN that leaves untranslated"]
    (left,) = play(kernel, case).out
    assert (left.src, left.sport) == ("10.2.0.2", 80)
    assert "it leaves as 10.2.0.2:80" in case.answer()["nat"][0]


def test_the_reset_closes_the_entry_and_passes(kernel: Lab) -> None:
    (case,) = [case for case in documented() if case.title == "REJECT with tcp-reset"]
    said, real = case.answer(), play(kernel, case)
    assert "into CLOSE, where it lives 10 s" in said["socket"]["sentence"]
    assert real.entry is not None
    assert (real.entry.state, real.entry.timeout) in (("CLOSE", 10), ("CLOSE", 9))
    assert said["answer"]["result"]["delivered"] is True
    (reset,) = real.out
    assert (reset.is_same, reset.flags) == (False, "R")
