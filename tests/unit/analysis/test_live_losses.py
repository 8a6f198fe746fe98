# SPDX-License-Identifier: GPL-2.0-only
"""Packets of live connections that are INVALID: on which kernels and with which settings. Measured
with real sockets on six kernels (challenge ACK) and with packets on 6.18 (the others).
"""

from __future__ import annotations

import pytest

from ctlint.analysis.live_losses import (
    CHALLENGE,
    OFFLOADED,
    ONE_WAY,
    REOPENED,
    Shown,
    Talk,
    shown,
)
from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import examine
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Role
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.kernel.profiles import profile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl

DROP = "-m conntrack --ctstate INVALID -j DROP"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal = 1\n"


def played(rule: str, role: Role, talk: Talk, kernel: str, sysctl: str = "") -> list[Shown]:
    """What the talk shows of each stranding of the role under one rule."""
    text = (
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        f"-A {rule}\nCOMMIT\n"
    )
    (ruleset,) = parse_rulesets(text, "rules")
    given = SysctlSet((SysctlRun((parse_sysctl(sysctl, "sysctl"),)),))
    settings = Settings(given, profile(kernel))
    chains = ChainStore(ruleset, Facts())
    witnesses = Witnesses(chains, settings)
    strandings = examine(chains, role, settings).strandings
    assert strandings, "the rule loses something"
    found = (shown(one, talk, chains, settings, witnesses) for one in strandings)
    return [one for one in found if one is not None]


@pytest.mark.parametrize(
    ("kernel", "is_lost"),
    [
        ("5.10", False),
        ("5.16", False),
        ("5.18", True),
        ("6.0", True),
        ("6.1", False),
        ("6.12", False),
        ("6.18", False),
        ("7.2", False),
        ("rhel8", True),
    ],
)
@pytest.mark.parametrize(
    ("rule", "role"),
    [
        (f"OUTPUT {DROP}", Role.CLIENT),
        (f"FORWARD {DROP}", Role.FORWARD),
        (f"INPUT {DROP}", Role.SERVER),
    ],
)
def test_rst_after_a_challenge_ack(rule: str, role: Role, kernel: str, is_lost: bool) -> None:
    # 5.10, 6.0, 6.1, 6.12, 6.18, 7.2: connect() with real sockets; the others by their sources.
    assert bool(played(rule, role, CHALLENGE, kernel)) is is_lost


def test_a_liberal_kernel_takes_the_rst() -> None:
    # 6.0.0, out-drop-160s-liberal: connected.
    assert not played(f"OUTPUT {DROP}", Role.CLIENT, CHALLENGE, "6.0", LIBERAL)


def test_who_sends_no_rst_loses_none() -> None:
    assert not played(f"OUTPUT {DROP}", Role.SERVER, CHALLENGE, "6.0")


@pytest.mark.parametrize("sysctl", ["", LIBERAL])
@pytest.mark.parametrize("talk", ONE_WAY, ids=lambda talk: talk.entry)
def test_half_of_a_handshake(talk: Talk, sysctl: str) -> None:
    (found,) = played(f"FORWARD {DROP}", Role.FORWARD, talk, "6.18", sysctl)
    assert found.packet.ctstate == "INVALID"


@pytest.mark.parametrize("talk", OFFLOADED, ids=lambda talk: talk.sender.name)
def test_a_close_behind_hidden_data(talk: Talk) -> None:
    assert played(f"FORWARD {DROP}", Role.FORWARD, talk, "6.18")
    assert not played(f"FORWARD {DROP}", Role.FORWARD, talk, "6.18", LIBERAL)


def test_what_a_rule_asks_for_more_is_asked() -> None:
    resets = f"FORWARD -p tcp -m tcp --tcp-flags RST RST {DROP}"
    assert not played(resets, Role.FORWARD, OFFLOADED[0], "6.18")
    assert played(resets, Role.FORWARD, CHALLENGE, "6.0")


@pytest.mark.parametrize(
    ("kernel", "is_lost"),
    [("3.16", True), ("3.18", False), ("rhel6", False), ("rhel7", False), ("6.18", False)],
)
def test_a_server_that_opens_the_connection_again(kernel: str, is_lost: bool) -> None:
    # The state table of 3.16 against that of 3.18; rhel6 and rhel7 by their sources; 6.18 measured.
    assert bool(played(f"FORWARD {DROP}", Role.FORWARD, REOPENED, kernel)) is is_lost


def test_who_loses_it_is_named_and_nobody_else() -> None:
    resets = f"FORWARD -p tcp -m tcp --tcp-flags RST RST {DROP}"
    (found,) = played(f"{resets}\n-A FORWARD {DROP}", Role.FORWARD, CHALLENGE, "6.0")
    assert found.witness.expect[0]["rules"] == ["filter/FORWARD#1"]


def test_what_rejects_sends_packets_of_its_own() -> None:
    reject = "FORWARD -p tcp -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset"
    (found,) = played(reject, Role.FORWARD, ONE_WAY[1], "6.18")
    # The rules that those meet are not all in the witness.
    assert "rules" not in found.witness.expect[0]
    (dropped,) = played(f"FORWARD {DROP}", Role.FORWARD, ONE_WAY[1], "6.18")
    assert dropped.witness.expect[0]["rules"][-1] == "filter/FORWARD#1"
