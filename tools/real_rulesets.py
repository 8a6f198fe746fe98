# SPDX-License-Identifier: GPL-2.0-only
"""What lint says of real rule sets: those of the corpus, which is no part of the repository."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.finding import Finding
from ctlint.ir.ruleset import Ruleset
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import NEWEST, KernelProfile
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.errors import ParseError
from ctlint.source.errors import SourceError
from ctlint.source.inputs import HostInput, read_inputs

BY_HAND: Final = "by hand"

_GENERATED: Final = {"nftex": "nft's examples", "awkward": "odd rules", "empty": "no rules"}
"""What folders of generated/ hold whose names do not begin with a tool's name."""
_CHAINS: Final = (
    ("antrea", r"ANTREA-"),
    ("calico", r"cali-"),
    ("docker", r"DOCKER"),
    ("fail2ban", r"(?:f2b|fail2ban)-"),
    ("firehol", r"(?:in|out)_my|(?:in|out)_router"),
    ("firewalld", r"(?:INPUT|FORWARD|OUTPUT)_direct$"),
    ("kube-proxy", r"KUBE-"),
    ("multi-networkpolicy", r"MULTI-INGRESS"),
    ("neutron", r"neutron-"),
    ("rancher", r"CATTLE_"),
    ("Red Hat's setup", r"RH-Firewall-"),
    ("sshguard", r"sshguard"),
    ("ufw", r"ufw-"),
)
"""Chains that programs make."""
_NAMES: Final = (("ferm", r"\bferm\b"), ("firehol", r"firehol_"))
"""Files of public/ whose names tell what their chains do not."""


class Kind(NamedTuple):
    """The findings of one rule in what one tool made."""

    tool: str
    rule: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """A host's folder or a dump; ``paths`` are tried in order until one is read."""

    name: str
    paths: tuple[Path, ...]

    def read(self) -> HostInput | None:
        """What is in it; None where there are no iptables rules that load."""
        for path in self.paths:
            sets = path.with_name(f"{path.name}.ipset")
            with suppress(SourceError, ParseError):
                (found,) = read_inputs([str(path)], sets=[str(sets)] if sets.exists() else ())
                return found
        return None


@dataclass(slots=True)
class Tally:
    """What one tool made."""

    configurations: int = 0
    rules: int = 0

    def add(self, found: HostInput) -> None:
        """Counts a configuration."""
        self.configurations += 1
        self.rules += sum(ruleset.rule_count for ruleset in found.rulesets)


class Scan:
    """What lint says of all configurations of a corpus, for everyone."""

    def __init__(self, corpus: Path, kernel: KernelProfile = NEWEST) -> None:
        self.kernel = kernel
        self.tools: dict[str, Tally] = {}
        self.kinds: dict[Kind, list[Finding]] = {}
        self.unread: list[str] = []
        for configuration in configurations(corpus):
            self._add(configuration)

    def _add(self, configuration: Configuration) -> None:
        found = configuration.read()
        if found is None:
            self.unread.append(configuration.name)
            return
        tool = made_by(configuration.name, found.rulesets)
        result = lint([as_host(found)], self.kernel, shipped_rules())
        self.tools.setdefault(tool, Tally()).add(found)
        for one in result.findings:
            self.kinds.setdefault(Kind(tool, one.rule), []).append(one)


def as_host(found: HostInput) -> Host:
    """An input as the command judges it."""
    facts = Facts(sets=found.sets)
    return Host(
        found.rulesets, found.sysctls, facts, saved_sets=found.saved_sets, texts=found.texts
    )


def configurations(corpus: Path) -> Iterator[Configuration]:
    """All of a corpus: folders of hosts, then the dumps of others, repaired where they need it."""
    for folder in sorted((corpus / "generated").iterdir()):
        if folder.is_dir():
            yield Configuration(f"generated/{folder.name}", (folder,))
    with (corpus / "public/INDEX.tsv").open(encoding="utf-8", newline="") as index:
        for row in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE):
            name = row["filename"]
            paths = (corpus / "public" / name, corpus / "public-repaired" / name)
            yield Configuration(f"public/{name}", paths)


def made_by(name: str, rulesets: Iterable[Ruleset]) -> str:
    """The tools that made the rules of a configuration, as far as their chains tell."""
    folder, _, rest = name.partition("/")
    if folder == "generated":
        made = re.split(r"[-_.]", rest)[0]
        return _GENERATED.get(made, made)
    chains = {
        chain for ruleset in rulesets for table in ruleset.tables.values() for chain in table.chains
    }
    tools = [
        tool for tool, words in _CHAINS if any(re.match(words, chain) for chain in chains)
    ] or [tool for tool, words in _NAMES if re.search(words, rest)]
    return " + ".join(tools) or BY_HAND
