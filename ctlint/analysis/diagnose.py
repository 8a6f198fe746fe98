# SPDX-License-Identifier: GPL-2.0-only
"""Says what is wrong with the connections of a host, from what was collected of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ctlint.analysis.diagnosis import Diagnosis, Looked, Trouble
from ctlint.analysis.evidence import Evidence
from ctlint.analysis.host_troubles import host_troubles, notes
from ctlint.analysis.settings import Settings
from ctlint.analysis.socket_troubles import LOOKED_AT, SocketTroubles
from ctlint.wire.protocols import TCP

MOST_SOCKETS: Final = 2_000
"""Sockets whose packets are sent through the rules; the rest is counted."""


_TIMED: Final = frozenset({"SYN_SENT", "FIN_WAIT_1", "LAST_ACK", "CLOSING", "TIME_WAIT"})
"""States in which a timer is always running."""


def diagnose(evidence: Evidence, settings: Settings) -> Diagnosis:
    """Look at all of it. Raises NotFollowedError, BadSettingError, EndlessWalkError."""
    troubles: list[Trouble] = list(host_troubles(evidence, settings))
    states: Counter[str] = Counter()
    unseen = 0
    table = evidence.sockets
    if table is not None:
        states.update(socket.state for socket in table.sockets)
        looker = SocketTroubles(evidence, table, settings)
        sockets = [socket for socket in table.sockets if socket.state in LOOKED_AT]
        sockets.sort(key=lambda socket: LOOKED_AT.index(socket.state))
        unseen = max(len(sockets) - MOST_SOCKETS, 0)
        for socket in sockets[:MOST_SOCKETS]:
            found = looker.trouble(socket)
            if found is not None:
                troubles.append(found)
    return Diagnosis(
        evidence.name,
        settings.kernel.name,
        evidence.date,
        evidence.interval,
        tuple(troubles),
        dict(sorted(states.items())),
        tuple(_looked(evidence)),
        tuple(_missing(evidence)),
        tuple(notes(evidence)),
        unseen,
    )


def _looked(evidence: Evidence) -> Iterator[Looked]:
    for ruleset in evidence.rulesets:
        yield Looked(f"rules of IPv{ruleset.family.value}", ruleset.file, f"{ruleset.rule_count:,}")
    for ruleset in evidence.later_rulesets:
        what = f"rules of IPv{ruleset.family.value}, again"
        yield Looked(what, ruleset.file, f"{ruleset.rule_count:,}")
    if evidence.sockets is not None:
        found = evidence.sockets
        yield Looked("sockets", found.file, f"{len(found.sockets):,}")
    if evidence.earlier is not None:
        earlier = evidence.earlier
        yield Looked("sockets, before", earlier.file, f"{len(earlier.sockets):,}")
    if evidence.entries is not None:
        entries = evidence.entries
        count = sum(one.protocol == TCP for one in entries.entries)
        said = f"{len(entries.entries):,}, {count:,} of TCP"
        yield Looked("conntrack entries", " ".join(entries.files), said)
    for counters, what in (
        (evidence.counters, "counters"),
        (evidence.later_counters, "counters, again"),
    ):
        if counters is not None:
            yield Looked(what, counters.file, f"{len(counters.values):,}")
    if evidence.log is not None:
        log = evidence.log
        said = f"{len(log.packets):,} packets, {len(log.events):,} messages"
        yield Looked("kernel log", log.file, said)
    for what, file in evidence.files:
        yield Looked(what, file, "")


def _missing(evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield from evidence.missing
    known = {what for what, _ in evidence.missing}
    for what, is_there, without in (
        ("rules", bool(evidence.rulesets), "which rule eats a packet is not known"),
        ("sockets", evidence.sockets is not None, "no socket was looked at"),
        (
            "conntrack entries",
            evidence.entries is not None,
            "whether a connection still has its entry is not known",
        ),
        (
            "a second dump of rules",
            bool(evidence.later_rulesets),
            "whether a rule's counter moves is not known",
        ),
        (
            "counters twice",
            evidence.counters is not None and evidence.later_counters is not None,
            "whether queues overflow now is not known",
        ),
        ("kernel log", evidence.log is not None, "no logged packet was looked for"),
        (
            "settings",
            any(file.entries for run in evidence.sysctls.runs for file in run.files),
            "the kernel's defaults are taken",
        ),
    ):
        if not is_there and what not in known:
            yield what, without
    table = evidence.sockets
    has_some = table is not None and any(one.state in _TIMED for one in table.sockets)
    if has_some and table is not None and not table.has_timers:
        yield "timers of sockets (ss -o)", "how long a state lasts is not known"
