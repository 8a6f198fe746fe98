# SPDX-License-Identifier: GPL-2.0-only
"""Of single connections it is plain whether two NAT rules make the same of them: by hand, after
iptables-extensions(8) and nf_nat_l4proto_unique_tuple() (net/netfilter/nf_nat_core.c, Linux 6.18).
"""

from __future__ import annotations

import pytest

from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.retranslation import Retranslation, Way, said
from ctlint.analysis.rewriting import Translated, rewritten
from ctlint.finding import Role
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.tern import Tern
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

COORDINATES = Coordinates(Role.FORWARD, Family.IPV4, ("eth0",))
POINT = {
    "client address": 0x0A010002,  # 10.1.0.2
    "client port": 40000,
    "server address": 0x0A020002,  # 10.2.0.2
    "server port": 80,
    "client interface": 0,
    "server interface": 0,
}


def way(target: str) -> Way:
    if not target:
        return None
    is_source = target.startswith(("SNAT", "MASQ")) or "from" in target
    chain = "POSTROUTING" if is_source else "PREROUTING"
    text = f"*nat\n:{chain} ACCEPT\n-A {chain} -p tcp -j {target.replace(' from', '')}\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    (rule,) = ruleset.tables["nat"].chains[chain].rules
    end = rewritten(RuleRef("nat", chain, 1, rule), Hook[chain], Family.IPV4)
    assert end is not None
    path = Path.IN if end.is_redirect else Path.FORWARD
    if end.manip is Manip.SRC:
        return Translated(end, None, path)
    return Translated(None, end, path)


YES, NO, PERHAPS = Tern.TRUE, Tern.FALSE, Tern.UNKNOWN


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ("", "", NO),
        # Addresses
        ("", "DNAT --to-destination 10.7.0.7", YES),
        ("", "DNAT --to-destination 10.2.0.2", NO),
        ("", "DNAT --to-destination 10.2.0.1-10.2.0.9", PERHAPS),
        ("", "DNAT --to-destination 10.7.0.1-10.7.0.9", YES),
        ("DNAT --to-destination 10.7.0.7", "DNAT --to-destination 10.7.0.7", NO),
        ("DNAT --to-destination 10.7.0.7", "DNAT --to-destination 10.7.0.8", YES),
        ("DNAT --to-destination 10.7.0.7", "DNAT --to-destination 10.7.0.1-10.7.0.9", PERHAPS),
        ("DNAT --to-destination 10.7.0.7", "DNAT --to-destination 10.8.0.1-10.8.0.9", YES),
        # NETMAP keeps the bits under the mask: 10.2.0.2 is 10.9.0.2, then.
        ("", "NETMAP --to 10.9.0.0/16", YES),
        ("", "NETMAP --to 10.2.0.0/16", NO),
        ("NETMAP --to 10.9.0.0/16", "NETMAP --to 10.9.0.0/16", NO),
        ("NETMAP --to 10.9.0.0/16", "NETMAP --to 10.8.0.0/16", YES),
        ("NETMAP --to 10.9.0.0/16", "NETMAP --to 10.9.0.0/24", PERHAPS),
        ("NETMAP --to 10.9.0.0/16", "DNAT --to-destination 10.9.0.2", PERHAPS),
        # This host instead of another
        ("", "REDIRECT", YES),
        ("DNAT --to-destination 10.7.0.7", "REDIRECT", YES),
        # Sources
        ("", "SNAT --to-source 198.51.100.1", YES),
        ("", "SNAT --to-source 10.1.0.2", NO),
        ("", "MASQUERADE", YES),
        ("MASQUERADE", "MASQUERADE", NO),
        ("MASQUERADE", "SNAT --to-source 198.51.100.1", PERHAPS),
        ("SNAT --to-source 198.51.100.1", "DNAT --to-destination 10.7.0.7", YES),
        # Ports: one that is among the new ones stays.
        ("", "DNAT --to-destination :8080", YES),
        ("", "DNAT --to-destination :80", NO),
        ("", "DNAT --to-destination :80-90", NO),
        ("DNAT --to-destination :80", "DNAT --to-destination :80-90", NO),
        ("DNAT --to-destination :80-90", "DNAT --to-destination :8080", YES),
        ("DNAT --to-destination :80-90", "DNAT --to-destination :8080-8090", YES),
        ("DNAT --to-destination :8080-8085", "DNAT --to-destination :8080-8090", PERHAPS),
        ("DNAT --to-destination :8080-8090", "DNAT --to-destination :8080-8090", NO),
        ("DNAT --to-destination :8080", "DNAT --to-destination 10.2.0.2:8080", NO),
        ("MASQUERADE", "MASQUERADE --to-ports 1024-65535", NO),
        ("MASQUERADE", "MASQUERADE --to-ports 50000", YES),
        # Drawn from all ports, which may give the same.
        ("MASQUERADE", "MASQUERADE --random", PERHAPS),
        ("MASQUERADE --to-ports 50000-50009", "MASQUERADE --to-ports 50000-50009", NO),
    ],
)
def test_whether_two_rules_make_the_same_of_a_connection(
    one: str, other: str, differ: Tern
) -> None:
    compared = Retranslation(COORDINATES)
    for before, now in ((one, other), (other, one)):
        apart = compared.apart(way(before), way(now))
        found = apart.certain.contains(POINT), apart.possible.contains(POINT)
        assert found == (differ is YES, differ is not NO)


def test_what_leads_elsewhere_is_a_destination() -> None:
    compared = Retranslation(COORDINATES)
    assert compared.leads_elsewhere(None, way("DNAT --to-destination 10.7.0.7"))
    assert compared.leads_elsewhere(way("REDIRECT"), None)
    assert not compared.leads_elsewhere(None, way("MASQUERADE"))
    assert not compared.leads_elsewhere(way("SNAT --to-source 198.51.100.1"), way("MASQUERADE"))


def test_comments_say_nothing() -> None:
    text = "*nat\n:PREROUTING ACCEPT\n{}COMMIT\n".format(
        "".join(
            f"-A PREROUTING -p tcp {asked}-j REDIRECT{ports}\n"
            for asked, ports in (("", ""), ("-m comment --comment web ", ""), ("", " --to-ports 1"))
        )
    )
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    plain, commented, another = ruleset.tables["nat"].chains["PREROUTING"].rules
    assert said(plain) == said(commented)
    assert said(plain) != said(another)
