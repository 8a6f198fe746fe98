# SPDX-License-Identifier: GPL-2.0-only
"""The match rateest, whose rates may be missing. Expected: man page, libxt_rateest.t, 1.8.9."""

from __future__ import annotations

import pytest

from ctlint.ir.rule import Match, Option
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family


def dump(options: str) -> str:
    return f"*filter\n-A INPUT -m rateest {options} -j ACCEPT\nCOMMIT\n"


@pytest.mark.parametrize(
    ("options", "last"),
    [
        # iptables-save prints 5000bit, 40960bit, 1000Kbit and 0bit (5 bits are no byte).
        ("--rateest A --rateest-lt --rateest-bps 5kbit", ("rateest-bps2", 625)),
        ("--rateest A --rateest-lt --rateest-bps 5KiBps", ("rateest-bps2", 5120)),
        ("--rateest A --rateest-lt --rateest-bps 1e3kbit", ("rateest-bps2", 125_000)),
        ("--rateest A ! --rateest-gt --rateest-bps 5", ("rateest-bps2", 0)),
        ("--rateest A --rateest-eq --rateest-pps2 7", ("rateest-pps2", 7)),
        ("--rateest1 A --rateest2 B --rateest-lt --rateest-bps", ("rateest-bps2", None)),
        ("--rateest1 A --rateest-pps --rateest2 B ! --rateest-lt", ("rateest-lt", None, True)),
    ],
)
def test_a_rate_may_be_missing(options: str, last: tuple[str, int | None]) -> None:
    (ruleset,) = parse_rulesets(dump(options), "t", Family.IPV4)
    ((_, _, _, rule),) = ruleset.rules()
    found = rule.matches[-1]
    assert isinstance(found, Match)
    assert found.options[-1] == Option(*last)
    (again,) = parse_rulesets(print_ruleset(ruleset), "t", Family.IPV4)
    assert [row[3].matches for row in again.rules()] == [rule.matches]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--rateest A --rateest-lt", "needs --rateest-bps"),
        ("--rateest A --rateest-bps 5", "needs --rateest-lt"),
        ("--rateest-lt --rateest-bps 5", "needs --rateest1"),
        ("--rateest A --rateest-lt --rateest-bps 50ibit", "not a rate"),
        ("--rateest A --rateest-lt --rateest-pps 4294967296", "not in"),
        ("--rateest A --rateest-lt ! --rateest-bps 5", "cannot be negated"),
        ("--rateest A --rateest-lt --rateest-bps 5 --rateest-bps2 6", "a second"),
    ],
)
def test_what_iptables_refuses_is_refused(options: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse_rulesets(dump(options), "t", Family.IPV4)
