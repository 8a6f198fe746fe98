# SPDX-License-Identifier: GPL-2.0-only
"""``-m u32``, tests of 32-bit words of the packet.

Source: libxt_u32 of iptables 1.8.11; what the operators mean: net/netfilter/xt_u32.c, Linux 6.18.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ctlint.ir.values import Range
from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import Operand, parse_integer
from ctlint.wire.addresses import Family

MOST: Final = 10
"""XT_U32_MAXSIZE: tests of an option, numbers of a location, and ranges of a value."""

HIGHEST_SHIFT: Final = 31
"""Newer kernels (6.18) refuse to load more; what older ones do then is not defined."""


class U32Step(NamedTuple):
    """``&``, ``<<`` or ``>>`` with the value so far, or ``@``: move the start and read again."""

    operator: str
    number: int


class U32Test(NamedTuple):
    """The word at ``offset``, changed by the steps in order, must be in one of ``values``.

    A range whose low end is above its high end holds nothing, as in the kernel.
    """

    offset: int
    steps: tuple[U32Step, ...]
    values: tuple[Range, ...]


_TOKEN = re.compile(
    r"\s*(0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,20}|[1-9]\d{0,19}|<<|>>|&&?|[@=,:])", re.ASCII
)


def _tokens(word: str) -> Iterator[str]:
    at, end = 0, len(word.rstrip())
    while at < end:
        found = _TOKEN.match(word, at)
        if found is None:
            raise ValueError(
                f"{word[at : at + 12].strip()!r} at character {at + 1} is no part of a test"
            )
        yield found[1]
        at = found.end()


class _TestReader:
    """Reads ``tests := location = value | tests && location = value``."""

    def __init__(self, word: str) -> None:
        self._tokens = [*_tokens(word), ""]
        self._at = 0

    def tests(self) -> tuple[U32Test, ...]:
        tests = [self._test()]
        while self._accept("&&"):
            tests.append(self._test())
        if self._peek():
            raise ValueError(f"a comma, && or the end was expected, not {self._peek()!r}")
        if len(tests) > MOST:
            raise ValueError(f"{len(tests)} tests, at most {MOST} fit")
        return tuple(tests)

    def _test(self) -> U32Test:
        offset = self._number()
        steps = []
        while self._peek() in ("&", "<<", ">>", "@"):
            operator = self._next()
            number = self._number()
            if operator in ("<<", ">>") and number > HIGHEST_SHIFT:
                raise ValueError(f"a shift by {number} bits, more than {HIGHEST_SHIFT}")
            steps.append(U32Step(operator, number))
        if not self._accept("="):
            raise ValueError(f"an operator or = was expected, not {self._peek() or 'the end'!r}")
        values = [self._range()]
        while self._accept(","):
            values.append(self._range())
        if len(steps) >= MOST or len(values) > MOST:
            raise ValueError(f"more than {MOST} numbers in a location or ranges in a value")
        return U32Test(offset, tuple(steps), tuple(values))

    def _range(self) -> Range:
        low = self._number()
        return Range(low, self._number() if self._accept(":") else low)

    def _number(self) -> int:
        return parse_integer(self._next())

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ValueError("a number was expected, not the end")
        self._at += 1
        return token

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True


def _parse_tests(word: str, _: Family) -> tuple[U32Test, ...]:
    return _TestReader(word).tests()


def _format_test(test: U32Test) -> str:
    steps = "".join(f"{step.operator}{step.number:#x}" for step in test.steps)
    values = ",".join(
        f"{low:#x}" if low == high else f"{low:#x}:{high:#x}" for low, high in test.values
    )
    return f"{test.offset:#x}{steps}={values}"


def _format_tests(tests: tuple[U32Test, ...]) -> str:
    return "&&".join(map(_format_test, tests))


_TESTS = Operand("tests, such as 6&0xFF=1", _parse_tests, _format_tests)

EXTENSIONS = (match("u32", OptionSpec("u32", (_TESTS,), negatable=True, required=True)),)
