# SPDX-License-Identifier: GPL-2.0-only
"""The firewall that a capture is played on: rules, sets and settings out of their files."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.analysis.capture.replay import Firewall
from ctlint.analysis.capture.whereabouts import Stage
from ctlint.analysis.settings import Settings
from ctlint.ir.ipset import Ipset
from ctlint.ir.rule import Target
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import NETFILTER, SYSCTLS
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.source.errors import SourceError
from ctlint.source.inputs import HostInput, read_inputs
from ctlint.source.sysctl_files import read_sysctls
from ctlint.wire.addresses import Family

_NEEDS_ADDRESS = ("MASQUERADE", "REDIRECT")
"""Targets that give packets an address of the box itself."""


def read_firewall(
    rules: Sequence[str],
    sysctls: Sequence[str],
    sets: Sequence[str],
    kernel: KernelProfile,
    stage: Stage,
) -> Firewall:
    """Read all. ``rules`` are paths of dumps or of hosts' folders, at most one dump of each family.

    Raises SourceError, ParseError, BadSettingError.
    """
    hosts = read_inputs(rules, sysctls, sets) if rules else ()
    given = hosts[-1].sysctls if hosts else read_sysctls(sysctls)
    return Firewall(
        kernel,
        _numbers(given, kernel),
        _rulesets(hosts, stage),
        {name: each for host in hosts for name, each in _ipsets(host).items()},
        stage,
    )


def _numbers(given: SysctlSet, kernel: KernelProfile) -> dict[str, int]:
    """The settings of conntrack that are given. Raises BadSettingError."""
    settings = Settings(given, kernel)
    return {
        name: settings.value(name)
        for name in SYSCTLS
        if name.startswith(NETFILTER)
        and settings.setting(name) is not None
        and settings.value(name) != kernel.sysctl_default(name)
    }


def _ipsets(host: HostInput) -> dict[str, Ipset]:
    saved = host.saved_sets
    return dict(parse_ipset_save(saved.text(saved.names), ""))


def _rulesets(hosts: Sequence[HostInput], stage: Stage) -> tuple[Ruleset, ...]:
    found: dict[Family, Ruleset] = {}
    for host in hosts:
        for ruleset in host.rulesets:
            if ruleset.family in found:
                said = f"{ruleset.file}: a second rule set of IPv{ruleset.family.value}"
                raise SourceError(said, f"the first is {found[ruleset.family].file}")
            found[ruleset.family] = ruleset
            own = {one.family for one in stage.addresses}
            if ruleset.family not in own and (name := _target_without_address(ruleset)):
                said = f"{ruleset.file}: {name} gives packets an address of the box"
                raise SourceError(said, "say which it has: --local ADDRESS@INTERFACE")
    return tuple(found.values())


def _target_without_address(ruleset: Ruleset) -> str | None:
    """The first target that needs an address of the box."""
    table = ruleset.tables.get("nat")
    for chain in () if table is None else table.chains.values():
        for rule in chain.rules:
            if isinstance(rule.target, Target) and rule.target.name in _NEEDS_ADDRESS:
                return rule.target.name
    return None
