# SPDX-License-Identifier: GPL-2.0-only
"""Which class the flags of a segment make it, and which flags are no TCP at all.

Source: net/netfilter/nf_conntrack_proto_tcp.c, get_conntrack_index() and tcp_valid_flags; the same
in every kernel from 2.6.22 on.
"""

from __future__ import annotations

from ctlint.model.conntrack.status import Seg
from ctlint.wire.tcp_flags import TcpFlags

_F = TcpFlags

FREE_FLAGS: TcpFlags = _F.PSH | _F.ECE | _F.CWR
"""Flags that are always allowed and say nothing about the connection."""

VALID_FLAGS: tuple[TcpFlags, ...] = (
    _F.SYN,
    _F.SYN | _F.URG,
    _F.SYN | _F.ACK,
    _F.RST,
    _F.RST | _F.ACK,
    _F.FIN | _F.ACK,
    _F.FIN | _F.ACK | _F.URG,
    _F.ACK,
    _F.ACK | _F.URG,
)
"""The combinations that are valid, the free flags taken away (port of tcp_valid_flags)."""


def _class_of(flags: int) -> Seg:
    """The order of the tests is the kernel's: RST before SYN before FIN before ACK."""
    if flags & _F.RST:
        return Seg.RST
    if flags & _F.SYN:
        return Seg.SYNACK if flags & _F.ACK else Seg.SYN
    if flags & _F.FIN:
        return Seg.FIN
    if flags & _F.ACK:
        return Seg.ACK
    return Seg.NONE


SEG_OF_FLAGS: tuple[int, ...] = tuple(int(_class_of(flags)) for flags in range(256))
"""The class of each combination, as a number, for the tracker's every packet."""

VALIDITY_OF_FLAGS: tuple[bool, ...] = tuple(
    flags & ~FREE_FLAGS.value in VALID_FLAGS for flags in range(256)
)
"""Whether each combination passes the check of tcp_error."""


def get_conntrack_index(flags: TcpFlags) -> Seg:
    """Port of get_conntrack_index: the class of a segment, valid or not."""
    return Seg(SEG_OF_FLAGS[flags])


def has_valid_flags(flags: TcpFlags) -> bool:
    """Whether the flags pass the check of tcp_error; those that fail are INVALID in every state."""
    return VALIDITY_OF_FLAGS[flags]
