# SPDX-License-Identifier: GPL-2.0-only
"""From the text of ctlint.toml, or of pyproject.toml, to a configuration. Strict: what is not known
is a problem with its place, and all problems are told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ctlint.finding import Location, bare_text
from ctlint.lint.allowing import Allow
from ctlint.lint.config_kinds import BadValue, Place, RuleId
from ctlint.lint.config_schema import Key, config_keys
from ctlint.lint.configuration import FACT, SEVERITY, Configuration, Said, Scope
from ctlint.lint.registry import shipped_rules
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.toml import TomlDocument, TomlPath, parse_toml

SECTION: Final[TomlPath] = ("tool", "ctlint")
"""Of pyproject.toml."""

_TABLES: Final = ("severity", "facts")
_LISTS: Final = ("override", "allow")


def read_config(text: str, file: str, section: TomlPath = ()) -> Configuration | None:
    """The configuration in a text, or in a section of it: None where it has no such section.

    Raises ParseError with all problems.
    """
    document = parse_toml(text, file)
    table: Any = document.values
    for part in section:
        if not isinstance(table, dict) or part not in table:
            return None
        table = table[part]
    problems: list[Problem] = []
    try:
        found = _Reader(document, text).config(table, Place(document, section, problems))
    except BadValue:
        found = None
    if problems:
        problems.sort(key=lambda problem: (problem.span.line, problem.span.column))
        raise ParseError(tuple(problems[:MAX_PROBLEMS]))
    return found


class _Reader:
    def __init__(self, document: TomlDocument, text: str) -> None:
        self.document = document
        self.lines = text.split("\n")
        self.keys = config_keys()

    def config(self, table: object, place: Place) -> Configuration:
        known = [*self.keys.top, *_TABLES, *_LISTS]
        names = place.keys(table, known, "the configuration")
        assert isinstance(table, dict)
        values = dict(self.values(table, names, self.keys.top, place))
        overrides, allows = [], []
        for name in names:
            for item, where in self.tables(table, name, place):
                try:
                    if name == "override":
                        overrides.append(self.override(item, where))
                    else:
                        allows.append(self.allow(item, where))
                except BadValue:
                    continue
        return Configuration(self.document.file, values, tuple(overrides), tuple(allows))

    def tables(
        self, table: Mapping[str, Any], name: str, place: Place
    ) -> Iterator[tuple[object, Place]]:
        """The elements of an array of tables, if the key is one."""
        if name not in _LISTS:
            return
        found = table[name]
        if not isinstance(found, list):
            place.inside(name).note(f"{name} is no list of tables", f"write [[{name}]]")
            return
        for number, item in enumerate(found):
            if place.is_full:
                return
            yield item, place.inside(name, number)

    def values(
        self, table: Mapping[str, Any], names: list[str], keys: Mapping[str, Key], place: Place
    ) -> Iterator[tuple[str, Said]]:
        """The values of a table and of the tables in it, without those that are refused."""
        for name in names:
            where = place.inside(name)
            try:
                if name == "severity":
                    yield from self.severities(table[name], where)
                elif name == "facts":
                    yield from self.facts(table[name], where)
                elif name in keys:
                    yield name, self.said(keys[name].kind.read(table[name], where), where)
            except BadValue:
                continue

    def said(self, value: object, place: Place) -> Said:
        span = self.document.keys.get(place.path) or self.document.place(place.path)
        return Said(value, f"{span.file}:{span.line}")

    def severities(self, table: object, place: Place) -> Iterator[tuple[str, Said]]:
        if not isinstance(table, dict):
            raise place.refuse("severity is no table", 'write severity.CT101 = "note"')
        kind, seen = RuleId(shipped_rules()), set()
        for key, value in table.items():
            if place.is_full:
                return
            where = place.inside(key)
            named = Place(self.document, where.path, [])
            try:
                rule = kind.read(key, named)
            except BadValue:
                where.note(named.problems[0].message, named.problems[0].hint, at_key=True)
                continue
            if rule in seen:
                where.note(f"{rule} stands twice: by its id and by its name", at_key=True)
            seen.add(rule)
            try:
                yield SEVERITY + rule, self.said(self.keys.severity.read(value, where), where)
            except BadValue:
                continue

    def facts(self, table: object, place: Place) -> Iterator[tuple[str, Said]]:
        for key in place.keys(table, self.keys.facts, "facts"):
            assert isinstance(table, dict)
            where = place.inside(key)
            try:
                value = self.keys.facts[key].kind.read(table[key], where)
                yield FACT + key, self.said(value, where)
            except BadValue:
                continue

    def override(self, table: object, place: Place) -> tuple[Scope, dict[str, Said]]:
        keys = self.keys.override
        names = place.keys(table, [*keys, *_TABLES], "override")
        assert isinstance(table, dict)
        values = dict(self.values(table, names, keys, place))
        paths = values.pop("paths", None)
        if "paths" not in table:
            raise place.refuse("override has no paths", "for all inputs a value stands at the top")
        if len(table) == 1:
            place.note("override changes nothing")
        return Scope(paths.value if paths else ()), values

    def allow(self, table: object, place: Place) -> tuple[Scope, Allow]:
        keys = self.keys.allow
        names = place.keys(table, keys, "allow")
        assert isinstance(table, dict)
        for name in ("rules", "reason"):
            if name not in table:
                raise place.refuse(f"allow has no {name}")
        values = {name: said.value for name, said in self.values(table, names, keys, place)}
        span = self.document.keys.get(place.path) or self.document.place(place.path)
        line = self.lines[span.line - 1].rstrip("\r")
        text = values.get("text")
        allow = Allow(
            values.get("rules", ()),
            values.get("reason", ""),
            Location(span.file, span.line, span.column, span.end_column, text=line),
            values.get("table"),
            values.get("chain"),
            None if text is None else bare_text(text),
        )
        return Scope(values.get("paths")), allow
