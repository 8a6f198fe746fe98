# SPDX-License-Identifier: GPL-2.0-only
"""The sysctls that a host's TCP reads, and what its kernel does.

Source: net/ipv4/tcp_ipv4.c, tcp_sk_init(); Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import IPV4

_SOMAXCONN: Final = "net.core.somaxconn"

ASSUMED_SYN_BACKLOG: Final = 1024
"""tcp_max_syn_backlog where it is not given: it depends on memory, a host of some gigabytes has so
many or more."""

_LOWEST_PORT: Final = 32768
_HIGHEST_PORT: Final = 60999


@dataclass(frozen=True, slots=True)
class EndSettings:
    """The values in force, in the sysctls' own units. None: no limit, or the kernel lacks it.

    `has_timestamps` and `rfc1337` and the like are switches; `local_ports` is
    ip_local_port_range.
    """

    syn_retries: int
    syn_linear_timeouts: int
    synack_retries: int
    retries2: int
    orphan_retries: int
    max_orphans: int | None
    fin_timeout: int
    keepalive_time: int
    keepalive_intvl: int
    keepalive_probes: int
    has_timestamps: bool
    rfc1337: bool
    tw_recycle: bool
    tw_reuse: int
    tw_reuse_delay: int
    max_tw_buckets: int | None
    challenge_ack_limit: int | None
    invalid_ratelimit: int
    syncookies: int
    max_syn_backlog: int
    abort_on_overflow: bool
    rto_max_ms: int
    somaxconn: int
    local_ports: tuple[int, int] = (_LOWEST_PORT, _HIGHEST_PORT)


def read_end_settings(
    kernel: KernelProfile,
    sysctls: Mapping[str, int],
    local_ports: tuple[int, int] | None = None,
) -> EndSettings:
    """The settings of a kernel: its defaults, and the sysctls given by their full current names.

    A sysctl that the kernel does not have is without effect. `local_ports` are the two numbers of
    ip_local_port_range, which is no single number.
    """

    def maybe(name: str, default: int | None = None) -> int | None:
        full = name if "." in name else IPV4 + name
        if not kernel.has_sysctl(full):
            return default
        if full in sysctls:
            return sysctls[full]
        found = kernel.sysctl_default(full)
        return default if found is None else found

    def value(name: str, default: int = 0) -> int:
        found = maybe(name, default)
        assert found is not None
        return found

    return EndSettings(
        syn_retries=value("tcp_syn_retries"),
        syn_linear_timeouts=value("tcp_syn_linear_timeouts"),
        synack_retries=value("tcp_synack_retries"),
        retries2=value("tcp_retries2"),
        orphan_retries=value("tcp_orphan_retries"),
        max_orphans=maybe("tcp_max_orphans"),
        fin_timeout=value("tcp_fin_timeout"),
        keepalive_time=value("tcp_keepalive_time"),
        keepalive_intvl=value("tcp_keepalive_intvl"),
        keepalive_probes=value("tcp_keepalive_probes"),
        has_timestamps=value("tcp_timestamps") != 0,
        rfc1337=value("tcp_rfc1337") != 0,
        tw_recycle=value("tcp_tw_recycle") != 0,
        tw_reuse=value("tcp_tw_reuse"),
        tw_reuse_delay=value("tcp_tw_reuse_delay", 1000),
        max_tw_buckets=maybe("tcp_max_tw_buckets"),
        challenge_ack_limit=maybe("tcp_challenge_ack_limit"),
        invalid_ratelimit=value("tcp_invalid_ratelimit"),
        syncookies=value("tcp_syncookies"),
        max_syn_backlog=value("tcp_max_syn_backlog", ASSUMED_SYN_BACKLOG),
        abort_on_overflow=value("tcp_abort_on_overflow") != 0,
        rto_max_ms=value("tcp_rto_max_ms", 120_000),
        somaxconn=value(_SOMAXCONN),
        local_ports=local_ports or _default_ports(kernel),
    )


def _default_ports(kernel: KernelProfile) -> tuple[int, int]:
    """Up to 4.1 the range ended at 61000, which made it odd (inet_get_local_port_range)."""
    return (_LOWEST_PORT, _HIGHEST_PORT + (Feature.EVEN_PORTS_FIRST not in kernel))
