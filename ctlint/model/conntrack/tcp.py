# SPDX-License-Identifier: GPL-2.0-only
"""The TCP tracker: what a segment does to its entry.

Source: net/netfilter/nf_conntrack_proto_tcp.c, Linux 2.6.32 to 7.3. Functions have the kernel's
names and its order of tests; where kernels differ, the older way stands beside the newer one under
the name of the change. SYNPROXY and the sequence numbers that helpers change are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto
from typing import Final

from ctlint.model.conntrack.entry import Entry, TcpState
from ctlint.model.conntrack.log import LogLine, ticks
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.settings import RETRANS, UNACK, Settings
from ctlint.model.conntrack.status import Dir, EntryStatus, Mark, Seg, TcpCt, TcpDirFlags
from ctlint.model.conntrack.tcp_flags import SEG_OF_FLAGS, VALIDITY_OF_FLAGS
from ctlint.model.conntrack.tcp_table import Table, tcp_table
from ctlint.model.conntrack.tcp_window import (
    TCP_MAX_WSCALE,
    Action,
    TcpWindow,
    segment_seq_plus_len,
)
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.encoding import total_length
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.sequence import LAST, before

ACCEPT: Final = 1
"""The packet belongs to the entry, whether it moved it or was ignored."""
DROP: Final = 0
INVALID: Final = -1
"""The packet goes on without an entry (-NF_ACCEPT)."""
REPEAT: Final = -4
"""The entry is gone: the packet is looked up again (-NF_REPEAT)."""

_MAX: Final = 10
_IGNORE: Final = 11
"""How a compiled table writes the two marks; states are their numbers."""

_NONE: Final = int(TcpCt.NONE)
_SYN_SENT: Final = int(TcpCt.SYN_SENT)
_SYN_RECV: Final = int(TcpCt.SYN_RECV)
_ESTABLISHED: Final = int(TcpCt.ESTABLISHED)
_FIN_WAIT: Final = int(TcpCt.FIN_WAIT)
_LAST_ACK: Final = int(TcpCt.LAST_ACK)
_TIME_WAIT: Final = int(TcpCt.TIME_WAIT)
_CLOSE: Final = int(TcpCt.CLOSE)
_SYN_SENT2: Final = int(TcpCt.SYN_SENT2)

_SYN_SET: Final = int(Seg.SYN)
_SYNACK_SET: Final = int(Seg.SYNACK)
_FIN_SET: Final = int(Seg.FIN)
_ACK_SET: Final = int(Seg.ACK)
_RST_SET: Final = int(Seg.RST)
_NONE_SET: Final = int(Seg.NONE)

_SEEN_REPLY: Final = int(EntryStatus.SEEN_REPLY)
_ASSURED: Final = int(EntryStatus.ASSURED)
_CONFIRMED: Final = int(EntryStatus.CONFIRMED)

_WINDOW_SCALE: Final = int(TcpDirFlags.WINDOW_SCALE)
_SACK_PERM: Final = int(TcpDirFlags.SACK_PERM)
_CLOSE_INIT: Final = int(TcpDirFlags.CLOSE_INIT)
_BE_LIBERAL: Final = int(TcpDirFlags.BE_LIBERAL)
_DATA_UNACKED: Final = int(TcpDirFlags.DATA_UNACKED)
_MAXACK_SET: Final = int(TcpDirFlags.MAXACK_SET)
_EXP_CHALLENGE_ACK: Final = int(TcpDirFlags.EXP_CHALLENGE_ACK)
_SIMULT_OPEN: Final = int(TcpDirFlags.SIMULT_OPEN)

_ORIGINAL: Final = 0
_REPLY: Final = 1

_CLOSING: Final = frozenset(
    int(state)
    for state in (TcpCt.FIN_WAIT, TcpCt.CLOSE_WAIT, TcpCt.LAST_ACK, TcpCt.TIME_WAIT, TcpCt.CLOSE)
)
_SHORTEST_LOWERED: Final = 120 * SECOND
"""Timers with less than this left are not lowered by an out-of-window FIN or RST."""


_ACTION_ACCEPT: Final = Action.ACCEPT


class _Rst(Flag):
    """What is known of a RST before its window is checked; nothing: check it, then CLOSE."""

    INVALID = auto()
    INEXACT = auto()
    """It is not exactly where one is expected: the state stays."""
    IN_WINDOW = auto()
    """The window is not checked."""


_RST_CHECKED: Final = _Rst(0)


def tcp_can_early_drop(entry: Entry) -> bool:
    """Port of tcp_can_early_drop: whether the connection is closing."""
    return entry.tcp.state in _CLOSING


def nf_conntrack_tcp_established(entry: Entry) -> bool:
    """Port of nf_conntrack_tcp_established: ESTABLISHED, and ASSURED."""
    return entry.tcp.state == _ESTABLISHED and entry.status & _ASSURED != 0


def _compile(table: Table) -> tuple[tuple[int, ...], ...]:
    """The state table as numbers: rows by direction × 6 + class, cells by state."""
    marks = {Mark.INVALID: _MAX, Mark.IGNORE: _IGNORE}
    return tuple(
        tuple(marks[cell] if isinstance(cell, Mark) else int(cell) for cell in table[dir_][seg])
        for dir_ in Dir
        for seg in Seg
    )


def _met(reason: Reason, state: int, direction: int, index: int) -> LogLine:
    """A line about what the state table says."""
    return LogLine(reason, numbers={"index": index, "dir": direction, "state": TcpCt(state).name})


class TcpTracker:
    """The TCP tracker of one kernel under its settings. `kill` takes an entry out of the table."""

    __slots__ = (
        "_accounts",
        "_checksum",
        "_closing_rst_passes",
        "_exact_rst",
        "_expects_challenge_ack",
        "_handles_invalid",
        "_ignore_invalid_rst",
        "_kill",
        "_loose",
        "_max_retrans",
        "_no_window_check",
        "_open_rst_unacks",
        "_pickup_unack",
        "_resyncs",
        "_rst_after_challenge",
        "_rst_after_syn",
        "_rst_direction",
        "_rst_seq_zero",
        "_rst_sets_close",
        "_simultaneous_establishes",
        "_syn_keeps_timer",
        "_table",
        "_timeouts",
        "_window",
        "_zero_window",
    )

    def __init__(
        self,
        kernel: KernelProfile,
        settings: Settings,
        kill: Callable[[Entry], None],
        *,
        accounts: bool,
    ) -> None:
        self._accounts = accounts
        self._table = _compile(tcp_table(kernel))
        self._window = TcpWindow(kernel, settings)
        self._kill = kill
        self._checksum = settings.checksum
        self._loose = settings.tcp_loose
        self._max_retrans = settings.tcp_max_retrans
        self._ignore_invalid_rst = settings.tcp_ignore_invalid_rst
        self._no_window_check = settings.tcp_no_window_check
        self._timeouts = settings.tcp
        self._closing_rst_passes = Feature.RST_IN_CLOSING_ACCEPTED in kernel
        self._exact_rst = Feature.RST_EXACT_SEQ in kernel
        self._expects_challenge_ack = Feature.CHALLENGE_ACK_IN_LAST_ACK in kernel
        self._handles_invalid = Feature.INVALID_CLOSE_LOWERS_TIMEOUT in kernel
        self._open_rst_unacks = Feature.OPEN_RST_UNACKNOWLEDGED_TIMEOUT in kernel
        self._pickup_unack = Feature.PICKUP_UNACKNOWLEDGED_TIMEOUT in kernel
        self._resyncs = Feature.RESYNC_ON_SYNACK in kernel
        self._rst_after_challenge = Feature.RST_AFTER_CHALLENGE_ACK in kernel
        self._rst_after_syn = Feature.RST_AFTER_IGNORED_SYN in kernel
        self._rst_sets_close = (
            Feature.RST_CLOSE_TIMEOUT in kernel
            and Feature.OPEN_RST_UNACKNOWLEDGED_TIMEOUT not in kernel
        )
        self._rst_direction = Feature.RST_DIRECTION_CHECK in kernel
        self._rst_seq_zero = Feature.RST_SEQ_ZERO_ACCEPTED in kernel
        self._simultaneous_establishes = Feature.SIMULTANEOUS_OPEN_ESTABLISHES in kernel
        self._syn_keeps_timer = Feature.SYN_RETRANSMISSION_KEEPS_TIMER in kernel
        self._zero_window = Feature.ZERO_WINDOW_TIMEOUT in kernel

    def tcp_error(self, packet: Packet, flags: int, is_received: bool, log: list[LogLine]) -> bool:
        """Port of tcp_error: whether the header is wrong. Checksums are looked at on receipt."""
        if packet.defect is Defect.TRUNCATED:
            log.append(LogLine(Reason.TRUNCATED))
            return True
        if packet.defect is Defect.CHECKSUM and is_received and self._checksum:
            log.append(LogLine(Reason.BAD_CHECKSUM))
            return True
        if not VALIDITY_OF_FLAGS[flags]:
            log.append(LogLine(Reason.INVALID_FLAGS))
            return True
        return False

    def tcp_new(self, entry: Entry, packet: Packet, flags: int, log: list[LogLine]) -> bool:
        """Port of tcp_new: whether the packet can open an entry, and how its windows begin."""
        new_state = self._table[SEG_OF_FLAGS[flags]][_NONE]
        if new_state >= _MAX:
            log.append(LogLine(Reason.INVALID_NEW))
            return False
        tcp = entry.tcp = TcpState()
        tcp.last_index = _NONE_SET
        seen = tcp.seen[_ORIGINAL]
        seen.td_end = seen.td_maxend = segment_seq_plus_len(packet, flags)
        seen.td_maxwin = packet.window or 1
        if new_state == _SYN_SENT:
            self._window.tcp_options(packet.options, seen)
            return True
        if not self._loose:
            log.append(LogLine(Reason.NOT_PICKED_UP))
            return False
        # In mid-stream: SACK and scaling are not known, so the check is liberal for good.
        seen.td_maxend = seen.td_end + seen.td_maxwin & LAST
        seen.flags = tcp.seen[_REPLY].flags = _SACK_PERM | _BE_LIBERAL
        return True

    def nf_conntrack_tcp_packet(
        self,
        entry: Entry,
        packet: Packet,
        direction: int,
        now: Micros,
        is_received: bool,
        log: list[LogLine],
    ) -> int:
        """Port of nf_conntrack_tcp_packet: ACCEPT, INVALID, DROP or REPEAT.

        `direction` is the Dir of the packet. Adds to `log` what the kernel would write.
        """
        assert packet.flags is not None
        flags = int(packet.flags)
        # Nearly all packets are well: the check itself is for those that are not.
        if (packet.defect is not None or not VALIDITY_OF_FLAGS[flags]) and self.tcp_error(
            packet, flags, is_received, log
        ):
            return INVALID
        status = entry.status
        if not status & _CONFIRMED and not self.tcp_new(entry, packet, flags, log):
            return INVALID

        tcp = entry.tcp
        old_state = tcp.state
        index = SEG_OF_FLAGS[flags]
        new_state = self._table[direction * 6 + index][old_state]
        checks_window = True

        if new_state == _ESTABLISHED:  # by far the most common: no case of the kernel's switch
            pass
        elif new_state == _SYN_SENT and old_state >= _TIME_WAIT:
            # A new connection on the ports of one that was closed, or aborted by this side.
            if (tcp.seen[0].flags | tcp.seen[1].flags) & _CLOSE_INIT or (
                tcp.last_dir == direction and tcp.last_index == _RST_SET
            ):
                self._kill(entry)
                return REPEAT
            return self._ignore(tcp, packet, direction, index, flags, log)
        elif new_state == _IGNORE:
            if (
                index == _SYNACK_SET
                and tcp.last_index == _SYN_SET
                and tcp.last_dir != direction
                and packet.ack == tcp.last_end
            ):
                # It acknowledges a SYN that was ignored: both ends agree, the entry was wrong.
                if not self._resyncs:
                    log.append(LogLine(Reason.OUT_OF_SYNC))
                    self._kill(entry)
                    return DROP
                self._resync(tcp, direction)
                old_state = _SYN_SENT
                new_state = _SYN_RECV
            else:
                return self._ignore(tcp, packet, direction, index, flags, log)
        elif new_state == _MAX:
            log.append(_met(Reason.INVALID_STATE, old_state, direction, index))
            return INVALID
        elif new_state == _TIME_WAIT:
            if (
                old_state == _LAST_ACK
                and index == _ACK_SET
                and tcp.last_dir != direction
                and tcp.last_index == _SYN_SET
                and tcp.last_flags & _EXP_CHALLENGE_ACK
            ):
                # A challenge ACK (RFC 5961) to a SYN that was let through, not that of the FIN.
                tcp.last_flags &= ~_EXP_CHALLENGE_ACK
                log.append(LogLine(Reason.CHALLENGE_ACK))
                return ACCEPT
        elif new_state == _SYN_SENT2:
            tcp.last_flags |= _SIMULT_OPEN
        elif new_state == _SYN_RECV:
            if (
                direction == _REPLY
                and index == _ACK_SET
                and tcp.last_flags & _SIMULT_OPEN
                and self._simultaneous_establishes
            ):
                new_state = _ESTABLISHED
        elif new_state == _CLOSE and index == _RST_SET:
            rst = self._rst(entry, packet, direction)
            if rst & _Rst.INVALID:
                log.append(LogLine(Reason.INVALID_RST))
                return INVALID
            if rst & _Rst.INEXACT:
                new_state = old_state
            checks_window = not rst & _Rst.IN_WINDOW

        if checks_window:
            action = self._window.tcp_in_window(entry, direction, index, flags, packet, log)
            if action is not _ACTION_ACCEPT:
                if action is Action.IGNORE:
                    return ACCEPT
                if self._handles_invalid:
                    self._nf_tcp_handle_invalid(entry, direction, index, now, log)
                return INVALID

        tcp.last_index = index
        tcp.last_dir = direction
        tcp.state = new_state
        if new_state == _FIN_WAIT and old_state != new_state:
            tcp.seen[direction].flags |= _CLOSE_INIT

        timeouts = entry.policy.tcp or self._timeouts
        timeout = timeouts[new_state]
        if tcp.retrans >= self._max_retrans and timeout > timeouts[RETRANS]:
            timeout = timeouts[RETRANS]
        elif index == _RST_SET and self._rst_sets_close:
            timeout = timeouts[_CLOSE]
        elif timeout > timeouts[UNACK] and (
            (tcp.seen[0].flags | tcp.seen[1].flags) & _DATA_UNACKED
            or (index == _RST_SET and new_state == _ESTABLISHED and self._open_rst_unacks)
        ):
            timeout = timeouts[UNACK]
        elif (
            tcp.last_win == 0
            and self._zero_window
            and not self._no_window_check
            and timeout > timeouts[RETRANS]
        ):
            timeout = timeouts[RETRANS]

        if not status & _SEEN_REPLY:
            if index == _RST_SET:
                # Only a RST answers: there is no connection to wait for.
                if self._accounts:
                    entry.carry(direction, total_length(packet))
                self._kill(entry)
                return ACCEPT
            if index == _SYN_SET and old_state == _SYN_SENT and self._syn_keeps_timer:
                return ACCEPT
            if new_state == _ESTABLISHED and self._pickup_unack and timeout > timeouts[UNACK]:
                timeout = timeouts[UNACK]
        elif (
            new_state == _ESTABLISHED
            and not status & _ASSURED
            and old_state in (_SYN_RECV, _ESTABLISHED)
        ):
            entry.status = status | _ASSURED
        entry.timeout = timeout
        entry.expires_at = now + timeout
        if self._accounts:
            entry.carry(direction, total_length(packet))
        return ACCEPT

    def _ignore(
        self,
        tcp: TcpState,
        packet: Packet,
        direction: int,
        index: int,
        flags: int,
        log: list[LogLine],
    ) -> int:
        """The case TCP_CONNTRACK_IGNORE: the entry may be out of sync, so the packet passes.

        It may be a SYN, the SYN/ACK to it, or the ACK of a server that knows another connection.
        The receiver will answer what it does not like with a RST.
        """
        tcp.last_index = index
        tcp.last_dir = direction
        tcp.last_seq = packet.seq
        tcp.last_end = segment_seq_plus_len(packet, flags)
        if self._resyncs:
            tcp.last_win = packet.window
        if index == _SYN_SET and direction == _ORIGINAL and self._resyncs:
            # What a resynchronisation by the SYN/ACK will need.
            tcp.last_flags = tcp.last_wscale = 0
            options = packet.options
            if options is not None:
                if options.wscale is not None:
                    tcp.last_flags |= _WINDOW_SCALE
                    tcp.last_wscale = min(options.wscale, TCP_MAX_WSCALE)
                if options.sack_permitted:
                    tcp.last_flags |= _SACK_PERM
            if tcp.state == _LAST_ACK and self._expects_challenge_ack:
                tcp.last_flags |= _EXP_CHALLENGE_ACK
        if (
            tcp.state == _SYN_SENT
            and index == _ACK_SET
            and direction == _REPLY
            and self._rst_after_challenge
        ):
            tcp.last_ack = packet.ack
        log.append(_met(Reason.IGNORED, tcp.state, direction, index))
        return ACCEPT

    def _resync(self, tcp: TcpState, direction: int) -> None:
        """Begin again with the SYN that was ignored; `direction` is that of the SYN/ACK."""
        seen = tcp.seen[tcp.last_dir]
        seen.td_end = seen.td_maxend = tcp.last_end
        seen.td_maxwin = tcp.last_win or 1
        seen.td_scale = tcp.last_wscale
        tcp.last_flags &= ~_EXP_CHALLENGE_ACK
        seen.flags = tcp.last_flags
        self._window.nf_ct_tcp_state_reset(tcp.seen[direction])

    def _rst(self, entry: Entry, packet: Packet, direction: int) -> _Rst:
        """The case TCP_CONNTRACK_CLOSE for a RST: before any window is asked."""
        tcp = entry.tcp
        if self._closing_rst_passes and tcp.state in _CLOSING:
            # The ports may be in use again already: what is known of the windows is outdated.
            return _Rst.IN_WINDOW
        result = _RST_CHECKED
        peer = tcp.seen[direction ^ 1]
        if peer.flags & _MAXACK_SET and not (self._rst_after_syn and tcp.last_index == _SYN_SET):
            seq = packet.seq
            if self._rst_seq_zero and seq == 0 and not nf_conntrack_tcp_established(entry):
                return _RST_CHECKED  # most likely the answer to a SYN that was let through
            if before(seq, peer.td_maxack) and not self._ignore_invalid_rst:
                return _Rst.INVALID
            if self._exact_rst:
                if not nf_conntrack_tcp_established(entry) or seq == peer.td_maxack:
                    return _RST_CHECKED
                if tcp.last_index == _ACK_SET and tcp.last_dir == direction and seq == tcp.last_end:
                    return _RST_CHECKED  # the end of a train: data, and at once the RST
                result = _Rst.INEXACT  # the peer may answer with a challenge ACK
        if packet.ack == tcp.last_end and (
            (
                tcp.last_index == _SYN_SET
                and entry.status & _SEEN_REPLY
                and (tcp.last_dir != direction or not self._rst_direction)
            )
            or (tcp.last_index == _ACK_SET and not entry.status & _ASSURED)
        ):
            # The answer to a SYN or an ACK that was let through: it may acknowledge what was
            # ignored.
            return result | _Rst.IN_WINDOW
        if (
            self._rst_after_challenge
            and tcp.state == _SYN_SENT
            and tcp.last_index == _ACK_SET
            and tcp.last_dir == _REPLY
            and packet.seq == tcp.last_ack
        ):
            return _Rst.IN_WINDOW
        return result

    def _nf_tcp_handle_invalid(
        self, entry: Entry, direction: int, index: int, now: Micros, log: list[LogLine]
    ) -> None:
        """Port of nf_tcp_handle_invalid: both ends close, if out of window; do not wait days."""
        if not entry.status & _ASSURED or index not in (_RST_SET, _FIN_SET):
            return
        tcp = entry.tcp
        if tcp.last_dir == direction or tcp.last_index not in (_FIN_SET, _RST_SET):
            tcp.last_index = index
            tcp.last_dir = direction
            return
        left = entry.expires_at - now
        timeout = (entry.policy.tcp or self._timeouts)[UNACK]
        if left < _SHORTEST_LOWERED or left <= timeout:
            return
        numbers = {
            "index": index,
            "dir": direction,
            "last_index": tcp.last_index,
            "timeout": ticks(timeout),
        }
        log.append(LogLine(Reason.TIMEOUT_LOWERED, numbers=numbers))
        entry.expires_at = now + timeout
