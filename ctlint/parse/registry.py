# SPDX-License-Identifier: GPL-2.0-only
"""Finds the table row of an extension by its name."""

from __future__ import annotations

import importlib
import pkgutil
import re
from difflib import get_close_matches
from functools import cache

from ctlint.parse import extensions
from ctlint.parse.extension import Extension, Kind
from ctlint.wire.addresses import Family

_NAME = re.compile(r"[A-Za-z0-9_-]{1,28}", re.ASCII)

# The match that `-p PROTOCOL` loads when an option needs it, and other spellings of match names.
# Source: find_proto() and xtables_find_match() in libxtables and iptables/xshared.c.
PROTOCOL_MATCHES = {
    1: "icmp",
    6: "tcp",
    17: "udp",
    33: "dccp",
    50: "esp",
    51: "ah",
    58: "icmp6",
    132: "sctp",
    135: "mh",
}
_ALIASES = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6", "ipv6-mh": "mh"}


@cache
def _modules() -> frozenset[str]:
    return frozenset(info.name for info in pkgutil.iter_modules(extensions.__path__))


@cache
def _names(kind: Kind) -> frozenset[str]:
    prefix = f"{kind.value}_"
    return frozenset(name.removeprefix(prefix) for name in _modules() if name.startswith(prefix))


@cache
def target_modules() -> frozenset[str]:
    """The names of all rows of targets, in lower case and with ``_`` for ``-``."""
    return _names(Kind.TARGET)


@cache
def find_extension(name: str, kind: Kind, family: Family) -> Extension | None:
    """The row of ``-m NAME`` or ``-j NAME``, or None where no row describes it."""
    if not _NAME.fullmatch(name):
        return None
    if kind is Kind.MATCH:
        name = _ALIASES.get(name, name)
    module = f"{kind.value}_{name.lower().replace('-', '_')}"
    if module not in _modules():
        return None
    rows: tuple[Extension, ...] = importlib.import_module(
        f"{extensions.__name__}.{module}"
    ).EXTENSIONS
    for row in rows:
        if row.name == name and row.kind is kind and family in row.families:
            return row
    return None


def known_spelling(name: str, kind: Kind) -> str | None:
    """The name of the match or target that differs only in case, or None. Names are case-sensitive:
    LOG is a target, log is none.
    """
    for spelling in (name.lower(), name.upper()):
        if any(find_extension(spelling, kind, family) is not None for family in Family):
            return spelling
    if kind is Kind.TARGET and name.upper() in ("ACCEPT", "DROP", "RETURN", "QUEUE"):
        return name.upper()
    return None


@cache
def near_extension(name: str, kind: Kind, family: Family) -> Extension | None:
    """The extension whose name is nearly this one, with the same first letter, or None. A digit at
    the end makes another name: quota2 and length2 are extensions of their own.
    """
    if name[-1:].isdigit():
        return None
    known = sorted(row for row in _names(kind) if row[0] == name[0].lower())
    for near in get_close_matches(name.lower(), known, 1, 0.75):
        found = near.upper() if kind is Kind.TARGET else near
        return find_extension(found, kind, family)
    return None
