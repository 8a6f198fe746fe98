# SPDX-License-Identifier: GPL-2.0-only
"""One of two firewalls that are compared, asked about the connections of one role as sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Final, NamedTuple

from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.fate import End
from ctlint.analysis.flows import Flows, Key, Kindred, all_of, exactly
from ctlint.analysis.regions import Judged, Opened, Surveyor
from ctlint.analysis.retranslation import Way
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.swept import Swept
from ctlint.analysis.translated import is_martian
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule import Goto, Jump, Rule, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Chain, Ruleset, Table
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.targets import Action, action
from ctlint.model.netfilter.traverse import PolicyRef
from ctlint.wire.tcp_flags import TcpFlags

Cause = RuleRef | PolicyRef


class Sending(NamedTuple):
    """Packets that were sent, of which connections, and what became of them."""

    packets: Kindred
    start: PacketSet
    swept: Swept


class Loss(NamedTuple):
    """Connections that lose a packet in one way."""

    sender: Dir
    flags: TcpFlags
    end: End
    ctstate: CtState
    packets: PacketSet


class _Recorder(Sweeper):
    """Sweeps that are kept. ``tells_ends``: it is told of every packet which rule ends its way."""

    def __init__(
        self, chains: ChainStore, coordinates: Coordinates, *, tells_ends: bool = False
    ) -> None:
        super().__init__(chains, coordinates)
        self._tells_ends = tells_ends
        self.sent: list[Sending] = []

    def send(self, packets: Kindred, start: Flows) -> Swept:
        """See Sweeper."""
        if self._tells_ends:
            packets = packets._replace(tells_ends=True)
        swept = super().send(packets, start)
        begun = all_of(start, self.space.nothing).possible
        self.sent.append(Sending(packets, begun, swept))
        return swept


class Side:
    """A firewall for the connections of one role. All methods raise TooLargeError and
    EndlessWalkError.
    """

    def __init__(self, chains: ChainStore, settings: Settings, coordinates: Coordinates) -> None:
        self.chains = chains
        self.settings = settings
        self._coordinates = coordinates
        self._nothing: PacketSet = coordinates.space.nothing
        self._deciding: dict[tuple[Hook, str], Sweeper] = {}
        self._nat = _nat_alone(chains, coordinates)
        self._translating: dict[RuleRef, None] = {}
        recorder = _Recorder(chains, coordinates)
        self.surveyor = self._surveyor(recorder)
        self.plain = self.surveyor.established()
        """The connections that can be opened and that NAT does not translate."""
        self.ways: dict[Way, Opened] = {None: self.plain}
        """All that can be opened, by how NAT translates them."""
        self.ways |= dict(self.surveyor.translated.items())
        some = self.ways.values()
        space = coordinates.space
        self.opened = Opened(
            space.union(each.certain for each in some), space.union(each.possible for each in some)
        )
        """All of them together."""
        self.translated: PacketSet = space.union(
            each.possible for way, each in self.ways.items() if way is not None
        )
        """Those that may be translated."""
        self.unfollowed = self._nothing
        """Those that may be translated in a way that is not followed: nothing is said of them."""
        self.untracked = self._nothing
        """Those whose entry may not know all that opens them, for NOTRACK takes some of it."""
        self._syn = recorder.sent[0].packets
        for _, _, swept in recorder.sent:
            for bounds in swept.translated.values():
                self.unfollowed = self.unfollowed | bounds.possible
            for key, bounds in swept.passed.items():
                if key.is_untracked:
                    self.untracked = self.untracked | bounds.possible
        self._translating |= self.surveyor.translating
        for way, each in self.ways.items():
            if way is not None and is_martian(coordinates.role, coordinates.family, way):
                self.unfollowed = self.unfollowed | each.possible
                self._translating |= dict.fromkeys(way.rules)

    @property
    def translating(self) -> Sequence[RuleRef]:
        """The rules that translate connections that are not compared."""
        found = (original(self.chains.ruleset, ref) for ref in self._translating)
        return [ref for ref in found if isinstance(ref, RuleRef)]

    def leave_out(self, way: Way) -> None:
        """Note that connections that are translated so are not compared."""
        self._translating |= dict.fromkeys(() if way is None else way.rules)

    def ways_of(self, among: PacketSet, *, are_open: bool) -> Iterator[tuple[Way, PacketSet]]:
        """How these connections are translated, each once: ``are_open``, of those that can be
        opened; else of any, as far as their SYN comes.
        """
        bounds: Mapping[Way, tuple[PacketSet, PacketSet]] = self.ways
        if not are_open:
            bounds = {}
            if self._nat is not None:
                asked = self._syn._replace(tells_ends=False)
                swept = self._nat.send(asked, {Key(): exactly(among)})
                bounds = {
                    key.translated: (each.nominal, each.possible)
                    for key, each in swept.passed.items()
                }
        for is_possible in (False, True):
            for way, each in bounds.items():
                part = among & each[is_possible]
                if not part.is_empty():
                    among = among - part
                    yield way, part
        if not among.is_empty():
            yield None, among

    def judge_open(self, packets: Kindred, among: PacketSet) -> Judged:
        """What becomes of packets of these connections while they are open."""
        start = {
            Key(translated=way): exactly(part)
            for way, opened in self.ways.items()
            if not (part := opened.possible & among).is_empty()
        }
        return self.surveyor.judge(packets, among, start)

    def _surveyor(self, sweeper: Sweeper) -> Surveyor:
        loose = self.settings.value(TCP_LOOSE) != 0
        return Surveyor(sweeper, loose=loose, kernel=self.settings.kernel)

    def openings(self, among: PacketSet) -> Sequence[Sending]:
        """The packets that open these connections, sent anew so that all their ends are told."""
        recorder = _Recorder(self.chains, self._coordinates, tells_ends=True)
        self._surveyor(recorder).established(among)
        return recorder.sent

    def losses(self, sent: Sequence[Sending], among: PacketSet) -> Iterator[Loss]:
        """Which rule or policy loses which of these connections, each once: the first packet that
        is lost whatever open matches say, else the first that may be.
        """
        surely = [self.surveyor.surely_lost(swept, begun) for _, begun, swept in sent]
        for is_sure, is_nominal in product((True, False), repeat=2):
            for (packets, _, swept), sure in zip(sent, surely, strict=True):
                here = among & sure if is_sure else among
                for end, (ctstate, bounds) in swept.ends.items():
                    lost = (bounds.nominal if is_nominal else bounds.possible) & here
                    if lost.is_empty():
                        continue
                    among, here = among - lost, here - lost
                    yield Loss(packets.sender, packets.flags, end, ctstate, lost)

    def decisions(
        self, hook: Hook, table: str, packets: Kindred, among: PacketSet, way: Way
    ) -> Iterator[tuple[Cause | None, PacketSet]]:
        """What decides on packets of these connections, which are translated so, in one table at
        one hook, each once; None where nothing does.
        """
        if self.chains.ruleset.chain(table, hook.value) is None:
            yield None, among
            return
        key = hook, table
        if key not in self._deciding:
            ruleset = telling(self.chains.ruleset, table, hook.value)
            chains = ChainStore(ruleset, self.chains.facts)
            self._deciding[key] = Sweeper(chains, self._coordinates)
        # NAT makes of the first packet itself what it does.
        start = {Key(translated=None if packets.opens else way): exactly(among)}
        swept = self._deciding[key].send(packets._replace(tells_ends=True), start)
        for is_nominal in (True, False):
            for end, (_, bounds) in swept.ends.items():
                if end.hook is not hook or end.cause is None or end.cause.table != table:
                    continue
                decided = (bounds.nominal if is_nominal else bounds.possible) & among
                if not decided.is_empty():
                    among = among - decided
                    yield original(self.chains.ruleset, end.cause), decided
        if not among.is_empty():
            # It never comes there, or for a reason that no rule of the table has.
            yield None, among


_COPY: Final = "\0"
"""Ends the names of copied chains: no chain of a rule set can be called so."""
_DROP: Final = Target("DROP")


def telling(ruleset: Ruleset, table: str, base: str) -> Ruleset:
    """The same rules, but what ends the way through one table at one hook drops: a sweep then tells
    which rule or policy that is, of the packets that go on too. Chains that are called from there
    are copied, for other hooks may call them.
    """
    chains = dict(ruleset.tables[table].chains)
    waiting, done = [base], {base}
    while waiting:
        name = waiting.pop()
        chain = ruleset.tables[table].chains[name]
        rules = []
        for rule in chain.rules:
            target = rule.target
            if isinstance(target, Jump | Goto) and target.chain in chains:
                if target.chain not in done:
                    done.add(target.chain)
                    waiting.append(target.chain)
                rule = rule._replace(target=type(target)(target.chain + _COPY))
            elif isinstance(target, Target) and target.name == "ACCEPT":
                rule = rule._replace(target=_DROP)
            rules.append(rule)
        copied = name if name == base else name + _COPY
        policy = "DROP" if name == base else None
        chains[copied] = Chain(copied, policy, tuple(rules), None, chain.span)
    tables: dict[str, Table] = dict(ruleset.tables)
    tables[table] = replace(tables[table], chains=chains)
    return replace(ruleset, tables=tables)


def original(ruleset: Ruleset, cause: Cause) -> Cause:
    """A rule or policy of a changed rule set as it stands in the rule set itself."""
    if not isinstance(cause, RuleRef):
        return cause
    name = cause.chain.removesuffix(_COPY)
    rule: Rule = ruleset.tables[cause.table].chains[name].rules[cause.position - 1]
    return RuleRef(cause.table, name, cause.position, rule)


_ENDING: Final = frozenset({Action.DROP, Action.REJECT, Action.ELSEWHERE})


def _nat_alone(chains: ChainStore, coordinates: Coordinates) -> Sweeper | None:
    """Sweeps under the same rules with all that loses packets made to accept, so that only marks
    and NAT count; None where nothing is translated.
    """
    ruleset = chains.ruleset
    if not any(action(rule.target) is Action.TRANSLATE for _, _, _, rule in ruleset.rules()):
        return None
    tables = {
        name: replace(
            table,
            chains={
                chain.name: chain._replace(
                    policy=chain.policy and "ACCEPT",
                    rules=tuple(
                        rule._replace(target=Target("ACCEPT"))
                        if action(rule.target) in _ENDING
                        else rule
                        for rule in chain.rules
                    ),
                )
                for chain in table.chains.values()
            },
        )
        for name, table in ruleset.tables.items()
    }
    return Sweeper(ChainStore(replace(ruleset, tables=tables), chains.facts), coordinates)
