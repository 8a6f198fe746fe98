# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own packetdrill scripts, on the model and on the live kernel.

Who is right: the scripts of tools/testing/selftests/net/netfilter/packetdrill, read in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from ctlint.lab.lab import Lab, open_lab, why_unavailable
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile, profile
from ctlint.scenario.answer import PacketAnswer, ScenarioAnswer
from ctlint.scenario.play import play
from ctlint.scenario.scenario import Send
from tests.conformance.packetdrill import (
    Answered,
    Assertion,
    Counted,
    Listed,
    Script,
    ScriptError,
    read_script,
)
from tests.corpus import corpus_files

SCRIPTS = {path.stem: path for path in corpus_files("kernel-packetdrill/*.pkt")}

ISNS = (4162510438, 2124350314, 1, 2**32 - 1000)
"""Initial sequence numbers of the stack: two that the scripts' own comments name, and extremes."""

KERNELS = ("6.1", "6.6", "6.12", "6.18", "7.2")
"""Profiles that have every change that the scripts ask for."""

BROKEN = {
    "conntrack_ack_loss_stall": Feature.OLD_SEGMENTS_IGNORED,
    "conntrack_inexact_rst": Feature.RST_IN_CLOSING_ACCEPTED,
    "conntrack_syn_challenge_ack": Feature.RST_AFTER_CHALLENGE_ACK,
}
"""Scripts that a kernel fails as soon as it lacks a change, by what their first comments say."""

each_script = pytest.mark.parametrize("path", SCRIPTS.values(), ids=SCRIPTS)
each_isn = pytest.mark.parametrize("isn", ISNS)


def failures(script: Script, answer: ScenarioAnswer) -> Iterator[str]:
    """The assertions of a script that do not hold."""
    packets = []
    for packet in answer.packets:
        assert isinstance(packet, PacketAnswer)
        packets.append(packet)
    for assertion in script.assertions:
        if not _holds(assertion, script, packets):
            yield f"{assertion}: {packets[assertion.packet]}"


def _holds(assertion: Assertion, script: Script, packets: list[PacketAnswer]) -> bool:
    match assertion:
        case Answered(number):
            return packets[number].hooks.get("INPUT", "INVALID") != "INVALID"
        case Listed(number, words):
            line = _listing(packets[number])
            return all(word in line for word in words)
        case Counted(number, chain, count, mask, must):
            steps = [step for step in script.scenario.steps if isinstance(step, Send)]
            matched = [
                packet
                for step, packet in islice(zip(steps, packets, strict=True), number + 1)
                if packet.hooks.get(chain) == "INVALID"
                and (mask is None or step.flags & mask == must)
            ]
            return len(matched) == count


def _listing(packet: PacketAnswer) -> str:
    """As much of a line of `conntrack -L` as the scripts look at."""
    entry = packet.entry
    if entry is None:
        return ""
    return f"{entry.state} " + " ".join(f"[{flag}]" for flag in entry.flags)


def _read(path: Path, isn: int) -> Script:
    return read_script(path.read_text(encoding="utf-8"), path.stem, isn=isn)


def without(kernel: KernelProfile, feature: Feature) -> KernelProfile:
    """A kernel that lacks one change."""
    return replace(kernel, features=kernel.features - {feature})


@pytest.mark.corpus
def test_all_scripts_are_read() -> None:
    """Each says something of conntrack, at the least that a packet of its is answered."""
    assert len(SCRIPTS) == 6
    for path in SCRIPTS.values():
        assert _read(path, ISNS[0]).assertions


@each_script
@each_isn
@pytest.mark.parametrize("kernel", KERNELS)
def test_model(path: Path, isn: int, kernel: str) -> None:
    """What a script asserts holds on the model."""
    script = _read(path, isn)
    assert not list(failures(script, play(script.scenario, profile(kernel))))


@pytest.mark.corpus
@pytest.mark.parametrize("name", BROKEN)
def test_model_without_the_repair(name: str) -> None:
    """A script fails on a kernel that lacks the change for which it was written."""
    script = _read(SCRIPTS[name], ISNS[0])
    kernel = without(profile("7.2"), BROKEN[name])
    assert list(failures(script, play(script.scenario, kernel)))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The live kernel."""
    reason = why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    with open_lab() as opened:
        yield opened


@each_script
@each_isn
@pytest.mark.netns
def test_kernel(path: Path, isn: int, lab: Lab) -> None:
    """What a script asserts holds on the live kernel: so it was read rightly."""
    script = _read(path, isn)
    assert not list(failures(script, lab.play(script.scenario)))


@pytest.mark.parametrize(
    "line",
    [
        "+0 < S 0:0(0) win 100 <mss 1460,fastopen>",
        "+0 < S 0:5(0) win 100",
        "+0 < S 0:0(0)\n+0 `iptables -F`",
        "+0 %{ assert tcpi_unacked == 0 }%",
        "bind(3, ..., ...) = 0",
        "",
    ],
)
def test_other_scripts_are_refused(line: str) -> None:
    """Nothing of a script is passed over in silence."""
    with pytest.raises(ScriptError):
        read_script(line, "wrong", isn=0)
