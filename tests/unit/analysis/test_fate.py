# SPDX-License-Identifier: GPL-2.0-only
"""Paths of packets through all tables. Expectations are what a live 6.18 kernel did."""

from __future__ import annotations

from ctlint.analysis.connection import Connection
from ctlint.analysis.fate import Fate, send
from ctlint.finding import Role
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.transit import EntryView, Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags

LOCALHOST = 0x7F000001
ON_LO = Connection(Role.LOOPBACK, Family.IPV4, LOCALHOST, 40000, LOCALHOST, 80, "lo", "lo")
THROUGH = Connection(Role.FORWARD, Family.IPV4, 0x0A010002, 40000, 0x0A020002, 80, "eth0", "eth1")


def fate(
    text: str, connection: Connection, flags: str, ctstate: CtState, entry: EntryView | None
) -> Fate:
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    packet = connection.packet(Dir.ORIGINAL, TcpFlags.parse(flags))
    ends = connection.ends(Dir.ORIGINAL)
    return send(ChainStore(ruleset, Facts()), packet, ends, ctstate, entry)


def test_on_lo_the_entry_is_confirmed_behind_postrouting() -> None:
    rule = "-m conntrack --ctstatus CONFIRMED"
    text = f"*filter\n-A OUTPUT {rule}\n-A INPUT {rule}\nCOMMIT\n"
    found = fate(text, ON_LO, "S", CtState.NEW, ON_LO.entry(Dir.ORIGINAL))
    assert found.matched == ["filter/OUTPUT policy", "filter/INPUT#1", "filter/INPUT policy"]


def test_on_lo_notrack_in_prerouting_works_only_without_an_entry() -> None:
    text = "*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n"
    invalid = fate(text, ON_LO, "FA", CtState.INVALID, None)
    assert invalid.ctstates[Hook.LOCAL_OUT] is CtState.INVALID
    assert invalid.ctstates[Hook.PREROUTING] is CtState.UNTRACKED
    assert invalid.ctstates[Hook.LOCAL_IN] is CtState.UNTRACKED
    new = fate(text, ON_LO, "S", CtState.NEW, ON_LO.entry(Dir.ORIGINAL))
    assert set(new.ctstates.values()) == {CtState.NEW}


def test_a_forwarded_packet_has_its_incoming_interface_in_postrouting_too() -> None:
    text = "*mangle\n:one - [0:0]\n-A POSTROUTING -j one\n-A one -i eth0\nCOMMIT\n"
    found = fate(text, THROUGH, "S", CtState.NEW, THROUGH.entry(Dir.ORIGINAL))
    assert "mangle/one#1" in found.matched


def test_what_matched_is_exact_unless_some_rule_was_undecided() -> None:
    log = "*filter\n-A FORWARD {}-j LOG\nCOMMIT\n"
    entry = THROUGH.entry(Dir.ORIGINAL)
    assert fate(log.format(""), THROUGH, "S", CtState.NEW, entry).is_exact
    limited = fate(log.format("-m limit --limit 1/sec "), THROUGH, "S", CtState.NEW, entry)
    assert not limited.is_exact
    assert limited.open == []
