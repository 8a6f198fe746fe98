# SPDX-License-Identifier: GPL-2.0-only
"""The box that a capture is played on: its addresses, and behind which interface others are.

A capture says little of routes. What ``--local`` tells is certain; behind which interface an
address is else, the packets teach: whoever sends first stands where packets come in, and whom it
sends to on the other side.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from ctlint.analysis.capture.played import Way
from ctlint.model.netfilter.host import LOOPBACK, AddressType, Host, InterfaceAddress
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet

MTU: Final = 65535
_MOST_KNOWN: Final = 65_536
"""Addresses whose side is remembered; of more those that were silent longest are forgotten."""

_MOST_PLACES: Final = 65_536
"""Pairs of addresses of which it is remembered how their packets go."""
_LINK_LOCAL6: Final = 0xFE80 >> 6


NEAR, FAR = "eth0", "eth1"
"""The interfaces of a box of which nobody says how they are called."""

_MOST_NAMES: Final = 256


class Stage(NamedTuple):
    """Where the box stands. ``addresses`` are its own. Packets come in by ``into`` and leave by
    ``out`` where nothing else is known; None: as the capture names its interfaces.
    """

    addresses: tuple[InterfaceAddress, ...] = ()
    into: str | None = None
    out: str | None = None


class Whereabouts(Host):
    """The box, which learns its routes from what comes in."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.addresses, (), MTU)
        self._stage = stage
        self._names: list[str] = []
        self.into, self.out = NEAR, FAR
        self._name_sides()
        self._sides: OrderedDict[tuple[Family, int], str] = OrderedDict()
        self._places: dict[tuple[int, int, Family], tuple[Way, str]] = {}

    def _name_sides(self) -> None:
        """Name the two sides: as it was told, else as the capture names them, else as usual."""
        told, names = self._stage, self._names
        own = [one.interface for one in told.addresses if one.interface != LOOPBACK]
        self.into = told.into or (own or names or [NEAR])[0]
        others = [name for name in (*own, *names) if name != self.into]
        if told.out is not None:
            self.out = told.out
        elif others:
            self.out = others[0]
        elif own:
            self.out = self.into
        else:
            self.out = FAR if self.into != FAR else NEAR

    def route(self, address: int, family: Family) -> str | None:
        """The interface by which packets for the address leave."""
        if self.is_local(address, family):
            return LOOPBACK
        return self._behind(address, family) or self.out

    def _behind(self, address: int, family: Family) -> str | None:
        """The interface behind which an address is, where that is known."""
        told = super().route(address, family)
        return self._sides.get((family, address)) if told is None else told

    def place(self, packet: Packet, named: str) -> tuple[Way, str] | None:
        """How a packet goes by the box, and by which interface it comes in; empty where the box
        sends it. None where routing does more with it than find a way. ``named`` is the interface
        that the capture names, if any.
        """
        family = packet.family
        pair = (packet.saddr, packet.daddr, family)
        known = self._places.get(pair)
        if known is not None and (not named or named == known[1] or not known[1]):
            return known
        found = self._place(packet, named)
        if found is not None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            self._places[pair] = found
        return found

    def _place(self, packet: Packet, named: str) -> tuple[Way, str] | None:
        family = packet.family
        if not (self._is_plain(family, packet.saddr) and self._is_plain(family, packet.daddr)):
            return None
        is_to_box = self.is_local(packet.daddr, family)
        if self.is_local(packet.saddr, family):
            return (Way.LOOPBACK if is_to_box else Way.OUT), ""
        return (Way.IN if is_to_box else Way.FORWARD), self._entrance(packet, named)

    def _entrance(self, packet: Packet, named: str) -> str:
        """By which interface a packet comes in."""
        family = packet.family
        if named and named not in self._names and len(self._names) < _MOST_NAMES:
            self._names.append(named)
            self._name_sides()
            self._places.clear()
        source, target = (family, packet.saddr), (family, packet.daddr)
        # The name of a capture's only interface says nothing: what leaves by it has it as well.
        known = named if named and len(self._names) > 1 else self._behind(packet.saddr, family)
        if known is None:
            # Whoever answers one that is on the near side stands on the far side.
            is_near = self._behind(packet.daddr, family) == self.into
            known = self.out if is_near else self.into
        self._learn(source, known)
        if target not in self._sides:
            self._learn(target, self.out if known == self.into else self.into)
        return known

    def _learn(self, address: tuple[Family, int], interface: str) -> None:
        sides = self._sides
        sides[address] = interface
        sides.move_to_end(address)
        if len(sides) > _MOST_KNOWN:
            sides.popitem(last=False)

    def _is_plain(self, family: Family, address: int) -> bool:
        if family is Family.IPV4:
            if address >> 24 == 0 or address >> 28 >= 0xE:
                return False
        elif address == 0 or address >> 120 == 0xFF or address >> 118 == _LINK_LOCAL6:
            return False
        kind = self.address_type(address, family)
        return kind not in (AddressType.BROADCAST, AddressType.MULTICAST)
