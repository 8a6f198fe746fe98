# SPDX-License-Identifier: GPL-2.0-only
"""What a lost packet does to the two sockets.

Sources: RFC 9293 section 3.6; net/ipv4/tcp_timer.c (retransmits_timed_out, tcp_orphan_retries);
how long FIN_WAIT_1 and LAST_ACK last was measured with real sockets on 5.10 and 6.18: 106 to 110 s
with the default of tcp_orphan_retries, never less than the bound given here.
"""

from __future__ import annotations

from typing import Final

from ctlint.analysis.losses import Kind, Lost, Stranding
from ctlint.analysis.retransmission import model_timeout_ms
from ctlint.analysis.settings import ORPHAN_RETRIES, RETRIES2, Settings
from ctlint.finding import Role, Stranded
from ctlint.ir.rule import Target
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import RuleRef

DEFAULT_ORPHAN_RETRIES: Final = 8
"""What tcp_orphan_retries=0 means while the retransmission timer is below its maximum."""


def retry_bound(retries: int) -> int:
    """Whole seconds that TCP goes on retransmitting, at least, counted from the first retry."""
    return model_timeout_ms(retries) // 1000


def stranded(stranding: Stranding, settings: Settings) -> Stranded:
    """The socket that stays behind when the decisive packet is lost."""
    lost, role = stranding.decisive, stranding.role
    if _resets_sender(stranding):
        return Stranded(end_name(role, lost.sender.other), "ESTABLISHED", None)
    return stranded_by(lost, role, settings)


def _resets_sender(stranding: Stranding) -> bool:
    """Whether the sender of a rejected FIN or of data gets a RST in its stead, and is closed.

    The RST has the sequence number that the lost packet acknowledged (nf_send_reset() in
    net/ipv4/netfilter/nf_reject_ipv4.c). It leaves the host as the receiver's own RST would; on a
    router it passes OUTPUT, which says nothing of forwarded connections: there no RST is assumed.
    """
    lost = stranding.decisive
    rule = lost.dropped_by.rule if isinstance(lost.dropped_by, RuleRef) else None
    target = rule.target if rule is not None else None
    option = target.get("reject-with") if isinstance(target, Target) else None
    return (
        lost.rejected
        and lost.kind in (Kind.FIN, Kind.DATA)
        and option is not None
        and option.value == "tcp-reset"
        and stranding.role is not Role.FORWARD
        and (lost.sender.other, Kind.RST) in stranding.case.passed
    )


def stranded_by(lost: Lost, role: Role, settings: Settings) -> Stranded:
    """The socket that a lost packet leaves behind, and for how long at least.

    Of an end that is another host the defaults are taken.
    """
    sender, receiver = end_name(role, lost.sender), end_name(role, lost.sender.other)
    if lost.stays_here:
        # This host has no such socket: it resets the sender's, and the other is none the wiser.
        return Stranded(receiver, "ESTABLISHED", None)
    if lost.kind is Kind.FIN:
        return Stranded(sender, "FIN_WAIT_1", _orphan_bound(sender, settings))
    if lost.kind is Kind.RST:
        return Stranded(receiver, "ESTABLISHED", None)
    if lost.kind is Kind.ACK:
        # The other end's FIN got through; this is its answer.
        return Stranded(receiver, "FIN_WAIT_1", _orphan_bound(receiver, settings))
    return Stranded(sender, "ESTABLISHED", retry_bound(_setting(sender, RETRIES2, 15, settings)))


def end_name(role: Role, end: Dir) -> str:
    """How findings name an end of the connection."""
    if role in (Role.FORWARD, Role.LOOPBACK):
        return "orig" if end is Dir.ORIGINAL else "reply"
    return "local" if (role is Role.CLIENT) is (end is Dir.ORIGINAL) else "remote"


def _orphan_bound(end: str, settings: Settings) -> int:
    retries = _setting(end, ORPHAN_RETRIES, 0, settings)
    return retry_bound(retries or DEFAULT_ORPHAN_RETRIES)


def _setting(end: str, name: str, default: int, settings: Settings) -> int:
    return settings.value(name) if end == "local" else default
