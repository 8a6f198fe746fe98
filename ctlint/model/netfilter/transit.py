# SPDX-License-Identifier: GPL-2.0-only
"""What a rule can ask of a packet at one hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ctlint.model.conntrack.status import CtState, Dir
from ctlint.wire.addresses import Family, Net
from ctlint.wire.packet import Packet


class Field(Enum):
    """A part of a transit that a predicate may read."""

    PROTOCOL = auto()
    FLAGS = auto()
    CTSTATE = auto()
    ENTRY = auto()
    SADDR = auto()
    DADDR = auto()
    SPORT = auto()
    DPORT = auto()
    IN_INTERFACE = auto()
    OUT_INTERFACE = auto()
    ICMP = auto()
    MARK = auto()
    ADDRESS_TYPE = auto()


class AddressType(Enum):
    """Kind of an address, as the routing table says (``-m addrtype``)."""

    LOCAL = "LOCAL"
    UNICAST = "UNICAST"


@dataclass(frozen=True, slots=True)
class EntryView:
    """What ``-m conntrack`` can see of the packet's entry; no address of it is translated."""

    direction: Dir
    orig_saddr: int
    orig_daddr: int
    orig_sport: int | None
    orig_dport: int | None
    is_confirmed: bool = False
    seen_reply: bool = False
    is_assured: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the host beyond its rules: the ipsets whose members are known, by name."""

    sets: Mapping[str, AddressSet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddressSet:
    """An ipset of one address (``hash:ip``, ``hash:net``): a member is a network.

    ``exceptions`` are its ``nomatch`` members.
    """

    members: tuple[Net, ...]
    exceptions: tuple[Net, ...] = ()
    _by_mask: dict[tuple[Family, int], dict[int, bool]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        by_mask: dict[tuple[Family, int], dict[int, bool]] = {}
        for nets, truth in ((self.members, True), (self.exceptions, False)):
            for net in nets:
                by_mask.setdefault((net.family, net.mask), {})[net.address] = truth
        longest_first = dict(sorted(by_mask.items(), key=lambda item: -item[0][1]))
        object.__setattr__(self, "_by_mask", longest_first)

    def contains(self, address: int, family: Family) -> bool:
        """Whether the kernel finds the address: the longest network that holds it decides."""
        for (own, mask), nets in self._by_mask.items():
            if own is family and (truth := nets.get(address & mask)) is not None:
                return truth
        return False


@dataclass(slots=True)
class Transit:
    """A packet at a hook. Only ``mark`` and ``ctstate`` change on the way.

    An interface is None where it is not known (it is then any but lo), and empty where the hook has
    none. ``mark`` is None where it is not known. ``entry`` is None for INVALID and UNTRACKED.
    """

    packet: Packet
    ctstate: CtState
    in_interface: str | None = ""
    out_interface: str | None = ""
    entry: EntryView | None = None
    mark: int | None = 0
    source_type: AddressType = AddressType.UNICAST
    destination_type: AddressType = AddressType.UNICAST
