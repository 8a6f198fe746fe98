# SPDX-License-Identifier: GPL-2.0-only
"""What is known of a scenario's host, as JSON knows it: read and written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ctlint.model.netfilter.transit import Facts, Mac, Owner
from ctlint.scenario.scenario import ScenarioError
from ctlint.scenario.values import read_object, read_text, read_whole, require, shown
from ctlint.wire.moments import Micros

_KEYS: Final = frozenset(("time", "owner", "mac"))
_OWNER_KEYS: Final = frozenset(("uid", "gid", "groups"))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR: Final = 2999
_MICRO: Final = timedelta(microseconds=1)
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z", re.ASCII
)
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
# (uid_t) -1 is nobody's: include/linux/uidgid.h.
_LAST_ID: Final = 2**32 - 2
_MOST_GROUPS: Final = 65_536


def read_facts(value: object) -> Facts:
    """The facts that an object says. Raises ScenarioError."""
    given = read_object(value, _KEYS, '"facts"')
    return Facts(
        clock=_clock(given["time"]) if "time" in given else None,
        owner=_owner(given["owner"]) if "owner" in given else None,
        mac=_mac(given["mac"]) if "mac" in given else None,
    )


def _clock(value: object) -> Micros:
    found = _MOMENT.fullmatch(read_text(value, "time"))
    if found is not None:
        *parts, fraction = found.groups()
        try:
            moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[misc,arg-type]
        except ValueError:
            pass
        else:
            if _EPOCH.year <= moment.year <= _LAST_YEAR:
                return (moment - _EPOCH) // _MICRO + int((fraction or "0").ljust(6, "0"))
    raise ScenarioError(
        f'"time" must be a moment from 1970 to {_LAST_YEAR} in UTC, as 2026-11-21T18:00:00Z, not '
        f"{shown(value)}"
    )


def _owner(value: object) -> Owner:
    given = read_object(value, _OWNER_KEYS, '"owner"')
    groups = given.get("groups", [])
    if not isinstance(groups, list) or len(groups) > _MOST_GROUPS:
        raise ScenarioError(f'"groups" must be a list of numbers, not {shown(groups)}')
    return Owner(
        read_whole(require(given, "uid", '"owner"'), "uid", 0, _LAST_ID),
        read_whole(require(given, "gid", '"owner"'), "gid", 0, _LAST_ID),
        tuple(read_whole(each, "groups", 0, _LAST_ID) for each in groups),
    )


def _mac(value: object) -> Mac:
    if value is None:
        return Mac(None)
    if isinstance(value, str) and _MAC.fullmatch(value):
        return Mac(int(value.replace(":", ""), 16))
    raise ScenarioError(
        f'"mac" must be an address as 02:00:00:00:00:01, or null, not {shown(value)}'
    )


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """The facts as `read_facts` takes them; `sets` are no part of them."""
    written: dict[str, Any] = {}
    if facts.clock is not None:
        moment = _EPOCH + facts.clock * _MICRO
        fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
        written["time"] = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
    if facts.owner is not None:
        written["owner"] = {"uid": facts.owner.uid, "gid": facts.owner.gid}
        if facts.owner.groups:
            written["owner"]["groups"] = list(facts.owner.groups)
    if facts.mac is not None:
        address = facts.mac.address
        written["mac"] = None if address is None else address.to_bytes(6, "big").hex(":")
    return written
