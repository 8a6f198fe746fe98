# SPDX-License-Identifier: GPL-2.0-only
"""Each knob goes up and down through values that the question takes, and back."""

from __future__ import annotations

import pytest

from ctlint.analysis.circumstances import FactError
from ctlint.analysis.override import Override
from ctlint.analysis.settings import Settings
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.parse.sysctl import parse_sysctl
from ctlint.tui.knobs import Knob, knobs, turned
from tests.unit.analysis.whatif_hosts import asked

NAMED = {knob.name: knob for knob in knobs()}


def settings(text: str = "", kernel: str = NEWEST.name) -> Settings:
    return Settings(SysctlSet((SysctlRun((parse_sysctl(text, "sysctl"),)),)), profile(kernel))


def test_names_are_told_apart() -> None:
    assert len(NAMED) == len(knobs())


@pytest.mark.parametrize("knob", knobs(), ids=lambda knob: knob.name)
@pytest.mark.parametrize("up", [True, False])
def test_every_step_is_a_value(knob: Knob, up: bool) -> None:
    question = asked()
    for _ in range(100):
        of = settings()
        for name, value in question.overrides:
            of = of.replaced(name, value)
        further = turned(knob, question, of, up=up)
        if further == question:
            return
        question = further
    raise AssertionError("the steps do not end")


def test_a_value_between_the_usual_ones_keeps_its_place() -> None:
    knob = NAMED["established"]
    of = settings("net.netfilter.nf_conntrack_tcp_timeout_established = 121\n")
    for up, value in ((True, 300), (False, 120)):
        (found,) = turned(knob, asked(), of, up=up).overrides
        assert found == Override(knob.sysctl or "", value)


def test_another_kernel_has_other_settings() -> None:
    knob = NAMED["unacknowledged"]
    question = NAMED["kernel"].takes(knob.takes(asked(), "200"), "2.6.32")
    assert question.kernel.name == "2.6.32"
    newer = NAMED["kernel"].takes(question, "6.1")
    assert knob.shows(newer, settings(kernel="6.1")) == "300" or newer.overrides
    with pytest.raises(FactError):
        NAMED["kernel"].takes(asked(), "nope")


def test_a_value_that_is_no_number_is_shown_as_untold() -> None:
    of = settings("net.netfilter.nf_conntrack_tcp_timeout_established = soon\n")
    assert NAMED["established"].shows(asked(), of) == "-"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("role", "king"),
        ("idle", "1s:1%"),
        ("rate /s", "0"),
        ("vanish", "101"),
        ("keepalive", "x"),
        ("loose", "2"),
        ("established", "1e3"),
    ],
)
def test_what_is_no_value(name: str, text: str) -> None:
    with pytest.raises(FactError):
        NAMED[name].takes(asked(), text)
