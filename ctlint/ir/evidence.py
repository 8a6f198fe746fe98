# SPDX-License-Identifier: GPL-2.0-only
"""What a host's programs say of its sockets, its conntrack entries, its counters and its log.

Names are the kernel's: states as in include/net/tcp_states.h and nf_conntrack_tcp.h, counters as in
net/ipv4/proc.c. Addresses of IPv4 that are written as ``::ffff:10.0.0.1`` are IPv4 here, for the
packets of such a socket are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ctlint.ir.span import Span
from ctlint.wire.addresses import Family, Net
from ctlint.wire.moments import Micros
from ctlint.wire.tcp_flags import TcpFlags


class SocketEnd(NamedTuple):
    """One end of a socket. None: any address, any port; the family of ``*`` is not told. ``zone``
    is the device that the socket is bound to, or the zone of an address.
    """

    family: Family | None
    address: int | None
    port: int | None
    zone: str = ""


class SocketTimer(NamedTuple):
    """The timer that a socket waits for: it goes off after ``least`` at least and before ``most``,
    for ss leaves out milliseconds and seconds of longer spans. ``counted`` is how many
    retransmissions (``on``) or probes (``persist``, ``keepalive``) there were.
    """

    kind: str
    least: Micros
    most: Micros
    counted: int


class Process(NamedTuple):
    """A program that has the socket open."""

    name: str
    pid: int


class SocketLine(NamedTuple):
    """A TCP socket as ss shows it. ``words`` is all that stands behind the addresses, and what
    ``ss -i`` says in the next line, as it stands there.
    """

    state: str
    recv_q: int
    send_q: int
    local: SocketEnd
    peer: SocketEnd
    timer: SocketTimer | None
    processes: tuple[Process, ...]
    words: str
    span: Span

    @property
    def key(self) -> tuple[object, ...]:
        """What tells the socket from others."""
        return self.local[:3] + self.peer[:3]

    def word(self, name: str) -> str | None:
        """What stands behind ``name:``, such as the milliseconds of ``rto``; None where it does
        not stand there.
        """
        for word in self.words.split():
            if word.startswith(name) and word[len(name) : len(name) + 1] == ":":
                return word[len(name) + 1 :]
        return None

    def number(self, name: str) -> int | None:
        """The same as a whole number; None where it is none."""
        word = self.word(name)
        is_number = word is not None and word.isascii() and word.isdigit() and len(word) <= 18
        return int(word) if word is not None and is_number else None


@dataclass(frozen=True, slots=True)
class SocketTable:
    """What one run of ss shows. ``has_owners``: it says which sockets no program owns (``-e``);
    ``has_timers``: it was asked for timers (``-o``).
    """

    file: str
    sockets: tuple[SocketLine, ...]
    has_owners: bool
    has_timers: bool


class EntryTuple(NamedTuple):
    """One direction of an entry; ports are None where the protocol has none."""

    saddr: int
    daddr: int
    sport: int | None
    dport: int | None


class EntryLine(NamedTuple):
    """One conntrack entry. ``state`` is empty for protocols without; ``seconds`` is the time that
    it still lives, None where the kernel does not say. ``flags`` are the words in brackets
    (UNREPLIED, ASSURED, OFFLOAD), ``words`` what else is said of it.
    """

    family: Family
    protocol: int
    seconds: int | None
    state: str
    original: EntryTuple
    reply: EntryTuple
    flags: frozenset[str]
    words: str
    line: int


@dataclass(frozen=True, slots=True)
class EntryTable:
    """The entries of a host, and the families that the text is about."""

    files: tuple[str, ...]
    entries: tuple[EntryLine, ...]
    families: frozenset[Family]


@dataclass(frozen=True, slots=True)
class CounterTable:
    """The counters of the network stack by name (``TcpExtListenOverflows``)."""

    file: str
    values: Mapping[str, int]


class Route(NamedTuple):
    """A route of the main table; ``interface`` is None where it has several ways."""

    target: Net
    interface: str | None


class LoggedPacket(NamedTuple):
    """A TCP packet that the kernel logged. ``prefix`` is what stands before it: the prefix of a LOG
    rule, or conntrack's own words of an invalid packet (``by_conntrack``). ``moment`` is the time
    since the machine started, None where the line does not say.
    """

    prefix: str
    by_conntrack: bool
    family: Family
    saddr: int
    daddr: int
    sport: int
    dport: int
    flags: TcpFlags
    moment: Micros | None
    line: int


class LoggedEvent(NamedTuple):
    """A message of the network stack: ``table full``, ``SYN flooding`` (of a port, None where it
    does not say), with its text.
    """

    kind: str
    port: int | None
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class KernelLog:
    """What the kernel logged and is read here; ``left_out`` counts packets beyond the most that
    are kept: the oldest go.
    """

    file: str
    packets: tuple[LoggedPacket, ...]
    events: tuple[LoggedEvent, ...]
    left_out: int
