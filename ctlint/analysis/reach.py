# SPDX-License-Identifier: GPL-2.0-only
"""Which packets may come to which rules of a table, and the rules that none of theirs comes to.

A rule is shadowed where every packet that it could match is for certain taken by rules before it.
What is not decided counts for the packet: it may come, and no rule takes it for certain. Tables are
looked at one by one, as if any packet came to each: a rule of raw shadows none of filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Final, NamedTuple

from ctlint.analysis.rule_packets import Matched, RulePackets
from ctlint.headerspace import Work
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule import Goto, Jump
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import BUILTIN_CHAINS, Chain, Ruleset, Table
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.targets import Action, action

MAX_RULES: Final = 3_000
"""Rules of a table; larger ones are not looked at."""
MAX_WORK: Final = Work(nodes=60_000_000, pairs=8_000)
"""What may be done for one table: some tenths of a second. Boxes do for some ten rules."""
_MAX_TRIED: Final = 100
"""Rules among which the fewest are looked for."""

_ENDING: Final = frozenset({Action.ACCEPT, Action.DROP, Action.REJECT, Action.TRANSLATE})


class Shadowed:
    """A rule that no packet it could match comes to."""

    def __init__(self, ref: RuleRef, reach: TableReach) -> None:
        self.ref = ref
        self._reach = reach

    @cached_property
    def takers(self) -> tuple[RuleRef, ...]:
        """As few rules before it as were found that take all its packets; none where that is too
        much to find out.
        """
        try:
            return tuple(self._reach.takers(self.ref))
        except TooLargeError:
            return ()


class Shadows(NamedTuple):
    """The shadowed rules of a table; ``why_open`` says why it was not looked at, or is empty."""

    rules: tuple[Shadowed, ...]
    why_open: str = ""


def shadows(ruleset: Ruleset, table: Table) -> Shadows:
    """The shadowed rules of a table."""
    changing = next(_changing_addresses(table), None)
    if changing is not None:
        return Shadows((), f"not looked for shadowed rules: {changing} changes addresses in it")
    try:
        reach = TableReach(ruleset, table)
        return Shadows(tuple(Shadowed(ref, reach) for ref in reach.shadowed()))
    except TooLargeError:
        return Shadows((), "not looked for shadowed rules: too large")


@dataclass(slots=True)
class _ChainReach:
    """One chain: what its rules match, which packets may come to each from its start and which it
    takes for certain; those that may come back from it. ``calls`` are the packets for which it is
    called, ``enters`` those that may come so far; ``callers`` the rules that call it.
    """

    chain: Chain
    enters: PacketSet
    calls: PacketSet
    back: PacketSet
    matched: list[Matched] = field(default_factory=list)
    before: list[PacketSet] = field(default_factory=list)
    taken: list[PacketSet] = field(default_factory=list)
    callers: list[tuple[str, int]] = field(default_factory=list)


class TableReach:
    """The reach of all rules of a table. Raises TooLargeError."""

    def __init__(self, ruleset: Ruleset, table: Table, most: Work = MAX_WORK) -> None:
        if table.rule_count > MAX_RULES:
            raise TooLargeError
        self._table = table
        self._packets = RulePackets(table, ruleset.family, most)
        self._reach: dict[str, _ChainReach] = {}
        order = _callees_first(table)
        for name in order:
            self._reach[name] = self._from_start(table.chains[name])
        for name in reversed(order):
            self._hand_on(name)

    def shadowed(self) -> Iterator[RuleRef]:
        """The shadowed rules in their order."""
        for name in self._table.chains:
            reach = self._reach[name]
            if reach.enters.is_empty():
                # Nobody calls it, or the calls themselves are shadowed.
                continue
            for at, (matched, before) in enumerate(zip(reach.matched, reach.before, strict=True)):
                own = matched.possible & reach.calls
                if own.is_empty() or not (own & before & reach.enters).is_empty():
                    continue
                yield self._ref(name, at)

    def _from_start(self, chain: Chain) -> _ChainReach:
        nothing: PacketSet = self._packets.space.nothing
        start = nothing
        if chain.is_base and chain.name in BUILTIN_CHAINS.get(self._table.name, ()):
            start = self._packets.at(Hook(chain.name))
        reach = _ChainReach(chain, start, start, nothing)
        flow: PacketSet = self._packets.space.everything
        for rule in chain.rules:
            matched = self._packets.matched(rule)
            does = action(rule.target)
            called = self._called(chain, len(reach.matched))
            taken = matched.certain if does in _ENDING else nothing
            if does is Action.RETURN:
                taken = matched.certain
                reach.back = reach.back | flow & matched.possible
            elif called is not None and does is Action.JUMP:
                taken = matched.certain - called.back
            elif called is not None and does is Action.GOTO:
                taken = matched.certain
                reach.back = reach.back | flow & matched.possible & called.back
            reach.matched.append(matched)
            reach.before.append(flow)
            reach.taken.append(taken)
            if taken is not nothing:
                flow = flow - taken
        reach.back = reach.back | flow
        return reach

    def _called(self, chain: Chain, at: int) -> _ChainReach | None:
        """The chain that a rule calls; None where it calls none that is known."""
        target = chain.rules[at].target
        return self._reach.get(target.chain) if isinstance(target, Jump | Goto) else None

    def _hand_on(self, name: str) -> None:
        """Tell the chains that a chain calls what may come to them."""
        reach = self._reach[name]
        for at, (matched, before) in enumerate(zip(reach.matched, reach.before, strict=True)):
            called = self._called(reach.chain, at)
            if called is not None:
                called.enters = called.enters | reach.enters & before & matched.possible
                called.calls = called.calls | reach.calls & matched.possible
                called.callers.append((name, at))

    def _ref(self, name: str, at: int) -> RuleRef:
        return RuleRef(self._table.name, name, at + 1, self._reach[name].chain.rules[at])

    # Who shadows

    def takers(self, ref: RuleRef) -> list[RuleRef]:
        """As few rules as take all packets on their way to a shadowed rule: of its chain, and of
        those that call it.
        """
        reach, at = self._reach[ref.chain], ref.position - 1
        found: dict[RuleRef, None] = {}
        waiting = [(ref.chain, at, reach.matched[at].possible & reach.calls)]
        while waiting:
            name, at, packets = waiting.pop()
            reach = self._reach[name]
            coming = packets
            if not (packets & reach.before[at]).is_empty():
                # Not the chain alone: some do not come into it.
                coming = packets & reach.enters
                for caller, place in reach.callers:
                    matched = self._reach[caller].matched[place].possible
                    some = (packets - coming) & matched
                    if not some.is_empty():
                        waiting.append((caller, place, some))
            found |= dict.fromkeys(self._fewest(name, coming, range(at)))
        return sorted(found, key=lambda each: (each.rule.line, each.chain, each.position))

    def _fewest(self, name: str, packets: PacketSet, places: Sequence[int]) -> Iterator[RuleRef]:
        """As few rules of a chain as take all these packets; of chains that they call, the rules
        that do it there.
        """
        reach = self._reach[name]
        for at in _fewest(packets, [(at, reach.taken[at]) for at in places]):
            called = self._called(reach.chain, at)
            if called is None:
                yield self._ref(name, at)
                continue
            inner = called.chain
            ending = [n for n in range(len(inner.rules)) if _ends(inner, n)]
            target = packets & reach.taken[at]
            found = list(self._fewest(inner.name, target, ending))
            # A goto takes packets out of its chain though they come back from the other.
            yield from found or [self._ref(name, at)]


def _fewest(packets: PacketSet, sets: Sequence[tuple[int, PacketSet]]) -> list[int]:
    """Numbers of as few sets as hold all these packets; the first of those that do alone."""
    useful: list[tuple[int, PacketSet]] = []
    left = packets
    for number, each in sets:
        some = packets & each
        if some.is_empty():
            continue
        if (packets - some).is_empty():
            return [number]
        useful.append((number, some))
        if len(useful) > _MAX_TRIED and left.is_empty():
            break
        left = left - some
    if len(useful) > _MAX_TRIED:
        return [number for number, _ in useful]
    kept = useful
    for one in sorted(useful, reverse=True):
        left = packets
        for other in kept:
            if other is not one:
                left = left - other[1]
        if left.is_empty():
            kept = [other for other in kept if other is not one]
    return [number for number, _ in kept]


def _ends(chain: Chain, at: int) -> bool:
    return action(chain.rules[at].target) is not Action.RETURN


def _changing_addresses(table: Table) -> Iterator[str]:
    """Targets after which rules see another address."""
    for chain in table.chains.values():
        for rule in chain.rules:
            if action(rule.target) is Action.READDRESS:
                yield getattr(rule.target, "name", "")


def _callees_first(table: Table) -> list[str]:
    """The chains, each behind those that it calls."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, chain in table.chains.items():
        called = {rule.target.chain for rule in chain.rules if isinstance(rule.target, Jump | Goto)}
        sorter.add(name, *(each for each in called if each in table.chains))
    # The parser refuses chains that call each other in a circle.
    return list(sorter.static_order())
