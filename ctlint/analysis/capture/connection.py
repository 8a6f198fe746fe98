# SPDX-License-Identifier: GPL-2.0-only
"""What became of one connection of a capture, summed up: no packet of it is kept."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from ctlint.analysis.capture.played import Fate, Played
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.status import Dir, EntryStatus, TcpCt
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

MOST_EXPIRIES: Final = 8
"""Expiries of one connection of which more is kept than their number."""

MOST_CAUSES: Final = 16
"""Rules that dropped packets of one connection and are told apart."""

_ORIGINAL: Final = Dir.ORIGINAL
_REPLY: Final = Dir.REPLY
_DYING: Final = int(EntryStatus.DYING)
_SYN: Final = int(TcpFlags.SYN)
_CLOSING: Final = int(TcpFlags.FIN | TcpFlags.RST)
_OPENING_FLAGS: Final = int(TcpFlags.SYN | TcpFlags.ACK | TcpFlags.RST | TcpFlags.FIN)


def is_opening(packet: Packet) -> bool:
    """Whether this is a SYN, which asks for a connection."""
    return packet.flags is not None and int.__and__(packet.flags, _OPENING_FLAGS) == _SYN


class Expiry(NamedTuple):
    """An entry that ran out before a further packet came. ``at`` is when it did, ``state`` that in
    which it was, ``timeout`` what its timer had been set to; ``idle`` is how long no packet had
    come. ``packet`` came then; conntrack called it ``ctstate``, and ``fate`` is what it met.
    """

    at: Micros
    state: TcpCt | None
    timeout: Micros
    idle: Micros
    packet: Packet
    ctstate: str | None
    fate: Fate


class Connection:
    """A connection, while it is written. ``opener`` is its first packet; with ``is_midstream`` that
    was no SYN. ``packets`` and ``payload`` count those of the end that sent it, and of the other.
    ``first`` and ``last`` are moments since 1970. ``causes`` counts what stopped packets,
    ``other_causes`` those beyond MOST_CAUSES rules. ``state`` is the last state of its entry as
    a number (TcpCt), 0 where there was none. ``translated`` is its tuple of replies where that is
    not the inverse of the original; ``keys`` are the tuples that its packets have.
    """

    __slots__ = (
        "causes",
        "ctstates",
        "entry",
        "expired",
        "expiries",
        "fates",
        "first",
        "has_closed",
        "is_midstream",
        "keys",
        "last",
        "last_now",
        "number",
        "opener",
        "other_causes",
        "packets",
        "payload",
        "reasons",
        "state",
        "translated",
    )

    def __init__(self, number: int, played: Played) -> None:
        packet = played.packet
        self.number = number
        self.opener = packet
        self.first = self.last = played.at
        self.last_now = played.now
        self.is_midstream = packet.protocol == TCP and not is_opening(packet)
        self.packets = [0, 0]
        self.payload = [0, 0]
        self.ctstates: Counter[str] = Counter()
        self.fates: Counter[Fate] = Counter()
        self.causes: Counter[str] = Counter()
        self.other_causes = 0
        self.reasons: Counter[Reason] = Counter()
        self.expired = 0
        self.expiries: list[Expiry] = []
        self.entry: Entry | None = None
        self.state = 0
        self.translated: tuple[int, ...] | None = None
        self.has_closed = False
        self.keys: list[tuple[int, ...]] = []

    @property
    def is_troubled(self) -> bool:
        """Whether there is anything to say of it: not all of its packets went well."""
        return bool(
            self.expired or self.ctstates["INVALID"] or len(self.fates) > self.fates[Fate.PASSED]
        )

    def sender(self, packet: Packet) -> Dir:
        """The end that has sent a packet: that of the first one, or the other."""
        opener = self.opener
        if packet.saddr == opener.saddr and packet.sport == opener.sport:
            return _ORIGINAL
        return _REPLY

    def expiry_before(self, played: Played) -> Expiry | None:
        """The expiry of its entry between the packet before and this one, if there was any."""
        entry = self.entry
        if entry is None or entry is played.entry or entry.expires_at > played.now:
            return None
        state = TcpCt(entry.tcp.state) if entry.original.protocol == TCP else None
        return Expiry(
            played.at - (played.now - entry.expires_at),
            state,
            entry.timeout,
            played.now - self.last_now,
            played.packet,
            played.ctstate,
            played.fate,
        )

    def add(self, played: Played, expiry: Expiry | None) -> None:
        """A further packet, or the first."""
        packet = played.packet
        sender = self.sender(packet)
        self.packets[sender] += 1
        self.payload[sender] += packet.payload
        self.last = max(self.last, played.at)
        self.last_now = played.now
        if expiry is not None:
            self.expired += 1
            if len(self.expiries) < MOST_EXPIRIES:
                self.expiries.append(expiry)
        if played.ctstate is not None:
            self.ctstates[played.ctstate] += 1
        self.fates[played.fate] += 1
        if played.cause is not None:
            if played.cause in self.causes or len(self.causes) < MOST_CAUSES:
                self.causes[played.cause] += 1
            else:
                self.other_causes += 1
        for reason in played.reasons:
            self.reasons[reason] += 1
        self._note_entry(played.entry, packet)

    def _note_entry(self, entry: Entry | None, packet: Packet) -> None:
        if packet.flags is not None and int.__and__(packet.flags, _CLOSING):
            self.has_closed = True
        if entry is None:
            # What was deleted did not run out.
            if self.entry is not None and self.entry.status & _DYING:
                self.entry = None
            return
        if entry is not self.entry:
            self.entry = entry
            original, reply = entry.original, entry.reply
            if (reply.saddr, reply.daddr) != (original.daddr, original.saddr) or (
                packet.sport is not None
                and (reply.sport, reply.dport) != (original.dport, original.sport)
            ):
                self.translated = tuple(reply)
        self.state = entry.tcp.state
