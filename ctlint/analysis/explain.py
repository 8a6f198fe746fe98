# SPDX-License-Identifier: GPL-2.0-only
"""Follows one packet and says why it fares as it does: the explanation is a tree of values.

What would change the answer is not guessed: each change is made, and the packet is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ctlint.analysis.explanation import (
    Answer,
    Change,
    Ending,
    Explanation,
    Failure,
    OpenMatch,
    Phase,
    Result,
    Rewrite,
    RuleView,
)
from ctlint.analysis.fate import Rewriting
from ctlint.analysis.location import cause_location
from ctlint.analysis.nat_notes import nat_notes
from ctlint.analysis.passage import Condition, Step, Stretch, conditions, retrace
from ctlint.analysis.sending import Sent, ends_of, opened, send_inquiry, send_reset
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.socket_fate import socket_fate
from ctlint.analysis.tracking import EntryState, Inquiry, track
from ctlint.analysis.variant import with_accept, without
from ctlint.finding import Location
from ctlint.ir.rule import AnyMatch, Match
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import CtState
from ctlint.model.kernel.profiles import all_profiles
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.targets import HARMLESS, Action, action
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.model.netfilter.traverse import Open, PolicyRef, Verdict, Walk
from ctlint.parse.printer import print_match
from ctlint.wire.addresses import Hostname, format_address
from ctlint.wire.protocols import PROTOCOL_NAMES, TCP
from ctlint.wire.tcp_flags import TcpFlags

MATCHED_SHOWN: Final = 16
"""Rules that matched and are shown of one table, the first ones; the last is always shown."""

DECIDING_SHOWN: Final = 8
"""Rules that may decide and are shown of one table beyond those, where not all is decided."""

NEAR_SHOWN: Final = 4
"""Rules that nearly matched and are shown of one table."""

NEAR_LOOKED_AT: Final = 2_000
"""Rules before the decision among which those that nearly matched are looked for."""

INTERFACES_TRIED: Final = 4
"""Interfaces that are tried where the answer depends on one that was not given."""

MARKS_TRIED: Final = 2
"""Marks that are tried where a rule asks for one."""


def explain(ruleset: Ruleset, facts: Facts, settings: Settings, inquiry: Inquiry) -> Explanation:
    """Follow the packet of an inquiry through a rule set of its family.

    Raises NotFollowedError for what is not modelled, BadSettingError for a sysctl that is no
    number, EndlessWalkError.
    """
    return _Explainer(ruleset, facts, settings, inquiry).explanation()


class _Explainer:
    def __init__(
        self, ruleset: Ruleset, facts: Facts, settings: Settings, inquiry: Inquiry
    ) -> None:
        self.ruleset = ruleset
        self.facts = facts
        self.settings = settings
        self.inquiry = inquiry
        self.chains = ChainStore(ruleset, facts)
        self.marks: dict[int, None] = {}
        self.run = send_inquiry(self.chains, inquiry, settings)
        self.result = self.view(self.run)

    def explanation(self) -> Explanation:
        run, inquiry, settings = self.run, self.inquiry, self.settings
        fate = run.fate
        decided = len(run.ends) == 1
        return Explanation(
            inquiry,
            settings.kernel.name,
            run.tracking if fate.ctstates and not fate.was_untracked else None,
            self.untracking_rule(),
            tuple(self.phases()),
            tuple(nat_notes(self.chains, inquiry, self.run, settings)),
            self.result,
            socket_fate(inquiry, run.tracking, run.ends[0], settings) if decided else None,
            self.answer(inquiry, self.chains, settings, self.result) or self.reset(),
            tuple(self.changes()),
            tuple(self.open_matches()),
        )

    # Results

    def view(self, run: Sent) -> Result:
        endings: dict[tuple[object, ...], Ending] = {}
        for end in run.ends:
            ending = Ending(
                end.disposition,
                cause_location(self.ruleset, end.cause) if end.cause is not None else None,
                str(end.cause) if end.cause is not None else None,
                tuple(cause_location(self.ruleset, ref) for ref in end.via),
            )
            endings.setdefault((ending.disposition, ending.name), ending)
        hook = run.ends[-1].hook
        seen = run.fate.ctstates
        ctstate = seen.get(hook) if hook is not None else None
        if ctstate is None and seen:
            ctstate = list(seen.values())[-1]
        return Result(ctstate, tuple(endings.values()))

    def ask(
        self,
        inquiry: Inquiry,
        *,
        chains: ChainStore | None = None,
        settings: Settings | None = None,
    ) -> Result:
        """Send it again under other circumstances."""
        return self.view(send_inquiry(chains or self.chains, inquiry, settings or self.settings))

    def answer(
        self, inquiry: Inquiry, chains: ChainStore, settings: Settings, result: Result
    ) -> Answer | None:
        """The ACK of a FIN that passed without an entry: it finds none either. Of a connection that
        NAT translates there is none, for the other end does not know what came untranslated.
        """
        packet = inquiry.packet
        if inquiry.entry.is_alive or packet.protocol != TCP or packet.flags is None:
            return None
        is_fin = packet.flags & (TcpFlags.FIN | TcpFlags.SYN | TcpFlags.RST) == TcpFlags.FIN
        if not (is_fin and packet.flags & TcpFlags.ACK and result.delivered is Tern.TRUE):
            return None
        if any(one.bounds for one in opened(chains, inquiry, settings)):
            return None
        back = packet._replace(
            saddr=packet.daddr,
            daddr=packet.saddr,
            sport=packet.dport,
            dport=packet.sport,
            flags=TcpFlags.ACK,
            payload=0,
        )
        asked = replace(
            inquiry,
            packet=back,
            sender=inquiry.sender.other,
            in_interface=inquiry.out_interface,
            out_interface=inquiry.in_interface,
            known=frozenset(),
            mark=0,
        )
        run = send_inquiry(chains, asked, settings)
        lost = run.ends[0] if len(run.ends) == 1 else None
        socket = socket_fate(asked, run.tracking, lost, settings) if lost is not None else None
        return Answer("the ACK of this FIN", back, self.view(run), socket)

    def reset(self) -> Answer | None:
        """The RST with which a rule answers."""
        sent = send_reset(self.chains, self.inquiry, self.run)
        if sent is None:
            return None
        packet, run = sent
        return Answer("the RST of this REJECT", packet, self.view(run), None)

    # Phases

    def untracking_rule(self) -> Location | None:
        fate = self.run.fate
        if not fate.was_untracked:
            return None
        for hook, table, found in fate.walks:
            for step in retrace(found, self.ruleset, table, hook.value):
                if not isinstance(step, Step) or step.truth is not Tern.TRUE:
                    continue
                if action(step.ref.rule.target) is Action.UNTRACK:
                    return cause_location(self.ruleset, step.ref)
        return None

    def phases(self) -> Iterator[Phase]:
        fate = self.run.fate
        yield from self.entry_phases(0)
        for index, (hook, table, found) in enumerate(fate.walks[: self.run.kept]):
            transit, unknown = fate.seen[index]
            steps = retrace(found, self.ruleset, table, hook.value)
            rules, more = self.rule_views(steps, found, transit, unknown)
            yield Phase(
                hook,
                table,
                None if self.is_before_conntrack(hook, table) else transit.ctstate,
                rules,
                sum(step.length for step in steps if isinstance(step, Stretch)),
                more,
                tuple(
                    (verdict, cause_location(self.ruleset, cause), str(cause))
                    for verdict, cause, _ in found.outcomes
                ),
                tuple(self.rewrites(index + 1)) if table == "nat" else (),
            )
            if table != "nat":
                yield from self.entry_phases(index + 1)

    def entry_phases(self, walks: int) -> Iterator[Phase]:
        """The nat tables that follow so many walks, where the entry rewrites without rules."""
        fate = self.run.fate
        for count, one in fate.rewritings:
            if count == walks and (rewrites := tuple(self.rewrites(walks, one.hook))):
                ctstate = fate.ctstates[one.hook]
                yield Phase(one.hook, "nat", ctstate, (), 0, 0, (), rewrites)

    def rewrites(self, walks: int, hook: Hook | None = None) -> Iterator[Rewrite]:
        """What is rewritten for certain behind so many walks."""
        for count, one in self.run.fate.rewritings:
            if count == walks and hook in (None, one.hook) and self.run.is_certain(one.bound):
                yield self.rewrite(one)

    def rewrite(self, one: Rewriting) -> Rewrite:
        bound = one.bound
        new = (bound.address, bound.port)
        is_source = (bound.manip is Manip.SRC) is not one.is_back
        return Rewrite(
            "source" if is_source else "destination",
            new if one.is_back else bound.own,
            bound.own if one.is_back else new,
            bound.whose,
            cause_location(self.ruleset, bound.ref),
            str(bound.ref),
            by_entry=not self.run.tracking.makes_entry,
        )

    def is_before_conntrack(self, hook: Hook, table: str) -> bool:
        again = self.inquiry.path is Path.LOOPBACK and hook is Hook.PREROUTING
        return table == "raw" and not again

    def rule_views(
        self,
        steps: Sequence[Step | Stretch],
        found: Walk,
        transit: Transit,
        unknown: Mapping[Field, str],
    ) -> tuple[tuple[RuleView, ...], int]:
        """The rules to show in their order, and how many more matched."""
        matched = [(n, step) for n, step in enumerate(steps) if isinstance(step, Step)]
        # What only counts or logs decides nothing: worth showing only where it certainly does.
        shown = [
            (n, step)
            for n, step in matched
            if step.truth is Tern.TRUE or action(step.ref.rule.target) not in HARMLESS
        ]
        deciding = [(n, step) for n, step in shown if step.decides]
        kept = dict(shown[:MATCHED_SHOWN] + deciding[-DECIDING_SHOWN:] + shown[-1:])
        views = self.near_misses(steps, found, transit, unknown)
        for number, (ref, truth, depth, decides) in kept.items():
            failures: tuple[Failure, ...] = ()
            if truth is Tern.UNKNOWN:
                failures = tuple(
                    Failure(self.condition_text(one.match), one.why)
                    for one in found.open
                    if one.match is not None and _is_same(one, ref)
                )
            location = cause_location(self.ruleset, ref)
            views[number, ref.position] = RuleView(location, truth, depth, decides, failures)
        return tuple(views[key] for key in sorted(views)), len(matched) - len(kept)

    def near_misses(
        self,
        steps: Sequence[Step | Stretch],
        found: Walk,
        transit: Transit,
        unknown: Mapping[Field, str],
    ) -> dict[tuple[int, int], RuleView]:
        """Rules that would have decided otherwise, but for one condition: first those that ask for
        another ctstate or other flags, then those that ask for most, then the last ones. The keys
        are the number of the stretch and the position in its chain.
        """
        verdicts = found.verdicts()
        wanted: set[Action] = set()
        if verdicts & {Verdict.DROP, Verdict.REJECT, Verdict.ELSEWHERE}:
            wanted |= {Action.ACCEPT, Action.TRANSLATE, Action.RETURN}
        if Verdict.ACCEPT in verdicts:
            wanted |= {Action.DROP, Action.REJECT}
        ranked: list[tuple[tuple[bool, int, int], tuple[int, int], RuleView]] = []
        for age, (number, position) in enumerate(_last_missed(steps)):
            stretch = steps[number]
            assert isinstance(stretch, Stretch)
            ref = stretch.ref(position)
            if action(ref.rule.target) not in wanted:
                continue
            asked = conditions(ref.rule.matches, self.facts, transit, unknown)
            false = [one for one in asked if one.truth is Tern.FALSE]
            if len(false) != 1:
                continue
            failed = false[0]
            if Field.MARK in failed.reads:
                self.note_mark(failed.match)
            by_state = not failed.reads.isdisjoint({Field.CTSTATE, Field.FLAGS})
            why = Failure(self.condition_text(failed.match), _say_instead(failed, transit))
            location = cause_location(self.ruleset, ref)
            view = RuleView(location, Tern.FALSE, stretch.depth, decides=False, failures=(why,))
            ranked.append(((not by_state, -len(asked), age), (number, position), view))
        ranked.sort(key=lambda one: one[0])
        return {key: view for _, key, view in ranked[:NEAR_SHOWN]}

    def condition_text(self, match: AnyMatch) -> str:
        """A condition as words of a rule."""
        text = print_match(self.open_part(match), self.ruleset.family)
        return text.removeprefix(f"-m {match.name} ") if match.name in _PLAIN else text

    def open_part(self, match: AnyMatch) -> AnyMatch:
        """Of a rule's head what can be undecided: interfaces, addresses that NAT gives, and names
        in place of addresses.
        """
        if not isinstance(match, Match) or match.name != "ip" or len(match.options) == 1:
            return match
        unknown = _unknown_interfaces(self.inquiry)
        for _, seen in self.run.fate.seen:
            unknown |= {_ASKS_FOR[field] for field in seen if field in _ASKS_FOR}
        options = tuple(
            option
            for option in match.options
            if (option.name in unknown and option.value != "lo")
            or isinstance(option.value, Hostname)
        )
        return Match("ip", options) if options else match

    # What would change it

    def changes(self) -> Iterator[Change]:
        if self.result.delivered is Tern.UNKNOWN:
            yield from self.with_interfaces()
        is_judged = bool(self.run.fate.ctstates) and not self.run.fate.was_untracked
        is_tcp = self.inquiry.packet.protocol == TCP
        if is_judged:
            yield self.with_other_entry()
        if is_judged and is_tcp:
            yield from self.with_other_settings()
        yield from self.with_marks()
        yield from self.without_the_cause()
        if is_judged and is_tcp:
            yield self.with_other_kernels()

    def change(
        self,
        label: str,
        inquiry: Inquiry,
        *,
        chains: ChainStore | None = None,
        settings: Settings | None = None,
    ) -> Change:
        result = self.ask(inquiry, chains=chains, settings=settings)
        answer = self.answer(inquiry, chains or self.chains, settings or self.settings, result)
        return Change(label, result, answer=answer)

    def with_other_entry(self) -> Change:
        inquiry = self.inquiry
        if inquiry.entry.is_alive:
            return self.change("with its entry expired", replace(inquiry, entry=EntryState.EXPIRED))
        return self.change(
            "with its entry alive (established)", replace(inquiry, entry=EntryState.ESTABLISHED)
        )

    def with_other_settings(self) -> Iterator[Change]:
        if not self.inquiry.entry.is_alive:
            other = 0 if self.settings.value(TCP_LOOSE) else 1
            yield self.change(
                f"with nf_conntrack_tcp_loose={other}",
                self.inquiry,
                settings=self.settings.replaced(TCP_LOOSE, other),
            )
        if self.run.tracking.ctstate is CtState.INVALID:
            why = (
                "what the state table refuses stays refused"
                if self.inquiry.entry.is_alive
                else "it lifts window checks, and without an entry there are none"
            )
            yield Change("with nf_conntrack_tcp_be_liberal=1", None, f"no help: {why}")

    def with_marks(self) -> Iterator[Change]:
        """Marks that rules ask for which do not match otherwise, or may."""
        for one in self.open():
            if isinstance(one.match, Match) and one.match.name == "mark":
                self.note_mark(one.match)
        for mark in list(self.marks)[:MARKS_TRIED]:
            result = self.ask(replace(self.inquiry, mark=mark))
            if result != self.result:
                yield Change(f"with mark {mark:#x} from the start", result)

    def note_mark(self, match: AnyMatch) -> None:
        for option in match.options if isinstance(match, Match) else ():
            if not option.negated and option.value[0] != self.inquiry.mark:
                self.marks[option.value[0]] = None

    def without_the_cause(self) -> Iterator[Change]:
        if self.result.delivered is not Tern.FALSE or len(self.run.ends) != 1:
            return
        cause = self.run.ends[0].cause
        if isinstance(cause, RuleRef):
            chains = ChainStore(without(self.ruleset, cause), self.facts)
            yield self.change(f"without {cause}", self.inquiry, chains=chains)
        elif isinstance(cause, PolicyRef):
            chains = ChainStore(with_accept(self.ruleset, cause), self.facts)
            label = f"with policy ACCEPT in {cause.table}/{cause.chain}"
            yield self.change(label, self.inquiry, chains=chains)

    def with_other_kernels(self) -> Change:
        profiles = all_profiles()
        others: dict[CtState, list[str]] = {}
        for kernel in profiles:
            found = track(self.inquiry, Settings(self.settings.given, kernel))
            if found.ctstate is not self.run.tracking.ctstate:
                others.setdefault(found.ctstate, []).append(kernel.name)
        label = "with another kernel"
        if not others:
            return Change(label, None, f"no change: all {len(profiles)} known profiles agree")
        ctstate, names = next(iter(others.items()))
        order = [one.name for one in profiles]
        first, last = order.index(names[0]), order.index(names[-1])
        if len(names) == 1:
            which = names[0]
        elif order[first : last + 1] == names:
            which = f"{names[0]} to {names[-1]}"
        else:
            which = f"such as {names[-1]}"
        settings = Settings(self.settings.given, profiles[last])
        change = self.change(f"with kernel {which}", self.inquiry, settings=settings)
        return change._replace(note=f"{ctstate.name} in {len(names)} of {len(profiles)} profiles")

    def with_interfaces(self) -> Iterator[Change]:
        """Each interface that an undecided match names."""
        unknown = _unknown_interfaces(self.inquiry)
        tried: dict[tuple[str, str], None] = {}
        for one in self.open():
            for option in one.match.options if isinstance(one.match, Match) else ():
                if option.name in unknown:
                    name = option.value[:-1] + "0" if option.value.endswith("+") else option.value
                    tried[option.name, name] = None
        for option_name, name in list(tried)[:INTERFACES_TRIED]:
            if option_name == "in-interface":
                yield self.change(f"with --in {name}", replace(self.inquiry, in_interface=name))
            else:
                yield self.change(f"with --out {name}", replace(self.inquiry, out_interface=name))

    def open(self) -> Iterator[Open]:
        """What is not decided on the way that is followed."""
        for _, _, found in self.run.fate.walks[: self.run.kept]:
            yield from found.open
        if len(self.run.translations) > 1:
            for one in self.run.translations:
                yield from one.open

    def open_matches(self) -> Iterator[OpenMatch]:
        if self.result.delivered is not Tern.UNKNOWN:
            return
        seen: set[tuple[str, str]] = set()
        for one in self.open():
            if one.match is None:
                continue
            text = self.condition_text(one.match)
            if (str(one.ref), text) not in seen:
                seen.add((str(one.ref), text))
                yield OpenMatch(cause_location(self.ruleset, one.ref), text, one.why)


def _unknown_interfaces(inquiry: Inquiry) -> set[str]:
    """The options of a rule that ask for an interface that is not known."""
    ends = ends_of(inquiry)
    named = {"in-interface": ends.in_interface, "out-interface": ends.out_interface}
    return {option for option, interface in named.items() if interface is None}


_ASKS_FOR: Final = {Field.SADDR: "source", Field.DADDR: "destination"}
"""The option of a rule's head that asks for a part of the packet."""


# Words

_PLAIN: Final = frozenset({"tcp", "udp", "state", "conntrack", "multiport", "addrtype", "set"})


def _last_missed(steps: Sequence[Step | Stretch]) -> Iterator[tuple[int, int]]:
    """Rules that did not match, the last first: number of the stretch, and position."""
    left = NEAR_LOOKED_AT
    for number in range(len(steps) - 1, -1, -1):
        stretch = steps[number]
        if not isinstance(stretch, Stretch):
            continue
        for position in range(stretch.last, stretch.first - 1, -1):
            if left == 0:
                return
            left -= 1
            yield number, position


def _is_same(one: Open, ref: RuleRef) -> bool:
    return one.ref.chain == ref.chain and one.ref.position == ref.position


def _say_instead(failed: Condition, transit: Transit) -> str:
    """What the packet is instead of what the condition asks for; empty where words fail."""
    packet = transit.packet
    reads = failed.reads
    if Field.CTSTATE in reads:
        return f"it is {transit.ctstate.name}"
    if Field.FLAGS in reads and packet.flags is not None:
        return f"its flags are {packet.flags.letters or 'none'}"
    if Field.PROTOCOL in reads:
        return f"it is {PROTOCOL_NAMES.get(packet.protocol, str(packet.protocol))}"
    if Field.MARK in reads and transit.mark is not None:
        return f"its mark is {transit.mark:#x}"
    if Field.ICMP in reads and packet.icmp_type is not None:
        return f"it is of type {packet.icmp_type}, code {packet.icmp_code}"
    said = []
    if Field.SADDR in reads:
        said.append(f"it comes from {format_address(packet.family, packet.saddr)}")
    if Field.DADDR in reads:
        said.append(f"it goes to {format_address(packet.family, packet.daddr)}")
    if Field.SPORT in reads:
        said.append(f"its source port is {packet.sport}")
    if Field.DPORT in reads:
        said.append(f"its destination port is {packet.dport}")
    if Field.IN_INTERFACE in reads:
        said.append(_say_interface(transit.in_interface, "comes in"))
    if Field.OUT_INTERFACE in reads:
        said.append(_say_interface(transit.out_interface, "goes out"))
    return ", ".join(said)


def _say_interface(name: str | None, verb: str) -> str:
    if name is None:
        return f"it {verb} elsewhere"
    return f"it {verb} on {name}" if name else f"at this hook it {verb} nowhere"
