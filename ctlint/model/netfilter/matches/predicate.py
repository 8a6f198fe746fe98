# SPDX-License-Identifier: GPL-2.0-only
"""What a condition of a rule is: a predicate over a transit, and what it reads.

Because a predicate says which parts of the transit it reads, everything that a question fixes
(protocol, flags, ctstate) can be decided once for all packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from ctlint.ir.rule import Match, Option
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit

TRUE: Final = Tern.TRUE
FALSE: Final = Tern.FALSE
UNKNOWN: Final = Tern.UNKNOWN

Test = Callable[[Transit], Tern]


class Predicate(NamedTuple):
    """One condition.

    ``exact`` names the field and the one value without which the condition is false: an index
    can skip the rule for every other value. ``why`` says what is missing where the condition
    cannot always be decided. ``remembers``: asking it changes what it answers next (``limit``,
    ``recent``), so it is asked exactly where the kernel asks, behind what stands before it.
    """

    test: Test
    reads: frozenset[Field]
    exact: tuple[Field, object] | None = None
    why: str | None = None
    remembers: bool = False


Row = Callable[[Match, Facts], Iterator[Predicate]]
"""From a match to its conditions, all of which must hold."""

Rows = Mapping[str, Row]


def undecided(why: str, reads: frozenset[Field] = frozenset()) -> Predicate:
    """A condition that is not decided."""
    return Predicate(_always_unknown, reads, None, why)


def _always_unknown(_: Transit) -> Tern:
    return UNKNOWN


def _always(_: Transit) -> Tern:
    return TRUE


def _never(_: Transit) -> Tern:
    return FALSE


def constant(truth: bool, /) -> Predicate:
    """A condition that is the same for every packet."""
    return Predicate(_always if truth else _never, frozenset())


def of_option(
    option: Option,
    test: Callable[[Transit], bool | None],
    *reads: Field,
    exact: tuple[Field, object] | None = None,
    why: str | None = None,
    remembers: bool = False,
) -> Predicate:
    """A predicate from a test that says None where it cannot tell; negation as the option says."""
    negated = option.negated

    def run(transit: Transit) -> Tern:
        truth = test(transit)
        if truth is None:
            return UNKNOWN
        return TRUE if truth is not negated else FALSE

    # Many are made: this is the same as a call of Predicate, without its steps.
    parts = run, _fields(*reads), None if negated else exact, why, remembers
    return tuple.__new__(Predicate, parts)


@cache
def _fields(*reads: Field) -> frozenset[Field]:
    """One set for all that read the same."""
    return frozenset(reads)


@cache
def needs_protocol(protocol: int) -> Predicate:
    """The condition that every match of one protocol implies."""
    return Predicate(
        lambda t: TRUE if t.packet.protocol == protocol else FALSE, frozenset({Field.PROTOCOL})
    )
