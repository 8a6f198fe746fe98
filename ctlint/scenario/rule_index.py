# SPDX-License-Identifier: GPL-2.0-only
"""The rules of a rule set by their names in answers: ``filter/FORWARD#2``, ``filter/INPUT policy``.

docs/scenario.md defines the names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ctlint.ir.rule import Rule
from ctlint.ir.ruleset import BUILTIN_CHAINS, Chain, Ruleset
from ctlint.parse.errors import ParseError
from ctlint.scenario.rulesets import ruleset_of
from ctlint.wire.addresses import Family

_NAME: Final = re.compile(r"(?P<table>[^/]+)/(?P<chain>[^#\s]+)(?:#(?P<number>\d+)| (?P<end>\w+))")
_COUNTERS: Final = re.compile(r"\[\d+:\d+\]\s+")
_HINT: Final = 200
"""Characters of a hint that are shown."""


class Wrong(NamedTuple):
    """Why a name names no rule, and which were meant."""

    message: str
    hint: str | None


class RuleIndex:
    """The rules of one family."""

    def __init__(self, rulesets: Iterable[Ruleset], family: Family) -> None:
        self._tables = {
            name: table
            for ruleset in rulesets
            if ruleset.family is family
            for name, table in ruleset.tables.items()
        }

    def wrong(self, name: str) -> Wrong | None:
        """Why there is no such rule; None where there is one."""
        found = _NAME.fullmatch(name)
        if found is None:
            hint = "a rule is written filter/FORWARD#2, filter/INPUT policy or filter/CHAIN return"
            return Wrong(f"{name!r} names no rule", hint)
        table, chain = found["table"], found["chain"]
        if table not in self._tables:
            known = ", ".join(self._tables)
            said = f"its tables are {known}" if known else "it is empty"
            return Wrong(f"the rule set has no table {table!r}", said)
        chains = self._tables[table].chains
        if chain not in chains:
            close = difflib.get_close_matches(chain, [*chains], n=1)
            hint = f"did you mean {table}/{close[0]}?" if close else f"it has {', '.join(chains)}"
            shown = hint[:_HINT] + "…" * (len(hint) > _HINT)
            return Wrong(f"table {table} has no chain {chain!r}", shown)
        return self._wrong_in(chains[chain], table, found["number"], found["end"])

    def _wrong_in(
        self, chain: Chain, table: str, number: str | None, end: str | None
    ) -> Wrong | None:
        if number is not None:
            count = len(chain.rules)
            if len(number) < 10 and 1 <= int(number) <= count:
                return None
            rules = f"{count} rule{'s' * (count != 1)}" if count else "no rules"
            return Wrong(f"chain {table}/{chain.name} has {rules}", "the first is #1")
        if end not in ("policy", "return"):
            return Wrong(f"a chain ends with its policy or with a return, not with {end!r}", None)
        is_base = chain.name in BUILTIN_CHAINS.get(table, ())
        if is_base and end == "return":
            return Wrong(f"{chain.name} has a policy", f"write '{table}/{chain.name} policy'")
        if not is_base and end == "policy":
            hint = f"write '{table}/{chain.name} return'"
            return Wrong(f"{chain.name} is a user chain, which has no policy", hint)
        return None

    def text(self, name: str) -> str | None:
        """The rule of that name as it is written, or the policy; None for anything else."""
        rule = self._rule(name)
        if rule is not None:
            return _COUNTERS.sub("", rule.text.strip(), count=1)
        policy = self._policy(name)
        return None if policy is None else f"policy {policy}"

    def is_rejecting(self, name: str) -> bool:
        """Whether the rule of that name answers the packet."""
        rule = self._rule(name)
        return rule is not None and getattr(rule.target, "name", None) == "REJECT"

    def _chain(self, name: str) -> tuple[Chain | None, str]:
        found = _NAME.fullmatch(name)
        if found is None or found["table"] not in self._tables:
            return None, ""
        return self._tables[found["table"]].chains.get(found["chain"]), found["number"] or ""

    def _rule(self, name: str) -> Rule | None:
        chain, number = self._chain(name)
        if chain is None or not number or len(number) > 9:
            return None
        return chain.rules[int(number) - 1] if 1 <= int(number) <= len(chain.rules) else None

    def _policy(self, name: str) -> str | None:
        chain, _ = self._chain(name)
        return None if chain is None or not name.endswith(" policy") else chain.policy


def index_rules(text: str, file: str, family: Family) -> RuleIndex:
    """The rules of what iptables-save or ip6tables-save prints. Raises ParseError."""
    try:
        return RuleIndex([ruleset_of(text, family)] if text else [], family)
    except ParseError as error:
        raise error.of_file(file) from None
