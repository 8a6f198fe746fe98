# SPDX-License-Identifier: GPL-2.0-only
"""A host of a world: its TCP, its link, and the sockets of its programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlint.model.world.line import Half, Key, Manner
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros

if TYPE_CHECKING:
    from ctlint.model.endpoint.listener import Listener
    from ctlint.model.endpoint.socket import Socket
    from ctlint.model.endpoint.tcp_host import TcpHost
    from ctlint.model.world.link import Link


class Service:
    """A listening socket and its program. ``accepts``: whether the program ever accepts."""

    __slots__ = ("accepts", "listener", "manner", "port")

    def __init__(self, port: int, listener: Listener, manner: Manner, *, accepts: bool) -> None:
        self.port = port
        self.listener = listener
        self.manner = manner
        self.accepts = accepts


class Peer:
    """``entrance`` is the box's interface behind which the host stands, None where it is the box.
    ``halves`` are the ends of lines by their tuple, ``by_socket`` those that have a socket.
    ``wakes_at`` is the earliest moment for which it has been promised to look at its timers.
    """

    __slots__ = (
        "address",
        "by_socket",
        "entrance",
        "family",
        "halves",
        "link",
        "name",
        "services",
        "tcp",
        "wakes_at",
    )

    def __init__(
        self, name: str, family: Family, address: int, link: Link, entrance: str | None
    ) -> None:
        self.name = name
        self.family = family
        self.address = address
        self.link = link
        self.entrance = entrance
        self.tcp: TcpHost
        self.halves: dict[Key, Half] = {}
        self.by_socket: dict[Socket, Half] = {}
        self.services: dict[int, Service] = {}
        self.wakes_at: Micros | None = None
