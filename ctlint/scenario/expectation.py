# SPDX-License-Identifier: GPL-2.0-only
"""What is expected of a packet's answer, as values: docs/scenario.md gives the meaning of each.

An expectation is a list of claims, each of which is met or not by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from ctlint.wire.addresses import with_port

CTSTATES: Final = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
"""What conntrack may call a packet."""

ENTRY_STATES: Final = (
    *("SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT"),
    *("LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"),
)
"""The states of an entry of TCP."""


class Seen(NamedTuple):
    """Addresses and ports of a packet; a port that is None may be any."""

    saddr: str
    sport: int | None
    daddr: str
    dport: int | None

    def __str__(self) -> str:
        return f"{with_port(self.saddr, self.sport)} > {with_port(self.daddr, self.dport)}"


class Ctstate(NamedTuple):
    """Conntrack calls the packet so at its main hook; None: conntrack does not see it."""

    ctstate: str | None

    def __str__(self) -> str:
        return self.ctstate or "no ctstate"


class Delivered(NamedTuple):
    """The packet comes through, or does not."""

    delivered: bool

    def __str__(self) -> str:
        return "delivered" if self.delivered else "not delivered"


class Rejected(NamedTuple):
    """The box answers a packet that does not come through, or does not."""

    rejected: bool

    def __str__(self) -> str:
        return "rejected" if self.rejected else "not rejected"


class By(NamedTuple):
    """The rule or policy that ends the packet's way."""

    rule: str

    def __str__(self) -> str:
        return f"by {self.rule}"


class As(NamedTuple):
    """The packet comes through with these addresses and ports."""

    seen: Seen

    def __str__(self) -> str:
        return f"as {self.seen}"


class Matched(NamedTuple):
    """The rule, policy or return is among those that matched."""

    rule: str

    def __str__(self) -> str:
        return f"rule {self.rule}"


class Rules(NamedTuple):
    """These are all that matched, in order."""

    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"rules {', '.join(self.rules) or 'none'}"


class NoEntry(NamedTuple):
    """The packet has no entry."""

    def __str__(self) -> str:
        return "no entry"


class HasEntry(NamedTuple):
    """The packet has an entry, in this state of TCP; None: in any."""

    state: str | None = None

    def __str__(self) -> str:
        return "entry" if self.state is None else f"entry {self.state}"


Claim: TypeAlias = Ctstate | Delivered | Rejected | By | As | Matched | Rules | NoEntry | HasEntry


_ORDER: Final = (Ctstate, Delivered, Rejected, By, As, Matched, Rules, NoEntry, HasEntry)


def in_order(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """The claims in the order in which docs/scenario.md lists them."""
    return tuple(sorted(claims, key=lambda claim: _ORDER.index(type(claim))))


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of the answer to one packet, by its index among packets and operations.

    `claims` are in the order of :func:`in_order`.
    """

    packet: int
    claims: tuple[Claim, ...]
