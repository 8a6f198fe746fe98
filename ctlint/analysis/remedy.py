# SPDX-License-Identifier: GPL-2.0-only
"""Remedies, checked: the rule set with the remedy in place is asked again."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stranding import Kind, Stranding, first_after_expiry
from ctlint.ir.rule import Match, Option, Rule, Target
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.chains import ChainStore, RuleRef
from ctlint.model.netfilter.tern import Tern
from ctlint.parse.printer import print_rule
from ctlint.wire.protocols import TCP

MAX_RULES: Final = 20_000
"""A larger rule set is not asked again: the remedy is then given without the words "checked"."""

_FIN_BIT: Final = 1
_RST_BIT: Final = 4


def close_accepting_rules(chain: str) -> tuple[Rule, Rule]:
    """Rules that accept the FIN and the RST of connections that conntrack has forgotten."""

    def rule(bit: int) -> Rule:
        matches = (
            Match("ip", (Option("protocol", TCP),)),
            Match("conntrack", (Option("ctstate", ("INVALID",)),)),
            Match("tcp", (Option("tcp-flags", (bit, bit)),)),
        )
        return Rule(chain, matches, Target("ACCEPT"), 0, "")

    return rule(_FIN_BIT), rule(_RST_BIT)


def accept_closes(stranding: Stranding, chains: ChainStore, settings: Settings) -> str | None:
    """Rules that, placed before the cause, let the lost FIN and RST through; None: they do not,
    or neither is lost there.

    The text names the rules and says whether the whole was asked again.
    """
    cause = stranding.cause
    ruleset = chains.ruleset
    rules = close_accepting_rules(cause.chain)
    text = " and ".join(f"`{print_rule(rule, ruleset.family)}`" for rule in rules)
    where = "before it" if isinstance(cause, RuleRef) else "at the end of the chain"
    if ruleset.rule_count > MAX_RULES:
        return f"accept what closes a forgotten connection {where}: {text}"
    was_asked = False
    changed = chains.altered(_with_rules(ruleset, stranding, rules))
    case = stranding.case
    for lost in stranding.lost:
        if lost.kind not in (Kind.FIN, Kind.RST) or lost.ctstate is not CtState.INVALID:
            continue
        if (lost.sender, lost.kind) not in {(x.sender, x.kind) for x in case.lost}:
            continue
        fate = first_after_expiry(
            changed,
            case.connection,
            lost.sender,
            lost.kind,
            loose=settings.value(TCP_LOOSE) != 0,
            kernel=settings.kernel,
        )
        if fate.delivered is not Tern.TRUE:
            return None
        was_asked = True
    if not was_asked:
        return None
    rest = _still_lost(stranding, chains, settings)
    return f"accept what closes a forgotten connection {where} (checked): {text}{rest}"


def _still_lost(stranding: Stranding, chains: ChainStore, settings: Settings) -> str:
    """What the remedy leaves lost: a FIN is not done before its ACK, and that is NEW.

    ``chains`` are those without the remedy, which does nothing to an ACK: so causes keep their
    positions.
    """
    case = stranding.case
    for lost in stranding.lost:
        if lost.kind is not Kind.FIN or not any(
            (x.sender, x.kind) == (lost.sender, Kind.FIN) for x in case.lost
        ):
            continue
        answer = first_after_expiry(
            chains,
            case.connection,
            lost.sender.other,
            Kind.ACK,
            loose=settings.value(TCP_LOOSE) != 0,
            kernel=settings.kernel,
        )
        if answer.delivered is Tern.FALSE:
            return f"; alone it is not enough, {answer.ends[-1].cause} loses the ACK of that FIN"
    if any(lost.ctstate is CtState.NEW for lost in stranding.lost):
        return "; the NEW packets that are lost here too it does not help"
    return ""


def _with_rules(ruleset: Ruleset, stranding: Stranding, rules: tuple[Rule, ...]) -> Ruleset:
    cause = stranding.cause
    table = ruleset.tables[cause.table]
    chain = table.chains[cause.chain]
    at = cause.position - 1 if isinstance(cause, RuleRef) else len(chain.rules)
    longer = replace(chain, rules=(*chain.rules[:at], *rules, *chain.rules[at:]))
    chains = {**table.chains, chain.name: longer}
    return replace(ruleset, tables={**ruleset.tables, table.name: replace(table, chains=chains)})
