# SPDX-License-Identifier: GPL-2.0-only
"""Lost packets by what they are lost to: one stranding for each cause and role."""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.connection import Connection
from ctlint.analysis.losses import (
    ALL_PORTS,
    MAX_PORT,
    Case,
    Cause,
    Kind,
    Lost,
    RoleReport,
    Stranding,
)
from ctlint.finding import Confidence, Role
from ctlint.headerspace.boxes import merged
from ctlint.ir.values import Range


def grouped(report: RoleReport) -> Iterator[Stranding]:
    groups: dict[tuple[Role, Cause], Stranding] = {}
    for case in report.cases:
        role = case.connection.final_role
        touched: dict[tuple[Role, Cause], None] = {}
        for lost in case.lost:
            key = role, lost.cause
            stranding = groups.get(key)
            if stranding is None:
                stranding = groups[key] = Stranding(role, lost.cause)
            if not any((x.sender, x.kind) == (lost.sender, lost.kind) for x in stranding.lost):
                stranding.lost.append(lost)
            touched[key] = None
        for key in touched:
            groups[key].cases.append(case)
    for stranding in groups.values():
        ways = (case.connection.translated for case in stranding.cases)
        alike = {key: ref for way in ways if way is not None for key, ref in way.alike.items()}
        stranding.alike = tuple(alike.values())
        stranding.lost.sort(key=lambda lost: _weight(stranding, lost))
        if report.was_sampled:
            stranding.ports = _ports(stranding, report.cases)
        else:
            found = merged(report.ports.get((stranding.role, stranding.cause), ()))
            stranding.ports = () if found == (ALL_PORTS,) else found
        yield stranding


def _weight(stranding: Stranding, lost: Lost) -> tuple[int, ...]:
    """Order of the packets of one cause: what strands a socket of the host itself comes first."""
    home = stranding.home
    own = lost.sender is home
    if lost.kind is Kind.FIN:
        rank = 0 if own else 2
    elif lost.kind is Kind.ACK:
        # The answer to a FIN that got through. Where none did, data say more: they are lost too,
        # and their sender retransmits.
        answers = any(
            (lost.sender.other, Kind.FIN) in case.passed
            for case in stranding.cases
            if any((x.sender, x.kind) == (lost.sender, lost.kind) for x in case.lost)
        )
        strands_home = not own or stranding.role in (Role.FORWARD, Role.LOOPBACK)
        rank = (1 if strands_home else 5) if answers else 7
    elif lost.kind is Kind.RST:
        rank = 3 if own else 4
    else:
        rank = 6
    return rank, int(lost.sender)


def _ports(stranding: Stranding, cases: list[Case]) -> tuple[Range, ...]:
    """Service ports as ranges; empty for all.

    A connection that stands for any port speaks for all but those that were tried between the same
    ends and lose nothing to this cause.
    """
    affected = stranding.cases
    named = [case.connection.ports for case in affected if case.connection.ports is not None]
    anywhere = [case for case in affected if case.connection.ports is None]
    if not anywhere:
        return merged(named)
    hit = {id(case) for case in affected}
    spared = [
        {
            case.connection.ports
            for case in cases
            if case.connection.ports is not None
            and id(case) not in hit
            and case.confidence is Confidence.CERTAIN
            and _ends(case.connection) == _ends(one.connection)
        }
        for one in anywhere
    ]
    safe = merged(set.intersection(*spared))
    return _without(safe) if safe else ()


def _ends(connection: Connection) -> tuple[object, ...]:
    """What tells connections apart beyond the service port."""
    return connection._replace(reply_port=0, ports=None)


def _without(safe: tuple[Range, ...]) -> tuple[Range, ...]:
    """The ports from 1 to 65535 outside of these ranges."""
    left: list[Range] = []
    low = 1
    for ports in safe:
        if low < ports.low:
            left.append(Range(low, ports.low - 1))
        low = ports.high + 1
    if low <= MAX_PORT:
        left.append(Range(low, MAX_PORT))
    return tuple(left)
