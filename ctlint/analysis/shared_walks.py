# SPDX-License-Identifier: GPL-2.0-only
"""Sends connections through chains of the table nat that do the same in every role: of each is kept
what becomes of those that are sent through it, for the other roles.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Final

from ctlint.analysis.common import Led, Walk
from ctlint.analysis.flows import Flows, Gathered, Key, add
from ctlint.analysis.rewriting import Rewritten, Translated
from ctlint.analysis.swept import Swept
from ctlint.analysis.table_sweep import TableSweep
from ctlint.analysis.way import path_to
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.ready import ReadyChain, ReadyRule
from ctlint.model.netfilter.targets import Action, set_mark
from ctlint.wire.addresses import Family, Net

_LEADING: Final = frozenset({Hook.PREROUTING, Hook.LOCAL_OUT})
"""Where connections get another destination."""


class SharedWalks(TableSweep):
    """The table nat at one hook. ``led`` are the connections that rules lead on, while a chain is
    walked for all roles.
    """

    led: dict[Translated, Led] | None = None

    def enter(
        self, ready: ReadyChain, flows: Flows, via: tuple[RuleRef, ...], within: PacketSet
    ) -> Flows:
        """Where the chain does the same in every role, it is walked once for all."""
        if marking := self.sweeper.common.marking(ready):
            self.entered[ready] = None
            behind: Flows = {}
            for key, each in flows.items():
                add(behind, _marked(key, marking), each)
            return behind
        if not self.is_alike(ready, flows):
            return super().enter(ready, flows, via, within)
        sent = [within, *(each for bounds in flows.values() for each in bounds)]
        walks = self.sweeper.common.walks
        asked = ready, self.question, self.packets.sender, *flows, *map(id, sent)
        if asked not in walks:
            walks[asked] = self.walk(ready, flows, within, sent)
        return self.as_walked(walks[asked])

    def is_idle(self, rule: ReadyRule, ready: ReadyChain, key: Key) -> bool:
        """Whether the chain only gives packets the mark that they have."""
        marking = self.sweeper.common.marking(ready)
        if not marking or rule.action is Action.GOTO or _marked(key, marking) != key:
            return False
        self.entered[ready] = None
        return True

    def is_alike(self, ready: ReadyChain, flows: Flows) -> bool:
        """Whether what a chain does to these does not hang on the role."""
        return (
            self.led is None
            and self.packets.opens
            and self.among is self.sweeper.space.everything
            and self.stop.hook in _LEADING
            and all(key == Key(key.mark) for key in flows)
            and self.sweeper.common.is_alike(ready, self.question)
        )

    def walk(
        self, ready: ReadyChain, flows: Flows, within: PacketSet, sent: Sequence[PacketSet]
    ) -> Walk:
        """What becomes of connections in a chain, whatever the role."""
        inside = copy(self)
        inside.swept = Swept(self.sweeper.space)
        inside.accepted = Gathered(self.sweeper.space)
        inside.calls = {}
        inside.entered = {}
        inside.led = {}
        back = super(SharedWalks, inside).enter(ready, flows, (), within)
        return Walk(
            sent,
            back,
            inside.accepted.joined(),
            inside.led,
            inside.swept.open,
            inside.calls,
            inside.entered,
        )

    def as_walked(self, walk: Walk) -> Flows:
        """The packets that come back from a chain, where it is known what becomes of them."""
        sweeper, path = self.sweeper, self.at.path
        sweeper.spend(1 + len(walk.open) + len(walk.led))
        self.calls |= walk.calls
        self.entered |= walk.entered
        for item, those in walk.open.items():
            self.swept.leave_open(item, those)
        behind: dict[Translated | None, Translated | None] = {}
        for stand_in, led in walk.led.items():
            if path is Path.IN:
                # None of these rules asks for the address that it gives.
                sweeper.taken_for_another |= led.refs
            new = led.new._replace(hook=self.stop.hook)
            turned = self.turned(new)
            found = None if turned is None else sweeper.translate(None, new, turned)
            if found is None:
                for ref, some in led.pieces:
                    self.swept.translate(ref, some)
            else:
                behind[stand_in] = found
                found.join(led.refs)
        for key, each in walk.accepted.items():
            if key.translated is None:
                add(self.accepted, key, each)
            elif key.translated in behind:
                add(self.accepted, key._replace(translated=behind[key.translated]), each)
        return walk.back

    def turned(self, new: Rewritten) -> Path | None:
        """The path behind a rule; None where it is not followed."""
        path, family = self.at.path, self.sweeper.coordinates.family
        turned = path
        if new.manip is Manip.DST and (new.addresses is not None or new.is_of_host):
            low = 0 if new.addresses is None else new.addresses.low
            turned = path_to(low, family, path, is_redirect=new.is_redirect)
        # Over lo a packet cannot be led out again, nor one of the host's own be led there.
        is_followed = turned is not Path.LOOPBACK or (path is turned and not self.leads_off(new))
        return turned if is_followed else None

    def leads_off(self, new: Rewritten) -> bool:
        """Whether a packet on lo becomes one of another host."""
        loopback = Net(Family.IPV4, 127 << 24, 0xFF << 24)
        if self.sweeper.coordinates.family is Family.IPV6:
            loopback = Net(Family.IPV6, 1, Family.IPV6.full_mask)
        return new.addresses is not None and not all(map(loopback.contains, new.addresses))


def _marked(key: Key, marking: Sequence[Target]) -> Key:
    """The key of packets that have been marked."""
    mark = key.mark
    for target in marking:
        mark = set_mark(target, mark)
    return key._replace(mark=mark)
