# SPDX-License-Identifier: GPL-2.0-only
"""What the options of ``ctlint replay`` say."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final, NamedTuple

import click

from ctlint.analysis.capture.story import Ends
from ctlint.report.escape import visible
from ctlint.wire.addresses import Family

_MOST_LOCAL: Final = 256


class Own(NamedTuple):
    """An address of the box; ``interface`` is None where it is the one where packets come in."""

    interface: str | None
    family: Family
    address: int
    prefix_length: int


def boxs_addresses(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> tuple[Own, ...]:
    """Callback: the box's addresses, each with its prefix length and interface."""
    found = []
    for value in values[:_MOST_LOCAL]:
        address, sign, interface = value.partition("@")
        try:
            own = ipaddress.ip_interface(address)
        except ValueError:
            said = f"{value!r} is not ADDRESS[/LENGTH][@INTERFACE]"
            raise click.BadParameter(visible(said), ctx, param) from None
        if sign and not interface:
            raise click.BadParameter(visible(f"{value!r} names no interface"), ctx, param)
        prefix = own.network.prefixlen
        found.append(Own(interface or None, Family(own.version), int(own.ip), prefix))
    return tuple(found)


def interface_names(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """Callback: names of interfaces by what the capture calls them."""
    found = {}
    for value in values:
        number, sign, name = value.partition("=")
        if not (number and sign and name):
            raise click.BadParameter(visible(f"{value!r} is not NUMBER=NAME"), ctx, param)
        found[number] = name
    return found


def connection_ends(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[Family, Ends] | None:
    """Callback: the two ends of a connection."""
    if value is None:
        return None
    one, sign, other = value.partition("-")
    try:
        if not sign:
            raise ValueError
        family, first = _end(one.strip())
        its_family, second = _end(other.strip())
        if family is not its_family:
            raise ValueError
    except ValueError:
        said = f"{value!r} is not ADDRESS:PORT-ADDRESS:PORT"
        raise click.BadParameter(visible(said), ctx, param) from None
    return family, Ends(first, second)


def _end(text: str) -> tuple[Family, tuple[int, int | None]]:
    """An address with its port, if it has one. Raises ValueError."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        if port and not port.startswith(":"):
            raise ValueError(text)
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and int(port[:6]) < 1 << 16):
        raise ValueError(text)
    address = ipaddress.ip_address(host)
    return Family(address.version), (int(address), int(port) if port else None)
