# SPDX-License-Identifier: GPL-2.0-only
"""``-m bpf``. Source: libxt_bpf of iptables 1.8.11, include/uapi/linux/netfilter/xt_bpf.h."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ctlint.ir.values import BpfInstruction
from ctlint.parse.extension import OptionSpec, match, one_of
from ctlint.parse.operands import UINT8, UINT16, UINT32, Operand, cut_text
from ctlint.wire.addresses import Family

MAX_INSTRUCTIONS = 64

_LENGTH = re.compile(r"\s*(\d{1,5})", re.ASCII)
_INSTRUCTION = re.compile(r"\s*(\d{1,5})\s+(\d{1,3})\s+(\d{1,3})\s+(\d{1,10})\s*", re.ASCII)


def _parse_program(text: str, _: Family) -> tuple[BpfInstruction, ...]:
    head, *parts = text.split(",")
    if parts and not parts[-1]:
        parts.pop()
    length = _LENGTH.fullmatch(head)
    if length is None or not 1 <= int(length[1]) <= MAX_INSTRUCTIONS:
        raise ValueError(f"a program starts with its length, 1 to {MAX_INSTRUCTIONS}")
    if len(parts) != int(length[1]):
        raise ValueError(f"{len(parts)} instructions, but {length[1]} are announced")
    return tuple(_parse_instruction(part) for part in parts)


def _parse_instruction(text: str) -> BpfInstruction:
    found = _INSTRUCTION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no instruction (CODE JT JF K)")
    instruction = BpfInstruction(*map(int, found.groups()))
    limits = (UINT16, UINT8, UINT8, UINT32)
    if any(value > limit for value, limit in zip(instruction, limits, strict=True)):
        raise ValueError(f"a number of the instruction {text[:40]!r} is too large")
    return instruction


def _format_program(program: Iterable[BpfInstruction]) -> str:
    lines = [" ".join(map(str, instruction)) for instruction in program]
    return ",".join([str(len(lines)), *lines])


EXTENSIONS = (
    match(
        "bpf",
        OptionSpec(
            "bytecode",
            (Operand("a BPF program (LENGTH,CODE JT JF K,...)", _parse_program, _format_program),),
            excludes=("object-pinned",),
        ),
        OptionSpec("object-pinned", (cut_text(511),), excludes=("bytecode",)),
        check=one_of("bytecode", "object-pinned"),
    ),
)
