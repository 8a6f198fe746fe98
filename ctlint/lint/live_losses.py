# SPDX-License-Identifier: GPL-2.0-only
"""Findings about packets of live connections that rules against INVALID lose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ctlint.analysis.live_losses import Shown, Talk, shown
from ctlint.analysis.losses import Stranding
from ctlint.finding import Finding, Role, Severity
from ctlint.lint.context import Context
from ctlint.lint.naming import port_text


class LiveLoss(NamedTuple):
    """A stranding, and another packet that its rule or policy loses."""

    stranding: Stranding
    shown: Shown


def live_losses(
    ctx: Context, talks: Iterable[Talk], roles: Iterable[Role] = Role
) -> Iterator[LiveLoss]:
    """For each rule or policy that loses packets of forgotten connections, and each of these roles,
    the first of the talks whose last packet it loses too.
    """
    subject = ctx.subject
    wanted, talks = tuple(roles), tuple(talks)
    for stranding in ctx.all_strandings():
        if stranding.role not in wanted:
            continue
        for talk in talks:
            found = shown(stranding, talk, subject.chains, ctx.settings, subject.witnesses)
            if found is not None:
                yield LiveLoss(stranding, found)
                break


def live_finding(
    ctx: Context, loss: LiveLoss, severity: Severity, message: str, remedy: str
) -> Finding:
    """The finding at the rule or policy that loses the packet."""
    stranding, (packet, witness) = loss
    return Finding(
        rule=ctx.info.id,
        name=ctx.info.name,
        severity=severity,
        confidence=stranding.confidence,
        message=message,
        remedy=remedy,
        location=ctx.location(stranding.cause),
        related=ctx.dropping(stranding) + ctx.alike(stranding),
        family=ctx.subject.ruleset.family,
        role=stranding.role,
        packet=packet,
        packets=(packet,),
        ports=tuple(port_text(ports) for ports in stranding.ports),
        witness=witness,
    )
