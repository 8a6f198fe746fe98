# SPDX-License-Identifier: GPL-2.0-only
"""The interactive view, driven by keys.

Who says what is right: what `ctlint whatif` prints, which its own tests hold; the kernel's 106 to
110 s in FIN_WAIT_1 with a peer that stays ESTABLISHED.
"""

from __future__ import annotations

import random
import shlex
import time

import pytest
from textual.pilot import Pilot

from ctlint.tui.app import WhatIfApp
from ctlint.tui.knobs import knobs, turned
from ctlint.tui.panes import Pane, pane_text
from tests.unit.analysis.whatif_hosts import asked
from tests.unit.cli.running import ctlint
from tests.unit.tui.screens import app, lines, press, run

IDLE = [knob.name for knob in knobs()].index("idle")
ESTABLISHED = [knob.name for knob in knobs()].index("established")
TO_IDLE = ("down",) * IDLE
TO_ESTABLISHED = ("down",) * ESTABLISHED
MINUTES_15 = ("right",) * 6


def test_the_answer_follows_the_knobs() -> None:
    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        assert "established 120 s: safe below 120 s of silence" in "\n".join(lines(view))
        screen = await press(view, pilot, *TO_IDLE, *MINUTES_15)
        assert "established 120 s: 100% stranded; safe from 901 s" in screen
        assert any(line.startswith("*idle") and " 15m " in line for line in lines(view))
        # 300, 600, 900, 1200
        screen = await press(view, pilot, *("down",) * (ESTABLISHED - IDLE), *("right",) * 4)
        assert "established 1200 s: safe" in screen
        screen = await press(view, pilot, "backspace")
        assert "established 120 s: 100% stranded" in screen
        screen = await press(view, pilot, "r")
        assert "established 120 s: safe below" in screen

    run(app(), course)


def test_the_ladder_and_the_sockets() -> None:
    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        screen = await press(view, pilot, *TO_IDLE, *MINUTES_15, "2")
        assert "FA -> INVALID x OUTPUT#5" in screen
        # A refused FIN is tried again as a probe, with PSH (tcp_write_wakeup).
        assert screen.count("-> INVALID x OUTPUT#5") == 9
        screen = await press(view, pilot, "3")
        assert "FIN-WAIT-1 for 10" in screen
        assert "ESTAB      for ever" in screen
        # With a keepalive every minute both ends close.
        screen = await press(view, pilot, "down", "down", "right", "right")
        assert "FIN-WAIT-2" in screen
        assert "for ever" not in screen

    run(app(), course)


def test_findings_appear_and_vanish() -> None:
    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        screen = await press(view, pilot, "4")
        assert "appear: 0" in screen
        assert "stay: 6" in screen
        screen = await press(view, pilot, *TO_ESTABLISHED, *("right",) * 20)
        assert "appear: 5" in screen  # the same, as notes
        assert "vanish: 6" in screen

    run(app(), course)


def test_the_plot_is_over_the_chosen_sysctl() -> None:
    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        screen = await press(view, pilot, "5")
        assert "tell how long connections are idle" in screen
        screen = await press(view, pilot, *TO_IDLE, *MINUTES_15)
        assert "100%│" in screen
        assert "tcp_timeout_established" in screen

    run(app(), course)


def test_every_knob_has_every_pane() -> None:
    view = app()
    question = asked(idle="15m")
    for knob in knobs():
        turn = turned(knob, question, view.desk.settings(question), up=True)
        for pane in (Pane.ANSWER, Pane.LADDER, Pane.SOCKETS, Pane.PLOT):
            assert pane_text(pane, view.desk, turn, knob.sysctl, 49, 21).plain


def test_values_are_typed_and_what_is_wrong_is_said() -> None:
    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        screen = await press(
            view, pilot, *TO_IDLE, "enter", *("backspace",) * 3, *"1s:50%,20m:50%", "enter"
        )
        assert "established 120 s: 50% stranded; safe from 1201 s" in screen
        screen = await press(view, pilot, "enter", *("backspace",) * 30, *"soon", "enter")
        assert "'soon' is not" in screen
        assert view.question.usage.idle[0].seconds == 1
        screen = await press(view, pilot, "enter", "x", "escape")
        assert view.question.usage.idle[0].seconds == 1

    run(app(), course)


def test_what_is_exported_asks_the_same() -> None:
    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        await press(view, pilot, *TO_IDLE, *MINUTES_15)
        await press(view, pilot, *("down",) * (ESTABLISHED - IDLE), "right")
        screen = await press(view, pilot, "e")
        assert "ctlint whatif --rules" in screen
        await press(view, pilot, "escape", "e", "q")
        assert view.is_running
        assert "ctlint whatif --rules" not in "\n".join(lines(view))

    view = app()
    run(view, course)
    (line,) = view.exported
    words = shlex.split(line)
    assert words[:4] == ["ctlint", "whatif", "--rules", "examples/fin-wait-1"]
    done = ctlint(words[1:])
    assert (done.returncode, done.stderr) == (0, "")
    assert "nf_conntrack_tcp_timeout_established = 300: " in done.stdout
    assert "100% of connections are silent for as" in done.stdout


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 5), (1, 1)])
def test_any_keys_at_any_size(size: tuple[int, int]) -> None:
    """No key ends it in a fault, and nothing is wider than the terminal."""
    keys = ["up", "down", "left", "right", "enter", "escape", "backspace", "tab", "v", "j", "k"]
    keys += [
        "e",
        "r",
        "pageup",
        "1",
        "2",
        "3",
        "4",
        "5",
        "question_mark",
        "pagedown",
        "end",
        "home",
        "space",
    ]
    chance = random.Random(sum(size))

    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        for _ in range(12):
            await press(view, pilot, *chance.choices(keys, k=3))
            assert view.fault is None
        assert len(lines(view)) == size[1]

    view = app()
    run(view, course, size)
    assert view.fault is None


def test_it_works_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        screen = await press(view, pilot, *TO_IDLE, *MINUTES_15)
        assert "*idle" in screen
        assert "100% stranded" in screen

    run(app(), course)


def test_who_leaves_does_not_wait_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    view = app()
    began = time.monotonic()

    def slow(*_: object) -> None:
        time.sleep(60)

    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        monkeypatch.setattr(view.desk, "findings", slow)
        await pilot.press("4")
        await pilot.pause(0.2)
        assert view.is_busy
        await pilot.press("q")

    run(view, course)
    assert time.monotonic() - began < 50
    assert view.fault is None


def test_a_fault_of_our_own_ends_it_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    view = app()

    def broken(*_: object) -> None:
        raise RuntimeError("made for this test")

    async def course(view: WhatIfApp, pilot: Pilot[None]) -> None:
        monkeypatch.setattr(view.desk, "answer", broken)
        await pilot.press("right")
        await pilot.pause(0.5)

    run(view, course)
    assert isinstance(view.fault, RuntimeError)
    assert "Traceback" not in "".join(capsys.readouterr())
