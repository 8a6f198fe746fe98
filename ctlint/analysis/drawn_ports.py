# SPDX-License-Identifier: GPL-2.0-only
"""Plays scenarios in which NAT draws ports by lot: what is the same whatever is drawn.

Ports that no rule tells apart fare alike, so one of each range of such ports is drawn in turn.
Source: nf_nat_l4proto_unique_tuple() in net/netfilter/nf_nat_core.c, Linux 6.18, which begins at a
random port of the range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from ctlint.analysis.stage import as_scenario
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.nat import Draw
from ctlint.scenario.answer import OpAnswer, PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import ScenarioError

MAX_DRAWN: Final = 32
"""Ports that are tried; where rules tell more apart, nothing is said of what hangs on them."""


class Known(NamedTuple):
    """What the model answers to a packet, and what of that a kernel must answer too. ``is_by_lot``:
    what becomes of the packet hangs on a port that the kernel draws, or may.
    """

    answer: PacketAnswer
    expected: Mapping[str, Any]
    is_by_lot: bool = False


class Draws:
    """Draws ports as another does, and keeps them, with the ranges from which they were drawn."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.ranges: set[tuple[int, int]] = set()
        self.ports: set[int] = set()

    def __call__(self, low: int, high: int) -> int:
        port = self._draw(low, high)
        self.ranges.add((low, high))
        self.ports.add(port)
        return port

    def undrawn(
        self, src: object, sport: int | None, dst: object, dport: int | None
    ) -> tuple[object, ...]:
        """Addresses and ports of a packet, with None for a port that was drawn."""
        one, other = (None if port in self.ports else port for port in (sport, dport))
        return src, one, dst, other


def _drawing(port: int) -> Draws:
    """Draws one port wherever it may be drawn, else the lowest."""
    return Draws(lambda low, high: port if low <= port <= high else low)


class _Course(NamedTuple):
    """What is known of packets, up to one that goes to where none is simulated."""

    known: Sequence[Known]
    error: ScenarioError | None


def play_with_nat(
    chains: ChainStore, kernel: KernelProfile, scenario: Mapping[str, Any]
) -> Iterator[Known]:
    """Plays a scenario that has no operations. A port that the kernel draws by lot may be any.
    Raises ScenarioError where a packet goes to where none is simulated.
    """
    draw = _drawing(0)
    known, error = _played(chains, kernel, scenario, draw)
    ports = _told_apart(chains, draw.ranges)
    if len(ports) > MAX_DRAWN:
        known = [_of_any_port(one) for one in known]
    else:
        for port in ports:
            others, _ = _played(chains, kernel, scenario, _drawing(port))
            both = zip_longest(known, others[: len(known)])
            known = [_of_both(one, other) for one, other in both]
    yield from known
    if error is not None:
        raise error


def _played(
    chains: ChainStore, kernel: KernelProfile, scenario: Mapping[str, Any], draw: Draws
) -> _Course:
    read = as_scenario(scenario)
    player = Player(read, kernel, draw, chains={chains.ruleset.family: chains})
    known: list[Known] = []
    for step in read.steps:
        try:
            answer = player.step(step)
        except ScenarioError as error:
            return _Course(known, error)
        assert not isinstance(answer, OpAnswer)
        expected: dict[str, Any] = {"ctstate": answer.ctstate, "delivered": answer.delivered}
        for one in answer.out:
            if one.is_same:
                expected["as"] = [*draw.undrawn(one.src, one.sport, one.dst, one.dport)]
        # Which rules match may hang on a port that was drawn.
        if all(one.is_same for one in answer.out) and not answer.undecided and not draw.ports:
            expected["rules"] = list(answer.rules or ())
        known.append(Known(answer, expected))
    return _Course(known, None)


def _told_apart(chains: ChainStore, drawn: Iterable[tuple[int, int]]) -> Sequence[int]:
    """The first port of each range of ports that rules tell from those below, but for the lowest of
    all that may be drawn.
    """
    found: set[int] = set()
    for low, high in drawn:
        starts = {start for one in chains.ranges for start in (one.low, one.high + 1)}
        found.update(start for start in starts if low < start <= high)
    return sorted(found)


def _of_both(one: Known, other: Known | None) -> Known:
    """What is known of a packet whichever of two ports is drawn."""
    if other is None:
        return _of_any_port(one)
    expected = {
        key: value
        for key, value in one.expected.items()
        if key in other.expected and other.expected[key] == value
    }
    is_by_lot = one.is_by_lot or expected.keys() != one.expected.keys()
    return Known(one.answer, expected, is_by_lot)


def _of_any_port(one: Known) -> Known:
    """Whether there is an entry is found out before a rule is asked."""
    return Known(one.answer, {"ctstate": one.expected["ctstate"]}, is_by_lot=True)
