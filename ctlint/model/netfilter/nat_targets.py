# SPDX-License-Identifier: GPL-2.0-only
"""What the NAT targets bind a connection to.

Source: net/netfilter/xt_nat.c, nf_nat_masquerade.c, nf_nat_redirect.c and xt_NETMAP.c, Linux 6.18.
"""

from __future__ import annotations

from ctlint.ir.rule import Target
from ctlint.ir.values import NatRange
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.host import LOOPBACK_ADDRESS
from ctlint.model.netfilter.nat import MANIP, Binding, Manip
from ctlint.model.netfilter.transit import Transit
from ctlint.wire.addresses import Hostname, Net


class UndecidedBindingError(Exception):
    """What the target binds to is not known: a name that is resolved where the rules are loaded."""


def binding_of(target: Target, transit: Transit) -> Binding | None:
    """What a target binds the packet's connection to; None where the target drops the packet.

    Raises UndecidedBindingError.
    """
    name = target.name
    if name in ("SNAT", "DNAT"):
        option = target.get("to-source" if name == "SNAT" else "to-destination")
        assert option is not None
        given: NatRange = option.value
        low = high = None
        if given.addresses is not None:
            low, high = given.addresses.low, given.addresses.high
        return Binding(
            *(low, high, given.ports, given.base),
            is_random=_is_random(target),
            is_persistent=target.get("persistent") is not None,
        )
    if name == "NETMAP":
        return _netmap(target, transit)
    address = _masquerade(transit) if name == "MASQUERADE" else _redirect(transit)
    return None if address is None else bind_to(target, address)


def bind_to(target: Target, address: int) -> Binding:
    """What MASQUERADE or REDIRECT binds to, whose address the host gives."""
    ports = target.get("to-ports")
    mapped: NatRange = NatRange(None) if ports is None else ports.value
    return Binding(address, address, mapped.ports, mapped.base, _is_random(target))


def _is_random(target: Target) -> bool:
    return target.get("random") is not None or target.get("random-fully") is not None


def _netmap(target: Target, transit: Transit) -> Binding:
    option = target.get("to")
    assert option is not None
    net: Net | Hostname = option.value
    if isinstance(net, Hostname):
        raise UndecidedBindingError(f"{net}: the name is resolved when the rules are loaded")
    packet, hook = transit.packet, transit.hook
    assert hook is not None
    own = packet.daddr if MANIP[hook] is Manip.DST else packet.saddr
    mapped = net.address | (own & ~net.mask)
    return Binding(mapped, mapped)


def _masquerade(transit: Transit) -> int | None:
    """The address that the outgoing interface gives to what leaves by it; lo has none to give."""
    assert transit.box is not None
    packet = transit.packet
    return transit.box.host.source_over(transit.out_interface or "", packet.daddr, packet.family)


def _redirect(transit: Transit) -> int | None:
    """The box itself, as the interface knows it by which the packet came."""
    assert transit.box is not None
    family = transit.packet.family
    if transit.hook is Hook.LOCAL_OUT:
        return LOOPBACK_ADDRESS[family]
    return transit.box.host.first_address(transit.in_interface or "", family)
