# SPDX-License-Identifier: GPL-2.0-only
"""Whether a segment is in the window, and what its numbers teach.

Source: net/netfilter/nf_conntrack_proto_tcp.c, tcp_in_window() and what it calls, Linux 2.6.32 to
7.3; van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2000), for the four conditions:

    I    seq <= sender.td_maxend                        upper bound of data
    II   end >= sender.td_end - receiver.td_maxwin      lower bound of data
    III  sack <= receiver.td_end                        upper bound of acknowledgements
    IV   sack >= receiver.td_end - MAXACKWINDOW         lower bound of acknowledgements

Kernels from 6.1 on tell old segments (II, IV) from impossible ones (I, III): the former pass,
ignored. Names are the kernel's.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ctlint.model.conntrack.entry import Entry, Seen, TcpState
from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.settings import Settings
from ctlint.model.conntrack.status import Seg, TcpCt, TcpDirFlags
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.sequence import LAST, after, before
from ctlint.wire.tcp_flags import TcpFlags

MAXACKWINCONST: Final = 66000
"""How far an acknowledgement may lie behind, at least, in sequence numbers."""

TCP_MAX_WSCALE: Final = 14

# The values as plain integers: this is the path that every packet takes.
_FIN: Final = int(TcpFlags.FIN)
_SYN: Final = int(TcpFlags.SYN)
_RST: Final = int(TcpFlags.RST)
_ACK: Final = int(TcpFlags.ACK)
_WINDOW_SCALE: Final = int(TcpDirFlags.WINDOW_SCALE)
_SACK_PERM: Final = int(TcpDirFlags.SACK_PERM)
_BE_LIBERAL: Final = int(TcpDirFlags.BE_LIBERAL)
_DATA_UNACKED: Final = int(TcpDirFlags.DATA_UNACKED)
_MAXACK_SET: Final = int(TcpDirFlags.MAXACK_SET)
_SYN_SENT: Final = int(TcpCt.SYN_SENT)
_SYN_RECV: Final = int(TcpCt.SYN_RECV)
_ACK_SET: Final = int(Seg.ACK)
_ORIGINAL: Final = 0
_REPLY: Final = 1


class Action(IntEnum):
    """What the window check says (`enum nf_ct_tcp_action`)."""

    IGNORE = 0
    INVALID = 1
    ACCEPT = 2


_ACCEPT: Final = Action.ACCEPT


def segment_seq_plus_len(packet: Packet, flags: int) -> int:
    """Port of segment_seq_plus_len: the sequence number behind the segment."""
    return packet.seq + packet.payload + (flags >> 1 & 1) + (flags & 1) & LAST


def tcp_sack(options: TcpOptions, sack: int) -> int:
    """Port of tcp_sack: the highest of `sack` and the right edges of the blocks."""
    for _, right in options.sack:
        if after(right, sack):
            sack = right
    return sack


class TcpWindow:
    """The window check of one kernel under its settings."""

    __slots__ = (
        "_accepts_unknown_window",
        "_be_liberal",
        "_checks_seq_without_data",
        "_drops_wscale",
        "_grows_known_windows_only",
        "_ignores_old_segments",
        "_keepalive_pickup",
        "_keeps_be_liberal",
        "_liberal_counts_unacked",
        "_no_window_check",
        "_overshoot",
        "_peer_from_ack",
        "_raw_window",
        "_reinit_only_by_syn",
    )

    def __init__(self, kernel: KernelProfile, settings: Settings) -> None:
        self._be_liberal = settings.tcp_be_liberal
        self._no_window_check = settings.tcp_no_window_check
        self._accepts_unknown_window = Feature.UNKNOWN_WINDOW_ACCEPTED in kernel
        self._checks_seq_without_data = Feature.SEQ_CHECK_WITHOUT_DATA in kernel
        self._drops_wscale = (
            Feature.REINIT_DROPS_WSCALE in kernel and Feature.RESENT_SYN_KEEPS_WSCALE not in kernel
        )
        self._grows_known_windows_only = Feature.MAXWIN_GROWTH_NEEDS_WINDOW in kernel
        self._ignores_old_segments = Feature.OLD_SEGMENTS_IGNORED in kernel
        self._keepalive_pickup = Feature.KEEPALIVE_PICKUP in kernel
        self._keeps_be_liberal = Feature.REINIT_KEEPS_BE_LIBERAL in kernel
        self._liberal_counts_unacked = Feature.LIBERAL_COUNTS_UNACKNOWLEDGED in kernel
        self._overshoot = Feature.WINDOW_OVERSHOOT in kernel
        self._peer_from_ack = Feature.PICKUP_PEER_FROM_ACK in kernel
        self._raw_window = Feature.RETRANS_COMPARES_RAW_WINDOW in kernel
        self._reinit_only_by_syn = Feature.REINIT_ONLY_BY_SYN in kernel

    def tcp_options(self, options: TcpOptions | None, state: Seen) -> None:
        """Port of tcp_options: what the header says of scale and SACK; without options, nothing."""
        if options is None:
            return
        state.td_scale = 0
        state.flags &= _BE_LIBERAL if self._keeps_be_liberal else 0
        if options.sack_permitted:
            state.flags |= _SACK_PERM
        if options.wscale is not None:
            state.td_scale = min(options.wscale, TCP_MAX_WSCALE)
            state.flags |= _WINDOW_SCALE

    def nf_ct_tcp_state_reset(self, state: Seen) -> None:
        """Port of nf_ct_tcp_state_reset: nothing is known of the side any more."""
        state.td_end = 0
        state.td_maxend = 0
        state.td_maxwin = 0
        state.td_maxack = 0
        state.td_scale = 0
        state.flags &= _BE_LIBERAL if self._keeps_be_liberal else 0

    def _tcp_init_sender(
        self, sender: Seen, receiver: Seen, packet: Packet, end: int, direction: int
    ) -> None:
        """Port of tcp_init_sender: a SYN or SYN/ACK says how its side begins."""
        sender.td_end = sender.td_maxend = end
        sender.td_maxwin = packet.window or 1
        self.tcp_options(packet.options, sender)
        # RFC 7323: windows are scaled only if both sides have offered it. The fault: this was
        # asked when the peer had not spoken yet, too.
        if (direction == _REPLY or self._drops_wscale) and not (
            sender.flags & receiver.flags & _WINDOW_SCALE
        ):
            sender.td_scale = receiver.td_scale = 0

    def _reinit(self, tcp: TcpState, direction: int, flags: int, packet: Packet, end: int) -> bool:
        """The part of tcp_in_window for a side that is known and may start anew.

        Whether that says it all: the packet is accepted, and nothing more is checked.
        RFC 9293: a TCP that starts anew need not wait, if only its sequence numbers are larger.
        """
        sender = tcp.seen[direction]
        receiver = tcp.seen[direction ^ 1]
        state = tcp.state
        if self._reinit_only_by_syn:
            if flags & _SYN and after(end, sender.td_end) and state in (_SYN_SENT, _SYN_RECV):
                self._tcp_init_sender(sender, receiver, packet, end, direction)
                return direction == _REPLY and not flags & _ACK
        elif after(end, sender.td_end) and state == (
            _SYN_SENT if direction == _ORIGINAL else _SYN_RECV
        ):
            sender.td_end = sender.td_maxend = end
            sender.td_maxwin = packet.window or 1
            self.tcp_options(packet.options, sender)
        return False

    def _init(
        self, tcp: TcpState, direction: int, flags: int, packet: Packet, end: int, sack: int
    ) -> bool:
        """The part of tcp_in_window for a side that is heard for the first time.

        Whether that says it all, as in `_reinit`.
        """
        sender = tcp.seen[direction]
        receiver = tcp.seen[direction ^ 1]
        if flags & _SYN:
            self._tcp_init_sender(sender, receiver, packet, end, direction)
            return not flags & _ACK  # a SYN alone: simultaneous open
        sender.td_end = end
        window = packet.window << sender.td_scale if self._peer_from_ack else packet.window
        sender.td_maxwin = window or 1
        sender.td_maxend = end + sender.td_maxwin & LAST
        if self._peer_from_ack:
            if receiver.td_maxwin == 0:
                # Until the other side speaks, III and IV must hold.
                receiver.td_end = receiver.td_maxend = sack
            elif self._keepalive_pickup and sack == (receiver.td_end + 1 & LAST):
                # Likely the answer to a keepalive.
                receiver.td_end = sack
        return False

    def tcp_in_window(
        self,
        entry: Entry,
        direction: int,
        index: int,
        flags: int,
        packet: Packet,
        log: list[LogLine],
    ) -> Action:
        """Port of tcp_in_window. Moves the windows of both sides where the segment is in window.

        `direction` is a Dir, `index` a Seg and `flags` TcpFlags, all as plain integers.
        """
        if self._no_window_check:
            return _ACCEPT
        tcp = entry.tcp
        sender = tcp.seen[direction]
        receiver = tcp.seen[direction ^ 1]
        seq = packet.seq
        ack = sack = packet.ack
        win = packet.window
        end = seq + packet.payload + (flags >> 1 & 1) + (flags & 1) & LAST
        if receiver.flags & _SACK_PERM and packet.options is not None:
            sack = tcp_sack(packet.options, sack)

        if sender.td_maxwin == 0:
            if self._init(tcp, direction, flags, packet, end, sack):
                return _ACCEPT
        elif tcp.state <= _SYN_RECV and self._reinit(tcp, direction, flags, packet, end):
            return _ACCEPT

        if not flags & _ACK or (flags & _RST and ack == 0):
            # No ACK, or one of the broken kind that some resets carry: taken to be right.
            ack = sack = receiver.td_end
        if self._checks_seq_without_data:
            if flags & _RST and seq == 0 and tcp.state == _SYN_SENT:
                seq = end = sender.td_end
        elif seq == end and (not flags & _RST or (seq == 0 and tcp.state == _SYN_SENT)):
            seq = end = sender.td_end

        maxackwindow = sender.td_maxwin if sender.td_maxwin > MAXACKWINCONST else MAXACKWINCONST
        if not (
            before(seq, sender.td_maxend + 1)
            and before(sack, receiver.td_end + 1)
            and (
                after(end, sender.td_end - receiver.td_maxwin - 1)
                or (receiver.td_maxwin == 0 and self._accepts_unknown_window)
            )
            and after(sack, receiver.td_end - maxackwindow - 1)
        ):
            return self._out_of_window(sender, receiver, seq, sack, end, maxackwindow, log)

        if not flags & _SYN:
            win <<= sender.td_scale
        # Sender data.
        swin = win + (sack - ack) & LAST
        if sender.td_maxwin < swin:
            sender.td_maxwin = swin
        if after(end, sender.td_end):
            sender.td_end = end
            sender.flags |= _DATA_UNACKED
        if flags & _ACK:
            if not sender.flags & _MAXACK_SET:
                sender.td_maxack = ack
                sender.flags |= _MAXACK_SET
            elif after(ack, sender.td_maxack):
                sender.td_maxack = ack
        # Receiver data.
        if after(end, sender.td_maxend) and (
            receiver.td_maxwin != 0 or not self._grows_known_windows_only
        ):
            receiver.td_maxwin = receiver.td_maxwin + end - sender.td_maxend & LAST
        if after(sack + win, receiver.td_maxend - 1):
            receiver.td_maxend = sack + win + (win == 0) & LAST
        if ack == receiver.td_end:
            receiver.flags &= ~_DATA_UNACKED

        if index == _ACK_SET:
            # Retransmissions.
            raw = packet.window if self._raw_window else win & 0xFFFF
            if (
                tcp.last_end == end
                and tcp.last_ack == ack
                and tcp.last_seq == seq
                and tcp.last_dir == direction
                # Before RETRANS_COMPARES_RAW_WINDOW: 16 bits against the whole scaled window.
                and tcp.last_win == (raw if self._raw_window else win)
            ):
                tcp.retrans = tcp.retrans + 1 & 0xFF
            else:
                tcp.last_dir = direction
                tcp.last_seq = seq
                tcp.last_ack = ack
                tcp.last_end = end
                tcp.last_win = raw
                tcp.retrans = 0
        return _ACCEPT

    def _out_of_window(
        self,
        sender: Seen,
        receiver: Seen,
        seq: int,
        sack: int,
        end: int,
        maxackwindow: int,
        log: list[LogLine],
    ) -> Action:
        """The part of tcp_in_window for a segment that fails one of the four conditions."""
        is_liberal = self._be_liberal or sender.flags & _BE_LIBERAL != 0
        seq_ok = before(seq, sender.td_maxend + 1)
        ack_ok = before(sack, receiver.td_end + 1)
        data_bound = sender.td_end - receiver.td_maxwin - 1 & LAST
        ack_bound = receiver.td_end - maxackwindow - 1 & LAST
        in_recv_win = after(end, data_bound)

        if is_liberal and not self._liberal_counts_unacked:
            return _ACCEPT
        if self._overshoot and not seq_ok:
            overshot = end - sender.td_maxend + 1 & LAST
            if (
                receiver.td_maxwin != 0
                and in_recv_win
                and after(sack, ack_bound)
                and overshot <= receiver.td_maxwin
                and ack_ok
            ):
                # Some TCPs send more than they may. If the rules let it pass and the peer
                # acknowledges it, the entry must know that it was sent.
                sender.td_end = end
                sender.flags |= _DATA_UNACKED
                if is_liberal:
                    return _ACCEPT
                log.append(LogLine(Reason.OVERSHOOT, numbers={"excess": overshot}))
                return Action.IGNORE if self._ignores_old_segments else Action.INVALID
        if is_liberal:
            return _ACCEPT

        old = Action.IGNORE if self._ignores_old_segments else Action.INVALID
        if not seq_ok:
            bound = sender.td_maxend + 1 & LAST
            log.append(LogLine(Reason.SEQ_OVER_BOUND, numbers={"bound": bound}))
            return Action.INVALID
        # From 6.1 on III is asked before II, and unknown windows are never too small.
        is_old_data = not in_recv_win and not (
            receiver.td_maxwin == 0 and self._accepts_unknown_window
        )
        if not ack_ok and (self._ignores_old_segments or not is_old_data):
            bound = receiver.td_end + 1 & LAST
            log.append(LogLine(Reason.ACK_OVER_BOUND, numbers={"bound": bound}))
            return Action.INVALID
        if is_old_data:
            log.append(LogLine(Reason.SEQ_UNDER_BOUND, numbers={"bound": data_bound}))
            return old
        log.append(LogLine(Reason.ACK_UNDER_BOUND, numbers={"bound": ack_bound}))
        return old
