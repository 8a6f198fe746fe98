# SPDX-License-Identifier: GPL-2.0-only
"""A scenario that shows a loss: the handshake, the expiry, the packet that does not arrive.

The form is docs/scenario.md. Expected answers come from the walk through the rules that found the
loss, those about NAT from the model; the live kernel must give the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from ctlint.analysis.connection import Connection
from ctlint.analysis.drawn_ports import play_with_nat
from ctlint.analysis.fate import Disposition
from ctlint.analysis.first_packets import first_after_expiry
from ctlint.analysis.losses import Kind, Lost, Nature, Stranding
from ctlint.analysis.settings import ESTABLISHED, TCP_LOOSE, Settings
from ctlint.analysis.stage import HANDSHAKE, NEXT, stage
from ctlint.finding import Role, Witness
from ctlint.ir.rule import Goto, Jump
from ctlint.ir.ruleset import Ruleset, Table
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path, stops
from ctlint.model.netfilter.ipsets import named_sets
from ctlint.model.netfilter.tern import Tern
from ctlint.parse.ipset_text import NO_SETS, SavedSets
from ctlint.parse.printer import print_ruleset
from ctlint.scenario.scenario import DIR_NAMES, ScenarioError
from ctlint.wire.addresses import Family

_MAIN_HOOKS = (Hook.LOCAL_OUT, Hook.FORWARD, Hook.LOCAL_IN, Hook.PREROUTING)


MAX_IPSETS: Final = 256 << 10
"""Characters of a witness's ipsets; it is made without larger ones."""


class Witnesses:
    """Makes the witnesses of one rule set."""

    def __init__(
        self, chains: ChainStore, settings: Settings, saved_sets: SavedSets = NO_SETS
    ) -> None:
        self._chains = chains
        self._saved_sets = saved_sets
        self._settings = settings
        self._texts: dict[
            tuple[frozenset[Path], bool], tuple[Mapping[str, str], frozenset[str]]
        ] = {}
        self.rulesets: dict[str, Ruleset] = {}
        """The rule sets of the witnesses made so far, by their texts."""

    def witness(self, stranding: Stranding) -> Witness:
        """The scenario for the decisive packet of a stranding."""
        settings = self._settings
        lost = stranding.decisive
        connection = stranding.case.connection
        packets = [dict(packet) for packet in HANDSHAKE]
        steps = [(lost.sender, lost.kind)]
        if lost.kind is Kind.ACK and (lost.sender.other, Kind.FIN) in stranding.case.passed:
            # The ACK answers a FIN that gets through.
            steps.insert(0, (lost.sender.other, Kind.FIN))
        for index, (sender, kind) in enumerate(steps):
            seq, ack = NEXT[sender]
            packet: dict[str, Any] = {
                "dir": DIR_NAMES[sender],
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
        with_nat = lost.nature is Nature.TRANSLATION
        rules, tables = self.rules(connection, with_nat=with_nat)
        scenario |= stage(connection)
        scenario["packets"] = packets
        answers = self._played(scenario) if with_nat else {}
        scenario |= rules
        expect = []
        for index, (sender, kind) in enumerate(steps, len(HANDSHAKE)):
            answer = answers.get(index)
            if answer is None:
                answer = self._answer(sender, kind, connection)
                if with_nat:
                    # The addresses that NAT gives it are not known there.
                    answer = {"ctstate": answer["ctstate"]}
            if "rules" in answer:
                matched = answer["rules"]
                answer["rules"] = [step for step in matched if step.partition("/")[0] in tables]
            expect.append({"packet": index, **answer})
        return Witness(scenario, expect)

    def _played(self, scenario: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
        """What the model answers to packets of a scenario, by index, as far as it is decided."""
        found: dict[int, dict[str, Any]] = {}
        try:
            for index, known in enumerate(
                play_with_nat(self._chains, self._settings.kernel, scenario)
            ):
                if known.answer.delivered is not None:
                    found[index] = dict(known.expected)
        except ScenarioError:
            # What is possible may lead to places that are not simulated.
            return found
        return found

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
        }
        if fate.delivered is not Tern.UNKNOWN:
            # What finds no entry is lost to NAT wherever an undecided match leaves it.
            answer["delivered"] = fate.ends[-1].cause is None
        if fate.is_exact and fate.ends[-1].disposition is not Disposition.REJECTED:
            # Otherwise not all rules that matched are known: those of undecided matches, and
            # those that the packets of REJECT meet.
            answer["rules"] = fate.matched
        return answer

    def rules(
        self, connection: Connection, *, with_nat: bool
    ) -> tuple[Mapping[str, str], frozenset[str]]:
        """The rule set as far as packets of the connection can reach it, as keys of a scenario, and
        its tables.

        nat is left out where it translates nothing of the connection and its later packets.
        """
        paths = frozenset(Path)
        if not with_nat:
            paths = frozenset(connection.ends(sender).path for sender in Dir)
        elif connection.role is not Role.LOOPBACK:
            # What NAT does not lead on any more comes to the host itself, or goes through it.
            paths -= {Path.LOOPBACK}
        key = paths, with_nat
        if key not in self._texts:
            ruleset = reachable(self._chains.ruleset, paths, with_nat=with_nat)
            text = print_ruleset(ruleset)
            keys = {"ruleset6" if connection.family is Family.IPV6 else "ruleset": text}
            ipsets = self._saved_sets.text(named_sets(ruleset)) if self._saved_sets.texts else ""
            if 0 < len(ipsets) <= MAX_IPSETS:
                keys["ipsets"] = ipsets
            self._texts[key] = (keys, frozenset(ruleset.tables))
            self.rulesets[text] = ruleset
        return self._texts[key]


def step_name(lost: Lost) -> str:
    """The packet in a few words, such as ``FIN of the client``."""
    return f"{lost.kind.name} of the {'client' if lost.sender is Dir.ORIGINAL else 'server'}"


def reachable(ruleset: Ruleset, paths: Iterable[Path], *, with_nat: bool = False) -> Ruleset:
    """The chains that packets of these paths can reach, those of the nat table only if asked;
    without the counters of policies, which run on.
    """
    roots: dict[str, set[str]] = {}
    for path in paths:
        for stop in stops(path, is_nft=ruleset.is_nft):
            if with_nat or stop.table != "nat":
                roots.setdefault(stop.table, set()).add(stop.chain)
    tables = {}
    for name, table in ruleset.tables.items():
        if name not in roots or (name != "filter" and _lets_all_through(table)):
            continue
        reached = _reached(table, roots[name])
        chains = {
            chain.name: chain._replace(
                counters=None, rules=chain.rules if chain.name in reached else ()
            )
            for chain in table.chains.values()
            if chain.is_base or chain.name in reached
        }
        tables[name] = replace(table, chains=chains)
    return replace(ruleset, tables=tables)


def _lets_all_through(table: Table) -> bool:
    """Whether a table has no rules, and no policy but ACCEPT."""
    return not table.rule_count and all(
        chain.policy in (None, "ACCEPT") for chain in table.chains.values()
    )


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
