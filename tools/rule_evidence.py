# SPDX-License-Identifier: GPL-2.0-only
"""Writes docs/evidence.md: for each lint rule the witness that kernels have shown, or why no
packets are involved.

    python -m tools.rule_evidence                       # writes the page from what is recorded
    python -m tools.rule_evidence --check               # exits 1 where the page is not so
    python -m tools.rule_evidence --play DIR            # as root: records what this kernel does

What is played are the witnesses of the rules' own Bad examples, and for rules about timeouts the
scenarios of tests/conformance/data/rule-evidence/settings.jsonl, whose names begin with the rule. A
recording is a file RELEASE.json beside these. tools/kernel_vm.py plays them on another kernel.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ctlint.analysis.replay import expectations
from ctlint.finding import Finding
from ctlint.lab.judgement import judgement
from ctlint.lab.lab import Lab, open_lab
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import KernelProfile, profile
from ctlint.scenario.reader import scenario_from_json
from tests.corpus import REPOSITORY
from tests.rules.pages import example

PAGE: Final = REPOSITORY / "docs/evidence.md"
RECORDED: Final = REPOSITORY / "tests/conformance/data/rule-evidence"
SETTINGS: Final = RECORDED / "settings.jsonl"
WORDS: Final = REPOSITORY / "tools/rule_evidence.toml"

HEAD: Final = """\
# What shows that a rule is right

A finding about packets carries a witness: packets in time, and what must become of them. Here the
witnesses of the rules' own Bad examples were played on live kernels, as `ctlint confirm` does; and
for rules about timeouts, packets on both sides of one. A witness is *shown* where every answer that
it expects came, and the model of that kernel said the same of every packet. *Not so here*: this
kernel does otherwise, as its model says; the rule is about others.

A rule of settings, or of rules as they stand in the file, is about no packet: the table says what
is known, and from where.

Made by `tools/rule_evidence.py`; `tests/kernel/test_rule_evidence.py` plays all of it again on the
kernel that runs the tests.
"""


class Shown(NamedTuple):
    """Witnesses of one rule's Bad example on one kernel: how many it showed, of how many it says
    otherwise just as its model does, and how many there are.
    """

    shown: int
    otherwise: int
    witnesses: int

    @property
    def is_sound(self) -> bool:
        """Whether kernel and model agree about all of them."""
        return self.shown + self.otherwise == self.witnesses

    def __str__(self) -> str:
        if not self.shown:
            return "not so here"
        return f"{self.shown} of {self.witnesses} shown"


class Words(NamedTuple):
    """What a person says of a rule: what is known, and from where; which kernels it is about."""

    says: str = ""
    about: str = "all"


# Playing


def findings_of(info: RuleInfo) -> tuple[Finding, ...]:
    """The findings of a rule with a witness, in its own Bad example."""
    one = example(info, "Bad")
    host = Host(one.rulesets(), one.sysctls(), texts=one.texts(), circumstances=one.told)
    found = lint([host], one.kernel, [info], persona=info.persona).findings
    return tuple(each for each in found if each.rule == info.id and each.witness is not None)


def timed() -> Mapping[str, Mapping[str, Any]]:
    """The scenarios for rules about timeouts, by rule."""
    found = map(json.loads, SETTINGS.read_text("utf-8").splitlines())
    return {scenario["name"].partition(":")[0]: scenario for scenario in found}


def scenarios_of(info: RuleInfo) -> tuple[Mapping[str, Any], ...]:
    """What is played for a rule; nothing where it is about no packets and no timeout."""
    witnesses = [found.witness for found in findings_of(info) if found.witness is not None]
    return (
        *({**each.scenario, "expect": expectations(each)} for each in witnesses),
        *(scenario for rule, scenario in timed().items() if rule == info.id),
    )


def played(lab: Lab, info: RuleInfo, kernel: KernelProfile) -> Shown | None:
    """What the live kernel shows of a rule; None where nothing is played. Raises LabError."""
    duels = [judgement(lab, scenario_from_json(one), kernel) for one in scenarios_of(info)]
    agreed = [duel for duel in duels if not duel.differences]
    shown = sum(not duel.unmet for duel in agreed)
    otherwise = sum(bool(duel.unmet and duel.unmet_by_model) for duel in agreed)
    return Shown(shown, otherwise, len(duels)) if duels else None


def record(folder: Path) -> int:
    """Plays all on the kernel of this machine and writes what it showed into the folder."""
    release = exact_release()
    kernel = profile(os.uname().release)
    found: dict[str, Shown] = {}
    with open_lab() as lab:
        for info in shipped_rules():
            if (shown := played(lab, info, kernel)) is not None:
                found[info.id] = shown
                print(info.id, shown, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"  {json.dumps(rule)}: {json.dumps(shown)}" for rule, shown in found.items()]
    (folder / f"{release}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    return 0 if all(shown.is_sound for shown in found.values()) else 1


def exact_release() -> str:
    """The release of the running kernel as its makers count: 6.1.192, not a package's 6.1.0-57."""
    version = re.search(r"\b(\d+\.\d+\.\d+)-\d+ \(", os.uname().version)
    release = re.match(r"\d+\.\d+(?:\.\d+)?", os.uname().release)
    assert release is not None
    return version[1] if version else release[0]


# The page


def recordings() -> dict[str, dict[str, Shown]]:
    """What kernels have shown, by release, the oldest first."""
    found = {
        path.stem: {rule: Shown(*one) for rule, one in json.loads(path.read_text("utf-8")).items()}
        for path in RECORDED.glob("*.json")
    }
    return dict(sorted(found.items(), key=lambda one: [int(part) for part in one[0].split(".")]))


def words() -> dict[str, Words]:
    """What a person says, by rule."""
    return {rule: Words(**said) for rule, said in tomllib.loads(WORDS.read_text("utf-8")).items()}


def page() -> str:
    """The whole page."""
    rules, kernels, said = shipped_rules(), recordings(), words()
    played = [info for info in rules if any(info.id in one for one in kernels.values())]
    others = [info for info in rules if info not in played]
    unsaid = {info.id for info in others} - said.keys()
    assert not unsaid, f"{WORDS.name} says nothing of {sorted(unsaid)}"
    packets = [info for info in played if info.id not in timed()]
    return "\n".join(
        [
            HEAD,
            "## Rules about packets\n",
            *_rows(packets, kernels, said),
            "\n## Rules about timeouts\n",
            *_rows([info for info in played if info not in packets], kernels, said),
            "\n## Rules about no packet\n",
            "No packets are involved.\n",
            "| rule | what is known, and from where |",
            "|---|---|",
            *(f"| {_link(one)} | {said[one.id].says.strip()} |" for one in others),
            "",
        ]
    )


def _rows(
    rules: Sequence[RuleInfo],
    kernels: Mapping[str, Mapping[str, Shown]],
    said: Mapping[str, Words],
) -> Iterator[str]:
    yield f"| rule | kernels | {' | '.join(f'Linux {one}' for one in kernels)} |"
    yield f"|---|---|{'---|' * len(kernels)}"
    for info in rules:
        cells = [str(one[info.id]) if info.id in one else "not played" for one in kernels.values()]
        about = said.get(info.id, Words()).about
        yield f"| {_link(info)} | {about} | {' | '.join(cells)} |"
    yield ""
    yield from (f"- {info.id}: {said[info.id].says.strip()}" for info in rules if info.id in said)


def _link(info: RuleInfo) -> str:
    return f"[{info.id}](rules/{info.id}.md) {info.name}"


def main(arguments: Sequence[str]) -> int:
    """Write or check the page, or play."""
    if arguments[:1] == ["--play"]:
        return record(Path(arguments[1]))
    wanted = page()
    if arguments == ["--check"]:
        return int(wanted != PAGE.read_text("utf-8"))
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
