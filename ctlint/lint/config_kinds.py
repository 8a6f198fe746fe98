# SPDX-License-Identifier: GPL-2.0-only
"""What a value of the configuration may be: how it is read, and what a JSON schema says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ctlint.analysis.circumstances import (
    DURATION_PATTERN,
    FACTS,
    MAX_SECONDS,
    ROLE_NAMES,
    FactError,
    FactForm,
    circumstances,
)
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.suppression import similar
from ctlint.model.kernel.profiles import UnknownKernel, profile
from ctlint.parse.errors import MAX_PROBLEMS, Problem
from ctlint.parse.toml import TomlDocument, TomlPath

Schema = Mapping[str, Any]

MAX_SHOWN: Final = 40
"""Characters of a wrong value that a message repeats."""


class BadValue(Exception):  # noqa: N818 (a reader tells a place that it has refused)
    """A value was refused; the problem is noted."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value of a document, and where problems with it go."""

    document: TomlDocument
    path: TomlPath
    problems: list[Problem] = field(compare=False)

    @property
    def is_full(self) -> bool:
        """Whether there are so many problems that no more need be looked for."""
        return len(self.problems) >= MAX_PROBLEMS

    def inside(self, *parts: str | int) -> Place:
        """The place of a value in this one."""
        return Place(self.document, (*self.path, *parts), self.problems)

    def note(self, message: str, hint: str | None = None, *, at_key: bool = False) -> None:
        """Notes a problem with the value, or with its key."""
        keys = self.document.keys
        span = keys.get(self.path) if at_key else None
        span = span or self.document.place(self.path)
        self.problems.append(Problem(span, message, hint))

    def refuse(self, message: str, hint: str | None = None) -> BadValue:
        """Notes a problem; the exception to raise."""
        self.note(message, hint)
        return BadValue(message)

    def keys(self, table: object, known: Iterable[str], what: str) -> list[str]:
        """The known keys of a table; unknown ones are problems. Raises BadValue for another value
        than a table.
        """
        if not isinstance(table, dict):
            raise self.refuse(f"{what} is {name_of(table)}, not a table")
        names = tuple(known)
        for key in table:
            if key not in names and not self.is_full:
                close = similar(key, names)
                hint = f"did you mean {close}?" if close else f"known are {', '.join(names)}"
                message = f"{what} has no key {shown(key)}"
                self.inside(key).note(message, hint, at_key=True)
        return [key for key in table if key in names]


class Kind(Protocol):
    """The values that a key may have."""

    def read(self, value: object, place: Place) -> Any:
        """What a value means. Raises BadValue."""

    def schema(self) -> Schema:
        """What a JSON schema says of it."""


@dataclass(frozen=True, slots=True)
class Text:
    """Any text that is not blank."""

    def read(self, value: object, place: Place) -> str:
        if not isinstance(value, str):
            raise place.refuse(f"expected a text, not {name_of(value)}")
        if not value.strip():
            raise place.refuse("the text is empty")
        if "\0" in value:
            raise place.refuse("the text holds a NUL byte")
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"\S"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def read(self, value: object, place: Place) -> str:
        if not isinstance(value, str):
            raise place.refuse(f"expected {one_of(self.words)}, not {name_of(value)}")
        if value not in self.words:
            close = similar(value, self.words)
            raise place.refuse(
                f"{shown(value)} is not {one_of(self.words)}",
                f"did you mean {close}?" if close else None,
            )
        return value

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number within bounds."""

    least: int
    most: int

    def read(self, value: object, place: Place) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise place.refuse(f"expected a whole number, not {name_of(value)}")
        if not self.least <= value <= self.most:
            raise place.refuse(f"expected a number from {self.least} to {self.most}")
        return value

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of values; all that are wrong are noted."""

    kind: Kind
    least: int = 0

    def read(self, value: object, place: Place) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise place.refuse(f"expected a list, not {name_of(value)}", "write it in [ ]")
        if len(value) < self.least:
            raise place.refuse("the list is empty")
        found = []
        refused = None
        for number, item in enumerate(value):
            if place.is_full:
                break
            try:
                found.append(self.kind.read(item, place.inside(number)))
            except BadValue as error:
                refused = error
        if refused is not None:
            raise refused
        return tuple(found)

    def schema(self) -> Schema:
        schema: dict[str, Any] = {"type": "array", "items": self.kind.schema()}
        return schema | {"minItems": self.least} if self.least else schema


@dataclass(frozen=True, slots=True)
class RuleWord:
    """The id or name of a rule, or the beginning of ids: what --select takes."""

    rules: tuple[RuleInfo, ...]

    def read(self, value: object, place: Place) -> str:
        word = Text().read(value, place).strip()
        if not any(fits(info, word) for info in self.rules):
            raise unknown_rule(word, self.rules, place)
        return word

    def schema(self) -> Schema:
        # Ids may be written short: an editor cannot know all beginnings that mean something.
        names = [info.name for info in self.rules]
        return {"anyOf": [{"type": "string", "pattern": "^[Cc][Tt][0-9]{0,3}$"}, {"enum": names}]}


@dataclass(frozen=True, slots=True)
class RuleId:
    """The id or name of one rule; read as its id."""

    rules: tuple[RuleInfo, ...]

    def read(self, value: object, place: Place) -> str:
        word = Text().read(value, place).strip()
        for info in self.rules:
            if word.upper() == info.id or word == info.name:
                return info.id
        if any(fits(info, word) for info in self.rules):
            raise place.refuse(f"{shown(word)} is not the id of one rule", "write ids whole")
        raise unknown_rule(word, self.rules, place)

    def schema(self) -> Schema:
        return {"enum": [word for info in self.rules for word in (info.id, info.name)]}


@dataclass(frozen=True, slots=True)
class Kernel:
    """The name of a kernel profile, or the output of `uname -r`."""

    def read(self, value: object, place: Place) -> str:
        name = Text().read(value, place)
        try:
            profile(name)
        except UnknownKernel as error:
            raise place.refuse(str(error), "`ctlint kernel --list` lists them") from None
        return name

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True, slots=True)
class FactValue:
    """The value of a fact (docs/facts.md), read as --fact takes it."""

    key: str

    def read(self, value: object, place: Place) -> str:
        form = FACTS[self.key].form
        text: str | None = value if isinstance(value, str) else None
        if isinstance(value, bool):
            text = {True: "yes", False: "no"}[value] if form is FactForm.YES_NO else None
        elif isinstance(value, int) and form in (FactForm.DURATION, FactForm.DURATION_OR_OFF):
            # Python prints no number that is far too long.
            text = str(max(-1, min(value, MAX_SECONDS + 1)))
        elif form is FactForm.ROLES and isinstance(value, str):
            text = Choice(ROLE_NAMES).read(value, place)
        elif form is FactForm.ROLES and isinstance(value, list):
            text = ",".join(Listed(Choice(ROLE_NAMES), 1).read(value, place))
        if text is None:
            raise place.refuse(f"{self.key}: {name_of(value)} cannot be its value")
        try:
            circumstances([(self.key, text)])
        except FactError as error:
            raise place.refuse(str(error)) from None
        return text

    def schema(self) -> Schema:
        form = FACTS[self.key].form
        if form is FactForm.YES_NO:
            return {"enum": [True, False, "yes", "no"]}
        if form is FactForm.ROLES:
            one = Choice(ROLE_NAMES)
            several = {**Listed(one, 1).schema(), "uniqueItems": True}
            return {"anyOf": [one.schema(), several]}
        duration: list[Schema] = [
            {"type": "integer", "minimum": 1, "maximum": MAX_SECONDS},
            {"type": "string", "pattern": DURATION_PATTERN},
        ]
        if form is FactForm.DURATION_OR_OFF:
            duration.append({"const": "off"})
        return {"anyOf": duration}


# Rules by word


def fits(info: RuleInfo, word: str) -> bool:
    """Whether a rule is meant by a word of select or ignore."""
    return info.name == word or (word != "" and info.id.startswith(word.upper()))


def unknown_rule(word: str, rules: Sequence[RuleInfo], place: Place) -> BadValue:
    """The problem of a word that means no rule."""
    return place.refuse(f"no rule {shown(word)}", rule_hint(word, rules))


def rule_hint(word: str, rules: Iterable[RuleInfo]) -> str:
    """What to do about a word that means no rule."""
    close = similar(word, tuple(known for info in rules for known in (info.id, info.name)))
    return f"did you mean {close}?" if close else "`ctlint rules` lists them"


# Words


def shown(value: object) -> str:
    """A value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def one_of(words: Sequence[str]) -> str:
    """Words in a message: "a, b or c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def name_of(value: object) -> str:
    """What a value of TOML is, in a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return shown(value)
    names = {int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date")
