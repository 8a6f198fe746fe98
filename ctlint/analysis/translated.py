# SPDX-License-Identifier: GPL-2.0-only
"""Plays connections that NAT translates: opened, then each packet after the entry has expired.

What has no entry is not translated (nf_nat_inet_fn() returns for packets that conntrack calls
INVALID, net/netfilter/nf_nat_core.c): a FIN or RST reaches the other end under addresses that it
does not know, or another host, or nobody. A packet that makes a new entry may be translated as the
first one was, or otherwise: that is played.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.drawn_ports import Draws
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stage import HANDSHAKE, NEXT, stage
from ctlint.finding import Role
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.nat import Spread
from ctlint.scenario.answer import EntryAnswer, OpAnswer, PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import DIR_NAMES, ScenarioError
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags

_DATA: Final = (
    {"dir": "orig", "flags": "PA", "seq": 1001, "ack": 5001, "win": 502, "len": 1},
    {"dir": "reply", "flags": "PA", "seq": 5001, "ack": 1002, "win": 502, "len": 1},
)


class Arrival(NamedTuple):
    """What became of a packet without an entry. ``arrives`` tells whether the other end gets it as
    one of the connection; None where that is not decided. ``stays_here``: this host took it for its
    own instead of the end it was meant for. ``is_by_lot``: it arrives if the kernel draws the port
    that the connection had.
    """

    arrives: bool | None
    stays_here: bool
    answer: PacketAnswer
    is_by_lot: bool = False


class Played(NamedTuple):
    """A connection that was played. ``is_opened`` is None where that is not decided; ``open`` holds
    the rules that leave something of it open, each with the reason; ``entry`` is that of the open
    connection.
    """

    is_opened: bool | None
    arrivals: Mapping[tuple[Dir, TcpFlags], Arrival]
    open: Mapping[str, str] = {}
    entry: EntryAnswer | None = None


def _packet(sender: Dir, flags: TcpFlags, payload: int) -> dict[str, Any]:
    """A packet behind the first data that finds no entry any more."""
    seq, ack = (number + 1 for number in NEXT[sender])
    packet: dict[str, Any] = {
        "dir": DIR_NAMES[sender],
        "flags": flags.letters,
        "seq": seq,
        "ack": ack,
        "win": 502,
        "expire": True,
    }
    if payload:
        packet["len"] = payload
    return packet


def play(
    chains: ChainStore,
    connection: Connection,
    kinds: Sequence[tuple[TcpFlags, int]],
    settings: Settings,
) -> Played | None:
    """Play a connection and of each end each of these packets, flags and bytes of payload, after
    its entry has expired. None where the topology of the connection cannot be played.
    """
    # The server's first: it sends to where it saw the client last, and the client's packets may
    # come there untranslated.
    later = [
        (sender, flags, payload) for sender in (Dir.REPLY, Dir.ORIGINAL) for flags, payload in kinds
    ]
    scenario = {
        "kernel": settings.kernel.name,
        "sysctls": {"tcp_loose": settings.value(TCP_LOOSE)},
        **stage(connection),
        "packets": [
            *HANDSHAKE,
            *_DATA,
            *(_packet(*each) for each in later),
        ],
    }
    try:
        read = scenario_from_json(scenario)
        draw = Draws(Spread())
        player = Player(read, settings.kernel, draw, chains={connection.family: chains})
        answers = [player.step(step) for step in read.steps]
    except ScenarioError:
        return None
    found = [answer for answer in answers if not isinstance(answer, OpAnswer)]
    opening, rest = found[: len(HANDSHAKE) + len(_DATA)], found[len(HANDSHAKE) + len(_DATA) :]
    is_opened = _all(answer.delivered for answer in opening)
    is_open = {
        one["rule"]: one["why"]
        for answer in found
        for one in answer.undecided
        if answer.delivered is None
    }
    entry = opening[-1].entry
    if not is_opened or entry is None:
        return Played(False if is_opened else is_opened, {}, is_open)
    arrivals = {
        (sender, flags): arrival_of(sender, answer, entry, draw)
        for (sender, flags, _), answer in zip(later, rest, strict=True)
    }
    return Played(is_opened, arrivals, is_open, entry)


def _all(truths: Any) -> bool | None:
    found = set(truths)
    return False if False in found else None if None in found else True


def arrival_of(
    sender: Dir, answer: PacketAnswer, opened: EntryAnswer, draws: Draws | None = None
) -> Arrival:
    """Judge a packet by the addresses under which it comes out: those of its entry turned round, or
    its own where it has none. ``draws`` has the ports that were drawn by lot.
    """
    if answer.delivered is None:
        return Arrival(None, stays_here=False, answer=answer)
    src, sport, dst, dport = opened.orig if sender is Dir.ORIGINAL else opened.reply
    wanted = opened.reply if sender is Dir.ORIGINAL else opened.orig
    seen = answer.entry.reply if answer.entry is not None else (dst, dport, src, sport)
    is_right = answer.delivered and seen == wanted
    # What comes out nowhere and is delivered was for this host.
    stays = answer.delivered and not any(one.is_same for one in answer.out)
    # What has no entry is not translated anew.
    is_by_lot = (
        answer.delivered
        and not is_right
        and answer.entry is not None
        and draws is not None
        and draws.undrawn(*seen) == draws.undrawn(*wanted)
    )
    return Arrival(is_right, stays and not is_right, answer, is_by_lot)


def is_martian(role: Role, family: Family, translated: Translated) -> bool:
    """Whether NAT leads what comes from elsewhere to an address of lo: routing drops it, unless
    route_localnet is set, which is not known here (ip_route_input_slow(), Linux 6.18).
    """
    end = translated.destination
    if role in (Role.CLIENT, Role.LOOPBACK) or end is None:
        return False
    if end.addresses is None or end.kept:
        return False
    own = _LOOPBACK[family]
    return end.addresses.low <= own.high and own.low <= end.addresses.high


_LOOPBACK: Final = {Family.IPV4: Range(0x7F000000, 0x7FFFFFFF), Family.IPV6: Range(1, 1)}
"""127.0.0.0/8 and ::1."""
