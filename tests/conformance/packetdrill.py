# SPDX-License-Identifier: GPL-2.0-only
"""Reads packetdrill scripts as scenarios, and what they assert of conntrack.

The scripts are the kernel's own (tools/testing/selftests/net/netfilter/packetdrill). The stack
under test is the host: ``<`` is a packet that its peer sends, ``>`` one that it must send itself.
Both are known, so both become steps, and no stack is needed to play them.

What is sent when. A script looks for a packet of the stack after other events than the one that
makes it send (packetdrill only compares the order of packets). Three rules put packets where the
stack sends them, or conntrack would see them too late:

* Data leave with the ``write`` that hands them over.
* A client that answered a challenge ACK with a RST repeats its SYN a few milliseconds later.
* A listener answers a SYN at once, also where the script ends before it looks for the answer.

Sequence numbers (packetdrill, run_packet.c). A SYN carries its number as written, all other
packets are relative to it: 0 is the initial sequence number of the end that sends. That of the
stack is random, so whoever plays a script chooses one. That of the peer is what its first SYN or
SYN/ACK says: 0 until then, and a second one does not change it (so that in conntrack_synack_old the
ACK of 145758919 is written 145758919 - 145824453 = 4294901762 modulo 2^32).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.scenario.scenario import Flow, Host, Scenario, Send
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.moments import Micros
from ctlint.wire.packet import TcpOptions
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

PORT = 8080
"""The server's port (packetdrill's --bind_port, and what the scripts ask conntrack -L for)."""

_EVENT = re.compile(r"(?P<relative>\+?)(?P<time>[0-9]*\.?[0-9]+)\s+(?P<what>.+)")
_PACKET = re.compile(
    r"(?P<way>[<>])\s+(?P<flags>[SFRP.]+)\s+(?P<seq>[0-9]+):(?P<end>[0-9]+)\((?P<length>[0-9]+)\)"
    r"(?:\s+ack (?P<ack>[0-9]+))?(?:\s+win (?P<window>[0-9]+))?(?:\s+<(?P<options>[^>]*)>)?"
)
_COMMAND = re.compile(r"`(?P<command>.+)`")
_LISTING = re.compile(r"conntrack .* -L .*--dport 8080 2>/dev/null ?(?P<greps>\|.+)")
_GREP = re.compile(r"\| ?grep (?:-q )?(?P<word>(?:\\.|[^\s|])+)\s*")
_COUNTER = re.compile(
    r"\S+ -v -S (?P<chain>INPUT|OUTPUT) +\| grep INVALID \| grep -q -- \"-c (?P<count>[0-9]+) 0?\""
)
_RULE = re.compile(
    r"\S+ -A (?P<chain>INPUT|OUTPUT) (?:-p tcp )?-m conntrack --ctstate INVALID"
    r"(?: -p tcp --tcp-flags (?P<mask>[A-Z,]+) (?P<set>[A-Z,]+))?(?: -j DROP)?"
)
_CALL = re.compile(r"(?P<name>[a-z]+)\(.*\) = -?[0-9]+.*")

_SILENT = re.compile(r"`packetdrill/common\.sh`|`\S+ -D (?:INPUT|OUTPUT) .*`")
"""Events that are of no matter: the common set-up, and rules taken away at the end."""

_LETTERS = {"S": "S", "F": "F", "R": "R", "P": "P", ".": "A"}
_SYN_REPEATED: Micros = 10_000
"""TCP_TIMEOUT_MIN is two jiffies (Feature.FAST_SYN_RETRY)."""

_NEXT_ISN = 1_000_000
"""How far a listener's sequence numbers have moved on when it is asked again; any number does."""


class ScriptError(ValueError):
    """A line that this reader does not understand."""


class Listed(NamedTuple):
    """After `packet`, the line of `conntrack -L` has all these words in it."""

    packet: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """A rule in `chain` that matches INVALID packets has counted so many until after `packet`.

    With `mask`, only packets of which exactly the flags `must` are set among those of `mask`.
    """

    packet: int
    chain: str
    count: int
    mask: TcpFlags | None
    must: TcpFlags | None


class Answered(NamedTuple):
    """The stack answers `packet` at once, so it was not dropped on its way in."""

    packet: int


Assertion = Listed | Counted | Answered


@dataclass(frozen=True, slots=True)
class Script:
    """A script as one scenario, without rules, and what must hold; packets count from 0."""

    scenario: Scenario
    assertions: tuple[Assertion, ...]


class _Written(NamedTuple):
    """A packet as the script has it; `moment` is when it is sent, since the start."""

    is_peers: bool
    flags: TcpFlags
    seq: int
    ack: int | None
    window: int
    length: int
    options: TcpOptions | None
    moment: Micros


class _Asked(NamedTuple):
    """A command that asserts something."""

    command: str


class _Wrote(NamedTuple):
    """write() was given so many bytes."""

    length: int
    moment: Micros


_Event = _Written | _Asked | _Wrote


def read_script(text: str, name: str, *, isn: int) -> Script:
    """Reads a script; `isn` is the initial sequence number of the stack. Raises ScriptError."""
    rules: list[re.Match[str]] = []
    events = list(_events(text, rules))
    if not any(isinstance(event, _Written) for event in events):
        raise ScriptError("no packets")
    events = _in_order_of_sending(events)
    packets = [event for event in events if isinstance(event, _Written)]
    is_server = packets[0].is_peers
    steps = _sends(packets, is_server=is_server, isn=isn)
    role = Dir.REPLY if is_server else Dir.ORIGINAL
    host, peer = (parse_address(text, Family.IPV4) for text in ("10.1.0.1", "10.2.0.2"))
    flow = Flow(peer, 40000, host, PORT) if is_server else Flow(host, 40000, peer, PORT)
    scenario = Scenario(
        name=name,
        kernel=None,
        sysctls={},
        ruleset="",
        ruleset6="",
        topology=Host(Family.IPV4, role, "eth0", "10.1.0.1/16"),
        flow=flow,
        steps=tuple(steps),
    )
    return Script(scenario, tuple(_assertions(events, rules)))


def _events(text: str, rules: list[re.Match[str]]) -> Iterator[_Event]:
    clock: Micros = 0
    for line in text.splitlines():
        line = line.partition("//")[0].strip()
        if not line or _SILENT.fullmatch(line):
            continue
        event = _EVENT.fullmatch(line)
        if event is None:
            raise ScriptError(f"no event: {line!r}")
        moment = round(float(event["time"]) * 1_000_000)
        # A moment that has passed already is now.
        clock = clock + moment if event["relative"] else max(clock, moment)
        what = event["what"].strip()
        if (packet := _PACKET.fullmatch(what)) is not None:
            yield _written(packet, clock)
        elif (command := _COMMAND.fullmatch(what)) is not None:
            rule = _RULE.fullmatch(command["command"])
            if rule is not None:
                rules.append(rule)
            elif not _SILENT.fullmatch(what):
                yield _Asked(command["command"])
        elif (call := _CALL.fullmatch(what)) is not None:
            if call["name"] == "write":
                yield _Wrote(int(what.rpartition("=")[2]), clock)
        else:
            raise ScriptError(f"no packet, command or call: {what!r}")


def _written(packet: re.Match[str], moment: Micros) -> _Written:
    seq, length = int(packet["seq"]), int(packet["length"])
    if int(packet["end"]) != seq + length:
        raise ScriptError(f"the length does not fit: {packet[0]!r}")
    return _Written(
        is_peers=packet["way"] == "<",
        flags=TcpFlags.parse("".join(_LETTERS[letter] for letter in packet["flags"])),
        seq=seq,
        ack=None if packet["ack"] is None else int(packet["ack"]),
        # Any window of the stack's will do for a script that names none.
        window=int(packet["window"] or 65535),
        length=length,
        options=_options(packet["options"]),
        moment=moment,
    )


def _options(text: str | None) -> TcpOptions | None:
    if not text:
        return None
    options = TcpOptions()
    for word in (word.strip() for word in text.split(",")):
        kind, *values = word.split()
        match kind, values:
            case "nop", []:
                pass
            case "mss", [value]:
                options = options._replace(mss=int(value))
            case "wscale", [value]:
                options = options._replace(wscale=int(value))
            case "sackOK", []:
                options = options._replace(sack_permitted=True)
            case "TS", ["val", value, "ecr", echo]:
                options = options._replace(timestamps=(int(value), int(echo)))
            case _:
                raise ScriptError(f"unknown option: {word!r}")
    return options


def _in_order_of_sending(events: Sequence[_Event]) -> list[_Event]:
    """Moves each packet of the stack to where it is sent: see the rules above."""
    ordered: list[_Event] = []
    waiting = list(events)
    while waiting:
        event = waiting.pop(0)
        ordered.append(event)
        if isinstance(event, _Wrote):
            _bring_forward(waiting, event.moment, length=event.length)
        elif isinstance(event, _Written) and _is(event, TcpFlags.RST, is_peers=False):
            _bring_forward(waiting, event.moment + _SYN_REPEATED, flags=TcpFlags.SYN)
    last = next(event for event in reversed(ordered) if isinstance(event, _Written))
    last = next(event for event in reversed(ordered) if isinstance(event, _Written))
    if _is(last, TcpFlags.SYN, is_peers=True):
        synack = TcpFlags.SYN | TcpFlags.ACK
        first = next((e for e in ordered if _is(e, synack, is_peers=False)), None)
        if not isinstance(first, _Written):
            raise ScriptError("no packet of the stack answers the last SYN")
        answer = first._replace(seq=_NEXT_ISN, ack=last.seq + 1, moment=last.moment)
        ordered.insert(ordered.index(last) + 1, answer)
    return ordered


def _is(event: _Event, flags: TcpFlags, *, is_peers: bool) -> bool:
    return isinstance(event, _Written) and event.flags == flags and event.is_peers == is_peers


def _bring_forward(
    waiting: list[_Event], moment: Micros, *, length: int = 0, flags: TcpFlags | None = None
) -> None:
    """Puts the next packet of the stack of this length (and these flags) first."""
    for position, event in enumerate(waiting):
        if not isinstance(event, _Written) or event.is_peers or event.length != length:
            continue
        if flags is None or event.flags == flags:
            del waiting[position]
            waiting.insert(0, event._replace(moment=moment))
            return


def _sends(packets: Sequence[_Written], *, is_server: bool, isn: int) -> Iterator[Send]:
    peer_isn: int | None = None
    clock: Micros = 0
    for packet in packets:
        is_syn = bool(packet.flags & TcpFlags.SYN)
        if peer_isn is None and packet.is_peers and is_syn:
            peer_isn = packet.seq
        peers_zero = 0 if is_syn else peer_isn or 0
        zeroes = (peers_zero, isn) if packet.is_peers else (isn, peers_zero)
        yield Send(
            sender=Dir.ORIGINAL if packet.is_peers == is_server else Dir.REPLY,
            protocol=TCP,
            flags=packet.flags,
            seq=(packet.seq + zeroes[0]) % 2**32,
            ack=0 if packet.ack is None else (packet.ack + zeroes[1]) % 2**32,
            window=packet.window,
            length=packet.length,
            options=packet.options,
            wait=max(packet.moment - clock, 0),
        )
        clock = max(packet.moment, clock)


def _assertions(events: Sequence[_Event], rules: Sequence[re.Match[str]]) -> Iterator[Assertion]:
    number = -1
    before: _Event | None = None
    for event in events:
        if isinstance(event, _Written):
            number += 1
            if _is_answer(before, event):
                yield Answered(number - 1)
        elif isinstance(event, _Asked):
            yield _asserted(event.command, number, rules)
        before = event


def _is_answer(before: _Event | None, packet: _Written) -> bool:
    """Whether the stack sends a packet without data because one has just come in."""
    comes_from_stack = not packet.is_peers and packet.length == 0 and packet.flags != TcpFlags.SYN
    return comes_from_stack and isinstance(before, _Written) and before.is_peers


def _asserted(command: str, number: int, rules: Sequence[re.Match[str]]) -> Listed | Counted:
    listing = _LISTING.fullmatch(command)
    if listing is not None:
        words = [found["word"] for found in _GREP.finditer(listing["greps"])]
        return Listed(number, tuple(word.replace("\\ ", " ") for word in words))
    counter = _COUNTER.fullmatch(command)
    if counter is None:
        raise ScriptError(f"unknown command: {command!r}")
    rule = next(rule for rule in rules if rule["chain"] == counter["chain"])
    return Counted(
        number,
        counter["chain"],
        int(counter["count"]),
        None if rule["mask"] is None else TcpFlags.parse(rule["mask"]),
        None if rule["set"] is None else TcpFlags.parse(rule["set"]),
    )
