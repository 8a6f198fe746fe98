# SPDX-License-Identifier: GPL-2.0-only
"""``-m bpf``: a program of classic BPF that sees the packet from its IP header on.

The program's answer is the match: what it returns is not 0. A load beyond the packet ends it with
0, as does a division by 0. What it asks beyond the packet (ancillary data) is not followed.

Source: net/netfilter/xt_bpf.c, net/core/filter.c (bpf_convert_filter), Linux 6.18;
include/uapi/linux/bpf_common.h.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from ctlint.ir.rule import Match
from ctlint.ir.values import BpfInstruction
from ctlint.model.netfilter.matches.concrete import of_packet
from ctlint.model.netfilter.matches.predicate import Predicate, Rows, undecided
from ctlint.model.netfilter.transit import Facts
from ctlint.wire.encoding import Encoding, encode
from ctlint.wire.packet import Packet

_WHY: Final = "runs a program"
_ALL_BITS: Final = 0xFFFFFFFF
_FIRST_NEGATIVE: Final = 1 << 31
_SIZES: Final = {0x00: 4, 0x08: 2, 0x10: 1}
_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_IMM, _ABS, _IND, _MEM, _LEN, _MSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
_MODE, _SIZE, _OPERATION, _OF_X, _RETURNS_A, _TO_A = 0xE0, 0x18, 0xF0, 0x08, 0x10, 0x80
_ADD, _SUB, _MUL, _DIV, _OR, _AND, _LSH, _RSH, _NEG, _MOD, _XOR = range(0x00, 0xB0, 0x10)
_JA, _JEQ, _JGT, _JGE, _JSET = range(0x00, 0x50, 0x10)


def _bpf(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        if option.name == "bytecode":
            yield of_packet(option, partial(_accepts, option.value), _WHY)
        else:
            yield undecided("the program is not in the rule")


def _accepts(program: Sequence[BpfInstruction], packet: Packet) -> bool | None:
    encoding = encode(packet)
    if encoding is None:
        return None
    try:
        return _Machine(encoding).run(program) != 0
    except _UnknownError:
        return None


class _UnknownError(Exception):
    """The answer depends on what is not known."""


class _OverError(Exception):
    """The program ends here, with 0."""


class _Machine:
    """The two registers and the scratch memory; a value is None where it is not known."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._a: int | None = 0
        self._x: int | None = 0
        self._memory: dict[int, int | None] = {}

    def run(self, program: Sequence[BpfInstruction]) -> int:
        """What the program returns. Raises _UnknownError."""
        at = 0
        try:
            while at < len(program):
                instruction = program[at]
                kind = instruction.code & 7
                if kind == _RET:
                    is_a = instruction.code & _RETURNS_A
                    return _require(self._a if is_a else instruction.k)
                at += 1
                if kind == _JMP:
                    at += self._leap(instruction)
                else:
                    self._step(kind, instruction)
        except _OverError:
            return 0
        # The kernel loads no program that does not return.
        raise _UnknownError

    def _step(self, kind: int, instruction: BpfInstruction) -> None:
        code, k = instruction.code, instruction.k
        if kind == _LD:
            self._a = self._load(code, k)
        elif kind == _LDX:
            self._x = self._load(code, k)
        elif kind == _ST:
            self._memory[k] = self._a
        elif kind == _STX:
            self._memory[k] = self._x
        elif kind == _MISC:
            if code & _TO_A:
                self._a = self._x
            else:
                self._x = self._a
        else:
            self._a = _calculate(code & _OPERATION, self._a, self._x if code & _OF_X else k)

    def _load(self, code: int, k: int) -> int | None:
        mode = code & _MODE
        if mode == _IMM:
            return k
        if mode == _MEM:
            return self._memory.get(k)
        if mode == _LEN:
            return len(self._encoding.data)
        if mode == _MSH:
            header = self._read(k, 1)
            return None if header is None else (header & 0x0F) * 4
        start = k + _require(self._x) & _ALL_BITS if mode == _IND else k
        return self._read(start, _SIZES[code & _SIZE])

    def _read(self, start: int, size: int) -> int | None:
        if start >= _FIRST_NEGATIVE:
            raise _UnknownError
        data, unknown = self._encoding.data, self._encoding.unknown
        if start + size > len(data):
            raise _OverError
        if any(place in unknown for place in range(start, start + size)):
            return None
        return int.from_bytes(data[start : start + size], "big")

    def _leap(self, instruction: BpfInstruction) -> int:
        code, k = instruction.code, instruction.k
        operation = code & _OPERATION
        if operation == _JA:
            return k
        a = _require(self._a)
        other = _require(self._x) if code & _OF_X else k
        holds = {
            _JEQ: a == other,
            _JGT: a > other,
            _JGE: a >= other,
            _JSET: a & other != 0,
        }.get(operation)
        if holds is None:
            raise _UnknownError
        return instruction.jump_true if holds else instruction.jump_false


def _require(value: int | None) -> int:
    if value is None:
        raise _UnknownError
    return value


def _calculate(operation: int, a: int | None, other: int | None) -> int | None:
    if operation in (_DIV, _MOD) and other == 0:
        raise _OverError
    if a is None or (other is None and operation != _NEG):
        return None
    value = other or 0
    if operation in (_LSH, _RSH):
        if value > 31:
            raise _UnknownError
        return (a << value if operation == _LSH else a >> value) & _ALL_BITS
    if operation in (_DIV, _MOD):
        return a // value if operation == _DIV else a % value
    results = {
        _ADD: a + value,
        _SUB: a - value,
        _MUL: a * value,
        _OR: a | value,
        _AND: a & value,
        _NEG: -a,
        _XOR: a ^ value,
    }
    if operation not in results:
        raise _UnknownError
    return results[operation] & _ALL_BITS


ROWS: Final[Rows] = {"bpf": _bpf}
