# SPDX-License-Identifier: GPL-2.0-only
"""What conntrack makes of the packet that is asked about, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.finding import Role
from ctlint.model.conntrack.core import NotModelledError, Tracker
from ctlint.model.conntrack.first_packet import classify_first, classify_with_state
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import Cell, CtState, Dir, EntryStatus, Mark, Seg, TcpCt
from ctlint.model.conntrack.tcp_flags import get_conntrack_index, has_valid_flags
from ctlint.model.conntrack.tcp_table import tcp_table
from ctlint.model.conntrack.tuple import get_tuple, invert_tuple
from ctlint.model.kernel.sysctls import NETFILTER
from ctlint.model.netfilter.hooks import Path
from ctlint.wire.header_field import HeaderField
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, is_icmp_error
from ctlint.wire.tcp_flags import TcpFlags


class EntryState(Enum):
    """The state of the packet's entry before it; the value is how the command line names it."""

    NONE = "none"
    EXPIRED = "expired"
    UNREPLIED = "unreplied"
    SYN_SENT = "syn-sent"
    SYN_RECV = "syn-recv"
    ESTABLISHED = "established"
    FIN_WAIT = "fin-wait"
    CLOSE_WAIT = "close-wait"
    LAST_ACK = "last-ack"
    TIME_WAIT = "time-wait"
    CLOSE = "close"

    @property
    def is_alive(self) -> bool:
        """Whether there is an entry."""
        return self not in (EntryState.NONE, EntryState.EXPIRED)

    @property
    def tcp(self) -> TcpCt:
        """The state of the entry as the state table names it; NONE where there is no entry, and for
        one that is not TCP's.
        """
        return TcpCt.__members__.get(self.name, TcpCt.NONE)


class NotFollowedError(Exception):
    """The question is about something that is not modelled."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One packet, and the circumstances in which it is sent.

    ``sender`` is the end that sends it: ORIGINAL for the connection's client. An interface is None
    where it is not known; it is then some interface other than lo. ``known`` are the parts of the
    packet's header that are as the packet has them; ``length`` is that of the whole packet where it
    is among them. ``mark`` is the mark that the packet has when it comes to the first table.
    """

    packet: Packet
    role: Role = Role.CLIENT
    sender: Dir = Dir.ORIGINAL
    entry: EntryState = EntryState.EXPIRED
    in_interface: str | None = None
    out_interface: str | None = None
    known: frozenset[HeaderField] = frozenset()
    length: int = 0
    mark: int = 0

    @property
    def path(self) -> Path:
        """The packet's way relative to the host with the rules."""
        if self.role is Role.LOOPBACK:
            return Path.LOOPBACK
        if self.role is Role.FORWARD:
            return Path.FORWARD
        return Path.OUT if (self.role is Role.CLIENT) is (self.sender is Dir.ORIGINAL) else Path.IN


@dataclass(frozen=True, slots=True)
class Tracking:
    """The judgement, from the segment's class to the ctstate that rules see.

    The first five are None for all but TCP. ``row`` is the direction whose half of the state table
    was asked, ``cell`` what it says (None: the flags failed the check before it). ``entry_state``
    is the state of the entry behind the packet, None where there is none. ``seconds`` is the
    lifetime of an entry that the packet makes. ``logged`` is what nf_conntrack_log_invalid makes
    the kernel write.
    """

    seg: Seg | None
    has_valid_flags: bool | None
    row: Dir | None
    column: TcpCt | None
    cell: Cell | None
    ctstate: CtState
    entry_state: TcpCt | None = None
    seconds: int | None = None
    makes_entry: bool = False
    reason: Reason | None = None
    logged: str | None = None


def track(inquiry: Inquiry, settings: Settings) -> Tracking:
    """Judge the packet by flags, entry and tcp_loose. Of a live entry it is taken to be in window.

    Raises NotFollowedError for protocols whose tracker is not modelled; BadSettingError.
    """
    flags = inquiry.packet.flags
    if inquiry.packet.protocol != TCP or flags is None:
        return _track_other(inquiry, settings)
    if inquiry.entry is EntryState.UNREPLIED:
        raise NotFollowedError("unreplied is a state of other entries than TCP's; use syn-sent")
    kernel = settings.kernel
    if not inquiry.entry.is_alive:
        first = classify_first(flags, tcp_loose=settings.value(TCP_LOOSE) != 0, kernel=kernel)
        return Tracking(
            first.seg,
            has_valid_flags(flags),
            Dir.ORIGINAL,
            TcpCt.NONE,
            first.cell,
            first.ctstate,
            first.entry_state,
            first.seconds(settings.value),
            makes_entry=first.entry_state is not None,
            reason=first.reason,
            logged=first.reason.words(kernel) if first.reason else None,
        )
    state = inquiry.entry.tcp
    sender = inquiry.sender
    seg = get_conntrack_index(flags)
    valid = has_valid_flags(flags)
    cell = tcp_table(kernel)[sender][seg][state] if valid else None
    seen_reply = state is not TcpCt.SYN_SENT
    ctstate = classify_with_state(flags, sender, state, kernel, seen_reply)
    reason: Reason | None = None
    if not valid:
        reason = Reason.INVALID_FLAGS
    elif cell is Mark.INVALID:
        reason = Reason.INVALID_STATE
    elif cell is Mark.IGNORE:
        reason = Reason.IGNORED
    makes_entry = ctstate is CtState.NEW and state in _REOPENED
    return Tracking(
        seg,
        valid,
        sender,
        state,
        cell,
        ctstate,
        cell if isinstance(cell, TcpCt) else state,
        makes_entry=makes_entry,
        reason=reason,
        logged=_filled(reason.words(kernel), seg, sender, state) if reason else None,
    )


_REOPENED: Final = frozenset({TcpCt.TIME_WAIT, TcpCt.CLOSE})


def _filled(words: str | None, seg: Seg, sender: Dir, state: TcpCt) -> str | None:
    """The kernel's words with their numbers."""
    if words is None:
        return None
    return words.format(index=int(seg), dir=int(sender), state=state.name)


_TIMEOUTS: Final = (
    *("udp_timeout", "udp_timeout_stream", "icmp_timeout", "icmpv6_timeout"),
    "generic_timeout",
)


def _track_other(inquiry: Inquiry, settings: Settings) -> Tracking:
    """Without a state table: a table is made in which the entry is as it is asked about."""
    packet, entry = inquiry.packet, inquiry.entry
    if entry.is_alive and entry not in (EntryState.UNREPLIED, EntryState.ESTABLISHED):
        raise NotFollowedError(f"{entry.value} is a state of TCP entries only")
    opening = first_packet(inquiry)
    if opening is None:
        if entry.is_alive:
            return Tracking(None, None, None, None, None, CtState.RELATED)
        return Tracking(
            None, None, None, None, None, CtState.INVALID, reason=Reason.UNRELATED_ERROR
        )
    kernel = settings.kernel
    names = [NETFILTER + name for name in _TIMEOUTS]
    given = {name: settings.value(name) for name in names if settings.setting(name) is not None}
    tracker = Tracker(kernel, read_settings(kernel, given))
    try:
        if entry.is_alive:
            tracker.nf_conntrack_confirm(tracker.nf_conntrack_in(opening, 0), 0)
            if entry is EntryState.ESTABLISHED:
                tracker.nf_conntrack_in(turned(opening), 0)
        tracked = tracker.nf_conntrack_in(packet, 0, is_received=inquiry.path is not Path.OUT)
    except NotModelledError as error:
        raise NotFollowedError(f"{error} is not modelled") from None
    reason = tracked.log[-1].reason if tracked.log else None
    made = tracked.entry if tracked.entry is not None and not entry.is_alive else None
    return Tracking(
        None,
        None,
        None,
        None,
        None,
        tracked.ctstate,
        seconds=made.timeout // SECOND if made is not None else None,
        makes_entry=made is not None,
        reason=reason,
        logged=tracked.log[-1].words(kernel) if tracked.log else None,
    )


def is_error(packet: Packet) -> bool:
    """Whether the packet is an ICMP error, which belongs to the connection that it quotes."""
    kind = packet.icmp_type
    return (
        packet.protocol in (ICMP, ICMPV6)
        and kind is not None
        and is_icmp_error(packet.protocol, kind)
    )


def turned(packet: Packet) -> Packet:
    """A packet of the other direction: an answer's query, a query's answer."""
    kind = invert_tuple(get_tuple(packet))
    if packet.icmp_type is not None and kind is not None:
        packet = packet._replace(icmp_type=kind.dport >> 8)
    return packet._replace(
        saddr=packet.daddr, daddr=packet.saddr, sport=packet.dport, dport=packet.sport
    )


def first_packet(inquiry: Inquiry) -> Packet | None:
    """What opened the connection of the packet, as the client sent it. None where that is not
    known: for an ICMP error that quotes nothing.
    """
    packet: Packet | None = inquiry.packet
    sender = inquiry.sender
    if is_error(inquiry.packet):
        packet, sender = inquiry.packet.quoted, sender.other
    if packet is None:
        return None
    if sender is Dir.REPLY:
        packet = turned(packet)
    return packet._replace(flags=TcpFlags.SYN if packet.protocol == TCP else None, payload=0)


def entry_status(inquiry: Inquiry, tracking: Tracking) -> EntryStatus:
    """What the packet's entry has seen, but for NAT."""
    if tracking.makes_entry:
        return EntryStatus(0)
    state = inquiry.entry.tcp
    status = EntryStatus.CONFIRMED
    is_silent = state is TcpCt.SYN_SENT or inquiry.entry is EntryState.UNREPLIED
    if not is_silent or inquiry.sender is Dir.REPLY:
        status |= EntryStatus.SEEN_REPLY
    if inquiry.packet.protocol == TCP and (
        state >= TcpCt.ESTABLISHED or tracking.entry_state is TcpCt.ESTABLISHED
    ):
        status |= EntryStatus.ASSURED
    return status
