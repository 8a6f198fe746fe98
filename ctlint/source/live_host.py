# SPDX-License-Identifier: GPL-2.0-only
"""A host that runs: the rules, settings, sets and links of the network namespace of this thread.

Reading changes nothing; see `ctlint.source.live_rules`. What cannot be read is named.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from ctlint.source.errors import SourceError
from ctlint.source.host_folders import Dump, HostTexts
from ctlint.source.live_links import Links, live_links
from ctlint.source.live_rules import LiveRules, Saved, has_module, live_rules
from ctlint.source.live_settings import SETTINGS, live_setting, live_settings
from ctlint.source.programs import printed, program

_SETS: Final = "ipset-save"
_COUNT: Final = "net.netfilter.nf_conntrack_count"
_MAX: Final = "net.netfilter.nf_conntrack_max"

_NEEDS_CONNTRACK: Final = re.compile(
    r"^-A .* (?:-m (?:conn\w+|ct\w*|cluster|helper|state)"
    r"|-j (?:CT|CONN\w+|DNAT|MASQUERADE|NETMAP|REDIRECT|SNAT|SYNPROXY))\b",
    re.MULTILINE,
)
"""Rules for which the kernel hooks conntrack in (callers of nf_ct_netns_get())."""


_NAMES_SETS: Final = re.compile(r"^-A .* (?:--match-set|-j SET)\b", re.MULTILINE)


class Conntrack(NamedTuple):
    """``entries`` of at most ``most``; None where nf_conntrack is not loaded. ``is_asked``: a rule
    needs it.
    """

    entries: int | None
    most: int | None
    is_asked: bool

    @property
    def is_used(self) -> bool:
        """Whether packets are tracked here, as far as that shows."""
        return self.is_asked or bool(self.entries)


class LiveHost(NamedTuple):
    """What was read. ``release`` is what ``uname -r`` prints; ``missing`` says what could not be
    read, and why.
    """

    name: str
    release: str
    rules: tuple[Saved, ...]
    settings: str
    sets: str
    links: Links
    conntrack: Conntrack
    missing: tuple[str, ...]

    def texts(self) -> HostTexts:
        """What lint and the others read. Raises SourceError where no rules could be read."""
        if not self.rules:
            raise self._nothing()
        dumps = (Dump(self._file(d.program), d.text, d.family) for d in self.rules)
        return HostTexts(
            self.name,
            tuple(dumps),
            sets=(Dump(self._file(_SETS), self.sets, None),) if self.sets else (),
            running=(self._file(SETTINGS), self.settings),
            unread=self.missing,
        )

    def _nothing(self) -> SourceError:
        where = f"the network namespace {self.name}" if self.name != HERE else "this host"
        if not self.missing:
            return SourceError(f"{where}: no table of iptables is loaded: nothing to check")
        hint = "rules are read as root: run it with sudo" if os.geteuid() else None
        return SourceError(f"{where}: no rules could be read: {self.missing[0]}", hint)

    def _file(self, name: str) -> str:
        return name if self.name == HERE else f"{self.name}:{name}"


HERE: Final = "live"
"""The name of the namespace that ctlint itself is in."""


def live_host(name: str = HERE) -> LiveHost:
    """Read the network namespace of this thread; ``name`` is what it is called."""
    found: LiveRules = live_rules()
    missing = list(found.missing)
    names_sets = any(_NAMES_SETS.search(dump.text) for dump in found.dumps)
    sets = _sets(missing) if names_sets else ""
    is_asked = any(_NEEDS_CONNTRACK.search(dump.text) for dump in found.dumps)
    return LiveHost(
        name,
        os.uname().release,
        found.dumps,
        live_settings(),
        sets,
        live_links(),
        Conntrack(live_setting(_COUNT), live_setting(_MAX), is_asked),
        tuple(missing),
    )


def _sets(missing: list[str]) -> str:
    if not has_module("ip_set", "ip_set_get_byname"):
        return ""
    path = program("ipset")
    if path is None:
        missing.append("ipsets: needs the program ipset")
        return ""
    try:
        said = printed([path, "save"])
    except SourceError as error:
        missing.append(error.message)
        return ""
    if said.complaint:
        missing.append(f"ipset save: {said.complaint}")
        return ""
    return said.text
