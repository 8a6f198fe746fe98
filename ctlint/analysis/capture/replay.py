# SPDX-License-Identifier: GPL-2.0-only
"""Plays the frames of a capture, in the time of the capture, on the model that scenarios use."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ctlint.analysis.capture.fragments import Reassembly
from ctlint.analysis.capture.played import Fate, Played, Way
from ctlint.analysis.capture.sightings import Sightings
from ctlint.analysis.capture.whereabouts import Stage, Whereabouts
from ctlint.ir.ipset import Ipset
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.core import Half, NotModelledError, Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState, Dir, EntryStatus
from ctlint.model.conntrack.tuple import Tuple, get_tuple, invert_tuple
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.passage import Passage
from ctlint.model.netfilter.set_state import load_sets
from ctlint.model.netfilter.stack import Stack
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import Verdict
from ctlint.parse.printer import print_ruleset
from ctlint.scenario.play import say_open
from ctlint.wire.decoding import Decoded, Piece, decode
from ctlint.wire.frame import Frame, LeftOut, ip_start
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6

_MAIN_HOOKS: Final = (Hook.LOCAL_OUT, Hook.FORWARD, Hook.LOCAL_IN, Hook.PREROUTING)
_OTHER_TRACKERS: Final = frozenset((33, 47, 132, 136))
_READS_PAYLOAD: Final = ("-m string ", "-m u32 ", "-m bpf ")

MOST_DOUBTS: Final = 65_536
"""Connections that are known not to be decided; of more the oldest is forgotten."""

_CUT: Final = ({"rule": None, "match": None, "why": "the capture cut off what conntrack needs"},)
_BEFORE: Final = (
    {"rule": None, "match": None, "why": "an earlier packet of its connection is not decided"},
)
_NO_PAYLOAD: Final = (
    {"rule": None, "match": None, "why": "rules ask for a payload that the capture cut off"},
)
_NO_HOOKS: Final[Mapping[Hook, CtState]] = {}
_NAMES: Final = {state: str(state.name) for state in CtState}
_DIRS: Final = tuple(Dir)


_DYING: Final = int(EntryStatus.DYING)
_make = tuple.__new__


class _Seen(NamedTuple):
    """What is known of a packet before it is played: the first fields of what is said of it."""

    at: Micros
    now: Micros
    packet: Packet
    key: tuple[int, ...]
    way: Way
    interface: str


@dataclass(frozen=True, slots=True)
class Firewall:
    """What is played on: a kernel, sysctls that are not its defaults, rules and their sets, and
    where the box stands.
    """

    kernel: KernelProfile
    sysctls: Mapping[str, int]
    rulesets: Sequence[Ruleset]
    ipsets: Mapping[str, Ipset]
    stage: Stage


class Replay:
    """Plays frames, one by one. ``left_out`` counts those that are not played, by why; ``late`` are
    those that came with an earlier moment than one before them, and are played at that one's;
    ``frames`` counts all. ``forgotten`` are connections of which it is forgotten that they are not
    decided; ``unruled`` are packets of a family of which there are no rules while there are of the
    other.

    Raises EndlessWalkError where the rules jump without end.
    """

    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall
        self._tracker = Tracker(firewall.kernel, read_settings(firewall.kernel, firewall.sysctls))
        self._has_rules = bool(firewall.rulesets)
        text = "".join(map(print_ruleset, firewall.rulesets))
        self._has_nat = "*nat\n" in text
        self._reads_payload = any(words in text for words in _READS_PAYLOAD)
        self._families = {ruleset.family for ruleset in firewall.rulesets}
        self._box = Whereabouts(firewall.stage)
        self._stack: Stack | None = None
        self._origin: Micros = 0
        self._now: Micros = 0
        self._fragments = Reassembly()
        self._sightings = Sightings()
        self._doubts: OrderedDict[tuple[int, ...], None] = OrderedDict()
        self._left: Counter[LeftOut] = Counter()
        self.frames = 0
        self.late = 0
        self.forgotten = 0
        self.unruled = 0

    @property
    def left_out(self) -> Mapping[LeftOut, int]:
        """How many frames were not played, by why."""
        found = Counter(self._left)
        found[LeftOut.FRAGMENT] += self._fragments.given_up + self._fragments.waiting
        return {why: count for why, count in found.items() if count}

    @property
    def entries(self) -> int:
        """Entries that are in the table now."""
        return sum(1 for _ in self._tracker.entries(self._now))

    def play(self, frame: Frame) -> Played | None:
        """What the box makes of a frame; None where that is nothing, or nothing yet."""
        self.frames += 1
        found = self._packet(frame)
        if isinstance(found, LeftOut):
            self._left[found] += 1
            return None
        if frame.at is None:
            self._left[LeftOut.NO_TIME] += 1
            return None
        if self._stack is None:
            self._origin = frame.at
            self._stack = self._begin()
        now = frame.at - self._origin
        if now < self._now:
            self.late += 1
            now = self._now
        self._now = now
        count = 1
        if isinstance(found, Piece):
            whole = self._fragments.add(found, now)
            if whole is None:
                return None
            if isinstance(whole.packet, LeftOut):
                self._left[whole.packet] += whole.frames
                return None
            found, count = whole.packet, whole.frames
        played = self._play(self._stack, found, frame)
        if isinstance(played, LeftOut):
            self._left[played] += count
            return None
        return played if count == 1 else played._replace(frames=count)

    def _packet(self, frame: Frame) -> Decoded | Piece | LeftOut:
        start = ip_start(frame.link, frame.data)
        if isinstance(start, LeftOut):
            return start
        return decode(frame.data, start, frame.length, keeps_payload=self._reads_payload)

    def _begin(self) -> Stack:
        """The box before the first packet; now it is known which time of day that is."""
        firewall = self._firewall
        sets = load_sets(firewall.ipsets)
        counting = (
            frozenset(sets) if any(one.has_counters for one in sets.values()) else frozenset()
        )
        facts = Facts(clock=self._origin, counting_sets=counting)
        chains = {ruleset.family: ChainStore(ruleset, facts) for ruleset in firewall.rulesets}
        return Stack(self._tracker, chains, self._box, memory=Memory(sets))

    # ---- packets

    def _play(self, stack: Stack, found: Decoded, frame: Frame) -> Played | LeftOut:
        packet, now = found.packet, self._now
        if self._sightings.is_known(packet, found.number, now):
            return LeftOut.OUTPUT
        place = self._box.place(packet, frame.interface)
        if place is None:
            return LeftOut.SPECIAL
        way, interface = place
        is_own = not interface
        if self._has_nat and not is_own:
            packet = self._as_it_arrived(packet)
        key = get_tuple(packet)
        about = key if packet.quoted is None else get_tuple(packet.quoted)
        seen = _Seen(frame.at or 0, now, packet, about, way, interface)
        if found.is_cut:
            return self._doubt(seen, _CUT)
        if self._doubts and key in self._doubts:
            return _undecided(seen, _BEFORE)
        if self._reads_payload and not found.has_payload:
            return self._doubt(seen, _NO_PAYLOAD)
        before = self._tracker.find(key, now)
        try:
            passage = stack.send(packet, now) if is_own else stack.receive(packet, interface, now)
        except NotModelledError as error:
            if packet.protocol in _OTHER_TRACKERS:
                return LeftOut.OTHER_TRACKER
            why = ({"rule": None, "match": None, "why": f"not modelled: {error}"},)
            return self._doubt(seen, why)
        for emitted in passage.out:
            if is_own and emitted.is_same:
                continue  # It is the sighting.
            self._sightings.expect(emitted, found.number, now)
        after = before
        if before is None or before[0].status & _DYING or before[0].expires_at <= now:
            after = self._tracker.find(key, now)
        if passage.open:
            told = say_open(passage.open, packet.family)
            if before is None or after is None:
                return self._doubt(seen, told)
            return _undecided(seen, told, after)
        if self._has_rules and packet.family not in self._families:
            self.unruled += 1
        return self._answer(seen, passage, before, after)

    def _as_it_arrived(self, packet: Packet) -> Packet:
        """A packet of a translated connection that was captured on the side where it leaves, as it
        came in on the other.
        """
        about = packet if packet.quoted is None else packet.quoted
        key = get_tuple(about)
        inverse = invert_tuple(key)
        if inverse is None:
            return packet
        # Of what an error quotes conntrack looks for the answer.
        sought, other = (key, inverse) if about is packet else (inverse, key)
        if self._tracker.find(sought, self._now) is not None:
            return packet
        half = self._tracker.find(other, self._now)
        if half is None:
            return packet
        entry, direction = half
        arrived = entry.tuple_in(_DIRS[1 - direction])
        if about is packet:
            return _with_ends(packet, arrived)
        answered = invert_tuple(arrived)
        if answered is None:
            return packet
        quoted = _with_ends(about, answered)
        is_to_sender = packet.daddr == about.saddr
        return packet._replace(daddr=quoted.saddr if is_to_sender else packet.daddr, quoted=quoted)

    # ---- answers

    def _answer(
        self, seen: _Seen, passage: Passage, before: Half | None, after: Half | None
    ) -> Played:
        ctstates, cause, out, log = passage.ctstates, passage.cause, passage.out, passage.log
        ctstate: str | None = None
        for hook in _MAIN_HOOKS:
            if hook in ctstates:
                ctstate = _NAMES[ctstates[hook]]
                break
        name: str | None = None
        if (out and out[0].is_same) or passage.is_delivered:
            fate = Fate.PASSED
        elif cause is None:
            fate = Fate.LOST
        else:
            name = str(cause.cause)
            fate = Fate.REJECTED if cause.verdict is Verdict.REJECT else Fate.DROPPED
        entry, direction = (None, None) if after is None else (after[0], _DIRS[after[1]])
        kernel = self._firewall.kernel
        fields = (
            *(*seen, ctstate, ctstates, fate, name),
            tuple(line.reason for line in log) if log else (),
            tuple(words for line in log if (words := line.words(kernel))) if log else (),
            passage.matched if self._has_rules else (),
            say_open(passage.unsure, seen.packet.family) if passage.unsure else (),
            *(entry, direction, entry is not None and (before is None or before[0] is not entry)),
            *(out, 1),
        )
        return _make(Played, fields)

    def _doubt(self, seen: _Seen, why: Sequence[Mapping[str, Any]]) -> Played:
        """A packet that is not decided, and leaves behind that its connection is not either."""
        key = get_tuple(seen.packet)
        for each in (key, invert_tuple(key)):
            if each is not None:
                self._doubts[tuple(each)] = None
                self._doubts.move_to_end(tuple(each))
        while len(self._doubts) > 2 * MOST_DOUBTS:
            self._doubts.popitem(last=False)
            self.forgotten += 1
        return _undecided(seen, why)


def _with_ends(packet: Packet, ends: Tuple) -> Packet:
    """The packet with other addresses and ports."""
    packet = packet._replace(saddr=ends.saddr, daddr=ends.daddr)
    if packet.protocol in (ICMP, ICMPV6):
        return packet._replace(icmp_id=ends.sport)
    if packet.sport is None:
        return packet
    return packet._replace(sport=ends.sport, dport=ends.dport)


def _undecided(seen: _Seen, why: Sequence[Mapping[str, Any]], half: Half | None = None) -> Played:
    entry, direction = (None, None) if half is None else (half[0], _DIRS[half[1]])
    return Played(
        *seen, None, _NO_HOOKS, Fate.UNDECIDED, undecided=why, entry=entry, pktdir=direction
    )
