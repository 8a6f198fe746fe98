# SPDX-License-Identifier: GPL-2.0-only
"""What ctlint reads in one line: a rule, a setting, a permission."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from ctlint.finding import Finding
from ctlint.ir.ruleset import BUILTIN_CHAINS, Ruleset
from ctlint.ir.sysctl import Setting
from ctlint.lint.registry import shipped_rules
from ctlint.lint.suppression import MARK, Written, in_comments, in_rules
from ctlint.lsp.documents import Kind
from ctlint.lsp.markdown import prose
from ctlint.lsp.positions import Places
from ctlint.model.kernel.features import Feature, Version
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, profile
from ctlint.model.kernel.sysctls import Sysctl, Unit, UnknownSysctl, resolve
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_rule
from ctlint.parse.sysctl import parse_sysctl
from ctlint.parse.words import WORD
from ctlint.report.markdown_text import code_block
from ctlint.report.sentence import say_duration

_LONGEST: Final = 10_000
"""Characters of a line that is read by itself."""

_COMMANDS: Final = ("-A", "--append")
_TABLE: Final = re.compile(r"^[ \t]*\*", re.MULTILINE)
_HEAD: Final = re.compile(r"^[ \t]*[*:].*", re.MULTILINE)


# Rules


def say_rule(places: Places, line: int) -> str:
    """A rule in the words of iptables-save, with its chain; empty for what is no rule that can be
    read by itself.
    """
    for ruleset in _alone(places, line):
        for table, chain, _, rule in ruleset.rules():
            said = print_rule(rule._replace(counters=None), ruleset.family)
            head = f"{prose(f'{table}/{chain.name}')}, as ctlint reads it:"
            return "\n".join([head, "", *code_block([said])])
    return ""


def _alone(places: Places, line: int) -> tuple[Ruleset, ...]:
    """A rule set with that rule alone."""
    text = places.line_text(line)
    words = [found[0] for found in WORD.finditer(text[:_LONGEST])]
    if words and words[0].startswith("["):
        del words[0]
    if len(text) > _LONGEST or len(words) < 2 or words[0] not in _COMMANDS:
        return ()
    table, declared = _head(places, line)
    chain = words[1].strip('"')
    if chain not in BUILTIN_CHAINS.get(table, ()) and not any(
        each.startswith(f":{chain} ") for each in declared
    ):
        declared.append(f":{chain} - [0:0]")
    try:
        return parse_rulesets("\n".join([f"*{table}", *declared, text, "COMMIT", ""]), "")
    except ParseError:
        return ()


def _head(places: Places, line: int) -> tuple[str, list[str]]:
    """The table in which a line stands, and the lines above that declare chains of it."""
    above = places.text[: places.start(line)]
    begin = max((found.start() for found in _TABLE.finditer(above)), default=-1)
    if begin < 0:
        return "filter", []
    table, *declared = (found[0].strip() for found in _HEAD.finditer(above, begin))
    return table[1:], declared


# Permissions


def say_permissions(
    name: str, kind: Kind, places: Places, line: int, findings: Iterable[Finding]
) -> str:
    """What the comment in a line allows, and what of that was found; empty without one."""
    said = [_say_permission(each) for each in _written(name, kind, places, line)]
    for finding in findings:
        why = finding.suppressed
        if said and why is not None and (why.file, why.line) == (name, line):
            role = f", {finding.role.value}" if finding.role else ""
            said.append(
                f"- hides {finding.severity.value} {finding.rule}{role}: {prose(finding.message)}"
            )
    return "\n".join(said)


def _written(name: str, kind: Kind, places: Places, line: int) -> Iterator[Written]:
    text = places.line_text(line)
    if MARK not in text:
        return
    yield from in_comments(name, text, (), _ids())
    if kind is Kind.RULES:
        for ruleset in _alone(places, line):
            yield from in_rules(ruleset, _ids())


@cache
def _ids() -> Mapping[str, str]:
    return {word: info.id for info in shipped_rules() for word in (info.id, info.name)}


def _say_permission(written: Written) -> str:
    wording = written.wording
    if not wording.is_allow:
        return "this comment is not understood: `ctlint: allow RULES because REASON`"
    names = {info.id: info.name for info in shipped_rules()}
    rules = ", ".join(f"**{rule}** {names[rule]}" for rule in wording.rules) or "nothing"
    if wording.unknown:
        rules += f"; no rules are {prose(', '.join(wording.unknown))}"
    if not wording.reason:
        return f"would allow {rules}, but gives no reason: nothing is allowed without `because`"
    return f"allows {rules} because {prose(wording.reason)}"


# Settings


def say_setting(text: str, kernel: str) -> str:
    """What is known of the key in a line: default, kernels, units. Empty for what is not known."""
    try:
        entries = parse_sysctl(text[:_LONGEST], "").entries
        setting = next(iter(entries), None)
        found = resolve(setting.key) if setting is not None else None
    except (ParseError, UnknownSysctl):
        return ""
    if setting is None or found is None or found.name != setting.key:
        return ""
    where = profile(kernel) if kernel else NEWEST
    return "\n".join(_setting_lines(setting.key, found.sysctl, where, _value(setting)))


def _value(setting: object) -> int | None:
    value = setting.value if isinstance(setting, Setting) else ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _setting_lines(
    key: str, sysctl: Sysctl, kernel: KernelProfile, value: int | None
) -> Iterator[str]:
    yield f"**{prose(key)}**: {sysctl.unit.value}"
    yield ""
    if not kernel.has_sysctl(key):
        yield f"- kernel {kernel.name} does not have it"
    else:
        default = kernel.sysctl_default(key)
        said = "not fixed" if default is None else _say_value(default, sysctl.unit)
        yield f"- default of kernel {kernel.name}: {said}"
    if value is not None:
        yield f"- here: {_say_value(value, sysctl.unit)}"
    for word, change in (("since", sysctl.since), ("gone since", sysctl.gone)):
        if change is not None:
            yield f"- {word} Linux {_say_version(change)}"
    for delta in sysctl.deltas:
        yield (
            f"- before Linux {_say_version(delta.feature)}: {_say_value(delta.before, sysctl.unit)}"
        )
    if key != sysctl.name:
        kind = "obsolete" if key in sysctl.obsolete else "another"
        yield f"- {kind} name of {prose(sysctl.name)}"
    if sysctl.config is not None:
        yield f"- with {prose(sysctl.config)} only"
    if sysctl.vendor is not None:
        yield f"- of {prose(sysctl.vendor)} only"


def _say_value(value: int, unit: Unit) -> str:
    if unit is Unit.SECONDS:
        return say_duration(value)
    if unit in (Unit.FLAG, Unit.CHOICE):
        return str(value)
    return f"{value:,} {unit.value}"


def _say_version(change: Feature | Version) -> str:
    version = change.since if isinstance(change, Feature) else change
    return ".".join(map(str, version))
