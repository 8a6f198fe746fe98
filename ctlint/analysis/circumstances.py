# SPDX-License-Identifier: GPL-2.0-only
"""What the user tells of a host that its rules and sysctls do not: docs/facts.md.

Whether an entry can go before its connection depends on how long the ends stay silent, and that
stands in the programs that talk, not in the kernel.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Literal, NamedTuple

from ctlint.finding import Role

MAX_SECONDS: Final = 2**31 - 1
"""Longer durations are refused: no timeout of the kernel is longer."""

_ROLES: Final = {
    "client": Role.CLIENT,
    "server": Role.SERVER,
    "router": Role.FORWARD,
    "loopback": Role.LOOPBACK,
}


class FactForm(Enum):
    """What the value of a fact is."""

    DURATION = auto()
    DURATION_OR_OFF = auto()
    YES_NO = auto()
    ROLES = auto()


class Fact(NamedTuple):
    """A fact that can be told: the form of its value, and what it says."""

    form: FactForm
    about: str


FACTS: Final[Mapping[str, Fact]] = {
    "half-close": Fact(
        FactForm.DURATION, "The longest silence of a connection that one end has closed."
    ),
    "idle": Fact(FactForm.DURATION, "The longest silence of ordinary connections."),
    "keepalive": Fact(
        FactForm.DURATION_OR_OFF,
        "Silence after which every connection sends a keepalive or heartbeat; off: none does.",
    ),
    "offload": Fact(
        FactForm.YES_NO, "Whether a flowtable or hardware forwards packets unseen by conntrack."
    ),
    "one-way": Fact(
        FactForm.YES_NO,
        "Whether there are forwarded connections of which the host sees one direction only.",
    ),
    "path-idle": Fact(
        FactForm.DURATION,
        "Silence after which something else on the path, as a load balancer, forgets a connection.",
    ),
    "role": Fact(FactForm.ROLES, "All that the host is."),
    "udp-idle": Fact(
        FactForm.DURATION, "The longest silence of UDP flows that last, as tunnels and calls."
    ),
}
"""The facts by key. One that nothing looks at is none."""

ROLE_NAMES: Final = tuple(_ROLES)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,10})([smhd]?)")
DURATION_PATTERN: Final = f"^{_DURATION.pattern}$"


class FactError(Exception):
    """A fact that ctlint does not know, cannot read or was told twice."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Facts about a host and its connections. None: not told.

    ``keepalive``: seconds after which every silent connection sends a keepalive or heartbeat, or
    "off" where none does. ``idle``: the longest silence of ordinary connections, in seconds;
    ``half_close``: of connections that one end has closed. ``offload``: whether a flowtable or
    hardware forwards packets that conntrack then does not see. ``one_way``: whether there are
    forwarded connections of which the host sees one direction only. ``path_idle``: seconds after
    which something else on the path, as a load balancer, forgets a silent connection. ``roles``:
    all roles that the host has. ``udp_idle``: the longest silence of UDP flows that last.
    """

    keepalive: int | Literal["off"] | None = None
    idle: int | None = None
    half_close: int | None = None
    offload: bool | None = None
    one_way: bool | None = None
    path_idle: int | None = None
    roles: tuple[Role, ...] | None = None
    udp_idle: int | None = None

    @property
    def silence(self) -> int | None:
        """Seconds that an open connection is silent at most; None where that is not told."""
        return min(
            (told for told in (self.keepalive, self.idle) if isinstance(told, int)), default=None
        )

    def has_role(self, role: Role) -> bool:
        """Whether the host can have this role."""
        return self.roles is None or role in self.roles

    def told(self) -> Mapping[str, int | bool | str | list[str]]:
        """What was told, by the names under which it is told."""
        facts = {
            "half-close": self.half_close,
            "idle": self.idle,
            "keepalive": self.keepalive,
            "offload": self.offload,
            "one-way": self.one_way,
            "path-idle": self.path_idle,
            "role": None
            if self.roles is None
            else [name for name, role in _ROLES.items() if role in self.roles],
            "udp-idle": self.udp_idle,
        }
        return {key: value for key, value in facts.items() if value is not None}


UNTOLD: Final = Circumstances()


def circumstances(facts: Iterable[tuple[str, str]]) -> Circumstances:
    """Facts from their keys and values in words. Raises FactError."""
    found: dict[str, Any] = {}
    for key, text in facts:
        if key not in FACTS:
            raise FactError(f"there is no fact {key!r}{_suggestion(key, tuple(FACTS))}")
        name = "roles" if key == "role" else key.replace("-", "_")
        if name in found:
            raise FactError(f"{key} is told twice")
        found[name] = _value(key, text)
    return Circumstances(**found)


def _value(key: str, text: str) -> object:
    form = FACTS[key].form
    if form is FactForm.DURATION_OR_OFF and text == "off":
        return text
    if form is FactForm.YES_NO:
        if text not in ("yes", "no"):
            raise FactError(f"{key}: {text!r} is neither yes nor no")
        return text == "yes"
    if form is FactForm.ROLES:
        return _roles(text)
    return seconds_of(key, text)


def seconds_of(key: str, text: str) -> int:
    """A duration in words, in seconds. Raises FactError, which begins with ``key``."""
    form = "a whole number of seconds, or one with s, m, h or d behind it (90, 15m, 2h)"
    found = _DURATION.fullmatch(text)
    if found is None:
        may_be_off = key in FACTS and FACTS[key].form is FactForm.DURATION_OR_OFF
        what = f"neither off nor {form}" if may_be_off else f"not {form}"
        raise FactError(f"{key}: {text!r} is {what}")
    seconds = int(found[1]) * _UNITS[found[2]]
    if not 1 <= seconds <= MAX_SECONDS:
        raise FactError(f"{key}: {text!r} is not between 1 and {MAX_SECONDS} seconds")
    return seconds


def _roles(text: str) -> tuple[Role, ...]:
    words = text.split(",")
    for word in words:
        if word not in _ROLES:
            raise FactError(f"role: {word!r} is no role{_suggestion(word, tuple(_ROLES))}")
        if words.count(word) > 1:
            raise FactError(f"role: {word} stands twice")
    return tuple(role for name, role in _ROLES.items() if name in words)


def _suggestion(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word[:32].lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
