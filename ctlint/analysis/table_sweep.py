# SPDX-License-Identifier: GPL-2.0-only
"""Sends the packets of many connections through one table at one hook.

What a chain does to all connections that there could be is worked out once (Effect), and is what it
does to those of them that come to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Final, cast

from ctlint.analysis.conditions import Conditions, Place
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.flows import Bounds, Condition, Flows, Gathered, Key, Kindred, add, exactly
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.swept import Effect, Swept
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule import Goto, Jump, Match, Rule, Target
from ctlint.model.netfilter.chains import Question, ReadyChain, ReadyRule, RuleRef
from ctlint.model.netfilter.targets import HARMLESS, Action, set_mark, why_elsewhere
from ctlint.model.netfilter.transit import Transit
from ctlint.model.netfilter.traverse import EndlessWalkError, Open, PolicyRef
from ctlint.wire.protocols import TCP

if TYPE_CHECKING:
    from ctlint.analysis.sweep import Sweeper

MAX_DEPTH: Final = 64
_ALONE: Final = 4
"""A rule that is asked by itself counts as so many that are asked together."""

_BATCHED: Final = frozenset({Action.ACCEPT, Action.DROP, Action.REJECT, Action.RETURN})


def runs_of(all_rules: Sequence[ReadyRule]) -> Iterator[Sequence[ReadyRule]]:
    """The rules in their order, those together that do the same; without those that only log."""
    rules = [rule for rule in all_rules if not _is_harmless(rule)]
    start = 0
    for at in range(1, len(rules) + 1):
        if at == len(rules) or not _is_like(rules[start], rules[at]):
            yield rules[start:at]
            start = at


def _is_harmless(rule: ReadyRule) -> bool:
    """Whether a rule lets packets go on as they are: in the raw table CT does not."""
    is_template = rule.action is Action.INSTRUCT and rule.ref.table == "raw"
    return rule.action in HARMLESS and not is_template


def _is_like(one: ReadyRule, other: ReadyRule) -> bool:
    if one.action is not other.action:
        return False
    if one.action is Action.JUMP:
        both = one.ref.rule, other.ref.rule
        return both[0].target == both[1].target and all(map(_asks_for_points, both))
    return one.action in _BATCHED


def _asks_for_points(rule: Rule) -> bool:
    """Whether a rule asks for nothing but ends: what is lost behind it is never its own loss."""
    return all(
        isinstance(match, Match) and match.name in _PLAIN and not _names_flags(match)
        for match in rule.matches
    )


def _names_flags(match: Match) -> bool:
    return match.get("tcp-flags") is not None or match.get("syn") is not None


_PLAIN: Final = frozenset({"ip", "iprange", "multiport", "set", "tcp", "comment"})


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
    ) -> None:
        self.sweeper = sweeper
        self.chains = sweeper.chains
        self.at = at
        self.stop = stop = at.stop
        self.conditions = Conditions(sweeper, at, packets, transit, translated)
        self.sight = self.conditions.sight
        self.packets = packets
        self.transit = transit
        self.swept = swept
        self.accepted = Gathered(sweeper.space)
        self.calls: dict[Effect, None] = {}
        self.callers: tuple[str, ...] = ()
        ctstate = None if stop.table == "raw" else int(transit.ctstate)
        self.question = Question(TCP, int(packets.flags), ctstate)

    def run(self, flows: Flows) -> Flows:
        """The packets that go on behind the table."""
        base = self.chains.specialise(self.stop.table, self.stop.chain, self.question)
        assert base is not None
        left = self.chain(self.stop.chain, flows, ())
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

    def chain(self, name: str, flows: Flows, via: tuple[RuleRef, ...]) -> Flows:
        """The packets that come back from a chain, or to its policy."""
        ready = self.chains.specialise(self.stop.table, name, self.question)
        if ready is None:
            return flows
        back = Gathered(self.sweeper.space)
        for key, each in flows.items():
            self.take(self.effect(name, ready, key), each, via, back)
        return back.joined()

    def take(
        self, effect: Effect, entering: Bounds, via: tuple[RuleRef, ...], back: Gathered
    ) -> None:
        """What an effect does to the packets that enter the chain."""
        done, swept = effect.swept, self.swept
        self.sweeper.spend(1 + len(done.ends) + len(done.open))
        for key, each in effect.back.items():
            add(back, key, each.among(entering))
        for key, each in effect.accepted.items():
            add(self.accepted, key, each.among(entering))
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
        sweeper = self.sweeper
        packets, at = self.packets, self.at
        kind = packets.tells_ends, packets.opens, packets.is_late
        asked = key, at.stop.hook, at.path, *kind, self.conditions.seen_by_points()
        known = sweeper.effects.get((self.stop.table, name, self.question, *asked))
        if known is None:
            # Another question may have decided all alike.
            among = sweeper.alike.setdefault((ready, *asked), [])
            known = next((e for e in among if sweeper.holds(e, self.question)), None)
            if known is None:
                known = self.new_effect(name, ready, key)
                among.append(known)
            sweeper.effects[(self.stop.table, name, self.question, *asked)] = known
        self.calls[known] = None
        return known

    def new_effect(self, name: str, ready: ReadyChain, key: Key) -> Effect:
        """Sends all connections through a chain."""
        if name in self.callers:
            raise EndlessWalkError(name)
        if len(self.callers) >= MAX_DEPTH:
            raise TooLargeError
        inside = copy(self)
        inside.swept = Swept(self.sweeper.space)
        inside.accepted = Gathered(self.sweeper.space)
        back = Gathered(self.sweeper.space)
        inside.calls = {}
        inside.callers = (*self.callers, name)
        effect = Effect(name, ready, inside.swept)
        everything = exactly(self.sweeper.space.everything)
        if self.is_too_large(ready):
            add(back, key, inside.leave_out(ready, everything))
            effect.back = back.joined()
            return effect
        flows: Flows = {key: everything}
        known = self.sweeper.runs
        if ready not in known:
            known[ready] = list(runs_of(ready.rules))
        for run in known[ready]:
            if not flows:
                break
            if len(run) > 1:
                flows = inside.run_of_rules(run, flows, (), back)
            else:
                flows = inside.rules(run, flows, (), back)
        for other, each in flows.items():
            add(back, other, each)
        inside.swept.unsure = [self.sweeper.space.union(inside.swept.unsure)]
        effect.back = back.joined()
        effect.accepted = inside.accepted.joined()
        effect.calls = inside.calls
        return effect

    def run_of_rules(
        self, run: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The packets that go on behind rules that all do the same, as in a list of blocked
        networks: one question for all. Only who drops a packet must be asked of each.
        """
        if run[0].action is Action.JUMP:
            return self.run_of_jumps(run, flows, via, back)
        self.sweeper.spend()
        every, is_exact = self.any_of(run)
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
        elif not is_exact or self.packets.tells_ends:
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
        every, is_exact = self.any_of(run)
        on: Flows = {}
        for key, each in flows.items():
            hit, rest = each.split(Condition(every, every), takes_open=False)
            effect = None if hit.is_empty() else self.effect(target.chain, ready, key)
            if effect is None:
                add(on, key, each)
            elif is_exact and effect.is_plain(key):
                add(on, key, rest)
                returned = Gathered(self.sweeper.space)
                self.take(effect, hit, (*via, run[0].ref), returned)
                for other, some in returned.joined().items():
                    add(on, other, some)
            else:
                for other, some in self.rules(run, {key: each}, via, back).items():
                    add(on, other, some)
        return on

    def any_of(self, run: Sequence[ReadyRule]) -> tuple[PacketSet, bool]:
        """The connections whose packets may match any of these rules; and whether they do, for all
        is asked of what connections differ in, and decided.
        """
        # Each chain made ready for a question has rules of its own: what they ask is the same.
        asked = tuple(id(match) for rule in run for _, match in rule.open)
        by_entry = any(match.name == "conntrack" for rule in run for _, match in rule.open)
        key = len(run), asked, self.conditions.key(with_entry=by_entry)
        known = self.sweeper.joined
        if key not in known:
            self.sweeper.spend(len(run))
            asked_of = [self.conditions.asked(rule) for rule in run]
            is_exact = not any(each.others or each.is_open for each in asked_of)
            found = [each.condition.possible for each in asked_of]
            known[key] = self.sweeper.space.union(found), is_exact
        return known[key]

    def rules(
        self, rules: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The packets that go on behind rules; those that return are added to ``back``."""
        for rule in rules:
            if not flows:
                break
            self.sweeper.spend(_ALONE)
            on: Flows = {}
            for key, each in flows.items():
                condition, is_open = self.conditions.of(rule, key)
                hit, rest = each.split(condition, takes_open=rule.action is Action.RETURN)
                if hit.is_empty():
                    add(on, key, each)
                    continue
                for item in is_open:
                    self.swept.leave_open(item, hit.possible)
                add(on, key, rest)
                self.apply(rule, key, hit, via, on, back)
            flows = on
        return flows

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
        if action in (Action.JUMP, Action.GOTO):
            called = self.chain(cast("Jump | Goto", target).chain, {key: hit}, (*via, ref))
            for other, each in called.items():
                add(on if action is Action.JUMP else back, other, each)
        elif action is Action.RETURN:
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
            self.translate(ref, key, hit, via)
        elif action in _DISPOSITIONS and not self.packets.tells_ends:
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

    def is_too_large(self, _ready: ReadyChain) -> bool:
        """Whether the rules of a chain are not asked one by one."""
        return False

    def leave_out(self, _ready: ReadyChain, entering: Bounds) -> Bounds:
        """What goes on behind a chain that is too large."""
        return entering

    def translate(self, ref: RuleRef, _key: Key, hit: Bounds, _via: tuple[RuleRef, ...]) -> None:
        """What a rule does that binds connections: only in the table nat it is loaded."""
        self.swept.translate(ref, hit)

    def is_before_conntrack(self) -> bool:
        """Whether the packets have no entry yet, and may be told to have none."""
        return self.transit.entry is None and self.stop.table == "raw"


_DISPOSITIONS: Final = {
    Action.DROP: Disposition.DROPPED_BY_RULE,
    Action.REJECT: Disposition.REJECTED,
}
