# SPDX-License-Identifier: GPL-2.0-only
"""What a file in ``rules/`` uses.

A rule is one Python file named after its id and name. Its docstring is its page and its test; its
function looks at a :class:`ctlint.lint.context.Context` and yields findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from ctlint.finding import Finding, Severity

if TYPE_CHECKING:
    from ctlint.lint.allowing import RunView
    from ctlint.lint.context import Context

HEADINGS: Final = (
    "What it does",
    "Why it matters",
    "Bad",
    "Good",
    "When it is right anyway",
    "References",
)
"""The headings of a rule's docstring, in this order."""

Check = Callable[["Context"], Iterator[Finding]]
RunCheck = Callable[["RunView"], Iterator[Finding]]
_C = TypeVar("_C", bound=Callable[..., Iterator[Finding]])


class Persona(Enum):
    """Who wants to see a rule: everyone, or those who asked for more."""

    REGULAR = "regular"
    PEDANTIC = "pedantic"


class RuleDefinitionError(Exception):
    """A rule file is not as it must be: its author's fault."""


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule: its identity, its page, its check: ``check`` of each rule set, or ``run_check`` of
    what people allow, when all others have spoken.

    ``severity`` is the most severe it can be; findings carry their own, by the timeouts.
    ``summary`` is the first sentence of its page. ``sections`` maps headings to Markdown.
    """

    id: str
    name: str
    severity: Severity
    persona: Persona
    since: str
    summary: str
    sections: Mapping[str, str]
    check: Check | None
    run_check: RunCheck | None = None


@dataclass(frozen=True, slots=True)
class RuleMark:
    """What the decorator notes on a check. ``of_run``: it looks at a RunView."""

    id: str
    name: str
    severity: Severity
    persona: Persona
    since: str
    of_run: bool


MARK_ATTRIBUTE: Final = "__ctlint_rule__"


def rule(
    id: str,  # noqa: A002
    name: str,
    *,
    severity: Severity,
    since: str,
    persona: Persona = Persona.REGULAR,
    of_run: bool = False,
) -> Callable[[_C], _C]:
    """Mark the function of a rule file that checks: a Context, or a RunView. Raises
    RuleDefinitionError.
    """
    if not re.fullmatch(r"CT\d{3}", id):
        raise RuleDefinitionError(f"{id!r} is no rule id")
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", name):
        raise RuleDefinitionError(f"{name!r} is no rule name")

    def mark(check: _C) -> _C:
        setattr(check, MARK_ATTRIBUTE, RuleMark(id, name, severity, persona, since, of_run))
        return check

    return mark
