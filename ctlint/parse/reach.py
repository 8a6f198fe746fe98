# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel looks at when it loads a table as a whole: which base chains reach which rules.

It follows the calls from each base chain, and refuses chains that call each other in a circle, and
extensions in rules that a base chain reaches at whose hook they may not stand. What no base chain
reaches is not looked at: neither chains that nobody calls, nor rules behind one that ends its chain
for every packet.

Source: mark_source_chains() in net/ipv4/netfilter/ip_tables.c, xt_check_match() and
xt_check_target() in net/netfilter/x_tables.c, Linux 6.18. nf_tables follows the calls behind such
a rule as well, and takes no more than 16 chains within each other; what ip_tables loads is no
fault here. It asks ``checkentry`` of rules in user chains without a hook, where ip_tables names all
hooks: what depends on it is looked at in base chains only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from ctlint.ir.rule import Goto, Jump, Match, Rule, Target
from ctlint.ir.span import Span
from ctlint.parse.errors import MAX_PROBLEMS, Problem
from ctlint.parse.extension import Extension, Kind
from ctlint.parse.options import VERDICTS
from ctlint.parse.places import word_span

_MOST_NAMED: Final = 6
"""Chains of one way that a message names."""

# An interface is a condition for the kernel even as `+`, which holds for every packet.
_INTERFACE: Final = re.compile(r"\s-(?:[io]|-in|-out)")

_JUMP: Final = ("-j", "--jump", "-g", "--goto")
_MATCH: Final = ("-m", "--match")


class Limits:
    """The extensions of a table that may not stand at every hook, by their names in rules."""

    __slots__ = ("has_hook_checks", "matches", "targets")

    def __init__(self) -> None:
        self.matches: dict[str, Extension] = {}
        self.targets: dict[str, Extension] = {}
        self.has_hook_checks = False

    def add(self, extension: Extension) -> None:
        """Note an extension that a rule of the table uses."""
        if extension.base_chains or extension.hook_check is not None:
            kept = self.matches if extension.kind is Kind.MATCH else self.targets
            kept[extension.saved_as or extension.name] = extension
            self.has_hook_checks |= extension.hook_check is not None

    def limited_parts(self, rule: Rule) -> Iterator[tuple[Extension, Match | Target]]:
        """The parts of a rule that may not stand at every hook."""
        for match in rule.matches:
            if isinstance(match, Match) and match.name in self.matches:
                yield self.matches[match.name], match
        if isinstance(rule.target, Target) and rule.target.name in self.targets:
            yield self.targets[rule.target.name], rule.target


def find_faults(
    file: str, base_chains: Sequence[str], rules: Mapping[str, Sequence[Rule]], limits: Limits
) -> Iterator[Problem]:
    """Circles of chains, and extensions where they do not load. Takes time in proportion to the
    rules, however chains call each other.
    """
    has_limits = limits.matches or limits.targets
    if has_limits or len(rules) > len(base_chains):
        yield from islice(_faults(file, base_chains, rules, limits), MAX_PROBLEMS)


def _faults(
    file: str, base_chains: Sequence[str], rules: Mapping[str, Sequence[Rule]], limits: Limits
) -> Iterator[Problem]:
    graph = _CallGraph(base_chains, rules, limits)
    for way in graph.circles.values():
        yield _circle(file, way, rules[way[-2]])
    reached = graph.reached_by()
    for chain, forbidden in graph.forbidden.items():
        if reached.get(chain, 0) & forbidden:
            yield from _misplaced(file, graph, chain, reached[chain], limits)
    if limits.has_hook_checks:
        for base_chain in base_chains:
            yield from _misfits(file, base_chain, rules[base_chain], limits)


class _CallGraph:
    """Which chains call which, as far as a base chain reaches them, walked depth first.

    ``circles`` holds the ways from a base chain to a call back into them, by the chain that calls
    and the chain that is called, both of which end the way. ``forbidden`` has, for
    chains that use limited extensions, the numbers of the base chains (as bits) that must not
    reach them.
    """

    def __init__(
        self, base_chains: Sequence[str], rules: Mapping[str, Sequence[Rule]], limits: Limits
    ) -> None:
        self.base_chains = base_chains
        self.rules = rules
        self.circles: dict[tuple[str, str], Sequence[str]] = {}
        self.forbidden: dict[str, int] = {}
        self._forbidding_matches = _forbid(limits.matches, base_chains)
        self._forbidding_targets = _forbid(limits.targets, base_chains)
        self._calls: dict[str, list[str]] = {}
        self._callers: dict[str, dict[str, str]] = {}
        # Chains behind all that they call.
        self._done: list[str] = []
        for base_chain in base_chains:
            self._walk(base_chain)

    def _walk(self, base_chain: str) -> None:
        calls, done = self._calls, self._done
        # The chains on the way, in order; a dict finds them quickly.
        way = {base_chain: None}
        to_call = [iter(self._enter(base_chain, way))]
        while to_call:
            for chain in to_call[-1]:
                if chain not in calls:
                    way[chain] = None
                    callees = self._enter(chain, way)
                    if callees:
                        to_call.append(iter(callees))
                        break
                    del way[chain]
                    done.append(chain)
            else:
                to_call.pop()
                done.append(way.popitem()[0])

    def _enter(self, chain: str, way: Mapping[str, None]) -> list[str]:
        """Read a chain at the end of the way; gives the chains to go to from there."""
        matches, targets = self._forbidding_matches, self._forbidding_targets
        callees: list[str] = []
        forbidden = 0
        for rule in self.rules[chain]:
            target = rule[2]
            if target is None:
                pass
            elif type(target) is Jump or type(target) is Goto:
                callees.append(target[0])
            elif (name := target[0]) in targets:
                forbidden |= targets[name]
            elif not rule[1] and name in VERDICTS and _ends_chain(rule):
                break
            if matches:
                for match in rule[1]:
                    forbidden |= matches.get(match[0], 0)
        if forbidden:
            self.forbidden[chain] = forbidden
        self._calls[chain] = callees
        fresh: list[str] = []
        for callee in callees:
            if callee in way:
                if len(self.circles) < MAX_PROBLEMS and (chain, callee) not in self.circles:
                    self.circles[chain, callee] = (*way, callee)
            elif callee not in self._calls and callee in self.rules:
                fresh.append(callee)
        return fresh

    def reached_by(self) -> Mapping[str, int]:
        """The numbers of the base chains that reach each chain, as bits."""
        if not self.forbidden:
            return {}
        reached = dict.fromkeys(self._done, 0)
        for number, base_chain in enumerate(self.base_chains):
            reached[base_chain] = 1 << number
        for chain in reversed(self._done):
            mine = reached[chain]
            for callee in self._calls[chain]:
                if callee in reached:
                    reached[callee] |= mine
        return reached

    def way(self, base_chain: str, chain: str) -> Sequence[str]:
        """A shortest way of calls from a base chain to a chain that it reaches."""
        callers = self._callers.get(base_chain)
        if callers is None:
            callers = self._callers[base_chain] = {}
            found = [base_chain]
            for caller in found:
                for callee in self._calls[caller]:
                    if callee not in callers and callee in self._calls:
                        callers[callee] = caller
                        found.append(callee)
        way = [chain]
        while way[-1] != base_chain:
            way.append(callers[way[-1]])
        return way[::-1]


def _forbid(extensions: Mapping[str, Extension], base_chains: Sequence[str]) -> dict[str, int]:
    """The numbers of the base chains where extensions do not load, as bits, by name."""
    return {
        name: sum(
            1 << number
            for number, chain in enumerate(base_chains)
            if chain not in extension.base_chains
        )
        for name, extension in extensions.items()
        if extension.base_chains
    }


def _ends_chain(rule: Rule) -> bool:
    """Whether the kernel sees that a rule with this verdict and no match ends its chain."""
    return not rule.matches and _INTERFACE.search(rule.text) is None


def _live(rules: Sequence[Rule]) -> Iterator[Rule]:
    """The rules up to the one that ends the chain for every packet."""
    for rule in rules:
        yield rule
        if isinstance(rule.target, Target) and rule.target.name in VERDICTS and _ends_chain(rule):
            return


def _misplaced(
    file: str, graph: _CallGraph, chain: str, reached_by: int, limits: Limits
) -> Iterator[Problem]:
    """The extensions in a chain that a base chain reaches where they do not load."""
    for rule in _live(graph.rules[chain]):
        for extension, _ in limits.limited_parts(rule):
            allowed = extension.base_chains
            wrong = [
                base_chain
                for number, base_chain in enumerate(graph.base_chains)
                if reached_by & 1 << number and allowed and base_chain not in allowed
            ]
            if not wrong:
                continue
            message = f"{extension.name} loads only in {', '.join(allowed)}"
            hint: str | None = None
            if chain not in wrong:
                message += f"; {wrong[0]} reaches the chain {chain!r}"
                hint = "by " + _shorten(graph.way(wrong[0], chain))
            yield Problem(_place(file, rule, extension), message, hint)


def _misfits(
    file: str, base_chain: str, rules: Sequence[Rule], limits: Limits
) -> Iterator[Problem]:
    """The options in a base chain that have no place there."""
    for rule in _live(rules):
        for extension, part in limits.limited_parts(rule):
            if extension.hook_check is not None:
                complaint = extension.hook_check(part.options, base_chain)
                if complaint is not None:
                    yield Problem(_place(file, rule, extension), f"{extension.name}: {complaint}")


def _circle(file: str, way: Sequence[str], rules: Sequence[Rule]) -> Problem:
    """The problem of a way that comes back to one of its chains, in the last rules of it."""
    caller, chain = way[-2:]
    rule = next(
        rule
        for rule in rules
        if isinstance(rule.target, Jump | Goto) and rule.target.chain == chain
    )
    if caller == chain:
        message = f"the chain {chain!r} calls itself"
    else:
        round_trip = way[way.index(chain) :]
        message = f"chains call each other in a circle: {_shorten(round_trip)}"
    return Problem(
        word_span(file, rule, _JUMP, chain),
        message,
        f"{way[0]} reaches it, so the kernel refuses the table "
        "(ELOOP; nf_tables: EMLINK, Too many links)",
    )


def _place(file: str, rule: Rule, extension: Extension) -> Span:
    return word_span(file, rule, _JUMP if extension.kind is Kind.TARGET else _MATCH, extension.name)


def _shorten(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED:
        half = _MOST_NAMED // 2
        names = [*names[:half], "…", *names[-half:]]
    return " > ".join(names)
