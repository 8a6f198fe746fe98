# SPDX-License-Identifier: GPL-2.0-only
"""The rule sets of a box, and our own rules beside them that tell what becomes of packets.

- Chains right behind conntrack log the ctstate at each hook.
- A chain at the very end of LOCAL_IN, behind conntrack's confirmation, logs what was delivered to
  the host and drops it, so that the host's own stack never sees it and never answers.
- Where there is a rule set, `nftrace` makes rules say which of them match: those of iptables-legacy
  by TRACE's lines in the log, those of iptables-nft by the trace of nf_tables.

Source: libxtables and xt_TRACE for the words of TRACE; nf_tables_api.c.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Final

from ctlint.ir.ruleset import BUILTIN_CHAINS
from ctlint.lab.errors import CannotLoadError, LabError
from ctlint.lab.log import WATCH_GROUP
from ctlint.lab.namespace import PrivateNetns
from ctlint.lab.netlink import NETFILTER, Netlink
from ctlint.lab.nft_trace import TraceStep, rule_numbers
from ctlint.parse.iptables_save import is_saved_by_nft
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

# What IPv6 says on its own has a hop limit of 1 (RFC 2710, 3810) or 255 (RFC 4861); those of
# scenarios carry a number in their flow label.
_QUIET: Final = """
chain quiet {
  type filter hook output priority -450
  ip6 flowlabel 0 ip6 hoplimit { 1, 255 } icmpv6 type { 130-137, 143 } drop
}
"""


class Backend(Enum):
    """Which iptables loads rule sets."""

    LEGACY = "legacy"
    NFT = "nft"


def default_backend(texts: Iterable[str]) -> Backend:
    """The backend that has saved the rule sets, where they say so and it is installed, else the one
    that tells most. Raises LabError.
    """
    is_nft = any(map(is_saved_by_nft, texts))
    for backend in (Backend.NFT, Backend.LEGACY) if is_nft else Backend:
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
        self._netlink: Netlink | None = None
        self._loaded: dict[Family, str | None] = {}
        self._rule_counts: dict[Family, Counter[tuple[str, str]]] = {}
        self._rule_numbers: dict[Family, Mapping[tuple[str, int], int]] = {}
        self._tables: dict[Family, frozenset[str]] = {}
        for table in (_SINK, "\n".join(_watch(traces))):
            namespace.run(["nft", "-f", "-"], input=table)

    def load(self, texts: Mapping[Family, str], backend: Backend) -> None:
        """Load rule sets as iptables-save prints them, in place of those before.

        Always by the same backend. What rules remember is forgotten. Raises CannotLoadError.
        """
        for family in Family:
            text = texts.get(family, "")
            if _REMEMBERS.search(text):
                # Lists and rates that have names outlive their rules while others name them.
                self._replace(family, "", backend)
            if text != self._loaded.get(family, ""):
                self._replace(family, text, backend)

    def _replace(self, family: Family, text: str, backend: Backend) -> None:
        before = sorted(self._tables.get(family, ()))
        named = frozenset(_NAMED_TABLE.findall(text))
        # Should it fail, any of them may have been loaded.
        self._loaded[family] = None
        self._tables[family] = frozenset(before) | (named & BUILTIN_CHAINS.keys())
        tool = _program(family, backend)
        # A chain that is not named keeps its policy where the table stays.
        if backend is Backend.NFT and before:
            word = "ip" if family is Family.IPV4 else "ip6"
            deleted = "".join(f"add table {word} {t}\ndelete table {word} {t}\n" for t in before)
            self._run("nft", "-f", "-", input=deleted)
        emptied = "".join(map(_empty, before)) if backend is Backend.LEGACY else ""
        if emptied or text:
            self._restore(f"{tool}-restore", emptied + text, backend)
        if text and backend is Backend.LEGACY:
            self._rule_counts[family] = _count_rules(self._run(f"{tool}-save"))
        elif text:
            self._rule_numbers[family] = rule_numbers(self._rules(), family)
        self._loaded[family] = text
        self._tables[family] = named

    def _rules(self) -> Netlink:
        if self._netlink is None:
            with self._namespace.inside():
                self._netlink = Netlink(NETFILTER)
        return self._netlink

    def close(self) -> None:
        """Close what holds the namespace open."""
        if self._netlink is not None:
            self._netlink.close()

    def _restore(self, program: str, text: str, backend: Backend) -> None:
        wait = ["-w", "60"] if backend is Backend.LEGACY else []
        try:
            self._run(program, *wait, input=text)
        except subprocess.CalledProcessError as error:
            raise CannotLoadError(error.stderr.strip()) from None

    def _run(self, *words: str, input: str = "") -> str:  # noqa: A002 - as subprocess names it
        try:
            return self._namespace.run(words, input=input).stdout
        except FileNotFoundError as error:
            raise LabError(f"needs the program {error.filename}") from None
        except UnicodeEncodeError:
            raise CannotLoadError("the rule set has characters that cannot be written") from None
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{words[0]}: {error}") from None

    def match(self, prefix: bytes, family: Family) -> str | None:
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
            return f"{table}/{chain}#{number}"
        return _end(table, chain)

    def nft_match(self, step: TraceStep) -> str | None:
        """What a message of the trace says, if it is about a table that the rule set has."""
        table, chain = step.table, step.chain
        if table not in self._tables.get(step.family, ()):
            return None
        if step.handle:
            return f"{table}/{chain}#{self._rule_numbers[step.family][table, step.handle]}"
        if not step.is_policy and chain in BUILTIN_CHAINS[table]:
            # The end of a base chain is told twice, the second time as its policy.
            return None
        return _end(table, chain)


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


_REMEMBERS = re.compile(
    r"-m (?:connlimit|hashlimit|limit|quota|rateest|recent|statistic)\b|-j (?:RATEEST|IDLETIMER)\b"
)
"""Rules that remember what they have seen."""


def _end(table: str, chain: str) -> str:
    return f"{table}/{chain} {'policy' if chain in BUILTIN_CHAINS[table] else 'return'}"


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
