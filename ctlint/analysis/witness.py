# SPDX-License-Identifier: GPL-2.0-only
"""A scenario that shows a loss: the handshake, the expiry, the packet that does not arrive.

The form is docs/scenario.md. Expected answers come from the walk through the rules that found the
loss; the live kernel must give the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from ctlint.analysis.connection import Connection
from ctlint.analysis.fate import Disposition
from ctlint.analysis.settings import ESTABLISHED, TCP_LOOSE, Settings
from ctlint.analysis.stranding import Kind, Lost, Stranding, first_after_expiry, home_of
from ctlint.finding import Role, Witness
from ctlint.ir.rule import Goto, Jump
from ctlint.ir.ruleset import Ruleset, Table
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path, stops
from ctlint.model.netfilter.ipsets import named_sets
from ctlint.parse.ipset_text import NO_SETS, SavedSets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family, format_address

HANDSHAKE: list[dict[str, Any]] = [
    {
        "dir": "orig",
        "flags": "S",
        "seq": 1000,
        "opts": {"mss": 1460, "sackok": True, "wscale": 7},
    },
    {
        "dir": "reply",
        "flags": "SA",
        "seq": 5000,
        "ack": 1001,
        "opts": {"mss": 1460, "sackok": True, "wscale": 7},
    },
    {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "win": 502},
]
_NEXT = {Dir.ORIGINAL: (1001, 5001), Dir.REPLY: (5001, 1001)}
_MAIN_HOOKS = (Hook.LOCAL_OUT, Hook.FORWARD, Hook.LOCAL_IN, Hook.PREROUTING)
_NAME = {Dir.ORIGINAL: "orig", Dir.REPLY: "reply"}


MAX_IPSETS: Final = 256 << 10
"""Characters of a witness's ipsets; it is made without larger ones."""


class Witnesses:
    """Makes the witnesses of one rule set."""

    def __init__(
        self, chains: ChainStore, settings: Settings, saved_sets: SavedSets = NO_SETS
    ) -> None:
        self._chains = chains
        self._saved_sets = saved_sets
        self._ipsets: dict[str, str] = {}
        self._settings = settings
        self._texts: dict[frozenset[Path], tuple[str, frozenset[str]]] = {}
        self.rulesets: dict[str, Ruleset] = {}
        """The rule sets of the witnesses made so far, by their texts."""

    def witness(self, stranding: Stranding) -> Witness:
        """The scenario for the decisive packet of a stranding."""
        settings = self._settings
        lost = stranding.decisive
        connection = stranding.case.connection
        packets = [dict(packet) for packet in HANDSHAKE]
        expect: list[dict[str, Any]] = []
        steps = [(lost.sender, lost.kind)]
        if lost.kind is Kind.ACK and (lost.sender.other, Kind.FIN) in stranding.case.passed:
            # The ACK answers a FIN that gets through.
            steps.insert(0, (lost.sender.other, Kind.FIN))
        for index, (sender, kind) in enumerate(steps):
            seq, ack = _NEXT[sender]
            packet: dict[str, Any] = {
                "dir": _NAME[sender],
                "flags": kind.flags.letters,
                "seq": seq,
                # The answer to a FIN acknowledges it.
                "ack": ack + index,
                "win": 502,
            }
            if kind is Kind.DATA:
                packet["len"] = 1
            if index == 0:
                packet["expire"] = True
            answer = self._answer(sender, kind, connection)
            expect.append({"packet": len(packets), **answer})
            packets.append(packet)
        scenario: dict[str, Any] = {
            "name": f"{step_name(lost)} after expiry, {stranding.role.value}",
            "kernel": settings.kernel.name,
        }
        sysctls = {
            name.rpartition(".")[2].removeprefix("nf_conntrack_"): settings.value(name)
            for name in (TCP_LOOSE, ESTABLISHED)
            if settings.value(name) != settings.kernel.sysctl_default(name)
        }
        if sysctls:
            scenario["sysctls"] = sysctls
        v6 = connection.family is Family.IPV6
        rules = self._rules(connection)[0]
        scenario["ruleset6" if v6 else "ruleset"] = rules
        if self._ipsets[rules]:
            scenario["ipsets"] = self._ipsets[rules]
        scenario |= stage(connection)
        scenario["packets"] = packets
        return Witness(scenario, expect)

    def _answer(self, sender: Dir, kind: Kind, connection: Connection) -> dict[str, Any]:
        settings = self._settings
        fate = first_after_expiry(
            self._chains,
            connection,
            sender,
            kind,
            loose=settings.value(TCP_LOOSE) != 0,
            kernel=settings.kernel,
        )
        reached = (fate.ctstates.get(hook) for hook in _MAIN_HOOKS)
        main = next((ctstate for ctstate in reached if ctstate is not None), None)
        answer: dict[str, Any] = {
            # A packet that the raw table drops in PREROUTING never meets conntrack.
            "ctstate": None if main is None else main.name,
            "delivered": fate.ends[-1].cause is None,
        }
        if fate.is_exact and fate.ends[-1].disposition is not Disposition.REJECTED:
            # Otherwise not all rules that matched are known: those of undecided matches, and
            # those that the packets of REJECT meet.
            tables = self._rules(connection)[1]
            answer["rules"] = [step for step in fate.matched if step.partition("/")[0] in tables]
        return answer

    def _rules(self, connection: Connection) -> tuple[str, frozenset[str]]:
        """The rule set as far as packets of the connection can reach it, and its tables.

        nat is left out: it translates nothing of the connections that are judged.
        """
        paths = frozenset(connection.ends(sender).path for sender in Dir)
        if paths not in self._texts:
            ruleset = reachable(self._chains.ruleset, paths)
            text = print_ruleset(ruleset)
            self._texts[paths] = (text, frozenset(ruleset.tables))
            self.rulesets[text] = ruleset
            ipsets = self._saved_sets.text(named_sets(ruleset))
            self._ipsets[text] = ipsets if len(ipsets) <= MAX_IPSETS else ""
        return self._texts[paths]


def stage(connection: Connection) -> dict[str, Any]:
    """Topology and flow of a scenario that plays this connection."""
    flow = {
        "saddr": format_address(connection.family, connection.orig_address),
        "sport": connection.orig_port,
        "daddr": format_address(connection.family, connection.reply_address),
        "dport": connection.reply_port,
    }
    return {"topology": _topology(connection), "flow": flow}


def step_name(lost: Lost) -> str:
    """The packet in a few words, such as ``FIN of the client``."""
    return f"{lost.kind.name} of the {'client' if lost.sender is Dir.ORIGINAL else 'server'}"


def reachable(ruleset: Ruleset, paths: Iterable[Path]) -> Ruleset:
    """The chains that packets of these paths can reach, without the nat table."""
    roots: dict[str, set[str]] = {}
    for path in paths:
        for stop in stops(path, is_nft=ruleset.is_nft):
            if stop.table != "nat":
                roots.setdefault(stop.table, set()).add(stop.chain)
    tables = {}
    for name, table in ruleset.tables.items():
        if name not in roots or (name != "filter" and not table.rule_count):
            continue
        reached = _reached(table, roots[name])
        chains = {
            chain.name: chain if chain.name in reached else replace(chain, rules=())
            for chain in table.chains.values()
            if chain.is_base or chain.name in reached
        }
        tables[name] = replace(table, chains=chains)
    return replace(ruleset, tables=tables)


def _reached(table: Table, bases: set[str]) -> set[str]:
    """The chains that calls lead to from base chains, with these."""
    reached: set[str] = set()
    waiting = [name for name in bases if name in table.chains]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting += [
            rule.target.chain
            for rule in table.chains[name].rules
            if isinstance(rule.target, Jump | Goto)
        ]
    return reached


def _topology(connection: Connection) -> str | dict[str, Any]:
    v6 = connection.family is Family.IPV6
    suffix = "6" if v6 else ""
    if connection.role is Role.LOOPBACK:
        return {"kind": "lo", "v6": True} if v6 else "lo"
    if connection.role is Role.FORWARD:
        family, ends = connection.family, (connection.orig_address, connection.reply_address)
        left = _router_address(family, ends[0], ends)
        right = _router_address(family, ends[1], (*ends, left))
        length = 64 if v6 else 16
        return {
            "kind": "forward",
            "left_if": connection.orig_interface,
            "right_if": connection.reply_interface,
            f"left_addr{suffix}": f"{format_address(family, left)}/{length}",
            f"right_addr{suffix}": f"{format_address(family, right)}/{length}",
            "v6": v6,
        }
    home = home_of(connection.role)
    own = connection.orig_address if home is Dir.ORIGINAL else connection.reply_address
    return {
        "kind": "host",
        "role": _NAME[home],
        "if": connection.orig_interface,
        f"addr{suffix}": f"{format_address(connection.family, own)}/{64 if v6 else 16}",
        "v6": v6,
    }


def _router_address(family: Family, neighbour: int, taken: tuple[int, ...]) -> int:
    """The first free address of the box in the network of one of its neighbours."""
    length = 64 if family is Family.IPV6 else 16
    network = neighbour >> (family.bits - length) << (family.bits - length)
    return next(network + n for n in range(1, len(taken) + 2) if network + n not in taken)
