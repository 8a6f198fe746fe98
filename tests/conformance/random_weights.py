# SPDX-License-Identifier: GPL-2.0-only
"""How often what happens in random conversations."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

Shares = Mapping[str, float]
"""How often each is chosen, in proportion to the sum."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How often what happens: `kinds` of conversations, `openings` and `moves` of TCP ones.

    `edits` is the share of packets whose numbers, flags or checksum are changed on purpose (fewer
    in openings), `waits` that of packets before which time passes.
    """

    kinds: Shares = field(
        default_factory=lambda: MappingProxyType(
            {"tcp": 90, "two_flows": 6, "udp": 1, "icmp": 2, "generic": 1}
        )
    )
    openings: Shares = field(
        default_factory=lambda: MappingProxyType(
            {
                "handshake": 60,
                "simultaneous": 8,
                "middle": 14,
                "syn": 6,
                "refused": 3,
                "challenged": 4,
                "nothing": 5,
            }
        )
    )
    moves: Shares = field(
        default_factory=lambda: MappingProxyType(
            {
                "data": 20,
                "ack": 14,
                "exchange": 8,
                "retransmission": 5,
                "repeat": 4,
                "keepalive": 3,
                "sack": 4,
                "window_update": 4,
                "zero_window": 3,
                "fin": 8,
                "close": 4,
                "simultaneous_close": 2,
                "rst": 8,
                "rst_train": 2,
                "inexact_rst": 3,
                "reuse": 5,
                "challenge": 3,
                "resync": 4,
                "late_synack": 3,
                "last_ack": 2,
                "own_rst": 2,
                "zero_rst": 1,
                "far_fins": 3,
                "beyond": 5,
                "any_flags": 5,
                "any_packet": 2,
                "expiry": 2,
                "hold": 3,
                "flush": 0.4,
                "sysctl": 3,
                "icmp_error": 2,
            }
        )
    )
    topologies: Shares = field(
        default_factory=lambda: MappingProxyType({"forward": 5, "orig": 2, "reply": 2, "lo": 2})
    )
    edits: float = 0.12
    waits: float = 0.10


USUAL: Final = Weights()


def choose(chance: random.Random, shares: Shares) -> str:
    """A name, as often as its share says."""
    return chance.choices(tuple(shares), tuple(shares.values()))[0]


def any_of(chance: random.Random, names: Mapping[str, object]) -> str:
    """A name; all are as likely."""
    return chance.choice(tuple(names))
