# SPDX-License-Identifier: GPL-2.0-only
"""What the NAT targets map to: ``ADDRESS[-ADDRESS][:PORT[-PORT[/BASE]]]``.

Source: parse_to() and parse_ports() in extensions/libxt_NAT.c of iptables 1.8.11.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ctlint.ir.rule import Option
from ctlint.ir.values import AddressRange, NatRange, Range
from ctlint.parse.extension import RuleContext
from ctlint.parse.operands import UINT16, Operand, parse_integer
from ctlint.wire.addresses import Family, format_address, parse_dotted_quad, parse_exact_address
from ctlint.wire.protocols import ICMP, TCP, UDP, parse_port

_DCCP: Final = 33
_SCTP: Final = 132
PORT_PROTOCOLS: Final = (TCP, UDP, _SCTP, _DCCP, ICMP)
"""The protocols whose ports (or ICMP id) a NAT target may map. ICMPv6 is not among them."""

_PORTS = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)(?:-(\w+)(?:/([\w-]+))?)?", re.ASCII)
_HOST_AND_PORT = re.compile(r"[0-9.]+:[1-9][0-9]{0,3}")
_IPV4 = Family.IPV4
_new = tuple.__new__


def _parse_address(text: str, family: Family) -> int:
    """Read an address as inet_pton does: four decimal parts, or RFC 4291."""
    try:
        return parse_exact_address(text, family)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv{int(family)} address") from None


def _parse_addresses(text: str, family: Family) -> AddressRange:
    first, dash, last = text.partition("-")
    low = _parse_address(first, family)
    return AddressRange(family, low, _parse_address(last, family) if dash else low)


def _parse_ports(text: str) -> NatRange:
    """Read ``PORT``, a service, ``PORT-PORT`` or ``PORT-PORT/BASE``; a range takes no names."""
    found = _PORTS.fullmatch(text)
    if found is None:
        port = parse_port(text)
        return NatRange(None, Range(port, port))
    first, last, shifted = found.groups()
    low = parse_integer(first, 0, UINT16)
    high = parse_integer(last, 0, UINT16) if last is not None else low
    if high < low:
        raise ValueError(f"the port range {text} is empty")
    if shifted is None:
        return NatRange(None, Range(low, high))
    base = parse_integer(shifted, 1, UINT16) if shifted[0].isdigit() else parse_port(shifted)
    return NatRange(None, Range(low, high), base)


def _parse_range(text: str, family: Family) -> NatRange:
    if family is _IPV4 and _HOST_AND_PORT.fullmatch(text):
        # The form of nearly all DNAT rules, quickly: the constructors would take as long again.
        host, _, port = text.partition(":")
        address, number = parse_dotted_quad(host), int(port)
        host_range = _new(AddressRange, (family, address, address))
        return _new(NatRange, (host_range, _new(Range, (number, number)), None))
    if text.startswith("[") and family is Family.IPV6:
        addresses, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and rest[0] != ":"):
            raise ValueError(f"{text!r} is not [ADDRESS]:PORT")
        colon, ports = rest[:1], rest[1:]
    elif text.count(":") == 1:
        addresses, colon, ports = text.partition(":")
    else:
        addresses, colon, ports = text, "", ""
    if not colon:
        return NatRange(_parse_addresses(addresses, family))
    result = _parse_ports(ports)
    if not addresses:
        return result
    return NatRange(_parse_addresses(addresses, family), result.ports, result.base)


def _format_ports(value: NatRange) -> str:
    if value.ports is None:
        return ""
    low, high = value.ports
    if value.base is not None:
        return f"{low}-{high}/{value.base}"
    return str(low) if low == high else f"{low}-{high}"


def _format_range(value: NatRange) -> str:
    text = ""
    if value.addresses is not None:
        family, low, high = value.addresses
        text = format_address(family, low)
        if high != low:
            text += f"-{format_address(family, high)}"
        if family is Family.IPV6 and value.ports is not None:
            text = f"[{text}]"
    return f"{text}:{_format_ports(value)}" if value.ports is not None else text


NAT_RANGE: Final = Operand(
    "ADDRESS[-ADDRESS][:PORT[-PORT]], in IPv6 [ADDRESS]:PORT", _parse_range, _format_range
)
NAT_PORTS: Final = Operand("PORT or PORT-PORT", lambda text, _: _parse_ports(text), _format_ports)


def ports_need_protocol(options: Sequence[Option], context: RuleContext) -> str | None:
    """A check: ports are mapped only in rules of a protocol that has them.

    As in iptables, ``! -p tcp`` counts as one.
    """
    if context.protocol in PORT_PROTOCOLS:
        return None
    for option in options:
        if isinstance(option.value, NatRange) and option.value.ports is not None:
            return f"--{option.name} with ports needs -p tcp, udp, sctp, dccp or icmp"
    return None


def no_shift(options: Sequence[Option], _: RuleContext) -> str | None:
    """A check: no ``/BASE`` (the target has no place for it)."""
    for option in options:
        if isinstance(option.value, NatRange) and option.value.base is not None:
            return f"--{option.name} takes no /BASE"
    return None
