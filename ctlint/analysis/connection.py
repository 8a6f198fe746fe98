# SPDX-License-Identifier: GPL-2.0-only
"""A connection as the host with the rules sees it: its role, its two ends, its packets."""

from __future__ import annotations

from typing import NamedTuple

from ctlint.analysis.rewriting import Translated
from ctlint.analysis.way import Ends
from ctlint.finding import Role
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import Dir, EntryStatus
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.host import AddressType
from ctlint.model.netfilter.transit import EntryView, imagined_entry
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

LOCAL = AddressType.LOCAL
UNICAST = AddressType.UNICAST


class Connection(NamedTuple):
    """A TCP connection. ``orig`` is the client's end, ``reply`` the server's.

    ``orig_interface`` is where the client's packets come in (or the host's own interface where
    the host is an end), ``reply_interface`` the same for the server. ``ports`` are the service
    ports that this connection stands for; None: any. The server is as the client calls it;
    ``translated`` says what NAT makes of the ends. ``role`` is the host's as far as the client's
    packets tell before that.
    """

    role: Role
    family: Family
    orig_address: int
    orig_port: int
    reply_address: int
    reply_port: int
    orig_interface: str
    reply_interface: str
    ports: Range | None = None
    translated: Translated | None = None

    @property
    def final_role(self) -> Role:
        """The host's role once NAT has given the client's packets their destination."""
        if self.translated is None or self.role not in (Role.SERVER, Role.FORWARD):
            return self.role
        return Role.FORWARD if self.translated.path is Path.FORWARD else Role.SERVER

    def packet(self, sender: Dir, flags: TcpFlags, payload: int = 0) -> Packet:
        """A packet of this connection."""
        if sender is Dir.ORIGINAL:
            return Packet(
                self.family,
                self.orig_address,
                self.reply_address,
                TCP,
                self.orig_port,
                self.reply_port,
                flags,
                payload=payload,
            )
        return Packet(
            self.family,
            self.reply_address,
            self.orig_address,
            TCP,
            self.reply_port,
            self.orig_port,
            flags,
            payload=payload,
        )

    def ends(self, sender: Dir) -> Ends:
        """The path of a packet that this end sends."""
        role = self.role
        if role is Role.LOOPBACK:
            return Ends(Path.LOOPBACK, "lo", "lo", LOCAL, LOCAL)
        if role is Role.FORWARD:
            if sender is Dir.ORIGINAL:
                return Ends(
                    Path.FORWARD, self.orig_interface, self.reply_interface, UNICAST, UNICAST
                )
            return Ends(Path.FORWARD, self.reply_interface, self.orig_interface, UNICAST, UNICAST)
        if (role is Role.CLIENT) is (sender is Dir.ORIGINAL):
            return Ends(Path.OUT, "", self.orig_interface, LOCAL, UNICAST)
        return Ends(Path.IN, self.orig_interface, "", UNICAST, LOCAL)

    def entry(
        self, sender: Dir, *, confirmed: bool = False, replied: bool = False, assured: bool = False
    ) -> EntryView:
        """What rules see of the entry that the client's first packet made."""
        status = EntryStatus(0)
        for given, bit in (
            (confirmed, EntryStatus.CONFIRMED),
            (replied, EntryStatus.SEEN_REPLY),
            (assured, EntryStatus.ASSURED),
        ):
            if given:
                status |= bit
        return imagined_entry(self.packet(Dir.ORIGINAL, TcpFlags.SYN), sender, status)

    def picked_up(self, sender: Dir) -> EntryView:
        """What rules see of an entry that this end's packet makes in mid-stream."""
        opening = self.packet(sender, TcpFlags.ACK)
        return imagined_entry(opening, Dir.ORIGINAL, EntryStatus(0))
