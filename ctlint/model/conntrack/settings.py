# SPDX-License-Identifier: GPL-2.0-only
"""The sysctls that conntrack reads, in its own units.

Source: net/netfilter/nf_conntrack_standalone.c; the timeouts as `struct nf_tcp_net` and its
siblings hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from ctlint.model.conntrack.status import TcpCt
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import NETFILTER, OBSOLETE
from ctlint.wire.moments import SECOND, Micros

RETRANS: Final = 10
"""Index of nf_conntrack_tcp_timeout_max_retrans among the TCP timeouts, behind the states."""

UNACK: Final = 11
"""Index of nf_conntrack_tcp_timeout_unacknowledged."""

_TCP_NAMES: Final = {
    TcpCt.SYN_SENT: "syn_sent",
    TcpCt.SYN_RECV: "syn_recv",
    TcpCt.ESTABLISHED: "established",
    TcpCt.FIN_WAIT: "fin_wait",
    TcpCt.CLOSE_WAIT: "close_wait",
    TcpCt.LAST_ACK: "last_ack",
    TcpCt.TIME_WAIT: "time_wait",
    TcpCt.CLOSE: "close",
    RETRANS: "max_retrans",
    UNACK: "unacknowledged",
}

TcpTimeouts: TypeAlias = tuple[Micros, ...]
"""One timeout for each TcpCt, then RETRANS and UNACK; that of NONE is never used."""


class UdpTimeouts(NamedTuple):
    """Lifetimes of a UDP entry: until it is a stream, and from then on."""

    unreplied: Micros
    replied: Micros


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force. Timeouts are in microseconds; `max_entries` 0 means no limit."""

    tcp_loose: bool
    tcp_be_liberal: bool
    tcp_ignore_invalid_rst: bool
    tcp_no_window_check: bool
    tcp_max_retrans: int
    checksum: bool
    acct: bool
    max_entries: int
    tcp: TcpTimeouts
    udp: UdpTimeouts
    icmp: Micros
    icmpv6: Micros
    generic: Micros


def read_settings(kernel: KernelProfile, sysctls: Mapping[str, int]) -> Settings:
    """The settings of a kernel: its defaults, and the sysctls given by their full current names.

    A sysctl that the kernel does not have is without effect; a table size that depends on memory
    is no limit.
    """

    def value(name: str, default: int = 0) -> int:
        if not kernel.has_sysctl(name):
            return default
        if name in sysctls:
            return sysctls[name]
        found = kernel.sysctl_default(name)
        return default if found is None else found

    def seconds(short: str) -> Micros:
        return value(NETFILTER + short) * SECOND

    def tcp_timeout(index: int) -> Micros:
        if index == TcpCt.NONE:
            return 0
        if index == TcpCt.SYN_SENT2:  # its only name is gone, the timeout is not
            return value(f"{OBSOLETE}tcp_timeout_syn_sent2", 120) * SECOND
        return seconds(f"tcp_timeout_{_TCP_NAMES[index]}")

    def is_on(short: str) -> bool:
        return value(NETFILTER + short) != 0

    return Settings(
        tcp_loose=is_on("tcp_loose"),
        tcp_be_liberal=is_on("tcp_be_liberal"),
        tcp_ignore_invalid_rst=is_on("tcp_ignore_invalid_rst"),
        tcp_no_window_check=is_on("tcp_no_window_check"),
        tcp_max_retrans=value(NETFILTER + "tcp_max_retrans"),
        checksum=is_on("checksum"),
        acct=is_on("acct"),
        max_entries=value(NETFILTER + "max"),
        tcp=tuple(tcp_timeout(index) for index in range(UNACK + 1)),
        udp=UdpTimeouts(seconds("udp_timeout"), seconds("udp_timeout_stream")),
        icmp=seconds("icmp_timeout"),
        icmpv6=seconds("icmpv6_timeout"),
        generic=seconds("generic_timeout"),
    )
