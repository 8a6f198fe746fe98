# SPDX-License-Identifier: GPL-2.0-only
"""How likely conntrack forgets connections that are still open.

An entry goes when no packet of its connection has passed for as long as the timeout of its state
(nf_ct_is_expired() in include/net/netfilter/nf_conntrack.h: at that second, not behind it). So
the timeout is compared with the longest silence. How long that is the user tells
(:mod:`ctlint.analysis.circumstances`); untold, it is guessed from what is usual.

Sources: Documentation/networking/nf_conntrack-sysctl.rst; RFC 5382, REQ-5; tcp_conntracks in
net/netfilter/nf_conntrack_proto_tcp.c (a FIN, then its ACK, take an entry to CLOSE_WAIT, in which
data leave it); nf_conntrack_core.c, early_drop() and gc_worker(): a full table costs entries that
have seen no answer and, since 4.12, those of connections that are being closed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.analysis.circumstances import UNTOLD, Circumstances
from ctlint.analysis.settings import CLOSE_WAIT, ESTABLISHED, KEEPALIVE_TIME, Settings
from ctlint.finding import Severity

LEAST_TIMEOUT: Final = 1200
"""Seconds: below this an entry may go in the pauses of ordinary applications (pools, shells)."""

RFC5382_TIMEOUT: Final = 7440
"""Seconds: RFC 5382, REQ-5, the least time a NAT must keep an idle established connection."""

_ACCIDENT: Final = "so this needs a flush, a failover or a full table"


class Exposure(NamedTuple):
    """How likely entries are to go before their connections do, and why."""

    severity: Severity
    reason: str


def longer_timeout(due: int) -> int:
    """Seconds for which entries should live at least where a keepalive is due after so many, that
    one lost keepalive does no harm and RFC 5382 is kept.
    """
    return max(2 * due, RFC5382_TIMEOUT + 1)


def exposure(settings: Settings, facts: Circumstances = UNTOLD) -> Exposure:
    """Judge timeouts against how long ends may stay silent: the worse of open and half-closed.

    Raises BadSettingError.
    """
    whole = _while_open(settings, facts)
    half = _while_half_closed(settings, facts)
    if half is None or half.severity.rank < whole.severity.rank:
        return whole
    if half.severity.rank > whole.severity.rank:
        return half
    return Exposure(whole.severity, f"{whole.reason}; {half.reason}")


def _while_open(settings: Settings, facts: Circumstances) -> Exposure:
    timeout = settings.value(ESTABLISHED)
    silence = facts.silence
    if silence is None:
        return _guessed(settings, facts, timeout)
    if silence < timeout:
        return _renewed(facts, timeout, silence)
    gone = f"an entry is forgotten after {timeout} s without a packet"
    if facts.idle is not None:
        said = f"{gone}, connections are silent for up to {silence} s"
        return Exposure(Severity.ERROR, said + _hidden(facts))
    # How long they are silent between their keepalives is not told.
    severity = Severity.ERROR if timeout < LEAST_TIMEOUT else Severity.WARNING
    said = f"{gone}, a keepalive comes only after {silence} s of silence"
    return Exposure(severity, said + _hidden(facts))


def _renewed(facts: Circumstances, timeout: int, silence: int) -> Exposure:
    """What is left where packets come in time, if conntrack sees them."""
    comes = (
        f"a keepalive comes after {silence} s of silence"
        if facts.keepalive == silence
        else f"connections are silent for at most {silence} s"
    )
    if not facts.offload:
        said = f"an entry lives for {timeout} s without a packet and {comes}, {_ACCIDENT}"
        return Exposure(Severity.NOTE, said)
    severity = Severity.NOTE if timeout > RFC5382_TIMEOUT else Severity.WARNING
    gone = f"an entry is forgotten after {timeout} s in which conntrack sees no packet"
    return Exposure(severity, f"{gone}; {comes}{_hidden(facts)}")


def _guessed(settings: Settings, facts: Circumstances, timeout: int) -> Exposure:
    """By what is usual, where nothing says how long connections are silent."""
    gone = f"an entry is forgotten after {timeout} s without a packet"
    keepalive = None if facts.keepalive == "off" else settings.value(KEEPALIVE_TIME)
    if timeout < LEAST_TIMEOUT:
        return Exposure(Severity.ERROR, gone + _hidden(facts))
    if keepalive is not None and timeout <= keepalive:
        late = f", no later than the first keepalive ({keepalive} s) would refresh it"
        return Exposure(Severity.WARNING, gone + late + _hidden(facts))
    if timeout <= RFC5382_TIMEOUT:
        return Exposure(Severity.WARNING, gone + _hidden(facts))
    renewed = "" if keepalive is not None else " and no keepalive renews it"
    return Exposure(
        Severity.NOTE,
        f"an idle entry lives for {timeout} s{renewed}, so this needs a flush, a failover, "
        f"a full table or a longer pause{_hidden(facts)}",
    )


def _hidden(facts: Circumstances) -> str:
    """What offload adds: conntrack cannot be counted on to see what would renew the entry."""
    if not facts.offload:
        return ""
    return "; packets that are offloaded need not renew it, so it can go from a busy connection"


def _while_half_closed(settings: Settings, facts: Circumstances) -> Exposure | None:
    """None where nothing is told, or where the entry outlives the silence."""
    if facts.half_close is None:
        return None
    timeout = settings.value(CLOSE_WAIT)
    if facts.half_close < timeout:
        return None
    return Exposure(
        Severity.ERROR,
        f"once one end has closed, an entry is forgotten after {timeout} s without a packet, "
        f"half-closed connections are silent for up to {facts.half_close} s",
    )
