# SPDX-License-Identifier: GPL-2.0-only
"""Writes docs/false-alarms.md: what lint says of real rule sets, by the tool that made them, and
what a person who looked at it says of that.

    python -m tools.false_alarms            # lints the corpus, some minutes, and writes the page
    python -m tools.false_alarms --check    # the same, and only says what is lacking
    python -m tools.false_alarms --play     # as root: plays the witnesses too, and records that

The verdicts stand in false_alarms.toml beside this file: for each tool and rule, the worst severity
that was looked at, ``true``, ``harmless`` (true, and nobody need act: no more than a note) or
``false``, and why. What the kernel of the machine showed of their witnesses is recorded in
tests/conformance/data/false-alarms.json. The corpus is no part of the repository; see
tests/corpus.py.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from ctlint.analysis.replay import expectations
from ctlint.finding import Finding, Severity
from ctlint.lab.errors import LabError
from ctlint.lab.judgement import judgement
from ctlint.lab.lab import Lab, open_lab
from ctlint.model.kernel.profiles import KernelProfile, profile
from ctlint.report.confirm_result import Confirmation, Status, Task
from ctlint.scenario.reader import scenario_from_json
from tests.corpus import REPOSITORY, find_corpus
from tools.real_rulesets import BY_HAND, Kind, Scan, Tally
from tools.rule_evidence import exact_release

PAGE: Final = REPOSITORY / "docs/false-alarms.md"
VERDICTS: Final = REPOSITORY / "tools/false_alarms.toml"
RECORDED: Final = REPOSITORY / "tests/conformance/data/false-alarms.json"


class RefutedError(Exception):
    """The kernel does not show what a finding says."""


class Verdict(Enum):
    """What a person says of a kind of finding."""

    TRUE = "true"
    HARMLESS = "harmless"
    FALSE = "false"


class Reviewed(NamedTuple):
    """What a person found who looked at the findings of one kind: at which severity, and why."""

    severity: Severity
    verdict: Verdict
    says: str


class Played(NamedTuple):
    """How many witnesses of a kind a kernel showed; how many it did not, of findings that are only
    possible; of how many it could not be asked; and findings without a witness.
    """

    shown: int = 0
    undecided: int = 0
    unplayed: int = 0
    without: int = 0

    def __str__(self) -> str:
        parts = [f"{self.shown} shown" if self.shown else ""]
        parts.append(f"{self.undecided} not so" if self.undecided else "")
        parts.append(f"{self.unplayed} not played" if self.unplayed else "")
        parts.append("none" if self.without else "")
        return ", ".join(filter(None, parts))


class Recording(NamedTuple):
    """What a kernel showed, by kind, and its release."""

    release: str
    kinds: Mapping[Kind, Played]


# Verdicts


def verdicts() -> dict[Kind, Reviewed]:
    """What a person said, by kind."""
    return {
        Kind(tool, rule): Reviewed(
            Severity(said["severity"]), Verdict(said["verdict"]), said["says"]
        )
        for tool, rules in tomllib.loads(VERDICTS.read_text("utf-8")).items()
        for rule, said in rules.items()
    }


def complaints(
    kinds: Mapping[Kind, Sequence[Finding]],
    said: Mapping[Kind, Reviewed],
    recording: Recording,
) -> Iterator[str]:
    """What of the findings no person has looked at, or that not so; verdicts about nothing; what
    was not played.
    """
    for kind, findings in sorted(kinds.items()):
        reviewed = said.get(kind)
        worst = max((one.severity for one in findings), key=lambda one: one.rank)
        name = f"{kind.tool}, {kind.rule}"
        if reviewed is None:
            yield f"{name} ({worst.value}): no verdict"
        elif reviewed.severity is not worst:
            yield f"{name}: {worst.value}, reviewed as {reviewed.severity.value}"
        elif reviewed.verdict is Verdict.FALSE:
            yield f"{name}: a false alarm"
        elif reviewed.verdict is Verdict.HARMLESS and worst is not Severity.NOTE:
            yield f"{name}: harmless, and a {worst.value}"
        if sum(recording.kinds.get(kind, Played())) != len(findings):
            yield f"{name}: not all was played, or other findings were"
    for kind in sorted((said.keys() | recording.kinds.keys()) - kinds.keys()):
        yield f"{kind.tool}, {kind.rule}: reviewed or played, and not found"


# Playing


def play(scan: Scan) -> Recording:
    """Plays the witnesses of all findings on the kernel of this machine.

    Raises RefutedError where it does not show what a certain finding says.
    """
    kernel = profile(os.uname().release)
    kinds: dict[Kind, Played] = {}
    with open_lab() as lab:
        for kind, findings in sorted(scan.kinds.items()):
            counts = Counter(_played(lab, kernel, one) for one in findings)
            kinds[kind] = Played(**counts)
    return Recording(exact_release(), kinds)


def _played(lab: Lab, kernel: KernelProfile, finding: Finding) -> str:
    """The field of Played that counts it."""
    if finding.witness is None:
        return "without"
    expect = expectations(finding.witness)
    opening = len(expect) - len(finding.witness.expect)
    scenario = scenario_from_json({**finding.witness.scenario, "expect": expect})
    try:
        duel = judgement(lab, scenario, kernel)
    except LabError:
        return "unplayed"
    where = finding.location
    task = Task(
        where.file, where.line, "witness", scenario, finding.rule, finding.confidence, opening
    )
    status = Confirmation(task, duel).status
    if status is Status.CONFIRMED:
        return "shown"
    if status is not Status.UNDECIDED:
        raise RefutedError(f"{where.file}:{where.line}: {finding.rule}: {status.value}")
    return "undecided"


def recorded() -> Recording:
    """What was played last."""
    told = json.loads(RECORDED.read_text("utf-8"))
    kinds = {
        Kind(tool, rule): Played(*counts)
        for tool, rules in told["kinds"].items()
        for rule, counts in rules.items()
    }
    return Recording(told["release"], kinds)


def write_recording(recording: Recording) -> None:
    """Writes it, a tool a line."""
    tools: dict[str, dict[str, Played]] = {}
    for kind, played in recording.kinds.items():
        tools.setdefault(kind.tool, {})[kind.rule] = played
    lines = [f"  {json.dumps(tool)}: {json.dumps(rules)}" for tool, rules in tools.items()]
    release = json.dumps(recording.release)
    body = ",\n".join(lines)
    RECORDED.write_text(f'{{"release": {release}, "kinds": {{\n{body}\n}}}}\n', "utf-8")


# The page

HEAD: Final = """\
# Findings in real rule sets

What `ctlint lint` says of rule sets that nobody wrote for it: what programs load by themselves,
and what people have published. Each kind of finding (a rule, in what one tool made) was looked at
by hand: the rules, the witness, what the live kernel says of it (`ctlint confirm`), and whether
someone who runs such a host should be told.

| verdict | means |
|---|---|
| true | it is so, and worth knowing |
| harmless | it is so, and nobody need act: no more than a note |

A kind that is false is a fault of the rule and is mended; none is left. Two were: REJECT of INVALID
with an ICMP error, which ends no connection, was an error (CT108), and so was NOTRACK of both
directions, each by one interface (CT402).

Nothing here is above a note on what ufw, firewalld, docker, libvirt and kube-proxy load by
themselves. Older kernels add two warnings to them, and no more: CT301 before Linux 6.1, where rules
translate (docker, libvirt, kube-proxy), and CT306 from 5.17.6 to 6.1.8, where INVALID is dropped in
FORWARD (firewalld, kube-proxy). Kernels have shown both with their default sysctls
([evidence](evidence.md)). A note says how long an entry lives without a packet, five days by
default, and what it takes to lose it sooner.

Made by `tools/false_alarms.py`; `tests/conformance/test_false_alarms.py` holds that every kind has
its verdict. The rule sets are of other people and no part of the repository.
"""


def page(scan: Scan, said: Mapping[Kind, Reviewed], recording: Recording) -> str:
    """The whole page."""
    return "\n".join([HEAD, *_sums(scan, recording), *_tools(scan, said, recording)])


def _sums(scan: Scan, recording: Recording) -> Iterator[str]:
    tallies = scan.tools.values()
    by_severity = Counter(one.severity for found in scan.kinds.values() for one in found)
    says = ", ".join(_counted(by_severity[one], one) for one in Severity)
    yield (
        f"{sum(one.configurations for one in tallies)} configurations with "
        f"{sum(one.rules for one in tallies):,} rules were linted for kernel {scan.kernel.name}, "
        f"with the sysctls of their hosts where these are known: {says}, of {len(scan.kinds)} "
        f"kinds. {len(scan.unread)} more have no iptables rules, or rules that no restore loads."
    )
    played = Played(*map(sum, zip(*recording.kinds.values(), strict=True)))
    yield ""
    yield (
        f"Linux {recording.release} showed {played.shown} witnesses. Of {played.undecided} "
        "findings that are only possible it did not: what decides them is not in the rules. "
        f"{played.unplayed} could not be played: their rules name hosts that are not known here. "
        f"{played.without} findings are about rules that no packet comes to, or settings."
    )
    yield ""
    yield "| made by | configurations | rules | errors | warnings | notes |"
    yield "|---|---|---|---|---|---|"
    for tool, tally in sorted(scan.tools.items(), key=_as_listed):
        found = Counter(
            one.severity for kind in scan.kinds if kind.tool == tool for one in scan.kinds[kind]
        )
        counts = " | ".join(str(found[one] or "") for one in Severity)
        yield f"| {tool} | {tally.configurations} | {tally.rules:,} | {counts} |"
    yield ""


def _tools(scan: Scan, said: Mapping[Kind, Reviewed], recording: Recording) -> Iterator[str]:
    for tool, _ in sorted(scan.tools.items(), key=_as_listed):
        kinds = [kind for kind in sorted(scan.kinds) if kind.tool == tool]
        if not kinds:
            continue
        yield f"## {tool[0].upper()}{tool[1:]}\n"
        yield "| rule | findings | witnesses | verdict | what was seen |"
        yield "|---|---|---|---|---|"
        for kind in kinds:
            found = Counter(one.severity for one in scan.kinds[kind])
            counts = ", ".join(_counted(found[one], one) for one in Severity if found[one])
            cells = (
                f"[{kind.rule}](rules/{kind.rule}.md)",
                counts,
                str(recording.kinds[kind]),
                said[kind].verdict.value,
                " ".join(said[kind].says.split()),
            )
            yield f"| {' | '.join(cells)} |"
        yield ""


def _counted(count: int, severity: Severity) -> str:
    return f"{count} {severity.value}{'s' * (count != 1)}"


def _as_listed(one: tuple[str, Tally]) -> tuple[bool, str]:
    return one[0] == BY_HAND, one[0].lower()


def main(arguments: Sequence[str]) -> int:
    """Write the page, or say what it lacks."""
    corpus = find_corpus()
    if corpus is None:
        print("the corpus is absent: set CTLINT_CORPUS", file=sys.stderr)
        return 2
    scan, said = Scan(corpus), verdicts()
    if arguments == ["--play"]:
        write_recording(play(scan))
    lacking = list(complaints(scan.kinds, said, recorded()))
    print(*lacking, sep="\n", end="\n" if lacking else "")
    if lacking or arguments == ["--check"]:
        return int(bool(lacking))
    PAGE.write_text(page(scan, said, recorded()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
