# SPDX-License-Identifier: GPL-2.0-only
"""An ACK that opens an entry: what the rules do with it where it comes first.

Source: net/netfilter/nf_conntrack_proto_tcp.c, tcp_new(): with nf_conntrack_tcp_loose an ACK
without an entry is NEW.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stage import HANDSHAKE, as_scenario, stage
from ctlint.analysis.witness import Witnesses
from ctlint.finding import PacketKind, Witness
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.chains import ChainStore
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import ScenarioError


class FirstAck(NamedTuple):
    """A client's ACK that nothing came before, and is NEW. ``delivered`` is None where that is not
    decided; ``matched`` are the rules it met.
    """

    packet: PacketKind
    delivered: bool | None
    matched: tuple[str, ...]
    witness: Witness


def first_ack(
    connection: Connection, chains: ChainStore, settings: Settings, witnesses: Witnesses
) -> FirstAck | None:
    """The ACK of a connection that nobody has opened; None where it is not NEW, or is not played.
    ``connection`` is not translated.
    """
    scenario: dict[str, Any] = {
        "name": "an ACK that nothing came before",
        "kernel": settings.kernel.name,
        **stage(connection),
        "packets": [dict(HANDSHAKE[-1])],
    }
    loose = settings.value(TCP_LOOSE)
    if loose != settings.kernel.sysctl_default(TCP_LOOSE):
        scenario["sysctls"] = {"tcp_loose": loose}
    try:
        read = as_scenario(scenario)
        player = Player(read, settings.kernel, chains={connection.family: chains})
        (answer,) = [player.step(step) for step in read.steps]
    except ScenarioError:
        # Not all interface names and addresses of rules can be played.
        return None
    if not isinstance(answer, PacketAnswer) or answer.ctstate != CtState.NEW.name:
        return None
    rules, tables = witnesses.rules(connection, with_nat=False)
    expect: dict[str, Any] = {"packet": 0, "ctstate": answer.ctstate}
    matched = tuple(answer.rules or ())
    if answer.delivered is not None:
        expect["delivered"] = answer.delivered
        if answer.delivered and not answer.undecided:
            expect["rules"] = [name for name in matched if name.partition("/")[0] in tables]
    packet = PacketKind("A", "orig", "none", answer.ctstate)
    return FirstAck(packet, answer.delivered, matched, Witness({**scenario, **rules}, [expect]))
