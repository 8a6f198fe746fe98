# SPDX-License-Identifier: GPL-2.0-only
"""IP addresses as integers, and networks with any mask.

iptables masks need not be contiguous (``10.0.12.0/255.0.255.0``), so a network is an address and
a mask, never an address and a prefix length. Source: iptables(8), options ``-s`` and ``-d``.
"""

from __future__ import annotations

import ipaddress
from enum import IntEnum
from typing import NamedTuple


class Family(IntEnum):
    """Address family; the value is the IP version."""

    IPV4 = 4
    IPV6 = 6

    @property
    def bits(self) -> int:
        """Width of an address in bits."""
        return 32 if self is _IPV4 else 128

    @property
    def full_mask(self) -> int:
        """The mask of a single host."""
        return _FULL_IPV4 if self is _IPV4 else _FULL_IPV6


_IPV4 = Family.IPV4
_FULL_IPV4 = (1 << 32) - 1
_FULL_IPV6 = (1 << 128) - 1


class Net(NamedTuple):
    """The addresses ``a`` with ``a & mask == address``. ``address`` has no bit outside ``mask``."""

    family: Family
    address: int
    mask: int

    def contains(self, address: int) -> bool:
        """Whether ``address`` (an integer of the same family) lies in this network."""
        return address & self.mask == self.address

    @property
    def prefix_length(self) -> int | None:
        """Length of the prefix, or None where the mask is not contiguous."""
        inverted = self.mask ^ self.family.full_mask
        if inverted & (inverted + 1):
            return None
        return self.family.bits - inverted.bit_length()

    @property
    def is_host(self) -> bool:
        """Whether the network holds exactly one address."""
        return self.mask == self.family.full_mask

    def __str__(self) -> str:
        family, address, mask = self
        suffix = _LENGTHS.get(mask) if family is _IPV4 else None
        if suffix is None:
            length = self.prefix_length
            suffix = format_address(family, mask) if length is None else str(length)
        return f"{format_address(family, address)}/{suffix}"


class Hostname(NamedTuple):
    """A name where an address was expected: what it means is decided by a resolver, at load time.

    ``suffix`` is the text after ``/``, or empty.
    """

    name: str
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.name}/{self.suffix}" if self.suffix else self.name


def parse_octet(text: str) -> int:
    """Read one part of a dotted address: decimal, or octal and hex as strtoul reads them."""
    if text.isdigit() and text.isascii() and (text == "0" or text[0] != "0"):
        value = int(text)
    elif text[:2] in ("0x", "0X"):
        value = int(text[2:], 16)
    elif text.isdigit() and text.isascii():
        value = int(text, 8)
    else:
        raise ValueError(f"{text!r} is not a number")
    if value > 255:
        raise ValueError(f"{text} is more than 255")
    return value


def parse_ipv4(text: str, *, is_mask: bool = False) -> int:
    """Read a dotted IPv4 address as iptables does: ``10.1`` is the network address 10.1.0.0.

    A mask needs its four parts. Raises ValueError.
    """
    parts = text.split(".")
    if len(parts) > 4 or (is_mask and len(parts) != 4):
        raise ValueError(f"{text!r} is not an IPv4 {'mask' if is_mask else 'address'}")
    value = 0
    for part in parts:
        value = value << 8 | parse_octet(part)
    return value << 8 * (4 - len(parts))


def parse_ipv6(text: str) -> int:
    """Read an IPv6 address (RFC 4291, no zone). Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text!r}: an address in a rule has no zone")
    return int(ipaddress.IPv6Address(text))


def parse_address(text: str, family: Family) -> int:
    """Read one address of the family as iptables does. Raises ValueError."""
    return parse_ipv4(text) if family is Family.IPV4 else parse_ipv6(text)


def parse_mask(text: str, family: Family) -> int:
    """Read what stands behind the slash: a prefix length or a mask. Raises ValueError."""
    if text.isascii() and text.isdigit():
        length = int(text) if len(text) < 4 else family.bits + 1
        if length > family.bits:
            raise ValueError(f"prefix length /{text[:8]} is more than {family.bits}")
        return family.full_mask ^ ((1 << (family.bits - length)) - 1)
    if family is Family.IPV4:
        return parse_ipv4(text, is_mask=True)
    return parse_ipv6(text)


_OCTETS = {str(value): value for value in range(256)}
_PREFIXES = {str(length): 0xFFFFFFFF ^ ((1 << (32 - length)) - 1) for length in range(33)}
_LENGTHS = {mask: length for length, mask in _PREFIXES.items()}


def parse_dotted_quad(text: str) -> int:
    """Read an IPv4 address as inet_pton does: four decimal numbers. Raises ValueError."""
    try:
        one, two, three, four = text.split(".")
        return _OCTETS[one] << 24 | _OCTETS[two] << 16 | _OCTETS[three] << 8 | _OCTETS[four]
    except (KeyError, ValueError):
        raise ValueError(f"{text!r} is not an IPv4 address") from None


def parse_exact_address(text: str, family: Family) -> int:
    """Read one address in full, as inet_pton(3) does. Raises ValueError."""
    return parse_dotted_quad(text) if family is _IPV4 else parse_ipv6(text)


def parse_net(text: str, family: Family) -> Net:
    """Read ``ADDRESS[/PREFIX|/MASK]``; bits outside the mask are cleared, as iptables does.

    With a mask of zero the address is not looked at (``any/0``). Raises ValueError.
    """
    if family is _IPV4:
        # The form that iptables-save prints, quickly: four decimal numbers and a prefix length.
        host, _, length = text.partition("/")
        try:
            one, two, three, four = host.split(".")
            address = _OCTETS[one] << 24 | _OCTETS[two] << 16 | _OCTETS[three] << 8 | _OCTETS[four]
            mask = _PREFIXES[length]
        except (KeyError, ValueError):
            pass
        else:
            return tuple.__new__(Net, (family, address & mask, mask))
    head, slash, tail = text.rpartition("/")
    if not slash:
        return Net(family, parse_address(text, family), family.full_mask)
    mask = parse_mask(tail, family)
    if mask == 0:
        return Net(family, 0, 0)
    return Net(family, parse_address(head, family) & mask, mask)


def format_address(family: Family, address: int) -> str:
    """The usual text of an address, as inet_ntop(3) writes it."""
    if family is _IPV4:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    high, low = address >> 32, address & 0xFFFFFFFF
    if high == 0xFFFF or (high == 0 and low > 0xFFFF):
        prefix = "::ffff:" if high else "::"
        return prefix + format_address(Family.IPV4, low)
    return str(ipaddress.IPv6Address(address))


def format_end(family: Family, address: int, port: int | None) -> str:
    """An address, with its port where there is one, as RFC 5952 writes them in section 6."""
    return with_port(format_address(family, address), port)


def with_port(address: str, port: int | None) -> str:
    """The same of an address that is written."""
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
