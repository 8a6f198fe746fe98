# SPDX-License-Identifier: GPL-2.0-only
"""Routes as ip of iproute2 6.1 prints them."""

from __future__ import annotations

import pytest

from ctlint.ir.evidence import Route
from ctlint.parse.errors import ParseError
from ctlint.parse.ip_routes import has_usual_rules, parse_routes
from ctlint.wire.addresses import Family, Net, parse_net

_ROUTES = """\
[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","flags":[]},
 {"dst":"10.0.0.0/24","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"10.0.0.5"},
 {"dst":"10.9.9.9","dev":"wg0"},
 {"type":"blackhole","dst":"10.8.0.0/16","flags":[]},
 {"dst":"10.7.0.0/16","nexthops":[{"dev":"a"},{"dev":"b"}]}]
"""
_RULES = """\
[{"priority":0,"src":"all","table":"local"},{"priority":32766,"src":"all","table":"main"},
 {"priority":32767,"src":"all","table":"default"}]
"""


def test_routes() -> None:
    assert parse_routes(_ROUTES, "t", Family.IPV4) == (
        Route(Net(Family.IPV4, 0, 0), "eth0"),
        Route(parse_net("10.0.0.0/24", Family.IPV4), "eth0"),
        Route(parse_net("10.9.9.9", Family.IPV4), "wg0"),
        Route(parse_net("10.7.0.0/16", Family.IPV4), None),
    )
    assert parse_routes("", "t", Family.IPV6) == ()


def test_policy_routing() -> None:
    assert has_usual_rules(_RULES, "t")
    assert not has_usual_rules(_RULES.replace('"main"', '"100"'), "t")
    assert not has_usual_rules(_RULES.replace('"all"', '"10.0.0.5"', 1), "t")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[\n{]", "2:2: Expecting property name enclosed in double quotes"),
        ("{}", "1:1: expected a list of objects"),
        ("[1]", "1:1: expected a list of objects"),
        ('[{"dst":"x"}]', "1:1: not a network: 'x'"),
        ("[" * 100_000, "1:1: this is nested too deeply, or has too long a number"),
    ],
)
def test_problems(text: str, problem: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_routes(text, "t", Family.IPV4)
    (found,) = caught.value.problems
    assert f"{found.span.line}:{found.span.column}: {found.message}" == problem
