# SPDX-License-Identifier: GPL-2.0-only
"""What is seen of a case while it runs: states of sockets by asking again and again, packets by
what the hosts log of them.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final, NamedTuple

from ctlint.lab.log import Log
from ctlint.lab.namespace import PrivateNetns
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.sockets.case import Host
from tests.conformance.sockets.recording import Ends, Seen, State
from tests.conformance.sockets.sock_diag import SockDiag, Socket, Tuple

SERVER_PORT: Final = 80
"""The port by which the server's sockets are told from the client's."""

_TCP = struct.Struct("!HHIIBB")
_PLACES: Final = ("output", "wire", "arrived", "socket")
_AT_A_HOOK: Final = -1
_SECONDS_UNTIL_READ: Final = 0.2
"""After that a packet that no host has sent was made by the router."""

_NEAR: Final = 1 << 24


class States:
    """States over time of the sockets of one host."""

    def __init__(self, namespace: PrivateNetns) -> None:
        with namespace.inside():
            self._diag = SockDiag()
        self._now: dict[Ends, Socket | None] = {}
        self._tuples: dict[Ends, Tuple] = {}
        self.found: list[State] = []

    def close(self) -> None:
        """Close what holds the namespace open."""
        self._diag.close()

    def add(self, ends: Ends, wanted: Tuple) -> None:
        """Look at a socket from now on."""
        self._tuples[ends] = wanted

    def look(self, at: float) -> None:
        """Ask the kernel once more."""
        if not self._tuples:
            return
        found = self._diag.find(list(self._tuples.values()))
        for ends, now in zip(self._tuples, found, strict=True):
            before = self._now.get(ends)
            if before is not None and now is None:
                self.found.append(State(at, ends, "gone", "", True))
            elif now is not None and _shown(now) != _shown(before):
                self.found.append(State(at, ends, *_shown(now)))
            self._now[ends] = now


def _shown(found: Socket | None) -> tuple[str, str, bool]:
    return ("gone", "", True) if found is None else (found.state, found.timer, found.inode == 0)


class _Packet:
    """A packet under way, in the words of `Seen`."""

    __slots__ = ("ack", "at", "ctstate", "data", "made_by", "reached", "seq")

    def __init__(self, at: float, data: bytes, made_by: str, reached: int) -> None:
        self.at = at
        self.data = data
        self.made_by = made_by
        self.reached = reached
        self.ctstate: dict[str, str] = {}
        self.seq: int | None = None
        self.ack: int | None = None


class _Sighting(NamedTuple):
    """A line of a host's log: a place (its number), or a hook with the ctstate there."""

    at: float
    host: Host
    place: int
    ctstate: str
    data: bytes


class Packets:
    """The packets of one case, each once, whoever saw it.

    Each host's log has its order; together they are brought into one in which no packet arrives
    before it was sent.
    """

    def __init__(self) -> None:
        self._all: list[_Packet] = []
        self._under_way: dict[bytes, deque[_Packet]] = {}
        self._unread: dict[Host, deque[_Sighting]] = {host: deque() for host in Host}
        self._bases: dict[bytes, int] = {}

    def take(self, log: Log, host: Host, at: float) -> None:
        """What a host has logged since the last call."""
        for line in log.lines():
            words = line.prefix.decode().split()
            is_state = words[0] == "state"
            place = _AT_A_HOOK if is_state else _PLACES.index(words[0])
            ctstate = f"{words[1]} {words[2]}".upper() if is_state else ""
            self._unread[host].append(_Sighting(at, host, place, ctstate, line.data))

    def settle(self, now: float) -> None:
        """Find the packets of all that was taken."""
        is_going_on = True
        while is_going_on:
            is_going_on = False
            for waiting in self._unread.values():
                while waiting and self._is_told(waiting[0], now):
                    waiting.popleft()
                    is_going_on = True

    def _is_told(self, sighting: _Sighting, now: float) -> bool:
        key = _key(sighting.data)
        under_way = self._under_way.setdefault(key, deque(maxlen=4))
        if sighting.place == _AT_A_HOOK:
            where = f"{sighting.host.value} {sighting.ctstate.split()[0]}"
            for packet in reversed(under_way):
                if where not in packet.ctstate:
                    packet.ctstate[where] = sighting.ctstate.split()[1]
                    return True
            return now - sighting.at > _SECONDS_UNTIL_READ
        if sighting.place > 0:
            for packet in reversed(under_way):
                # The same segment sent again may look the same; the last one is meant, which may
                # not have been read yet.
                is_old = sighting.at - packet.at > _SECONDS_UNTIL_READ
                if packet.reached == sighting.place - 1 and not is_old:
                    packet.reached = sighting.place
                    return True
            if now - sighting.at <= _SECONDS_UNTIL_READ:
                return False
        made_by = sighting.host if sighting.place == 0 else Host.ROUTER
        packet = _Packet(sighting.at, sighting.data, made_by.value, sighting.place)
        self._number(packet)
        under_way.append(packet)
        self._all.append(packet)
        return True

    def _number(self, packet: _Packet) -> None:
        """Numbers that count from the last SYN."""
        start = (packet.data[0] & 15) * 4
        _, _, seq, ack, _, flags = _TCP.unpack_from(packet.data, start)
        ports = packet.data[start : start + 4]
        if flags & TcpFlags.SYN:
            self._bases[ports] = seq
        packet.seq = near(seq, self._bases.get(ports))
        if flags & TcpFlags.ACK:
            packet.ack = near(ack, self._bases.get(ports[2:] + ports[:2]))

    def found(self) -> list[Seen]:
        """All packets, in the order in which they were made."""
        return [_seen(packet) for packet in self._all]


def _key(data: bytes) -> bytes:
    """What tells a packet from others and stays on its way: no router changes it."""
    start = (data[0] & 15) * 4
    return data[4:6] + data[12:20] + data[start : start + 14]


def near(number: int, base: int | None) -> int | None:
    """A sequence number as counted from where its side began, None where it is far from there."""
    if base is None:
        return None
    distance = (number - base + (1 << 31)) % (1 << 32) - (1 << 31)
    return distance if abs(distance) < _NEAR else None


def _seen(packet: _Packet) -> Seen:
    data = packet.data
    start = (data[0] & 15) * 4
    sport, dport, _, _, offset, flags = _TCP.unpack_from(data, start)
    sender = Host.SERVER if sport == SERVER_PORT else Host.CLIENT
    length = int.from_bytes(data[2:4], "big") - start - (offset >> 4) * 4
    return Seen(
        packet.at,
        sender.value,
        packet.made_by,
        sport,
        dport,
        TcpFlags(flags).letters,
        packet.seq,
        packet.ack,
        length,
        _PLACES[packet.reached],
        packet.ctstate,
    )
