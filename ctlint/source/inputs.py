# SPDX-License-Identifier: GPL-2.0-only
"""The inputs of a run: rule files and folders of hosts, each with its settings and sets."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctlint.ir.ipset import Ipset
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.netfilter.ipsets import address_sets, changed_sets
from ctlint.model.netfilter.transit import AddressSet
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.ipset_text import NO_SETS, SavedSets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.source.dumps import require_dump
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_text
from ctlint.source.host_folders import NO_TEXTS, Dump, HostTexts, read_folder
from ctlint.source.sysctl_files import read_sysctls
from ctlint.wire.addresses import Family

_IPV6_NAME: Final = re.compile(r"ip6|ipv6|(?:^|[._-])v6(?:$|[._-])", re.IGNORECASE)
_IPV4_NAME: Final = re.compile(r"(?:^|[._-])v4(?:$|[._-])|ipv4", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HostInput:
    """What is known of one host: its rule sets, the settings they run under, its known ipsets.

    ``name`` is the path as it was given; ``saved_sets`` are the texts of its ipsets, ``texts`` the
    files of rules and settings, by name. ``unread`` says what is in force there and was not read.
    """

    name: str
    rulesets: tuple[Ruleset, ...]
    sysctls: SysctlSet
    sets: Mapping[str, AddressSet]
    texts: Mapping[str, str]
    saved_sets: SavedSets = NO_SETS
    unread: tuple[str, ...] = ()


def read_inputs(
    paths: Sequence[str],
    sysctls: Sequence[str] = (),
    sets: Sequence[str] = (),
    known: Mapping[str, str] = NO_TEXTS,
) -> tuple[HostInput, ...]:
    """Read hosts. A path is a dump of iptables-save or ip6tables-save, ``-`` for standard input, or
    the folder of a host.

    ``sysctls`` are files of settings, ``sets`` of ``ipset save``, for all hosts; they win over what
    a host's folder has, and a later one over an earlier. ``known`` are texts in the place of what
    files hold, by name: what was read before, or what an editor has not saved yet.

    Raises SourceError with all inputs that cannot be read, else ParseError with the problems of all
    that cannot be understood.
    """
    wrong = _Wrong()
    reader = HostReader(_shared(sysctls, sets, wrong, known), known)
    if paths.count(STANDARD_INPUT) > 1:
        wrong.unread.append(SourceError("- (standard input) is given twice"))
    found = []
    for path in dict.fromkeys(paths):
        with wrong.noted():
            found.append(reader.read(path))
    wrong.require_none()
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Shared:
    """What holds for all hosts of a run: ``sysctls`` as files and parsed, with their ``texts`` by
    name, and sets.
    """

    paths: tuple[str, ...]
    sysctls: SysctlSet
    texts: Mapping[str, str]
    sets: tuple[Dump, ...]
    ipsets: Mapping[str, Ipset]


def read_shared(sysctls: Sequence[str], sets: Sequence[str]) -> Shared:
    """Read files of settings and of sets that hold for all hosts. Raises SourceError and ParseError
    as `read_inputs` does.
    """
    wrong = _Wrong()
    shared = _shared(sysctls, sets, wrong, NO_TEXTS)
    wrong.require_none()
    return shared


def _shared(
    sysctls: Sequence[str], sets: Sequence[str], wrong: _Wrong, known: Mapping[str, str]
) -> Shared:
    texts: dict[str, str] = {}
    settings = SysctlSet(())
    with wrong.noted():
        settings = read_sysctls(sysctls, texts, known)
    dumps: list[Dump] = []
    ipsets: dict[str, Ipset] = {}
    for path in sets:
        with wrong.noted():
            text = known[path] if path in known else read_text(path)
            dumps.append(Dump(path, text, None))
            ipsets.update(parse_ipset_save(dumps[-1].text, path))
    return Shared(tuple(sysctls), settings, texts, tuple(dumps), ipsets)


class HostReader:
    """Reads hosts one by one. ``known`` are texts in the place of what files hold, by name;
    ``running`` hosts were read before, and are known by their names.
    """

    def __init__(
        self,
        shared: Shared,
        known: Mapping[str, str] = NO_TEXTS,
        running: Sequence[HostTexts] = (),
    ) -> None:
        self._shared = shared
        self._known = dict(known)
        self._running = {host.name: host for host in running}

    def keep_streams(self, paths: Sequence[str]) -> None:
        """Reads those that can be read only once, standard input and pipes, and keeps their texts.
        What is wrong with one is told when it is read as a host.
        """
        for path in paths:
            if path not in self._known and _is_stream(path):
                try:
                    self._known[path] = read_text(path)
                except SourceError:
                    continue

    def read(self, path: str) -> HostInput:
        """Read a host: a dump, ``-`` for standard input, a folder, or one that runs, by its name.

        Raises SourceError, or ParseError with the problems of all its files.
        """
        host = self._texts(path)
        wrong = _Wrong()
        shared = self._shared
        texts = dict(shared.texts)
        settings = shared.sysctls
        if host.settings:
            with wrong.noted():
                known = {**self._known, **shared.texts}
                settings = read_sysctls([*host.settings, *shared.paths], texts, known)
        if host.running is not None:
            name, text = host.running
            with wrong.noted():
                own = SysctlRun((parse_sysctl(text, name),))
                settings = SysctlSet((own, *settings.runs))
        rulesets: list[Ruleset] = []
        for dump in host.dumps:
            texts[dump.file] = dump.text
            with wrong.noted():
                rulesets += dump.rulesets()
        ipsets: dict[str, Ipset] = {}
        for dump in host.sets:
            with wrong.noted():
                ipsets.update(parse_ipset_save(dump.text, dump.file))
        wrong.require_none()
        ipsets.update(shared.ipsets)
        sets = address_sets(ipsets, changed_sets(rulesets)) if ipsets else {}
        saved = SavedSets(dump.text for dump in (*host.sets, *shared.sets))
        return HostInput(host.name, tuple(rulesets), settings, sets, texts, saved, host.unread)

    def _texts(self, path: str) -> HostTexts:
        if path in self._running:
            return self._running[path]
        try:
            if path not in ("", STANDARD_INPUT) and Path(path).is_dir():
                return read_folder(Path(path), self._known)
        except OSError as error:
            raise SourceError(f"{error.filename}: {error.strerror}") from error
        text = self._known[path] if path in self._known else read_text(path)
        require_dump(text, path)
        return HostTexts(path, (Dump(path, text, _family(Path(path).name), is_hint=True),))


class _Wrong:
    """Collects what is wrong with inputs."""

    def __init__(self) -> None:
        self.unread: list[SourceError] = []
        self.problems: list[Problem] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        try:
            yield
        except SourceError as error:
            self.unread.append(error)
        except ParseError as error:
            self.problems.extend(error.problems)

    def require_none(self) -> None:
        """Raises SourceError for what cannot be read, else ParseError for what cannot be parsed."""
        unread = {error.message: error.hint for error in self.unread}
        if unread:
            hints = [hint for hint in unread.values() if hint is not None]
            raise SourceError("; ".join(unread), hints[0] if hints else None)
        if self.problems:
            raise ParseError(tuple(dict.fromkeys(self.problems)))


def _is_stream(path: str) -> bool:
    """Whether a path can be read only once."""
    if path == STANDARD_INPUT:
        return True
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (a path may be empty)
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _family(name: str) -> Family | None:
    """The family that a file's name tells, if it does. ``iptables`` tells none: people put both
    families' rules in files of that name.
    """
    if _IPV6_NAME.search(name):
        return Family.IPV6
    return Family.IPV4 if _IPV4_NAME.search(name) else None
