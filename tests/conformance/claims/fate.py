# SPDX-License-Identifier: GPL-2.0-only
"""What claims say of the way of a packet through rules, and whether an answer is that.

Words of a fate, in any order:

`in`          it is delivered on the box
`out=A`       it leaves the box, with the addresses A; `A` is `SOURCE:PORT>TARGET:PORT`, a port
              being `*` (any) or `!N` (any but N)
`dropped`     it is not delivered, and does not leave
`made=F/A`    the box answers with a segment with flags F, or with `icmp`, of addresses A; no other
`seq=N`       the number of that segment; `ack=N` likewise
`at=H+H:S`    it is seen at these hooks, as what it is or, at H, as S; else at all those on its way
              if it comes through, and at any if it does not
`rules=R+R`   these rules match, in order, and no others; `rules=-`: none does
`via=R+R`     these are among them; `not=R+R`: these are not
`by=R`        this one is the last of its table
`reply=A`     the addresses that its entry expects of the other end
`mark=N`      its entry's mark

A rule is `TABLE/CHAIN#N`, `TABLE/CHAIN.policy` or `TABLE/CHAIN.return`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ctlint.scenario.answer import OutPacket, PacketAnswer


class Fate(NamedTuple):
    """What must become of a packet; None: not looked at."""

    is_delivered: bool
    out: str | None = None
    made: tuple[str, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    at: tuple[tuple[str, str | None], ...] | None = None
    rules: tuple[str, ...] | None = None
    via: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    by: str | None = None
    reply: str | None = None
    mark: int | None = None


def fate_of(text: str) -> Fate:
    """Reads a fate. Raises ValueError."""
    fate: Fate | None = None
    rest: list[tuple[str, str]] = []
    for word in text.split():
        key, has_value, value = word.partition("=")
        if word in {"in", "dropped"}:
            fate = Fate(word == "in")
        elif key == "out" and value:
            fate = Fate(is_delivered=True, out=value)
        elif has_value:
            rest.append((key, value))
        else:
            raise ValueError(f"what is {word!r}?")
    if fate is None:
        raise ValueError(f"where does it go: {text!r}?")
    for key, value in rest:
        several = tuple(_named(one) for one in value.split("+")) if value != "-" else ()
        if key == "made":
            fate = fate._replace(made=(*fate.made, value))
        elif key in {"seq", "ack"}:
            fate = fate._replace(numbers=(*fate.numbers, (key, int(value))))
        elif key == "at":
            fate = fate._replace(at=tuple(_hook(one) for one in several))
        elif key == "rules":
            fate = fate._replace(rules=several)
        elif key == "via":
            fate = fate._replace(via=several)
        elif key == "not":
            fate = fate._replace(without=several)
        elif key == "by":
            fate = fate._replace(by=_named(value))
        elif key == "reply":
            fate = fate._replace(reply=value)
        elif key == "mark":
            fate = fate._replace(mark=int(value))
        else:
            raise ValueError(f"what is {key!r}?")
    return fate


def _named(rule: str) -> str:
    return rule.replace(".policy", " policy").replace(".return", " return")


def _hook(word: str) -> tuple[str, str | None]:
    hook, _, ctstate = word.partition(":")
    return hook, ctstate or None


def _is_port(pattern: str, port: int) -> bool:
    if pattern == "*":
        return True
    return port != int(pattern[1:]) if pattern.startswith("!") else port == int(pattern)


def _are_ends(pattern: str, ends: Sequence[str | int]) -> bool:
    """Whether source, its port, target and its port are those of a pattern."""
    source, _, target = pattern.partition(">")
    for text, address, port in ((source, ends[0], ends[1]), (target, ends[2], ends[3])):
        host, _, wanted = text.rpartition(":")
        if host != address or not _is_port(wanted, int(port)):
            return False
    return True


def _ends(packet: OutPacket) -> tuple[str, int, str, int]:
    return packet.src, packet.sport, packet.dst, packet.dport


def fate_faults(
    fate: Fate, ctstate: str | None, usual: Sequence[str], got: PacketAnswer
) -> Iterator[str]:
    """What an answer has that is not so; `usual` are the hooks on the way of who comes through."""
    if got.delivered is not fate.is_delivered:
        yield f"delivered {got.delivered}"
    same = [packet for packet in got.out if packet.is_same]
    if fate.out is None:
        if same:
            yield f"leaves as {_ends(same[0])}"
    elif len(same) != 1 or not _are_ends(fate.out, _ends(same[0])):
        yield f"leaves as {list(map(_ends, same))}"
    yield from _faults_of_made(fate, [packet for packet in got.out if not packet.is_same])
    hooks = dict(got.hooks)
    if fate.at is not None:
        if hooks != {hook: own or ctstate for hook, own in fate.at}:
            yield f"hooks {hooks}"
    elif fate.is_delivered:
        if hooks != dict.fromkeys(usual, ctstate):
            yield f"hooks {hooks}"
    elif set(hooks.values()) - {ctstate}:
        yield f"hooks {hooks}"
    yield from _rule_faults(fate, got.rules or ())
    if fate.reply is not None and (got.entry is None or not _are_ends(fate.reply, got.entry.reply)):
        yield f"entry {got.entry}"
    if fate.mark is not None and (got.entry is None or got.entry.mark != fate.mark):
        yield f"entry {got.entry}"


def _faults_of_made(fate: Fate, made: Sequence[OutPacket]) -> Iterator[str]:
    shown = [(packet.flags, *_ends(packet), packet.seq, packet.ack) for packet in made]
    if len(made) != len(fate.made):
        yield f"the box answers {shown}"
        return
    for wanted, packet in zip(fate.made, made, strict=True):
        kind, _, ends = wanted.partition("/")
        if (packet.flags or "icmp") != kind or not _are_ends(ends, _ends(packet)):
            yield f"the box answers {shown}"
        for name, number in fate.numbers:
            if getattr(packet, name) != number:
                yield f"the box answers {shown}"


def _rule_faults(fate: Fate, rules: Sequence[str]) -> Iterator[str]:
    is_wrong = fate.rules is not None and fate.rules != tuple(rules)
    is_wrong |= not set(fate.via) <= set(rules)
    is_wrong |= bool(set(fate.without) & set(rules))
    if fate.by is not None:
        table = fate.by.partition("/")[0]
        is_wrong |= [rule for rule in rules if rule.startswith(table + "/")][-1:] != [fate.by]
    if is_wrong:
        yield f"rules {list(rules)}"
