# SPDX-License-Identifier: GPL-2.0-only
"""The folder of one host: which of its files are rules, settings and sets.

A folder holds the files of one host under the names of FOLDER_RULES and its neighbours: of each
kind the first that has something in it counts. What was dumped from the running kernel stands
before what is loaded at boot. An unpacked sosreport is such a folder; so is an image of a root.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.ir.ruleset import Ruleset
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.source.dumps import first_line, is_dump, require_dump
from ctlint.source.errors import SourceError
from ctlint.source.files import read_text
from ctlint.source.sysctl_files import sysctl_names
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
BACKEND_RULES: Final[Mapping[Family, tuple[str, ...]]] = {
    Family.IPV4: ("iptables-legacy-save", "iptables-nft-save"),
    Family.IPV6: ("ip6tables-legacy-save", "ip6tables-nft-save"),
}
"""Where these are, both are in force, and no other file of the family counts."""
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

HOST_FOLDER_HAS: Final = (
    "a host's folder has iptables-save or rules.v4, ip6tables-save or rules.v6, sysctl, ipset-save"
)
_SOS_FILES: Final = 200
NO_TEXTS: Final[Mapping[str, str]] = {}


class Dump(NamedTuple):
    """A text of rules or of sets, not parsed yet. ``is_hint``: the family is what a name of the
    user's own choice tells.
    """

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


class HostTexts(NamedTuple):
    """The texts of one host, not parsed yet; of its settings the files.

    Of a host that runs: ``running`` has the name and the text of its settings, which no file has,
    and ``unread`` says what is in force there and was not read.
    """

    name: str
    dumps: tuple[Dump, ...]
    settings: tuple[str, ...] = ()
    sets: tuple[Dump, ...] = ()
    running: tuple[str, str] | None = None
    unread: tuple[str, ...] = ()


def is_host_folder(folder: Path, listing: Collection[str]) -> bool:
    """Whether there are rules in a folder, or files that are named like those. ``listing`` are the
    names in it.
    """
    for names in (*BACKEND_RULES.values(), *FOLDER_RULES.values(), SOS_FOLDERS):
        for name in names:
            if name.split("/", 1)[0] in listing:
                with suppress(OSError):
                    if (folder / name).exists():
                        return True
    return False


def host_files(folder: str, known: Mapping[str, str] = NO_TEXTS) -> tuple[str, ...]:
    """The files that a host's folder is read from. Raises SourceError, also for a folder without
    rules.
    """
    try:
        host = read_folder(Path(folder), known)
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    return (*(dump.file for dump in (*host.dumps, *host.sets)), *sysctl_names(host.settings))


def read_folder(folder: Path, known: Mapping[str, str]) -> HostTexts:
    """Raises SourceError, also for a folder without rules."""
    by_sos, listing = _sos_dumps(folder, known)
    found: dict[Family, tuple[Dump, ...]] = {}
    for family, names in FOLDER_RULES.items():
        each = (_first_dump(folder, (name,), family, known) for name in BACKEND_RULES[family])
        dumps = tuple(dump for dump in each if dump is not None)
        if not dumps and family in by_sos:
            dumps = (by_sos[family],)
        if not dumps:
            # A sosreport also has the files that are loaded at boot.
            first = _first_dump(folder, names, family, known)
            dumps = () if first is None else (first,)
        if dumps:
            found[family] = dumps
    if not found:
        if listing is not None:
            raise SourceError(
                f"{folder}: only listings of `iptables -L` ({listing}), which leave out parts of "
                "the rules",
                "ask for what iptables-save and ip6tables-save print on the host",
            )
        raise SourceError(
            f"{folder}: no rules in this folder",
            HOST_FOLDER_HAS,
        )
    sets = _first_text(folder, FOLDER_SETS, known)
    return HostTexts(
        str(folder),
        tuple(dump for family in sorted(found) for dump in found[family]),
        tuple(_settings_files(folder)),
        () if sets is None else (Dump(*sets, None),),
    )


def _first_dump(
    folder: Path, names: Sequence[str], family: Family, known: Mapping[str, str]
) -> Dump | None:
    """The first file in which there are rules, or text that is meant to be rules."""
    for name in names:
        found = _first_text(folder, (name,), known)
        if found is not None and first_line(found[1]):
            require_dump(found[1], found[0])
            return Dump(*found, family)
    return None


def _first_text(
    folder: Path, names: Sequence[str], known: Mapping[str, str]
) -> tuple[str, str] | None:
    for name in names:
        path = folder / name
        if path.is_file():
            require_inside(folder, path)
            return str(path), _text(path, known)
    return None


def _text(path: Path, known: Mapping[str, str]) -> str:
    name = str(path)
    return known[name] if name in known else read_text(name)


def _sos_dumps(folder: Path, known: Mapping[str, str]) -> tuple[dict[Family, Dump], str | None]:
    """The dumps among the outputs in an unpacked sosreport, and the name of a mere listing."""
    found: dict[Family, Dump] = {}
    listing: str | None = None
    for part in SOS_FOLDERS:
        if not (folder / part).is_dir():
            continue
        files = sorted((folder / part).glob("ip*tables*"))
        for path in files[:_SOS_FILES]:
            if not path.name.startswith(("iptables", "ip6tables")) or not path.is_file():
                continue
            require_inside(folder, path)
            text = _text(path, known)
            family = Family.IPV6 if path.name.startswith("ip6") else Family.IPV4
            if is_dump(text):
                found.setdefault(family, Dump(str(path), text, family))
            elif first_line(text).startswith("Chain "):
                listing = listing or path.name
    return found, listing


def _settings_files(folder: Path) -> Iterator[str]:
    for name in FOLDER_SETTINGS:
        path = folder / name
        if path.is_file():
            require_inside(folder, path)
            yield str(path)
            return
    if (folder / "etc/sysctl.conf").is_file() or (folder / "etc/sysctl.d").is_dir():
        yield str(folder)
        return
    for name in ("sysctl.d", "sysctl.conf"):
        path = folder / name
        if path.exists():
            require_inside(folder, path)
            yield str(path)


def require_inside(folder: Path, path: Path) -> None:
    """A folder may be somebody else's: no link in it may lead to a file of this host.

    Raises SourceError.
    """
    try:
        if path.resolve(strict=True).is_relative_to(folder.resolve(strict=True)):
            return
    except (OSError, RuntimeError) as error:
        raise SourceError(f"{path}: {error}") from error
    raise SourceError(f"{path}: a link that leads out of the folder", "put the file itself there")
