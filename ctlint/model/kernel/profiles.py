# SPDX-License-Identifier: GPL-2.0-only
"""Kernels by name: each is the set of the changes that it has.

A mainline name ("5.10") means the last release of that line, so it has what its stable branch took
over, as far as that is known; "rhel6", "rhel7" and "rhel8" mean the newest tree of each that was
read (2.6.32-642, 3.10.0-1160, 4.18.0-394). "openwrt-5.4" and "openwrt-5.15" are their lines with
OpenWrt's sysctl nf_conntrack_tcp_no_window_check. Vendor patches of other distributions are not
known, and kernels of RHEL 9 and 10 have no profile.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple

from ctlint.model.kernel.features import Feature, Version
from ctlint.model.kernel.sysctls import NETFILTER, resolve

_SHOWN = 80
"""How much of a wrong name a message repeats."""


class UnknownKernel(ValueError):  # noqa: N818 (named for what is wrong)
    """No profile has this name; `suggestions` are names of profiles that come near."""

    def __init__(self, name: str, suggestions: tuple[str, ...]) -> None:
        hint = f": the nearest known is {suggestions[0]}" if suggestions else ""
        super().__init__(f"unknown kernel {name[:_SHOWN]!r}{hint}")
        self.name = name
        self.suggestions = suggestions


@dataclass(frozen=True, slots=True)
class KernelProfile:
    """A named set of changes. `lifetime` says how long it is or was maintained, where known.

    `patches` are the sysctls that no other kernel has, by their full names, with their defaults.
    """

    name: str
    version: Version
    features: frozenset[Feature]
    description: str = field(compare=False)
    lifetime: str | None = field(compare=False, default=None)
    patches: tuple[tuple[str, int], ...] = field(compare=False, default=())

    def __contains__(self, feature: Feature) -> bool:
        return feature in self.features

    def is_past(self, since: Feature | Version) -> bool:
        """Whether this kernel is past a change, given by name or by its first release."""
        return since in self.features if isinstance(since, Feature) else self.version >= since

    def has_sysctl(self, name: str) -> bool:
        """Whether this kernel, built with every option, knows a sysctl by this name.

        Raises UnknownSysctl for a name that no kernel has.
        """
        sysctl, full = resolve(name)
        if sysctl.vendor is not None:
            return full in dict(self.patches)
        if full in sysctl.obsolete and Feature.IP_CONNTRACK_NAMES_GONE in self.features:
            return False
        if sysctl.since is not None and not self.is_past(sysctl.since):
            return False
        return sysctl.gone is None or not self.is_past(sysctl.gone)

    def sysctl_default(self, name: str) -> int | None:
        """The default of a sysctl, in its own unit.

        None where this kernel does not have it, or where the default depends on memory or is
        not known. Raises UnknownSysctl for a name that no kernel has.
        """
        if not self.has_sysctl(name):
            return None
        sysctl = resolve(name).sysctl
        default = dict(self.patches).get(sysctl.name, sysctl.default)
        for delta in sysctl.deltas:  # newest first: the oldest that is missing decides
            if delta.feature not in self.features:
                default = delta.before
        return default


_MAINLINE: tuple[tuple[Version, range], ...] = (
    ((2, 6), range(32, 40)),
    ((3,), range(20)),
    ((4,), range(21)),
    ((5,), range(20)),
    ((6,), range(20)),
    ((7,), range(4)),
)


class _Vendor(NamedTuple):
    """A tree of a distribution, by the line that it is based on."""

    name: str
    version: Version
    description: str
    patches: tuple[tuple[str, int], ...] = ()


_NO_WINDOW_CHECK = NETFILTER + "tcp_no_window_check"

_VENDOR: tuple[_Vendor, ...] = (
    _Vendor("rhel6", (2, 6, 32), "Red Hat Enterprise Linux 6 and rebuilds, as of 2.6.32-642.el6"),
    _Vendor("rhel7", (3, 10), "Red Hat Enterprise Linux 7 and rebuilds, as of 3.10.0-1160.el7"),
    _Vendor("rhel8", (4, 18), "Red Hat Enterprise Linux 8 and rebuilds, as of 4.18.0-394.el8"),
    _Vendor("openwrt-5.4", (5, 4), "OpenWrt's 5.4, windows unchecked", ((_NO_WINDOW_CHECK, 1),)),
    _Vendor("openwrt-5.15", (5, 15), "OpenWrt's 5.15, windows checked", ((_NO_WINDOW_CHECK, 0),)),
)

_LIFETIMES: Mapping[str, str] = MappingProxyType(
    {
        "2.6.32": "longterm, ended in March 2016",
        "3.2": "longterm, ended in May 2018",
        "3.10": "longterm, ended in November 2017",
        "3.16": "longterm, ended in June 2020",
        "4.4": "longterm, ended in February 2022",
        "4.9": "longterm, ended in January 2023",
        "4.14": "longterm, ended in January 2024",
        "4.19": "longterm, ended in December 2024",
        "5.4": "longterm, ended in December 2025",
        "5.10": "longterm",
        "5.15": "longterm",
        "6.1": "longterm",
        "6.6": "longterm",
        "6.12": "longterm",
        "6.18": "longterm",
        "rhel6": "maintenance ended in November 2020",
        "rhel7": "maintenance ended in June 2024",
        "rhel8": "maintenance until May 2029",
    }
)


def _profile(name: str, version: Version, description: str) -> KernelProfile:
    """Gathers the changes of a kernel: those of its version, and those backported to it."""
    features = frozenset(
        feature for feature, since, names in _FEATURES if version >= since or name in names
    )
    return KernelProfile(name, version, features, description, _LIFETIMES.get(name))


# Asked once: each kernel is asked for each feature when this module is imported.
_FEATURES: Final = tuple(
    (feature, feature.since, frozenset(backport.profile for backport in feature.backports))
    for feature in Feature
)


def _profiles() -> Iterator[KernelProfile]:
    """All profiles in the order of their base version, a vendor's after the line it is based on."""
    vendors = {vendor.version: vendor for vendor in _VENDOR}
    for prefix, numbers in _MAINLINE:
        for number in numbers:
            version = (*prefix, number)
            name = ".".join(map(str, version))
            yield _profile(name, version, f"Linux {name}, the last release of its stable branch")
            if version in vendors:
                vendor = vendors[version]
                own = _profile(vendor.name, version, vendor.description)
                if vendor.patches:  # the stable tree of its line, and the patches
                    line = _profile(name, version, vendor.description)
                    own = replace(own, features=line.features, patches=vendor.patches)
                yield own


_PROFILES: Mapping[str, KernelProfile] = MappingProxyType({p.name: p for p in _profiles()})

NEWEST: KernelProfile = tuple(_PROFILES.values())[-1]
"""The kernel that is assumed where none is named."""

_RELEASE = re.compile(
    r"(?P<major>[0-9]{1,3})\.(?P<minor>[0-9]{1,3})(?:\.(?P<patch>[0-9]{1,3}))?"
    r"(?P<rest>[.+~_-][!-~]*)?"
)
"""What `uname -r` prints: numbers, then whatever the builder added."""

_ENTERPRISE = re.compile(r"\.el(?P<release>[0-9]{1,2})(?![0-9a-z])")
"""The tag of a kernel of Red Hat; ".el8uek" and the like are somebody else's kernel."""

_ENTERPRISE_BASES: Mapping[int, Version] = MappingProxyType(
    {6: (2, 6, 32), 7: (3, 10, 0), 8: (4, 18, 0), 9: (5, 14, 0), 10: (6, 12, 0)}
)


def all_profiles() -> tuple[KernelProfile, ...]:
    """Every profile, oldest first; a vendor's stands after the mainline line it is based on."""
    return tuple(_PROFILES.values())


def profile(name: str) -> KernelProfile:
    """The profile of a name ("5.10", "rhel7") or of what `uname -r` prints ("5.10.0-28-amd64").

    Raises UnknownKernel.
    """
    text = name.strip().lower()
    if (exact := _PROFILES.get(text)) is not None:
        return exact
    release = _RELEASE.fullmatch(text)
    if release is None:
        close = difflib.get_close_matches(text[:32], list(_PROFILES), n=3, cutoff=0.6)
        raise UnknownKernel(name, tuple(close))
    numbers = tuple(int(n) for n in release.group("major", "minor", "patch") if n is not None)
    length = 3 if numbers[:2] == (2, 6) else 2
    line = ".".join(map(str, numbers[:length]))
    rest = release["rest"] or ""
    enterprise = _ENTERPRISE.search(rest)
    if enterprise is not None and "elrepo" not in rest:
        number = int(enterprise["release"])
        if _ENTERPRISE_BASES.get(number) == numbers:
            vendor = _PROFILES.get(f"rhel{number}")
            if vendor is None:  # what it took over from newer kernels is not known
                raise UnknownKernel(name, (line,))
            return vendor
    if line in _PROFILES:
        return _PROFILES[line]
    lines = [known for known in _PROFILES.values() if known.name[0].isdigit()]
    before = [known for known in lines if known.version <= numbers]
    raise UnknownKernel(name, ((before or lines[:1])[-1].name,))
