# SPDX-License-Identifier: GPL-2.0-only
"""All connections of a role whose packets are lost once conntrack has forgotten them.

Exact where the rules are decided: the connections that the rules let be opened, and of these, for
each packet that an end may send next and each rule or policy, those whose packet it loses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.flows import Flows, Key, Kindred, all_of, exactly
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.swept import Swept, counted
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.first_packet import classify_first, classify_with_state
from ctlint.model.conntrack.status import CtState, Dir, TcpCt
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.traverse import Open, PolicyRef
from ctlint.wire.tcp_flags import TcpFlags

SYN: Final = TcpFlags.SYN
ACK: Final = TcpFlags.ACK
SYN_ACK: Final = SYN | ACK
DATA: Final = TcpFlags.PSH | ACK

OPENING: Final = (
    (Dir.ORIGINAL, SYN),
    (Dir.REPLY, SYN_ACK),
    (Dir.ORIGINAL, ACK),
    (Dir.ORIGINAL, DATA),
    (Dir.REPLY, DATA),
)
"""The packets that open a connection and carry its first data."""


class Region(NamedTuple):
    """Connections whose packet is lost in one way. ``sole`` are lost by this cause whatever the
    open matches say, ``certain`` are lost for certain but perhaps by another, ``possible`` hangs on
    whether the connection can be opened.
    """

    sender: Dir
    flags: TcpFlags
    end: End
    ctstate: CtState
    sole: PacketSet
    certain: PacketSet
    possible: PacketSet


class Opened(NamedTuple):
    """Connections that the rules let be opened: for certain, and perhaps."""

    certain: PacketSet
    possible: PacketSet


class _Tracked(NamedTuple):
    """NOTRACK took the SYN, so that later packets find no entry, but for the server's if it lets a
    packet of the client make one (``picked_up``); or it took the answer alone.
    """

    no_entry: bool = False
    no_answer: bool = False
    picked_up: bool = False


class _State(NamedTuple):
    """How far conntrack has come with connections that are being opened."""

    tracked: _Tracked = _Tracked()
    translated: Translated | None = None


class Judged(NamedTuple):
    """What becomes of packets: those that are lost for certain, and those that come through for
    certain; of all others it is not decided.
    """

    swept: Swept
    lost: PacketSet
    passes: PacketSet


class _Known(NamedTuple):
    """What became of packets, of which those in ``alive`` are lost with an entry too."""

    swept: Swept
    alive: PacketSet
    regions: Sequence[Region]


class Surveyor:
    """Finds the regions of one role."""

    def __init__(self, sweeper: Sweeper, *, loose: bool, kernel: KernelProfile) -> None:
        self._sweeper = sweeper
        self._loose = loose
        self._kernel = kernel
        coordinates: Coordinates = sweeper.coordinates
        # Whose addresses and ports say nothing.
        self._any = Connection(coordinates.role, coordinates.family, 0, 0, 0, 0, "", "")
        self._regions: list[_Known] = []
        self.open: dict[Open, None] = {}
        """The matches that leave open what becomes of a packet."""
        self.translating: dict[RuleRef, None] = {}
        """The rules that translate connections in ways that are not followed."""
        self.translated: Mapping[Translated, Opened] = {}
        """The connections that can be opened and that NAT translates, by how it does."""
        self.always: dict[RuleRef | PolicyRef, TcpFlags] = {}
        """What loses packets of open connections whether they have an entry or not, and one."""

    def established(self, among: PacketSet | None = None) -> Opened:
        """The connections, of all or of these, that the rules let be opened and carry data,
        untranslated. Those that NAT translates are in ``translated`` then.
        """
        nothing = self._sweeper.space.nothing
        possible = self._sweeper.coordinates.possible() if among is None else among
        states = {_State(): Opened(possible, possible)}
        for sender, flags in OPENING:
            behind: dict[_State, Opened] = {}
            for tracked in dict.fromkeys(state.tracked for state in states):
                here = {
                    state: opened for state, opened in states.items() if state.tracked == tracked
                }
                self._open(sender, flags, tracked, here, behind)
            states = behind
        parts: dict[Translated | None, list[Opened]] = {None: [Opened(nothing, nothing)]}
        for state, opened in states.items():
            if any(state.tracked):
                # Where there is no entry, or no established one, nothing can be for its expiry.
                opened = Opened(nothing, opened.possible)
            parts.setdefault(state.translated, []).append(opened)
        joined = {
            translated: Opened(
                reduce(or_, (each.certain for each in some)),
                reduce(or_, (each.possible for each in some)),
            )
            for translated, some in parts.items()
        }
        plain = joined.pop(None)
        self.translated = {
            translated: opened
            for translated, opened in joined.items()
            if translated is not None and not opened.possible.is_empty()
        }
        return plain

    def _open(
        self,
        sender: Dir,
        flags: TcpFlags,
        tracked: _Tracked,
        states: Mapping[_State, Opened],
        behind: dict[_State, Opened],
    ) -> None:
        """Send one packet of the opening for connections that are tracked alike."""
        nothing = self._sweeper.space.nothing
        packets = self._opening(sender, flags, tracked)
        start = {
            Key(translated=state.translated): exactly(opened.possible)
            for state, opened in states.items()
        }
        swept = self._send(packets, start)
        elsewhere = swept.elsewhere()
        certain = reduce(or_, (opened.certain for opened in states.values())) - elsewhere
        passed: dict[_State, PacketSet] = {}
        picks_up = tracked.no_entry and packets.ctstate is CtState.NEW
        # Whoever decides may let it go on.
        for key, each in (*swept.passed.items(), *swept.undecided.items()):
            if key.is_untracked and key.translated is not None:
                # What is not tracked is not translated: the other end does not know it.
                certain = certain - each.possible
                continue
            state = _State(
                _Tracked(
                    tracked.no_entry or (flags == SYN and key.is_untracked),
                    tracked.no_answer or (flags == SYN_ACK and key.is_untracked),
                    tracked.picked_up or (picks_up and not key.is_untracked),
                ),
                key.translated,
            )
            passed[state] = passed.get(state, nothing) | each.possible
        # Of those that may be in two states it is not certain in which they are.
        space = self._sweeper.space
        _, doubtful = counted(((some, nothing) for some in passed.values()), space)
        certain = certain - doubtful
        for state, some in passed.items():
            if some.is_empty():
                continue
            known = behind.get(state, Opened(nothing, nothing))
            behind[state] = Opened(known.certain | (certain & some), known.possible | some)

    def _opening(self, sender: Dir, flags: TcpFlags, tracked: _Tracked) -> Kindred:
        """A packet of the opening; see ``stranding.handshake``."""
        any_one = self._any
        no_entry, no_answer, picked_up = tracked
        if picked_up and sender is Dir.REPLY:
            answer = any_one.entry(sender, confirmed=True, replied=True)
            return Kindred(sender, flags, CtState.ESTABLISHED, answer)
        if no_entry:
            ctstate = classify_first(flags, tcp_loose=self._loose, kernel=self._kernel).ctstate
            view = any_one.picked_up(sender) if ctstate is CtState.NEW else None
            return Kindred(sender, flags, ctstate, view, sender)
        if flags == SYN:
            return Kindred(sender, flags, CtState.NEW, any_one.entry(sender), opens=True)
        if no_answer:
            state = TcpCt.SYN_SENT
            ctstate = classify_with_state(flags, sender, state, self._kernel, seen_reply=False)
            view = any_one.entry(sender, confirmed=True, replied=sender is Dir.REPLY)
            return Kindred(sender, flags, ctstate, None if ctstate is CtState.INVALID else view)
        view = any_one.entry(sender, confirmed=True, replied=True, assured=flags != SYN_ACK)
        return Kindred(sender, flags, CtState.ESTABLISHED, view)

    def parts(self, opened: Opened) -> Iterator[Opened]:
        """Connections that NAT translates in one way, those apart whose client's ACK is lost on its
        way by one rule or policy once it finds no entry: what makes an entry is translated anew.
        """
        late = self.forgotten(Dir.ORIGINAL, ACK)
        rest = opened
        if late.ctstate is CtState.NEW:
            anew = late._replace(opens=True, is_late=False)
            start = {Key(): exactly(opened.possible)}
            if not (self._sweeper.send(anew, start).elsewhere() & opened.possible).is_empty():
                swept = self._sweeper.send(anew._replace(tells_ends=True), start)
                for _, bounds in swept.ends.values():
                    part = Opened(opened.certain & bounds.nominal, opened.possible & bounds.nominal)
                    if not part.possible.is_empty():
                        yield part
                        certain = rest.certain - part.certain
                        rest = Opened(certain, rest.possible - part.possible)
        if not rest.possible.is_empty():
            yield rest

    def forgotten(self, sender: Dir, flags: TcpFlags) -> Kindred:
        """Packets that find no entry any more."""
        ctstate = classify_first(flags, tcp_loose=self._loose, kernel=self._kernel).ctstate
        view = self._any.picked_up(sender) if ctstate is CtState.NEW else None
        return Kindred(sender, flags, ctstate, view, sender, is_late=True)

    def remembered(self, sender: Dir, flags: TcpFlags) -> Kindred:
        """The same packets with the entry of an open connection."""
        view = self._any.entry(sender, confirmed=True, replied=True, assured=True)
        return Kindred(sender, flags, CtState.ESTABLISHED, view)

    def lost(self, opened: Opened, sender: Dir, flags: TcpFlags) -> Sequence[Region]:
        """The regions of one packet that finds no entry any more."""
        packets = self.forgotten(sender, flags)
        swept = self._send(packets, {Key(): exactly(opened.possible)})
        all_lost = self.surely_lost(swept, opened.possible)
        if all_lost.is_empty():
            return ()
        # Who loses them is asked of these alone.
        packets = packets._replace(tells_ends=True)
        swept = self._sweeper.send(packets, {Key(): exactly(all_lost)})
        alive = self._lost_alive(all_lost, sender, flags)
        for known in self._regions:
            if known.swept is swept and known.alive == alive:
                return [region._replace(flags=flags) for region in known.regions]
        regions = list(self._of_ends(swept, opened, all_lost, alive, packets))
        self._regions.append(_Known(swept, alive, regions))
        return regions

    def _of_ends(
        self, swept: Swept, opened: Opened, all_lost: PacketSet, alive: PacketSet, packets: Kindred
    ) -> Iterator[Region]:
        lost = all_lost - alive
        has_alive = not alive.is_empty()
        if lost.is_empty() and not has_alive:
            return
        doubtful = swept.with_two_ends()
        if not (doubtful & lost).is_empty():
            # It is lost either way, but by which rule hangs on them.
            self.open.update(dict.fromkeys(swept.left_open(self.open)))
        for end, (ctstate, bounds) in swept.ends.items():
            if end.disposition is Disposition.UNDECIDED:
                continue
            if has_alive and end.cause is not None and not (bounds.nominal & alive).is_empty():
                self.always.setdefault(end.cause, packets.flags)
            possible = bounds.nominal & lost
            if possible.is_empty():
                continue
            certain = possible & opened.certain
            yield Region(
                packets.sender, packets.flags, end, ctstate, certain - doubtful, certain, possible
            )

    def _lost_alive(self, among: PacketSet, sender: Dir, flags: TcpFlags) -> PacketSet:
        """Those whose packet is lost with its entry alive too: then expiry is not to blame."""
        swept = self._send(self.remembered(sender, flags), {Key(): exactly(among)})
        return self.surely_lost(swept, among)

    def judge(self, packets: Kindred, among: PacketSet, start: Flows | None = None) -> Judged:
        """What becomes of packets of these connections, which are not translated but for those of
        ``start`` that are.
        """
        swept = self._send(packets, {Key(): exactly(among)} if start is None else start)
        passes = among - swept.elsewhere()
        return Judged(swept, self.surely_lost(swept, among), passes)

    def surely_lost(self, swept: Swept, among: PacketSet) -> PacketSet:
        """Those whose packet neither may come through nor is left open."""
        nothing = self._sweeper.space.nothing
        lost = among - all_of(swept.passed, nothing).possible
        for end, (_, bounds) in swept.ends.items():
            if end.disposition is Disposition.UNDECIDED:
                lost = lost - bounds.possible
        for bounds in swept.translated.values():
            lost = lost - bounds.possible
        return lost

    def _send(self, packets: Kindred, start: Flows) -> Swept:
        swept = self._sweeper.send(packets, start)
        self.translating.update(dict.fromkeys(swept.translated))
        missing = list(swept.left_open(self.open))
        if missing and self._is_unsure(swept):
            self.open.update(dict.fromkeys(missing))
        return swept

    def _is_unsure(self, swept: Swept) -> bool:
        """Whether a packet that may be lost may come through, or is left open."""
        nothing = self._sweeper.space.nothing
        perhaps = [all_of(swept.passed, nothing).possible]
        for end, (_, bounds) in swept.ends.items():
            if end.disposition is Disposition.UNDECIDED:
                perhaps.append(bounds.possible)
        perhaps += [bounds.possible for bounds in swept.translated.values()]
        some: PacketSet = self._sweeper.space.union(perhaps)
        return any(not (each & some).is_empty() for each in swept.losses())
