# SPDX-License-Identifier: GPL-2.0-only
"""The notation of claims: conversations and what conntrack must say to them, in few letters.

Packets. `oS`, `rSA`, `oPA:100`, `o-`: the orig or reply end sends flags (`-`: none) and so many
bytes. Both ends keep books: orig starts at 1000, reply at 5000; a packet has the end's next
number, and with ACK it acknowledges the other's. Behind it may stand what departs from that:
`seq+5` `seq-5` (from the books), `seq=5`, `seq@ack` (what the other end acknowledged last); `ack`
likewise, and `ack@old` (the other end's number before its last SYN); `win=0` (default 502, SYN
64240); `noopts` (default in SYN: mss, sackok, wscale 7), `wscale=14`; `sack=5+10` (a block so many
bytes behind what is acknowledged), `badsum`. A packet with a number of its own leaves the books
alone, except SYN, which opens a new one. `oudp:10` is a datagram, `oecho` and `recho` a query and
its answer, `ricmp` an ICMP error of the reply end that quotes what it last received. Any packet may
have `saddr=`, `sport=`, `daddr=`, `dport=` of its own, `ttl=`, `data=` (the payload's first bytes).

Before a packet: `+5s` (seconds pass), `expire`, `flush`, `set:tcp_loose=0`.

Answers. `ESTABLISHED > SYN_RECV 60 a`: ctstate, then the entry afterwards: state (`-` where the
protocol has none), seconds (`=`: not refreshed; `~`: not looked at), `a` [ASSURED], `u`
[UNREPLIED], `fresh` (this packet made it), `orig=r` (its orig end is the reply end); or `> none`.
`flags=WS/WSM` are conntrack's own flags of both directions, `!seq>` is what the kernel logs: on lo
it is logged twice for an INVALID packet, which conntrack judges twice if it comes so far. A packet
that no hook shows has the ctstate `-`. Behind `;` stands the way of the packet, in the words of
fate.py; where none does, it must be delivered and have one ctstate at all the hooks on its way.

A row is `settings | packets ; packets -> answer, answer`: each of the alternatives, behind the
claim's setup, gets these answers to its last packets, under each of the settings (names of the
claim's own, default: all of them). The lines of a script, `packets -> answer, answer`, are one
conversation.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.sysctls import NETFILTER
from ctlint.scenario.answer import EntryAnswer, OpAnswer, PacketAnswer, ScenarioAnswer
from ctlint.scenario.scenario import (
    Flow,
    Flush,
    Forward,
    Loopback,
    Scenario,
    Send,
    SetSysctls,
    Step,
    Topology,
)
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.sequence import MODULUS
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.claims.commands import ruleset_of
from tests.conformance.claims.fate import Fate, fate_faults, fate_of
from tests.conformance.random_scenarios import SERVER_PORT, topology_of

FOLDER: Final = Path(__file__).parent

REASONS: Final[Mapping[str, str]] = {
    "flags": r"invalid tcp flag combination",
    "new": r"invalid new",
    "rst": r"invalid rst",
    "seq>": r"SEQ is over upper bound \d+ \(over the window of the receiver\)",
    "seq<": r"SEQ is under lower bound \d+ \(already ACKed data retransmitted\)",
    "ack>": r"ACK is over upper bound \d+ \(ACKed data not seen yet\)",
    "ack<": r"ignored ACK under lower bound \d+ \(possible overly delayed\)",
    "more": r"\d+ bytes more than expected",
    "invalid": r"packet \(index {index}\) in dir {dir} invalid, state {state}",
    "ignored": r"packet \(index {index}\) in dir {dir} ignored, state {state}",
    "challenge": r"challenge-ack ignored",
    "badsum": r"bad checksum",
    "lower": r"packet \(index {index}, dir {dir}\) response for index \d lower timeout to \d+",
}
"""What the kernel logs with nf_conntrack_log_invalid, by the name claims give it."""

DIR_FLAGS: Final[Mapping[str, str]] = {
    "W": "WINDOW_SCALE",
    "S": "SACK_PERM",
    "C": "CLOSE_INIT",
    "B": "BE_LIBERAL",
    "D": "DATA_UNACKED",
    "M": "MAXACK_SET",
}

_ENDS: Final[Mapping[str, Dir]] = {"o": Dir.ORIGINAL, "r": Dir.REPLY}
_ISN: Final[Mapping[Dir, int]] = {Dir.ORIGINAL: 1000, Dir.REPLY: 5000}
_PACKET = re.compile(r"([or])(?:([SFRPAUEC]+|-)|(udp|echo|icmp))(?::(\d+))?")
_NUMBER = re.compile(r"(seq|ack)(?:([-+=])(\d+)|@(ack|old))")
_OWN = re.compile(r"(saddr|sport|daddr|dport|ttl|data)=(.+)")
_SACK = re.compile(r"sack=(\d+)\+(\d+)")
_SECONDS = re.compile(r"\+(\d+)s")
_SET = re.compile(r"(\w+)=(\d+)")


class Expected(NamedTuple):
    """What must become of one packet; None: not looked at.

    `seconds` are those of the timer, -1 where it must run on as it did.
    """

    ctstate: str | None
    has_entry: bool | None = None
    state: str | None = None
    seconds: int | None = None
    flags: frozenset[str] = frozenset()
    is_fresh: bool | None = None
    is_reversed: bool | None = None
    dirflags: tuple[frozenset[str], frozenset[str]] | None = None
    reasons: tuple[str, ...] | None = None
    fate: Fate | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario, and what must become of its packets by their index; `says`: what it shows."""

    says: str
    scenario: Scenario
    expected: Mapping[int, Expected]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence and the cases that hold it. `backend`: the only one that loads its rules so."""

    name: str
    says: str
    cases: tuple[Case, ...] = field(repr=False)
    backend: str | None = None


@dataclass(slots=True)
class _Books:
    next: int
    old: int
    acked: int = 0


class _Writer:
    """Turns words into steps."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.steps: list[Step] = []
        self.books = {end: _Books(isn, isn) for end, isn in _ISN.items()}
        self._seconds = 0
        self._expires = False

    def write(self, text: str) -> None:
        """Adds packets; what stands before a packet may have been written before it."""
        words = text.split()
        while words:
            word = words.pop(0)
            if found := _SECONDS.fullmatch(word):
                self._seconds += int(found[1])
            elif word == "expire":
                self._expires = True
            elif word == "flush":
                self.steps.append(Flush())
            elif word.startswith("set:"):
                self.steps.append(SetSysctls(_sysctls(word.removeprefix("set:"))))
            elif found := _PACKET.fullmatch(word):
                own: list[str] = []
                while words and not _starts_a_step(words[0]):
                    own.append(words.pop(0))
                packet = self._packet(found, own)
                wait = self._seconds * SECOND
                self.steps.append(replace(packet, wait=wait, expire=self._expires))
                self._seconds, self._expires = 0, False
            else:
                raise ValueError(f"what is {word!r}?")

    def _packet(self, found: re.Match[str], words: Sequence[str]) -> Send:
        own = {one[1]: one[2] for word in words if (one := _OWN.fullmatch(word))}
        return self._dressed(self._bare(found, [w for w in words if not _OWN.fullmatch(w)]), own)

    def _dressed(self, packet: Send, own: Mapping[str, str]) -> Send:
        """A packet with what it has of its own."""
        values: dict[str, Any] = {}
        for name, text in own.items():
            if name in {"saddr", "daddr"}:
                values[name] = parse_address(text, self.family)
            elif name == "data":
                values |= {"data": text.encode(), "length": max(packet.length, len(text))}
            else:
                values[name] = int(text)
        return replace(packet, **values)

    def _bare(self, found: re.Match[str], words: Sequence[str]) -> Send:
        sender = _ENDS[found[1]]
        length = int(found[4] or 0)
        if found[3] is None:
            bits = TcpFlags.parse(found[2].replace("-", ""))
            return self._segment(sender, bits, length, words)
        if words:
            raise ValueError(f"what is {words[0]!r}?")
        if found[3] == "udp":
            return Send(sender, UDP, length=length)
        v6 = self.family is Family.IPV6
        protocol = ICMPV6 if v6 else ICMP
        if found[3] == "icmp":
            return Send(sender, protocol, icmp_type=1 if v6 else 3, quote=sender.other)
        query, answer = (128, 129) if v6 else (8, 0)
        kind = query if sender is Dir.ORIGINAL else answer
        return Send(sender, protocol, icmp_type=kind, icmp_id=7, icmp_seq=1)

    def _segment(self, sender: Dir, bits: TcpFlags, length: int, words: Sequence[str]) -> Send:
        own, peer = self.books[sender], self.books[sender.other]
        is_syn = bool(bits & TcpFlags.SYN)
        options = TcpOptions(mss=1460, wscale=7, sack_permitted=True) if is_syn else None
        numbers = {"seq": own.next, "ack": peer.next if bits & TcpFlags.ACK else 0}
        window, is_bad, has_own_seq = 64240 if is_syn else 502, False, False
        for word in words:
            if found := _NUMBER.fullmatch(word):
                which, sign, digits, from_where = found.groups()
                if from_where:
                    value = peer.acked if from_where == "ack" else peer.old
                elif sign == "=":
                    value = int(digits)
                else:
                    value = numbers[which] + int(sign + digits)
                numbers[which] = value % MODULUS
                has_own_seq |= which == "seq"
            elif word.startswith("win="):
                window = int(word.removeprefix("win="))
            elif word.startswith("wscale="):
                options = TcpOptions(1460, int(word.removeprefix("wscale=")), True)
            elif word == "noopts":
                options = None
            elif found := _SACK.fullmatch(word):
                left = numbers["ack"] + int(found[1])
                right = left + int(found[2])
                options = TcpOptions(sack=((left % MODULUS, right % MODULUS),))
            elif word == "badsum":
                is_bad = True
            else:
                raise ValueError(f"what is {word!r}?")
        if is_syn and not bits & TcpFlags.RST:
            own.old = own.next
            own.next = (numbers["seq"] + 1 + length) % MODULUS
        elif not has_own_seq and not bits & TcpFlags.RST:
            own.next = (own.next + length + bool(bits & TcpFlags.FIN)) % MODULUS
        if bits & TcpFlags.ACK:
            own.acked = numbers["ack"]
        return Send(
            sender,
            TCP,
            flags=bits,
            seq=numbers["seq"],
            ack=numbers["ack"],
            window=window,
            length=length,
            options=options,
            has_bad_checksum=is_bad,
        )


def _starts_a_step(word: str) -> bool:
    return bool(
        _PACKET.fullmatch(word)
        or _SECONDS.fullmatch(word)
        or word in {"expire", "flush"}
        or word.startswith("set:")
    )


def _sysctls(text: str) -> dict[str, int]:
    """`tcp_loose=0,tcp_be_liberal=1` by full names; a name without `tcp_` gets it."""
    sysctls = {}
    for part in text.replace(",", " ").split():
        found = _SET.fullmatch(part)
        if found is None:
            raise ValueError(f"what is {part!r}?")
        name = found[1]
        if not name.startswith(("tcp_", "udp_", "icmp", "checksum")):
            name = "tcp_" + name
        sysctls[NETFILTER + name] = int(found[2])
    return sysctls


def _expected(text: str, *, knows_reasons: bool) -> Expected:
    text = text.strip()
    judged, _, way = text.partition(";")
    body, *reasons = re.split(r"\s*!", judged.strip())
    for reason in reasons:
        if reason not in REASONS:
            raise ValueError(f"what is !{reason}?")
    ctstate, arrow, after = body.partition(" > ")
    expected = Expected(
        None if ctstate.strip() == "-" else ctstate.strip(),
        reasons=tuple(reasons) if reasons or knows_reasons else None,
        fate=fate_of(way) if way else None,
        text=text,
    )
    if not arrow:
        return expected
    words = after.split()
    if words == ["none"]:
        return expected._replace(has_entry=False)
    state, seconds, *rest = words
    flags = {"a": "ASSURED", "u": "UNREPLIED"}
    expected = expected._replace(
        has_entry=True,
        state=None if state == "-" else state,
        seconds={"=": -1, "~": None}.get(seconds) if seconds in "=~" else int(seconds),
        flags=frozenset(flags.pop(word) for word in tuple(rest) if word in flags),
    )
    for word in rest:
        if word == "fresh":
            expected = expected._replace(is_fresh=True)
        elif word in {"orig=o", "orig=r"}:
            expected = expected._replace(is_reversed=word == "orig=r")
        elif word.startswith("flags="):
            one, other = word.removeprefix("flags=").replace("-", "").split("/")
            expected = expected._replace(
                dirflags=(
                    frozenset(DIR_FLAGS[letter] for letter in one),
                    frozenset(DIR_FLAGS[letter] for letter in other),
                )
            )
        elif word not in {"a", "u"}:
            raise ValueError(f"what is {word!r}?")
    return expected


Part = tuple[str, list[Expected]]
"""Packets, and the answers to the last of them."""


def _case(
    claim: Mapping[str, Any],
    parts: Sequence[Part],
    sysctls: Mapping[str, int],
    kind: str,
    family: Family,
) -> Case:
    family = Family(claim.get("family", family))
    writer = _Writer(family)
    writer.write(claim.get("setup", ""))
    expected: dict[int, Expected] = {}
    for packets, answers in parts:
        already = len(writer.steps)
        writer.write(packets)
        sent = [i for i, s in enumerate(writer.steps) if isinstance(s, Send) and i >= already]
        if len(answers) > len(sent):
            raise ValueError(f"more answers than packets: {packets}")
        expected.update(zip(sent[len(sent) - len(answers) :], answers, strict=True))
    topology, flow = topology_of(claim.get("topology", kind), family)
    if "flow" in claim:
        flow = _flow(claim["flow"], family)
    name = " ".join([claim.get("setup", ""), *(packets for packets, _ in parts)]).strip()
    rules = ruleset_of(claim.get("rules", ""))
    texts = (rules, "") if family is Family.IPV4 else ("", rules)
    scenario = Scenario(name, None, sysctls, *texts, topology, flow, tuple(writer.steps))
    return Case(claim["says"], scenario, expected)


def _flow(text: str, family: Family) -> Flow:
    """`SOURCE:PORT>TARGET:PORT`."""
    ends = [end.rpartition(":") for end in text.split(">")]
    (source, _, sport), (target, _, dport) = ends
    return Flow(
        parse_address(source, family), int(sport), parse_address(target, family), int(dport)
    )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Packets and answers of each line."""
    for line in text.strip().splitlines():
        words = " ".join(line.split())
        if words:
            packets, _, answers = words.partition(" -> ")
            yield packets, answers


def _answers(text: str, claim: Mapping[str, Any]) -> list[Expected]:
    knows_reasons = claim.get("why", False)
    return [_expected(part, knows_reasons=knows_reasons) for part in text.split(",") if part]


def _conversations(claim: Mapping[str, Any]) -> Iterator[tuple[str, list[Part]]]:
    """Each conversation of a claim, and the names of the settings it holds under."""
    if "script" in claim:
        yield "", [(packets, _answers(text, claim)) for packets, text in _lines(claim["script"])]
    for line, text in _lines(claim.get("rows", "")):
        settings, _, alternatives = line.rpartition("|")
        if not text:
            raise ValueError(f"no answer: {line}")
        for packets in alternatives.split(";"):
            yield settings, [(packets.strip(), _answers(text, claim))]


def claim_of(
    name: str, source: Mapping[str, Any], *, kind: str = "forward", family: Family = Family.IPV4
) -> Claim:
    """Reads a claim. `kind` and `family` say where its packets go (random_scenarios.topology_of).

    Keys: `says`, `rows` or `script`; `setup`, `sysctls`, `settings` (name to sysctls), `why`
    (true: a row that names no reason says that nothing is logged), `topology`, `family` (4 or 6),
    `flow` (`SOURCE:PORT>TARGET:PORT`), `rules` (commands.py), `backend` (`legacy` or `nft`, where
    the other's answers are not those).
    """
    always = _sysctls(source.get("sysctls", ""))
    settings: Mapping[str, str] = source.get("settings", {"": ""})
    cases = tuple(
        _case(source, parts, {**always, **_sysctls(settings[setting])}, kind, family)
        for chosen, parts in _conversations(source)
        for setting in chosen.split() or settings
    )
    if not cases:
        raise ValueError("claims nothing")
    return Claim(name, source["says"], cases, source.get("backend"))


def read_claims(path: Path, *, kind: str = "forward", family: Family = Family.IPV4) -> list[Claim]:
    """The claims of one file. Its `sysctls` and `settings` are those of all its claims."""
    with path.open("rb") as file:
        source = tomllib.load(file)
    claims = []
    for number, claim in enumerate(source["claim"], 1):
        merged: dict[str, Any] = {**source, **claim}
        merged["sysctls"] = f"{source.get('sysctls', '')},{claim.get('sysctls', '')}"
        try:
            claims.append(claim_of(f"{path.stem} {number}", merged, kind=kind, family=family))
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path.name}, claim {number}: {error}") from error
    return claims


_CLASSES: Final = ((TcpFlags.RST, 4), (TcpFlags.SYN, 0), (TcpFlags.FIN, 2), (TcpFlags.ACK, 3))


def _segment_index(bits: TcpFlags) -> int:
    """The kernel's number for a segment (`get_conntrack_index`)."""
    for flag, index in _CLASSES:
        if bits & flag:
            return index + (flag is TcpFlags.SYN and bool(bits & TcpFlags.ACK))
    return 5


def check(case: Case, answer: ScenarioAnswer) -> Iterator[str]:
    """What an answer has that the case does not allow, in words."""
    before: EntryAnswer | None = None
    for number, (step, got) in enumerate(zip(case.scenario.steps, answer.packets, strict=True)):
        if isinstance(got, OpAnswer) or not isinstance(step, Send):
            continue
        expected = case.expected.get(number)
        if expected is not None:
            for fault in _faults(expected, step, got, before, case.scenario.topology):
                yield f"packet {number} ({expected.text}): {fault}"
        before = got.entry


def _hooks(topology: Topology, step: Send) -> tuple[str, ...]:
    if isinstance(topology, Forward):
        return ("PREROUTING", "FORWARD")
    if isinstance(topology, Loopback):
        return ("OUTPUT", "PREROUTING", "INPUT")
    return ("OUTPUT",) if topology.role is step.sender else ("PREROUTING", "INPUT")


def _faults(
    expected: Expected,
    step: Send,
    got: PacketAnswer,
    before: EntryAnswer | None,
    topology: Topology,
) -> Iterator[str]:
    if got.ctstate != expected.ctstate:
        yield f"ctstate {got.ctstate}"
    usual = _hooks(topology, step)
    if expected.fate is not None:
        if isinstance(topology, Forward) and expected.fate.out is None:
            usual = ("PREROUTING", "INPUT")
        yield from fate_faults(expected.fate, expected.ctstate, usual, got)
    else:
        if dict(got.hooks) != dict.fromkeys(usual, expected.ctstate):
            yield f"hooks {dict(got.hooks)}"
        if not got.delivered:
            yield "not delivered"
    entry = got.entry
    if expected.has_entry is not None and (entry is not None) != expected.has_entry:
        yield f"entry {entry}"
    elif entry is not None and expected.has_entry:
        yield from _entry_faults(expected, step, entry, before)
    if expected.reasons is not None and step.protocol == TCP:
        is_judged_twice = (
            isinstance(topology, Loopback)
            and got.ctstate == "INVALID"
            and "PREROUTING" in got.hooks
        )
        yield from _reason_faults(expected, step, got, before, 2 if is_judged_twice else 1)


def _entry_faults(
    expected: Expected, step: Send, entry: EntryAnswer, before: EntryAnswer | None
) -> Iterator[str]:
    if entry.state != expected.state:
        yield f"state {entry.state}"
    seconds = expected.seconds
    if seconds == -1:
        seconds = None if before is None else before.timeout - step.wait // SECOND
        if seconds is None:
            yield "no entry before"
    if seconds is not None and entry.timeout != seconds:
        yield f"timeout {entry.timeout}, not {seconds}"
    if set(entry.flags) != expected.flags:
        yield f"flags {entry.flags}"
    if expected.is_fresh is not None and entry.is_fresh not in {expected.is_fresh, None}:
        yield f"fresh {entry.is_fresh}"
    if expected.is_reversed is not None:
        is_reversed = entry.orig[1] == SERVER_PORT
        if is_reversed != expected.is_reversed:
            yield f"orig {entry.orig}"
    if expected.dirflags is not None and entry.internals is not None:
        kept = tuple(frozenset(flags) for flags in entry.internals.dirflags)
        if kept != expected.dirflags:
            yield f"flags of the directions {entry.internals.dirflags}"


def _reason_faults(
    expected: Expected, step: Send, got: PacketAnswer, before: EntryAnswer | None, times: int
) -> Iterator[str]:
    says = [line.partition(": ")[2] for line in got.why]
    words = {
        "index": _segment_index(step.flags),
        "dir": "[01]" if got.pktdir is None else int(got.pktdir),
        "state": expected.state if before is None else before.state,
    }
    patterns = [REASONS[reason].format(**words) for reason in expected.reasons or ()] * times
    if len(says) != len(patterns) or not all(
        re.fullmatch(pattern, line) for pattern, line in zip(patterns, says, strict=True)
    ):
        yield f"logged {list(got.why)}"
