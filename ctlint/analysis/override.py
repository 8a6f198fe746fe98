# SPDX-License-Identifier: GPL-2.0-only
"""Settings that somebody tries: ``KEY=VALUE`` and ``KEY=LOW..HIGH``."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.analysis.circumstances import FactError, seconds_of
from ctlint.analysis.settings import Settings
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import Unit, UnknownSysctl, resolve
from ctlint.scenario.reader import highest_value

_DIGITS: Final = 10


class Override(NamedTuple):
    """A value for a sysctl, by its full current name."""

    name: str
    value: int


class Sweep(NamedTuple):
    """All values of a sysctl from ``low`` to ``high``."""

    name: str
    low: int
    high: int


def override(text: str, kernel: KernelProfile) -> Override:
    """A setting in words. Raises FactError."""
    key, sign, value = text.partition("=")
    if not sign:
        raise FactError(f"{text!r} is not KEY=VALUE")
    name = known_name(key, kernel)
    return Override(name, value_of(name, value))


def sweep_of(text: str, kernel: KernelProfile) -> Sweep:
    """A range of values in words. Raises FactError."""
    key, sign, values = text.partition("=")
    low, dots, high = values.partition("..")
    if not (sign and dots):
        raise FactError(f"{text!r} is not KEY=LOW..HIGH")
    name = known_name(key, kernel)
    found = Sweep(name, value_of(name, low), value_of(name, high))
    if found.low >= found.high:
        raise FactError(f"{key}: {low!r} is not below {high!r}")
    return found


def known_name(key: str, kernel: KernelProfile) -> str:
    """The full current name of a sysctl that the kernel has. Raises FactError."""
    try:
        found = resolve(key)
    except UnknownSysctl as error:
        raise FactError(str(error)) from None
    if not kernel.has_sysctl(found.name):
        raise FactError(f"kernel {kernel.name} has no sysctl {found.name}")
    return found.sysctl.name


def value_of(name: str, text: str) -> int:
    """A value in words; seconds may have a unit (2m). Raises FactError."""
    sysctl = resolve(name).sysctl
    most = highest_value(sysctl)
    if sysctl.unit is Unit.SECONDS and not text.isdigit():
        value = seconds_of(name, text)
    elif text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        value = int(text)
    else:
        raise FactError(f"{name}: {text!r} is not a whole number")
    if value > most:
        raise FactError(f"{name}: {text!r} is more than the kernel takes, {most}")
    return value


def replaced(settings: Settings, overrides: tuple[Override, ...]) -> Settings:
    """The settings with others in place of some."""
    for name, value in overrides:
        settings = settings.replaced(name, value)
    return settings
