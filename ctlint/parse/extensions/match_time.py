# SPDX-License-Identifier: GPL-2.0-only
"""``-m time``. Source: libxt_time of iptables 1.8.11.

Times are seconds since midnight, dates are seconds since 1970, both in UTC or, with
``--kerneltz``, in the kernel's time zone. Weekdays are 1 (Monday) to 7, as in ISO 8601. Days that
the manual does not know (weekday 8, month day 0) are refused, which iptables takes for no day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, match
from ctlint.parse.operands import Operand, parse_integer
from ctlint.wire.addresses import Family

LAST_SECOND: Final = 86_399
"""Default of ``--timestop`` (XT_TIME_MAX_DAYTIME)."""

_EPOCH: Final = datetime(1970, 1, 1)
_DATE = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:T(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?)?)?)?", re.ASCII
)
_TIME = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?", re.ASCII)
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _parse_date(word: str, _: Family) -> int:
    found = _DATE.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r} is not YYYY[-MM[-DD[Thh[:mm[:ss]]]]]")
    year = int(found[1])
    month, day = (1 if part is None else int(part) for part in found.group(2, 3))
    hour, minute, second = (int(part or 0) for part in found.group(4, 5, 6))
    if not (1970 <= year <= 2038 and month <= 12 and day <= 31):
        raise ValueError(f"{word} is no date in 1970-2038")
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{word} holds no time of day")
    # As mktime() does: February 31 is a day in March, day 0 the last of the month before.
    if month == 0:
        year, month = year - 1, 12
    moment = datetime(year, month, 1, hour, minute, second) + timedelta(days=day - 1)
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if seconds < 0:
        raise ValueError(f"{word} is before 1970")
    return seconds


def _format_date(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def _parse_time(word: str, _: Family) -> int:
    found = _TIME.fullmatch(word)
    hour, minute, second = (int(part or 0) for part in found.groups()) if found else (24, 0, 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{word!r} is not hh:mm[:ss], 00:00:00-23:59:59")
    return hour * 3600 + minute * 60 + second


def _format_time(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _split_days(word: str) -> list[str]:
    return word.removesuffix(",").split(",")


def _parse_monthdays(word: str, _: Family) -> tuple[int, ...]:
    days = _split_days(word)
    if any(len(day) > 2 for day in days):
        raise ValueError("iptables reads two digits of a day and drops the rest")
    return tuple(sorted({parse_integer(day, 1, 31) for day in days}))


def _format_monthdays(days: tuple[int, ...]) -> str:
    return ",".join(map(str, days))


def _parse_weekday(word: str) -> int:
    for number, name in enumerate(_WEEKDAYS, 1):
        if word[:2] == name[:2]:
            return number
    try:
        return parse_integer(word, 1, 7)
    except ValueError:
        raise ValueError(f"{word!r} is no weekday (1-7, {', '.join(_WEEKDAYS)})") from None


def _parse_weekdays(word: str, _: Family) -> tuple[int, ...]:
    return tuple(sorted({_parse_weekday(part) for part in _split_days(word)}))


def _format_weekdays(days: tuple[int, ...]) -> str:
    return ",".join(_WEEKDAYS[day - 1] for day in days)


_DATE_OPERAND = Operand("YYYY[-MM[-DD[Thh[:mm[:ss]]]]]", _parse_date, _format_date)
_TIME_OPERAND = Operand("hh:mm[:ss]", _parse_time, _format_time)
_MONTHDAYS = Operand("a list of days, 1-31", _parse_monthdays, _format_monthdays)
_WEEKDAYS_OPERAND = Operand("a list of weekdays", _parse_weekdays, _format_weekdays)


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    given = {option.name: option.value for option in options}
    if "contiguous" in given and given.get("timestart", 0) < given.get("timestop", LAST_SECOND):
        return "--contiguous needs a --timestop before --timestart, on the next day"
    return None


EXTENSIONS = (
    match(
        "time",
        OptionSpec("datestart", (_DATE_OPERAND,)),
        OptionSpec("datestop", (_DATE_OPERAND,)),
        OptionSpec("timestart", (_TIME_OPERAND,)),
        OptionSpec("timestop", (_TIME_OPERAND,)),
        OptionSpec("contiguous"),
        OptionSpec("weekdays", (_WEEKDAYS_OPERAND,), negatable=True),
        OptionSpec("monthdays", (_MONTHDAYS,), negatable=True),
        OptionSpec("localtz", canonical="kerneltz", excludes=("utc",)),
        OptionSpec("kerneltz", excludes=("utc",)),
        OptionSpec("utc", excludes=("kerneltz",)),
        check=_check,
    ),
)
