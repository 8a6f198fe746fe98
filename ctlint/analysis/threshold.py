# SPDX-License-Identifier: GPL-2.0-only
"""The points at which a timeout stops to be long enough.

An entry lives exactly its timeout since the last packet (nf_ct_is_expired() in
include/net/netfilter/nf_conntrack.h: at that second it is gone), so a timeout is safe as long as
every silence is shorter. What is lost behind it the rules say: the packet that comes next finds no
entry, and is asked of them as the first that conntrack sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from itertools import islice
from typing import Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.consequence import (
    end_name,
    ends_of,
    lasting,
    stranded,
    stranded_by,
)
from ctlint.analysis.fate import send
from ctlint.analysis.lasting import of_data
from ctlint.analysis.losses import Cause, Kind, RoleReport, Stranding
from ctlint.analysis.phase import (
    CLOSED,
    CLOSING,
    HALF_CLOSED,
    IDLE,
    LAST_FIN,
    REPEATED,
    SYN_RECV,
    UNANSWERED,
    WINDOW_SHUT,
    Next,
    Phase,
    lifetime,
    next_packets,
    sides,
)
from ctlint.analysis.retransmission import (
    DEFAULT_ORPHAN_RETRIES,
    Pause,
    pause_of_data,
    pause_of_syn_ack,
)
from ctlint.analysis.settings import ORPHAN_RETRIES, RETRIES2, RTO_MAX, SYNACK_RETRIES, Settings
from ctlint.analysis.silence import Silences, Usage, between_packets, share_from
from ctlint.finding import Confidence, Role, Stranded
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.features import Feature
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.tern import Tern

_MOST_CASES: Final = 16
"""Connections that are asked of for a SYN/ACK: those that rules tell apart come first."""


class Verdict(Enum):
    """Whether a timeout outlasts the silence of a phase."""

    SAFE = "safe"
    STRANDS = "strands"
    DEPENDS = "depends"
    """TCP's own repeats pause longer on longer round trips; a keepalive may be late."""
    UNTOLD = "untold"
    """How long the ends are silent then is not told."""
    HARMLESS = "harmless"
    """The rules lose nothing of what comes next."""


class Loss(NamedTuple):
    """A packet that is lost once the entry has gone, of a connection in which ``first`` is the end
    that acted first in the phase, and to what. ``lost`` has the same as lint knows it; None of a
    SYN/ACK.
    """

    chains: ChainStore
    role: Role
    first: Dir
    packet: Next
    ctstate: CtState
    cause: Cause
    connection: Connection
    confidence: Confidence
    lost: Stranding | None = None


class Surveyed(NamedTuple):
    """What is known of one rule set in one role."""

    chains: ChainStore
    report: RoleReport


@dataclass(frozen=True, slots=True)
class Threshold:
    """One phase under one setting.

    ``lifetime`` is how long an entry lives without a packet then, in seconds. ``silences`` is what
    is told of the ends, with their keepalives; ``pause`` what TCP does by itself. ``share`` is the
    share of connections whose silence the entry does not outlast, None where nothing is told.
    """

    phase: Phase
    lifetime: int
    silences: Silences
    pause: Pause | None
    verdict: Verdict
    share: Fraction | None
    losses: tuple[Loss, ...]

    @property
    def safe_from(self) -> int | None:
        """The least lifetime, in seconds, that is safe for certain; None where nothing is told."""
        if self.silences:
            return self.silences[-1].seconds + 1
        return None if self.pause is None else self.pause.most + 1


def threshold(
    phase: Phase, settings: Settings, usage: Usage, losses: tuple[Loss, ...]
) -> Threshold:
    """The threshold of a phase in which this is lost. Raises BadSettingError."""
    seconds = lifetime(phase, settings)
    told = silences_in(phase, settings, usage)
    pause = pause_in(phase, settings)
    verdict, share = _judge(seconds, told, pause)
    if verdict is Verdict.SAFE and told:
        with_late = silences_in(phase, settings, usage, with_late=True)
        verdict = Verdict.DEPENDS if share_from(with_late, seconds) else Verdict.SAFE
    if not losses:
        verdict, share = Verdict.HARMLESS, Fraction(0) if told else None
    return Threshold(phase, seconds, told, pause, verdict, share, losses)


def silences_in(
    phase: Phase, settings: Settings, usage: Usage, *, with_late: bool = False
) -> Silences:
    """How long no packet passes in a phase in which the programs decide; empty where untold, and
    where they do not. ``with_late``: where keepalives are as late as they may be.
    """
    told = {IDLE: usage.idle, HALF_CLOSED: usage.half_close}.get(phase, ())
    return between_packets(told, usage.keepalive, settings, with_late=with_late)


def pause_in(phase: Phase, settings: Settings) -> Pause | None:
    """How long TCP itself pauses in a phase between repeats; None where it sends none.

    The ends are taken to have the settings of this host.
    """
    rto_max_ms = settings.value(RTO_MAX) if settings.kernel.has_sysctl(RTO_MAX) else 120_000
    is_coarse = Feature.COARSE_TIMER_WHEEL in settings.kernel
    if phase in (UNANSWERED, REPEATED, WINDOW_SHUT):
        return pause_of_data(settings.value(RETRIES2), rto_max_ms, is_coarse=is_coarse)
    if phase in (CLOSING, LAST_FIN, CLOSED):
        retries = settings.value(ORPHAN_RETRIES) or DEFAULT_ORPHAN_RETRIES
        return pause_of_data(retries, rto_max_ms, is_coarse=is_coarse)
    if phase is SYN_RECV:
        initial = 1 if Feature.INITIAL_RTO_1S in settings.kernel else 3
        return pause_of_syn_ack(settings.value(SYNACK_RETRIES), initial, is_coarse=is_coarse)
    return None


def _judge(seconds: int, told: Silences, pause: Pause | None) -> tuple[Verdict, Fraction | None]:
    if told:
        share = share_from(told, seconds)
        return (Verdict.STRANDS if share else Verdict.SAFE), share
    if pause is None:
        return Verdict.UNTOLD, None
    if seconds > pause.most:
        return Verdict.SAFE, None
    return (Verdict.STRANDS if seconds <= pause.least else Verdict.DEPENDS), None


def losses_in(phase: Phase, surveyed: Sequence[Surveyed]) -> Iterator[Loss]:
    """What of the packets that come next is lost, in each role and to each cause."""
    for chains, report in surveyed:
        for first in sides(phase):
            following = next_packets(phase, first)
            if following[0].kind is None:
                yield from _lost_syn_acks(chains, report, first, following[0])
                continue
            for packet in following:
                for stranding in report.strandings:
                    for lost in stranding.lost:
                        if Next(lost.sender, lost.kind) == packet:
                            yield _loss(chains, first, packet, replace(stranding, lost=[lost]))


def _loss(chains: ChainStore, first: Dir, packet: Next, stranding: Stranding) -> Loss:
    return Loss(
        chains,
        stranding.role,
        first,
        packet,
        stranding.decisive.ctstate,
        stranding.cause,
        stranding.case.connection,
        stranding.confidence,
        stranding,
    )


def _lost_syn_acks(
    chains: ChainStore, report: RoleReport, first: Dir, packet: Next
) -> Iterator[Loss]:
    """A SYN/ACK without an entry is INVALID: asked of some of the connections, each cause once.

    Of translated connections nothing is said.
    """
    seen: set[Cause] = set()
    plain = (case for case in report.cases if case.connection.translated is None)
    for case in islice(plain, _MOST_CASES):
        connection = case.connection
        ends = connection.ends(packet.sender)
        given = connection.packet(packet.sender, packet.flags)
        fate = send(chains, given, ends, CtState.INVALID, None)
        cause = fate.ends[-1].cause
        if fate.delivered is Tern.FALSE and cause is not None and cause not in seen:
            seen.add(cause)
            yield Loss(
                chains,
                report.role,
                first,
                packet,
                CtState.INVALID,
                cause,
                connection,
                case.confidence,
            )


def left_behind(phase: Phase, loss: Loss, settings: Settings) -> Stranded | None:
    """The socket that stays behind, and for how long at least; None where the phase ends alike
    whether the packet comes or not.
    """
    if loss.lost is None:
        return None
    sender, receiver = (
        end_name(loss.role, end) for end in (loss.packet.sender, loss.packet.sender.other)
    )
    if phase is IDLE:
        return stranded(loss.lost, settings)
    if phase is not HALF_CLOSED:
        return None
    if loss.packet.kind is Kind.FIN:
        usual = stranded_by(loss.lost.decisive, loss.role, settings)
        return replace(usual, end=sender, state="LAST_ACK")
    if loss.packet.kind is Kind.RST:
        # tcp_time_wait() or tcp_fin_timeout: where a program still holds the socket, nothing.
        return Stranded(receiver, "FIN_WAIT_2", None, None)
    repeats = of_data(settings.kernel, ends_of(sender, loss.role, settings))
    return lasting(sender, "CLOSE_WAIT", repeats)
