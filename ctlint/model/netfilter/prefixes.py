# SPDX-License-Identifier: GPL-2.0-only
"""Translation of IPv6 prefixes without any state: SNPT and DNPT.

What the new prefix adds to the checksum of an address another 16 bits of it take away, so that no
checksum of the packet changes (RFC 6296).

Source: net/ipv6/netfilter/ip6t_NPT.c, Linux 6.18 and 7.3.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.ir.rule import Target
from ctlint.wire.addresses import Net
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMPV6, is_icmp_error

_BITS: Final = 128
_WORD: Final = 16
_ONES: Final = 0xFFFF
_SHORT: Final = 48
"""A prefix of so many bits leaves the fourth word for what balances the checksum."""


class _Mapped(NamedTuple):
    """An address behind the change of its prefix, and whether its sum is what it was."""

    address: int
    is_balanced: bool


def translate_prefix(target: Target, packet: Packet) -> Packet | None:
    """Port of ip6t_snpt_tg() and ip6t_dnpt_tg(): the source or the destination, and the other one
    in what an ICMP error quotes. None where checksums do not come out: the kernel drops a packet
    and tells its sender if no word of its address could balance them; an address that never had the
    old prefix is balanced by the wrong sum, and then conntrack, REJECT and the receiver may take
    the packet or not.
    """
    is_source = target.name == "SNPT"
    given = {option.name: option.value for option in target.options}
    old, new = given["src-pfx"], given["dst-pfx"]
    mapped = _map_pfx(packet.saddr if is_source else packet.daddr, old, new)
    if not mapped.is_balanced:
        return None
    if is_source:
        packet = packet._replace(saddr=mapped.address)
    else:
        packet = packet._replace(daddr=mapped.address)
    quoted = packet.quoted
    if quoted is None or not is_icmp_error(ICMPV6, packet.icmp_type or 0):
        return packet
    inner = quoted.daddr if is_source else quoted.saddr
    if not old.contains(inner):
        return packet
    inner = _map_pfx(inner, old, new).address
    if is_source:
        return packet._replace(quoted=quoted._replace(daddr=inner))
    return packet._replace(quoted=quoted._replace(saddr=inner))


def _map_pfx(address: int, old: Net, new: Net) -> _Mapped:
    """Port of ip6t_npt_map_pfx(): the longer of both lengths counts, whatever the prefix was."""
    length = max(old.mask.bit_count(), new.mask.bit_count())
    hosts = (1 << (_BITS - length)) - 1
    had_prefix = address & ~hosts == old.address
    address = address & hosts | new.address & ~hosts
    places = (3,) if length <= _SHORT else (4, 5, 6, 7)
    for place in places:
        shift = _BITS - _WORD * (place + 1)
        word = address >> shift & _ONES
        if word == _ONES and length > _SHORT:
            continue
        # Sums of 16 bits are remainders by 0xffff; 0xffff itself is written as 0.
        balanced = (word + _sum(old.address) - _sum(new.address)) % _ONES
        return _Mapped(address ^ (word ^ balanced) << shift, had_prefix)
    return _Mapped(address, False)


def _sum(address: int) -> int:
    return address % _ONES
