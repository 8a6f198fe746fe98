# SPDX-License-Identifier: GPL-2.0-only
"""What a table row of a match or target extension says.

Each module below :mod:`ctlint.parse.extensions` describes one extension of iptables 1.8.11 and
exports ``EXTENSIONS``, a tuple of :class:`Extension`. Source of the rows: iptables-extensions(8)
and the option tables of the extensions (``struct xt_option_entry``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ctlint.ir.rule import Option
from ctlint.parse.operands import Operand
from ctlint.wire.addresses import Family

BOTH_FAMILIES = frozenset(Family)
IPV4_ONLY = frozenset({Family.IPV4})
IPV6_ONLY = frozenset({Family.IPV6})


class Kind(Enum):
    """Whether ``-m NAME`` or ``-j NAME`` loads the extension."""

    MATCH = "match"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One option of an extension.

    ``operands`` are the words that follow it (none: a flag). ``canonical`` names the option under
    which an alias is kept in the IR (``--destination-port`` is ``dport``). ``excludes`` names
    options that may not stand in the same match, ``also`` those that must. With
    ``operand_is_optional`` a next word that starts with ``-`` or ``!`` is not the operand, and the
    option's value is None. With ``holds_blanks`` the first operand is a name that may hold blanks
    and that iptables-save prints without quotes: further words up to the next option belong to it.
    """

    name: str
    operands: tuple[Operand, ...] = ()
    negatable: bool = False
    required: bool = False
    repeatable: bool = False
    canonical: str = ""
    excludes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    operand_is_optional: bool = False
    holds_blanks: bool = False

    @property
    def key(self) -> str:
        """The option's name in the IR."""
        return self.canonical or self.name


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What an extension's check may know of the rule around it.

    ``protocol`` is the rule's ``-p`` (0: any), ``protocol_negated`` whether it is negated.
    """

    family: Family
    table: str
    protocol: int = 0
    protocol_negated: bool = False

    def is_protocol(self, *numbers: int) -> bool:
        """Whether the rule is limited to one of these protocols."""
        return self.protocol in numbers and not self.protocol_negated


Check = Callable[[Sequence[Option], RuleContext], str | None]

HookCheck = Callable[[Sequence[Option], str], str | None]
"""What is wrong with options in a base chain, or None."""

_Where = TypeVar("_Where", RuleContext, str)


@dataclass(frozen=True, slots=True)
class Extension:
    """One match or target: its options, where it may stand, and what must hold between options.

    ``protocols``: the rule's ``-p`` must name one of these (empty: any). ``tables`` and
    ``base_chains``: the extension loads only there (empty: anywhere); a rule of a user chain
    belongs to every base chain that reaches it (:mod:`ctlint.parse.reach`). ``check`` looks at the
    finished options and returns what is wrong, or None; ``hook_check`` does so for the base chain
    that the rule stands in. ``saved_as`` is the extension's name in the IR
    where the text uses an alias (``NOTRACK`` stays itself; ``-m state`` stays ``state``).
    """

    name: str
    kind: Kind
    options: tuple[OptionSpec, ...] = ()
    families: frozenset[Family] = BOTH_FAMILIES
    protocols: tuple[int, ...] = ()
    tables: tuple[str, ...] = ()
    base_chains: tuple[str, ...] = ()
    check: Check | None = None
    hook_check: HookCheck | None = None
    saved_as: str = ""


def match(
    name: str,
    *options: OptionSpec,
    families: frozenset[Family] = BOTH_FAMILIES,
    protocols: tuple[int, ...] = (),
    tables: tuple[str, ...] = (),
    base_chains: tuple[str, ...] = (),
    check: Check | None = None,
    hook_check: HookCheck | None = None,
    saved_as: str = "",
) -> Extension:
    """A match extension."""
    return Extension(
        name,
        Kind.MATCH,
        options,
        families,
        protocols,
        tables,
        base_chains,
        check,
        hook_check,
        saved_as,
    )


def target(
    name: str,
    *options: OptionSpec,
    families: frozenset[Family] = BOTH_FAMILIES,
    protocols: tuple[int, ...] = (),
    tables: tuple[str, ...] = (),
    base_chains: tuple[str, ...] = (),
    check: Check | None = None,
    hook_check: HookCheck | None = None,
    saved_as: str = "",
) -> Extension:
    """A target extension."""
    return Extension(
        name,
        Kind.TARGET,
        options,
        families,
        protocols,
        tables,
        base_chains,
        check,
        hook_check,
        saved_as,
    )


def only_in(name: str, *chains: str) -> HookCheck:
    """A check: of the base chains only these can have the option."""

    def check(options: Sequence[Option], chain: str) -> str | None:
        if chain in chains or all(option.name != name for option in options):
            return None
        return f"--{name} has no meaning in {chain}, only in {', '.join(chains)}"

    return check


def one_of(*names: str) -> Check:
    """A check: at least one of the options must be given."""

    def check(options: Sequence[Option], _: RuleContext) -> str | None:
        if any(option.name in names for option in options):
            return None
        return "needs " + " or ".join(f"--{name}" for name in names)

    return check


def all_checks(
    *checks: Callable[[Sequence[Option], _Where], str | None],
) -> Callable[[Sequence[Option], _Where], str | None]:
    """A check, of the rule or of the base chain: the first complaint of several."""

    def check(options: Sequence[Option], where: _Where) -> str | None:
        for each in checks:
            complaint = each(options, where)
            if complaint is not None:
                return complaint
        return None

    return check
