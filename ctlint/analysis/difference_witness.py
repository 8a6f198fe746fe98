# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios that show a difference: the same packets under the old rules and under the new.

The form is docs/scenario.md. Expected answers come from walks of the connection by itself, not
from the sets that found it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ctlint.analysis.comparison import Step
from ctlint.analysis.connection import Connection
from ctlint.analysis.difference import Phase
from ctlint.analysis.drawn_ports import play_with_nat
from ctlint.analysis.fate import Disposition, Fate, send
from ctlint.analysis.first_packets import first_after_expiry, handshake
from ctlint.analysis.losses import Kind
from ctlint.analysis.regions import OPENING
from ctlint.analysis.settings import ESTABLISHED, TCP_LOOSE, Settings
from ctlint.analysis.stage import stage
from ctlint.analysis.translated import arrival_of
from ctlint.analysis.witness import reachable
from ctlint.finding import Role, Witness
from ctlint.ir.rule import Match
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.tern import Tern, conjunction
from ctlint.model.netfilter.transit import AddressSet
from ctlint.parse.printer import print_ruleset
from ctlint.scenario.answer import EntryAnswer
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family, Net

_OPTIONS: Final = {"mss": 1460, "sackok": True, "wscale": 7}
_CONVERSATION: Final[tuple[dict[str, Any], ...]] = (
    {"dir": "orig", "flags": "S", "seq": 1000, "opts": _OPTIONS},
    {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001, "opts": _OPTIONS},
    {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "win": 502},
    {"dir": "orig", "flags": "PA", "seq": 1001, "ack": 5001, "win": 502, "len": 1},
    {"dir": "reply", "flags": "PA", "seq": 5001, "ack": 1001, "win": 502, "len": 1},
)
"""The packets of OPENING; both ends send their data at once, so that neither acknowledges what
conntrack may not have seen.
"""
_NEXT: Final = {Dir.ORIGINAL: ("orig", 1002, 5002), Dir.REPLY: ("reply", 5002, 1002)}
_MAIN_HOOKS: Final = (Hook.LOCAL_OUT, Hook.FORWARD, Hook.LOCAL_IN, Hook.PREROUTING)


class _Sent(NamedTuple):
    packet: dict[str, Any]
    fate: Fate


class Course(NamedTuple):
    """What becomes of the packets of one connection under one rule set: the answers in order as
    far as they are known, whether the packet of the step comes through by the rules alone, and in
    how many ways it may end. ``server_sees`` are the ends of what the server answers, where NAT is
    played.
    """

    witness: Witness
    arrives: Tern
    ends: int
    server_sees: tuple[object, ...] | None = None


class Courses:
    """Makes the scenarios of one rule set."""

    def __init__(self, chains: ChainStore, settings: Settings) -> None:
        self._chains = chains
        self._settings = settings
        self._texts: dict[tuple[frozenset[Path], bool], tuple[Ruleset, str]] = {}

    def course(
        self, connection: Connection, step: Step, title: str, *, arrives: bool | None
    ) -> Course:
        """The scenario of a step: up to its packet, or, where that comes through, to the first data
        of both ends. ``arrives`` is what is known of it from elsewhere: of a packet by itself it
        may be open which mark it has.
        """
        settings = self._settings
        paths = frozenset(connection.ends(sender).path for sender in Dir)
        ruleset, text = self._rules(paths, with_nat=False)
        packets: list[dict[str, Any]] = []
        expect: list[dict[str, Any]] = []
        is_known = True
        found, ends = Tern.UNKNOWN, 0
        decisive = len(OPENING)
        if step.phase is Phase.OPENING:
            decisive = OPENING.index((step.sender, step.flags))
        for packet, fate in _packets(self._chains, settings, connection, step):
            was_known = is_known
            if fate.zoned or fate.delivered is Tern.UNKNOWN:
                # What comes behind it hangs on it.
                is_known = False
            at = len(packets)
            if is_known:
                expect.append({"packet": at, **_answer(fate, ruleset)})
            elif at == decisive and was_known and arrives is not None:
                expect.append({"packet": at, "delivered": arrives})
            packets.append(packet)
            if at == decisive:
                # Where it is open whether it is sent at all, something else may lose it.
                found, ends = fate.delivered, len(fate.ends) if was_known else 2
            if fate.delivered is Tern.FALSE or (at == decisive and arrives is False):
                break
        scenario = self._scenario(connection, ruleset, text, title)
        scenario["packets"] = packets
        return Course(Witness(scenario, expect), found, ends)

    def played(self, connection: Connection, step: Step, title: str) -> Course | None:
        """The same with NAT, as the model plays it; None where it cannot play it."""
        decisive = len(OPENING)
        if step.phase is Phase.OPENING:
            decisive = OPENING.index((step.sender, step.flags))
        paths = frozenset(Path)
        if connection.role is not Role.LOOPBACK:
            # What NAT does not lead on any more comes to the host itself, or goes through it.
            paths -= {Path.LOOPBACK}
        ruleset, text = self._rules(paths, with_nat=True)
        scenario = self._scenario(connection, ruleset, text, title)
        packets = [dict(packet) for packet in _CONVERSATION]
        if step.phase is not Phase.OPENING:
            packets.append(_later(step))
        scenario["packets"] = packets
        try:
            return self._play(scenario, packets, step, decisive, frozenset(ruleset.tables))
        except ScenarioError:
            return None

    def _play(
        self,
        scenario: dict[str, Any],
        packets: list[dict[str, Any]],
        step: Step,
        decisive: int,
        tables: frozenset[str],
    ) -> Course:
        """Play a scenario, and end its packets where one is lost. Raises ScenarioError."""
        expect: list[dict[str, Any]] = []
        arrives, ends, is_known = Tern.TRUE, 1, True
        opened: EntryAnswer | None = None
        for at, one in enumerate(play_with_nat(self._chains, self._settings.kernel, scenario)):
            answer = one.answer
            if at < len(OPENING):
                opened = answer.entry
            is_undecided = answer.delivered is None or one.is_by_lot
            # What comes behind one that is not decided hangs on it.
            is_known = is_known and not is_undecided
            if is_known:
                wanted = dict(one.expected)
                if "rules" in wanted:
                    wanted["rules"] = [
                        each for each in wanted["rules"] if each.partition("/")[0] in tables
                    ]
                expect.append({"packet": at, **wanted})
            reaches = Tern.UNKNOWN if is_undecided else Tern.of(bool(answer.delivered))
            if at == len(OPENING) and reaches is Tern.TRUE and opened is not None:
                # What comes out under other ends does not reach the other end.
                is_right = arrival_of(step.sender, answer, opened).arrives
                reaches = Tern.UNKNOWN if is_right is None else Tern.of(is_right)
            arrives = conjunction((arrives, reaches))
            ends = 2 if answer.undecided else ends
            if reaches is Tern.FALSE or (is_undecided and at >= decisive):
                del packets[at + 1 :]
                break
        seen = None if opened is None else tuple(opened.reply)
        return Course(Witness(scenario, expect), arrives, ends, seen)

    def _scenario(
        self, connection: Connection, ruleset: Ruleset, text: str, title: str
    ) -> dict[str, Any]:
        """A scenario without its packets."""
        settings = self._settings
        scenario: dict[str, Any] = {"name": title, "kernel": settings.kernel.name}
        sysctls = {
            name.rpartition(".")[2].removeprefix("nf_conntrack_"): settings.value(name)
            for name in (TCP_LOOSE, ESTABLISHED)
            if settings.value(name) != settings.kernel.sysctl_default(name)
        }
        if sysctls:
            scenario["sysctls"] = sysctls
        v6 = connection.family is Family.IPV6
        scenario["ruleset6" if v6 else "ruleset"] = text
        sets = _sets(ruleset, self._chains, connection)
        if sets:
            scenario["ipsets"] = sets
        return scenario | stage(connection)

    def _rules(self, paths: frozenset[Path], *, with_nat: bool) -> tuple[Ruleset, str]:
        """The rule set as far as packets on these paths can reach it, and its text."""
        key = paths, with_nat
        if key not in self._texts:
            ruleset = reachable(self._chains.ruleset, paths, with_nat=with_nat)
            self._texts[key] = ruleset, print_ruleset(ruleset)
        return self._texts[key]


def _packets(
    chains: ChainStore, settings: Settings, connection: Connection, step: Step
) -> Iterator[_Sent]:
    loose, kernel = settings.value(TCP_LOOSE) != 0, settings.kernel
    opening = handshake(chains, connection, loose=loose, kernel=kernel)
    for packet, (_, fate) in zip(_CONVERSATION, opening, strict=True):
        yield _Sent(dict(packet), fate)
    if step.phase is Phase.OPENING:
        return
    sender, kind = step.sender, Kind(step.flags)
    if step.phase is Phase.EXPIRED:
        fate = first_after_expiry(chains, connection, sender, kind, loose=loose, kernel=kernel)
    else:
        entry = connection.entry(sender, confirmed=True, replied=True, assured=True)
        asked = connection.packet(sender, kind.flags, 1 if kind is Kind.DATA else 0)
        fate = send(chains, asked, connection.ends(sender), CtState.ESTABLISHED, entry)
    yield _Sent(_later(step), fate)


def _later(step: Step) -> dict[str, Any]:
    """A packet behind the first data."""
    kind = Kind(step.flags)
    name, seq, ack = _NEXT[step.sender]
    later: dict[str, Any] = {"dir": name, "flags": kind.flags.letters}
    later |= {"seq": seq, "ack": ack, "win": 502}
    if kind is Kind.DATA:
        later["len"] = 1
    if step.phase is Phase.EXPIRED:
        later["expire"] = True
    return later


def _answer(fate: Fate, ruleset: Ruleset) -> dict[str, Any]:
    reached = (fate.ctstates.get(hook) for hook in _MAIN_HOOKS)
    main = next((ctstate for ctstate in reached if ctstate is not None), None)
    answer: dict[str, Any] = {
        # A packet that the raw table drops in PREROUTING never meets conntrack.
        "ctstate": None if main is None else main.name,
        "delivered": fate.delivered is Tern.TRUE,
    }
    if fate.is_exact and fate.ends[-1].disposition is not Disposition.REJECTED:
        # Otherwise not all rules that matched are known.
        answer["rules"] = [
            each for each in fate.matched if each.partition("/")[0] in ruleset.tables
        ]
    return answer


def _sets(ruleset: Ruleset, chains: ChainStore, connection: Connection) -> str:
    """The ipsets that the rules ask, as far as they say anything of the connection's ends."""
    names = dict.fromkeys(
        option.value[0]
        for _, _, _, rule in ruleset.rules()
        for match in rule.matches
        if isinstance(match, Match) and match.name == "set"
        for option in match.options
        if option.name == "match-set"
    )
    known = chains.facts.sets
    return "".join(_set(name, known[name], connection) for name in names if name in known)


def _set(name: str, members: AddressSet, connection: Connection) -> str:
    family = connection.family
    addresses = [connection.orig_address, connection.reply_address]
    way = connection.translated
    for end in (way.source, way.destination) if way is not None else ():
        if end is not None:
            # The lowest is the one that the model takes of a range.
            addresses += [(end.mapped(one) or (one,))[0] for one in addresses[:2]]
    lines = [f"create {name} hash:net family {'inet6' if family is Family.IPV6 else 'inet'}"]
    for nets, word in ((members.members, ""), (members.exceptions, " nomatch")):
        lines += [
            f"add {name} {part}{word}"
            for net in nets
            if net.family is family and any(map(net.contains, addresses))
            for part in _without_zero(net)
        ]
    return "".join(f"{line}\n" for line in lines)


def _without_zero(net: Net) -> tuple[Net, ...]:
    """ipset takes no prefix of length zero; two halves say the same."""
    if net.mask:
        return (net,)
    half = 1 << (net.family.bits - 1)
    return Net(net.family, 0, half), Net(net.family, half, half)


assert len(_CONVERSATION) == len(OPENING)
