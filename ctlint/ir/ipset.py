# SPDX-License-Identifier: GPL-2.0-only
"""Sets of ipset(8) as a dump gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from ctlint.ir.span import Span
from ctlint.ir.values import Masked
from ctlint.wire.addresses import Family, Net

ONE_ADDRESS: Final = frozenset({"hash:ip", "hash:net", "bitmap:ip"})
"""Types whose elements are one address, or one network."""

MAX_ELEMENTS: Final = 65_536
"""How many elements a hash holds where its ``create`` line says nothing (``maxelem``), and how
many a bitmap can have."""

ALL_BITS: Final = (1 << 32) - 1


class Service(NamedTuple):
    """A protocol and its port; for ICMP and ICMPv6 the port is type × 256 + code, for protocols
    without ports 0.
    """

    protocol: int
    port: int


class Interface(NamedTuple):
    """An interface of a ``hash:net,iface``: with ``is_wildcard`` all whose names begin so, with
    ``is_physdev`` the port of a bridge.
    """

    name: str
    is_wildcard: bool = False
    is_physdev: bool = False


Part: TypeAlias = Net | Service | Interface | int | None
"""One dimension of an element: an address or network, a service, an interface, or a number: the
port of a ``bitmap:port``, a packet mark, a MAC address (None where a ``bitmap:ip,mac`` has none).
"""

Element: TypeAlias = Net | tuple[Part, ...]
"""An element: the network itself for a type of one address, for others a tuple of its parts."""


class Extensions(NamedTuple):
    """What an element has beside its value.

    ``timeout`` is in seconds, 0 for ever, None as the set says; ``packets`` and ``bytes`` are None
    where a line says nothing: they begin with 0. ``mark`` is its ``skbmark``.
    """

    nomatch: bool = False
    timeout: int | None = None
    packets: int | None = None
    bytes: int | None = None
    mark: Masked | None = None

    def over(self, old: Extensions | None) -> Extensions:
        """Those of an element that was there before, and is written anew: what it has counted
        stays (ip_set_init_counter()).
        """
        if old is None:
            return self
        packets = old.packets if self.packets is None else self.packets
        octets = old.bytes if self.bytes is None else self.bytes
        return self._replace(packets=packets, bytes=octets)


@dataclass(frozen=True, slots=True)
class Ipset:
    """A set, as it was when it was dumped.

    ``type`` is ipset's name of it (``hash:net``); ``family`` is None for types without addresses.
    ``elements`` have a ``hash:ip`` as networks, of which it holds each address; ``lists`` names the
    members of a ``list:set``. ``timeout`` is what an element has that says none of its own, None
    for a set without timeouts. ``mask`` is compared of an address, ``mark_mask`` of a mark,
    ``range`` holds the ends of a bitmap.

    ``unread`` says why the elements are not known even at that moment, ``unknown`` why a packet
    that comes at any time cannot be looked up by one address; None where they are known.
    """

    name: str
    type: str
    family: Family | None
    span: Span
    elements: Mapping[Element, Extensions] = field(default_factory=dict)
    lists: Mapping[str, Extensions] = field(default_factory=dict)
    unknown: str | None = None
    unread: str | None = None
    timeout: int | None = None
    mask: int | None = None
    mark_mask: int = ALL_BITS
    range: tuple[int, int] | None = None
    max_elements: int = MAX_ELEMENTS
    has_counters: bool = False
    has_marks: bool = False
    replaces: bool = False
    """A full set takes a new element for an old one (``forceadd``)."""

    @property
    def members(self) -> tuple[Net, ...]:
        """What a set of one address holds; nothing where that is not known for all times."""
        return self._nets(nomatch=False)

    @property
    def exceptions(self) -> tuple[Net, ...]:
        """The elements with ``nomatch`` of a set of one address."""
        return self._nets(nomatch=True)

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the members of a ``list:set``."""
        return tuple(self.lists)

    def _nets(self, *, nomatch: bool) -> tuple[Net, ...]:
        if self.unknown is not None:
            return ()
        return tuple(
            element
            for element, extensions in self.elements.items()
            if isinstance(element, Net) and extensions.nomatch is nomatch
        )
