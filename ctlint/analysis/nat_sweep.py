# SPDX-License-Identifier: GPL-2.0-only
"""Sends the packets of many connections through the table nat, whose rules bind connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ctlint.analysis.common import Led
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.flows import Bounds, Condition, Key, add, exactly
from ctlint.analysis.rewriting import Rewritten, rewritten
from ctlint.analysis.shared_walks import SharedWalks
from ctlint.analysis.swept import Effect
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule import Goto, Jump
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.values import Range
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.hull import joined
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.ready import ReadyChain, ReadyRule
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Field
from ctlint.model.netfilter.traverse import Open

MAX_NAT_CHAIN: Final = 200
"""Of a large table nat, chains of more rules are not asked rule by rule."""
_FEW: Final = 3
"""Effects of one chain on some connections; a further one tells of all."""
TOO_MUCH_NAT: Final = "the table nat is too large to tell which connections it translates"


class _Made(NamedTuple):
    """What a rule makes of connections, None where that is not known; and those, of the ones within
    some, that have it already.
    """

    ref: RuleRef
    within: PacketSet | None
    new: Rewritten | None
    unchanged: Condition


class NatSweep(SharedWalks):
    """The table nat at one hook."""

    made: _Made | None = None

    def universe(self, _ready: ReadyChain, alike: Sequence[Effect]) -> PacketSet:
        """All, for what opens connections: that tells of late packets too. Of others those that are
        asked for, few of which any service is about, or all where others were asked for before,
        again and again.
        """
        is_told_of_all = self.packets.opens or len(alike) >= _FEW
        return self.sweeper.space.everything if is_told_of_all else self.among

    def new_effect(self, name: str, ready: ReadyChain, key: Key, among: PacketSet) -> Effect:
        """Of late packets it is that of those that open connections, but for what NAT leads on."""
        packets = self.packets
        if packets.is_late and not packets.tells_ends:
            opening = self.asked(key, packets._replace(opens=True, is_late=False))
            keeper = self.sweeper.keeper(self.stop.table, name)
            known = self.known_of(keeper.alike.get((ready, *opening), ()))
            if known is not None and self.tells_of_late(known):
                return self.lost_late(known, key)
        return super().new_effect(name, ready, key, among)

    def tells_of_late(self, opening: Effect) -> bool:
        """Whether it is known of all connections that a chain binds whether late packets of theirs
        are lost.
        """
        refs = opening.swept.translated
        if refs and self.sweeper.has_much_nat:
            return False
        given = [rewritten(ref, self.stop.hook, self.sweeper.coordinates.family) for ref in refs]
        return all(
            new is not None
            and new.addresses is not None
            and new.addresses.low == new.addresses.high
            for new in given
        )

    def lost_late(self, opening: Effect, key: Key) -> Effect:
        """The same for late packets: those that NAT would lead on come as none of the connection's,
        wherever that is.
        """
        known = opening.swept
        swept = replace(known, unsure=[*known.unsure], translated={})
        late = Effect(opening.name, opening.ready, swept, opening.among)
        late.back, late.calls, late.entered = opening.back, opening.calls, opening.entered
        late.tells_ends = False
        swept.unsure += [each.possible for each in known.translated.values()]
        for other, each in opening.accepted.items():
            if other.translated is key.translated:
                late.accepted[other] = each
            else:
                swept.unsure.append(each.possible)
        swept.unsure = [self.sweeper.space.union(swept.unsure)]
        return late

    def entered_among(
        self, ready: ReadyChain, condition: Condition, hit: Bounds
    ) -> PacketSet | None:
        """Those are sent themselves where no other rule calls the chain, or a walk is short, and
        all come that meet the condition of this rule, or of one on the way here: what is behind
        one service is asked about that service alone.
        """
        if self.sweeper.has_much_nat or not self.is_entered(ready):
            return None
        if self.within is not None:
            return self.within
        possible = condition.possible
        is_all = hit.possible is possible and possible is not self.sweeper.space.everything
        return possible if is_all else None

    def is_entered(self, ready: ReadyChain) -> bool:
        """Whether a chain may be entered."""
        if not self.packets.opens:
            return self.chains.calls(ready.table, ready.name) == 1
        return self.sweeper.common.is_entered(ready, self.question)

    def is_too_large(self, ready: ReadyChain) -> bool:
        """Whether the rules of a chain are not asked one by one."""
        return self.sweeper.has_much_nat and len(ready.rules) > MAX_NAT_CHAIN

    def leave_out(self, ready: ReadyChain, entering: Bounds) -> Bounds:
        """Takes the connections that rules may be about for translated: those between the least and
        the greatest address or port of which rules speak. Gives the others.
        """
        some: PacketSet = self.sweeper.space.everything
        ranges = self.ranges_of(ready)
        if ranges is not None:
            told = [self.sight.among(field, [each]) for field, each in ranges.items()]
            if None not in told:
                some = self.sweeper.space.union(told)
        hit, rest = entering.split(Condition(some, some), takes_open=False)
        if not hit.is_empty():
            ref = ready.rules[0].ref
            self.swept.leave_open(Open(ref, None, TOO_MUCH_NAT), hit.possible)
            self.swept.translate(ref, hit)
        return rest

    def ranges_of(self, ready: ReadyChain) -> Mapping[str, Range] | None:
        """Ranges of fields, one of which holds the value of each packet of which the chain or one
        that it calls speaks; None: one speaks of any packet.
        """
        found: dict[str, Range] = {}
        seen = {ready}
        stack = [ready]
        while stack:
            ranges, others = (ready := stack.pop()).hull
            for name, each in ranges.items():
                found[name] = joined(each, found.get(name))
            for rule in (ready.rules[at] for at in others):
                if not self.may_match(rule):
                    continue
                target = rule.ref.rule.target
                if not isinstance(target, Jump | Goto):
                    return None
                called = self.chains.specialise(self.stop.table, target.chain, self.question)
                if called is not None and called not in seen:
                    seen.add(called)
                    stack.append(called)
        return found

    def may_match(self, rule: ReadyRule) -> bool:
        """Whether the path alone does not rule out that a rule matches."""
        return not any(
            predicate.test(self.transit) is Tern.FALSE
            for predicate, match in rule.open
            if not self.conditions.is_of_points(predicate, match)
            and Field.MARK not in predicate.reads
        )

    def translate(self, rule: ReadyRule, key: Key, hit: Bounds, via: tuple[RuleRef, ...]) -> None:
        """A rule binds connections to what its target says; one that has its like goes on."""
        ref, path = rule.ref, self.at.path
        new, unchanged = self.made_of(ref)
        if new is None:
            self.swept.translate(ref, hit)
            return
        same, others = hit.split(unchanged, takes_open=False)
        if not same.is_empty():
            add(self.accepted, key, same)
        drawn, others = others.split(self.among_drawn(new), takes_open=False)
        if not drawn.is_empty():
            # They may get the address that they have, or another.
            self.swept.translate(ref, drawn)
        if others.is_empty():
            return
        if not self.packets.opens:
            if self.tells_ends():
                end = End(Disposition.MISDIRECTED, ref, self.stop.hook, via)
                self.swept.end(end, self.transit.ctstate, others)
            elif self.packets.is_late:
                self.swept.unsure.append(others.possible)
            else:
                self.swept.translate(ref, others)
            return
        is_given = new.addresses is not None and not new.kept
        if path is Path.IN and new.manip is Manip.DST and is_given and self.led is None:
            others = self.lead_back(rule, key, others, new)
            if others.is_empty():
                return
        self.lead(ref, key, others, new)

    def made_of(self, ref: RuleRef) -> tuple[Rewritten | None, Condition]:
        """What a rule makes of connections, None where that is not known; and those that have it
        already.
        """
        # With each mark the packets come again.
        made = self.made
        if made is None or made.ref is not ref or made.within is not self.within:
            path = self.at.path
            new = rewritten(ref, self.stop.hook, self.sweeper.coordinates.family)
            if new is not None and new.is_of_host and path is Path.LOOPBACK:
                # What lo gives to MASQUERADE is not known.
                new = None
            if new is not None and path in (Path.IN, Path.OUT):
                new = new.of_own_packet()
            unchanged = self.sweeper.nothing if new is None else self.unchanged(new)
            made = self.made = _Made(ref, self.within, new, unchanged)
        return made.new, made.unchanged

    def lead_back(self, rule: ReadyRule, key: Key, hit: Bounds, new: Rewritten) -> Bounds:
        """Connections to this host that are led to the address under which they were called stay
        here, where the rule asks for that address; gives the others.

        A rule that does not ask for it is taken to lead to another host.
        """
        ref = rule.ref
        those = self.sight.among("daddr", [new.addresses or (0, 0)])
        if those is None:
            return hit
        asked = hit
        if self.within is not None:
            if id(ref.rule) in self.sweeper.taken_for_another:
                return hit
            # Of all that rules before it have asked for, only some come here.
            asked = exactly(self.conditions.of(rule, key)[0].possible)
        here, others = asked.split(Condition(those, those), takes_open=False)
        if not others.is_empty():
            if not here.is_empty():
                self.sweeper.taken_for_another.setdefault(id(ref.rule), ref)
            return hit
        here, others = hit.split(Condition(those, those), takes_open=False)
        self.lead(ref, key, here, new._replace(addresses=None))
        return others

    def lead(self, ref: RuleRef, key: Key, others: Bounds, new: Rewritten) -> None:
        """Connections go on as a rule has translated them."""
        if self.led is not None:
            stand_in = self.sweeper.common.stand_in(new)
            led = self.led.setdefault(stand_in, Led(new, [], {}))
            led.pieces.append((ref, others))
            led.refs[id(ref.rule)] = ref
            add(self.accepted, key._replace(translated=stand_in), others)
            return
        turned = self.turned(new)
        behind = None
        if turned is not None:
            behind = self.sweeper.translate(key.translated, new, turned)
        if behind is None:
            self.swept.translate(ref, others)
        else:
            add(self.accepted, key._replace(translated=behind), others)

    def among_drawn(self, new: Rewritten) -> Condition:
        """The connections that have one of several addresses of which a rule gives one."""
        sweeper = self.sweeper
        new_ones = new.addresses
        if new_ones is None or new_ones.low == new_ones.high:
            return sweeper.nothing
        field = "saddr" if new.manip is Manip.SRC else "daddr"
        found = self.sight.among(field, [new_ones])
        return sweeper.unknown if found is None else Condition(found, found)

    def unchanged(self, new: Rewritten) -> Condition:
        """The connections that have what a rule makes of them already."""
        sweeper, sight = self.sweeper, self.sight
        address, port = ("saddr", "sport") if new.manip is Manip.SRC else ("daddr", "dport")
        if new.is_of_host:
            return sweeper.nothing
        found: PacketSet | None = sweeper.space.everything
        if new.addresses is not None:
            full = sweeper.coordinates.family.full_mask
            one = new.addresses.low
            is_one = one == new.addresses.high
            found = sight.masked(address, one, full & ~new.kept) if is_one else None
        if found is not None and new.ports is not None:
            ports = sight.among(port, [new.ports]) if new.keeps_port else None
            found = None if ports is None else found & ports
        if found is not None and self.within is not None:
            found = found & self.within
        # Of a range nobody knows which it will be.
        return sweeper.nothing if found is None else Condition(found, found)
