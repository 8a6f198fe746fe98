# SPDX-License-Identifier: GPL-2.0-only
"""Recorded answers of kernels to TCP packets, with what was in the table before each of them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from ctlint.model.kernel.sysctls import canonical_name
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.answers import PROFILES, RecordedAnswer, read_answers, recordings

KERNELS = {
    recording.release: PROFILES[recording.release]
    for recording in recordings()
    if recording.name == "cases"
}
"""Kernels that answered, and the profile of each."""

_OF_ONE_CONNECTION = ("cases", "cases2", "seed100")

ADDRESS_KEYS = ("saddr", "daddr", "sport", "dport", "proto")


class Before(Enum):
    """What is known of the table before a packet, where it is not an entry."""

    NONE = "no entry"
    UNKNOWN = "not known"


class Step(NamedTuple):
    """One TCP packet, the kernel's answer, and the entry that stood before it."""

    name: str
    flags: TcpFlags
    direction: str
    badsum: bool
    sysctls: dict[str, int]
    before: dict[str, Any] | Before
    ctstate: str | None
    delivered: bool
    entry: dict[str, Any] | None
    pktdir: str | None
    why: tuple[str, ...]
    host: bool


def read_steps(folder: str) -> Iterator[Step]:
    """Every TCP packet of a kernel's recorded scenarios that keep to one connection."""
    for recording in recordings():
        if recording.release == folder and recording.name in _OF_ONE_CONNECTION:
            for answer in read_answers(recording):
                yield from _steps(answer)


def _steps(record: RecordedAnswer) -> Iterator[Step]:
    scenario = record.source
    packets = scenario["packets"]
    if any(key in packet for packet in packets for key in ADDRESS_KEYS):
        return
    sysctls = {canonical_name(name): value for name, value in scenario["sysctls"].items()}
    before: dict[str, Any] | Before = Before.NONE
    for packet, answer in zip(packets, record.packets, strict=True):
        if "op" in packet:
            assert packet["op"] == "sysctl"
            changed = {canonical_name(name): value for name, value in packet["sysctls"].items()}
            sysctls = sysctls | changed
            continue
        if packet.get("expire"):
            before = Before.NONE
        elif isinstance(before, dict) and (passed := packet.get("dt", 0)):
            left = before["timeout"] - passed
            if abs(left) <= 1:
                before = Before.UNKNOWN
            elif left < 0:
                before = Before.NONE
            else:
                before = before | {"timeout": left}
        yield Step(
            name=scenario["name"],
            flags=TcpFlags.parse(packet["flags"]),
            direction=packet["dir"],
            badsum=packet.get("badsum", False),
            sysctls=sysctls,
            before=before,
            ctstate=answer["ctstate"],
            delivered=answer["delivered"],
            entry=answer["entry"],
            pktdir=answer.get("pktdir"),
            why=tuple(answer.get("why", ())),
            host=scenario["topology"] != "forward",
        )
        before = Before.NONE if answer["entry"] is None else answer["entry"]
