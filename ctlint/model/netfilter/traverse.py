# SPDX-License-Identifier: GPL-2.0-only
"""Walks one packet through the chains of one table at one hook, in three-valued logic.

Where a match is undecided, the walk goes both ways: what the rule would do is a possible outcome,
and the walk goes on behind it. A walk therefore ends with one outcome that is certain, or with
several of which one comes true.

Source: ipt_do_table() in net/ipv4/netfilter/ip_tables.c; goto and the ends of chains as measured
on 6.18: the end of a chain that was gone to is the end of the chain that went there.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, cast

from ctlint.ir.rule import AnyMatch, Goto, Jump, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.core import Template
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.changes import apply_change, forget_change
from ctlint.model.netfilter.ready import Question, ReadyChain, ReadyRule
from ctlint.model.netfilter.targets import HARMLESS, Action, set_mark, why_elsewhere
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Transit

TRUE: Final = Tern.TRUE
FALSE: Final = Tern.FALSE
UNKNOWN: Final = Tern.UNKNOWN

MAX_DEPTH: Final = 4096
"""Chains within chains; the kernel refuses loops, so no real walk comes near."""

MAX_WALK: Final = 2_000_000
"""Rules given to one walk. Chains that call one chain twice, which calls another twice, and so on,
make walks of any length out of few rules.
"""


class EndlessWalkError(Exception):
    """Chains call each other in a circle, which the kernel refuses to load, or so often that the
    walk of a packet was given up. ``chain`` is where.
    """

    def __init__(self, chain: str) -> None:
        super().__init__(
            f"the walk was given up at {chain}: chains call each other too often or without end"
        )
        self.chain = chain


class Verdict(Enum):
    """How a walk through one table ends."""

    ACCEPT = "ACCEPT"
    DROP = "DROP"
    REJECT = "REJECT"
    ELSEWHERE = "ELSEWHERE"
    """Handed to a queue, a proxy or an unknown target, which decides on its own."""


class PolicyRef(NamedTuple):
    """The policy of a base chain."""

    table: str
    chain: str

    def __str__(self) -> str:
        return f"{self.table}/{self.chain} policy"


class Outcome(NamedTuple):
    """A verdict and the rule or policy that gave it; ``via`` holds the rules that called its chain,
    the outermost first.
    """

    verdict: Verdict
    cause: RuleRef | PolicyRef
    via: tuple[RuleRef, ...] = ()

    @property
    def target(self) -> Target | None:
        """The target that gave the verdict; None for a policy."""
        if isinstance(self.cause, PolicyRef) or not isinstance(self.cause.rule.target, Target):
            return None
        return self.cause.rule.target


class Open(NamedTuple):
    """A match that could not be decided."""

    ref: RuleRef
    match: AnyMatch | None
    why: str


class Tried(NamedTuple):
    """A rule that was looked at, for explanations. ``failed`` is the first match that was false."""

    ref: RuleRef
    truth: Tern
    failed: AnyMatch | None


class Walk:
    """What happened in one table. ``matched`` names rules, policies and ends of user chains in
    the words of docs/scenario.md; it is the whole truth only where ``is_exact``: no rule on the
    way was undecided, not even one that only counts or logs. Such are in ``unsure``; ``open``
    holds those that may decide. ``is_steady``: no rule on the way was anything but
    (see ReadyRule), so that further packets of the connection fare alike, whatever their flags
    unless ``reads_flags``.
    """

    __slots__ = (
        "is_exact",
        "is_steady",
        "matched",
        "open",
        "outcomes",
        "reads_flags",
        "translated",
        "tried",
        "unsure",
        "zoned",
    )

    def __init__(self, tried: list[Tried] | None = None) -> None:
        self.outcomes: list[Outcome] = []
        self.matched: list[str] = []
        self.open: list[Open] = []
        self.translated: list[RuleRef] = []
        self.zoned: list[RuleRef] = []
        self.unsure: list[Open] = []
        self.tried = tried
        self.is_exact = True
        self.is_steady = True
        self.reads_flags = False

    def verdicts(self) -> set[Verdict]:
        """The verdicts that are possible."""
        return {outcome.verdict for outcome in self.outcomes}


_CONCRETE: Final = frozenset(
    {
        Action.ALTER,
        Action.CONNMARK,
        Action.INSTRUCT,
        Action.READDRESS,
        Action.REMEMBER,
        Action.UNTRACK,
        Action.ZONE,
    }
)
"""What changes a packet at a box; of a class of packets it is known as far as it matters."""


class _Frame:
    """A chain being walked. ``escapes``: the caller may go on whatever happens here."""

    __slots__ = ("at", "chain", "escapes", "rules", "via")

    def __init__(
        self,
        chain: ReadyChain,
        rules: Sequence[ReadyRule],
        via: tuple[RuleRef, ...],
        *,
        escapes: bool,
    ) -> None:
        self.chain = chain
        self.rules = rules
        self.via = via
        self.at = 0
        self.escapes = escapes


def walk(
    chains: ChainStore,
    table: str,
    base_chain: str,
    transit: Transit,
    *,
    explain: bool = False,
) -> Walk:
    """Send a packet through a base chain. Without such a chain it is accepted.

    ``transit.mark`` and ``transit.ctstate`` change as MARK and NOTRACK do. Raises EndlessWalkError.
    """
    result = Walk(tried=[] if explain else None)
    packet = transit.packet
    flags = None if packet.flags is None else int(packet.flags)
    ctstate = None if table == "raw" else int(transit.ctstate)
    question = Question(packet.protocol, flags, ctstate)
    base = chains.specialise(table, base_chain, question)
    if base is None:
        return result
    _Walker(chains, transit, question, result, base).run()
    return result


class _Walker:
    def __init__(
        self,
        chains: ChainStore,
        transit: Transit,
        question: Question,
        result: Walk,
        base: ReadyChain,
    ) -> None:
        self.chains = chains
        self.base = base
        self.transit = transit
        self.question = question
        self.result = result
        self.frames: list[_Frame] = []
        self.steps = 0

    def run(self) -> None:
        result = self.result
        self.push(self.base, (), escapes=False)
        while self.frames:
            frame = self.frames[-1]
            if frame.at < len(frame.rules):
                rule = frame.rules[frame.at]
                frame.at += 1
                truth = self.truth(rule)
                if self.transit.is_hot is None:
                    self.transit.is_hot = False
                    result.is_exact = False
                    result.open.append(Open(rule.ref, None, "a match may drop the packet itself"))
                    result.outcomes.append(Outcome(Verdict.DROP, rule.ref, frame.via))
                if truth is not FALSE:
                    self.apply(rule, truth, frame)
                elif self.transit.is_hot:
                    if self.chains.ruleset.is_nft:
                        # There the rule that asked counts as the one that drops.
                        result.matched.append(rule.name)
                    result.outcomes.append(Outcome(Verdict.DROP, rule.ref, frame.via))
                    return
                continue
            self.frames.pop()
            if self.frames:
                result.matched.append(frame.chain.end)
            else:
                self.policy(self.base)

    def push(self, chain: ReadyChain, via: tuple[RuleRef, ...], *, escapes: bool) -> None:
        rules = chain.candidates(self.transit)
        self.steps += len(rules) + 1
        if len(self.frames) >= MAX_DEPTH or self.steps > MAX_WALK:
            raise EndlessWalkError(chain.name)
        self.chains.steps += len(rules) + 1
        if self.transit.box is not None and self.chains.reads_flags(chain):
            self.result.reads_flags = True
        self.frames.append(_Frame(chain, rules, via, escapes=escapes))

    def policy(self, base: ReadyChain) -> None:
        ref = PolicyRef(base.table, base.name)
        self.result.matched.append(str(ref))
        verdict = Verdict.DROP if base.policy == "DROP" else Verdict.ACCEPT
        self.result.outcomes.append(Outcome(verdict, ref))

    def truth(self, rule: ReadyRule) -> Tern:
        """Whether the rule matches; the open matches of an undecided one are recorded."""
        transit = self.transit
        transit.rule = rule.ref
        if transit.box is not None and not rule.is_steady:
            self.result.is_steady = False
        is_open: list[Open] | None = None
        for predicate, match in rule.open:
            value = predicate.test(transit)
            if value is UNKNOWN:
                value = self.chains.assumed
            if value is FALSE:
                if self.result.tried is not None:
                    self.result.tried.append(Tried(rule.ref, FALSE, match))
                return FALSE
            if value is UNKNOWN:
                is_open = is_open or []
                is_open.append(Open(rule.ref, match, predicate.why or "not known"))
        truth = UNKNOWN if is_open else TRUE
        if is_open:
            self.result.is_exact = False
            # What only counts or logs changes no packet's fate, decided or not.
            is_harmless = rule.action is Action.CONTINUE or (
                transit.box is None and rule.action in HARMLESS
            )
            (self.result.unsure if is_harmless else self.result.open).extend(is_open)
        if self.result.tried is not None:
            self.result.tried.append(Tried(rule.ref, truth, None))
        return truth

    def apply(self, rule: ReadyRule, truth: Tern, frame: _Frame) -> None:
        result = self.result
        certain = truth is TRUE
        if certain:
            result.matched.append(rule.name)
        action = rule.action
        if action is Action.CONTINUE:
            return
        target = rule.ref.rule.target
        if action is Action.JUMP or action is Action.GOTO:
            if rule.called_for != self.question:
                called = cast("Jump | Goto", target).chain
                rule.called = self.chains.specialise(rule.ref.table, called, self.question)
                rule.called_for = self.question
            chain = rule.called
            if chain is None:
                return
            via = (*frame.via, rule.ref)
            if action is Action.GOTO and certain:
                # Its end is the end of this chain, so it takes this chain's place.
                self.frames.pop()
                if not self.frames and frame.chain.policy is not None:
                    self.goto_from_base(frame, chain, via)
                    return
                self.push(chain, via, escapes=frame.escapes)
                return
            if action is Action.GOTO:
                frame.escapes = True
            elif not chain.rules:
                # Most chains hold nothing for a given question; the way through is short.
                if self.transit.box is not None and self.chains.reads_flags(chain):
                    result.reads_flags = True
                if certain:
                    result.matched.append(chain.end)
                return
            self.push(chain, via, escapes=not certain)
        elif action in _CONCRETE and self.transit.box is not None:
            self.change(rule, frame, certain=certain and not self.is_uncertain())
        elif action is Action.INSTRUCT:
            self.instruct(certain=certain)
        elif action in HARMLESS:
            return
        elif action is Action.RETURN:
            if certain:
                self.leave(frame)
            else:
                frame.escapes = True
        elif action is Action.MARK:
            assert isinstance(target, Target)
            sure = certain and not self.is_uncertain()
            if target.name == "SET" and self.transit.box is not None:
                self.change(rule, frame, certain=sure)
            else:
                self.transit.mark = set_mark(target, self.transit.mark) if sure else None
        elif action is Action.CONNMARK:
            assert isinstance(target, Target)
            if target.get("restore-mark"):
                self.transit.mark = None
        elif action is Action.ZONE:
            result.zoned.append(rule.ref)
            self.instruct(certain=certain)
        elif action is Action.UNTRACK:
            self.untrack(rule, certain=certain)
        else:
            self.end(rule, frame, certain=certain)

    def change(self, rule: ReadyRule, frame: _Frame, *, certain: bool) -> None:
        """A target that changes a concrete packet, its entry, or what the box remembers."""
        transit = self.transit
        target = rule.ref.rule.target
        assert isinstance(target, Target)
        if certain:
            why = apply_change(rule.action, target, transit, self.chains.facts)
            if why is None:
                return
            self.result.open.append(Open(rule.ref, None, why))
        elif target.name == "SET":
            transit.mark = forget_change(target, transit)
            return
        # What it would change is not known from here on.
        self.result.outcomes.append(Outcome(Verdict.ELSEWHERE, rule.ref, frame.via))

    def leave(self, frame: _Frame) -> None:
        """RETURN: to the caller, or to the policy. Only a chain's end is traced as "return"."""
        if len(self.frames) > 1:
            self.frames.pop()
        else:
            frame.at = len(frame.rules)

    def goto_from_base(self, base: _Frame, chain: ReadyChain, via: tuple[RuleRef, ...]) -> None:
        """The end of a chain that a base chain went to is the base chain's policy."""
        base.at = len(base.rules)
        self.frames.append(base)
        self.push(chain, via, escapes=base.escapes)

    def is_uncertain(self) -> bool:
        """Whether the walk may have left this way before: by a rule that ends it, or a return."""
        if self.result.outcomes:
            return True
        return any(frame.escapes for frame in self.frames)

    def instruct(self, *, certain: bool) -> None:
        """CT gives the packet of a class a template: it is NEW until conntrack sees it, and NOTRACK
        comes too late. See xt_ct_target().
        """
        transit = self.transit
        if transit.entry is not None or transit.ctstate is CtState.UNTRACKED:
            return
        if certain and not self.is_uncertain():
            transit.template = Template()
            transit.ctstate = CtState.NEW

    def untrack(self, rule: ReadyRule, *, certain: bool) -> None:
        transit = self.transit
        if transit.entry is not None or transit.template is not None or rule.ref.table != "raw":
            # The packet has an entry already (loopback), or what CT gave it: NOTRACK has no effect.
            return
        if certain and not self.is_uncertain():
            transit.ctstate = CtState.UNTRACKED
        else:
            self.result.open.append(Open(rule.ref, None, "whether the packet is tracked"))
            self.result.outcomes.append(Outcome(Verdict.ELSEWHERE, rule.ref))

    def end(self, rule: ReadyRule, frame: _Frame, *, certain: bool) -> None:
        """A target that ends the walk, if the rule applies."""
        action = rule.action
        result = self.result
        if action is Action.TRANSLATE:
            result.translated.append(rule.ref)
            verdict = Verdict.ACCEPT
        elif action is Action.ACCEPT:
            verdict = Verdict.ACCEPT
        elif action is Action.DROP:
            verdict = Verdict.DROP
        elif action is Action.REJECT:
            verdict = Verdict.REJECT
        else:
            verdict = Verdict.ELSEWHERE
            result.open.append(Open(rule.ref, None, why_elsewhere(rule.ref.rule.target)))
        result.outcomes.append(Outcome(verdict, rule.ref, frame.via))
        if not certain:
            return
        # The walk ends here, but for callers that may never have come here.
        while self.frames:
            if self.frames.pop().escapes:
                if not self.frames:
                    self.policy(self.base)
                return
