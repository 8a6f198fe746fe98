# SPDX-License-Identifier: GPL-2.0-only
"""What the rules of a table are made of, together."""

from __future__ import annotations

from dataclasses import replace

from ctlint.parse.iptables_save import parse_rulesets

TEXT = """*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KNOWN - [0:0]
-A INPUT -i eth0 -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT
-A INPUT -i wg+ -j KNOWN
-A OUTPUT ! -o eth0 -m comment --comment "-m recent -j LOG" -j DROP
-A OUTPUT -o lo
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -m brandnew --speed 3 -j MASQUERADE
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i eth1 -j NOSUCH --at-all
COMMIT
"""


def test_names_and_interfaces_stand_once() -> None:
    (ruleset,) = parse_rulesets(TEXT, "f")
    parts = ruleset.tables["filter"].parts
    assert parts.matches == {"ip", "tcp", "conntrack", "comment"}
    assert parts.targets == {"ACCEPT", "DROP"}
    assert parts.interfaces == ("eth0", "wg+", "lo")
    assert not parts.has_unknown


def test_what_is_not_known_is_told_apart() -> None:
    (ruleset,) = parse_rulesets(TEXT, "f")
    nat, mangle = ruleset.tables["nat"].parts, ruleset.tables["mangle"].parts
    assert nat.has_unknown
    assert nat.matches == {"ip"}
    assert nat.targets == {"MASQUERADE"}
    assert mangle.has_unknown
    assert mangle.targets == frozenset()
    assert mangle.interfaces == ("eth1",)


def test_a_changed_table_is_looked_at_anew() -> None:
    (ruleset,) = parse_rulesets(TEXT, "f")
    table = ruleset.tables["filter"]
    assert table.parts.targets
    chains = {name: chain._replace(rules=()) for name, chain in table.chains.items()}
    assert replace(table, chains=chains).parts == (frozenset(), frozenset(), (), False)
