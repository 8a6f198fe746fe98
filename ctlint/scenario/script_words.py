# SPDX-License-Identifier: GPL-2.0-only
"""Words of scripts as values, and what is wrong with them, at their place."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from ctlint.ir.span import Span
from ctlint.parse.connection_script import (
    FactText,
    FileText,
    FlowText,
    IdleText,
    KernelText,
    NameText,
    OperationText,
    Statement,
    TopologyText,
)
from ctlint.parse.errors import Problem
from ctlint.parse.script_reader import Pair, Word
from ctlint.scenario.reader import read_sysctls
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family, format_address, parse_exact_address
from ctlint.wire.moments import SECOND
from ctlint.wire.protocols import parse_port
from ctlint.wire.sequence import LAST, MODULUS

_UNITS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3_600 * SECOND,
    "d": 86_400 * SECOND,
}
_SPAN_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(us|ms|s|m|h|d)")
KEY_OF_MESSAGE: Final = re.compile(r'"(\w+)"')


class StatementError(Exception):
    """What is wrong with a statement, and where."""

    def __init__(self, span: Span, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(span, message, hint)


def place_of(statement: Statement) -> tuple[Span, str]:
    """Where a statement is, and what it is."""
    match statement:
        case NameText():
            return statement.title.span, "a name"
        case FileText():
            return statement.path.span, statement.kind
        case KernelText():
            return statement.version.span, "a kernel"
        case FlowText():
            span = statement.source.span
            return span._replace(end_column=statement.target.span.end_column), "a flow"
        case IdleText():
            return statement.amount.span, "idle"
        case OperationText():
            return statement.word.span, statement.word.text
        case TopologyText():
            return statement.span, "a topology"
        case FactText():
            return statement.span, "a fact"
        case _:
            return statement.span, "this"


def plain(message: str) -> str:
    """A message about JSON without the quotes of its keys."""
    return KEY_OF_MESSAGE.sub(r"\1", message, count=1) if message.startswith('"') else message


def read_sysctl(pair: Pair) -> dict[str, int]:
    """A setting by its full name. Raises StatementError."""
    key, value = pair
    if len(value.text) > 20:
        raise StatementError(value.span, "a number of at most 20 digits is expected")
    name = key.text.replace("/", ".")
    try:
        return read_sysctls({name: int(value.text)})
    except ScenarioError as error:
        span = value.span if error.message.startswith(f'"{name}" must') else key.span
        raise StatementError(span, plain(error.message)) from None


def read_integer(word: Word, text: str) -> int:
    """A whole number, decimal or with 0x. Raises StatementError at the word."""
    if re.fullmatch(r"\d{1,10}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}", text):
        return int(text, 16)
    raise StatementError(word.span, f"a whole number is expected, not {text[:40]!r}")


def read_endpoint(word: Word, family: Family) -> tuple[str, int | None]:
    """`10.1.0.2:80`, `[fd01::2]:80`, or an address alone. Raises StatementError."""
    text = word.text
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") > 1:
        address, port = text, ""
    else:
        address, colon, port = text.partition(":")
        if colon and not port:
            raise StatementError(word.span, "a port is expected behind ':'")
    try:
        number = parse_exact_address(address, family)
    except ValueError:
        hint = "write 10.1.0.2:40000, or [fd01::2]:40000"
        raise StatementError(
            word.span, f"not an IPv{family.value} address: {address!r}", hint
        ) from None
    try:
        return format_address(family, number), parse_port(port) if port else None
    except ValueError as error:
        raise StatementError(word.span, str(error)) from None


def read_port(word: Word) -> int:
    try:
        return parse_port(word.text)
    except ValueError as error:
        raise StatementError(word.span, str(error)) from None


def read_number(word: Word, usual: int) -> int:
    """A sequence number: `+1` and `-1` count from the usual. Raises StatementError."""
    sign = word.text[:1]
    if sign in ("+", "-"):
        distance = read_integer(word, word.text[1:])
        return (usual + (distance if sign == "+" else -distance)) % MODULUS
    number = read_integer(word, word.text)
    if number > LAST:
        raise StatementError(word.span, f"a sequence number is at most {LAST}")
    return number


def read_pair(word: Word, text: str, sign: str) -> list[int]:
    one, found, other = text.partition(sign)
    if not found:
        raise StatementError(word.span, f"two numbers are expected, as 1{sign}2")
    return [read_integer(word, one), read_integer(word, other)]


def read_seconds(word: Word) -> Decimal:
    """A span such as 1h30m, in seconds."""
    micros = sum(Decimal(amount) * _UNITS[unit] for amount, unit in _SPAN_PART.findall(word.text))
    if _SPAN_PART.sub("", word.text) or micros != int(micros):
        raise StatementError(
            word.span, "a span of whole microseconds is expected, as 130s or 1h30m"
        )
    return Decimal(int(micros)).scaleb(-6)
