# SPDX-License-Identifier: GPL-2.0-only
"""Neighbour discovery of IPv6: whether rules lose it, without which no neighbour is found.

Source: RFC 4861, sections 4.3, 4.4 and 7.1 (the hop limit is 255); RFC 4890, section 4.4.1 (must
not be dropped); net/netfilter/nf_conntrack_proto_icmpv6.c, nf_conntrack_icmpv6_error(): UNTRACKED.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ctlint.analysis.connection import LOCAL, UNICAST, Connection
from ctlint.analysis.coordinates import HOST, LEFT
from ctlint.analysis.fate import Circumstances, Disposition, Fate, send
from ctlint.analysis.live_losses import rejects
from ctlint.analysis.losses import Cause
from ctlint.analysis.settings import Settings
from ctlint.analysis.stage import as_scenario, stage
from ctlint.analysis.way import Ends
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Role, Witness
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.host import AddressType
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMPV6

SOLICITATION: Final = 135
ADVERTISEMENT: Final = 136
NAMES: Final = {
    SOLICITATION: "neighbour solicitation",
    ADVERTISEMENT: "neighbour advertisement",
}
_HOP_LIMIT: Final = 255
_LINK_LOCAL: Final = 0xFE80 << 112
_INTERFACE: Final = "eth0"
_SOLICITED_NODE: Final = (0xFF02 << 112) + 0x1_FF00_0001
_PATHS: Final = (Path.IN, Path.OUT)


class LostNeighbour(NamedTuple):
    """A kind of neighbour discovery that is lost whatever its addresses."""

    path: Path
    kind: int
    cause: Cause
    witness: Witness


def lost_neighbours(
    chains: ChainStore, settings: Settings, witnesses: Witnesses
) -> Iterator[LostNeighbour]:
    """Solicitations and advertisements that are lost for certain, in and out, between link-local
    addresses and between others.
    """
    if chains.ruleset.family is not Family.IPV6:
        return
    for path in _PATHS:
        for kind in NAMES:
            causes = [_lost_to(fate) for fate in _sent(chains, path, kind)]
            cause = causes[-1]
            if cause is None or None in causes:
                continue
            witness = _witness(chains, settings, witnesses, path, kind)
            if witness is not None:
                yield LostNeighbour(path, kind, cause, witness)


def _sent(chains: ChainStore, path: Path, kind: int) -> Iterator[Fate]:
    """The fates of packets between the host and a neighbour on some interface: between their
    link-local addresses and others, and of a solicitation to all who may have the address.
    """
    known = Circumstances(known=frozenset({HeaderField.TTL}))
    for network in (_LINK_LOCAL, HOST[Family.IPV6] - 1):
        host, neighbour = network + 1, network + 2
        source, target = (neighbour, host) if path is Path.IN else (host, neighbour)
        targets = [(target, LOCAL if path is Path.IN else UNICAST)]
        if kind == SOLICITATION:
            targets.insert(0, (_SOLICITED_NODE, AddressType.MULTICAST))
        for to, type_of_target in targets:
            packet = Packet(
                Family.IPV6, source, to, ICMPV6, icmp_type=kind, icmp_code=0, ttl=_HOP_LIMIT
            )
            ends = Ends(path, None, "", UNICAST, type_of_target)
            if path is Path.OUT:
                ends = Ends(path, "", None, LOCAL, type_of_target)
            yield send(chains, packet, ends, CtState.UNTRACKED, circumstances=known)


def _lost_to(fate: Fate) -> Cause | None:
    """What drops it, whichever way undecided matches go."""
    lost = {Disposition.DROPPED_BY_RULE, Disposition.DROPPED_BY_POLICY, Disposition.REJECTED}
    if any(end.disposition not in lost for end in fate.ends):
        return None
    return fate.ends[-1].cause


def _witness(
    chains: ChainStore, settings: Settings, witnesses: Witnesses, path: Path, kind: int
) -> Witness | None:
    """The scenario, whose packet has another hop limit; None where it shows something else."""
    family = Family.IPV6
    connection = Connection(
        Role.CLIENT, family, HOST[family], 40000, LEFT[family], 80, _INTERFACE, _INTERFACE
    )
    sender = "reply" if path is Path.IN else "orig"
    scenario: dict[str, Any] = {
        "name": f"{NAMES[kind]}, {'received' if path is Path.IN else 'sent'}",
        "kernel": settings.kernel.name,
        **stage(connection),
        "packets": [{"dir": sender, "proto": "icmp", "type": kind, "code": 0}],
    }
    try:
        read = as_scenario(scenario)
        player = Player(read, settings.kernel, chains={family: chains})
        (answer,) = [player.step(step) for step in read.steps]
    except ScenarioError:
        return None
    if not isinstance(answer, PacketAnswer) or answer.delivered is not False:
        return None
    if answer.ctstate != CtState.UNTRACKED.name:
        return None
    rules, tables = witnesses.rules(connection, with_nat=False)
    expect: dict[str, Any] = {"packet": 0, "ctstate": answer.ctstate, "delivered": False}
    if not answer.undecided and not rejects(chains.ruleset, answer.cause):
        matched = answer.rules or ()
        expect["rules"] = [name for name in matched if name.partition("/")[0] in tables]
    return Witness({**scenario, **rules}, [expect])
