# SPDX-License-Identifier: GPL-2.0-only
"""What a lost packet does to the two sockets.

Sources: RFC 9293 section 3.6. How long FIN_WAIT_1 and LAST_ACK last was measured with real sockets
on 5.10 and 6.18, with short round trips: 106 to 110 s with the default of tcp_orphan_retries.
"""

from __future__ import annotations

from typing import Final

from ctlint.analysis.lasting import Lasting, of_close, of_data
from ctlint.analysis.losses import Kind, Lost, Stranding
from ctlint.analysis.settings import ORPHAN_RETRIES, RETRIES2, Settings
from ctlint.finding import Role, Stranded
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import Dir
from ctlint.model.endpoint.settings import EndSettings, read_end_settings
from ctlint.model.netfilter.hooks import Hook


def stranded(stranding: Stranding, settings: Settings) -> Stranded:
    """The socket that stays behind when the decisive packet is lost."""
    lost, role = stranding.decisive, stranding.role
    if _resets_sender(stranding):
        return Stranded(end_name(role, lost.sender.other), "ESTABLISHED", None, None)
    return stranded_by(lost, role, settings)


def _resets_sender(stranding: Stranding) -> bool:
    """Whether the sender of a rejected FIN or of data gets a RST in its stead, and is closed.

    The RST has the sequence number that the lost packet acknowledged (nf_send_reset() in
    net/ipv4/netfilter/nf_reject_ipv4.c). It leaves the host as the receiver's own RST would; on a
    router it passes OUTPUT, which says nothing of forwarded connections: there no RST is assumed.
    """
    lost = stranding.decisive
    return (
        is_reset(lost)
        and lost.kind in (Kind.FIN, Kind.DATA)
        and stranding.role is not Role.FORWARD
        and (lost.sender.other, Kind.RST) in stranding.case.passed
    )


def is_reset(lost: Lost) -> bool:
    """Whether a lost packet is answered with a RST by what loses it."""
    rule = lost.dropped_by.rule if isinstance(lost.dropped_by, RuleRef) else None
    target = rule.target if rule is not None else None
    option = target.get("reject-with") if isinstance(target, Target) else None
    return lost.rejected and option is not None and option.value == "tcp-reset"


def stranded_by(lost: Lost, role: Role, settings: Settings) -> Stranded:
    """The socket that a lost packet leaves behind, and for how long.

    Of an end that is another host the kernel's defaults are taken.
    """
    sender, receiver = end_name(role, lost.sender), end_name(role, lost.sender.other)
    if lost.stays_here:
        # This host has no such socket: it resets the sender's, and the other is none the wiser.
        return Stranded(receiver, "ESTABLISHED", None, None)
    if lost.kind is Kind.FIN:
        is_refused = _is_own(sender, role) and lost.hook in _OUTPUT
        ends = ends_of(sender, role, settings)
        return lasting(sender, "FIN_WAIT_1", of_close(settings.kernel, ends, is_refused=is_refused))
    if lost.kind is Kind.RST:
        return Stranded(receiver, "ESTABLISHED", None, None)
    if lost.kind is Kind.ACK:
        # The other end's FIN got through; this is its answer.
        ends = ends_of(receiver, role, settings)
        return lasting(receiver, "FIN_WAIT_1", of_close(settings.kernel, ends, is_refused=False))
    repeats = of_data(settings.kernel, ends_of(sender, role, settings))
    return lasting(sender, "ESTABLISHED", repeats)


_OUTPUT: Final = frozenset({Hook.LOCAL_OUT, Hook.POSTROUTING})
"""Where a host drops a packet of its own, the call that sends it fails (EPERM)."""


def lasting(end: str, state: str, span: Lasting | None) -> Stranded:
    """A socket that stays behind for so long, or for ever."""
    least, most = (None, None) if span is None else span
    return Stranded(end, state, least, most)


def ends_of(end: str, role: Role, settings: Settings) -> EndSettings:
    """The settings of an end's TCP. Raises BadSettingError."""
    if not _is_own(end, role):
        return read_end_settings(settings.kernel, {})
    for name in (ORPHAN_RETRIES, RETRIES2):
        settings.value(name)
    return read_end_settings(settings.kernel, settings.numbers())


def _is_own(end: str, role: Role) -> bool:
    """Whether an end is the host with the rules."""
    return end == "local" or role is Role.LOOPBACK


def end_name(role: Role, end: Dir) -> str:
    """How findings name an end of the connection."""
    if role in (Role.FORWARD, Role.LOOPBACK):
        return "orig" if end is Dir.ORIGINAL else "reply"
    return "local" if (role is Role.CLIENT) is (end is Dir.ORIGINAL) else "remote"
