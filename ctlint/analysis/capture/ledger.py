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
from ctlint.model.conntrack.tuple import invert_tuple
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros

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

    def add(self, one: Connection) -> None:
        """Count the packets of a connection that is done."""
        self.packets += sum(one.packets)
        self.first = one.first if self.first is None else min(self.first, one.first)
        self.last = max(self.last, one.last)
        self.ctstates.update(one.ctstates)
        self.fates.update(one.fates)
        self.expired += one.expired
        self.midstream += one.is_midstream
        self.troubled += one.is_troubled
        self.other_causes += one.other_causes
        for name, count in one.causes.items():
            cause = (one.opener.family, name)
            if cause in self.causes or len(self.causes) < MOST_CAUSES:
                self.causes[cause] += count
            else:
                self.other_causes += count


class Ledger:
    """Attributes packets to connections. ``totals`` are complete once all are done."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._open: OrderedDict[int, Connection] = OrderedDict()
        self._keys: dict[_Key, Connection] = {}
        """Each connection under the tuples of both directions, those of NAT too."""

    def add(self, played: Played) -> tuple[Connection, Expiry | None, list[Connection]]:
        """The connection of a packet, the expiry of its entry just before, and the connections that
        are done by that.
        """
        done: list[Connection] = []
        found = self._keys.get(played.key)
        if found is None and played.entry is not None and played.packet.quoted is None:
            found = self._keys.get(tuple(played.entry.original))
        if found is not None and is_opening(played.packet) and _is_another(found, played):
            done.append(self._close(found))
            found = None
        expiry = None
        if found is None:
            found = Connection(self.totals.connections, played)
            self.totals.connections += 1
            self._open[found.number] = found
            self._name(found, played.key)
            if len(self._open) > MOST_OPEN:
                self.totals.cut_short += 1
                done.append(self._close(next(iter(self._open.values()))))
        else:
            self._open.move_to_end(found.number)
            expiry = found.expiry_before(played)
        found.add(played, expiry)
        if played.reasons and played.ctstate == "INVALID":
            self.totals.reasons.update(played.reasons)
        if found.translated is not None and found.translated not in self._keys:
            self._name(found, found.translated)
        return found, expiry, done

    def close(self) -> Iterator[Connection]:
        """All that are not done yet, in the order of their last packets."""
        while self._open:
            yield self._close(next(iter(self._open.values())))

    def _name(self, connection: Connection, key: _Key) -> None:
        family, protocol, saddr, sport, daddr, dport = key
        inverse = invert_tuple((family, protocol, saddr, sport, daddr, dport))
        for each in (key, None if inverse is None else tuple(inverse)):
            if each is not None and each not in self._keys:
                self._keys[each] = connection
                connection.keys.append(each)

    def _close(self, connection: Connection) -> Connection:
        del self._open[connection.number]
        for key in connection.keys:
            del self._keys[key]
        self.totals.add(connection)
        return connection


def _is_another(found: Connection, played: Played) -> bool:
    """Whether a SYN begins another connection on the ports of one that is known."""
    is_again = played.packet.seq == found.opener.seq and not found.is_midstream
    if played.is_fresh:
        return not (is_again and found.entry is None)
    return found.has_closed and not is_again and played.entry is None
