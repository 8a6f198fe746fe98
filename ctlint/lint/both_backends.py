# SPDX-License-Identifier: GPL-2.0-only
"""Hosts on which rules of iptables-legacy and of iptables-nft are in force at once.

Each backend hooks in by itself, at the same priorities, so a packet passes the rules of both, and
what one of them accepts the other may still drop (nf_hook_slow() goes on behind NF_ACCEPT). ctlint
follows packets through the rules of one backend at a time.
"""

from __future__ import annotations

from dataclasses import replace

from ctlint.analysis.replay import opens_under
from ctlint.finding import Confidence, Finding, Location, Undecided
from ctlint.ir.rule import AnyTarget
from ctlint.ir.ruleset import Ruleset, Table
from ctlint.lint.subject import Subject
from ctlint.model.netfilter.targets import Action, action


def other_backend(subject: Subject) -> Subject | None:
    """The rules of the same family that the other backend has loaded, if both have."""
    for other in subject.siblings:
        is_same = other.ruleset.family is subject.ruleset.family
        if is_same and other.ruleset.is_nft is not subject.ruleset.is_nft:
            return other
    return None


def is_idle(ruleset: Ruleset) -> bool:
    """Whether rules let every packet pass as it is: there are none but those that accept."""
    return all(map(_is_idle, ruleset.tables.values()))


def _is_idle(table: Table) -> bool:
    return all(
        chain.policy in (None, "ACCEPT") and all(_accepts(rule.target) for rule in chain.rules)
        for chain in table.chains.values()
    )


def _only_filters(ruleset: Ruleset) -> bool:
    """Whether the rules do nothing that those of the other backend could see: no translation, no
    tracking or marking of packets.
    """
    return all(
        _is_idle(table) or table.name in ("filter", "security") for table in ruleset.tables.values()
    )


def as_sure(finding: Finding, subject: Subject) -> Finding:
    """The finding, no surer than the other backend lets it be: ``possible`` where that may keep the
    witness's connection from being opened, or may change its packets on their way.
    """
    other = other_backend(subject)
    if finding.witness is None or other is None or is_idle(other.ruleset):
        return finding
    kernel = subject.settings.kernel
    if _only_filters(other.ruleset) and opens_under(finding.witness, other.chains, kernel):
        return finding
    return replace(finding, confidence=Confidence.POSSIBLE)


def undecided_of_both(subject: Subject) -> Undecided | None:
    """What is left open for want of following packets through the rules of both."""
    other = other_backend(subject)
    if other is None or is_idle(other.ruleset):
        return None
    return Undecided(
        Location(subject.ruleset.file, 1),
        "",
        f"the rules of {other.ruleset.file} are in force as well, and are followed by themselves: "
        "what passes here may be lost there",
    )


def _accepts(target: AnyTarget | None) -> bool:
    return target is None or action(target) is Action.ACCEPT
