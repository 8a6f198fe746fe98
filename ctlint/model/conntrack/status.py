# SPDX-License-Identifier: GPL-2.0-only
"""The words of connection tracking: directions, states, classes of segments.

Source: include/uapi/linux/netfilter/nf_conntrack_common.h, nf_conntrack_tcp.h, xt_conntrack.h; the
values are the kernel's.
"""

from __future__ import annotations

from enum import Enum, IntEnum, IntFlag


class CtState(IntFlag):
    """What a rule can match: a packet has one of the first five, and SNAT or DNAT beside it.

    The values are the bits of XT_CONNTRACK_STATE_*, so a set of them is a rule's mask.
    """

    INVALID = 0x001
    ESTABLISHED = 0x002
    RELATED = 0x004
    NEW = 0x008
    SNAT = 0x040
    DNAT = 0x080
    UNTRACKED = 0x100


class Dir(IntEnum):
    """Which way a packet goes, relative to the packet that made the entry."""

    ORIGINAL = 0
    REPLY = 1

    @property
    def other(self) -> Dir:
        """The opposite direction."""
        return Dir(1 - self)


class CtInfo(IntEnum):
    """How a packet relates to its entry (`enum ip_conntrack_info`); see CtState for rules."""

    ESTABLISHED = 0
    RELATED = 1
    NEW = 2
    ESTABLISHED_REPLY = 3
    RELATED_REPLY = 4
    UNTRACKED = 7

    @property
    def direction(self) -> Dir:
        """Port of CTINFO2DIR."""
        return Dir.REPLY if self >= CtInfo.ESTABLISHED_REPLY else Dir.ORIGINAL

    @property
    def ctstate(self) -> CtState:
        """What a rule sees: the direction does not matter to it."""
        return _CTSTATE[self]


_CTSTATE: dict[CtInfo, CtState] = {
    CtInfo.ESTABLISHED: CtState.ESTABLISHED,
    CtInfo.RELATED: CtState.RELATED,
    CtInfo.NEW: CtState.NEW,
    CtInfo.ESTABLISHED_REPLY: CtState.ESTABLISHED,
    CtInfo.RELATED_REPLY: CtState.RELATED,
    CtInfo.UNTRACKED: CtState.UNTRACKED,
}


class EntryStatus(IntFlag):
    """What is known of an entry (`enum ip_conntrack_status`)."""

    EXPECTED = 0x001
    SEEN_REPLY = 0x002
    ASSURED = 0x004
    CONFIRMED = 0x008
    SRC_NAT = 0x010
    DST_NAT = 0x020
    SRC_NAT_DONE = 0x080
    DST_NAT_DONE = 0x100
    DYING = 0x200


class TcpDirFlags(IntFlag):
    """What conntrack keeps of one side of a TCP connection (`IP_CT_TCP_FLAG_*`).

    EXP_CHALLENGE_ACK and SIMULT_OPEN stand among the flags of the last packet (`last_flags`).
    """

    WINDOW_SCALE = 0x01
    SACK_PERM = 0x02
    CLOSE_INIT = 0x04
    BE_LIBERAL = 0x08
    DATA_UNACKED = 0x10
    MAXACK_SET = 0x20
    EXP_CHALLENGE_ACK = 0x40
    SIMULT_OPEN = 0x80


class Verdict(IntEnum):
    """What netfilter does with a packet (`NF_*`)."""

    DROP = 0
    ACCEPT = 1


class TcpCt(IntEnum):
    """State of a TCP entry (`enum tcp_conntrack`); not the state of a socket."""

    NONE = 0
    SYN_SENT = 1
    SYN_RECV = 2
    ESTABLISHED = 3
    FIN_WAIT = 4
    CLOSE_WAIT = 5
    LAST_ACK = 6
    TIME_WAIT = 7
    CLOSE = 8
    SYN_SENT2 = 9


class Mark(Enum):
    """What the state table says instead of a new state."""

    INVALID = "sIV"
    """The packet belongs to no connection."""
    IGNORE = "sIG"
    """The packet passes and keeps its entry, which neither moves nor is refreshed."""


Cell = TcpCt | Mark
"""What stands in a cell of the state table."""


class Seg(IntEnum):
    """Class of a segment by its flags (`enum tcp_bit_set`); data are of class ACK."""

    SYN = 0
    SYNACK = 1
    FIN = 2
    ACK = 3
    RST = 4
    NONE = 5
