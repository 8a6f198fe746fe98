# SPDX-License-Identifier: GPL-2.0-only
"""What a document is, by its name, its language and its text, and to whose host it may belong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from ctlint.lsp.names import is_path
from ctlint.source.config_files import CONFIG_NAME, PROJECT_NAME
from ctlint.source.dumps import first_line, is_dump
from ctlint.source.host_folders import (
    BACKEND_RULES,
    FOLDER_RULES,
    FOLDER_SETS,
    FOLDER_SETTINGS,
    SOS_FOLDERS,
)
from ctlint.source.sysctl_files import FOLDERS


class Kind(Enum):
    """What a document holds."""

    RULES = "rules"
    SETTINGS = "settings"
    SETS = "sets"
    CONFIG = "config"


class Document(NamedTuple):
    """An open document. ``uri`` is the client's own, ``kind`` None for what is not ours."""

    uri: str
    name: str
    version: int
    language: str
    text: str

    @property
    def kind(self) -> Kind | None:
        """What it holds."""
        return kind_of(self.name, self.language, self.text)


_RULE_FILES: Final = tuple(
    name for kinds in (BACKEND_RULES, FOLDER_RULES) for names in kinds.values() for name in names
)
_SETTING_FILES: Final = (
    *FOLDER_SETTINGS,
    "sysctl.conf",
    "etc/sysctl.conf",
    "sysctl.d/*.conf",
    *(f"{folder}/*.conf" for folder in FOLDERS),
)
_HOST_FILES: Final = (
    *_RULE_FILES,
    *_SETTING_FILES,
    *FOLDER_SETS,
    *(f"{folder}/ip*tables*" for folder in SOS_FOLDERS),
)
"""The files of a host, from its folder on."""

_DEEPEST: Final = max(pattern.count("/") for pattern in _HOST_FILES) + 1

_RULE_NAMES: Final = (
    *{PurePosixPath(name).name for name in _RULE_FILES},
    "*.v4",
    "*.v6",
    "*.rules",
    "iptables*",
    "ip6tables*",
)
_SETTING_KEY: Final = re.compile(r"-?(?:net|kernel|vm|fs|user|dev|abi)[./][\w./*-]+[ \t]*=")
_SETS_START: Final = re.compile(r"create \S+ (?:hash|list|bitmap):")


def kind_of(name: str, language: str, text: str) -> Kind | None:
    """What a document holds. The language that the client gives it counts first, then the name,
    then the first line; a name that others use too (``*.rules`` of udev) is not enough.
    """
    path = PurePosixPath(name)
    if path.name in (CONFIG_NAME, PROJECT_NAME):
        return Kind.CONFIG
    by_language = _by_language(language.lower())
    if by_language is not None:
        return by_language
    by_text = _by_text(text)
    if is_path(name):
        if any(path.match(pattern) for pattern in FOLDER_SETS):
            return Kind.SETS
        if any(path.match(pattern) for pattern in _SETTING_FILES):
            return Kind.SETTINGS
        if by_text is None and any(fnmatchcase(path.name, pattern) for pattern in _RULE_NAMES):
            return Kind.RULES if _OURS.match(first_line(text)) else None
    return by_text


def _by_language(language: str) -> Kind | None:
    if "iptables" in language:
        return Kind.RULES
    if "sysctl" in language:
        return Kind.SETTINGS
    return Kind.SETS if "ipset" in language else None


def _by_text(text: str) -> Kind | None:
    if is_dump(text):
        return Kind.RULES
    line = first_line(text)
    if _SETTING_KEY.match(line):
        return Kind.SETTINGS
    return Kind.SETS if _SETS_START.match(line) else None


_OURS: Final = re.compile(r"-[A-Z] |--[a-z]|:\S|\*|\[[0-9]+:[0-9]+\]")
"""How a line of a dump may begin, also of a broken one."""


def host_folders(name: str) -> Iterator[str]:
    """The folders whose host a file may belong to, the most telling first: that in which it has the
    longest of the names that a host's folder knows.
    """
    if not is_path(name):
        return
    path = PurePosixPath(name)
    for folder in reversed(path.parents[:_DEEPEST]):
        inside = path.relative_to(folder)
        depth = len(inside.parts)
        if any(
            depth == pattern.count("/") + 1 and inside.match(pattern) for pattern in _HOST_FILES
        ):
            yield str(folder)
