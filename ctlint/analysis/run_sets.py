# SPDX-License-Identifier: GPL-2.0-only
"""What any of the rules of a run asks: sets of connections that sweeps find once and keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ctlint.analysis.conditions import Conditions
from ctlint.analysis.swept import AnyOf
from ctlint.headerspace.space import PacketSet
from ctlint.model.netfilter.ready import ReadyRule

if TYPE_CHECKING:
    from ctlint.analysis.sweep import Sweeper

MANY: Final = 5_000
"""Chains of so many rules are asked for the packets in question alone: no remedies are checked of
them, for which all packets are asked for. Of so many rules in a row, those are left out that are
about none of these.
"""


class Runs:
    """Asks runs of rules of packets of one kind at one table."""

    def __init__(self, sweeper: Sweeper, conditions: Conditions) -> None:
        self._sweeper = sweeper
        self._conditions = conditions

    def any_of(self, run: Sequence[ReadyRule], among: PacketSet) -> AnyOf:
        """The connections, told of those ``among`` some, whose packets may match any of these
        rules; and whether they do, for all is asked of what connections differ in, and decided.
        """
        key = self._key(run)
        found = self._known(key, among)
        if found is None:
            found = self._with_one_more(run, among) or self._anew(run, among)
            self._sweeper.joined.setdefault(key, []).append(found)
        return found

    def _key(self, run: Sequence[ReadyRule]) -> tuple[object, ...]:
        # Each chain made ready for a question has rules of its own: what they ask is the same.
        matches = [match for rule in run for _, match in rule.open]
        by_entry = "conntrack" in {match.name for match in matches}
        return len(run), tuple(map(id, matches)), self._conditions.key(with_entry=by_entry)

    def _known(self, key: tuple[object, ...], among: PacketSet) -> AnyOf | None:
        known = self._sweeper.joined.get(key, ())
        return next((each for each in known if self._sweeper.is_within(among, each.among)), None)

    def _with_one_more(self, run: Sequence[ReadyRule], among: PacketSet) -> AnyOf | None:
        """The same where it is known of all rules but the last: remedies add one to many."""
        others, last = self._known(self._key(run[:-1]), among), run[-1]
        if others is None:
            return None
        self._sweeper.spend()
        one = self._conditions.asked(last)
        packets = others.packets | one.condition.possible
        return AnyOf(others.among, packets, others.is_exact and one.is_exact)

    def _anew(self, run: Sequence[ReadyRule], among: PacketSet) -> AnyOf:
        self._sweeper.spend(len(run))
        if len(run) < MANY:
            among = self._sweeper.space.everything
        else:
            outline = self._sweeper.outline(among)
            run = [rule for rule in run if self._conditions.may_match(rule, outline)]
        asked_of = [self._conditions.asked(rule) for rule in run]
        packets = self._sweeper.space.union(each.condition.possible for each in asked_of)
        return AnyOf(among, packets, all(each.is_exact for each in asked_of))
