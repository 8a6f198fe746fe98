# SPDX-License-Identifier: GPL-2.0-only
"""How long connections are silent: what is told of them, and what it means for entries.

A share of connections is a fraction of all, as is the share that is stranded: none is a float.

Sources: tcp(7) for TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT; net/ipv4/tcp_timer.c,
tcp_keepalive_timer(): the first probe goes out when nothing has been received for the time, further
ones follow at the interval; not in CLOSE and SYN_SENT, so that half-closed sockets send them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from ctlint.analysis.circumstances import FactError, seconds_of
from ctlint.analysis.settings import KEEPALIVE_INTERVAL, KEEPALIVE_PROBES, KEEPALIVE_TIME, Settings
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile

MAX_SHARES: Final = 100
"""Longer distributions are refused."""

MAX_RATE: Final = 10_000_000
"""Connections a second: more are refused."""

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")
_NUMBER: Final = re.compile(r"[0-9]{1,8}(?:\.[0-9]{1,6})?")
_COUNT: Final = re.compile(r"[0-9]{1,3}")


class Keepalive(NamedTuple):
    """Seconds until the first probe, seconds between probes, and how many go unanswered at most.

    None: what the sysctls say.
    """

    time: int | None = None
    interval: int | None = None
    probes: int | None = None

    def of(self, settings: Settings) -> Keepalive:
        """The same with the sysctls in force for what is not given."""
        told = (self.time, self.interval, self.probes)
        names = (KEEPALIVE_TIME, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES)
        return Keepalive(
            *(
                settings.value(name) if value is None else value
                for value, name in zip(told, names, strict=True)
            )
        )


SYSCTLS: Final = Keepalive()
"""Keepalives as the sysctls set them."""


OFF: Final[Literal["off"]] = "off"
"""No keepalives."""


class Share(NamedTuple):
    """Of which share of connections something lasts so many seconds. ``keepalive`` is what their
    program sets, OFF for none; None: as all others.
    """

    seconds: int
    share: Fraction
    keepalive: Keepalive | Literal["off"] | None = None

    def keepalive_or(self, usual: Keepalive | None) -> Keepalive | None:
        """The keepalives of these connections; None: they have none."""
        if self.keepalive is None:
            return usual
        return None if self.keepalive == OFF else self.keepalive


Silences = tuple[Share, ...]
"""Shares that add up to 1, the shortest first. Empty: not told."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What is told of the connections of a host.

    ``idle``: how long they are silent while they are open in both directions; ``half_close``: how
    long once one end has closed. ``keepalive``: what every socket sends; None: none does.
    ``rate``: new connections a second. ``vanish``: the share of which an end goes without a word
    (a cut cable, a laptop that is closed): their entries are left to the timeout.
    """

    idle: Silences = ()
    half_close: Silences = ()
    keepalive: Keepalive | None = None
    rate: Fraction | None = None
    vanish: Fraction = Fraction(0)


UNTOLD: Final = Usage()


def silences(key: str, text: str) -> Silences:
    """Durations in words: "15m", or with shares, "1s:50%,60s:40%,20m@60/10/3:10%", each with the
    keepalives of its program where it has its own. Raises FactError.
    """
    words = text.split(",")
    if len(words) > MAX_SHARES:
        raise FactError(f"{key}: more than {MAX_SHARES} durations")
    if len(words) == 1 and ":" not in text:
        return (_share(key, text, Fraction(1)),)
    found: list[Share] = []
    for word in words:
        duration, _, share = word.partition(":")
        each = _share(key, duration, percent(key, share))
        if any(each[::2] == other[::2] for other in found):
            raise FactError(f"{key}: {duration!r} stands twice")
        found.append(each)
    total = sum((each.share for each in found), Fraction(0))
    if total != 1:
        raise FactError(f"{key}: the shares add up to {percent_words(total)}, not to 100%")
    return tuple(sorted((each for each in found if each.share), key=lambda each: each.seconds))


def _share(key: str, text: str, share: Fraction) -> Share:
    """A duration, and the keepalives of the program behind an @."""
    duration, sign, keepalive = text.partition("@")
    own: Keepalive | Literal["off"] | None = None
    if sign:
        own = keepalive_of(keepalive) or OFF
    return Share(seconds_of(key, duration), share, own)


def percent(key: str, text: str) -> Fraction:
    """A share in words, "12.5%". Raises FactError."""
    found = _PERCENT.fullmatch(text)
    if found is None or Fraction(found[1]) > 100:
        raise FactError(f"{key}: {text!r} is no share from 0% to 100%")
    return Fraction(found[1]) / 100


def percent_words(share: Fraction) -> str:
    """A share as it is told: "12.5%"."""
    return f"{float(share * 100):.6g}%"


def rate_of(text: str) -> Fraction:
    """Connections a second, in words. Raises FactError."""
    if _NUMBER.fullmatch(text) is None or not 0 < Fraction(text) <= MAX_RATE:
        raise FactError(f"rate: {text!r} is no number of connections a second up to {MAX_RATE:,}")
    return Fraction(text)


def keepalive_of(text: str) -> Keepalive | None:
    """Keepalives in words: "off", "sysctl", or TIME[/INTERVAL[/PROBES]]. Raises FactError."""
    if text == "off":
        return None
    if text == "sysctl":
        return SYSCTLS
    words = text.split("/")
    if len(words) > 3:
        raise FactError(f"keepalive: {text!r} is not TIME, TIME/INTERVAL or TIME/INTERVAL/PROBES")
    times = [seconds_of("keepalive", word) for word in words[:2]]
    probes = None
    if len(words) == 3:
        probes = int(words[2]) if _COUNT.fullmatch(words[2]) else 0
        if not 1 <= probes <= 127:  # MAX_TCP_KEEPCNT (include/net/tcp.h)
            raise FactError(f"keepalive: {words[2]!r} is no number of probes from 1 to 127")
    return Keepalive(times[0], times[1] if len(times) > 1 else None, probes)


def late(seconds: int, kernel: KernelProfile) -> int:
    """Whole seconds after which a timer of so many goes off at the latest: an eighth is the most by
    which the timer wheel is late (kernel/time/timer.c).
    """
    return seconds * 9 // 8 if Feature.COARSE_TIMER_WHEEL in kernel else seconds


def in_time(seconds: int, kernel: KernelProfile) -> int:
    """The longest timer that is never late for what happens after so many seconds."""
    if Feature.COARSE_TIMER_WHEEL not in kernel:
        return max(seconds - 1, 0)
    return max(8 * seconds - 1, 0) // 9


def between_packets(
    silent: Silences, usual: Keepalive | None, settings: Settings, *, with_late: bool = False
) -> Silences:
    """How long no packet passes where keepalives come, ``with_late`` as late as they may."""
    shortened: dict[int, Fraction] = {}
    for each in silent:
        least = each.seconds
        keepalive = each.keepalive_or(usual)
        time = None if keepalive is None else keepalive.of(settings).time
        if time is not None:
            least = min(least, late(time, settings.kernel) if with_late else time)
        shortened[least] = shortened.get(least, Fraction(0)) + each.share
    return tuple(Share(*item) for item in sorted(shortened.items()))


def share_from(silent: Iterable[Share], seconds: int) -> Fraction:
    """The share of connections that are silent for so many seconds or more."""
    return sum((each.share for each in silent if each.seconds >= seconds), Fraction(0))
