# SPDX-License-Identifier: GPL-2.0-only
"""Real sockets: what was recorded of kernels, and that this one still answers so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance.sockets.case import Case
from tests.conformance.sockets.cases import CASES, REHEARSAL
from tests.conformance.sockets.comparison import differences
from tests.conformance.sockets.play import play
from tests.conformance.sockets.recording import (
    Call,
    Ends,
    Notice,
    Played,
    Seen,
    State,
    read,
    write,
)
from tests.conformance.sockets.table import PAGE, RECORDINGS, disagreements, page, recordings

QUICK = [case for case in CASES.values() if case.is_quick]
_TRIES = 3


def _line(release: str) -> str:
    """The line of a release: 6.18 of 6.18.44-amd64."""
    return ".".join(release.split(".")[:2])


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    played = Played(
        "one",
        2.5,
        (Call(0.1, "send", "client", 10, None), Call(0.2, "send", "client", None, "EPIPE")),
        (Notice(0.1, "client", "data", 3, None),),
        (State(0.1, Ends("client", 40000, 80), "FIN-WAIT-1", "persist", True),),
        (Seen(0.1, "client", "client", 40000, 80, "FA", 1, None, 0, "wire", {"a": "NEW"}),),
    )
    path = tmp_path / "x.jsonl.xz"
    write(path, "6.1", "2026-11-29", [played])
    found = read(path)
    assert (found.release, found.date, found.played) == ("6.1", "2026-11-29", {"one": played})


@pytest.mark.parametrize("path", sorted(RECORDINGS.iterdir()), ids=lambda path: path.name)
def test_recordings_hold_every_case(path: Path) -> None:
    recording = read(path)
    assert list(recording.played) == list(CASES)
    assert _line(recording.release) == _line(path.name)
    for name, played in recording.played.items():
        assert [call.step for call in played.calls] == [
            type(step).__name__.lower()
            for step in sorted(CASES[name].steps, key=lambda step: step.at)
        ]


def test_what_differs_is_told() -> None:
    path = max(RECORDINGS.iterdir())
    played = read(path).played
    one = played["fin-wait-1-forward-3"]
    assert differences(one, one) == []
    assert differences(one, played["fin-wait-1-output-3"]) != []
    fewer = one._replace(packets=one.packets[:-1])
    assert differences(one, fewer) != []
    late = tuple(state._replace(at=state.at + 2) for state in one.states)
    assert any("expected at" in line for line in differences(one, one._replace(states=late)))
    assert differences(one, one._replace(calls=one.calls[:-1])) != []
    assert differences(one, one._replace(notices=one.notices[1:])) != []


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kernel", recordings())
def test_the_model_says_what_the_kernel_did(kernel: str, case: str) -> None:
    assert disagreements(kernel, case) == []


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "python -m tests.conformance.sockets.table writes it anew"


@pytest.mark.netns
@pytest.mark.slow
def test_this_kernel_answers_as_recorded() -> None:
    release = _line(os.uname().release)
    expected = {_line(path.name): path for path in RECORDINGS.iterdir()}.get(release)
    if expected is None:
        pytest.skip(f"no recording of {release}")
    recorded = read(expected).played
    play([REHEARSAL])
    wrong: dict[str, list[str]] = {}
    left: list[Case] = QUICK
    # A busy machine holds programs up: only what comes again is a difference.
    for _ in range(_TRIES):
        found = play(left)
        wrong = {each.case: differences(recorded[each.case], each) for each in found}
        left = [case for case in left if wrong[case.name]]
        if not left:
            return
    pytest.fail("\n".join(f"{name}: {line}" for name in map(str, wrong) for line in wrong[name]))
