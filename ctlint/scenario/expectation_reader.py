# SPDX-License-Identifier: GPL-2.0-only
"""Expectations as JSON knows them: read and written. docs/scenario.md is their definition."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from ctlint.scenario.expectation import (
    CTSTATES,
    ENTRY_STATES,
    As,
    By,
    Claim,
    Ctstate,
    Delivered,
    HasEntry,
    Matched,
    NoEntry,
    Rejected,
    Rules,
    Seen,
    in_order,
)
from ctlint.scenario.scenario import ScenarioError
from ctlint.scenario.values import (
    read_address,
    read_choice,
    read_object,
    read_text,
    read_truth,
    read_whole,
    shown,
)
from ctlint.wire.addresses import Family, format_address

CLAIM_KEYS: Final = frozenset(
    ("ctstate", "delivered", "rejected", "by", "as", "rule", "rules", "entry")
)

_CTSTATES: Final = {name: name for name in CTSTATES}
_ENTRY_STATES: Final = {name: name for name in ENTRY_STATES}
# A chain's name holds no blank; iptables(8) lets it have up to 28 characters.
RULE: Final = re.compile(r"[a-z]{1,16}/[^\s/]{1,32}(?:#[1-9][0-9]{0,8}| policy| return)")
"""How a rule, a policy or the end of a user chain is named."""


def read_claims(value: object, family: Family, others: tuple[Claim, ...] = ()) -> tuple[Claim, ...]:
    """What an object of expectations claims, and the others of its packet, in the order in which
    the keys are documented. Raises ScenarioError.
    """
    given = read_object(value, CLAIM_KEYS, "an expectation")
    if not given:
        raise ScenarioError("an expectation says nothing")
    claims: list[Claim] = []
    if "ctstate" in given:
        said = given["ctstate"]
        claims.append(Ctstate(None if said is None else read_choice(said, _CTSTATES, "ctstate")))
    if "delivered" in given:
        claims.append(Delivered(read_truth(given["delivered"], "delivered")))
    if "rejected" in given:
        claims.append(Rejected(read_truth(given["rejected"], "rejected")))
    if "by" in given:
        claims.append(By(_rule(given["by"], "by")))
    if "as" in given:
        claims.append(As(_seen(given["as"], family)))
    if "rule" in given:
        named = given["rule"] if isinstance(given["rule"], list) else [given["rule"]]
        claims += [Matched(_rule(each, "rule")) for each in named]
    if "rules" in given:
        if not isinstance(given["rules"], list):
            raise ScenarioError(f'"rules" must be a list, not {shown(given["rules"])}')
        claims.append(Rules(tuple(_rule(each, "rules") for each in given["rules"])))
    if "entry" in given:
        said = given["entry"]
        if said is None or said is False:
            claims.append(NoEntry())
        elif said is True:
            claims.append(HasEntry())
        else:
            claims.append(HasEntry(read_choice(said, _ENTRY_STATES, "entry")))
    for claim in claims:
        if not isinstance(claim, Matched) and any(type(claim) is type(one) for one in others):
            raise ScenarioError(f'"expect": "{claim}" is the second of its kind')
    joined = in_order((*others, *claims))
    arrives, stops = (
        [claim for claim in joined if _is_of_arrival(claim) is arrival] for arrival in (True, False)
    )
    if arrives and stops:
        raise ScenarioError(f'"expect": {arrives[0]} and {stops[0]} exclude each other')
    return joined


def _is_of_arrival(claim: Claim) -> bool | None:
    """Whether a packet can only come through as claimed, or (False) only be stopped."""
    match claim:
        case Delivered():
            return claim.delivered
        case Rejected(rejected=True) | By():
            return False
        case As():
            return True
    return None


def _rule(value: object, what: str) -> str:
    name = read_text(value, what)
    if not RULE.fullmatch(name):
        raise ScenarioError(
            f'"{what}" must name a rule as "filter/FORWARD#2", "filter/FORWARD policy" or '
            f'"filter/MYCHAIN return", not {shown(value)}'
        )
    return name


def _seen(value: object, family: Family) -> Seen:
    """As an entry's `orig` is written; a port that is null may be any."""
    if not isinstance(value, list) or len(value) != 4:
        raise ScenarioError(
            f'"as" must be a list: source, its port, destination, its port; not {shown(value)}'
        )
    addresses = [format_address(family, read_address(each, "as", family)) for each in value[::2]]
    ports = [None if each is None else read_whole(each, "as", 0, 65535) for each in value[1::2]]
    return Seen(addresses[0], ports[0], addresses[1], ports[1])


def claims_to_json(claims: Iterable[Claim]) -> dict[str, Any]:
    """The claims as `read_claims` takes them."""
    written: dict[str, Any] = {}
    matched: list[str] = []
    for claim in claims:
        match claim:
            case Ctstate():
                written["ctstate"] = claim.ctstate
            case Delivered():
                written["delivered"] = claim.delivered
            case Rejected():
                written["rejected"] = claim.rejected
            case By():
                written["by"] = claim.rule
            case As():
                written["as"] = list(claim.seen)
            case Matched():
                matched.append(claim.rule)
            case Rules():
                written["rules"] = list(claim.rules)
            case NoEntry():
                written["entry"] = None
            case HasEntry():
                written["entry"] = claim.state or True
    if matched:
        written["rule"] = matched if len(matched) > 1 else matched[0]
    return written
