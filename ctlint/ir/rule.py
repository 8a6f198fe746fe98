# SPDX-License-Identifier: GPL-2.0-only
"""One rule: what it asks of a packet, and what it does with it.

The terms are iptables' own, but nothing here depends on its text: another front end (nft) fills
the same nodes. Matches and targets are shared between rules that say the same, so they hold no
place; :mod:`ctlint.parse.places` finds the place of an option from the rule's text.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Option(NamedTuple):
    """One condition or parameter. ``value`` is typed by the extension's table row: None for an
    option without operand, a tuple for one with several operands.
    """

    name: str
    value: Any = None
    negated: bool = False


class Match(NamedTuple):
    """The conditions of one match extension, all of which must hold.

    The conditions of the rule's head (``-p -s -d -i -o -f``) are the match ``ip`` or ``ip6``.
    ``implicit`` is true where the text did not name the match (``-p tcp --dport 22``).
    """

    name: str
    options: tuple[Option, ...] = ()
    implicit: bool = False

    def get(self, name: str) -> Option | None:
        """The first option of that name, or None."""
        for option in self.options:
            if option.name == name:
                return option
        return None


class UnknownMatch(NamedTuple):
    """A match extension that no table row describes, as it stands in the text."""

    name: str
    words: tuple[str, ...] = ()


class Target(NamedTuple):
    """A verdict (``ACCEPT``, ``DROP``, ``RETURN``, ``QUEUE``) or a target extension."""

    name: str
    options: tuple[Option, ...] = ()

    def get(self, name: str) -> Option | None:
        """The first option of that name, or None."""
        for option in self.options:
            if option.name == name:
                return option
        return None


class Jump(NamedTuple):
    """``-j CHAIN``: go on in a user chain, and come back at its end."""

    chain: str


class Goto(NamedTuple):
    """``-g CHAIN``: go on in a user chain; its end is the end of this one."""

    chain: str


class UnknownTarget(NamedTuple):
    """A target that is neither a chain of the table nor described by a table row."""

    name: str
    words: tuple[str, ...] = ()


class Counters(NamedTuple):
    """Packets and bytes that a rule or policy has seen."""

    packets: int
    bytes: int


AnyMatch = Match | UnknownMatch
AnyTarget = Target | Jump | Goto | UnknownTarget


class Rule(NamedTuple):
    """A rule. ``target`` is None where the rule only counts; ``line`` counts from 1.

    ``text`` is the logical line of the input (a quoted comment may hold a newline). A line whose
    ``-s`` or ``-d`` lists several addresses makes several rules with the same line and text.
    """

    chain: str
    matches: tuple[AnyMatch, ...]
    target: AnyTarget | None
    line: int
    text: str
    counters: Counters | None = None
