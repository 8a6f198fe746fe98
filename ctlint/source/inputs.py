# SPDX-License-Identifier: GPL-2.0-only
"""The inputs of a run: rule files and folders of hosts, each with its settings and sets.

A folder holds the files of one host under the names of FOLDER_RULES and its neighbours: of each
kind the first that has something in it counts. What was dumped from the running kernel stands
before what is loaded at boot. An unpacked sosreport is such a folder; so is an image of a root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.ir.ipset import Ipset
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.netfilter.ipsets import address_sets, changed_sets
from ctlint.model.netfilter.transit import AddressSet
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.ipset_text import NO_SETS, SavedSets
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, first_line, is_dump, read_text, require_dump
from ctlint.source.sysctl_files import read_sysctls, sysctl_names
from ctlint.wire.addresses import Family

FOLDER_RULES: Final[Mapping[Family, tuple[str, ...]]] = {
    Family.IPV4: (
        "iptables-save",
        "iptables-save.txt",
        "iptables-save-c.txt",
        "iptables.rules",
        "rules.v4",
        "etc/iptables/rules.v4",
        "etc/iptables/iptables.rules",
        "etc/sysconfig/iptables",
    ),
    Family.IPV6: (
        "ip6tables-save",
        "ip6tables-save.txt",
        "ip6tables-save-c.txt",
        "ip6tables.rules",
        "rules.v6",
        "etc/iptables/rules.v6",
        "etc/iptables/ip6tables.rules",
        "etc/sysconfig/ip6tables",
    ),
}
FOLDER_SETTINGS: Final = (
    "sysctl",
    "sysctl.txt",
    "sysctl-a",
    "sysctl-a.txt",
    "sos_commands/kernel/sysctl_-a",
)
"""Dumps of all settings; without one, the files below count that are read at boot."""
FOLDER_SETS: Final = (
    "ipset-save",
    "ipset-save.txt",
    "ipset",
    "ipset.txt",
    "etc/iptables/ipsets",
    "etc/sysconfig/ipset",
)
SOS_FOLDERS: Final = ("sos_commands/firewall_tables", "sos_commands/networking")
"""Where sos puts what the programs of iptables print; its files are known by their content."""

_SOS_FILES: Final = 200
NO_TEXTS: Final[Mapping[str, str]] = {}
_IPV6_NAME: Final = re.compile(r"ip6|ipv6|(?:^|[._-])v6(?:$|[._-])", re.IGNORECASE)
_IPV4_NAME: Final = re.compile(r"(?:^|[._-])v4(?:$|[._-])|ipv4", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HostInput:
    """What is known of one host: its rule sets, the settings they run under, its known ipsets.

    ``name`` is the path as it was given; ``saved_sets`` are the texts of its ipsets, ``texts`` the
    files of rules and settings, by name.
    """

    name: str
    rulesets: tuple[Ruleset, ...]
    sysctls: SysctlSet
    sets: Mapping[str, AddressSet]
    texts: Mapping[str, str]
    saved_sets: SavedSets = NO_SETS


class _Dump(NamedTuple):
    """``is_hint``: the family is what a name of the user's own choice tells."""

    file: str
    text: str
    family: Family | None
    is_hint: bool = False

    def rulesets(self) -> tuple[Ruleset, ...]:
        """Raises ParseError."""
        try:
            return parse_rulesets(self.text, self.file, self.family)
        except ParseError:
            if not self.is_hint:
                raise
            with suppress(ParseError):
                return parse_rulesets(self.text, self.file)
            raise


class _Host(NamedTuple):
    """The texts of one host, not parsed yet."""

    name: str
    dumps: tuple[_Dump, ...]
    settings: tuple[str, ...]
    sets: tuple[_Dump, ...]


def read_inputs(
    paths: Sequence[str],
    sysctls: Sequence[str] = (),
    sets: Sequence[str] = (),
    known: Mapping[str, str] = NO_TEXTS,
) -> tuple[HostInput, ...]:
    """Read what ``ctlint lint`` and ``ctlint explain`` are given. A path is a dump of iptables-save
    or ip6tables-save, ``-`` for standard input, or the folder of a host.

    ``sysctls`` are files of settings, ``sets`` of ``ipset save``, for all hosts; they win over what
    a host's folder has, and a later one over an earlier. ``known`` are texts in the place of what
    files hold, by name: what was read before, or what an editor has not saved yet.

    Raises SourceError with all inputs that cannot be read, else ParseError with the problems of all
    that cannot be understood.
    """
    reader = _InputReader(known)
    for path in paths:
        reader.host(path)
    shared = [dump for path in sets for dump in reader.dump(path, None)]
    hosts = [(host, reader.settings([*host.settings, *sysctls])) for host in reader.hosts]
    reader.raise_unread()
    common = reader.ipsets(shared)
    found = [reader.parse(host, settings, common, shared) for host, settings in hosts]
    reader.raise_problems()
    return tuple(found)


class _InputReader:
    """Reads all inputs, and collects what is wrong with them."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known
        self.hosts: list[_Host] = []
        self.unread: list[SourceError] = []
        self.problems: list[Problem] = []
        self.has_read_standard_input = False
        self.known_settings: dict[tuple[str, ...], SysctlSet] = {}
        self.texts: dict[str, str] = {}
        """Of files of settings."""

    # Texts

    def host(self, path: str) -> None:
        try:
            if path not in ("", STANDARD_INPUT) and Path(path).is_dir():
                self.hosts.append(_read_folder(Path(path), self.known))
                return
        except SourceError as error:
            self.unread.append(error)
            return
        except OSError as error:
            self.unread.append(SourceError(f"{error.filename}: {error.strerror}"))
            return
        for dump in self.dump(path, _family(Path(path).name)):
            try:
                require_dump(dump.text, path)
            except SourceError as error:
                self.unread.append(error)
            self.hosts.append(_Host(path, (dump._replace(is_hint=True),), (), ()))

    def dump(self, path: str, family: Family | None) -> Iterator[_Dump]:
        """The text of a file; nothing where it cannot be read."""
        try:
            if path in self.known:
                yield _Dump(path, self.known[path], family)
                return
            if path == STANDARD_INPUT:
                if self.has_read_standard_input:
                    raise SourceError("- (standard input) is given twice")
                self.has_read_standard_input = True
            yield _Dump(path, read_text(path), family)
        except SourceError as error:
            self.unread.append(error)

    def settings(self, paths: Sequence[str]) -> SysctlSet:
        key = tuple(paths)
        if key not in self.known_settings:
            self.known_settings[key] = SysctlSet(())
            try:
                self.known_settings[key] = read_sysctls(paths, self.texts, self.known)
            except SourceError as error:
                self.unread.append(error)
            except ParseError as error:
                self.problems.extend(error.problems)
        return self.known_settings[key]

    def raise_unread(self) -> None:
        unread = {error.message: error.hint for error in self.unread}
        if unread:
            hints = [hint for hint in unread.values() if hint is not None]
            raise SourceError("; ".join(unread), hints[0] if hints else None)

    # Meaning

    def ipsets(self, dumps: Sequence[_Dump]) -> dict[str, Ipset]:
        found: dict[str, Ipset] = {}
        for dump in dumps:
            try:
                found.update(parse_ipset_save(dump.text, dump.file))
            except ParseError as error:
                self.problems.extend(error.problems)
        return found

    def parse(
        self,
        host: _Host,
        settings: SysctlSet,
        common: Mapping[str, Ipset],
        shared: Sequence[_Dump],
    ) -> HostInput:
        rulesets: list[Ruleset] = []
        for dump in host.dumps:
            try:
                rulesets += dump.rulesets()
            except ParseError as error:
                self.problems.extend(error.problems)
        ipsets = {**self.ipsets(host.sets), **common}
        sets = address_sets(ipsets, changed_sets(rulesets)) if ipsets else {}
        texts = {**self.texts, **{dump.file: dump.text for dump in host.dumps}}
        saved = SavedSets(dump.text for dump in (*host.sets, *shared))
        return HostInput(host.name, tuple(rulesets), settings, sets, texts, saved)

    def raise_problems(self) -> None:
        if self.problems:
            raise ParseError(tuple(dict.fromkeys(self.problems)))


def _family(name: str) -> Family | None:
    """The family that a file's name tells, if it does. ``iptables`` tells none: people put both
    families' rules in files of that name.
    """
    if _IPV6_NAME.search(name):
        return Family.IPV6
    return Family.IPV4 if _IPV4_NAME.search(name) else None


# Folders


def host_files(folder: str, known: Mapping[str, str] = NO_TEXTS) -> tuple[str, ...]:
    """The files that a host's folder is read from. Raises SourceError, also for a folder without
    rules.
    """
    try:
        host = _read_folder(Path(folder), known)
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    return (*(dump.file for dump in (*host.dumps, *host.sets)), *sysctl_names(host.settings))


def _read_folder(folder: Path, known: Mapping[str, str]) -> _Host:
    """Raises SourceError, also for a folder without rules."""
    found, listing = _sos_dumps(folder, known)
    for family, names in FOLDER_RULES.items():
        # A sosreport also has the files that are loaded at boot.
        dump = None if family in found else _first_dump(folder, names, family, known)
        if dump is not None:
            found[family] = dump
    if not found:
        if listing is not None:
            raise SourceError(
                f"{folder}: only listings of `iptables -L` ({listing}), which leave out parts of "
                "the rules",
                "ask for what iptables-save and ip6tables-save print on the host",
            )
        raise SourceError(
            f"{folder}: no rules in this folder",
            "a host's folder has iptables-save or rules.v4, ip6tables-save or rules.v6, sysctl, "
            "ipset-save",
        )
    sets = _first_text(folder, FOLDER_SETS, known)
    return _Host(
        str(folder),
        tuple(found[family] for family in sorted(found)),
        tuple(_settings_files(folder)),
        () if sets is None else (_Dump(*sets, None),),
    )


def _first_dump(
    folder: Path, names: Sequence[str], family: Family, known: Mapping[str, str]
) -> _Dump | None:
    """The first file in which there are rules, or text that is meant to be rules."""
    for name in names:
        found = _first_text(folder, (name,), known)
        if found is not None and first_line(found[1]):
            require_dump(found[1], found[0])
            return _Dump(*found, family)
    return None


def _first_text(
    folder: Path, names: Sequence[str], known: Mapping[str, str]
) -> tuple[str, str] | None:
    for name in names:
        path = folder / name
        if path.is_file():
            _require_inside(folder, path)
            return str(path), _text(path, known)
    return None


def _text(path: Path, known: Mapping[str, str]) -> str:
    name = str(path)
    return known[name] if name in known else read_text(name)


def _sos_dumps(folder: Path, known: Mapping[str, str]) -> tuple[dict[Family, _Dump], str | None]:
    """The dumps among the outputs in an unpacked sosreport, and the name of a mere listing."""
    found: dict[Family, _Dump] = {}
    listing: str | None = None
    for part in SOS_FOLDERS:
        if not (folder / part).is_dir():
            continue
        files = sorted((folder / part).glob("ip*tables*"))
        for path in files[:_SOS_FILES]:
            if not path.name.startswith(("iptables", "ip6tables")) or not path.is_file():
                continue
            _require_inside(folder, path)
            text = _text(path, known)
            family = Family.IPV6 if path.name.startswith("ip6") else Family.IPV4
            if is_dump(text):
                found.setdefault(family, _Dump(str(path), text, family))
            elif first_line(text).startswith("Chain "):
                listing = listing or path.name
    return found, listing


def _settings_files(folder: Path) -> Iterator[str]:
    for name in FOLDER_SETTINGS:
        path = folder / name
        if path.is_file():
            _require_inside(folder, path)
            yield str(path)
            return
    if (folder / "etc/sysctl.conf").is_file() or (folder / "etc/sysctl.d").is_dir():
        yield str(folder)
        return
    for name in ("sysctl.d", "sysctl.conf"):
        path = folder / name
        if path.exists():
            _require_inside(folder, path)
            yield str(path)


def _require_inside(folder: Path, path: Path) -> None:
    """A folder may be somebody else's: no link in it may lead to a file of this host.

    Raises SourceError.
    """
    try:
        if path.resolve(strict=True).is_relative_to(folder.resolve(strict=True)):
            return
    except (OSError, RuntimeError) as error:
        raise SourceError(f"{path}: {error}") from error
    raise SourceError(f"{path}: a link that leads out of the folder", "put the file itself there")
