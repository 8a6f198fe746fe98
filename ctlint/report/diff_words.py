# SPDX-License-Identifier: GPL-2.0-only
"""What a difference says, in words. The results hold untrusted text as it stands in the input."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.analysis.difference import Decision, Difference, DiffResult, Packet, Phase
from ctlint.analysis.fate import Disposition
from ctlint.finding import Location, Severity, Stranded, Undecided
from ctlint.report.sentence import say_flags, say_lasting
from ctlint.wire.addresses import Family

FAMILIES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
_SIDE = {"orig": "the client", "reply": "the server"}
_END = {
    "local": "local socket",
    "remote": "remote socket",
    "orig": "client's socket",
    "reply": "server's socket",
}
_PHASE = {
    Phase.OPENING: "opening the connection",
    Phase.OPEN: "of an open connection",
    Phase.EXPIRED: "after its entry has expired",
}


def say_packets(packets: Sequence[Packet]) -> str:
    """Packets: "FIN,ACK or RST,ACK from the client, after its entry has expired: INVALID"."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for packet in packets:
        key = packet.dir, packet.phase, packet.ctstate
        groups.setdefault(key, []).append(say_flags(packet.flags))
    return "; ".join(
        f"{' or '.join(flags)} from {_SIDE[str(sender)]}, {_PHASE[Phase(phase)]}: {ctstate}"
        for (sender, phase, ctstate), flags in groups.items()
    )


def say_decision(decision: Decision) -> str:
    """What a firewall does with the packet: "dropped", "rejected with tcp-reset", "goes on"."""
    said = _say_verdict(decision)
    if not decision.translated_by or decision.disposition is Disposition.MISDIRECTED:
        return said
    rules = " and ".join(
        f"{each.table}/{each.chain}#{each.position}" for each in decision.translated_by
    )
    return f"{said}; {rules} translates it {decision.becomes}"


def _say_verdict(decision: Decision) -> str:
    if decision.disposition is Disposition.MISDIRECTED:
        if decision.translated_by:
            return "not translated without its entry"
        return Disposition.MISDIRECTED.value
    if decision.disposition is Disposition.DELIVERED:
        return "goes on" if decision.location else "goes on, no rule there asks it"
    said = decision.disposition.value
    return f"{said} with {decision.rejects_with}" if decision.rejects_with else said


def say_scope(difference: Difference) -> list[tuple[str, str]]:
    """The connections concerned, each part with its name; those that can be anything left out."""
    scope = difference.scope
    ports = None
    if scope.ports is not None:
        ports = tuple(str(a) if a == b else f"{a}-{b}" for a, b in scope.ports)
    parts = (
        ("ports", ports),
        ("clients", scope.clients),
        ("servers", scope.servers),
        ("client interfaces" if scope.server_interfaces else "interfaces", scope.client_interfaces),
        ("server interfaces", scope.server_interfaces),
    )
    return [
        (name, "too many ranges to name" if found is None else ", ".join(found))
        for name, found in parts
        if found != ()
    ]


def say_stranded(stranded: Stranded) -> str:
    """The socket that stays behind: "local socket: FIN_WAIT_1 for 106 to 158 s"."""
    end = _END.get(stranded.end, stranded.end)
    if stranded.seconds is None:
        return f"{end}: {stranded.state}, and nothing ends it"
    return f"{end}: {stranded.state} for {say_lasting(stranded)}"


def place_of(difference: Difference) -> Location | None:
    """The place that a difference is named by: what decides now, else what decided before."""
    return difference.new.location or difference.old.location


def undecided_groups(result: DiffResult) -> list[tuple[str, list[Location]]]:
    """What was not decided or not compared, each with its places."""
    groups: dict[str, list[Location]] = {}
    both: Sequence[Undecided] = (
        *result.undecided,
        *result.old.undecided,
        *result.new.undecided,
    )
    for what in both:
        said = f"{what.match}: {what.why}" if what.match else what.why
        groups.setdefault(said, []).append(what.location)
    return list(groups.items())


def say_summary(result: DiffResult) -> str:
    """The last line: "2 warnings, 1 note: old.v4 (24 rules), new.v4 (25 rules), kernel 6.18"."""
    counts = [
        f"{number} {severity.value}{'s' if number > 1 else ''}"
        for severity in Severity
        if (number := result.count(severity))
    ]
    found = ", ".join(counts) or "no differences"
    sides = [
        f"{', '.join(one.file for one in side.inputs)} "
        f"({sum(one.rules for one in side.inputs)} rules)"
        for side in (result.old, result.new)
    ]
    kernels = list(dict.fromkeys((result.old.kernel, result.new.kernel)))
    return f"{found}: {sides[0]} to {sides[1]}, kernel {' to '.join(kernels)}"
