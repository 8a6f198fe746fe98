# SPDX-License-Identifier: GPL-2.0-only
"""Operand types: how one word of an option becomes a typed value, and how it is printed again.

They follow the types of libxtables (``XTTYPE_*`` in include/xtables.h, parsed in
libxtables/xtoptions.c of iptables 1.8.11). ``parse`` raises ValueError with a message that reads
well behind the option's name; ``format`` gives a word that ``parse`` reads back to an equal value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctlint.ir.values import MacAddress, Masked, MaskedAddress, Range
from ctlint.wire.addresses import (
    Family,
    Hostname,
    Net,
    format_address,
    parse_address,
    parse_exact_address,
    parse_mask,
    parse_net,
)
from ctlint.wire.protocols import PROTOCOL_NAMES, parse_port, parse_protocol

UINT8: Final = (1 << 8) - 1
UINT16: Final = (1 << 16) - 1
UINT32: Final = (1 << 32) - 1
UINT64: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Operand:
    """One word behind an option. ``expected`` names it in messages ("a port")."""

    expected: str
    parse: Callable[[str, Family], Any]
    format: Callable[[Any], str] = str


_INTEGER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|\d{1,20}", re.ASCII)


def parse_integer(text: str, low: int = 0, high: int = UINT32) -> int:
    """Read an unsigned integer as strtoul(…, 0) does: decimal, 0x… hex, 0… octal."""
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    if text[:2] in ("0x", "0X"):
        value = int(text, 16)
    elif text[0] == "0" and len(text) > 1:
        try:
            value = int(text, 8)
        except ValueError:
            raise ValueError(f"{text!r} is not an octal number") from None
    else:
        value = int(text)
    if not low <= value <= high:
        raise ValueError(f"{text} is not in {low}-{high}")
    return value


def integer(low: int = 0, high: int = UINT32, *, show: Callable[[int], str] = str) -> Operand:
    """An unsigned integer in ``low``-``high`` (XTTYPE_UINT8 … XTTYPE_UINT64)."""
    return Operand(f"a number in {low}-{high}", lambda t, _: parse_integer(t, low, high), show)


def integer_range(
    low: int = 0, high: int = UINT32, *, separator: str = ":", open_ended: bool = True
) -> Operand:
    """``N``, ``A:B``, and with ``open_ended`` also ``:B``, ``A:`` (XTTYPE_UINT*RC)."""

    def parse(text: str, _: Family) -> Range:
        first, colon, last = text.partition(separator)
        if not colon:
            value = parse_integer(text, low, high)
            return Range(value, value)
        if not open_ended and not (first and last):
            raise ValueError(f"{text!r} is not a range")
        result = Range(
            parse_integer(first, low, high) if first else low,
            parse_integer(last, low, high) if last else high,
        )
        if result.low > result.high:
            raise ValueError(f"the range {text} is empty")
        return result

    def show(value: Range) -> str:
        if value.low == value.high:
            return str(value.low)
        return f"{value.low}{separator}{value.high}"

    return Operand("a number or a range", parse, show)


def _port_range(*, may_be_empty: bool) -> Callable[[str, Family], Range]:
    def parse(text: str, _: Family) -> Range:
        first, colon, last = text.partition(":")
        if not colon:
            value = parse_port(text)
            return Range(value, value)
        result = Range(parse_port(first) if first else 0, parse_port(last) if last else UINT16)
        if result.low > result.high and not may_be_empty:
            raise ValueError(f"the port range {text} is empty")
        return result

    return parse


def format_range(value: Range) -> str:
    """``N`` or ``A:B``."""
    return str(value.low) if value.low == value.high else f"{value.low}:{value.high}"


PORT: Final = Operand("a port", lambda text, _: parse_port(text))
PORT_RANGE: Final = Operand("a port or a port range", _port_range(may_be_empty=False), format_range)
MAYBE_EMPTY_PORT_RANGE: Final = Operand(
    "a port or a port range", _port_range(may_be_empty=True), format_range
)
"""A range whose ends may stand the wrong way round: it holds no port, and the rule never matches.

iptables 1.8.11 refuses it, 1.8.9 does not, and kernels print it in their dumps.
"""
PROTOCOL: Final = Operand(
    "a protocol",
    lambda text, _: parse_protocol(text),
    lambda number: PROTOCOL_NAMES.get(number, str(number)),
)
ADDRESS: Final = Operand(
    "an address",
    lambda text, family: Net(family, parse_address(text, family), family.full_mask),
    lambda net: format_address(net.family, net.address),
)


_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?", re.ASCII)


def parse_net_or_name(text: str, family: Family) -> Net | Hostname:
    """Read ``ADDRESS[/MASK]``; what looks like a host name is kept as :class:`Hostname`."""
    try:
        return parse_net(text, family)
    except ValueError as error:
        head, _, suffix = text.partition("/")
        if not _NAME.fullmatch(head) or not any(c.isalpha() for c in head) or ":" in head:
            raise
        if suffix:
            try:
                parse_mask(suffix, family)
            except ValueError:
                raise error from None
        return Hostname(head, suffix)


NET: Final = Operand("an address or a network", parse_net_or_name)


def masked(bits: int = 32, *, default_mask: int | None = None, show_hex: bool = True) -> Operand:
    """``VALUE[/MASK]`` of ``bits`` bits; without a mask all bits count (XTTYPE_MARKMASK32)."""
    high = (1 << bits) - 1
    whole = high if default_mask is None else default_mask

    def parse(text: str, _: Family) -> Masked:
        value, slash, mask = text.partition("/")
        return Masked(
            parse_integer(value, 0, high), parse_integer(mask, 0, high) if slash else whole
        )

    def show(value: Masked) -> str:
        text = hex(value.value) if show_hex else str(value.value)
        if value.mask == whole:
            return text
        return f"{text}/{hex(value.mask) if show_hex else value.mask}"

    return Operand("VALUE or VALUE/MASK", parse, show)


MARK: Final = masked(32)


def choice(names: Iterable[str], *, ignore_case: bool = False) -> Operand:
    """One of the names."""
    known = {name.lower() if ignore_case else name: name for name in names}

    def parse(text: str, _: Family) -> str:
        try:
            return known[text.lower() if ignore_case else text]
        except KeyError:
            raise ValueError(f"{text!r} is none of {', '.join(known.values())}") from None

    return Operand("one of " + ", ".join(known.values()), parse)


def choices(names: Iterable[str], *, ignore_case: bool = False) -> Operand:
    """A list of the names, separated by commas; the value is a tuple in the text's order."""
    one = choice(names, ignore_case=ignore_case)

    def parse(text: str, family: Family) -> tuple[str, ...]:
        return tuple(one.parse(part, family) for part in text.split(","))

    return Operand(one.expected.replace("one of", "a list of"), parse, ",".join)


def list_of(item: Operand, *, most: int, separator: str = ",") -> Operand:
    """A list of at most ``most`` items; the value is a tuple."""

    def parse(text: str, family: Family) -> tuple[Any, ...]:
        parts = text.split(separator)
        if len(parts) > most:
            raise ValueError(f"more than {most} items")
        return tuple(item.parse(part, family) for part in parts)

    def show(values: Iterable[Any]) -> str:
        return separator.join(item.format(value) for value in values)

    return Operand(f"a list ({item.expected})", parse, show)


def text(longest: int, *, shortest: int = 0) -> Operand:
    """Any text of at most ``longest`` bytes (XTTYPE_STRING with its limits)."""

    def parse(word: str, _: Family) -> str:
        size = len(word.encode("utf-8", "surrogateescape"))
        if size > longest:
            raise ValueError(f"text of {size} bytes, at most {longest} fit")
        if size < shortest:
            raise ValueError(f"text of {size} bytes, at least {shortest} are needed")
        return word

    return Operand("a text", parse)


_MAC = re.compile(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}", re.ASCII)


def parse_mac(word: str, _: Family = Family.IPV4) -> MacAddress:
    """Read an Ethernet address."""
    if not _MAC.fullmatch(word):
        raise ValueError(f"{word!r} is not a MAC address")
    value = 0
    for part in word.split(":"):
        value = value << 8 | int(part, 16)
    return MacAddress(value)


def format_mac(value: MacAddress) -> str:
    """Six upper-case octets, as iptables-save prints them."""
    return ":".join(f"{value.address >> shift & 255:02X}" for shift in range(40, -1, -8))


MAC: Final = Operand("a MAC address", parse_mac, format_mac)


def parse_interface(word: str, _: Family) -> str:
    """Read an interface name, or the start of one and ``+``."""
    if len(word.encode("utf-8", "surrogateescape")) > 15:
        raise ValueError(f"interface name {word[:20]!r} is longer than 15 bytes")
    if not word or any(c.isspace() for c in word):
        raise ValueError(f"{word!r} is not an interface name")
    return word


INTERFACE: Final = Operand("an interface", parse_interface)


def _parse_host(word: str, family: Family) -> Net | Hostname:
    try:
        address = parse_exact_address(word, family)
    except ValueError:
        if _NAME.fullmatch(word) and any(c.isalpha() for c in word) and ":" not in word:
            return Hostname(word)
        raise ValueError(f"{word!r} is not an IPv{int(family)} address") from None
    return Net(family, address, family.full_mask)


def _format_host(value: Net | Hostname) -> str:
    if isinstance(value, Hostname):
        return str(value)
    return format_address(value.family, value.address)


HOST: Final = Operand("an address or a host name", _parse_host, _format_host)
"""One address, as getaddrinfo reads it (XTTYPE_HOST); a name is kept as :class:`Hostname`."""


def log_prefix(longest: int) -> Operand:
    """The prefix of LOG, NFLOG and ULOG; what is longer than ``longest`` bytes is cut off."""

    def parse(word: str, family: Family) -> str:
        if not word:
            raise ValueError("the prefix is empty")
        if "\n" in word:
            raise ValueError("a prefix holds no line break")
        return str(cut_text(longest).parse(word, family))

    return Operand("a text", parse)


DSCP_CLASSES: Final[Mapping[str, int]] = {
    "be": 0,
    **{f"cs{n}": n << 3 for n in range(8)},
    **{f"af{n}{drop}": n << 3 | drop << 1 for n in range(1, 5) for drop in range(1, 4)},
    "ef": 0x2E,
}
"""DiffServ class names and their codepoints (RFC 2474, RFC 2597, RFC 3246), in lower case."""


def _parse_dscp_class(word: str, _: Family) -> int:
    try:
        return DSCP_CLASSES[word.lower()]
    except KeyError:
        raise ValueError(f"{word!r} is no DiffServ class") from None


def _format_dscp(value: int) -> str:
    return f"0x{value:02x}"


DSCP: Final = integer(0, 63, show=_format_dscp)
DSCP_CLASS: Final = Operand("a DiffServ class (EF, BE, CSn, AFnn)", _parse_dscp_class, _format_dscp)

TOS_NAMES: Final[Mapping[str, int]] = {
    "minimize-delay": 0x10,
    "maximize-throughput": 0x08,
    "maximize-reliability": 0x04,
    "minimize-cost": 0x02,
    "normal-service": 0x00,
}
"""Names of the TOS bits of RFC 1349, in lower case."""


def _parse_tos(word: str, _: Family) -> Masked:
    if word.lower() in TOS_NAMES:
        return Masked(TOS_NAMES[word.lower()], 0x3F)
    value, slash, mask = word.partition("/")
    return Masked(parse_integer(value, 0, UINT8), parse_integer(mask, 0, UINT8) if slash else UINT8)


def format_tos(value: Masked) -> str:
    """``0xVV/0xMM``, as iptables-save prints it."""
    return f"0x{value.value:02x}/0x{value.mask:02x}"


TOS: Final = Operand("VALUE, VALUE/MASK or the name of a type of service", _parse_tos, format_tos)
"""XTTYPE_TOSMASK: a number alone stands for all eight bits, a name for the lower six."""


def _parse_set_name(word: str, _: Family) -> str:
    size = len(word.encode("utf-8", "surrogateescape"))
    if not 0 < size <= 31:
        raise ValueError(f"the name of a set has 1 to 31 bytes, not {size}")
    return word


SET_NAME: Final = Operand("the name of an ipset", _parse_set_name)
SET_DIRECTIONS: Final = list_of(choice(("src", "dst")), most=6)
"""Which side of the packet each dimension of a set's entries is taken from (IPSET_DIM_MAX 6)."""


def abbreviated(names: Iterable[str]) -> Operand:
    """A list of names in any case, each of which may be cut short: the first that fits is meant.

    The conntrack and addrtype matches read their lists so (strncasecmp with the word's length).
    """
    known = tuple(names)

    def parse_one(word: str) -> str:
        for name in known:
            if word and name.lower().startswith(word.lower()):
                return name
        raise ValueError(f"{word!r} is none of {', '.join(known)}")

    def parse(text: str, _: Family) -> tuple[str, ...]:
        return tuple(parse_one(word) for word in text.split(","))

    return Operand("a list of " + ", ".join(known), parse, ",".join)


def tokens(item: Operand, *, separators: str = ",") -> Operand:
    """A list as strtok() takes it apart: empty items do not count. The value is a tuple."""
    split = re.compile(f"[{re.escape(separators)}]").split

    def parse(text: str, family: Family) -> tuple[Any, ...]:
        return tuple(item.parse(part, family) for part in split(text) if part)

    def show(values: Iterable[Any]) -> str:
        return separators[0].join(item.format(value) for value in values)

    return Operand(f"a list ({item.expected})", parse, show)


def cut_text(longest: int) -> Operand:
    """Any text; what is longer than ``longest`` bytes is cut off silently (XTOPT_PUT of a string).

    A character may be cut in two: what is left of it stands as surrogates, as undecodable bytes do.
    """

    def parse(word: str, _: Family) -> str:
        if len(word) <= longest // 4:
            return word
        octets = word.encode("utf-8", "surrogateescape")
        if len(octets) <= longest:
            return word
        return octets[:longest].decode("utf-8", "surrogateescape")

    return Operand("a text", parse)


def _parse_prefix_length(word: str, family: Family) -> int:
    length = Net(family, 0, parse_mask(word, family)).prefix_length
    if length is None:
        raise ValueError(f"{word} is no mask of leading ones")
    return length


PREFIX_LENGTH: Final = Operand("a prefix length or a mask", _parse_prefix_length)
"""A prefix length, or the mask that stands for it (XTTYPE_PLEN, XTTYPE_PLENMASK)."""


def _parse_host_net(word: str, family: Family) -> Net | Hostname:
    head, slash, suffix = word.partition("/")
    host = _parse_host(head, family)
    if not slash:
        return host
    mask = parse_mask(suffix, family)
    if isinstance(host, Hostname):
        return Hostname(head, suffix)
    return Net(family, host.address & mask, mask)


HOST_NET: Final = Operand("an address or a network", _parse_host_net)
"""``ADDRESS[/PREFIX|/MASK]``, as getaddrinfo reads the address (XTTYPE_HOSTMASK).

Host bits are cleared: iptables keeps them in its dump, but the kernel compares under the mask.
"""


def _parse_masked_host(word: str, family: Family) -> MaskedAddress | Hostname:
    head, slash, suffix = word.partition("/")
    host = _parse_host(head, family)
    mask = parse_mask(suffix, family) if slash else family.full_mask
    if isinstance(host, Hostname):
        return Hostname(head, suffix)
    return MaskedAddress(family, host.address, mask)


def _format_masked_host(value: MaskedAddress | Hostname) -> str:
    if isinstance(value, Hostname):
        return str(value)
    address = format_address(value.family, value.address)
    if value.mask == value.family.full_mask:
        return address
    return f"{address}/{str(Net(value.family, 0, value.mask)).partition('/')[2]}"


MASKED_HOST: Final = Operand("an address or a network", _parse_masked_host, _format_masked_host)
"""Like HOST_NET, with the host bits kept, for a dump that is to come back unchanged."""
