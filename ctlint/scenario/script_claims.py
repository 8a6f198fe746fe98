# SPDX-License-Identifier: GPL-2.0-only
"""What scripts expect, as values."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Final

from ctlint.parse.connection_script import (
    ClaimText,
)
from ctlint.parse.script_reader import Word
from ctlint.scenario.expectation import (
    ENTRY_STATES,
    As,
    By,
    Claim,
    Ctstate,
    Delivered,
    HasEntry,
    Matched,
    NoEntry,
    Rejected,
    Seen,
    in_order,
)
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.script_words import StatementError, read_endpoint
from ctlint.wire.addresses import Family

_FATES: Final = ("delivered", "lost", "dropped", "rejected")
_SINGLE: Final = {"a ctstate": ("ctstate", "unseen"), "an entry": ("entry", "no_entry")}


class ClaimReader:
    """Reads the claims of one test. `index` gives its rules, of which it has any if `has_rules`."""

    def __init__(self, family: Family, index: Callable[[], RuleIndex], *, has_rules: bool) -> None:
        self._family = family
        self._index = index
        self._has_rules = has_rules
        self._known: RuleIndex | None = None

    def read(self, texts: Sequence[ClaimText]) -> tuple[Claim, ...]:
        """What is claimed of one packet. Raises StatementError."""
        claims: list[Claim] = []
        fates: list[ClaimText] = []
        for text in texts:
            claims += self._claim(text)
            if text.kind in _FATES:
                fates.append(text)
        if len(fates) > 1:
            said = "the packet is delivered, dropped or rejected: one of them"
            raise StatementError(fates[1].span, said)
        for kind in (Ctstate, HasEntry | NoEntry):
            if sum(isinstance(claim, kind) for claim in claims) > 1:
                what = "a ctstate" if kind is Ctstate else "an entry"
                places = [text.span for text in texts if text.kind in _SINGLE[what]]
                raise StatementError(places[1], f"{what} is expected twice")
        return in_order(claims)

    def _claim(self, text: ClaimText) -> tuple[Claim, ...]:
        words = text.words
        match text.kind:
            case "ctstate":
                return (Ctstate(words[0].text),)
            case "unseen":
                return (Ctstate(None),)
            case "delivered":
                return (Delivered(True), *([As(self._seen(words))] if len(words) > 1 else []))
            case "lost":
                return (Delivered(False),)
            case "dropped" | "rejected":
                by = (By(self.rule(words[1])),) if len(words) > 1 else ()
                return (Delivered(False), Rejected(text.kind == "rejected"), *by)
            case "matched":
                return (Matched(self.rule(words[0])),)
            case "no_entry":
                return (NoEntry(),)
            case _:
                return (HasEntry(self.entry_state(words[1]) if len(words) > 1 else None),)

    def _seen(self, words: Sequence[Word]) -> Seen:
        (source, sport), (target, dport) = (read_endpoint(word, self._family) for word in words[1:])
        return Seen(source, sport, target, dport)

    def entry_state(self, word: Word) -> str:
        """A state of an entry. Raises StatementError."""
        if word.text in ENTRY_STATES:
            return word.text
        close = difflib.get_close_matches(word.text, ENTRY_STATES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(ENTRY_STATES)}"
        raise StatementError(word.span, f"{word.text[:40]!r} is no state of an entry of TCP", hint)

    def rule(self, word: Word) -> str:
        """The name of a rule that there is. Raises StatementError."""
        name = " ".join(word.text.split())
        if self._known is None:
            self._known = self._index()
        wrong = self._known.wrong(name)
        if wrong is None:
            return name
        if not self._has_rules:
            rules = "rules6" if self._family is Family.IPV6 else "rules"
            raise StatementError(word.span, "this test has no rules", f"name a file: {rules} FILE")
        raise StatementError(word.span, wrong.message, wrong.hint)
