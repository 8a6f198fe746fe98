# SPDX-License-Identifier: GPL-2.0-only
"""What could be done about a stranding, the narrowest first. Nothing of it is checked here.

Rules that accept are made of what the cause itself asks of addresses and interfaces, and of the
service ports of the finding: they let through no more than the cause would have dropped.
nf_conntrack_tcp_be_liberal and nf_conntrack_tcp_ignore_invalid_rst are never proposed: they concern
packets that have an entry. Nor is REJECT, which answers live connections too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ctlint.analysis.coordinates import EPHEMERAL_PORTS
from ctlint.analysis.losses import Kind, Lost, Nature, Stranding
from ctlint.analysis.variant import Change, Insertion, Replacement
from ctlint.finding import Role
from ctlint.ir.rule import Match, Option, Rule, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

MAX_PORTS: Final = 15
"""Ports that one multiport match takes; a range takes two (xt_multiport.h, XT_MULTI_PORTS)."""

_PLAIN_ACK: Final = (
    int(TcpFlags.FIN | TcpFlags.SYN | TcpFlags.RST | TcpFlags.ACK),
    int(TcpFlags.ACK),
)
_CLOSES: Final = {Kind.FIN: int(TcpFlags.FIN), Kind.RST: int(TcpFlags.RST)}
_SCOPE: Final = ("source", "destination", "in-interface", "out-interface")


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes of the rule set, and what they are in words. ``accepts`` are the rules among them
    that let packets through. ``is_last``: it is for where nothing else helps anything.
    """

    what: str
    changes: tuple[Change, ...]
    is_last: bool = False

    @property
    def accepts(self) -> tuple[Rule, ...]:
        """The rules that let packets through."""
        return tuple(
            rule
            for change in self.changes
            for rule in change.rules
            if isinstance(rule.target, Target) and rule.target.name == "ACCEPT"
        )


def proposals(stranding: Stranding, ruleset: Ruleset) -> Iterator[Proposal]:
    """What to try, in this order. No rule makes NAT translate a packet without an entry."""
    cause = stranding.cause
    if stranding.nature is Nature.TRANSLATION:
        return
    rejects = stranding.nature is Nature.INVALID_REJECT
    closes = _closes(stranding)
    acks = _acks(stranding)
    where = "before it" if isinstance(cause, RuleRef) else "at the end of the chain"
    close_words = f"accept what closes a forgotten connection {where}"
    ack_words = f"accept what picks up a forgotten connection {where}"
    if rejects and isinstance(cause, RuleRef):
        if _has_line_of_its_own(ruleset, cause) and not stranding.alike:
            dropping = cause.rule._replace(target=Target("DROP"), counters=None)
            yield Proposal(
                f"drop instead of reject, and {close_words}",
                (Replacement(cause, (*closes, dropping)),),
            )
        return
    removal = None
    if isinstance(cause, RuleRef) and not stranding.alike and _has_line_of_its_own(ruleset, cause):
        removal = Proposal("remove the rule", (Replacement(cause),))
    if removal is not None and stranding.nature is Nature.NEW_NOT_SYN:
        # What later rules drop stays dropped: an ACCEPT would pass them all by.
        yield removal
    offers = [(close_words, closes), (ack_words, acks)]
    if stranding.decisive.ctstate is CtState.NEW:
        offers.reverse()
    if closes and acks:
        words = f"accept what picks up or closes a forgotten connection {where}"
        offers.append((words, closes + acks))
    for words, rules in offers:
        if rules:
            yield Proposal(words, (_insertion(ruleset, stranding, rules),))
    if removal is not None and stranding.nature is Nature.INVALID_DROP:
        yield replace(removal, is_last=True)


def _closes(stranding: Stranding) -> tuple[Rule, ...]:
    """Rules that accept the FIN and RST which are lost, where conntrack calls them INVALID."""
    lost = [
        each for each in stranding.lost if each.ctstate is CtState.INVALID and each.kind in _CLOSES
    ]
    if not lost:
        return ()
    # Who may send one may send the other: a rule for each, whichever were lost here.
    kinds = _CLOSES if stranding.nature is not Nature.INVALID_DROP else {x.kind for x in lost}
    return tuple(
        _accept(stranding, lost, "INVALID", (bit, bit))
        for kind, bit in _CLOSES.items()
        if kind in kinds
    )


def _acks(stranding: Stranding) -> tuple[Rule, ...]:
    """A rule that accepts the NEW ACKs and data which are lost."""
    lost = [
        each
        for each in stranding.lost
        if each.ctstate is CtState.NEW and each.kind in (Kind.ACK, Kind.DATA)
    ]
    if not lost:
        return ()
    return (_accept(stranding, lost, "NEW", _PLAIN_ACK),)


def _accept(
    stranding: Stranding, lost: Sequence[Lost], ctstate: str, flags: tuple[int, int]
) -> Rule:
    cause = stranding.cause
    head: list[Option] = []
    if isinstance(cause, RuleRef):
        row = [cause, *(each for each in stranding.alike if isinstance(each, RuleRef))]
        # In a row of rules, what all of them ask.
        head = [
            option
            for option in _scope(cause.rule)
            if all(option in _scope(each.rule) for each in row)
        ]
    head.append(Option("protocol", TCP))
    tcp, multiport = _ports(stranding, {each.sender for each in lost})
    matches = [
        Match("ip", tuple(head)),
        Match("conntrack", (Option("ctstate", (ctstate,)),)),
        Match("tcp", (*tcp, Option("tcp-flags", flags))),
    ]
    if multiport:
        matches.append(Match("multiport", multiport))
    return Rule(cause.chain, tuple(matches), Target("ACCEPT"), 0, "")


def _scope(rule: Rule) -> list[Option]:
    """The addresses and interfaces that a rule asks for."""
    return [
        option
        for match in rule.matches
        if isinstance(match, Match) and match.name == "ip"
        for option in match.options
        if option.name in _SCOPE
    ]


def _ports(
    stranding: Stranding, senders: set[Dir]
) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    """The options of the matches tcp and multiport that keep to the ports of the finding."""
    tcp: list[Option] = []
    to_client = stranding.role is Role.CLIENT and senders == {Dir.REPLY}
    ports = stranding.ports
    if ports and len(senders) == 1 and len(ports) == 1:
        name = "dport" if Dir.ORIGINAL in senders else "sport"
        tcp.append(Option(name, ports[0]))
    if to_client and stranding.decisive.ctstate is CtState.NEW:
        # Towards the host itself, where no more than the ports of its clients need be open.
        tcp.append(Option("dport", EPHEMERAL_PORTS))
    tcp.sort(key=lambda option: option.name != "sport")
    if not ports or (len(senders) == 1 and len(ports) == 1) or _size(ports) > MAX_PORTS:
        return tuple(tcp), ()
    several = "ports" if len(senders) > 1 else "dports" if Dir.ORIGINAL in senders else "sports"
    return tuple(tcp), (Option(several, ports),)


def _size(ports: Sequence[Range]) -> int:
    return sum(1 if each.low == each.high else 2 for each in ports)


def _insertion(ruleset: Ruleset, stranding: Stranding, rules: tuple[Rule, ...]) -> Insertion:
    """Before the cause, or at the end of its chain where that is a policy."""
    cause = stranding.cause
    chain = ruleset.tables[cause.table].chains[cause.chain]
    if not isinstance(cause, RuleRef):
        return Insertion(cause.table, cause.chain, len(chain.rules) + 1, rules)
    position = cause.position
    # A line with a list of addresses makes several rules: nothing can stand between them.
    while position > 1 and chain.rules[position - 2].line == cause.rule.line:
        position -= 1
    return Insertion(cause.table, cause.chain, position, rules)


def _has_line_of_its_own(ruleset: Ruleset, ref: RuleRef) -> bool:
    rules = ruleset.tables[ref.table].chains[ref.chain].rules
    # Those of one line stand together.
    around = rules[max(ref.position - 2, 0) : ref.position + 1]
    return [rule.line for rule in around].count(ref.rule.line) == 1
