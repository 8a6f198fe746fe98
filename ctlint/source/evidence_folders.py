# SPDX-License-Identifier: GPL-2.0-only
"""The evidence of a host from a folder: what ``ctlint collect`` writes, or the same files by hand.

A file's name says what it holds; ``.later`` behind it marks the second of two dumps. The newest
sockets and entries count: the first ones say what has lasted since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from ctlint.analysis.evidence import Evidence
from ctlint.ir.evidence import EntryLine, EntryTable, Route
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.span import Span
from ctlint.ir.sysctl import SysctlSet
from ctlint.parse.conntrack import parse_conntrack
from ctlint.parse.counters import parse_counters
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.ip_routes import has_usual_rules, parse_routes
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.kernel_log import parse_kernel_log
from ctlint.parse.ss import parse_ss
from ctlint.source.dumps import first_line
from ctlint.source.errors import SourceError
from ctlint.source.files import read_text
from ctlint.source.host_folders import BACKEND_RULES, FOLDER_RULES, SOS_FOLDERS, require_inside
from ctlint.source.inputs import HostInput, read_inputs
from ctlint.source.sysctl_files import read_sysctls
from ctlint.wire.addresses import Family

SOCKETS: Final = ("ss", "ss-tanoi", "ss-tano", "ss-tan", "sos_commands/networking/ss_-peaonmi")
ENTRIES: Final = ("conntrack", "conntrack-L", "nf_conntrack", "proc/net/nf_conntrack")
ENTRIES_IPV6: Final = ("conntrack6", "conntrack-L-ipv6")
COUNTERS: Final = (
    *("nstat", "nstat-az", "netstat-s", "netstat", "proc/net/netstat"),
    *("sos_commands/networking/nstat_-zas", "sos_commands/networking/netstat_-s"),
)
LOG: Final = ("dmesg", "kernel.log", "journal", "sos_commands/kernel/dmesg")
RELEASE: Final = ("uname", "uname-r", "sos_commands/kernel/uname_-a")
DATE: Final = ("date",)
ROUTES: Final = {
    Family.IPV4: ("ip-rule", "ip-route"),
    Family.IPV6: ("ip-rule6", "ip-route6"),
}
"""Of each family what decides on the table of routes, and the main table."""
SETTINGS: Final = ("sysctl", "sysctl-a")
LATER: Final = ".later"
MANIFEST: Final = "manifest"

_T = TypeVar("_T")
_MISSING: Final = re.compile(r"([\w.-]{1,60}): missing: (.{1,300})")
_WITHOUT: Final = {
    "ss": ("sockets", "no socket was looked at"),
    "conntrack": (
        "conntrack entries",
        "whether a connection still has its entry is not known",
    ),
    "iptables-save": ("rules", "which rule eats a packet is not known"),
    "nstat": ("counters twice", "whether queues overflow now is not known"),
    "dmesg": ("kernel log", "no logged packet was looked for"),
    "sysctl": ("settings", "the kernel's defaults are taken"),
}
_NO_TABLE: Final = "*filter\nCOMMIT\n"
_LONGEST_INTERVAL: Final = 86_400


def read_evidence(folder: str, interval: int | None = None) -> Evidence:
    """Read a folder. ``interval``: seconds between the two dumps, where its files do not say.

    Raises SourceError where it is none or holds nothing of this, else ParseError with the problems
    of all its files.
    """
    try:
        return _Reader(Path(folder)).evidence(folder, interval)
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        # A name with a NUL byte.
        raise SourceError(f"{folder!r}: {error}") from error


class _Reader:
    """Reads the files of a folder, and collects what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.files: list[tuple[str, str]] = []

    def evidence(self, name: str, interval: int | None) -> Evidence:
        if not self.folder.is_dir():
            raise SourceError(f"{name}: no folder", "`ctlint collect` writes one")
        host = self.host()
        later = self.later_rules(host)
        earlier = self.parsed(SOCKETS, parse_ss)
        sockets = self.parsed(SOCKETS, parse_ss, later=True)
        if sockets is None:
            earlier, sockets = None, earlier
        earlier_entries, entries = self.entries(later=False), self.entries(later=True)
        if entries is None:
            earlier_entries, entries = None, earlier_entries
        counters = self.parsed(COUNTERS, parse_counters)
        later_counters = self.parsed(COUNTERS, parse_counters, later=True)
        log = self.parsed(LOG, parse_kernel_log)
        routes = self.routes()
        release = self.line(RELEASE)
        dates = (self.line(DATE), self.line(DATE, later=True))
        if self.problems:
            raise ParseError(tuple(self.problems))
        has_any = sockets or entries or counters or log
        if not has_any and not (host.rulesets and host.sysctls.runs):
            raise SourceError(
                f"{name}: no evidence in this folder",
                "it has none of ss, conntrack, nstat, dmesg; `ctlint collect` writes such a folder",
            )
        return Evidence(
            name,
            host.rulesets,
            later,
            host.sysctls,
            host.sets,
            sockets,
            earlier,
            entries,
            earlier_entries,
            counters,
            later_counters,
            log,
            routes,
            _release(release),
            dates[1] or dates[0],
            interval if interval is not None else _distance(*dates),
            tuple(self.files),
            tuple(self.missing()),
        )

    # Rules and settings

    def host(self) -> HostInput:
        """Rules, settings and sets, as all commands read them of a host's folder."""
        host = HostInput(str(self.folder), (), SysctlSet(()), {}, {})
        try:
            if self.has_rules():
                host = read_inputs([str(self.folder)])[0]
            elif (settings := self.file(SETTINGS)) is not None:
                host = replace(host, sysctls=read_sysctls([str(settings)]))
        except ParseError as error:
            self.problems += error.problems
        return replace(host, rulesets=(*host.rulesets, *self.empty(host)))

    def has_rules(self) -> bool:
        """Whether a file of rules has something in it."""
        if any((self.folder / name).is_dir() for name in SOS_FOLDERS):
            return True
        names = (*BACKEND_RULES.values(), *FOLDER_RULES.values())
        paths = (self.file((name,)) for group in names for name in group)
        return any(path is not None and first_line(read_text(str(path))) for path in paths)

    def empty(self, host: HostInput) -> Iterator[Ruleset]:
        """Families without a table: the script has seen that there is none."""
        if self.file((MANIFEST,)) is None:
            return
        for family, names in FOLDER_RULES.items():
            path = self.file(names[:1])
            is_read = any(ruleset.family is family for ruleset in host.rulesets)
            if path is not None and not is_read and not first_line(read_text(str(path))):
                yield from parse_rulesets(_NO_TABLE, str(path), family)

    def later_rules(self, host: HostInput) -> tuple[Ruleset, ...]:
        """The second dump of each family's rules."""
        found: list[Ruleset] = []
        for ruleset in host.rulesets:
            path = self.later(Path(ruleset.file))
            if path is None:
                continue
            text = read_text(str(path))
            if not first_line(text):
                text = _NO_TABLE
            try:
                found += parse_rulesets(text, str(path), ruleset.family)
            except ParseError as error:
                self.problems += error.problems
        return tuple(found)

    # Tables

    def entries(self, *, later: bool) -> EntryTable | None:
        """All entries, and the families that are in them: conntrack -L up to 1.4.5 lists those of
        IPv4 only, unless it is asked for the others.
        """
        path = self.file(ENTRIES, later=later)
        if path is None:
            return None
        other = self.file(ENTRIES_IPV6, later=later)
        files: list[str] = []
        entries: list[EntryLine] = []
        for each in (path, other):
            if each is None:
                continue
            files.append(str(each))
            try:
                entries += parse_conntrack(read_text(str(each)), str(each))
            except ParseError as error:
                self.problems += error.problems
        families = {Family.IPV4, *(entry.family for entry in entries)}
        if other is not None or self.is_of_kernel(path):
            families.add(Family.IPV6)
        return EntryTable(tuple(files), tuple(entries), frozenset(families))

    def is_of_kernel(self, path: Path) -> bool:
        """Whether the file is /proc/net/nf_conntrack, which has all families."""
        if path.name.startswith("nf_conntrack"):
            return True
        return f"{path.name}: cat /proc/net/nf_conntrack" in self.manifest().splitlines()

    def routes(self) -> tuple[Route, ...]:
        """The routes of the main table, where there is no policy routing."""
        found: list[Route] = []
        for family, (rules_name, routes_name) in ROUTES.items():
            rules, routes = self.file((rules_name,)), self.file((routes_name,))
            if rules is None or routes is None:
                continue
            try:
                if has_usual_rules(read_text(str(rules)), str(rules)):
                    found += parse_routes(read_text(str(routes)), str(routes), family)
                    self.files.append((f"routes of IPv{family.value}", str(routes)))
            except ParseError as error:
                self.problems += error.problems
        return tuple(found)

    def parsed(
        self, names: Sequence[str], parse: Callable[[str, str], _T], *, later: bool = False
    ) -> _T | None:
        """The first of these files; None where there is none, and where it has problems."""
        path = self.file(names, later=later)
        if path is None:
            return None
        try:
            return parse(read_text(str(path)), str(path))
        except ParseError as error:
            self.problems += error.problems
            return None

    def line(self, names: Sequence[str], *, later: bool = False) -> str | None:
        """The first line of a file that has one."""
        path = self.file(names, later=later)
        if path is None:
            return None
        line = read_text(str(path)).strip().partition("\n")[0].strip()
        if len(line) > 200 or not line.isprintable():
            problem = Problem(Span(str(path), 1), "one short line was expected")
            self.problems.append(problem)
            return None
        return line or None

    # Files

    def file(self, names: Sequence[str], *, later: bool = False) -> Path | None:
        """The first of these files, with ``.txt`` behind its name or without."""
        for name in names:
            path = self.folder / name
            for one in (path, path.with_name(f"{path.name}.txt")):
                wanted = self.later(one) if later else self.existing(one)
                if wanted is not None:
                    return wanted
        return None

    def later(self, path: Path) -> Path | None:
        """The second dump of a file."""
        names = [f"{path.name}{LATER}"]
        if path.suffix == ".txt":
            names.append(f"{path.stem}{LATER}.txt")
        for name in names:
            found = self.existing(path.with_name(name))
            if found is not None:
                return found
        return None

    def existing(self, path: Path) -> Path | None:
        """The file where it is one. Raises SourceError for a link that leads out of the folder,
        which may be somebody else's.
        """
        if not path.is_file():
            return None
        require_inside(self.folder, path)
        return path

    def manifest(self) -> str:
        """What the script says of its files."""
        path = self.file((MANIFEST,))
        return "" if path is None else read_text(str(path))

    def missing(self) -> list[tuple[str, str]]:
        """What the script could not collect, and why."""
        found: list[tuple[str, str]] = []
        for line in self.manifest().splitlines():
            read = _MISSING.fullmatch(line)
            if read is not None and read[1] in _WITHOUT:
                what, without = _WITHOUT[read[1]]
                found.append((what, f"{without}: {read[2]}"))
        return found


def _release(line: str | None) -> str | None:
    """What ``uname -r`` says; of ``uname -a`` its third word."""
    if line is None or not line.startswith("Linux "):
        return line
    words = line.split()
    return words[2] if len(words) > 2 else None


def _distance(first: str | None, second: str | None) -> int | None:
    """Seconds between two dates; None where they are not both known."""
    moments = [_moment(text) for text in (first, second)]
    one, other = moments
    if one is None or other is None:
        return None
    seconds = int((other - one).total_seconds())
    return seconds if 0 <= seconds <= _LONGEST_INTERVAL else None


def _moment(text: str | None) -> datetime | None:
    """A date as ``date -u +%Y-%m-%dT%H:%M:%SZ`` writes it, as ``date`` does in UTC, or in seconds
    since 1970.
    """
    if text is None:
        return None
    if re.fullmatch(r"@?[0-9]{9,11}", text):
        return datetime.fromtimestamp(int(text.lstrip("@")), UTC)
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%a %b %d %H:%M:%S UTC %Y"):
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None
