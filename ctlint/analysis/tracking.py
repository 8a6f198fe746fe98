# SPDX-License-Identifier: GPL-2.0-only
"""What conntrack makes of the packet that is asked about, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.finding import Role
from ctlint.model.conntrack.first_packet import classify_first, classify_with_state
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.status import Cell, CtState, Dir, EntryStatus, Mark, Seg, TcpCt
from ctlint.model.conntrack.tcp_flags import get_conntrack_index, has_valid_flags
from ctlint.model.conntrack.tcp_table import tcp_table
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.transit import EntryView, imagined_entry
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP, UDP


class EntryState(Enum):
    """The state of the packet's entry before it; the value is how the command line names it."""

    NONE = "none"
    EXPIRED = "expired"
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
        """The state of the entry as the state table names it; NONE where there is no entry."""
        return TcpCt[self.name] if self.is_alive else TcpCt.NONE


class NotFollowedError(Exception):
    """The question is about something that is not modelled."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One packet, and the circumstances in which it is sent.

    ``sender`` is the end that sends it: ORIGINAL for the connection's client. An interface is None
    where it is not known; it is then some interface other than lo.
    """

    packet: Packet
    role: Role = Role.CLIENT
    sender: Dir = Dir.ORIGINAL
    entry: EntryState = EntryState.EXPIRED
    in_interface: str | None = None
    out_interface: str | None = None

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

    Raises NotFollowedError for packets other than TCP and UDP; BadSettingError.
    """
    protocol = inquiry.packet.protocol
    if protocol == UDP:
        return _track_udp(inquiry.entry)
    flags = inquiry.packet.flags
    if protocol != TCP or flags is None:
        raise NotFollowedError("only TCP and UDP packets can be followed")
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


def _track_udp(entry: EntryState) -> Tracking:
    """UDP has no states to speak of: an entry is there or not."""
    if not entry.is_alive:
        ctstate = CtState.NEW
    elif entry is EntryState.ESTABLISHED:
        ctstate = CtState.ESTABLISHED
    else:
        raise NotFollowedError(f"{entry.value} is a state of TCP entries only")
    return Tracking(None, None, None, None, None, ctstate, makes_entry=not entry.is_alive)


def entry_view(inquiry: Inquiry, tracking: Tracking) -> EntryView | None:
    """What rules see of the packet's entry; None where it has none."""
    packet = inquiry.packet
    if tracking.ctstate is CtState.INVALID:
        return None
    if tracking.makes_entry:
        return imagined_entry(packet, Dir.ORIGINAL, EntryStatus(0))
    state = inquiry.entry.tcp
    status = EntryStatus.CONFIRMED
    if state is not TcpCt.SYN_SENT or inquiry.sender is Dir.REPLY:
        status |= EntryStatus.SEEN_REPLY
    if packet.protocol == TCP and (
        state >= TcpCt.ESTABLISHED or tracking.entry_state is TcpCt.ESTABLISHED
    ):
        status |= EntryStatus.ASSURED
    opening = packet
    if inquiry.sender is Dir.REPLY:
        opening = packet._replace(
            saddr=packet.daddr,
            daddr=packet.saddr,
            sport=packet.dport,
            dport=packet.sport,
        )
    return imagined_entry(opening, inquiry.sender, status)
