# SPDX-License-Identifier: GPL-2.0-only
"""Which port a connection goes out from.

Source: net/ipv4/inet_hashtables.c, __inet_hash_connect; net/ipv4/inet_connection_sock.c,
inet_csk_find_open_port; Linux 3.10 and 6.12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ctlint.model.endpoint.happening import Errno, SocketError
from ctlint.model.kernel.features import Feature

if TYPE_CHECKING:
    from ctlint.model.endpoint.tcp_host import TcpHost

_TABLE_SIZE: Final = 1 << 16
"""Of table_perturb; 2**8 until 5.17, which only makes steps for one peer felt by others."""

_NOISE: Final = 7
"""A port is up to so many pairs further than the next."""


class Ports:
    """The ports of one host: where the next search begins, and who has bound one."""

    __slots__ = ("_has_parity", "_hint", "_host", "_perturb", "bound", "used")

    def __init__(self, host: TcpHost) -> None:
        self._host = host
        self._has_parity = Feature.EVEN_PORTS_FIRST in host.kernel
        self._hint = 0
        self._perturb: dict[int, int] = {}
        self.bound: dict[int, int] = {}
        """How many sockets have bound each port, or listen on it."""
        self.used: dict[int, int] = {}
        """How many sockets there are on each port."""

    def bind(self, port: int) -> None:
        """A socket binds a port, or listens on it."""
        self.bound[port] = self.bound.get(port, 0) + 1

    def unbind(self, port: int) -> None:
        """A socket that had bound a port is gone."""
        left = self.bound[port] - 1
        if left:
            self.bound[port] = left
        else:
            del self.bound[port]

    def use(self, port: int) -> None:
        """A socket comes to be on a port."""
        used = self.used
        used[port] = used.get(port, 0) + 1

    def leave(self, port: int) -> None:
        """A socket on a port is gone."""
        used = self.used
        left = used[port] - 1
        if left:
            used[port] = left
        else:
            del used[port]

    def for_connect(
        self, laddr: int, raddr: int, rport: int, is_free: Callable[[int], bool]
    ) -> int:
        """Port of __inet_hash_connect. Raises SocketError where no port is free."""
        host = self._host
        low, high = host.settings.local_ports
        offset = host.numbers.port_offset(laddr, raddr, rport)
        remaining = high + 1 - low
        if not self._has_parity:
            return self._one_by_one(low, remaining, offset, is_free)
        if remaining > 1:
            remaining &= ~1
        index = offset & _TABLE_SIZE - 1
        start = (self._perturb.get(index, 0) + offset) % remaining & ~1
        for parity in (0, 1) if remaining > 1 else (0,):
            for step in range(0, remaining, 2):
                port = low + (start + parity + step) % remaining
                if port not in self.bound and is_free(port):
                    further = max(step, host.draw(0, _NOISE) * 2)
                    self._perturb[index] = self._perturb.get(index, 0) + further + 2
                    return port
        raise SocketError(Errno.EADDRNOTAVAIL)

    def _one_by_one(
        self, low: int, remaining: int, offset: int, is_free: Callable[[int], bool]
    ) -> int:
        """As it was until 4.1: one port after the other, for all peers."""
        for step in range(1, remaining + 1):
            port = low + (self._hint + step + offset) % remaining
            if port not in self.bound and is_free(port):
                self._hint += step
                return port
        raise SocketError(Errno.EADDRNOTAVAIL)

    def for_bind(self) -> int:
        """Port of inet_csk_find_open_port: a random port that nobody is on. Raises SocketError."""
        host = self._host
        low, high = host.settings.local_ports
        remaining = high + 1 - low
        is_odd = Feature.BIND_TAKES_ODD_PORTS in host.kernel and remaining > 1
        if is_odd:
            remaining &= ~1
        start = host.draw(0, remaining - 1)
        if is_odd:
            start |= 1
        for parity in (0, 1) if is_odd else (0,):
            for step in range(0, remaining, 2 if is_odd else 1):
                port = low + (start + step - parity) % remaining
                if port not in self.used and port not in self.bound:
                    return port
        raise SocketError(Errno.EADDRINUSE)
