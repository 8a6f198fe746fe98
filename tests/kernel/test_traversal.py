# SPDX-License-Identifier: GPL-2.0-only
"""Random packets through random rule sets: the walk of the model against the live kernel's.

Compared for each packet: every rule, policy and end of a chain that it met, in order; the ctstate
at each hook; whether it got through. What the model leaves open (only the marks of entries, which
it does not follow) must leave what the kernel did as one of the possible ends.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Final

import pytest

from ctlint.analysis.connection import Connection
from ctlint.analysis.fate import Disposition, Fate, send
from ctlint.analysis.stage import stage
from ctlint.finding import Role
from ctlint.lab.lab import CannotLoadError, Lab
from ctlint.model.conntrack.first_packet import classify_first
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.transit import EntryView, Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import Flush
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.tcp_flags import TcpFlags
from tests.kernel.random_rules import RuleWriter

pytestmark = pytest.mark.netns

RULESETS_A_SEED = 50

OPEN_MATCHES: Final = {"connmark", "mark"}
"""What the model may leave open: CONNMARK and what it restores are not followed."""

FIRST_FLAGS: Final = (
    *("S", "A", "PA", "FA", "R", "RA", "SA"),
    *("", "F", "SF", "SR", "FPU", "AU", "SU", "SEC", "SP", "RAU", "SFRPAU"),
)
CONVERSATION: Final = (
    (Dir.ORIGINAL, "S", 1000, 0, 0),
    (Dir.REPLY, "SA", 5000, 1001, 0),
    (Dir.ORIGINAL, "A", 1001, 5001, 0),
    (Dir.ORIGINAL, "PA", 1001, 5001, 1),
    (Dir.REPLY, "PAE", 5001, 1002, 1),
    (Dir.REPLY, "FA", 5002, 1002, 0),
    (Dir.ORIGINAL, "FA", 1002, 5003, 0),
    (Dir.REPLY, "A", 5003, 1003, 0),
)
ENDS: Final = {
    Role.CLIENT: (("10.1.0.1", "fd01::1"), ("10.2.0.2", "fd02::2")),
    Role.SERVER: (("10.2.0.2", "fd02::2"), ("10.1.0.1", "fd01::1")),
    Role.FORWARD: (("10.1.0.2", "fd01::2"), ("10.2.0.2", "fd02::2")),
    Role.LOOPBACK: (("127.0.0.1", "::1"), ("127.0.0.1", "::1")),
}


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("role", Role)
def test_walks_are_the_kernels(role: Role, family: Family, kernel: Lab) -> None:
    chance = random.Random(f"{role.value} {family.value}")
    counts = Counter[str]()
    for _ in range(RULESETS_A_SEED):
        compare(chance, role, family, kernel, counts)
    # The campaign must have met what it is about.
    assert counts["delivered"] > 30
    assert counts["dropped by a rule"] > 30
    assert counts["dropped by a policy"] > 20
    assert counts["live"] > 30
    assert counts["exact"] > counts["open"] * 5


def compare(
    chance: random.Random, role: Role, family: Family, kernel: Lab, counts: Counter[str]
) -> None:
    """One random rule set, and packets through it. Raises AssertionError."""
    text = RuleWriter(chance, family).ruleset()
    (ruleset,) = parse_rulesets(text, "rules", family)
    chains = ChainStore(ruleset, Facts())
    connection = connect(role, family, chance)
    played = stage(connection)
    played["ruleset6" if family is Family.IPV6 else "ruleset"] = text
    try:
        kernel.start(scenario_from_json({**played, "packets": []}))
    except CannotLoadError as error:
        raise AssertionError(text) from error

    def ask(sender: Dir, ctstate: CtState, entry: EntryView | None, packet: Any) -> Fate:
        fate = send(
            chains,
            connection.packet(sender, TcpFlags.parse(packet["flags"]), packet["len"]),
            connection.ends(sender),
            ctstate,
            entry,
        )
        (sending,) = scenario_from_json({**played, "packets": [packet]}).steps
        answer = kernel.step(sending)
        assert isinstance(answer, PacketAnswer)
        where = f"{text}\n{connection}\n{sender.name} {packet}\n{answer}\n{fate}"
        check(fate, answer, where, counts)
        return fate

    for flags in chance.sample(FIRST_FLAGS, 6):
        sender = chance.choice(tuple(Dir))
        ctstate = classify_first(TcpFlags.parse(flags), tcp_loose=True, kernel=NEWEST).ctstate
        entry = connection.picked_up(sender) if ctstate is CtState.NEW else None
        kernel.step(Flush())
        ask(sender, ctstate, entry, packet_of(sender, flags, 1000, 5000, 0))
    kernel.step(Flush())
    for index, (sender, flags, seq, ack, length) in enumerate(CONVERSATION):
        ctstate = CtState.ESTABLISHED if index else CtState.NEW
        entry = connection.entry(sender, confirmed=index > 0, replied=index > 0, assured=index > 1)
        fate = ask(sender, ctstate, entry, packet_of(sender, flags, seq, ack, length))
        kinds = {end.disposition for end in fate.ends}
        opened = index > 0 or kinds == {Disposition.DELIVERED}
        # Conntrack must see every packet, else the rest would be first packets again.
        seen = fate.ctstates and not fate.was_untracked
        if not (seen and opened) or Disposition.REJECTED in kinds:
            break
        counts["live"] += index > 0


def connect(role: Role, family: Family, chance: random.Random) -> Connection:
    which = family is Family.IPV6
    orig, reply = (parse_address(pair[which], family) for pair in ENDS[role])
    names = {Role.LOOPBACK: ("lo", "lo"), Role.FORWARD: ("eth0", "eth1")}
    return Connection(
        role,
        family,
        orig,
        chance.choice((40000, 999)),
        reply,
        chance.choice((80, 8080)),
        *names.get(role, ("eth0", "eth0")),
    )


def packet_of(sender: Dir, flags: str, seq: int, ack: int, length: int) -> dict[str, Any]:
    name = "orig" if sender is Dir.ORIGINAL else "reply"
    return {"dir": name, "flags": flags, "seq": seq, "ack": ack, "len": length, "win": 65535}


def check(fate: Fate, answer: PacketAnswer, where: str, counts: Counter[str]) -> None:
    hooks = {
        hook.value: state.name
        for hook, state in fate.ctstates.items()
        if hook is not Hook.POSTROUTING
    }
    if fate.is_exact:
        counts["exact"] += 1
        (end,) = fate.ends
        counts[end.disposition.value] += 1
        if end.hook is not None and end.cause is not None and end.cause.table == "raw":
            # A hook counts from its first chain behind conntrack on; on lo raw comes before that.
            hooks.pop(end.hook.value, None)
        assert answer.rules is not None
        rules = list(answer.rules)
        if end.disposition is Disposition.REJECTED:
            # What the packets of REJECT matched stands behind.
            rules = rules[: len(fate.matched)]
        assert rules == fate.matched, where
        assert answer.delivered is (end.disposition is Disposition.DELIVERED), where
        assert answer.hooks == hooks, where
        return
    counts["open"] += 1
    assert {getattr(one.match, "name", "") for one in fate.open} <= OPEN_MATCHES, where
    assert answer.hooks.items() <= hooks.items(), where
    if answer.delivered:
        assert any(end.disposition is Disposition.DELIVERED for end in fate.ends), where
    else:
        assert answer.rules is not None
        assert {str(end.cause) for end in fate.ends} & set(answer.rules), where
