# SPDX-License-Identifier: GPL-2.0-only
"""The UDP tracker.

Source: net/netfilter/nf_conntrack_proto_udp.c, Linux 2.6.32 to 7.3.
"""

from __future__ import annotations

from typing import Final

from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.settings import Settings
from ctlint.model.conntrack.status import EntryStatus
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.protocols import UDP

STREAM_AFTER: Final[Micros] = 2 * SECOND
"""How long an entry must have lived to count as a stream."""


class UdpTracker:
    """The UDP tracker of one kernel under its settings."""

    __slots__ = ("_assures_streams_only", "_checksum", "_streams_after_2s", "_timeouts")

    def __init__(self, kernel: KernelProfile, settings: Settings) -> None:
        self._checksum = settings.checksum
        self._timeouts = settings.udp
        self._streams_after_2s = Feature.UDP_STREAM_AFTER_2S in kernel
        self._assures_streams_only = Feature.UDP_ASSURED_AS_STREAM in kernel

    def udp_error(self, packet: Packet, is_received: bool, log: list[LogLine]) -> bool:
        """Port of udp_error: whether the header is wrong. Checksums are looked at on receipt."""
        if packet.defect is Defect.TRUNCATED:
            log.append(LogLine(Reason.TRUNCATED_UDP, UDP))
            return True
        if packet.defect is Defect.CHECKSUM and is_received and self._checksum:
            log.append(LogLine(Reason.BAD_UDP_CHECKSUM, UDP))
            return True
        return False

    def nf_conntrack_udp_packet(
        self, entry: Entry, packet: Packet, now: Micros, is_received: bool, log: list[LogLine]
    ) -> bool:
        """Port of nf_conntrack_udp_packet: whether the packet belongs to the entry.

        With traffic both ways the entry lives on for the stream timeout, and is ASSURED, once it
        is older than two seconds (before UDP_STREAM_AFTER_2S: at once).
        """
        if self.udp_error(packet, is_received, log):
            return False
        timeouts = entry.policy.udp or self._timeouts
        if not entry.is_confirmed:
            entry.stream_at = now + STREAM_AFTER
        timeout = timeouts.unreplied
        if entry.has_reply:
            is_stream = not self._streams_after_2s or now > entry.stream_at
            if is_stream:
                timeout = timeouts.replied
            if is_stream or not self._assures_streams_only:
                entry.status |= EntryStatus.ASSURED
        entry.timeout = timeout
        entry.expires_at = now + timeout
        return True
