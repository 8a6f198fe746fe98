# SPDX-License-Identifier: GPL-2.0-only
"""Targets that change what stands in a packet.

Each is a function from the target and the packet to the packet behind it, or None where that is not
known. The packet is one that the rule's own conditions have let through: a TCP one where the target
needs that.

Source: net/netfilter/xt_HL.c, xt_DSCP.c, xt_TCPMSS.c, xt_TCPOPTSTRIP.c, xt_CHECKSUM.c,
net/ipv4/netfilter/ipt_ECN.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from ctlint.ir.rule import Target
from ctlint.model.netfilter.prefixes import translate_prefix
from ctlint.wire.addresses import Family
from ctlint.wire.encoding import (
    IPV4_HEADER,
    IPV6_HEADER,
    MSS,
    SACK,
    SACK_PERMITTED,
    TCP_HEADER,
    TIMESTAMPS,
    WINDOW_SCALE,
    tcp_options,
)
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

Alteration = Callable[[Target, Packet, int | None], Packet | None]
"""From a target, a packet and the path's MTU: the less of the MTU of the route that the packet
takes and of the one back to its source, in bytes, at most 65535 for IPv4; None where it is not
known.
"""

_MOST_HOPS: Final = 255
_ECN_BITS: Final = 0x03
_MSS_LENGTH: Final = 4
_MOST_OPTIONS: Final = 40
_MSS_OF_THE_SILENT: Final = {Family.IPV4: 536, Family.IPV6: 1220}
"""What the other end takes for the MSS of a sender that names none."""


def _alter_hops(prefix: str, target: Target, packet: Packet, _: int | None) -> Packet:
    """Port of ttl_tg() and hl_tg6(). A packet with no hop left goes on to where it is routed."""
    ttl = packet.ttl
    for option in target.options:
        if option.name == f"{prefix}-set":
            ttl = option.value
        elif option.name == f"{prefix}-inc":
            ttl = min(ttl + option.value, _MOST_HOPS)
        elif option.name == f"{prefix}-dec":
            ttl = max(ttl - option.value, 0)
    return packet._replace(ttl=ttl)


def _alter_tos(target: Target, packet: Packet, _: int | None) -> Packet:
    """Port of tos_tg() and tos_tg6()."""
    change = target.get("set-tos")
    assert change is not None
    value, mask = change.value
    return packet._replace(tos=packet.tos & ~mask ^ value)


def _alter_dscp(target: Target, packet: Packet, _: int | None) -> Packet:
    """Port of dscp_tg(): the ECN bits stay."""
    change = target.get("set-dscp")
    assert change is not None
    return packet._replace(tos=change.value << 2 | packet.tos & _ECN_BITS)


def _alter_ecn(target: Target, packet: Packet, _: int | None) -> Packet:
    """Port of ecn_tg()."""
    tos, flags = packet.tos, packet.flags
    for option in target.options:
        if option.name == "ecn-ip-ect":
            tos = tos & ~_ECN_BITS | option.value
        elif flags is not None:
            flags = _with_ecn_flag(option.name, option.value, flags)
    return packet._replace(tos=tos, flags=flags)


def _with_ecn_flag(name: str, value: int | None, flags: TcpFlags) -> TcpFlags:
    if name == "ecn-tcp-remove":
        return flags & ~(TcpFlags.ECE | TcpFlags.CWR)
    flag = TcpFlags.CWR if name == "ecn-tcp-cwr" else TcpFlags.ECE
    return flags | flag if value else flags & ~flag


def _alter_mss(target: Target, packet: Packet, mtu: int | None) -> Packet | None:
    """Port of tcpmss_mangle_packet(): an MSS is never raised, and only added where no data is."""
    if packet.protocol != TCP:
        return packet
    asked = target.options[-1]
    options = packet.options
    can_add = packet.payload == 0 and len(tcp_options(options)) + _MSS_LENGTH <= _MOST_OPTIONS
    old = None if options is None else options.mss
    if old is None and not can_add:
        return packet
    if asked.name == "set-mss":
        mss = asked.value
    elif mtu is None:
        return None
    else:
        header = IPV6_HEADER if packet.family is Family.IPV6 else IPV4_HEADER
        mss = mtu - header - TCP_HEADER
    mss = min(mss, _MSS_OF_THE_SILENT[packet.family] if old is None else old)
    return packet._replace(options=(options or TcpOptions())._replace(mss=mss))


def _strip_options(target: Target, packet: Packet, _: int | None) -> Packet:
    """Port of tcpoptstrip_mangle_packet(): the header stays as long as it is."""
    options = packet.options
    if options is None:
        return packet
    listed = target.get("strip-options")
    kinds = () if listed is None else listed.value
    gone: list[tuple[int, int]] = list(options.stripped)
    if MSS in kinds and options.mss is not None:
        gone.append((MSS, 4))
        options = options._replace(mss=None)
    if WINDOW_SCALE in kinds and options.wscale is not None:
        gone.append((WINDOW_SCALE, 3))
        options = options._replace(wscale=None)
    if SACK_PERMITTED in kinds and options.sack_permitted:
        gone.append((SACK_PERMITTED, 2))
        options = options._replace(sack_permitted=False)
    if SACK in kinds and options.sack:
        gone.append((SACK, 2 + 8 * len(options.sack)))
        options = options._replace(sack=())
    if TIMESTAMPS in kinds and options.timestamps is not None:
        gone.append((TIMESTAMPS, 10))
        options = options._replace(timestamps=None)
    return packet._replace(options=options._replace(stripped=tuple(gone)))


def _translate(target: Target, packet: Packet, _: int | None) -> Packet | None:
    return translate_prefix(target, packet)


def _leave(_: Target, packet: Packet, __: int | None) -> Packet:
    # CHECKSUM fills in what the hardware would have: the same checksum.
    return packet


ALTERATIONS: Final[Mapping[str, Alteration]] = {
    "CHECKSUM": _leave,
    "DNPT": _translate,
    "DSCP": _alter_dscp,
    "ECN": _alter_ecn,
    "HL": partial(_alter_hops, "hl"),
    "SNPT": _translate,
    "TCPMSS": _alter_mss,
    "TCPOPTSTRIP": _strip_options,
    "TOS": _alter_tos,
    "TTL": partial(_alter_hops, "ttl"),
}
"""What a target makes of a packet, by its name."""
