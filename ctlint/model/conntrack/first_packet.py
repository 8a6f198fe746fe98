# SPDX-License-Identifier: GPL-2.0-only
"""How conntrack judges a single TCP packet, with no entry and by the state of one.

Source: net/netfilter/nf_conntrack_proto_tcp.c, tcp_error(), tcp_new() and the state table as
nf_conntrack_tcp_packet() reads it; nf_conntrack_core.c, resolve_normal_ct(), for the ctstate.

Not considered here: windows, sequence numbers, expectations of helpers (RELATED), SYNPROXY,
NOTRACK, a full table (which drops the packet).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.status import Cell, CtState, Dir, Mark, Seg, TcpCt
from ctlint.model.conntrack.tcp_flags import get_conntrack_index, has_valid_flags
from ctlint.model.conntrack.tcp_table import tcp_table
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.tcp_flags import TcpFlags

_TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_"


class FirstPacket(NamedTuple):
    """What becomes of a packet that finds no entry.

    `cell` is what the state table says (None: the packet failed a check before it).
    `entry_state` is the state of the entry it makes, None where it makes none. `timeout` names
    the sysctl that the entry's lifetime comes from with the kernel's defaults, and `timeout_caps`
    those that shorten it where they are smaller. `reason` is set where the packet is INVALID.
    """

    ctstate: CtState
    seg: Seg
    cell: Cell | None
    entry_state: TcpCt | None = None
    timeout: str | None = None
    timeout_caps: tuple[str, ...] = ()
    reason: Reason | None = None

    def seconds(self, value_of: Callable[[str], int]) -> int | None:
        """The lifetime of the new entry by the sysctls that `value_of` reads; None without one."""
        if self.timeout is None:
            return None
        return min(value_of(name) for name in (self.timeout, *self.timeout_caps))


def classify_first(
    flags: TcpFlags, *, tcp_loose: bool, kernel: KernelProfile, checksum_ok: bool = True
) -> FirstPacket:
    """Port of tcp_error and tcp_new: a packet that belongs to no entry.

    Which end sends it makes no difference: whoever does becomes the original direction.
    `checksum_ok` is False for a wrong checksum that conntrack looks at: nf_conntrack_checksum is
    on, and the packet came in from outside (PREROUTING).
    """
    seg = get_conntrack_index(flags)
    if not checksum_ok:
        return FirstPacket(CtState.INVALID, seg, None, reason=Reason.BAD_CHECKSUM)
    if not has_valid_flags(flags):
        return FirstPacket(CtState.INVALID, seg, None, reason=Reason.INVALID_FLAGS)
    cell = tcp_table(kernel)[Dir.ORIGINAL][seg][TcpCt.NONE]
    if isinstance(cell, Mark):
        return FirstPacket(CtState.INVALID, seg, cell, reason=Reason.INVALID_NEW)
    if cell is not TcpCt.SYN_SENT and not tcp_loose:
        return FirstPacket(CtState.INVALID, seg, cell, reason=Reason.NOT_PICKED_UP)
    timeout, caps = _lifetime(cell, kernel)
    return FirstPacket(CtState.NEW, seg, cell, cell, timeout, caps)


def _lifetime(state: TcpCt, kernel: KernelProfile) -> tuple[str, tuple[str, ...]]:
    """Which sysctl sets the timer of a new entry, and which shorten it.

    The window of a first packet is not recorded (a SYN is no ACK; a pick-up is out of window and
    forgiven), which ZERO_WINDOW_TIMEOUT takes for a zero window. The exception, a pick-up whose
    acknowledgement is 0 or at most 66000 below, is left out: it shows only if the caps differ.
    """
    zero_window = (f"{_TIMEOUT}max_retrans",) if Feature.ZERO_WINDOW_TIMEOUT in kernel else ()
    if state is TcpCt.SYN_SENT:
        return f"{_TIMEOUT}syn_sent", zero_window
    established = f"{_TIMEOUT}established"
    if Feature.PICKUP_UNACKNOWLEDGED_TIMEOUT in kernel:
        return f"{_TIMEOUT}unacknowledged", (established, *zero_window)
    return established, zero_window


def classify_with_state(
    flags: TcpFlags, direction: Dir, state: TcpCt, kernel: KernelProfile, seen_reply: bool
) -> CtState:
    """The ctstate of a packet of a live entry, by flags and state table alone.

    Windows and sequence numbers are not considered: the packet is taken to be in window. Nor is
    what happened before: a SYN in TIME_WAIT or CLOSE is taken to reopen the connection, which in
    CLOSE it does only after a FIN, or after a RST of its own side. `seen_reply` says whether the
    entry had been replied to before this packet. Raises ValueError for TcpCt.NONE, which is the
    state of no entry: see `classify_first`.
    """
    if state is TcpCt.NONE:
        raise ValueError("an entry is never in state NONE")
    if not has_valid_flags(flags):
        return CtState.INVALID
    cell = tcp_table(kernel)[direction][get_conntrack_index(flags)][state]
    if cell is Mark.INVALID:
        return CtState.INVALID
    if cell is TcpCt.SYN_SENT and state >= TcpCt.TIME_WAIT:
        return CtState.NEW
    if direction is Dir.REPLY or seen_reply:
        return CtState.ESTABLISHED
    return CtState.NEW
