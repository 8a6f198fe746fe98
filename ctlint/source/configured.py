# SPDX-License-Identifier: GPL-2.0-only
"""What a configuration and options say of the inputs of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ctlint.lint.configuration import Effective, Said, Values, glob_covers
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, Terms
from ctlint.model.kernel.profiles import KernelProfile, profile
from ctlint.model.netfilter.transit import Facts
from ctlint.source.config_files import ConfigFile, beside, seen_from
from ctlint.source.inputs import HostInput


class Configured(NamedTuple):
    """A configuration and the options that were given."""

    file: ConfigFile
    options: Values

    def effective(self, names: Sequence[str] = ()) -> Effective:
        """What holds for an input, by the names of its files and its own; for all without names."""
        paths = [path for name in names for path in seen_from(self.file.folder, name)]
        return self.file.configuration.effective(self.options, paths)

    def terms(self, effective: Effective) -> Terms:
        """How an input is judged."""
        rules = effective.rules(shipped_rules())
        return Terms(rules, effective.severities, effective.allows)

    def is_excluded(self, path: str) -> bool:
        """Whether a glob of `exclude` covers a path, or a folder above it. Those of an option are
        relative to the working directory, those of the configuration to its folder.
        """
        globs: Sequence[str] = self.effective()["exclude"]
        folder = "." if "exclude" in self.options else self.file.folder
        return bool(globs) and any(
            glob_covers(glob, seen) for seen in seen_from(folder, path) for glob in globs
        )

    def host(self, one: HostInput) -> Host:
        """What is checked of an input, and how."""
        files = dict.fromkeys(ruleset.file for ruleset in one.rulesets)
        holds = self.effective((one.name, *files))
        return Host(
            one.rulesets,
            one.sysctls,
            Facts(sets=one.sets),
            holds.circumstances,
            one.saved_sets,
            one.texts,
            self.terms(holds),
            one.name,
            one.unread,
        )

    def on_kernel(self, kernel: KernelProfile) -> Configured:
        """The same for hosts that run this kernel."""
        said = {**self.options, "kernel": Said(kernel.name, "--live")}
        return self._replace(options=said)

    @property
    def kernel(self) -> KernelProfile:
        """The kernel."""
        return profile(self.effective()["kernel"])

    def paths(self, key: str) -> tuple[str, ...]:
        """The files that an option or the configuration names."""
        value = self.effective()[key]
        named = (value,) if isinstance(value, str) else value or ()
        if key in self.options:
            return tuple(named)
        return tuple(beside(self.file.folder, path) for path in named)

    @property
    def read(self) -> tuple[str, ...]:
        """The file of the configuration, which no output may replace."""
        name = self.file.configuration.file
        return (name,) if name else ()
