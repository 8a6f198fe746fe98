# SPDX-License-Identifier: GPL-2.0-only
"""What can be turned: each knob shows one part of a question and changes it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from ctlint.analysis.circumstances import FactError
from ctlint.analysis.override import Override, value_of
from ctlint.analysis.phase import TIMEOUTS
from ctlint.analysis.settings import BadSettingError, Settings
from ctlint.analysis.silence import (
    Silences,
    Usage,
    keepalive_of,
    percent,
    percent_words,
    rate_of,
    silences,
)
from ctlint.analysis.whatif import Question
from ctlint.finding import Role
from ctlint.model.kernel.profiles import UnknownKernel, all_profiles, profile
from ctlint.model.kernel.sysctls import IPV4, NETFILTER, SYSCTLS, Unit
from ctlint.report.whatif_words import ROLE_WORDS, say_keepalive, say_silences

UNTOLD: Final = "-"

_SECONDS: Final = (10, 30, 60, 120, 300, 600, 900, 1200, 3600, 7200, 14400, 86400, 432000)
_COUNTS: Final = (0, 1, 2, 3, 5, 8, 10, 15, 20, 50, 100, 255)
_ENTRIES: Final = tuple(1 << power for power in range(10, 25))
_IDLE: Final = (UNTOLD, "1s", "30s", "1m", "2m", "5m", "15m", "20m", "1h", "2h", "1d", "5d")
_KEEPALIVE: Final = ("off", "30s/10s/3", "1m/10s/3", "5m/1m/5", "10m/75s/9", "sysctl")
_RATES: Final = (UNTOLD, "1", "10", "50", "100", "200", "500", "1000", "5000", "10000")
_VANISH: Final = ("0%", "0.1%", "1%", "5%", "10%", "50%")
_ROLES: Final = ("all", *ROLE_WORDS.values())

_NAMES: Final = {f"{NETFILTER}tcp_max_retrans": "max_retrans no.", f"{NETFILTER}max": "table max"}

SHOWN: Final = (
    *sorted(TIMEOUTS.values(), key=lambda name: name != TIMEOUTS["established"]),
    f"{NETFILTER}tcp_max_retrans",
    f"{NETFILTER}tcp_loose",
    f"{NETFILTER}tcp_be_liberal",
    f"{NETFILTER}max",
    *(
        f"{IPV4}tcp_{name}"
        for name in (
            "keepalive_time",
            "keepalive_intvl",
            "keepalive_probes",
            "orphan_retries",
            "retries2",
            "synack_retries",
            "fin_timeout",
        )
    ),
)
"""The sysctls that can be turned."""


@dataclass(frozen=True, slots=True)
class Knob:
    """``shows`` is its value in words, ``takes`` a question with another value (raises FactError);
    ``steps`` are the values that the keys go through, from the one that stands.
    """

    name: str
    shows: Callable[[Question, Settings], str]
    takes: Callable[[Question, str], Question]
    steps: Callable[[str], Sequence[str]]
    sysctl: str | None = None


def turned(knob: Knob, question: Question, settings: Settings, *, up: bool) -> Question:
    """A question with the knob one step further; the same where there is none."""
    here = knob.shows(question, settings)
    steps = knob.steps(here)
    place = steps.index(here)
    further = place + 1 if up else place - 1
    if not 0 <= further < len(steps):
        return question
    return knob.takes(question, steps[further])


def knobs() -> tuple[Knob, ...]:
    """All of them, in the order in which they are shown."""
    return (
        Knob("role", _show_role, _take_role, lambda _: _ROLES),
        Knob("kernel", lambda q, _: q.kernel.name, _take_kernel, _kernel_steps),
        Knob("idle", lambda q, _: _show_silences(q.usage.idle), _take_idle, _with(_IDLE)),
        Knob(
            "half-close",
            lambda q, _: _show_silences(q.usage.half_close),
            _take_half_close,
            _with(_IDLE),
        ),
        Knob("keepalive", _show_keepalive, _take_keepalive, _with(_KEEPALIVE)),
        Knob("rate /s", _show_rate, _take_rate, _with(_RATES)),
        Knob("vanish", lambda q, _: percent_words(q.usage.vanish), _take_vanish, _with(_VANISH)),
        *map(_of_sysctl, SHOWN),
    )


# What is told


def _with(usual: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """The usual values; one that is none of them stands before all."""
    return lambda here: usual if here in usual else (here, *usual)


def _show_silences(told: Silences) -> str:
    return say_silences(told) if told else UNTOLD


def _usage(question: Question, **changed: object) -> Question:
    usage: Usage = replace(question.usage, **changed)  # type: ignore[arg-type]
    return replace(question, usage=usage)


def _take_idle(question: Question, text: str) -> Question:
    return _usage(question, idle=() if text in ("", UNTOLD) else silences("idle", text))


def _take_half_close(question: Question, text: str) -> Question:
    told = () if text in ("", UNTOLD) else silences("half-close", text)
    return _usage(question, half_close=told)


def _show_keepalive(question: Question, settings: Settings) -> str:
    del settings
    keepalive = question.usage.keepalive
    return "off" if keepalive is None else say_keepalive(keepalive)


def _take_keepalive(question: Question, text: str) -> Question:
    return _usage(question, keepalive=keepalive_of(text))


def _show_rate(question: Question, settings: Settings) -> str:
    del settings
    rate = question.usage.rate
    return UNTOLD if rate is None else f"{float(rate):.10g}"


def _take_rate(question: Question, text: str) -> Question:
    return _usage(question, rate=None if text in ("", UNTOLD) else rate_of(text))


def _take_vanish(question: Question, text: str) -> Question:
    share = percent("vanish", text if text.endswith("%") else f"{text}%")
    return _usage(question, vanish=share or Fraction(0))


# The host


def _show_role(question: Question, settings: Settings) -> str:
    del settings
    return "all" if len(question.roles) > 1 else ROLE_WORDS[question.roles[0]]


def _take_role(question: Question, text: str) -> Question:
    roles = {word: (role,) for role, word in ROLE_WORDS.items()}
    if text != "all" and text not in roles:
        raise FactError(f"{text!r} is no role: all, {', '.join(roles)}")
    return replace(question, roles=tuple(Role) if text == "all" else roles[text])


def _kernel_steps(here: str) -> Sequence[str]:
    del here
    return tuple(one.name for one in all_profiles())


def _take_kernel(question: Question, text: str) -> Question:
    """Settings that the other kernel does not have go."""
    try:
        kernel = profile(text)
    except UnknownKernel as error:
        raise FactError(str(error)) from None
    kept = tuple(one for one in question.overrides if kernel.has_sysctl(one.name))
    return replace(question, kernel=kernel, overrides=kept)


# Sysctls


def short_name(name: str) -> str:
    """The end of a sysctl's name that tells it from the others shown."""
    return _NAMES.get(name) or (
        name.removeprefix(NETFILTER)
        .removeprefix(IPV4)
        .removeprefix("tcp_timeout_")
        .removeprefix("tcp_")
    )


def _of_sysctl(name: str) -> Knob:
    unit = SYSCTLS[name].unit

    def shows(question: Question, settings: Settings) -> str:
        if not question.kernel.has_sysctl(name):
            return "(none)"
        try:
            return str(settings.value(name))
        except (BadSettingError, ValueError):
            return UNTOLD

    def takes(question: Question, text: str) -> Question:
        if not question.kernel.has_sysctl(name):
            raise FactError(f"kernel {question.kernel.name} has no sysctl {name}")
        others = tuple(one for one in question.overrides if one.name != name)
        if text in ("", UNTOLD):
            return replace(question, overrides=others)
        return replace(question, overrides=(*others, Override(name, value_of(name, text))))

    def steps(here: str) -> Sequence[str]:
        if not here.isdigit():
            return (here, *map(str, _ENTRIES)) if here == UNTOLD else (here,)
        usual = {Unit.SECONDS: _SECONDS, Unit.FLAG: (0, 1), Unit.ENTRIES: _ENTRIES}.get(
            unit, _COUNTS
        )
        value = int(here)
        at, behind = bisect_left(usual, value), bisect_right(usual, value)
        return [*map(str, usual[:at]), here, *map(str, usual[behind:])]

    return Knob(short_name(name), shows, takes, steps, name)
