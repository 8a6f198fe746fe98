# SPDX-License-Identifier: GPL-2.0-only
"""Which packets of which connections of one role fare otherwise under two firewalls.

Connections of both are points of one space. Each firewall parts them into those that can be opened
for certain, those that perhaps can, and the others; and those that both let be opened, for each
packet that an end may send, into those whose packet comes through, is lost, or neither for certain.
A change is certain where both say so for certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import and_
from typing import Final, NamedTuple

from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.difference import Kind, Phase
from ctlint.analysis.losses import Kind as PacketKind
from ctlint.analysis.regions import Opened
from ctlint.analysis.side import Cause, Loss, Sending, Side
from ctlint.headerspace.space import PacketSet
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import RuleRef
from ctlint.wire.tcp_flags import TcpFlags


class Step(NamedTuple):
    """A packet of a connection."""

    phase: Phase
    sender: Dir
    flags: TcpFlags


class Change(NamedTuple):
    """Connections of which a packet fares otherwise, for one pair of causes.

    ``loss`` is what becomes of it where it is lost; ``other`` decides on it in the same table at
    the same hook under the other rules (None: nothing does), and ``other_loss`` says how it is lost
    there too, where only the cause is another.
    """

    kind: Kind
    step: Step
    is_certain: bool
    loss: Loss
    other: Cause | None
    packets: PacketSet
    other_loss: Loss | None = None

    def step_of(self, side: str) -> Step:
        """The packet that decides on the old side or the new: where only the cause is another, an
        opening may be lost with another packet.
        """
        before = self.other_loss
        if side == "new" or before is None:
            return self.step
        return Step(self.step.phase, before.sender, before.flags)


class _Truth(NamedTuple):
    """A partition of connections: of which something holds, for certain or perhaps."""

    certain: PacketSet
    possible: PacketSet

    def change_to(self, other: _Truth) -> tuple[PacketSet, PacketSet]:
        """Where it holds here and not there, for certain and perhaps. Where neither knows, nothing
        is said.
        """
        certain = self.certain - other.possible
        perhaps = (self.certain - other.certain) | (self.possible - other.possible)
        return certain, perhaps - certain


class Comparison:
    """Two firewalls compared for one role. Raises TooLargeError and EndlessWalkError."""

    def __init__(self, old: Side, new: Side, coordinates: Coordinates) -> None:
        self._old = old
        self._new = new
        self._coordinates = coordinates
        # What NAT translates is followed no further, so nothing is said of it.
        left_out = old.translated | new.translated
        self._opened = tuple(
            _Truth(side.opened.certain - left_out, side.opened.possible - left_out)
            for side in (old, new)
        )

    def changes(self, *, with_causes: bool = False) -> Iterator[Change]:
        """All that differs. ``with_causes``: also what both lose, but to another cause."""
        old, new = self._opened
        dropped, accepted = old.change_to(new), new.change_to(old)
        yield from self._openings(Kind.NEWLY_DROPPED, dropped)
        yield from self._openings(Kind.NEWLY_ACCEPTED, accepted)
        both = Opened(old.certain & new.certain, old.possible & new.possible)
        changed: dict[tuple[Kind, Dir, TcpFlags], PacketSet] = {}
        for phase in (Phase.OPEN, Phase.EXPIRED):
            for sender in Dir:
                for kind in PacketKind:
                    step = Step(phase, sender, kind.flags)
                    yield from self._steps(step, both, changed, with_causes=with_causes)
        if with_causes:
            yield from self._closed()

    def is_all_open(self) -> bool:
        """Whether the new rules let every connection be opened, or may."""
        return (self._coordinates.possible() - self._new.opened.possible).is_empty()

    def _sides(self, kind: Kind) -> tuple[Side, Side]:
        """Who loses the packet, and the other."""
        return (self._old, self._new) if kind.loser == "old" else (self._new, self._old)

    # Opening

    def _openings(self, kind: Kind, changed: tuple[PacketSet, PacketSet]) -> Iterator[Change]:
        loser, other = self._sides(kind)
        for is_certain, among in zip((True, False), changed, strict=True):
            if among.is_empty():
                continue
            sent = other.openings(among)
            for loss in loser.losses(loser.openings(among), among):
                step = Step(Phase.OPENING, loss.sender, loss.flags)
                change = Change(kind, step, is_certain, loss, None, loss.packets)
                yield from _decided(change, sent, other)

    def _closed(self) -> Iterator[Change]:
        """Connections that neither lets be opened, and that are lost to another cause now."""
        old, new = self._opened
        neither = self._coordinates.possible() - old.possible - new.possible
        neither = neither - self._old.translated - self._new.translated
        if neither.is_empty():
            return
        losses = (
            list(side.losses(side.openings(neither), neither)) for side in (self._old, self._new)
        )
        yield from _other_causes(*losses, phase=Phase.OPENING)

    # Packets of open connections

    def _steps(
        self,
        step: Step,
        both: Opened,
        changed: dict[tuple[Kind, Dir, TcpFlags], PacketSet],
        *,
        with_causes: bool,
    ) -> Iterator[Change]:
        """One packet of connections that both let be opened. ``changed`` are those that lose it, or
        no longer do, with their entry already: expiry is not to blame for that.
        """
        _, sender, flags = step
        is_open = step.phase is Phase.OPEN
        among = both.possible
        if is_open:
            # Without an entry they cannot have one.
            among = among - self._old.untracked - self._new.untracked
        if among.is_empty():
            return
        sent: list[Sending] = []
        truths: list[_Truth] = []
        surely: list[PacketSet] = []
        for side in (self._old, self._new):
            of = side.surveyor.remembered if is_open else side.surveyor.forgotten
            packets = of(sender, flags)._replace(tells_ends=True)
            swept, lost, passes = side.surveyor.judge(packets, among)
            sent.append(Sending(packets, among, swept))
            truths.append(_Truth(lost, among - passes))
            surely.append(lost)
        for side, each in zip((self._old, self._new), sent, strict=True):
            among = among - side.translated_among(each.packets, each.start)
        gains, losses = truths[0].change_to(truths[1]), truths[1].change_to(truths[0])
        for kind, (certain, perhaps) in zip(_KINDS[step.phase], (losses, gains), strict=True):
            hidden = self._coordinates.space.nothing
            if is_open:
                changed[kind, sender, flags] = certain | perhaps
            else:
                hidden = changed.get((_WITH_ENTRY[kind], sender, flags), hidden)
            certain, perhaps = ((part & among) - hidden for part in (certain, perhaps))
            certain, perhaps = certain & both.certain, perhaps | (certain - both.certain)
            loser, other = self._sides(kind)
            own, others = (sent[0], sent[1]) if loser is self._old else (sent[1], sent[0])
            for is_certain, part in ((True, certain), (False, perhaps)):
                for loss in loser.losses((own,), part):
                    change = Change(kind, step, is_certain, loss, None, loss.packets)
                    yield from _decided(change, (others,), other)
        if with_causes:
            lost = reduce(and_, surely) & among & both.certain
            by_side = (
                list(side.losses((one,), lost))
                for side, one in zip((self._old, self._new), sent, strict=True)
            )
            yield from _other_causes(*by_side, phase=step.phase)


_KINDS: Final = {
    Phase.OPEN: (Kind.NEWLY_DROPPED, Kind.NEWLY_ACCEPTED),
    Phase.EXPIRED: (Kind.NEWLY_STRANDED, Kind.NO_LONGER_STRANDED),
}
"""What is lost in the new rules alone, and in the old ones alone."""
_WITH_ENTRY: Final = dict(zip(_KINDS[Phase.EXPIRED], _KINDS[Phase.OPEN], strict=True))


def _decided(change: Change, sent: Sequence[Sending], other: Side) -> Iterator[Change]:
    """A change, once for each rule or policy that decides on its packet on the other side."""
    loss = change.loss
    left = change.packets
    assert loss.end.hook is not None
    assert loss.end.cause is not None
    for packets, start, _ in sent:
        if (packets.sender, packets.flags) != (loss.sender, loss.flags):
            continue
        here = left & start
        if here.is_empty():
            continue
        left = left - here
        for cause, part in other.decisions(loss.end.hook, loss.end.cause.table, packets, here):
            yield change._replace(other=cause, packets=part)
    if not left.is_empty():
        yield change._replace(packets=left)


def _other_causes(old: Sequence[Loss], new: Sequence[Loss], *, phase: Phase) -> Iterator[Change]:
    """Where the same connections are lost for another reason."""
    alike: dict[object, PacketSet] = {}
    for loss in old:
        meaning = _meaning(loss)
        alike[meaning] = alike[meaning] | loss.packets if meaning in alike else loss.packets
    for loss in new:
        meaning = _meaning(loss)
        left = loss.packets - alike[meaning] if meaning in alike else loss.packets
        if left.is_empty():
            continue
        for before in old:
            part = left & before.packets
            if not part.is_empty():
                step = Step(phase, loss.sender, loss.flags)
                cause = before.end.cause
                yield Change(Kind.OTHER_CAUSE, step, True, loss, cause, part, before)


def _meaning(loss: Loss) -> object:
    """What makes two causes one: a rule that moved, or whose chain has another name, is the same;
    so is one with another comment.
    """
    cause = loss.end.cause
    assert cause is not None
    packet = loss.sender, loss.flags, loss.end.disposition, cause.table
    if not isinstance(cause, RuleRef):
        return *packet, cause.chain
    matches = tuple(match for match in cause.rule.matches if match.name != "comment")
    return *packet, repr((matches, cause.rule.target))
