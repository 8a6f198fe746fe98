# SPDX-License-Identifier: GPL-2.0-only
"""Text of kernel settings to IR: ``sysctl -a`` output, sysctl.conf(5), sysctl.d(5).

``grammar/sysctl.lark`` says what a line may be. Lines of the common shapes run one regular
expression instead; it accepts less than the grammar and reads the same, which a differential test
holds. Where the text leaves room it is read as systemd-sysctl reads it: quotes are part of the
value, the first ``=`` ends the key. Unlike systemd-sysctl, which warns and goes on, a line that is
no setting is an error here: a misspelled line is a setting that is not in force.

What sysctl(8) says on standard error (``sysctl: permission denied on key …``) is skipped: the key
has no value then.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ctlint.ir.span import Span
from ctlint.ir.sysctl import (
    GLOB_CHARACTERS,
    Entry,
    Exclusion,
    Setting,
    SysctlFile,
    canonical_key,
    key_levels,
)
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem, expected_terminals
from ctlint.resources import grammar_text

if TYPE_CHECKING:
    from lark import Lark, UnexpectedInput

MAX_LINE_LENGTH: Final = 64 * 1024
"""Characters. /proc/sys takes at most 4096 a value (sysctl.conf(5)); the rest is for comments."""

_BLANKS: Final = " \t\r"

# Possessive blanks: with plain ones a long run of blanks takes quadratic time to refuse. Only
# single characters are possessive: Python 3.11.2 matches a possessive group wrongly.
_PLAIN: Final = re.compile(
    r"""[ \t]*+(?:
        (?P<ignore>-?)
        (?P<key>[A-Za-z0-9_*][A-Za-z0-9_*./@-]*+)
        [ \t]*+=[ \t]*+
        (?P<value>(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?)
        [ \t]*+
      | [\#;][^\x00-\x08\x0a-\x1f\x7f]*+
    )?\r?""",
    re.VERBOSE,
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# glob(3) with GLOB_BRACE: what systemd-sysctl expands, and no setting of ours has needed.
_UNREAD_GLOB: Final = re.compile(r"[{}\\]|\[[:.=]")
_KEY_START: Final = re.compile(r"[^\s#;=-]")
_ASSIGNMENT_HINT: Final = "write KEY = VALUE, or -KEY to keep globs from setting the key"


def parse_sysctl(text: str, file: str) -> SysctlFile:
    """What a file of kernel settings says. ``file`` is its name for messages.

    Raises ParseError with the problems of all lines, at most MAX_PROBLEMS.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            entry = _read_line(line, file, number)
        except _LineError as error:
            if len(problems) == MAX_PROBLEMS - 1:
                rest = "there are more problems; the file was read up to here"
                problems.append(Problem(Span(file, number), rest))
                break
            problems.append(error.problem)
        else:
            if entry is not None:
                entries.append(entry)
    if problems:
        raise ParseError(tuple(problems))
    return SysctlFile(file, tuple(entries))


class _LineError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _read_line(line: str, file: str, number: int) -> Entry | None:
    """The entry of one line; None for a comment, an empty line or a message of sysctl(8)."""
    if len(line) > MAX_LINE_LENGTH:
        message = f"the line has {len(line)} characters, the limit is {MAX_LINE_LENGTH}"
        raise _LineError(Problem(Span(file, number), message))
    plain = _PLAIN.fullmatch(line)
    if plain is None:
        return _read_by_grammar(line, file, number)
    ignore, key, value = plain.groups()
    if key is None:
        return None
    span = _span(line, file, number, plain.start("ignore"))
    return Setting(_canonical(key, span), key, value, ignore == "-", span)


def _read_by_grammar(line: str, file: str, number: int) -> Entry | None:
    from lark import Token, Tree, UnexpectedInput

    try:
        entry = next(iter(_parser().parse(line).children), None)
    except UnexpectedInput as error:
        raise _LineError(_problem(error, line, file, number)) from None
    if not isinstance(entry, Tree):
        return None
    words = [child.value if isinstance(child, Token) else None for child in entry.children]
    start = len(line) - len(line.lstrip(_BLANKS))
    span = _span(line, file, number, start)
    if entry.data == "exclusion":
        key = words[0] or ""
        return Exclusion(_canonical(key, span), key, span)
    ignore, key, value = words[0], words[1] or "", words[2] or ""
    return Setting(_canonical(key, span), key, value, ignore is not None, span)


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(grammar_text("sysctl"), parser="lalr", maybe_placeholders=True)


def _canonical(key: str, span: Span) -> str:
    """The canonical spelling. Raises _LineError for what names no file below /proc/sys, and for a
    glob that we would read otherwise than glob(3).
    """
    canonical = canonical_key(key)
    if not canonical:
        raise _LineError(Problem(span, f"the key {key!r} has no name", _ASSIGNMENT_HINT))
    if "//" in canonical and ".." in key_levels(key):
        raise _LineError(Problem(span, f"the key {key!r} leads out of its folder"))
    if not GLOB_CHARACTERS.isdisjoint(canonical) and (found := _UNREAD_GLOB.search(key)):
        message = f"{found[0]!r} in a glob is not read by ctlint"
        raise _LineError(Problem(span, message, "write one line for each alternative"))
    return canonical


def _span(line: str, file: str, number: int, start: int) -> Span:
    """From an index in the line to the last character that is no blank."""
    return Span(file, number, start + 1, max(start, len(line.rstrip(_BLANKS))) + 1)


def _problem(error: UnexpectedInput, line: str, file: str, number: int) -> Problem:
    """What the parser's refusal means to the writer of the line."""
    text = line.rstrip(_BLANKS)
    if control := _CONTROL.search(text):
        span = _span(line, file, number, control.start())
        code = ord(control[0])
        return Problem(span, f"control character U+{code:04X}", "is this a text file?")
    _, at_end = expected_terminals(error)
    position = len(text) if at_end else error.column - 1
    found = text[position : position + 1]
    span = _span(line, file, number, position)
    if found == "\ufeff":
        hint = "save the file without it: systemd-sysctl takes it for a part of the key"
        return Problem(span, "byte order mark in the key", hint)
    key_start = _KEY_START.search(text)
    if key_start is None or key_start.start() >= position:
        message = f"expected a key, found {found!r}" if found else "no key after '-'"
        return Problem(span, message, _ASSIGNMENT_HINT)
    key = text[key_start.start() : position].rstrip(_BLANKS)
    if not found:
        span = _span(line, file, number, key_start.start())
        return Problem(span, f"no '=' after the key {_shortened(key)}", _ASSIGNMENT_HINT)
    hint = _ASSIGNMENT_HINT
    if key == "sysctl":
        hint = "this is a command; a file holds KEY = VALUE lines"
    return Problem(span, f"expected '=' after the key {_shortened(key)}, found {found!r}", hint)


def _shortened(key: str) -> str:
    return repr(key if len(key) <= 60 else f"{key[:57]}...")
