# SPDX-License-Identifier: GPL-2.0-only
"""What the sweeps of several roles have in common: the space of their connections, and the walks
through chains of the table nat that do the same whatever the role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

from ctlint.analysis.conditions import Asked
from ctlint.analysis.flows import Bounds, Flows
from ctlint.analysis.rewriting import Joint, Rewritten, Translated
from ctlint.analysis.swept import Effect
from ctlint.headerspace import space_over
from ctlint.headerspace.space import Layout, PacketSet, Space
from ctlint.ir.rule import Goto, Jump, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.values import NatRange
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.ready import Question, ReadyChain
from ctlint.model.netfilter.targets import HARMLESS, Action
from ctlint.model.netfilter.transit import Field
from ctlint.model.netfilter.traverse import Open


class Led(NamedTuple):
    """Connections that rules lead on: to what one of them gives, by rule, and the rules by their
    identity.
    """

    new: Rewritten
    pieces: list[tuple[RuleRef, Bounds]]
    refs: dict[int, RuleRef]


class Walk(NamedTuple):
    """What becomes of connections that are sent through a chain. Of those ``accepted`` that NAT
    leads on, a stand-in says how, for the path that they are on then hangs on the role; ``led``
    has them by that. ``sent`` are the sets of which it is told.
    """

    sent: Sequence[PacketSet]
    back: Flows
    accepted: Flows
    led: Mapping[Translated, Led]
    open: Mapping[Open, PacketSet]
    calls: Mapping[Effect, None]
    entered: Mapping[ReadyChain, None]


class _Outline(NamedTuple):
    """Of a chain: how many rules a walk asks, and whether one may translate. ``keeps_all``:
    whatever the ends of those that enter it, they come to each rule, with one mark or another.
    """

    rules: int
    translates: bool
    keeps_all: bool


MAX_OTHERS: Final = 1_000
"""Rules of other tables than nat with which roles share a space: with more, each may need all that
may be done in one.
"""
MAX_WALKED: Final = 1_000
"""Rules that are asked in all walks through a chain that several rules call."""


class Common:
    """See above; for the chains of one rule set."""

    def __init__(self, chains: ChainStore) -> None:
        self.joint = Joint(chains.ruleset)
        self.walks: dict[tuple[object, ...], Walk] = {}
        self.compiled: dict[tuple[object, ...], dict[int, PacketSet | None]] = {}
        self.asked: dict[tuple[object, ...], dict[int, Asked]] = {}
        nat = chains.ruleset.tables.get("nat")
        others = chains.ruleset.rule_count - (0 if nat is None else nat.rule_count)
        self._is_small = others <= MAX_OTHERS
        self._chains = chains
        self._outlines: dict[tuple[ReadyChain, Question], _Outline | None] = {}
        self._marking: dict[ReadyChain, Sequence[Target]] = {}
        self._stand_ins: dict[int, Translated] = {}
        self._space: Space | None = None

    def space_over(self, layout: Layout) -> Space:
        """The space for another role: that of the one before, where little is to be done in it."""
        before = self._space
        if before is not None and self._is_small:
            assert before.layout == layout
            self._space = before.renewed()
        else:
            self._space = space_over(layout, is_shared=self._is_small)
        if self._space is not before:
            # Sets of another space do not mix with what is known so far.
            self.walks, self.compiled, self.asked = {}, {}, {}
        return self._space

    def stand_in(self, new: Rewritten) -> Translated:
        """What stands for connections that are translated so, on whatever path."""
        rule = id(new.ref.rule)
        found = self._stand_ins.get(rule)
        if found is None:
            wide = self.joint.widened(new)
            found = Translated(None, wide or new, Path.FORWARD)
            if wide is not None:
                found = self._stand_ins.setdefault(id(self.joint), found)
            self._stand_ins[rule] = found
        return found

    def is_alike(self, ready: ReadyChain, question: Question) -> bool:
        """Whether a chain, and what it calls, does the same with the first packets of connections
        in every role: none of its rules asks for what roles differ in, and those that translate
        lead all that they match to one other host.
        """
        return self._outline(ready, question) is not None

    def is_entered(self, ready: ReadyChain, question: Question) -> bool:
        """Whether what comes to a chain is sent through it by itself: one rule alone calls it, or
        it does alike in every role and is soon walked.
        """
        calls = self._chains.calls(ready.table, ready.name)
        if calls == 1:
            return True
        found = self._outline(ready, question)
        if found is None or not found.keeps_all:
            return False
        return bool(self.marking(ready)) or calls * found.rules <= MAX_WALKED

    def marking(self, ready: ReadyChain) -> Sequence[Target]:
        """The targets of a chain that only sets the marks of all packets; none of any other."""
        found = self._marking.get(ready)
        if found is None:
            rules = ready.rules
            is_marking = all(rule.action is Action.MARK and not rule.open for rule in rules)
            targets = [cast("Target", rule.ref.rule.target) for rule in rules if is_marking]
            found = self._marking[ready] = targets
        return found

    def _outline(self, ready: ReadyChain, question: Question) -> _Outline | None:
        """What is known of a chain that does alike in every role; None of any other."""
        key = ready, question
        if key not in self._outlines:
            # For one that calls itself.
            self._outlines[key] = None
            self._outlines[key] = self._outlined(ready, question)
        return self._outlines[key]

    def _outlined(self, ready: ReadyChain, question: Question) -> _Outline | None:
        rules, translates, keeps_all = 0, False, True
        for rule in ready.rules:
            rules += 1
            ref, target, action = rule.ref, rule.ref.rule.target, rule.action
            reads: frozenset[Field] = frozenset()
            for predicate, match in rule.open:
                reads |= predicate.reads
                if match.name == "conntrack":
                    return None
            if not reads <= _ALIKE:
                return None
            if isinstance(target, Jump | Goto):
                called = self._chains.specialise(ref.table, target.chain, question)
                found = None if called is None else self._outline(called, question)
                if called is None:
                    continue
                if found is None:
                    return None
                if found.translates and not self.is_entered(called, question):
                    # What is known of all connections in a chain is told of one role.
                    return None
                rules += found.rules
                translates = translates or found.translates
                keeps_all = keeps_all and found.keeps_all
                is_left = found.translates or isinstance(target, Goto)
            elif action is Action.TRANSLATE:
                given = _given(target) if isinstance(target, Target) else None
                if given is None or reads & _ENDS:
                    return None
                translates = is_left = True
                # Who has called that address already goes on, unless the port becomes another.
                keeps_all = keeps_all and given.ports is not None
            elif action in HARMLESS or action in _PLAIN:
                is_left = action in (Action.ACCEPT, Action.RETURN)
            else:
                return None
            keeps_all = keeps_all and not (is_left and reads & _TOLD_BY_ENDS)
        return _Outline(rules, translates, keeps_all)


def _given(target: Target) -> NatRange | None:
    """To what a target leads that leads to one address, which is no loopback address."""
    option = target.get("to-destination")
    given: NatRange | None = None if option is None else option.value
    if target.name != "DNAT" or given is None or given.addresses is None:
        return None
    low, high = given.addresses.low, given.addresses.high
    return given if low == high and low != 1 and low >> 24 != 127 else None


_ENDS: Final = frozenset({Field.SADDR, Field.DADDR, Field.SPORT, Field.DPORT})
_TOLD_BY_ENDS: Final = _ENDS | {Field.MARK}
_ALIKE: Final = _TOLD_BY_ENDS | {
    Field.PROTOCOL,
    Field.FLAGS,
    Field.CTSTATE,
    Field.HEADER,
    Field.BOX,
}
"""What is read of packets without a look at their role: of a box, and of the rest of a header,
nothing is known in any.
"""
_PLAIN: Final = frozenset({Action.ACCEPT, Action.MARK, Action.RETURN})
