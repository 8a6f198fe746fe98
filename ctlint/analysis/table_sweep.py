# SPDX-License-Identifier: GPL-2.0-only
"""Sends the packets of many connections through one table at one hook.

What a chain does to all connections that there could be is worked out once (Effect), and is what it
does to those of them that come to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Final, cast

from ctlint.analysis.conditions import Conditions, Place
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.flows import Bounds, Condition, Flows, Gathered, Key, Kindred, add, exactly
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.run_sets import MANY, Runs
from ctlint.analysis.runs import runs_of
from ctlint.analysis.swept import Effect, Swept
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule import Goto, Jump, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.netfilter.ready import Question, ReadyChain, ReadyRule
from ctlint.model.netfilter.targets import Action, set_mark, why_elsewhere
from ctlint.model.netfilter.transit import Transit
from ctlint.model.netfilter.traverse import EndlessWalkError, Open, PolicyRef
from ctlint.wire.protocols import TCP

if TYPE_CHECKING:
    from ctlint.analysis.sweep import Sweeper

MAX_DEPTH: Final = 64
_ALONE: Final = 4
"""A rule that is asked by itself counts as so many that are asked together."""


class TableSweep:
    """One table at one hook."""

    def __init__(
        self,
        sweeper: Sweeper,
        at: Place,
        packets: Kindred,
        transit: Transit,
        swept: Swept,
        translated: Translated | None,
        among: PacketSet,
    ) -> None:
        self.sweeper = sweeper
        self.among = among
        self.chains = sweeper.chains
        self.at = at
        self.stop = stop = at.stop
        self.conditions = Conditions(sweeper, at, packets, transit, translated)
        self.runs = Runs(sweeper, self.conditions)
        self.sight = self.conditions.sight
        self.packets = packets
        self.transit = transit
        self.swept = swept
        self.accepted = Gathered(sweeper.space)
        self.calls: dict[Effect, None] = {}
        self.entered: dict[ReadyChain, None] = {}
        self.within: PacketSet | None = None
        """All that comes to the chains that are entered now."""
        self.is_told_ends = False
        self.callers: tuple[str, ...] = ()
        ctstate = None if stop.table == "raw" else int(transit.ctstate)
        self.question = Question(TCP, int(packets.flags), ctstate)

    def run(self, flows: Flows) -> Flows:
        """The packets that go on behind the table."""
        base = self.chains.specialise(self.stop.table, self.stop.chain, self.question)
        assert base is not None
        left = self.chain(base, flows, ())
        self.sweeper.used += [(effect, self.question) for effect in self.calls]
        if base.policy == "DROP":
            cause = PolicyRef(self.stop.table, self.stop.chain)
            end = End(Disposition.DROPPED_BY_POLICY, cause, self.stop.hook)
            for each in left.values():
                self.swept.end(end, self.transit.ctstate, each)
        else:
            for key, each in left.items():
                add(self.accepted, key, each)
        return self.accepted.joined()

    def chain(self, ready: ReadyChain, flows: Flows, via: tuple[RuleRef, ...]) -> Flows:
        """The packets that come back from a chain, or to its policy."""
        back = Gathered(self.sweeper.space)
        for key, each in flows.items():
            self.take(self.effect(ready.name, ready, key), each, via, back)
        return back.joined()

    def take(
        self, effect: Effect, entering: Bounds, via: tuple[RuleRef, ...], back: Gathered
    ) -> None:
        """What an effect does to the packets that enter the chain."""
        done, swept = effect.swept, self.swept
        self.sweeper.spend(1 + len(done.ends) + len(done.open))
        # What is left of packets is told without a look at them once it is known what is not.
        for key, each in effect.accepted.items():
            add(self.accepted, key, each.among(entering))
        for key, each in effect.back.items():
            add(back, key, each.among(entering))
        for end, (ctstate, each) in done.ends.items():
            if not (ended := each.among(entering)).is_empty():
                swept.end(end._replace(via=(*via, *end.via)) if via else end, ctstate, ended)
        for ref, each in done.translated.items():
            if not (translated := each.among(entering)).is_empty():
                swept.translate(ref, translated)
        for key, each in done.undecided.items():
            add(swept.undecided, key, each.among(entering))
        if self.callers:
            for item, those in done.open.items():
                if not (some := those & entering.possible).is_empty():
                    swept.leave_open(item, some)
        else:
            swept.met.append((effect, entering))
        swept.unsure += [each & entering.possible for each in done.unsure]

    def effect(self, name: str, ready: ReadyChain, key: Key) -> Effect:
        """What a chain does to the packets of this key."""
        keeper = self.sweeper.keeper(self.stop.table, name)
        asked = self.asked(key, self.packets)
        place = self.stop.table, name, self.question, *asked
        known = keeper.effects.get(place)
        if known is None or not self.is_served_by(known):
            # Another question may have decided all alike.
            alike = keeper.alike.setdefault((ready, *asked), [])
            known = self.known_of(alike)
            if known is None:
                known = self.new_effect(name, ready, key, self.universe(ready, alike))
                alike.append(known)
            keeper.effects[place] = known
        self.calls[known] = None
        self.is_told_ends |= known.tells_ends is not None
        return known

    def asked(self, key: Key, packets: Kindred) -> tuple[object, ...]:
        """What an effect hangs on beside its chain and the question."""
        kind = packets.opens, packets.is_late
        return key, self.at.stop.hook, self.at.path, *kind, self.conditions.seen_by_points()

    def known_of(self, alike: Iterable[Effect]) -> Effect | None:
        """One of these effects that tells what is asked."""
        sweeper, question = self.sweeper, self.question
        fitting = (each for each in alike if self.is_served_by(each))
        return next((each for each in fitting if sweeper.holds(each, question)), None)

    def is_served_by(self, effect: Effect) -> bool:
        """Whether an effect tells of all connections that are asked for what is asked."""
        tells = effect.tells_ends
        is_told = tells is None or tells is self.packets.tells_ends
        return is_told and self.sweeper.is_within(self.among, effect.among)

    def universe(self, ready: ReadyChain, _alike: Sequence[Effect]) -> PacketSet:
        """The connections of which an effect is told."""
        return self.among if len(ready.rules) >= MANY else self.sweeper.space.everything

    def new_effect(self, name: str, ready: ReadyChain, key: Key, among: PacketSet) -> Effect:
        """Sends all connections through a chain. Of calls to which none of those ``among`` comes,
        nothing is asked: the effect is told of these alone.
        """
        if name in self.callers:
            raise EndlessWalkError(name)
        if len(self.callers) >= MAX_DEPTH:
            raise TooLargeError
        inside = copy(self)
        inside.swept = Swept(self.sweeper.space)
        inside.accepted = Gathered(self.sweeper.space)
        back = Gathered(self.sweeper.space)
        inside.calls = {}
        inside.entered = {ready: None}
        inside.within = None
        inside.is_told_ends = False
        inside.among = among
        inside.callers = (*self.callers, name)
        effect = Effect(name, ready, inside.swept, among)
        everything = exactly(self.sweeper.space.everything)
        if self.is_too_large(ready):
            add(back, key, inside.leave_out(ready, everything))
            effect.back = back.joined()
            return effect
        inside.all_rules(ready, {key: everything}, (), back)
        inside.swept.unsure = [self.sweeper.space.union(inside.swept.unsure)]
        effect.back = back.joined()
        effect.accepted = inside.accepted.joined()
        effect.calls = inside.calls
        effect.entered = tuple(inside.entered)
        effect.tells_ends = self.packets.tells_ends if inside.is_told_ends else None
        return effect

    def all_rules(
        self, ready: ReadyChain, flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> None:
        """Sends packets through all rules of a chain; those that come to its end go back."""
        known = self.sweeper.runs
        if ready not in known:
            known[ready] = list(runs_of(ready.rules))
        for run in known[ready]:
            if not flows:
                break
            if len(run) > 1:
                flows = self.run_of_rules(run, flows, via, back)
            else:
                flows = self.rules(run, flows, via, back)
        for key, each in flows.items():
            add(back, key, each)

    def called(self, rule: ReadyRule) -> ReadyChain | None:
        """The chain that a rule calls; None where there is none."""
        name = cast("Jump | Goto", rule.ref.rule.target).chain
        return self.chains.specialise(self.stop.table, name, self.question)

    def is_idle(self, _rule: ReadyRule, _ready: ReadyChain, _key: Key) -> bool:
        """Whether the chain that a rule calls leaves packets as they are, and they come back."""
        return False

    def entered_among(
        self, _ready: ReadyChain, _condition: Condition, _hit: Bounds
    ) -> PacketSet | None:
        """Among which connections those are that are sent themselves through a chain that a rule
        calls. None: all that there could be are sent, once for all.
        """
        return None

    def enter(
        self, ready: ReadyChain, flows: Flows, via: tuple[RuleRef, ...], within: PacketSet
    ) -> Flows:
        """The packets that come back from a chain that they are sent through."""
        name = ready.name
        if name in self.callers:
            raise EndlessWalkError(name)
        if len(self.callers) >= MAX_DEPTH:
            raise TooLargeError
        callers, before = self.callers, self.within
        self.callers, self.within = (*callers, name), within
        self.entered[ready] = None
        back = Gathered(self.sweeper.space)
        self.all_rules(ready, flows, via, back)
        self.callers, self.within = callers, before
        return back.joined()

    def run_of_rules(
        self, run: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The packets that go on behind rules that all do the same, as in a list of blocked
        networks: one question for all. Only who drops a packet must be asked of each.
        """
        if run[0].action is Action.JUMP:
            return self.run_of_jumps(run, flows, via, back)
        self.sweeper.spend()
        _, every, is_exact = self.runs.any_of(run, self.among)
        on: Flows = {}
        some: Flows = {}
        for key, each in flows.items():
            hit, rest = each.split(Condition(every, every), takes_open=False)
            if hit.is_empty():
                add(on, key, each)
            elif not is_exact:
                some[key] = each
            else:
                add(on, key, rest)
                some[key] = hit
        action = run[0].action
        if is_exact and action in (Action.ACCEPT, Action.RETURN):
            for key, each in some.items():
                add(self.accepted if action is Action.ACCEPT else back, key, each)
        elif not is_exact or self.tells_ends():
            for key, each in self.rules(run, some, via, back).items():
                add(on, key, each)
        else:
            self.swept.unsure += [each.possible for each in some.values()]
        return on

    def run_of_jumps(
        self, run: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The same of rules that call one chain: what comes back from it, comes back from it again,
        if the chain decides all and changes nothing.
        """
        target = cast("Jump", run[0].ref.rule.target)
        ready = self.chains.specialise(self.stop.table, target.chain, self.question)
        if ready is None:
            return flows
        _, every, is_exact = self.runs.any_of(run, self.among)
        on: Flows = {}
        for key, each in flows.items():
            hit, rest = each.split(Condition(every, every), takes_open=False)
            if hit.is_empty() or self.is_out_of_question(hit.possible):
                add(on, key, each)
                continue
            effect = self.effect(target.chain, ready, key)
            if is_exact and effect.is_plain(key):
                add(on, key, rest)
                returned = Gathered(self.sweeper.space)
                self.take(effect, hit, (*via, run[0].ref), returned)
                for other, some in returned.joined().items():
                    add(on, other, some)
            else:
                for other, some in self.rules(run, {key: each}, via, back).items():
                    add(on, other, some)
        return on

    def rules(
        self, rules: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The packets that go on behind rules; those that return are added to ``back``."""
        for rule in rules:
            if not flows:
                break
            self.sweeper.spend(_ALONE)
            on: Flows = {}
            is_call = rule.action in _CALLS
            # Those that open connections come to nearly all chains, others to few.
            ready = self.called(rule) if is_call and self.packets.opens else None
            entering: list[tuple[Key, Bounds, Condition]] = []
            for key, each in flows.items():
                condition, is_open = self.conditions.of(rule, key)
                if (is_call and self.is_out_of_question(condition.possible)) or (
                    ready is not None and not is_open and self.is_idle(rule, ready, key)
                ):
                    add(on, key, each)
                    continue
                hit, rest = each.split(condition, takes_open=rule.action is Action.RETURN)
                if hit.is_empty() or (is_call and self.is_out_of_question(hit.possible)):
                    add(on, key, each)
                    continue
                for item in is_open:
                    self.swept.leave_open(item, hit.possible)
                add(on, key, rest)
                if is_call:
                    entering.append((key, hit, condition))
                else:
                    self.apply(rule, key, hit, via, on, back)
            if entering:
                behind = on if rule.action is Action.JUMP else back
                self.call(ready or self.called(rule), entering, (*via, rule.ref), behind)
            flows = on
        return flows

    def call(
        self,
        ready: ReadyChain | None,
        entering: Iterable[tuple[Key, Bounds, Condition]],
        via: tuple[RuleRef, ...],
        behind: Flows | Gathered,
    ) -> None:
        """Sends packets to a chain that a rule calls: together, where the same is asked of them."""
        if ready is None:
            for key, hit, _ in entering:
                add(behind, key, hit)
            return
        flows_of: dict[int, tuple[PacketSet | None, Flows]] = {}
        for key, hit, condition in entering:
            within = self.entered_among(ready, condition, hit)
            flows_of.setdefault(id(within), (within, {}))[1][key] = hit
        for within, flows in flows_of.values():
            if within is None:
                returned = self.chain(ready, flows, via)
            else:
                returned = self.enter(ready, flows, via, within)
            for other, each in returned.items():
                add(behind, other, each)

    def apply(
        self,
        rule: ReadyRule,
        key: Key,
        hit: Bounds,
        via: tuple[RuleRef, ...],
        on: Flows,
        back: Gathered,
    ) -> None:
        """What a rule does to the packets that match."""
        action, ref = rule.action, rule.ref
        target = ref.rule.target
        if action is Action.RETURN:
            add(back, key, hit)
        elif action is Action.MARK:
            add(on, key._replace(mark=set_mark(cast("Target", target), key.mark)), hit)
        elif action is Action.CONNMARK:
            restores = cast("Target", target).get("restore-mark") is not None
            add(on, key._replace(mark=None) if restores else key, hit)
        elif action is Action.UNTRACK:
            takes = self.is_before_conntrack() and not key.has_template
            add(on, key._replace(is_untracked=True) if takes else key, hit)
        elif action in (Action.INSTRUCT, Action.ZONE):
            if action is Action.ZONE:
                self.swept.leave_open(Open(ref, None, "zones are not followed"), hit.possible)
                self.swept.unsure.append(hit.possible)
            takes = self.is_before_conntrack() and not key.is_untracked
            add(on, key._replace(has_template=True) if takes else key, hit)
        elif action is Action.ACCEPT:
            add(self.accepted, key, hit)
        elif action is Action.TRANSLATE:
            self.translate(rule, key, hit, via)
        elif action in _DISPOSITIONS and not self.tells_ends():
            self.swept.unsure.append(hit.possible)
        else:
            if action not in _DISPOSITIONS:
                add(self.swept.undecided, key, hit)
                self.swept.leave_open(Open(ref, None, why_elsewhere(target)), hit.possible)
            self.swept.end(
                End(_DISPOSITIONS.get(action, Disposition.UNDECIDED), ref, self.stop.hook, via),
                self.transit.ctstate,
                hit,
            )

    def tells_ends(self) -> bool:
        """Whether it is asked which rule ends the way of packets."""
        self.is_told_ends = True
        return self.packets.tells_ends

    def is_out_of_question(self, packets: PacketSet) -> bool:
        """Whether nobody asks for any of these connections."""
        return (packets & self.among).is_empty()

    def is_too_large(self, _ready: ReadyChain) -> bool:
        """Whether the rules of a chain are not asked one by one."""
        return False

    def leave_out(self, _ready: ReadyChain, entering: Bounds) -> Bounds:
        """What goes on behind a chain that is too large."""
        return entering

    def translate(self, rule: ReadyRule, _key: Key, hit: Bounds, _via: tuple[RuleRef, ...]) -> None:
        """What a rule does that binds connections: only in the table nat it is loaded."""
        self.swept.translate(rule.ref, hit)

    def is_before_conntrack(self) -> bool:
        """Whether the packets have no entry yet, and may be told to have none."""
        return self.transit.entry is None and self.stop.table == "raw"


_CALLS: Final = frozenset({Action.JUMP, Action.GOTO})
_DISPOSITIONS: Final = {
    Action.DROP: Disposition.DROPPED_BY_RULE,
    Action.REJECT: Disposition.REJECTED,
}
