# SPDX-License-Identifier: GPL-2.0-only
"""A tracked connection.

Source: include/net/netfilter/nf_conntrack.h, `struct nf_conn`; include/linux/netfilter/
nf_conntrack_tcp.h, `struct ip_ct_tcp` and `struct ip_ct_tcp_state`; include/net/netfilter/
nf_conntrack_zones.h.

These are the only values of the model that change in place: one for each live connection, and
every packet moves one of them.
"""

from __future__ import annotations

from typing import NamedTuple

from ctlint.model.conntrack.settings import TcpTimeouts, UdpTimeouts
from ctlint.model.conntrack.status import Dir, EntryStatus
from ctlint.model.conntrack.tuple import Tuple
from ctlint.wire.moments import Micros, whole_seconds


class Zone(NamedTuple):
    """A conntrack zone, and which directions it holds for (`CT --zone`, `--zone-orig`,
    `--zone-reply`)."""

    number: int = 0
    is_original: bool = True
    is_reply: bool = True

    def number_in(self, direction: int) -> int:
        """Port of nf_ct_zone_id: the zone that a tuple of this direction is looked up in."""
        return self.number if (self.is_reply if direction else self.is_original) else 0


DEFAULT_ZONE = Zone()


class TimeoutPolicy(NamedTuple):
    """Timeouts of a connection's own (`CT --timeout`), in place of the sysctls.

    None where the policy is for another protocol: a policy is for one.
    """

    tcp: TcpTimeouts | None = None
    udp: UdpTimeouts | None = None
    icmp: Micros | None = None
    icmpv6: Micros | None = None
    generic: Micros | None = None


NO_POLICY = TimeoutPolicy()


class Seen:
    """What was seen of one side (`struct ip_ct_tcp_state`): sequence numbers, bytes, flags.

    `td_end` is the highest end of what it sent, `td_maxend` the highest that its peer allowed,
    `td_maxwin` the largest window that it offered (0: nothing is known of this side yet),
    `td_maxack` its highest acknowledgement, `td_scale` its window scale, `flags` a TcpDirFlags.
    """

    __slots__ = ("flags", "td_end", "td_maxack", "td_maxend", "td_maxwin", "td_scale")

    def __init__(self) -> None:
        self.td_end = 0
        self.td_maxend = 0
        self.td_maxwin = 0
        self.td_maxack = 0
        self.td_scale = 0
        self.flags = 0


class TcpState:
    """The state of a TCP entry (`struct ip_ct_tcp`), numbers as in the kernel.

    `state` is a TcpCt, `last_index` a Seg, `last_dir` a Dir; the other `last_` fields are what the
    last packet carried, and `last_wscale` and `last_flags` the options of a SYN that was ignored.
    `retrans` counts how often the last ACK was repeated.
    """

    __slots__ = (
        "last_ack",
        "last_dir",
        "last_end",
        "last_flags",
        "last_index",
        "last_seq",
        "last_win",
        "last_wscale",
        "retrans",
        "seen",
        "state",
    )

    def __init__(self) -> None:
        self.seen = (Seen(), Seen())
        self.state = 0
        self.last_dir = 0
        self.last_index = 0
        self.last_seq = 0
        self.last_ack = 0
        self.last_end = 0
        self.last_win = 0
        self.last_wscale = 0
        self.last_flags = 0
        self.retrans = 0


_NOT_TCP = TcpState()
"""What an entry holds that no TCP packet has opened: nobody looks at it."""


_NOTHING = (0, 0)


class Entry:
    """A connection, or one about to become one.

    `status` is an EntryStatus. Until the entry is confirmed `timeout` is what its timer will be
    set to; from then on `expires_at` is the moment at which it is gone. `stream_at` is when a UDP
    entry may become a stream. `mark` is the connection's mark. `packets` and `bytes` are what it
    has carried in each direction (`struct nf_conn_acct`); see `carry`. `helper` names the one that
    looks into its packets. `extension` is what others
    keep with the connection (`struct nf_ct_ext`).
    """

    __slots__ = (
        "bytes",
        "expires_at",
        "extension",
        "helper",
        "mark",
        "original",
        "packets",
        "policy",
        "reply",
        "status",
        "stream_at",
        "tcp",
        "timeout",
        "zone",
    )

    def __init__(
        self,
        original: Tuple,
        reply: Tuple,
        zone: Zone = DEFAULT_ZONE,
        policy: TimeoutPolicy = NO_POLICY,
        helper: str | None = None,
    ) -> None:
        self.helper = helper
        self.original = original
        self.reply = reply
        self.zone = zone
        self.policy = policy
        self.status = 0
        self.timeout: Micros = 0
        self.expires_at: Micros = 0
        self.stream_at: Micros = 0
        self.mark = 0
        self.extension: object = None
        self.tcp = _NOT_TCP
        self.packets = _NOTHING
        self.bytes = _NOTHING

    def tuple_in(self, direction: Dir) -> Tuple:
        """The tuple of packets of this direction."""
        return self.reply if direction else self.original

    def carry(self, direction: int, length: int) -> None:
        """Port of nf_ct_acct_update: count a packet of so many bytes, with its IP header."""
        packets, octets = self.packets, self.bytes
        if direction:
            self.packets = (packets[0], packets[1] + 1)
            self.bytes = (octets[0], octets[1] + length)
        else:
            self.packets = (packets[0] + 1, packets[1])
            self.bytes = (octets[0] + length, octets[1])

    @property
    def has_reply(self) -> bool:
        """Whether the reply side was heard."""
        return self.status & EntryStatus.SEEN_REPLY != 0

    @property
    def is_assured(self) -> bool:
        """Whether the entry is safe from being evicted while the table is full."""
        return self.status & EntryStatus.ASSURED != 0

    @property
    def is_confirmed(self) -> bool:
        """Whether the entry is in the table."""
        return self.status & EntryStatus.CONFIRMED != 0

    def remaining(self, now: Micros) -> int:
        """Whole seconds that the timer has left, as `conntrack -L` shows them."""
        return whole_seconds(self.expires_at - now if self.is_confirmed else self.timeout)
