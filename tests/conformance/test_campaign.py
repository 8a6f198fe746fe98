# SPDX-License-Identifier: GPL-2.0-only
"""The campaign finds what is wrong, makes it small and tells it; its command bears any input.

No kernel is asked: the model of one kernel stands for the live one, that of another is compared.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from ctlint.lab.errors import LabError, LabStalled, LabUnavailable
from ctlint.lab.lab import Backend
from ctlint.model.kernel.profiles import profile
from ctlint.model.kernel.sysctls import NETFILTER
from ctlint.scenario.answer import EntryAnswer, OpAnswer, PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import Forward, Scenario, Send, Step
from ctlint.wire.addresses import Family
from tests.conformance import campaign, command, rules_campaign
from tests.conformance.campaign import first_fault, run, shrink_fault
from tests.conformance.faults import Fault
from tests.conformance.random_scenarios import generate

NEW: Final = profile("6.18")
OLD: Final = profile("3.10")


class Model:
    """A kernel that answers as its model does; it stalls as often as it is told to."""

    def __init__(self, stalls: int = 0) -> None:
        self.stalls = stalls

    def start(self, scenario: Scenario, backend: Backend | None = None) -> None:
        assert backend is None
        self._player = Player(scenario, NEW)

    def step(self, step: Step) -> PacketAnswer | OpAnswer:
        if self.stalls:
            self.stalls -= 1
            raise LabStalled("slow")
        return self._player.step(step)

    def entries(self) -> tuple[EntryAnswer, ...]:
        return self._player.entries()


def some_faults() -> list[Fault]:
    found = (first_fault(scenario, OLD, Model()) for scenario in generate(1, 3_000))
    return [fault for fault in found if fault is not None]


def test_what_is_found_is_made_small() -> None:
    faults = some_faults()
    assert len(faults) > 3
    plain = 0
    for fault in faults:
        small = shrink_fault(fault, OLD, Model())
        assert {d.field for d in small.differences} == {d.field for d in fault.differences}
        assert len(small.scenario.steps) <= len(fault.scenario.steps)
        assert len(small.scenario.steps) <= 12
        # Nothing is left that has its default, and little that is set at all.
        for name, value in small.scenario.sysctls.items():
            assert value != OLD.sysctl_default(name)
        assert len(small.scenario.sysctls) <= 2
        topology = small.scenario.topology
        plain += isinstance(topology, Forward) and topology.family is Family.IPV4
        # It is the same fault again for whoever plays it.
        assert first_fault(small.scenario, OLD, Model()) == small
    assert plain > len(faults) / 2


def test_a_sysctl_that_is_needed_stays() -> None:
    """Its timeout is what differs: an old kernel has another default, and no other is set."""
    name = f"{NETFILTER}tcp_timeout_close"
    scenario = scenario_from_json(
        {
            "sysctls": {"tcp_timeout_close": 56, "tcp_timeout_syn_sent": 120},
            "topology": {"kind": "lo", "v6": True},
            "packets": [
                {"dir": "orig", "flags": "S", "seq": 1000},
                {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001},
                {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001},
                {"dir": "orig", "flags": "R", "seq": 1001},
            ],
        }
    )

    class Wrong(Model):
        """Says 55 s where 56 are set, and is right about all else."""

        def step(self, step: Step) -> PacketAnswer | OpAnswer:
            answer = super().step(step)
            if not isinstance(answer, PacketAnswer) or answer.entry is None:
                return answer
            seconds = answer.entry.timeout - (answer.entry.timeout == 56)
            return replace(answer, entry=replace(answer.entry, timeout=seconds))

    fault = first_fault(scenario, NEW, Wrong())
    assert fault is not None
    small = shrink_fault(fault, NEW, Wrong())
    assert dict(small.scenario.sysctls) == {name: 56}
    assert isinstance(small.scenario.topology, Forward)
    told = small.report(NEW)
    last = len(small.scenario.steps) - 1
    assert last > 0
    assert told["differences"] == [f"packet {last}: entry.timeout: model 56, kernel 55"]


def test_indices_and_sides_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for fault in some_faults():
        index = len(fault.answers) - 1
        head, *rest = fault.lines()
        assert head == f"{fault.scenario.name}: packet {index}"
        told = fault.report(OLD)
        assert [line.strip() for line in rest] == told["differences"]
        for line in told["differences"]:
            assert line.startswith((f"packet {index}: ", "at the end: "))
            assert ": model " in line
            assert ", kernel " in line


def test_a_slow_machine_is_asked_again() -> None:
    scenario = next(iter(generate(1, 1)))
    assert first_fault(scenario, NEW, Model(stalls=5)) is None
    with pytest.raises(LabStalled):
        first_fault(scenario, NEW, Model(stalls=1000))


def test_a_slow_machine_makes_nothing_small() -> None:
    """A fault is told as it was found where it cannot be played again and again."""

    class Tired(Model):
        def start(self, scenario: Scenario, backend: Backend | None = None) -> None:
            super().start(scenario, backend)
            self.stalls = 0 if len(scenario.steps) >= whole else 1000

    fault = some_faults()[0]
    whole = len(fault.answers)
    told: list[Fault] = []
    figures = run([fault.scenario], OLD, Tired(), told.append)
    assert [len(found.answers) for found in told] == [whole]
    assert (figures.scenarios, figures.faults) == (1, 1)
    steps = fault.scenario.steps[:whole]
    assert figures.packets == sum(isinstance(step, Send) for step in steps)


@pytest.mark.parametrize(
    ("words", "seed", "said"),
    [
        (["--packets", "0"], "", "'0' is not a number from 1 on"),
        (["--packets", "-5"], "", "'-5' is not a number from 1 on"),
        (["--packets", "many"], "", "'many' is not a number from 1 on"),
        (["--seed", "x"], "", "invalid int value: 'x'"),
        (["--family", "5"], "", "invalid choice: 5"),
        (["--nothing"], "", "unrecognized arguments: --nothing"),
        ([], "abc", "CTLINT_SEED is no whole number: 'abc'"),
        (["--report", "/nonexistent/folder/file"], "1", "/nonexistent/folder/file: No such file"),
        (["--report", "/"], "1", "/: Is a directory"),
        ([], "1", "no kernel can be asked: needs root"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    words: list[str],
    seed: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("platform.release", lambda: "6.18.44")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("CTLINT_SEED", seed)
    with pytest.raises(SystemExit) as caught:
        campaign.main(words)
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pairs", "0"], "'0' is not a number from 1 on"),
        (["--backend", "ebtables"], "invalid choice: 'ebtables'"),
        (["--packets", "1"], "unrecognized arguments: --packets 1"),
        (["--corpus"], "no kernel can be asked: needs root"),
    ],
)
def test_the_command_about_rules_does_so_too(
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("platform.release", lambda: "6.18.44")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as caught:
        rules_campaign.main(["--seed", "1", *words])
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LabUnavailable("needs /dev/net/tun"), "no kernel can be asked: needs /dev/net/tun"),
        (LabStalled("slow"), "seed 1: the kernel's answer was not seen: slow"),
        (LabError("gone"), "seed 1: the kernel's answer was not seen: gone"),
    ],
)
def test_a_lab_that_fails_ends_the_command(
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("platform.release", lambda: "6.18.44")
    monkeypatch.setattr(command, "open_lab", fail)
    with pytest.raises(SystemExit) as caught:
        campaign.main(["--seed", "1"])
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.err == f"python -m tests.conformance.campaign: {said}\n"


def test_an_unknown_kernel_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("platform.release", lambda: "99.1.2")
    with pytest.raises(SystemExit) as caught:
        campaign.main(["--seed", "1", "--report", str(tmp_path / "report")])
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert "99.1.2" in shown
    assert shown.count("\n") == 1
