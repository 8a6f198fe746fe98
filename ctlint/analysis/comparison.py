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

from ctlint.analysis.coordinates import PATHS, Coordinates
from ctlint.analysis.difference import Kind, Phase
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.losses import Kind as PacketKind
from ctlint.analysis.regions import SYN, Opened
from ctlint.analysis.retranslation import Retranslation, Way, is_told, rules_said, said
from ctlint.analysis.rewriting import rewritten
from ctlint.analysis.side import Cause, Loss, Sending, Side
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.wire.addresses import Family
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
    there too, where only the cause is another. ``ways`` says how either side translates them,
    ``leads_elsewhere`` whether that gives them another server.
    """

    kind: Kind
    step: Step
    is_certain: bool
    loss: Loss
    other: Cause | None
    packets: PacketSet
    other_loss: Loss | None = None
    ways: tuple[Way, Way] = (None, None)
    leads_elsewhere: bool = False

    @property
    def way(self) -> Way:
        """How they are translated on the side that says what the host is to them: that which lets
        them be opened, the new one if both do.
        """
        is_opened_before = self.kind is Kind.NEWLY_DROPPED and self.step.phase is Phase.OPENING
        return self.ways[0] if is_opened_before else self.ways[1]

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
        # What NAT makes of these is not known.
        self._left_out = old.unfollowed | new.unfollowed
        self._opened = tuple(
            _Truth(side.opened.certain - self._left_out, side.opened.possible - self._left_out)
            for side in (old, new)
        )

    def changes(self, *, with_causes: bool = False) -> Iterator[Change]:
        """All that differs. ``with_causes``: also what both lose, but to another cause."""
        old, new = self._opened
        dropped, accepted = old.change_to(new), new.change_to(old)
        yield from self._openings(Kind.NEWLY_DROPPED, dropped)
        yield from self._openings(Kind.NEWLY_ACCEPTED, accepted)
        retranslated = list(self._retranslated())
        yield from retranslated
        both = Opened(old.certain & new.certain, old.possible & new.possible)
        # Without its entry a packet is not translated as its connection is: told below.
        translated = self._old.translated | self._new.translated
        plain = Opened(both.certain - translated, both.possible - translated)
        changed: dict[tuple[Kind, Dir, TcpFlags], PacketSet] = {}
        for sender in Dir:
            for kind in PacketKind:
                step = Step(Phase.OPEN, sender, kind.flags)
                yield from self._steps(step, both, changed, with_causes=with_causes)
        for sender in Dir:
            for kind in PacketKind:
                step = Step(Phase.EXPIRED, sender, kind.flags)
                yield from self._steps(step, plain, changed, with_causes=with_causes)
        for change in retranslated:
            yield from self._unreturned(change)
        if with_causes:
            yield from self._closed()

    def is_all_open(self) -> bool:
        """Whether the new rules let every connection be opened, or may, on the path of its role."""
        usual = PATHS[self._coordinates.role][0]
        left = self._coordinates.possible()
        for way, opened in self._new.ways.items():
            if way is None or way.path is usual:
                left = left - opened.possible
        return left.is_empty()

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
                for one in self._by_ways(change):
                    yield from _decided(one, sent, other)

    def _by_ways(self, change: Change) -> Iterator[Change]:
        """A change, once for each way in which either side translates its connections."""
        is_opening = change.step.phase is Phase.OPENING
        loses = [True, True] if change.kind is Kind.OTHER_CAUSE else [False, False]
        if change.kind is not Kind.OTHER_CAUSE:
            loses[change.kind.loser == "new"] = True
        of_old, of_new = (not (is_opening and lost) for lost in loses)
        for before, some in self._old.ways_of(change.packets, are_open=of_old):
            for now, part in self._new.ways_of(some, are_open=of_new):
                yield change._replace(packets=part, ways=(before, now))

    def _closed(self) -> Iterator[Change]:
        """Connections that neither lets be opened, and that are lost to another cause now."""
        old, new = self._opened
        neither = self._coordinates.possible() - old.possible - new.possible
        neither = neither - self._left_out
        if neither.is_empty():
            return
        losses = (
            list(side.losses(side.openings(neither), neither)) for side in (self._old, self._new)
        )
        for change in _other_causes(*losses, phase=Phase.OPENING):
            yield from self._by_ways(change)

    # Translations

    def _retranslated(self) -> Iterator[Change]:
        """Connections that both let be opened, and of which NAT makes something else now."""
        compared = Retranslation(self._coordinates)
        for before, opened in self._old.ways.items():
            if not is_told(before):
                self._leave_out(self._old, before, opened, self._new)
                continue
            for now, others in self._new.ways.items():
                if not is_told(now):
                    continue
                possible = (opened.possible & others.possible) - self._left_out
                if possible.is_empty():
                    continue
                apart = compared.apart(before, now)
                certain = opened.certain & others.certain & possible
                # Where neither side knows, nothing is said.
                known = (opened.certain | others.certain) & possible & apart.possible
                certain = certain & apart.certain
                kind = _KINDS_OF_NAT.get((before is None, now is None), Kind.TRANSLATED_OTHERWISE)
                for is_certain, part in ((True, certain), (False, known - certain)):
                    if part.is_empty():
                        continue
                    way = before if now is None else now
                    first = None if way is None else (way.destination or way.source)
                    hook = None if first is None else first.hook
                    end = End(Disposition.DELIVERED, first and first.ref, hook)
                    loss = Loss(Dir.ORIGINAL, SYN, end, CtState.NEW, part)
                    step = Step(Phase.OPENING, Dir.ORIGINAL, SYN)
                    leads = compared.leads_elsewhere(before, now)
                    change = Change(kind, step, is_certain, loss, None, part)
                    yield change._replace(ways=(before, now), leads_elsewhere=leads)
        for now, others in self._new.ways.items():
            if not is_told(now):
                self._leave_out(self._new, now, others, self._old)

    def _leave_out(self, side: Side, way: Way, opened: Opened, other: Side) -> None:
        """Note what is translated by one of many rules that are not told apart, unless the other
        side has the same.
        """
        same = {rules_said(each) for each in other.ways}
        if rules_said(way) not in same and not (opened.possible & other.opened.possible).is_empty():
            side.leave_out(way)

    def _unreturned(self, change: Change) -> Iterator[Change]:
        """The closes that are lost for a translation that came, or not any more for one that went:
        what has no entry is not translated (nf_nat_inet_fn(), Linux 6.18).
        """
        if change.kind is Kind.NEWLY_TRANSLATED:
            plain, kind, way = self._old, Kind.NEWLY_STRANDED, change.ways[1]
        elif change.kind is Kind.NO_LONGER_TRANSLATED:
            plain, kind, way = self._new, Kind.NO_LONGER_STRANDED, change.ways[0]
        else:
            return
        other = self._new if plain is self._old else self._old
        assert way is not None
        first = way.destination or way.source
        assert first is not None
        end = End(Disposition.MISDIRECTED, first.ref, first.hook)
        among = change.packets - self._old.untracked - self._new.untracked
        for sender in Dir:
            for packet in (PacketKind.FIN, PacketKind.RST):
                late = plain.surveyor.forgotten(sender, packet.flags)
                if late.ctstate is not CtState.INVALID or among.is_empty():
                    continue
                passes = plain.surveyor.judge(late, among).passes
                alive = other.judge_open(other.surveyor.remembered(sender, packet.flags), among)
                lost = (passes & among) - alive.swept.elsewhere()
                if lost.is_empty():
                    continue
                step = Step(Phase.EXPIRED, sender, packet.flags)
                loss = Loss(sender, packet.flags, end, CtState.INVALID, lost)
                yield change._replace(kind=kind, step=step, loss=loss, packets=lost)

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
            judge = side.judge_open if is_open else side.surveyor.judge
            swept, lost, passes = judge(packets, among)
            sent.append(Sending(packets, among, swept))
            truths.append(_Truth(lost, among - passes))
            surely.append(lost)
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
                    is_sure = is_certain and not _is_by_lot(loss.end, self._coordinates.family)
                    change = Change(kind, step, is_sure, loss, None, loss.packets)
                    for one in self._by_ways(change):
                        yield from _decided(one, (others,), other)
        if with_causes:
            lost = reduce(and_, surely) & among & both.certain
            by_side = (
                list(side.losses((one,), lost))
                for side, one in zip((self._old, self._new), sent, strict=True)
            )
            for change in _other_causes(*by_side, phase=step.phase):
                yield from self._by_ways(change)


_KINDS: Final = {
    Phase.OPEN: (Kind.NEWLY_DROPPED, Kind.NEWLY_ACCEPTED),
    Phase.EXPIRED: (Kind.NEWLY_STRANDED, Kind.NO_LONGER_STRANDED),
}
"""What is lost in the new rules alone, and in the old ones alone."""
_KINDS_OF_NAT: Final = {
    (True, False): Kind.NEWLY_TRANSLATED,
    (False, True): Kind.NO_LONGER_TRANSLATED,
}
"""By whether the old side lets a connection as it is, and the new one."""
_WITH_ENTRY: Final = dict(zip(_KINDS[Phase.EXPIRED], _KINDS[Phase.OPEN], strict=True))


def _is_by_lot(end: End, family: Family) -> bool:
    """Whether NAT gives a packet one end of several, which may be its own."""
    if end.disposition is not Disposition.MISDIRECTED:
        return False
    assert isinstance(end.cause, RuleRef)
    assert end.hook is not None
    new = rewritten(end.cause, end.hook, family)
    if new is None or new.draws_port:
        return True
    return new.addresses is not None and new.addresses.low != new.addresses.high


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
        way = change.ways[change.kind.loser == "old"]
        table = loss.end.cause.table
        for cause, part in other.decisions(loss.end.hook, table, packets, here, way):
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
    return *packet, said(cause.rule)
