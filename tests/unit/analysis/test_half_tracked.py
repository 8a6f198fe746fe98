# SPDX-License-Identifier: GPL-2.0-only
"""NOTRACK of one direction: what is lost by it, and where nothing is.

tests/kernel/test_witnesses.py plays the same cases on the live kernel.
"""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.analysis.half_tracked import HalfTracked, half_tracked
from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import examine
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Role
from ctlint.headerspace.space import TooLargeError
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets

INVALID = "-m conntrack --ctstate INVALID -j DROP"
LOST = {
    "server, SYN": ("PREROUTING -p tcp -m tcp --dport 80", "OUTPUT", Role.SERVER, "SA"),
    "server, SYN/ACK": ("OUTPUT -p tcp -m tcp --sport 80", "INPUT", Role.SERVER, "A"),
    "client, SYN": ("OUTPUT -p tcp -m tcp --dport 80", "INPUT", Role.CLIENT, "SA"),
    "client, SYN/ACK": ("PREROUTING -p tcp -m tcp --sport 80", "OUTPUT", Role.CLIENT, "A"),
    "router, SYN": ("PREROUTING -p tcp -m tcp --dport 80", "FORWARD", Role.FORWARD, "SA"),
    "router, SYN/ACK": ("PREROUTING -p tcp -m tcp --sport 80", "FORWARD", Role.FORWARD, "A"),
}
"""Which packets NOTRACK takes, the chain that drops INVALID; the role and packet that suffer."""


def rules(untracks: list[str], filters: list[str]) -> str:
    raw = "".join(f"-A {each} -j CT --notrack\n" for each in untracks)
    text = "".join(f"-A {each}\n" for each in filters)
    return (
        f"*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{raw}COMMIT\n"
        f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{text}COMMIT\n"
    )


def test_memory_that_is_used_up_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    untracks, chain, role, flags = LOST["router, SYN"]
    ruleset = parse_rulesets(rules([untracks], [f"{chain} {INVALID}"]), "rules")[0]
    chains = ChainStore(ruleset, Facts())
    settings = Settings(SysctlSet(), NEWEST)
    report = examine(chains, role, settings)
    assert report.survey is not None
    full, send = report.survey.sweeper, Sweeper.send

    def sent(self: Sweeper, *asked: Any) -> Any:
        if self is full:
            raise TooLargeError
        return send(self, *asked)

    monkeypatch.setattr(Sweeper, "send", sent)
    (one,) = half_tracked(chains, settings, Witnesses(chains, settings), [report])
    assert (one.role, one.packet.flags) == (role, flags)


def half_tracked_of(text: str) -> list[HalfTracked]:
    ruleset = parse_rulesets(text, "rules")[0]
    chains = ChainStore(ruleset, Facts())
    settings = Settings(SysctlSet(), NEWEST)
    reports = [examine(chains, role, settings) for role in Role]
    return list(half_tracked(chains, settings, Witnesses(chains, settings), reports))


def found(text: str) -> list[tuple[Role, str, str, str]]:
    return [
        (one.role, one.packet.flags, str(one.untracks), str(one.loses))
        for one in half_tracked_of(text)
    ]


@pytest.mark.parametrize("name", LOST)
def test_the_tracked_direction_is_lost(name: str) -> None:
    untracks, chain, role, flags = LOST[name]
    raw = untracks.partition(" ")[0]
    expected = role, flags, f"raw/{raw}#1", f"filter/{chain}#1"
    assert expected in found(rules([untracks], [f"{chain} {INVALID}"]))


def test_nothing_is_lost_where_nothing_drops_or_both_are_not_tracked() -> None:
    incoming, outgoing = "PREROUTING -p tcp -m tcp --dport 80", "OUTPUT -p tcp -m tcp --sport 80"
    drops = [f"{chain} {INVALID}" for chain in ("INPUT", "OUTPUT", "FORWARD")]
    assert found(rules([incoming], [])) == []
    mirrored = [incoming, outgoing, "PREROUTING -p tcp -m tcp --sport 80"]
    mirrored.append("OUTPUT -p tcp -m tcp --dport 80")
    assert found(rules(mirrored, drops)) == []
    # What would be dropped with an entry too is not lost by NOTRACK.
    assert found(rules([incoming], ["OUTPUT -p tcp -m tcp --sport 80 -j DROP"])) == []
    # A SYN that is dropped opens nothing, whoever tracks it.
    assert found(rules([incoming], ["INPUT -p tcp -j DROP", f"OUTPUT {INVALID}"])) == []


def test_a_policy_may_lose_it() -> None:
    text = rules(
        ["PREROUTING -p tcp -m tcp --dport 80"],
        ["OUTPUT -m conntrack --ctstate ESTABLISHED,UNTRACKED -j ACCEPT"],
    ).replace("0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT", "0]\n:OUTPUT DROP [0:0]\n-A OUTPUT")
    expected = (Role.SERVER, "SA", "raw/PREROUTING#1", "filter/OUTPUT policy")
    assert found(text) == [expected]


def test_the_other_direction_may_be_untracked_by_one_interface_alone() -> None:
    drop = f"FORWARD {INVALID}"
    there = "PREROUTING -s 10.1.0.2/32 -i lan0"
    back = "PREROUTING -d 10.1.0.2/32 -i wan0"
    pairs = {
        (str(one.untracks), str(one.pair), one.by)
        for one in half_tracked_of(rules([there, back], [drop]))
        if one.role is Role.FORWARD
    }
    both = {
        ("raw/PREROUTING#1", "raw/PREROUTING#2", "wan0"),
        ("raw/PREROUTING#2", "raw/PREROUTING#1", "lan0"),
    }
    # Which of the two is shown is left open.
    assert pairs
    assert pairs <= both
    alone = half_tracked_of(rules([there], [drop]))
    assert {(str(one.untracks), one.pair, one.by) for one in alone} == {
        ("raw/PREROUTING#1", None, "")
    }
