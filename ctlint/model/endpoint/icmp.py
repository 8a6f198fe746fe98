# SPDX-License-Identifier: GPL-2.0-only
"""What ICMP errors do to sockets.

Source: net/ipv4/tcp_ipv4.c, tcp_v4_err; net/ipv4/icmp.c, icmp_err_convert; their IPv6 twins;
Linux 6.12. Sockets have no IP_RECVERR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.model.endpoint.closing import fail
from ctlint.model.endpoint.happening import Errno, HappeningKind
from ctlint.model.endpoint.tcp_state import SYN_RECV, SYN_SENT
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, TCP
from ctlint.wire.sequence import LAST

if TYPE_CHECKING:
    from ctlint.model.endpoint.tcp_host import TcpHost

_UNREACHABLE: Final = 3
_UNREACHABLE_V6: Final = 1
_TIME_EXCEEDED: Final = {ICMP: 11}
_PARAMETER_PROBLEM: Final = 12

_ERRORS: Final = {
    0: Errno.ENETUNREACH,
    2: Errno.ENOPROTOOPT,
    3: Errno.ECONNREFUSED,
    6: Errno.ENETUNREACH,
    9: Errno.ENETUNREACH,
    11: Errno.ENETUNREACH,
}
"""icmp_err_convert by the code of "destination unreachable"; of the others EHOSTUNREACH."""

_ERRORS_V6: Final = {
    0: Errno.ENETUNREACH,
    4: Errno.ECONNREFUSED,
}
"""tab_unreach of net/ipv6/icmp.c; of the others EHOSTUNREACH (EACCES, which nobody is told)."""

_FRAGMENTATION_NEEDED: Final = 4


def _error_of(packet: Packet) -> Errno | None:
    kind, code = packet.icmp_type, packet.icmp_code
    if packet.protocol == ICMP:
        if kind == _UNREACHABLE and code is not None and code != _FRAGMENTATION_NEEDED:
            return _ERRORS.get(code, Errno.EHOSTUNREACH)
        return Errno.EHOSTUNREACH if kind == _TIME_EXCEEDED[ICMP] else None
    if kind == _UNREACHABLE_V6 and code is not None:
        return _ERRORS_V6.get(code, Errno.EHOSTUNREACH)
    return Errno.EHOSTUNREACH if kind == _UNREACHABLE_V6 + 2 else None


def tcp_v4_err(host: TcpHost, packet: Packet, now: Micros) -> None:
    """Port of tcp_v4_err: an error ends a connect() at once; of a connection it is remembered, as
    what is told when it times out. So it is of a connect() too while the call is at work on the
    socket: where the host's own firewall rejects the SYN, only the next one, a second later, makes
    connect() fail. No error of another host can come at the moment of the first SYN.
    """
    quoted = packet.quoted
    if quoted is None or quoted.protocol != TCP:
        return
    if quoted.sport is None or quoted.dport is None:
        return
    sk = host.find((quoted.family, quoted.saddr, quoted.sport, quoted.daddr, quoted.dport))
    error = _error_of(packet)
    if sk is None or error is None or sk.is_timewait:
        return
    if sk.request is not None:
        if quoted.seq == sk.request.snt_isn:
            sk.request.listener.drop(sk.request, now)
        return
    if (quoted.seq - sk.snd_una & LAST) > (sk.snd_nxt - sk.snd_una & LAST):
        return  # quotes what was not sent, or was acknowledged
    is_owned = sk.state is SYN_SENT and sk.rtx[0].times == 1 and sk.rtx[0].sent_at == now
    if sk.state in (SYN_SENT, SYN_RECV) and not is_owned:
        fail(sk, HappeningKind.CONNECT_FAILED, error, now)
    else:
        sk.soft_error = error
