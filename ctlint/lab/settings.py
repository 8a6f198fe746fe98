# SPDX-License-Identifier: GPL-2.0-only
"""The sysctls of a box: those that the lab needs, and those that scenarios set."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from ctlint.lab.errors import LabError
from ctlint.lab.namespace import PrivateNetns
from ctlint.lab.timers import timeouts_of
from ctlint.model.kernel.sysctls import NETFILTER
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

_ROOT: Final = Path("/proc/sys")

_NEEDED: Final[Mapping[str, str]] = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    # The box says nothing by itself, and what REJECT says is not limited.
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.icmp_ratemask": "0",
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv6.icmp.ratemask": "",
    "net.ipv6.icmp.ratelimit": "0",
    # The flow label of what the box makes is none that a packet of ours may carry.
    "net.ipv6.auto_flowlabels": "0",
    "net.ipv6.conf.all.forwarding": "1",
    # No link-local address, so next to no packets of IPv6's own.
    "net.ipv6.conf.default.addr_gen_mode": "1",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    # Without a logger for its family, TRACE is silent, and so is conntrack.
    "net.netfilter.nf_log.2": "nfnetlink_log",
    "net.netfilter.nf_log.10": "nfnetlink_log",
    # 255: of all protocols.
    "net.netfilter.nf_conntrack_log_invalid": "255",
    "net.netfilter.nf_conntrack_timestamp": "1",
}
_MAY_BE_ABSENT: Final = ("net.ipv6.", "net.netfilter.nf_log.10")

_IGNORED: Final = frozenset((f"{NETFILTER}log_invalid", f"{NETFILTER}timestamp"))
"""They change nothing about packets, and the lab needs its own values."""

_GLOBAL: Final = frozenset(
    ("net.nf_conntrack_max", *(f"{NETFILTER}{name}" for name in ("max", "buckets", "expect_max")))
)
"""Those of the machine, not of a namespace. Kernels before 5.12 let a namespace write them."""

_NAME = re.compile(r"net(?:\.[A-Za-z0-9_]+)+")
_PREFIXES: Final = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6", 47: "gre", 132: "sctp"}


class Settings:
    """The sysctls of the box in a namespace. Raises LabError where one that is needed is absent."""

    def __init__(self, namespace: PrivateNetns) -> None:
        self._namespace = namespace
        self._files: dict[str, int | None] = {}
        self._defaults: dict[str, int] = {}
        self._set: dict[str, int] = {}
        with namespace.inside():
            for name, value in _NEEDED.items():
                _set_needed(name, value)
            folder = _ROOT / "net/netfilter"
            self._timeouts = {
                path.name.removeprefix("nf_conntrack_"): _read_number(path)
                for path in folder.glob("nf_conntrack_*_timeout*")
            }
        self._in_force = timeouts_of(self._timeouts)

    def close(self) -> None:
        """Close the files of sysctls."""
        for file in self._files.values():
            if file is not None:
                os.close(file)
        self._files.clear()

    def __enter__(self) -> Settings:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def timeouts(self, protocol: int) -> Collection[int]:
        """The timeouts in force of a protocol, in seconds."""
        return self._in_force.get(_PREFIXES.get(protocol, "generic"), ())

    def set(self, wanted: Mapping[str, int], *, only: bool = False) -> tuple[str, ...]:
        """Set sysctls by their full names; with `only`, all others go back to their defaults.

        Tells those that this kernel, or a namespace of its own, does not have or lets nobody
        write. Raises ScenarioError where the kernel refuses a value.
        """
        missing = tuple(
            name for name in wanted if name not in _IGNORED and self._file(name) is None
        )
        after = {
            name: value
            for name, value in wanted.items()
            if name not in _IGNORED and self._files[name] is not None
        }
        if only:
            after = {name: self._defaults[name] for name in self._set} | after
        for name, value in after.items():
            if self._set.get(name, self._defaults[name]) != value:
                self._write(name, value)
        return missing

    def _file(self, name: str) -> int | None:
        if name not in self._files:
            self._files[name] = None
            if name not in _GLOBAL and _NAME.fullmatch(name):
                try:
                    with self._namespace.inside():
                        self._defaults[name] = int(_path(name).read_text())
                        self._files[name] = os.open(_path(name), os.O_WRONLY | os.O_CLOEXEC)
                except (OSError, ValueError):
                    return None
        return self._files[name]

    def _write(self, name: str, value: int) -> None:
        file = self._file(name)
        assert file is not None
        try:
            os.pwrite(file, str(value).encode(), 0)
        except OSError as error:
            raise ScenarioError(f"{name} cannot be {value}: {error.strerror}") from None
        if value == self._defaults[name]:
            self._set.pop(name, None)
        else:
            self._set[name] = value
        short = name.removeprefix(NETFILTER)
        if short in self._timeouts:
            self._timeouts[short] = value
            self._in_force = timeouts_of(self._timeouts)


def _set_needed(name: str, value: str) -> None:
    path = _path(name)
    try:
        # Without O_CREAT: where /proc/sys is something else, no file is made.
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, f"{value}\n".encode())
        finally:
            os.close(file)
    except FileNotFoundError:
        if not name.startswith(_MAY_BE_ABSENT):
            raise LabError(f"this kernel has no sysctl {name}") from None
    except OSError as error:
        raise LabError(f"cannot write {path}: {error.strerror}") from None


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise LabError(f"{path} is no number") from None


def _path(name: str) -> Path:
    return _ROOT / name.replace(".", "/")
