# SPDX-License-Identifier: GPL-2.0-only
"""IR to text that iptables-restore loads and that means the same."""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.ir.rule import (
    AnyMatch,
    Goto,
    Jump,
    Match,
    Option,
    Rule,
    Target,
    UnknownMatch,
    UnknownTarget,
)
from ctlint.ir.ruleset import Ruleset, Table
from ctlint.parse.extension import Extension, Kind
from ctlint.parse.operands import INTERFACE, NET, PROTOCOL, Operand
from ctlint.parse.options import VERDICTS
from ctlint.parse.registry import find_extension
from ctlint.parse.words import quote
from ctlint.wire.addresses import Family

_HEAD: dict[str, tuple[str, tuple[Operand, ...]]] = {
    "source": ("-s", (NET,)),
    "destination": ("-d", (NET,)),
    "in-interface": ("-i", (INTERFACE,)),
    "out-interface": ("-o", (INTERFACE,)),
    "protocol": ("-p", (PROTOCOL,)),
    "fragment": ("-f", ()),
}


def print_ruleset(ruleset: Ruleset) -> str:
    """The whole rule set, as iptables-restore reads it."""
    return "".join(f"{line}\n" for line in _ruleset_lines(ruleset))


def _ruleset_lines(ruleset: Ruleset) -> Iterator[str]:
    for table in ruleset.tables.values():
        yield from _table_lines(table, ruleset.family)


def _table_lines(table: Table, family: Family) -> Iterator[str]:
    yield f"*{table.name}"
    for chain in table.chains.values():
        counters = chain.counters
        count = f"[{counters.packets}:{counters.bytes}]" if counters else "[0:0]"
        yield f":{chain.name} {chain.policy or '-'} {count}"
    for chain in table.chains.values():
        for rule in chain.rules:
            yield print_rule(rule, family)
    yield "COMMIT"


def print_rule(rule: Rule, family: Family) -> str:
    """One rule as a line of a dump, with its counters where it has any."""
    parts = []
    if rule.counters is not None:
        parts.append(f"[{rule.counters.packets}:{rule.counters.bytes}]")
    parts.append(f"-A {rule.chain}")
    parts += [print_match(match, family) for match in rule.matches]
    target = print_target(rule, family)
    if target:
        parts.append(target)
    return " ".join(parts)


def print_match(match: AnyMatch, family: Family) -> str:
    """One match as words of a rule."""
    if isinstance(match, UnknownMatch):
        return " ".join(["-m", quote(match.name), *map(_word_as_read, match.words)])
    if match.name == "ip":
        return " ".join(_print_option(*_HEAD[o.name], o) for o in match.options)
    return " ".join(["-m", match.name, *_options(match, Kind.MATCH, family)])


def print_target(rule: Rule, family: Family) -> str:
    """The target as words of a rule; empty where the rule has none."""
    target = rule.target
    if target is None:
        return ""
    if isinstance(target, Jump):
        return f"-j {target.chain}"
    if isinstance(target, Goto):
        return f"-g {target.chain}"
    if isinstance(target, UnknownTarget):
        return " ".join(["-j", quote(target.name), *map(_word_as_read, target.words)])
    if target.name in VERDICTS:
        return f"-j {target.name}"
    return " ".join(["-j", target.name, *_options(target, Kind.TARGET, family)])


def _word_as_read(word: str) -> str:
    # In quotes an option would be an operand.
    return word if word == "!" or word.startswith("-") else quote(word)


def _options(node: Match | Target, kind: Kind, family: Family) -> Iterator[str]:
    extension = find_extension(node.name, kind, family)
    assert extension is not None, node.name
    for option in node.options:
        yield _print_option(f"--{option.name}", _operands(extension, option.name), option)


def _operands(extension: Extension, key: str) -> tuple[Operand, ...]:
    for spec in extension.options:
        if spec.key == key:
            return spec.operands
    raise KeyError(key)


def _print_option(word: str, operands: tuple[Operand, ...], option: Option) -> str:
    parts = ["!", word] if option.negated else [word]
    if option.value is None:
        return " ".join(parts)
    values = () if not operands else (option.value,) if len(operands) == 1 else tuple(option.value)
    parts += [quote(operand.format(v)) for operand, v in zip(operands, values, strict=True)]
    return " ".join(parts)
