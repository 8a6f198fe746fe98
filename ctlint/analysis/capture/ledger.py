# SPDX-License-Identifier: GPL-2.0-only
"""The connections of a capture as they come and go, and the sums over all of them.

A connection is done when its ends begin another on the same ports, and when too many others have
sent something since: then it is handed on and forgotten.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final

from ctlint.analysis.capture.connection import Connection, Expiry, is_opening
from ctlint.analysis.capture.played import Fate, Played
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.tuple import get_tuple, invert_tuple
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet

MOST_OPEN: Final = 50_000
"""Connections that are remembered; of more the one that was silent longest is done."""

MOST_CAUSES: Final = 1_000
"""Rules that stopped packets and are told apart."""

_Key = tuple[int, ...]


class Totals:
    """Sums over all packets. ``first`` and ``last`` are moments since 1970. Packets without a
    ctstate are counted under an empty one. ``midstream``, ``troubled`` and ``expired`` count
    connections, the last each of their expiries; ``cut_short`` are those that were handed on before
    the capture ended, because there were too many.
    """

    def __init__(self) -> None:
        self.packets = 0
        self.connections = 0
        self.midstream = 0
        self.troubled = 0
        self.expired = 0
        self.first: Micros | None = None
        self.last: Micros = 0
        self.ctstates: Counter[str] = Counter()
        self.fates: Counter[Fate] = Counter()
        self.causes: Counter[tuple[Family, str]] = Counter()
        self.other_causes = 0
        self.reasons: Counter[Reason] = Counter()
        self.cut_short = 0

    def add(self, played: Played) -> None:
        """Count a packet."""
        self.packets += 1
        if self.first is None:
            self.first = played.at
        self.first = min(self.first, played.at)
        self.last = max(self.last, played.at)
        self.ctstates[played.ctstate or ""] += 1
        self.fates[played.fate] += 1
        if played.cause is not None:
            cause = (played.packet.family, played.cause)
            if cause in self.causes or len(self.causes) < MOST_CAUSES:
                self.causes[cause] += 1
            else:
                self.other_causes += 1
        if played.ctstate == "INVALID":
            for reason in played.reasons:
                self.reasons[reason] += 1


class Ledger:
    """Attributes packets to connections."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._open: OrderedDict[_Key, Connection] = OrderedDict()
        self._aliases: dict[_Key, _Key] = {}

    def add(self, played: Played) -> tuple[Connection, Expiry | None, list[Connection]]:
        """The connection of a packet, the expiry of its entry just before, and the connections that
        are done by that.
        """
        self.totals.add(played)
        done: list[Connection] = []
        key = self._key_of(played)
        found = self._open.get(key)
        if found is not None and self._is_another(found, played):
            done.append(self._close(key))
            found = None
        expiry = None
        if found is None:
            found = self._open[key] = Connection(self.totals.connections, played)
            self.totals.connections += 1
            self.totals.midstream += found.is_midstream
            if len(self._open) > MOST_OPEN:
                self.totals.cut_short += 1
                done.append(self._close(next(iter(self._open))))
        else:
            self._open.move_to_end(key)
            expiry = found.expiry_before(played)
        found.add(played, expiry)
        if expiry is not None:
            self.totals.expired += 1
        if found.translated is not None:
            self._aliases.setdefault(_canonical(found.translated), key)
        return found, expiry, done

    def close(self) -> Iterator[Connection]:
        """All that are not done yet, in the order of their last packets."""
        while self._open:
            yield self._close(next(iter(self._open)))

    def _close(self, key: _Key) -> Connection:
        found = self._open.pop(key)
        if found.translated is not None:
            self._aliases.pop(_canonical(found.translated), None)
        self.totals.troubled += found.is_troubled
        return found

    def _key_of(self, played: Played) -> _Key:
        packet = played.packet
        entry = played.entry
        if entry is not None and packet.quoted is None:
            return _canonical(entry.original)
        about: Packet = packet if packet.quoted is None else packet.quoted
        key = _canonical(get_tuple(about))
        if self._aliases and key not in self._open:
            return self._aliases.get(key, key)
        return key

    @staticmethod
    def _is_another(found: Connection, played: Played) -> bool:
        """Whether a packet begins another connection on the same ports."""
        packet = played.packet
        if not is_opening(packet):
            return False
        is_again = packet.seq == found.opener.seq and not found.is_midstream
        if played.is_fresh:
            return not (is_again and found.entry is None)
        return found.has_closed and not is_again and played.entry is None


def _canonical(key: _Key) -> _Key:
    """The same for both directions."""
    family, protocol, saddr, sport, daddr, dport = key
    inverse = invert_tuple((family, protocol, saddr, sport, daddr, dport))
    return tuple(key) if inverse is None or key < inverse else tuple(inverse)
