# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of the sockets when one packet is lost or rejected, in a sentence.

Sources: those of :mod:`ctlint.analysis.consequence`; RFC 5461 for ICMP errors; for REJECT
iptables-extensions(8) and nf_send_reset() (net/ipv4/netfilter/nf_reject_ipv4.c).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.analysis.consequence import end_name, ends_of, lasting, stranded_by
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.lasting import of_connect
from ctlint.analysis.losses import Kind, Lost, Nature
from ctlint.analysis.settings import Settings
from ctlint.analysis.tracking import Inquiry, Tracking
from ctlint.finding import Role, Stranded
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir, Seg
from ctlint.model.kernel.features import Feature
from ctlint.model.netfilter.reject import TCP_RESET

TIMEOUT_CLOSE: Final = "net.netfilter.nf_conntrack_tcp_timeout_close"

_SOCKET: Final = {
    "local": "the local socket",
    "remote": "the peer's socket",
    "orig": "the client's socket",
    "reply": "the server's socket",
}


class SocketFate(NamedTuple):
    """A sentence, and the socket that stays behind where one does."""

    sentence: str
    stranded: Stranded | None = None


def socket_fate(
    inquiry: Inquiry, tracking: Tracking, end: End, settings: Settings
) -> SocketFate | None:
    """What follows from the end of this packet's way; None where nothing is lost, or nothing is
    known of it. Of an end that is another host the defaults are taken.
    """
    if end.cause is None or end.hook is None or tracking.seg is None:
        return None
    if not tracking.has_valid_flags or tracking.seg is Seg.NONE:
        return SocketFate("no TCP sends these flags, so no socket waits for this packet")
    if end.disposition is Disposition.REJECTED:
        fate = _rejected(end, tracking.seg)
        return fate._replace(sentence=fate.sentence + _closed(end, tracking, inquiry, settings))
    if end.disposition is Disposition.UNDECIDED:
        return None
    sender = end_name(inquiry.role, inquiry.sender)
    receiver = end_name(inquiry.role, inquiry.sender.other)
    if tracking.seg is Seg.SYN:
        return _unanswered(sender, inquiry.role, settings)
    if tracking.seg is Seg.SYNACK:
        if inquiry.sender is Dir.ORIGINAL:
            return None
        fate = _unanswered(receiver, inquiry.role, settings)
        return SocketFate(f"the SYN stays without an answer: {fate.sentence}", fate.stranded)
    kind = _kind(inquiry, tracking.seg)
    lost = Lost(
        inquiry.sender,
        kind,
        tracking.ctstate,
        end.cause,
        end.hook,
        rejected=False,
        nature=Nature.CATCH_ALL,
        dropped_by=end.cause,
    )
    left = stranded_by(lost, inquiry.role, settings)
    return SocketFate(_sentence(kind, left, _SOCKET[sender], _SOCKET[receiver]), left)


def _kind(inquiry: Inquiry, seg: Seg) -> Kind:
    if seg is Seg.FIN:
        return Kind.FIN
    if seg is Seg.RST:
        return Kind.RST
    return Kind.DATA if _has_data(inquiry) else Kind.ACK


def _has_data(inquiry: Inquiry) -> bool:
    packet = inquiry.packet
    return packet.payload > 0 or (
        packet.flags is not None and bool(packet.flags & Kind.DATA.flags & ~Kind.ACK.flags)
    )


def _sentence(kind: Kind, left: Stranded, sender: str, receiver: str) -> str:
    seconds = f" for {span_of(left)}" if left.seconds is not None else ""
    if kind is Kind.FIN:
        return (
            f"{sender} stays in {left.state}{seconds}, sending the FIN again and again; "
            f"{receiver} stays ESTABLISHED"
        )
    if kind is Kind.RST:
        return (
            f"{receiver} stays {left.state}: nothing ends it but data or keepalives of its own; "
            f"{sender} is gone already"
        )
    if kind is Kind.ACK:
        return f"if this answers a FIN, {receiver} stays in {left.state}{seconds}"
    return (
        f"{sender} stays {left.state}, sending the data again{seconds}, until the application "
        "gets ETIMEDOUT"
    )


def _unanswered(end: str, role: Role, settings: Settings) -> SocketFate:
    left = lasting(end, "SYN_SENT", of_connect(settings.kernel, ends_of(end, role, settings)))
    after = f" after {span_of(left)}" if left.seconds is not None else ""
    return SocketFate(
        f"{_SOCKET[end]} stays in SYN_SENT; connect() fails with ETIMEDOUT{after}", left
    )


def span_of(left: Stranded) -> str:
    """For how long a socket stays: "106 to 158 s"."""
    if left.seconds == left.at_most:
        return f"{left.seconds} s"
    return f"{left.seconds} to {left.at_most} s"


def _is_reset(end: End) -> bool:
    target = end.cause.rule.target if isinstance(end.cause, RuleRef) else None
    option = target.get("reject-with") if isinstance(target, Target) else None
    return option is not None and option.value == TCP_RESET


def _closed(end: End, tracking: Tracking, inquiry: Inquiry, settings: Settings) -> str:
    """What REJECT does to the packet's entry; see nf_conntrack_tcp_set_closing."""
    if tracking.makes_entry:
        return "; the packet leaves no entry behind"
    if not inquiry.entry.is_alive or tracking.ctstate is CtState.INVALID:
        return ""
    is_closed = _is_reset(end) and tracking.seg is not Seg.RST
    if is_closed and Feature.REJECT_CLOSES_ENTRY in settings.kernel:
        seconds = settings.value(TIMEOUT_CLOSE)
        return f"; the RST puts the entry into CLOSE, where it lives {seconds} s"
    return "; its entry stays as the packet left it"


def _rejected(end: End, seg: Seg) -> SocketFate:
    if _is_reset(end):
        if seg is Seg.RST:
            return SocketFate("a RST is not answered: to the other end it is as good as dropped")
        return SocketFate(
            "the sender gets a RST and its socket is closed, if the rules let that RST pass"
        )
    if seg is Seg.SYN:
        return SocketFate(
            "the sender gets an ICMP error, if the rules let it pass: connect() fails at once"
        )
    return SocketFate(
        "the sender gets an ICMP error, which ends no open connection: it goes on sending"
    )
