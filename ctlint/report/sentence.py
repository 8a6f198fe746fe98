# SPDX-License-Identifier: GPL-2.0-only
"""What a finding says, in words. The results hold untrusted text as it stands in the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ctlint.finding import (
    AllowedBy,
    Compared,
    Finding,
    LintResult,
    Location,
    PacketKind,
    Role,
    Severity,
    SkipReason,
    Stranded,
    Suppressed,
)
from ctlint.wire.tcp_flags import TcpFlags

_SIDE = {"orig": "the client", "reply": "the server"}
_END = {
    "local": "local socket",
    "remote": "remote socket",
    "orig": "client's socket",
    "reply": "server's socket",
}
_OTHER_END = {
    "local": "the peer",
    "remote": "the local socket",
    "orig": "the server's socket",
    "reply": "the client's socket",
}
_LOCAL_DIR = {Role.CLIENT: "orig", Role.SERVER: "reply"}
_OTHER_DIR = {"orig": "reply", "reply": "orig"}
_FLAG_ORDER = ("SYN", "FIN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
HOSTS_SHOWN = 3
"""How many hosts of one cause are named; the rest is counted."""

_SMALL = 300
"""Up to so many seconds a duration is said in seconds alone."""


def say_flags(letters: str) -> str:
    """Flags of a packet by name: "FIN,ACK" for "FA"; letters that are no TCP flags unchanged."""
    try:
        flags = TcpFlags.parse(letters)
    except ValueError:
        return letters
    return ",".join(name for name in _FLAG_ORDER if flags & TcpFlags[name]) or "no flags"


def say_packet(packet: PacketKind) -> str:
    """A kind of packet: "FIN,ACK from the client, no entry: INVALID"."""
    return say_packets((packet,))[0]


def say_packets(packets: Sequence[PacketKind]) -> list[str]:
    """Kinds of packets, those that differ only in flags in one: "RST or RST,ACK from …"."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for packet in packets:
        key = (packet.dir, packet.entry, packet.ctstate)
        groups.setdefault(key, []).append(say_flags(packet.flags))
    return [
        f"{' or '.join(flags)} from {_SIDE.get(sender, sender)}, "
        f"{'no entry' if entry == 'none' else f'entry {entry}'}: {ctstate}"
        for (sender, entry, ctstate), flags in groups.items()
    ]


def say_chain(location: Location) -> str:
    """The chain of a place: "filter/OUTPUT"; "" outside of rule sets."""
    return "/".join(name for name in (location.table, location.chain) if name is not None)


def say_place(location: Location) -> str:
    """Where in a rule set: "filter/OUTPUT, rule 9" or "filter/INPUT, policy"; "" outside."""
    chain = say_chain(location)
    if location.chain is None:
        return chain
    return f"{chain}, {'policy' if location.position is None else f'rule {location.position}'}"


def say_stranded(finding: Finding) -> str:
    """What stays behind: "local socket: FIN_WAIT_1 for 106 to 158 s; the peer stays ESTABLISHED".

    "" where nothing does. The other end is named only where its state follows: it never saw the
    FIN that the stranded end sends, so it is still in ESTABLISHED (RFC 9293, section 3.6).
    """
    stranded = finding.stranded
    if stranded is None:
        return ""
    end = _END.get(stranded.end, stranded.end)
    if stranded.seconds is None:
        said = f"{end}: {stranded.state}, and nothing ends it"
    else:
        said = f"{end}: {stranded.state} for {say_lasting(stranded)}"
    if _own_fin_is_lost(finding, stranded):
        said += f"; {_OTHER_END.get(stranded.end, 'the other end')} stays ESTABLISHED"
    return said


def _own_fin_is_lost(finding: Finding, stranded: Stranded) -> bool:
    packet = finding.packet
    if packet is None or "F" not in packet.flags or stranded.state != "FIN_WAIT_1":
        return False
    local = _LOCAL_DIR.get(finding.role) if finding.role else None
    sender = {"local": local, "remote": _OTHER_DIR.get(local or "")}.get(stranded.end, stranded.end)
    return sender == packet.dir


def say_lasting(stranded: Stranded) -> str:
    """For how long a socket stays: "106 to 158 s", "938 to 1004 s (16 min)"."""
    least, most = stranded.seconds, stranded.at_most
    assert least is not None
    if most is None or most == least:
        return say_duration(least)
    return f"{least} to {say_duration(most)}"


def say_duration(seconds: int) -> str:
    """Seconds, from five minutes on with a larger unit: "102 s", "432000 s (5 d)"."""
    if seconds <= _SMALL:
        return f"{seconds} s"
    size, unit = next(unit for unit in _UNITS if seconds >= unit[0])
    return f"{seconds} s ({round(seconds / size, 1):g} {unit})"


_ALLOWED_BY = {
    AllowedBy.RULE: "its comment",
    AllowedBy.COMMENT: "the comment at",
    AllowedBy.CONFIG: "the configuration at",
}


def say_suppressed(why: Suppressed) -> str:
    """Why a finding does not count: "clients send keepalives (the comment at rules.v4:7)"."""
    if why.by is AllowedBy.BASELINE:
        return f"{why.reason} {why.file}"
    place = "" if why.by is AllowedBy.RULE else f" {why.file}:{why.line}"
    return f"{why.reason} ({_ALLOWED_BY[why.by]}{place})"


def say_summary(result: LintResult, causes: int = 0) -> str:
    """The last line: "2 errors, 1 warning in 1 file (24 rules), kernel 6.18". With several hosts
    also these, and how many ``causes`` the findings have.
    """
    return f"{say_found(result, causes)} in {say_scope(result)}"


def say_found(result: LintResult, causes: int = 0) -> str:
    """How much was found: "2 errors, 1 warning"; with several hosts also of how many causes."""
    numbers = {severity: result.count(severity) for severity in Severity}
    several = causes and len({summary.host for summary in result.inputs}) > 1
    of_causes = f" of {say_count(causes, 'cause')}" if several else ""
    return (_say_severities(numbers) or "no findings") + of_causes


def say_scope(result: LintResult) -> str:
    """What was looked at: "1 file (24 rules), kernel 6.18; 1 suppressed"."""
    files = say_count(len({summary.file for summary in result.inputs}), "file")
    rules = say_count(sum(summary.rules for summary in result.inputs), "rule")
    hosts = len({summary.host for summary in result.inputs})
    where = f" of {hosts:,} hosts" if hosts > 1 else ""
    tail = f"; {result.allowed:,} suppressed" if result.allowed else ""
    if result.baseline is not None:
        tail += f"; {result.baseline.hidden:,} in the baseline"
    return f"{files}{where} ({rules}), kernel {result.kernel}{tail}"


def say_hosts(hosts: Sequence[str]) -> tuple[str, str]:
    """Where a cause is found: "on 37 hosts", and "a, b, c and 34 more"."""
    more = f" and {len(hosts) - HOSTS_SHOWN:,} more" if len(hosts) > HOSTS_SHOWN else ""
    return f"on {len(hosts):,} hosts", ", ".join(hosts[:HOSTS_SHOWN]) + more


def say_skipped(result: LintResult) -> str:
    """What the result leaves out: "left out: 2 inputs that cannot be read"; "" for nothing."""
    counts = Counter(skipped.reason for skipped in result.skipped)
    said = [
        f"{say_count(counts[reason], 'input')} {words}"
        for reason, words in (
            (SkipReason.UNREADABLE, "with errors"),
            (SkipReason.FAULT, "with a fault of ctlint's own"),
        )
        if counts[reason]
    ]
    return f"left out, as said on standard error: {', '.join(said)}" if said else ""


def say_gone(compared: Compared) -> list[str]:
    """What a baseline has that is found no more: "CT102 filter/INPUT (server): -A INPUT … (2 of
    them)".
    """
    said = []
    for identity, count in compared.gone.items():
        chain = "/".join(name for name in (identity.table, identity.chain) if name)
        role = f"({identity.role})" if identity.role else ""
        more = f" ({count} of them)" if count > 1 else ""
        head = " ".join(word for word in (identity.rule, chain, role) if word)
        said.append(f"{head}: {identity.text}{more}")
    return said


def say_rules(result: LintResult) -> list[str]:
    """For each rule, in the order of the findings: "CT106 unaccepted-mid-stream-ack: 3 notes"."""
    counts: dict[tuple[str, str], Counter[Severity]] = {}
    for finding in result.findings:
        if finding.suppressed is None:
            counts.setdefault((finding.rule, finding.name), Counter())[finding.severity] += 1
    return [
        f"{rule} {name}: {_say_severities(numbers)}" for (rule, name), numbers in counts.items()
    ]


def _say_severities(numbers: Mapping[Severity, int]) -> str:
    counts = [say_count(numbers[each], each.value) for each in Severity if numbers[each]]
    return ", ".join(counts)


def say_facts(result: LintResult) -> str:
    """What was told of the hosts: "told: idle=600 s (10 min), role=server"; where that was not the
    same of all, "told of a, b: idle=600 s (10 min); of c: role=server"; "" for nothing.
    """
    hosts: dict[str, list[str]] = {}
    for summary in result.inputs:
        told = ", ".join(f"{key}={say_fact(value)}" for key, value in summary.facts.items())
        known = hosts.setdefault(told, [])
        name = summary.host or summary.file
        if name not in known:
            known.append(name)
    if not any(hosts):
        return ""
    if len(hosts) == 1:
        return f"told: {next(iter(hosts))}"
    said = [f"of {say_hosts(names)[1]}: {told}" for told, names in hosts.items() if told]
    return f"told {'; '.join(said)}"


def say_fact(value: object) -> str:
    """The value of a fact."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return say_duration(value)
    return ",".join(value) if isinstance(value, list) else str(value)


def say_count(number: int, noun: str) -> str:
    """A number of things: "1 rule", "2 rules"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
