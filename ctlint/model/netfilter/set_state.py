# SPDX-License-Identifier: GPL-2.0-only
"""Sets of ipset(8) as they stand while packets pass: rules look members up, add and delete them.

Source: net/netfilter/ipset/ of Linux 6.18: ip_set_core.c, ip_set_hash_gen.h, ip_set_bitmap_gen.h,
ip_set_hash_netiface.c, ip_set_bitmap_ipmac.c, and the ``_kadt`` functions of the types. What hangs
on the kernel's hash is not followed: a set of many elements may refuse one although it is not full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from itertools import product
from typing import Final, NamedTuple, TypeAlias

from ctlint.ir.ipset import Element, Extensions, Interface, Ipset, Part
from ctlint.ir.values import Masked
from ctlint.model.netfilter.jiffies import HZ
from ctlint.wire.addresses import Net

MAX_TIMEOUT: Final = ((1 << 32) - 1 >> 1) // 1000
"""Longest timeout in seconds (IPSET_MAX_TIMEOUT)."""

MOST_HOSTS: Final = 1 << 20
"""Addresses that one network of a hash:ip may stand for; more would need memory without bound."""

NO_MARK: Final = Masked(0, 0)

Probe: TypeAlias = tuple[Part, ...]
"""What a packet has in each dimension; an address is a network of one, an interface has no
wildcard."""

Key: TypeAlias = tuple[object, ...]
"""Where an element stands: a network as address and prefix length, all else as it is. The
interfaces of a net,iface are no part of it."""


class Found(Enum):
    """What a look-up says (the return value of ``kadt``)."""

    MATCH = auto()
    NO_MATCH = auto()
    EXCEPTION = auto()
    """An element with ``nomatch`` (-ENOTEMPTY)."""
    INCOMPLETE = auto()
    """A ``bitmap:ip,mac`` has the address without its MAC address (-EAGAIN)."""


class Comparison(NamedTuple):
    """A condition on a counter: ``relation`` is eq, ne, lt or gt."""

    relation: str
    value: int

    def holds(self, counter: int) -> bool:
        """Port of ip_set_match_counter."""
        if self.relation == "eq":
            return counter == self.value
        if self.relation == "ne":
            return counter != self.value
        if self.relation == "lt":
            return counter < self.value
        return counter > self.value


class Request:
    """What a rule wants of a set, and what it gets (``struct ip_set_adt_opt``).

    ``tick`` is the moment in jiffies, ``length`` the packet's. ``timeout`` is in seconds, None as
    the set says. ``mark`` is what the element says of the packet's mark.
    """

    __slots__ = (
        "bytes",
        "counts",
        "counts_below",
        "inverts_exceptions",
        "length",
        "mark",
        "packets",
        "replaces",
        "tick",
        "timeout",
    )

    def __init__(
        self,
        tick: int,
        length: int,
        *,
        timeout: int | None = None,
        replaces: bool = False,
        counts: bool = True,
        counts_below: bool = True,
        inverts_exceptions: bool = False,
        packets: Comparison | None = None,
        bytes_: Comparison | None = None,
    ) -> None:
        self.tick = tick
        self.length = length
        self.timeout = timeout
        self.replaces = replaces
        self.counts = counts
        self.counts_below = counts_below
        self.inverts_exceptions = inverts_exceptions
        self.packets = packets
        self.bytes = bytes_
        self.mark = NO_MARK


class Member:
    """An element's extensions. ``expires_at`` is a tick, None for ever; ``mac`` is what a
    ``bitmap:ip,mac`` has at the address, ``stored`` the timeout in seconds that waits for it.
    """

    __slots__ = ("bytes", "expires_at", "mac", "mark", "nomatch", "packets", "stored")

    def __init__(self) -> None:
        self.expires_at: int | None = None
        self.nomatch = False
        self.packets = 0
        self.bytes = 0
        self.mark = NO_MARK
        self.mac: int | None = None
        self.stored: int | None = None

    def is_expired(self, tick: int) -> bool:
        """Port of ip_set_timeout_expired."""
        return self.expires_at is not None and self.expires_at < tick


def _deadline(tick: int, seconds: int) -> int | None:
    """Port of ip_set_timeout_set: 0 seconds are for ever."""
    return tick + min(seconds, MAX_TIMEOUT) * HZ if seconds else None


class SetState:
    """A set and its members now. ``unknown`` says why they are not known; None where they are.

    ``lists`` holds the members of a ``list:set`` by name, in order.
    """

    def __init__(self, ipset: Ipset) -> None:
        self.name = ipset.name
        self.family = ipset.family
        self.parts = tuple(ipset.type.partition(":")[2].split(","))
        self.is_hash = ipset.type.startswith("hash:")
        self.range = ipset.range
        self.mask = ipset.mask
        self.mark_mask = ipset.mark_mask
        self.has_timeout = ipset.timeout is not None
        self.timeout = ipset.timeout or 0
        self.has_counters = ipset.has_counters
        self.has_marks = ipset.has_marks
        self.replaces = ipset.replaces
        self.max_elements = ipset.max_elements
        self.unknown = ipset.unread
        self.members: dict[Key, dict[Interface | None, Member]] = {}
        self.lists: dict[str, Member] = {}
        self.count = 0
        self._has_late_macs = ipset.type == "bitmap:ip,mac"
        self._net_places = tuple(n for n, part in enumerate(self.parts) if part == "net")
        self._lengths: tuple[Counter[int], ...] = tuple(Counter() for _ in self._net_places)

    @property
    def is_list(self) -> bool:
        """Whether its members are sets."""
        return self.parts == ("set",)

    @property
    def dimensions(self) -> int:
        """How many ``src`` and ``dst`` a rule must name at least."""
        return len(self.parts)

    # ---- loading

    def load(self, element: Element, extensions: Extensions) -> None:
        """Take in an element of a dump at tick 0."""
        probe: Probe = (element,) if isinstance(element, Net) else element
        if self.parts == ("ip",):
            assert isinstance(element, Net)
            for host in self._hosts(element):
                self._put_over((host,), None, self._loaded(extensions), extensions)
            return
        member = self._loaded(extensions)
        interface: Interface | None = None
        key: list[object] = []
        for part, value in zip(self.parts, probe, strict=True):
            if part == "net":
                assert isinstance(value, Net)
                key.append((value.address, value.prefix_length))
            elif part == "iface":
                assert isinstance(value, Interface)
                interface = value
            elif part == "mac" and self._has_late_macs:
                assert value is None or isinstance(value, int)
                member.mac = value
                if value is None and self.has_timeout:
                    seconds = extensions.timeout
                    member.stored = self.timeout if seconds is None else seconds
                    member.expires_at = None
            else:
                key.append(value.address if isinstance(value, Net) else value)
        self._put_over(tuple(key), self._stored(tuple(key), interface), member, extensions)

    def _put_over(
        self, key: Key, interface: Interface | None, member: Member, given: Extensions
    ) -> None:
        """What was there before keeps what it has counted, where the dump says nothing."""
        old = self.members.get(key, {}).get(interface)
        if old is not None and given.packets is None:
            member.packets = old.packets
        if old is not None and given.bytes is None:
            member.bytes = old.bytes
        self._put(key, interface, member)

    def _loaded(self, extensions: Extensions) -> Member:
        member = Member()
        member.nomatch = extensions.nomatch
        member.packets, member.bytes = extensions.packets or 0, extensions.bytes or 0
        member.mark = extensions.mark or NO_MARK
        if self.has_timeout:
            seconds = self.timeout if extensions.timeout is None else extensions.timeout
            member.expires_at = _deadline(0, seconds)
        return member

    def load_list(self, name: str, extensions: Extensions) -> None:
        """Take in a set of a dumped list at tick 0."""
        self.lists[name] = self._loaded(extensions)

    def _hosts(self, net: Net) -> Iterator[int]:
        """The addresses of a network, of those that the mask of the set can tell apart."""
        mask = net.family.full_mask if self.mask is None else self.mask
        free = mask & ~net.mask
        if free.bit_count() > MOST_HOSTS.bit_length() - 1:
            self.unknown = f"the set {self.name!r} has too many elements"
            return
        address = 0
        while True:
            yield net.address | address
            # The next combination of the free bits.
            address = (address - free) & free
            if not address:
                return

    # ---- members

    def _put(self, key: Key, interface: Interface | None, member: Member) -> None:
        group = self.members.setdefault(key, {})
        if interface not in group:
            self.count += 1
            self._count_lengths(key, 1)
        group[interface] = member

    def _drop(self, key: Key, interface: Interface | None) -> None:
        group = self.members[key]
        del group[interface]
        if not group:
            del self.members[key]
        self.count -= 1
        self._count_lengths(key, -1)

    def _count_lengths(self, key: Key, change: int) -> None:
        for place, lengths in zip(self._net_places, self._lengths, strict=True):
            net = key[place]
            assert isinstance(net, tuple)
            length: int = net[1]
            lengths[length] += change
            if not lengths[length]:
                del lengths[length]

    def _key(self, probe: Probe, lengths: tuple[int, ...]) -> Key:
        key: list[object] = []
        left = iter(lengths)
        for part, value in zip(self.parts, probe, strict=True):
            if part == "net":
                assert isinstance(value, Net)
                length = next(left)
                bits = value.family.bits - length
                key.append((value.address >> bits << bits & self._full_mask(value), length))
            elif part == "ip":
                assert isinstance(value, Net)
                key.append(value.address & self._full_mask(value))
            elif part == "mark":
                assert isinstance(value, int)
                key.append(value & self.mark_mask)
            elif part != "iface" and not (part == "mac" and self._has_late_macs):
                key.append(value)
        return tuple(key)

    def _full_mask(self, value: Net) -> int:
        return value.family.full_mask if self.mask is None else self.mask

    def is_possible(self, probe: Probe) -> bool:
        """Whether there may be such an element at all (the -EINVAL of ``kadt``)."""
        first = probe[0]
        if self.range is not None:
            number = first.address if isinstance(first, Net) else first
            assert isinstance(number, int)
            return self.range[0] <= number <= self.range[1]
        if self.is_hash and self.parts in (("ip",), ("ip", "port")):
            assert isinstance(first, Net)
            return first.address & self._full_mask(first) != 0
        return True

    # ---- requests

    def test(self, probe: Probe, request: Request) -> Found:
        """Port of mtype_test and mtype_test_cidrs: the longest prefix decides."""
        if not self.is_possible(probe):
            return Found.NO_MATCH
        for lengths in product(*(sorted(each, reverse=True) for each in self._lengths)):
            group = self.members.get(self._key(probe, lengths))
            if group is None:
                continue
            if self.parts[-1] == "iface":
                found, is_last = self._test_interfaces(group, probe[-1], request)
            else:
                found, is_last = self._test_member(group[None], probe, request), False
            if found is not Found.NO_MATCH or is_last:
                return found
        return Found.NO_MATCH

    def _test_member(self, member: Member, probe: Probe, request: Request) -> Found:
        if self._has_late_macs:
            if member.mac is None:
                return Found.INCOMPLETE
            if member.mac != probe[1]:
                return Found.NO_MATCH
        if not self.match_extensions(member, request):
            return Found.NO_MATCH
        return Found.EXCEPTION if member.nomatch else Found.MATCH

    def _test_interfaces(
        self, group: Mapping[Interface | None, Member], wanted: Part, request: Request
    ) -> tuple[Found, bool]:
        """Networks that have the prefix on other interfaces end the search, too: shorter prefixes
        are not looked at then.
        """
        assert isinstance(wanted, Interface)
        is_last = False
        for interface, member in group.items():
            is_last = True
            assert interface is not None
            if not _covers(interface, wanted):
                continue
            if self.match_extensions(member, request):
                return (Found.EXCEPTION if member.nomatch else Found.MATCH), True
            is_last = False
        return Found.NO_MATCH, is_last

    def match_extensions(self, member: Member, request: Request) -> bool:
        """Port of ip_set_match_extensions: the packet is counted before it is compared."""
        if self.has_timeout and member.is_expired(request.tick):
            return False
        if self.has_counters:
            if request.counts:
                member.packets += 1
                member.bytes += request.length
            if request.packets is not None and not request.packets.holds(member.packets):
                return False
            if request.bytes is not None and not request.bytes.holds(member.bytes):
                return False
        if self.has_marks:
            request.mark = member.mark
        return True

    def add(self, probe: Probe, request: Request) -> bool:
        """Port of mtype_add, for a packet: whether the element was added, or written anew."""
        if not self.is_possible(probe):
            return False
        key, interface = self._new_key(probe)
        old = self.members.get(key, {}).get(interface)
        if old is not None and not old.is_expired(request.tick):
            is_incomplete = self._has_late_macs and old.mac is None
            if not request.replaces and not is_incomplete:
                return False
        elif old is None and self.is_hash and not self._has_room(request.tick):
            return False
        member = Member()
        member.packets, member.bytes = 1, request.length
        seconds = self.timeout if request.timeout is None else request.timeout
        if self._has_late_macs:
            mac = probe[1]
            assert isinstance(mac, int)
            member.mac = mac
            if old is not None and old.mac is None and seconds == self.timeout:
                seconds = old.stored or 0
            elif old is not None and old.mac is not None and not request.replaces:
                # It had timed out; its address is only written where it may be replaced.
                member.mac = old.mac
        if self.has_timeout:
            member.expires_at = _deadline(request.tick, seconds)
        self._put(key, interface, member)
        return True

    def delete(self, probe: Probe, request: Request) -> bool:
        """Port of mtype_del: whether there was such an element."""
        if not self.is_possible(probe):
            return False
        key, interface = self._new_key(probe)
        member = self.members.get(key, {}).get(interface)
        if member is None:
            return False
        if member.is_expired(request.tick):
            return False
        self._drop(key, interface)
        return True

    def _new_key(self, probe: Probe) -> tuple[Key, Interface | None]:
        """What is added and deleted for a packet: of a network the longest prefix that the set has
        (INIT_CIDR).
        """
        lengths = []
        for place, known in zip(self._net_places, self._lengths, strict=True):
            net = probe[place]
            assert isinstance(net, Net)
            lengths.append(max(known) if known else net.family.bits)
        interface = probe[-1] if self.parts[-1] == "iface" else None
        assert interface is None or isinstance(interface, Interface)
        key = self._key(probe, tuple(lengths))
        return key, self._stored(key, interface)

    def _stored(self, key: Key, interface: Interface | None) -> Interface | None:
        """The interface of the element that an element with this one would be: the same, or a
        wildcard that stands for it.
        """
        for stored in self.members.get(key, {}):
            if interface is not None and stored is not None and _covers(stored, interface):
                return stored
        return interface

    def _has_room(self, tick: int) -> bool:
        if self.count >= self.max_elements and self.has_timeout:
            expired = [
                (key, interface)
                for key, group in self.members.items()
                for interface, member in group.items()
                if member.is_expired(tick)
            ]
            for key, interface in expired:
                self._drop(key, interface)
        if self.count < self.max_elements:
            return True
        if self.replaces:
            self.unknown = f"which element of the set {self.name!r} gave way to a new one"
        return False


def _covers(interface: Interface, wanted: Interface) -> bool:
    """Whether an element's interface is the packet's."""
    if interface.is_physdev is not wanted.is_physdev:
        return False
    if interface.is_wildcard:
        return wanted.name.startswith(interface.name)
    return wanted.name == interface.name


def load_sets(ipsets: Mapping[str, Ipset]) -> dict[str, SetState]:
    """The sets of a dump, as they stand at tick 0."""
    states: dict[str, SetState] = {}
    for ipset in ipsets.values():
        state = states[ipset.name] = SetState(ipset)
        for element, extensions in ipset.elements.items():
            state.load(element, extensions)
        for name, extensions in ipset.lists.items():
            state.load_list(name, extensions)
    return states
