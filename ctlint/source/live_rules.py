# SPDX-License-Identifier: GPL-2.0-only
"""The rules that are in force in the network namespace of this thread, of both backends.

Reading changes nothing. The programs of iptables-legacy make the kernel load and register a table
that they ask for: they are run only where the kernel already names tables in
/proc/net/ip_tables_names, and ask for those alone (iptables-save.c, for_each_table()). Those of
iptables-nft and nft make the kernel load nf_tables: they are run only where it is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.ir.ruleset import TABLES
from ctlint.source.dumps import first_line
from ctlint.source.errors import SourceError
from ctlint.source.iptables_library import library_dump, why_no_library
from ctlint.source.programs import printed, program
from ctlint.wire.addresses import Family

NAMES: Final = {Family.IPV4: "iptables", Family.IPV6: "ip6tables"}
_TABLE_NAMES: Final = {Family.IPV4: "ip_tables_names", Family.IPV6: "ip6_tables_names"}
_NET: Final = Path("/proc/thread-self/net")
_MODULES: Final = Path("/proc/modules")
_SYMBOLS: Final = Path("/proc/kallsyms")
_NFT_FAMILIES: Final = {"ip": Family.IPV4, "ip6": Family.IPV6}
_MOST_NAMED: Final = 10


class Saved(NamedTuple):
    """What one program printed of one family's rules."""

    program: str
    text: str
    family: Family


class LiveRules(NamedTuple):
    """The rules that could be read; ``missing`` says what could not, and why."""

    dumps: tuple[Saved, ...]
    missing: tuple[str, ...]


def live_rules() -> LiveRules:
    """The rules of both families and both backends."""
    dumps: list[Saved] = []
    missing: list[str] = []
    for family in NAMES:
        for read in (_legacy, _nft):
            try:
                found = read(family)
            except SourceError as error:
                missing.append(error.message)
                continue
            if found is not None:
                missing += _incompatible(found)
            if found is not None and first_line(found.text):
                dumps.append(found)
    missing += _other_tables()
    return LiveRules(tuple(dumps), tuple(missing))


def has_module(name: str, symbol: str) -> bool:
    """Whether a part of the kernel is there: loaded, or built in, which ``symbol`` tells."""
    if Path("/sys/module", name).is_dir():
        return True
    try:
        with _MODULES.open() as lines:
            if any(line.split(" ", 1)[0] == name for line in lines):
                return True
    except OSError:
        # A kernel without modules loads nothing.
        return True
    with suppress(OSError), _SYMBOLS.open(errors="replace") as lines:
        return any(line.rstrip("\n").endswith(f" {symbol}") for line in lines)
    return False


# Legacy


def _legacy(family: Family) -> Saved | None:
    """Raises SourceError."""
    name = NAMES[family]
    try:
        tables = (_NET / _TABLE_NAMES[family]).read_text().split()
    except FileNotFoundError:
        return None
    except OSError as error:
        said = error.strerror or str(error)
        raise SourceError(f"the legacy tables of {name}: {said}: needs root") from None
    if not tables:
        return None
    path = program(f"{name}-legacy-save") or _plain(family, is_nft=False)
    if path is not None:
        return _saved(path, f"{name}-legacy-save", family)
    why = why_no_library()
    if why is not None:
        said = f"the legacy tables of {name}: no {name}-legacy-save here, and {why}"
        raise SourceError(said)
    return Saved(f"{name}-python-iptables", library_dump(family, tables), family)


def _plain(family: Family, *, is_nft: bool) -> str | None:
    """The program without a backend in its name, if it is of that backend."""
    path = program(f"{NAMES[family]}-save")
    if path is None:
        return None
    # Before 1.8 there is one backend, and no option --version.
    with suppress(SourceError):
        said = printed([path, "--version"])
        return path if ("(nf_tables)" in said.text) is is_nft else None
    return None


def _saved(path: str, shown: str, family: Family) -> Saved:
    """What a program prints. Raises SourceError."""
    said = printed([path])
    if said.complaint:
        raise SourceError(f"{shown}: {said.complaint}")
    return Saved(shown, said.text, family)


# nft


def _nft(family: Family) -> Saved | None:
    """Raises SourceError."""
    name = NAMES[family]
    if not has_module("nf_tables", "nft_do_chain"):
        return None
    path = program(f"{name}-nft-save") or _plain(family, is_nft=True)
    if path is None:
        raise SourceError(f"the nft tables of {name}: no {name}-nft-save here")
    return _saved(path, f"{name}-nft-save", family)


def _incompatible(dump: Saved) -> list[str]:
    """Tables that iptables-nft finds and cannot show (nft.c, nft_is_table_compatible())."""
    return [
        f"{dump.program}: {line.lstrip('# ')}"
        for line in dump.text.splitlines()
        if line.startswith("#") and "is incompatible, use 'nft' tool" in line
    ][:_MOST_NAMED]


def _other_tables() -> Iterator[str]:
    """Tables of nft that no iptables knows: their rules hold too, and are not read."""
    path = program("nft")
    if path is None or not has_module("nf_tables", "nft_do_chain"):
        return
    try:
        said = printed([path, "-j", "list", "tables"])
    except SourceError as error:
        yield f"the other tables of nft: {error.message}"
        return
    if said.complaint:
        yield f"the other tables of nft: {said.complaint}"
        return
    names = list(_table_names(said.text))
    for family, name in names[:_MOST_NAMED]:
        yield f"the table {family} {name} of nft, which iptables cannot show"
    if len(names) > _MOST_NAMED:
        yield f"{len(names) - _MOST_NAMED:,} more tables of nft"


def _table_names(text: str) -> Iterator[tuple[str, str]]:
    try:
        listed = json.loads(text)["nftables"]
        tables = [one["table"] for one in listed if "table" in one]
        names = [(str(table["family"]), str(table["name"])) for table in tables]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    for family, name in names:
        # What is about ARP alone concerns no packet of ours.
        if family != "arp" and not (family in _NFT_FAMILIES and name in TABLES):
            yield family, name
