# SPDX-License-Identifier: GPL-2.0-only
"""Whether the rules of the other address family lose what those of one do: asked of the same
connection, between ordinary addresses of that family.
"""

from __future__ import annotations

from typing import Final

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import HOST, LEFT, RIGHT
from ctlint.analysis.first_packets import first_after_expiry, handshake
from ctlint.analysis.losses import Cause, Lost, Stranding
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.finding import Role
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.host import LOOPBACK_ADDRESS
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.traverse import PolicyRef
from ctlint.wire.addresses import Family

_ENDS: Final = {
    Role.CLIENT: (HOST, RIGHT),
    Role.SERVER: (RIGHT, HOST),
    Role.FORWARD: (LEFT, RIGHT),
    Role.LOOPBACK: (LOOPBACK_ADDRESS, LOOPBACK_ADDRESS),
}


def passes_there(stranding: Stranding, other: ChainStore, settings: Settings) -> Cause | None:
    """The rule or policy with which the other family's rules let the decisive packet of the same
    connection pass at the same hook; None where they do not, for certain, or let it not be opened.
    """
    lost = stranding.decisive
    connection = _moved(stranding.case.connection, other.ruleset.family)
    loose = settings.value(TCP_LOOSE) != 0
    for _, fate in handshake(other, connection, loose=loose, kernel=settings.kernel):
        if fate.delivered is not Tern.TRUE or fate.translated or fate.zoned:
            return None
    fate = first_after_expiry(
        other, connection, lost.sender, lost.kind, loose=loose, kernel=settings.kernel
    )
    if fate.delivered is not Tern.TRUE or fate.translated or not fate.is_exact:
        return None
    return _passing(fate.matched, lost, other)


def _moved(connection: Connection, family: Family) -> Connection:
    """The connection between ordinary addresses of another family."""
    client, server = _ENDS[connection.role]
    return connection._replace(
        family=family, orig_address=client[family], reply_address=server[family]
    )


def _passing(matched: list[str], lost: Lost, other: ChainStore) -> Cause | None:
    """What ended the packet's way through the table that loses it in the other family."""
    table = lost.dropped_by.table
    last = [name for name in matched if name.startswith(f"{table}/")]
    hook = lost.hook.value
    chain = other.ruleset.chain(table, hook)
    if chain is None:
        return None
    for name in reversed(last):
        head, sharp, position = name.rpartition("#")
        if sharp:
            place = head.partition("/")[2]
            found = other.ruleset.chain(table, place)
            if found is not None:
                at = int(position)
                return RuleRef(table, place, at, found.rules[at - 1])
        elif name == f"{table}/{hook} policy":
            return PolicyRef(table, hook)
    return None
