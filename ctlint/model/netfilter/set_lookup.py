# SPDX-License-Identifier: GPL-2.0-only
"""What a packet is to a set: its value in each dimension, and what a rule asks or changes.

Source: net/netfilter/ipset/ of Linux 6.18: ip_set_core.c (ip_set_test, ip_set_add, ip_set_del),
ip_set_list_set.c, ip_set_getport.c, and the ``_kadt`` functions of the types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from ctlint.ir.ipset import Interface, Part, Service
from ctlint.model.netfilter.host import LOOPBACK
from ctlint.model.netfilter.set_state import Found, Probe, Request, SetState
from ctlint.model.netfilter.transit import Mac, Transit
from ctlint.wire.addresses import Net
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

Sets = Mapping[str, SetState]

_SCTP: Final = 132
_UDPLITE: Final = 136
_WITH_PORTS: Final = frozenset({TCP, UDP, _SCTP, _UDPLITE})


class Side(Enum):
    """Which side of a packet a dimension is taken from."""

    SOURCE = auto()
    DESTINATION = auto()


class _AbsentError(Exception):
    """The packet has nothing in a dimension: it is in no such set, and is added to none."""


class _NotKnownError(Exception):
    """What the packet has in a dimension is not known."""


def sides(words: Sequence[str] | str) -> tuple[Side, ...]:
    """``src,dst`` as the options of rules have it."""
    if isinstance(words, str):
        words = (words,)
    return tuple(Side.SOURCE if word == "src" else Side.DESTINATION for word in words)


def is_in_set(
    sets: Sets,
    name: str,
    transit: Transit,
    where: Sequence[Side],
    request: Request,
    mac: Mac | None = None,
) -> bool | None:
    """Port of ip_set_test; None where it is not known. ``mac`` is the sender's address."""
    state = sets.get(name)
    if state is None or state.unknown is not None:
        return None
    if not _fits(state, transit, where):
        return False
    if state.is_list:
        return _test_list(sets, state, transit, where, request, mac)
    try:
        probe = _probe(state, transit, where, mac)
    except _AbsentError:
        return False
    except _NotKnownError:
        return None
    found = state.test(probe, request)
    if found is Found.INCOMPLETE:
        state.add(probe, request)
        return True
    if request.inverts_exceptions and "net" in state.parts:
        return found is Found.EXCEPTION
    return found is Found.MATCH


def _test_list(
    sets: Sets,
    state: SetState,
    transit: Transit,
    where: Sequence[Side],
    request: Request,
    mac: Mac | None,
) -> bool | None:
    """Port of list_set_ktest: the first member that has it, and that is not refused itself."""
    below = Request(
        request.tick,
        request.length,
        counts=request.counts and request.counts_below,
        inverts_exceptions=request.inverts_exceptions,
    )
    is_known = True
    for name, member in state.lists.items():
        truth = is_in_set(sets, name, transit, where, below, mac)
        if truth is None:
            is_known = False
        elif truth and state.match_extensions(member, request):
            if not state.has_marks:
                request.mark = below.mark
            return True
    return False if is_known else None


def add_to_set(
    sets: Sets,
    name: str,
    transit: Transit,
    where: Sequence[Side],
    request: Request,
    mac: Mac | None = None,
) -> bool | None:
    """Port of ip_set_add: whether the packet's element was added. Where that is not known, the set
    is not known from here on, and the answer is None.
    """
    return _change(SetState.add, sets, name, transit, where, request, mac)


def delete_from_set(
    sets: Sets,
    name: str,
    transit: Transit,
    where: Sequence[Side],
    request: Request,
    mac: Mac | None = None,
) -> bool | None:
    """Port of ip_set_del, as :func:`add_to_set`."""
    return _change(SetState.delete, sets, name, transit, where, request, mac)


def _change(
    change: Callable[[SetState, Probe, Request], bool],
    sets: Sets,
    name: str,
    transit: Transit,
    where: Sequence[Side],
    request: Request,
    mac: Mac | None,
) -> bool | None:
    state = sets.get(name)
    if state is None:
        return False
    if state.unknown is not None:
        return None
    if not _fits(state, transit, where):
        return False
    if state.is_list:
        return _change_list(change, sets, state, transit, where, request, mac)
    try:
        probe = _probe(state, transit, where, mac)
    except _AbsentError:
        return False
    except _NotKnownError:
        forget_set(sets, name)
        return None
    return _change_members(change, state, probe, request)


def _change_members(
    change: Callable[[SetState, Probe, Request], bool],
    state: SetState,
    probe: Probe,
    request: Request,
) -> bool | None:
    is_changed = change(state, probe, request)
    # Of a full set that replaces, it is not known what gave way.
    return is_changed if state.unknown is None else None


def _change_list(
    change: Callable[[SetState, Probe, Request], bool],
    sets: Sets,
    state: SetState,
    transit: Transit,
    where: Sequence[Side],
    request: Request,
    mac: Mac | None,
) -> bool | None:
    """Port of list_set_kadd and list_set_kdel: the first member that takes it is the last that is
    asked.
    """
    is_known = True
    for name, member in state.lists.items():
        if member.is_expired(request.tick):
            continue
        if not is_known:
            forget_set(sets, name)
            continue
        is_changed = _change(change, sets, name, transit, where, request, mac)
        if is_changed:
            return True
        is_known = is_changed is not None
    return False if is_known else None


def forget_set(sets: Sets, name: str) -> None:
    """What a set holds, or the sets of a list, is not known from here on."""
    state = sets.get(name)
    if state is None:
        return
    state.unknown = f"what rules have done to the set {name!r} is not known"
    for each in state.lists:
        forget_set(sets, each)


def _fits(state: SetState, transit: Transit, where: Sequence[Side]) -> bool:
    is_family = state.family is None or state.family is transit.packet.family
    return is_family and len(where) >= state.dimensions


def _probe(state: SetState, transit: Transit, where: Sequence[Side], mac: Mac | None) -> Probe:
    return tuple(
        _PARTS[part](state, transit, side, mac)
        for part, side in zip(state.parts, where, strict=False)
    )


def _address(_: SetState, transit: Transit, side: Side, __: Mac | None) -> Part:
    packet = transit.packet
    address = packet.saddr if side is Side.SOURCE else packet.daddr
    return Net(packet.family, address, packet.family.full_mask)


def _port(state: SetState, transit: Transit, side: Side, _: Mac | None) -> Part:
    packet = transit.packet
    if state.is_hash:
        return Service(packet.protocol, _port_number(packet, side))
    # A bitmap knows no other ports (ip_set_get_ip_port()).
    if packet.protocol not in (TCP, UDP):
        raise _AbsentError
    return _port_number(packet, side)


def _port_number(packet: Packet, side: Side) -> int:
    """Port of get_port."""
    if packet.protocol in _WITH_PORTS:
        port = packet.sport if side is Side.SOURCE else packet.dport
        if port is None:
            raise _NotKnownError
        return port
    if packet.protocol in (ICMP, ICMPV6):
        if packet.icmp_type is None or packet.icmp_code is None:
            raise _NotKnownError
        return packet.icmp_type << 8 | packet.icmp_code
    return 0


def _interface(_: SetState, transit: Transit, side: Side, __: Mac | None) -> Part:
    name = transit.in_interface if side is Side.SOURCE else transit.out_interface
    if name is None:
        raise _NotKnownError
    if not name:
        raise _AbsentError
    return Interface(name)


def _mark(_: SetState, transit: Transit, __: Side, ___: Mac | None) -> Part:
    if transit.mark is None:
        raise _NotKnownError
    return transit.mark


def _mac(_: SetState, transit: Transit, side: Side, mac: Mac | None) -> Part:
    if transit.is_own or transit.in_interface == LOOPBACK:
        raise _AbsentError
    if mac is None:
        raise _NotKnownError
    if mac.address is None or mac.address == 0:
        raise _AbsentError
    if side is Side.DESTINATION:
        raise _NotKnownError
    return mac.address


_PARTS: Final[Mapping[str, Callable[[SetState, Transit, Side, Mac | None], Part]]] = {
    "ip": _address,
    "net": _address,
    "port": _port,
    "iface": _interface,
    "mark": _mark,
    "mac": _mac,
}
