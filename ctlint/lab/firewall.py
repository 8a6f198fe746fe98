# SPDX-License-Identifier: GPL-2.0-only
"""The rule sets of a box, and our own rules beside them that tell what becomes of packets.

- Chains right behind conntrack log the ctstate at each hook.
- A chain at the very end of LOCAL_IN, behind conntrack's confirmation, logs what was delivered to
  the host and drops it, so that the host's own stack never sees it and never answers.
- Where there is a rule set, `nftrace` makes the rules of iptables-legacy say which of them match.

Source: libxtables and xt_TRACE for the words of TRACE; nf_tables_api.c.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Final, NamedTuple

from ctlint.ir.ruleset import BUILTIN_CHAINS
from ctlint.lab.errors import CannotLoadError, LabError
from ctlint.lab.log import WATCH_GROUP
from ctlint.lab.namespace import PrivateNetns
from ctlint.wire.addresses import Family

HOOKS: Final = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT")
_CTSTATES: Final = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")

DELIVERED: Final = b"delivered"
"""What is logged of a packet that passed INPUT."""

STATE_LINES: Final[Mapping[bytes, tuple[str, str]]] = {
    f"state {hook} {state}".encode(): (hook, state) for hook in HOOKS for state in _CTSTATES
}
"""What is logged at a hook: the hook and the ctstate."""

# Equal priorities stand in the reverse order of their registration, and conntrack's confirmation
# has the last one too: this table is loaded before anything asks for conntrack.
_SINK: Final = f"""
table inet ctlint_sink {{
  chain host {{
    type filter hook input priority 2147483647
    log prefix "{DELIVERED.decode()}" group {WATCH_GROUP} queue-threshold 1
    drop
  }}
}}
"""

# What IPv6 says on its own has a hop limit of 1 (RFC 2710, 3810) or 255 (RFC 4861); packets of
# scenarios have 64.
_QUIET: Final = """
chain quiet {
  type filter hook output priority -450
  ip6 hoplimit { 1, 255 } icmpv6 type { 130-137, 143 } drop
}
"""


class Backend(Enum):
    """Which iptables loads rule sets. Only the legacy one tells which rules matched."""

    LEGACY = "legacy"
    NFT = "nft"


class Match(NamedTuple):
    """One line of TRACE in the words of scenarios: `filter/FORWARD#2` of the table filter."""

    table: str
    words: str


def default_backend() -> Backend:
    """The backend that tells most, of those that are installed. Raises LabError."""
    for backend in Backend:
        if shutil.which(f"{_program(Family.IPV4, backend)}-restore") is not None:
            return backend
    raise LabError("needs iptables-restore to load a rule set")


@cache
def _program(family: Family, backend: Backend) -> str:
    """What the programs of a backend begin with."""
    name = "iptables" if family is Family.IPV4 else "ip6tables"
    knows_backends = any(shutil.which(f"{name}-{each.value}-restore") for each in Backend)
    if backend is Backend.LEGACY and not knows_backends:
        # iptables before 1.8 has only this one.
        return name
    return f"{name}-{backend.value}"


class Firewall:
    """The rules of a box. `traces`: which rules match is told.

    Raises CalledProcessError where nft refuses our own rules.
    """

    def __init__(self, namespace: PrivateNetns, *, traces: bool) -> None:
        self._namespace = namespace
        self._loaded: dict[Family, str] = {}
        self._rule_counts: dict[Family, Counter[tuple[str, str]]] = {}
        self._tables: dict[Family, frozenset[str]] = {}
        for table in (_SINK, "\n".join(_watch(traces))):
            namespace.run(["nft", "-f", "-"], input=table)

    def load(self, texts: Mapping[Family, str], backend: Backend) -> None:
        """Load rule sets as iptables-save prints them, in place of those before.

        Always by the same backend. Raises CannotLoadError; the tables may then be left half way.
        """
        for family in Family:
            text = texts.get(family, "")
            before = self._loaded.get(family, "")
            if text == before:
                continue
            named = frozenset(_NAMED_TABLE.findall(text))
            old = dict.fromkeys(_NAMED_TABLE.findall(before))
            emptied = "".join(_empty(table) for table in old if table not in named)
            saved = self._restore(_program(family, backend), emptied + text, backend)
            self._loaded[family] = text
            self._tables[family] = named
            self._rule_counts[family] = _count_rules(saved)

    def _restore(self, tool: str, text: str, backend: Backend) -> str:
        """Load rules, and tell how the real save prints them where that is needed."""
        wait = ["-w", "60"] if backend is Backend.LEGACY else []
        try:
            done = self._namespace.run([f"{tool}-restore", *wait], input=text, check=False)
            if done.returncode:
                raise CannotLoadError(done.stderr.strip())
            return self._namespace.run([f"{tool}-save"]).stdout if wait else ""
        except FileNotFoundError as error:
            raise LabError(f"needs the program {error.filename}") from None
        except UnicodeEncodeError:
            raise CannotLoadError("the rule set has characters that cannot be written") from None
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise LabError(f"{tool}: {error}") from None

    def match(self, prefix: bytes, family: Family) -> Match | None:
        """What a line of TRACE says, if it is about a table that the rule set has.

        The kernel says "policy" or "return" of every unconditional ACCEPT, DROP or RETURN, with
        the rule's number; the number behind the last rule is the real thing.
        """
        found = _TRACE.fullmatch(prefix.decode("utf-8", "surrogateescape"))
        if found is None:
            return None
        table, chain, number = found["table"], found["chain"], int(found["number"])
        if table not in self._tables.get(family, ()):
            return None
        if number <= self._rule_counts[family][table, chain]:
            return Match(table, f"{table}/{chain}#{number}")
        end = "policy" if chain in BUILTIN_CHAINS[table] else "return"
        return Match(table, f"{table}/{chain} {end}")


def _watch(traces: bool) -> Iterator[str]:
    yield "table inet ctlint_watch {"
    yield _QUIET
    if traces:
        for hook in ("prerouting", "output"):
            yield f"chain trace_{hook} {{ type filter hook {hook} priority -449"
            yield "meta nftrace set 1"
            yield "}"
    for hook in HOOKS:
        yield f"chain {hook} {{ type filter hook {hook.lower()} priority -199"
        for state in _CTSTATES:
            prefix = f"state {hook} {state}"
            yield f'ct state {state.lower()} log prefix "{prefix}" group {WATCH_GROUP}'
        yield "}"
    yield "}"


_NAMED_TABLE = re.compile(r"^\*(\w+)", re.MULTILINE)
_TRACE = re.compile(
    r"TRACE: (?P<table>\w+):(?P<chain>.+):(?:rule|policy|return):(?P<number>\d+) ?", re.ASCII
)


def _empty(table: str) -> str:
    chains = "".join(f":{chain} ACCEPT [0:0]\n" for chain in BUILTIN_CHAINS.get(table, ()))
    return f"*{table}\n{chains}COMMIT\n"


def _count_rules(saved: str) -> Counter[tuple[str, str]]:
    """How many rules each chain has, from what the real save prints."""
    counts: Counter[tuple[str, str]] = Counter()
    table = ""
    for line in saved.split("\n"):
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            counts[table, line.split(" ", 2)[1]] += 1
    return counts
