# SPDX-License-Identifier: GPL-2.0-only
"""The sysctls in force: what the input sets, else the kernel profile's defaults."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from ctlint.ir.sysctl import Setting, SysctlSet
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import NETFILTER, SYSCTLS, resolve

ESTABLISHED: Final = "net.netfilter.nf_conntrack_tcp_timeout_established"
CLOSE_WAIT: Final = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
LAST_ACK: Final = "net.netfilter.nf_conntrack_tcp_timeout_last_ack"
SYN_SENT: Final = "net.netfilter.nf_conntrack_tcp_timeout_syn_sent"
MAX_RETRANS: Final = "net.netfilter.nf_conntrack_tcp_timeout_max_retrans"
UNACKNOWLEDGED: Final = "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged"
UDP_STREAM: Final = "net.netfilter.nf_conntrack_udp_timeout_stream"
FLOWTABLE_TIMEOUT: Final = "net.netfilter.nf_flowtable_tcp_timeout"
TIME_WAIT: Final = "net.netfilter.nf_conntrack_tcp_timeout_time_wait"
TCP_LOOSE: Final = "net.netfilter.nf_conntrack_tcp_loose"
TCP_BE_LIBERAL: Final = "net.netfilter.nf_conntrack_tcp_be_liberal"
KEEPALIVE_TIME: Final = "net.ipv4.tcp_keepalive_time"
KEEPALIVE_INTERVAL: Final = "net.ipv4.tcp_keepalive_intvl"
KEEPALIVE_PROBES: Final = "net.ipv4.tcp_keepalive_probes"
ORPHAN_RETRIES: Final = "net.ipv4.tcp_orphan_retries"
RETRIES2: Final = "net.ipv4.tcp_retries2"
SYNACK_RETRIES: Final = "net.ipv4.tcp_synack_retries"
FIN_TIMEOUT: Final = "net.ipv4.tcp_fin_timeout"
SYN_COOKIES: Final = "net.ipv4.tcp_syncookies"
TIMESTAMPS: Final = "net.ipv4.tcp_timestamps"
TW_RECYCLE: Final = "net.ipv4.tcp_tw_recycle"
RTO_MAX: Final = "net.ipv4.tcp_rto_max_ms"
HELPER: Final = "net.netfilter.nf_conntrack_helper"
TABLE_BUCKETS: Final = "net.netfilter.nf_conntrack_buckets"
TABLE_COUNT: Final = "net.netfilter.nf_conntrack_count"
TABLE_MAX: Final = "net.netfilter.nf_conntrack_max"


_READINGS: Final = frozenset(
    {"kernel.osrelease", "kernel.ostype", "kernel.version", NETFILTER + "count"}
)
"""What the kernel says and nobody can set: mode 0444 in kernel/utsname_sysctl.c and
net/netfilter/nf_conntrack_standalone.c."""

MAX_DIGITS: Final = 19
"""Longer numbers are refused; so are negative ones, which none of these sysctls gives a meaning."""


class BadSettingError(Exception):
    """A sysctl that ctlint needs has a value that is not what is ``wanted`` of it."""

    def __init__(self, setting: Setting, wanted: str) -> None:
        super().__init__(f"{setting.key}: {setting.value!r} is not {wanted}")
        self.setting = setting


class Settings:
    """Values of sysctls by canonical name."""

    def __init__(self, given: SysctlSet, kernel: KernelProfile) -> None:
        self.given = given
        self.kernel = kernel
        self._overrides: dict[str, int] = {}

    def replaced(self, name: str, value: int) -> Settings:
        """The same settings with another value for one of them."""
        other = Settings(self.given, self.kernel)
        other._overrides = {**self._overrides, name: value}
        return other

    def is_replaced(self, name: str) -> bool:
        """Whether the value in force is neither the input's nor the kernel's."""
        return name in self._overrides

    def numbers(self) -> dict[str, int]:
        """The values that are not the kernel's defaults, as far as they are numbers."""
        found = {}
        for name in SYSCTLS:
            if self.setting(name) is None and not self.is_replaced(name):
                continue
            try:
                found[name] = self.value(name)
            except BadSettingError:
                continue  # whoever needs it says so
        return found

    def setting(self, name: str) -> Setting | None:
        """The line of the input that sets it, under its name or an older one."""
        found = self.given.get(name)
        if found is not None:
            return found
        known = resolve(name).sysctl
        for alias in (*known.mirrors, *known.obsolete):
            if self.kernel.has_sysctl(alias) and (found := self.given.get(alias)) is not None:
                return found
        return None

    def is_reading(self, setting: Setting) -> bool:
        """Whether the line stands in what a kernel printed (``sysctl -a``): then the kernel has the
        key, and the value is the one in force when it was read.
        """
        return setting.span.file in self._readings

    @cached_property
    def _readings(self) -> frozenset[str]:
        """The files that hold something that nobody can set."""
        return frozenset(
            file.file
            for run in self.given.runs
            for file in run.files
            if any(entry.key in _READINGS for entry in file.entries)
        )

    def value(self, name: str) -> int:
        """The value in force. Raises BadSettingError; ValueError for a name without a default."""
        if name in self._overrides:
            return self._overrides[name]
        found = self.setting(name)
        if found is not None:
            text = found.value.strip()
            if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
                raise BadSettingError(found, f"a whole number of up to {MAX_DIGITS} digits")
            return int(text)
        default = self.kernel.sysctl_default(name)
        if default is None:
            raise ValueError(f"{name} has no default in kernel {self.kernel.name}")
        return default
