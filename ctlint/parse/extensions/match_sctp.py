# SPDX-License-Identifier: GPL-2.0-only
"""``-m sctp``. Source: libxt_sctp of iptables 1.8.11; chunk flags: RFC 9260, RFC 8260."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import PORT_RANGE, Operand, choice
from ctlint.wire.addresses import Family

SCTP: Final = 132

CHUNK_TYPES: Final = {
    "DATA": 0,
    "INIT": 1,
    "INIT_ACK": 2,
    "SACK": 3,
    "HEARTBEAT": 4,
    "HEARTBEAT_ACK": 5,
    "ABORT": 6,
    "SHUTDOWN": 7,
    "SHUTDOWN_ACK": 8,
    "ERROR": 9,
    "COOKIE_ECHO": 10,
    "COOKIE_ACK": 11,
    "ECN_ECNE": 12,
    "ECN_CWR": 13,
    "SHUTDOWN_COMPLETE": 14,
    "I_DATA": 64,
    "RE_CONFIG": 130,
    "PAD": 132,
    "ASCONF": 193,
    "ASCONF_ACK": 128,
    "FORWARD_TSN": 192,
    "I_FORWARD_TSN": 194,
}
_NAMES: Final = {number: name for name, number in CHUNK_TYPES.items()}

# Letters of the flag bits. ``-`` names bit 7 where that has no letter, and can only be clear.
_DATA_FLAGS: Final = {"E": 0, "B": 1, "U": 2, "I": 3, "-": 7}
_FLAGS: Final = {0: _DATA_FLAGS, 64: _DATA_FLAGS, 6: {"T": 0, "-": 7}, 14: {"T": 0, "-": 7}}
_NO_FLAGS: Final = {"-": 7}
_MOST_WITH_FLAGS: Final = 4

# iptables stores flags under the place of the name in its list. From the sixteenth name on that
# is not the chunk type, so the kernel never looks at them, and iptables-save forgets them.
_HIGHEST_WITH_FLAGS: Final = 14


class SctpChunk(NamedTuple):
    """A chunk type. Of its flag bits those in ``mask`` must be as in ``flags``."""

    type: int
    flags: int = 0
    mask: int = 0


ALL_CHUNKS: Final = tuple(SctpChunk(number) for number in range(256))


def _parse_chunk(word: str) -> SctpChunk:
    name, _, letters = word.partition(":")
    if name.upper() not in CHUNK_TYPES:
        raise ValueError(f"{name!r} is no SCTP chunk type ({', '.join(CHUNK_TYPES)}, ALL, NONE)")
    number = CHUNK_TYPES[name.upper()]
    bits = _FLAGS.get(number, _NO_FLAGS)
    flags = mask = 0
    for letter in letters:
        if letter.upper() not in bits:
            raise ValueError(f"{letter!r} is no flag of {name.upper()} ({', '.join(bits)})")
        bit = 1 << bits[letter.upper()]
        mask |= bit
        if letter.isupper():
            flags |= bit
    return SctpChunk(number, flags, mask)


def _parse_chunks(word: str, _: Family) -> tuple[SctpChunk, ...]:
    if word.upper() in ("ALL", "NONE"):
        return ALL_CHUNKS if word.upper() == "ALL" else ()
    if word.startswith(("-", "!")):
        raise ValueError(f"{word!r} is no list of chunk types")
    chunks: dict[int, SctpChunk] = {}
    for part in filter(None, word.split(",")):
        chunk = _parse_chunk(part)
        old = chunks.get(chunk.type, SctpChunk(chunk.type))
        chunks[chunk.type] = SctpChunk(chunk.type, old.flags | chunk.flags, old.mask | chunk.mask)
    if sum(chunk.mask != 0 for chunk in chunks.values()) > _MOST_WITH_FLAGS:
        raise ValueError(f"more than {_MOST_WITH_FLAGS} chunk types with flags")
    return tuple(
        chunk if chunk.type <= _HIGHEST_WITH_FLAGS else SctpChunk(chunk.type)
        for _, chunk in sorted(chunks.items())
    )


def _format_chunk(chunk: SctpChunk) -> str:
    letters = sorted(_FLAGS.get(chunk.type, _NO_FLAGS).items(), key=lambda flag: -flag[1])
    shown = "".join(
        letter if chunk.flags >> bit & 1 else letter.lower()
        for letter, bit in letters
        if chunk.mask >> bit & 1
    )
    return f"{_NAMES[chunk.type]}:{shown}" if shown else _NAMES[chunk.type]


def _format_chunks(chunks: tuple[SctpChunk, ...]) -> str:
    if len(chunks) == len(ALL_CHUNKS):
        return "ALL"
    return ",".join(map(_format_chunk, chunks)) or "NONE"


_CHUNKS = Operand("a list of chunk types, each with flags (DATA:Be)", _parse_chunks, _format_chunks)

EXTENSIONS = (
    match(
        "sctp",
        OptionSpec("source-port", (PORT_RANGE,), negatable=True, canonical="sport"),
        OptionSpec("sport", (PORT_RANGE,), negatable=True),
        OptionSpec("destination-port", (PORT_RANGE,), negatable=True, canonical="dport"),
        OptionSpec("dport", (PORT_RANGE,), negatable=True),
        OptionSpec(
            "chunk-types",
            (choice(("any", "all", "only"), ignore_case=True), _CHUNKS),
            negatable=True,
        ),
        protocols=(SCTP,),
    ),
)
