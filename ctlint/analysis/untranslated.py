# SPDX-License-Identifier: GPL-2.0-only
"""INVALID packets that escape NAT: what conntrack does not know, NAT does not translate.

For rules that translate forwarded connections, one connection of each is played on the model: its
handshake through NAT, then the packet. What the play answers is what the witness expects.

Source: nf_nat_core.c, nf_nat_packet() is called for packets with an entry alone; measured on 6.18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.losses import Case
from ctlint.analysis.settings import Settings
from ctlint.analysis.stage import HANDSHAKE, NEXT, stage
from ctlint.analysis.witness import Witnesses
from ctlint.finding import PacketKind, Role, Witness
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import DIR_NAMES, ScenarioError
from ctlint.wire.addresses import format_address
from ctlint.wire.tcp_flags import TcpFlags

MAX_TRIED: Final = 8
"""Rules of each way of translating that are tried until one shows an escape."""


class Way(Enum):
    """What a rule translates: by which packets that are not translated it shows."""

    SOURCE = "source"
    DESTINATION = "destination"


class Escape(NamedTuple):
    """A packet that comes through untranslated. ``ref`` is the rule that translates its connection,
    ``to_host``: it came to the box itself instead of the end behind it.
    """

    ref: RuleRef
    way: Way
    packet: PacketKind
    witness: Witness
    to_host: bool


class _Try(NamedTuple):
    """A conversation whose last packet is tried: this end sends it, with these flags, when the
    connection's entry has this state.
    """

    name: str
    sender: Dir
    flags: TcpFlags
    entry: str
    packets: tuple[dict[str, Any], ...]


def _fin(name: str, sender: Dir) -> _Try:
    """The FIN of a connection that conntrack has forgotten."""
    seq, ack = NEXT[sender]
    packet = {"dir": DIR_NAMES[sender], "flags": "FA", "seq": seq, "ack": ack, "win": 502}
    fin = TcpFlags.FIN | TcpFlags.ACK
    return _Try(name, sender, fin, "none", (*HANDSHAKE, packet | {"expire": True}))


_SMALL: Final = {"win": 1000, "opts": {"mss": 1460}}
_LATE: Final = _Try(
    "data of the server that come again, late",
    Dir.REPLY,
    TcpFlags.PSH | TcpFlags.ACK,
    "ESTABLISHED",
    (
        {"dir": "orig", "flags": "S", "seq": 1000, **_SMALL},
        {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001, **_SMALL},
        {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "win": 1000},
        {"dir": "reply", "flags": "PA", "seq": 5001, "ack": 1001, "win": 1000, "len": 100},
        {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5101, "win": 1000},
        {"dir": "reply", "flags": "PA", "seq": 5101, "ack": 1001, "win": 1000, "len": 1000},
        {"dir": "orig", "flags": "A", "seq": 1001, "ack": 6101, "win": 1000},
        {"dir": "reply", "flags": "PA", "seq": 6101, "ack": 1001, "win": 1000, "len": 100},
        {"dir": "reply", "flags": "PA", "seq": 5001, "ack": 1001, "win": 1000, "len": 100},
    ),
)
"""The client's window is small, so that little data must come in between until the first lie more
than a window behind the last (tcp_in_window(), "SEQ is under the lower bound").
"""


class Router:
    """The forwarded connections that one rule set translates; ``cases`` gives all that were looked
    at.
    """

    def __init__(
        self,
        chains: ChainStore,
        settings: Settings,
        witnesses: Witnesses,
        cases: Callable[[], Iterable[Case]],
    ) -> None:
        self._chains = chains
        self._settings = settings
        self._witnesses = witnesses
        self._cases = cases

    def _translated(self) -> Iterator[tuple[RuleRef, Way, Connection]]:
        """Rules that translate forwarded connections, each with one of those."""
        for case in self._cases():
            connection = case.connection
            translated = connection.translated
            if translated is None or connection.final_role is not Role.FORWARD:
                continue
            if translated.source is not None:
                yield translated.source.ref, Way.SOURCE, connection
            if translated.destination is not None:
                yield translated.destination.ref, Way.DESTINATION, connection

    def after_expiry(self) -> Iterator[Escape]:
        """FINs of forgotten connections that leave with the address that NAT was to hide."""
        tries = {
            Way.SOURCE: _fin("FA of the client, untranslated", Dir.ORIGINAL),
            Way.DESTINATION: _fin("FA of the server, untranslated", Dir.REPLY),
        }
        return self._escapes(tries)

    def out_of_window(self) -> Iterator[Escape]:
        """Answers that come again late, behind the window of a live connection: they come to the
        box itself, or to the client with the address of a server that it does not know, and whoever
        gets them resets the connection.
        """
        return self._escapes(dict.fromkeys(Way, _LATE))

    def _escapes(self, tries: dict[Way, _Try]) -> Iterator[Escape]:
        done: set[Way] = set()
        tried = dict.fromkeys(Way, 0)
        for ref, way, connection in self._translated():
            if way in done or tried[way] == MAX_TRIED:
                continue
            tried[way] += 1
            found = self._played(ref, way, connection, tries[way])
            if found is not None:
                done.add(way)
                yield found

    def _played(
        self,
        ref: RuleRef,
        way: Way,
        connection: Connection,
        last: _Try,
    ) -> Escape | None:
        """The escape of a connection's packet; None where it does not escape or is left open."""
        scenario: dict[str, Any] = {
            "name": last.name,
            "kernel": self._settings.kernel.name,
            **stage(connection),
            "packets": [dict(packet) for packet in last.packets],
        }
        try:
            read = scenario_from_json(scenario)
            chains = {connection.family: self._chains}
            player = Player(read, self._settings.kernel, chains=chains)
            answers = [player.step(step) for step in read.steps]
        except ScenarioError:
            # Not all interface names and addresses of rules can be played.
            return None
        *opening, end = [each for each in answers if isinstance(each, PacketAnswer)]
        if not all(each.delivered is True for each in opening) or end.delivered is not True:
            return None
        if end.ctstate != CtState.INVALID.name:
            return None
        expect: dict[str, Any] = {"packet": len(opening), "ctstate": end.ctstate, "delivered": True}
        to_host = not end.out
        if to_host:
            # Only what was meant for an end behind the box: its SYN went there.
            if last.sender is Dir.ORIGINAL or "INPUT" not in end.hooks:
                return None
        else:
            out = end.out[0]
            if not _is_untranslated(connection, opening, last.sender, out.src, out.dst):
                return None
            expect["as"] = [out.src, out.sport, out.dst, out.dport]
        rules, tables = self._witnesses.rules(connection, with_nat=True)
        scenario |= rules
        matched = end.rules or ()
        expect["rules"] = [name for name in matched if name.partition("/")[0] in tables]
        kind = PacketKind(last.flags.letters, DIR_NAMES[last.sender], last.entry, end.ctstate)
        return Escape(ref, way, kind, Witness(scenario, [expect]), to_host)


def _is_untranslated(
    connection: Connection, opening: Sequence[PacketAnswer], sender: Dir, source: str, to: str
) -> bool:
    """Whether a packet left with an address with which packets of its connection did not."""
    seen = opening[0 if sender is Dir.ORIGINAL else 1].out
    own = connection.orig_address if sender is Dir.ORIGINAL else None
    if not seen or (seen[0].src, seen[0].dst) == (source, to):
        return False
    return own is None or source == format_address(connection.family, own)
