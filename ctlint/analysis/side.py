# SPDX-License-Identifier: GPL-2.0-only
"""One of two firewalls that are compared, asked about the connections of one role as sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Final, NamedTuple

from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.fate import End
from ctlint.analysis.flows import Flows, Key, Kindred, all_of, exactly
from ctlint.analysis.regions import Surveyor
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.swept import Swept
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule import Goto, Jump, Rule, Target
from ctlint.ir.ruleset import Chain, Ruleset, Table
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore, RuleRef
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
        self.opened = self.surveyor.established()
        self.translated = self._nothing
        """The connections of which NAT translates a packet that opens them."""
        self.untracked = self._nothing
        """Those whose entry may not know all that opens them, for NOTRACK takes some of it."""
        for packets, begun, swept in recorder.sent:
            self.translated = self.translated | self.translated_among(packets, begun)
            for key, bounds in swept.passed.items():
                if key.is_untracked:
                    self.untracked = self.untracked | bounds.possible

    def translated_among(self, packets: Kindred, among: PacketSet) -> PacketSet:
        """Those of these connections of which NAT may translate the packet, whatever becomes of it
        then: they are not compared.
        """
        if self._nat is None or packets.ctstate is not CtState.NEW:
            return self._nothing
        # What translates packets that open nothing is told as no end of theirs.
        asked = packets._replace(tells_ends=False, is_late=False)
        swept = self._nat.send(asked, {Key(): exactly(among)})
        found = self._nothing
        for key, bounds in swept.passed.items():
            if key.translated is not None:
                self._translating |= dict.fromkeys(key.translated.rules)
                found = found | bounds.possible
        for ref, bounds in swept.translated.items():
            self._translating[ref] = None
            found = found | bounds.possible
        return found

    @property
    def translating(self) -> Sequence[RuleRef]:
        """The rules that translate connections."""
        found = (original(self.chains.ruleset, ref) for ref in self._translating)
        return [ref for ref in found if isinstance(ref, RuleRef)]

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
        self, hook: Hook, table: str, packets: Kindred, among: PacketSet
    ) -> Iterator[tuple[Cause | None, PacketSet]]:
        """What decides on packets of these connections in one table at one hook, each once; None
        where nothing does.
        """
        if self.chains.ruleset.chain(table, hook.value) is None:
            yield None, among
            return
        key = hook, table
        if key not in self._deciding:
            ruleset = telling(self.chains.ruleset, table, hook.value)
            chains = ChainStore(ruleset, self.chains.facts)
            self._deciding[key] = Sweeper(chains, self._coordinates)
        start = {Key(): exactly(among)}
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
                chain.name: replace(
                    chain,
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
