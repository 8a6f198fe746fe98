# SPDX-License-Identifier: GPL-2.0-only
"""What a rule can ask of a packet at one hook."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from ctlint.model.conntrack.core import Template
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.status import CtState, Dir, EntryStatus
from ctlint.model.conntrack.tuple import Tuple, get_tuple, invert_tuple
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.host import AddressType
from ctlint.wire.addresses import Family, Net
from ctlint.wire.header_field import HeaderField
from ctlint.wire.moments import Micros
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
    HEADER = auto()
    """Whatever else stands in the packet: its length, TTL, options, payload."""
    BOX = auto()
    """The box, its memory and the moment."""

    __hash__ = object.__hash__


class EntryView(NamedTuple):
    """The packet's entry, and which way the packet goes in it."""

    direction: Dir
    entry: Entry


def imagined_entry(opening: Packet, direction: Dir, status: EntryStatus) -> EntryView:
    """An entry that the packet ``opening`` is taken to have made, as a packet of a direction sees
    it. Nothing in it is translated.
    """
    key = get_tuple(opening)
    original = Tuple(*key)
    entry = Entry(original, invert_tuple(key) or original)
    entry.status = int(status)
    return EntryView(direction, entry)


def confirmed(view: EntryView) -> EntryView:
    """The same entry behind its confirmation."""
    entry = Entry(view.entry.original, view.entry.reply)
    entry.status = view.entry.status | EntryStatus.CONFIRMED
    return EntryView(view.direction, entry)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the host beyond its rules.

    ``sets`` are the ipsets whose members are known, by name: what does not change. ``clock`` is the
    time of day in UTC, microseconds since 1970, at the moment 0; None where it is not known.
    ``owner`` owns the sockets from which the host sends, ``mac`` is the sender's address on what
    comes in; None where that is not known. ``counting_sets`` are the ipsets that count the packets
    that they are asked for.
    """

    sets: Mapping[str, AddressSet] = field(default_factory=dict, hash=False)
    clock: Micros | None = None
    owner: Owner | None = None
    mac: Mac | None = None
    counting_sets: frozenset[str] = frozenset()


class Owner(NamedTuple):
    """Who owns a socket; ``groups`` are the supplementary ones."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


class Mac(NamedTuple):
    """The sender's address on the link; ``address`` is None on a link without any (a tunnel)."""

    address: int | None


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
    """A packet at a hook. Targets change it on the way: its packet, ``mark``, ``ctstate``.

    An interface is None where it is not known (it is then any but lo), and empty where the hook has
    none. ``mark`` is None where it is not known. ``entry`` is None for INVALID and UNTRACKED.

    ``box`` is where the packet is; None where a whole class of packets is asked about, of which
    then no more is known than addresses, ports, flags, types and the parts of the header in
    ``known``: no payload, and nothing of what came before. ``rule`` is the rule that is being
    tried, for what each remembers. ``is_own``: a socket of the box's processes has sent the packet;
    ``is_kernels``: one of the kernel's own has, which nobody owns. ``is_hot``: a match that found
    no use for the packet has it dropped, whatever its rule says (hotdrop); None where it may have.
    ``template`` is what the raw table has told conntrack of it, None where it said nothing;
    ``is_tracked``: conntrack has seen it before, so that the raw table has no more say.
    """

    packet: Packet
    ctstate: CtState
    in_interface: str | None = ""
    out_interface: str | None = ""
    entry: EntryView | None = None
    mark: int | None = 0
    source_type: AddressType = AddressType.UNICAST
    destination_type: AddressType = AddressType.UNICAST
    box: Box | None = None
    hook: Hook | None = None
    rule: Hashable = None
    is_own: bool = False
    is_kernels: bool = False
    is_hot: bool | None = False
    template: Template | None = None
    is_tracked: bool = False
    known: frozenset[HeaderField] = frozenset()
