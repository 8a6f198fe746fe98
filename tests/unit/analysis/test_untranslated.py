# SPDX-License-Identifier: GPL-2.0-only
"""INVALID packets that escape NAT: which, by which rule, and what guards. tests/kernel/
test_witnesses.py plays the same cases on the live kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import examine
from ctlint.analysis.untranslated import Escape, Router
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Role
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import profile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

MASQUERADE = "POSTROUTING -s 192.168.1.0/24 -o wan0 -j MASQUERADE"
SNAT = "POSTROUTING -s 192.168.1.0/24 -o wan0 -j SNAT --to-source 203.0.113.5"
DNAT = "PREROUTING -i wan0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 192.168.1.9:80"
INVALID = "-m conntrack --ctstate INVALID -j DROP"
ESCAPING = {
    "masquerade": ([MASQUERADE], []),
    "snat": ([SNAT], []),
    "dnat": ([DNAT], []),
    "both": ([DNAT, MASQUERADE], []),
    "guard elsewhere": ([MASQUERADE], [f"OUTPUT {INVALID}"]),
}
"""Rules of nat and of filter that let INVALID packets escape."""


def rules(nat: list[str], filters: list[str]) -> str:
    return (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        ":POSTROUTING ACCEPT [0:0]\n" + "".join(f"-A {each}\n" for each in nat) + "COMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        + "".join(f"-A {each}\n" for each in filters)
        + "COMMIT\n"
    )


def router(text: str, family: Family = Family.IPV4, kernel: str = "5.15") -> Router:
    settings = Settings(SysctlSet(), profile(kernel))
    chains = ChainStore(parse_rulesets(text, "rules", family)[0], Facts())
    reports = [examine(chains, role, settings) for role in Role]
    cases = [case for each in reports for case in each.cases]
    return Router(chains, settings, Witnesses(chains, settings), lambda: cases)


def shown(escapes: list[Escape]) -> list[tuple[str, str, str, bool]]:
    return [(str(e.ref), e.packet.flags, e.packet.dir, e.to_host) for e in escapes]


def test_a_close_leaves_with_the_address_that_was_to_be_hidden() -> None:
    (found,) = router(rules([MASQUERADE], [])).after_expiry()
    assert shown([found]) == [("nat/POSTROUTING#1", "FA", "orig", False)]
    source = found.witness.scenario["flow"]["saddr"]
    assert source.startswith("192.168.1.")
    assert found.witness.expect[0]["as"][0] == source
    (back,) = router(rules([DNAT], [])).after_expiry()
    assert shown([back]) == [("nat/PREROUTING#1", "FA", "reply", False)]
    assert back.witness.expect[0]["as"][:2] == ["192.168.1.9", 80]


def test_an_answer_comes_to_the_router_or_from_a_stranger() -> None:
    (here,) = router(rules([MASQUERADE], [])).out_of_window()
    assert shown([here]) == [("nat/POSTROUTING#1", "PA", "reply", True)]
    (strange,) = router(rules([DNAT], [])).out_of_window()
    assert shown([strange]) == [("nat/PREROUTING#1", "PA", "reply", False)]
    assert strange.witness.expect[0]["as"][:2] == ["192.168.1.9", 80]


@pytest.mark.parametrize("nat", [MASQUERADE, DNAT])
def test_what_comes_late_tells_kernels_apart(nat: str) -> None:
    # Linux commit d9a6f0d0df18 (6.1): old segments are ignored, and pass translated.
    for kernel, escapes in (("5.10", 1), ("6.0", 1), ("6.1", 0), ("6.18", 0)):
        assert len(list(router(rules([nat], []), kernel=kernel).out_of_window())) == escapes


@pytest.mark.parametrize(
    ("nat", "guard", "who"),
    [
        (MASQUERADE, f"FORWARD {INVALID}", Router.after_expiry),
        (MASQUERADE, f"INPUT {INVALID}", Router.out_of_window),
        (DNAT, f"FORWARD {INVALID}", Router.out_of_window),
        (MASQUERADE, "FORWARD -m conntrack --ctstate NEW -j DROP", Router.after_expiry),
    ],
)
def test_what_guards(nat: str, guard: str, who: Callable[[Router], Iterator[Escape]]) -> None:
    assert list(who(router(rules([nat], [guard])))) == []


def test_a_guard_in_forward_leaves_what_comes_to_the_router() -> None:
    # https://github.com/kubernetes/kubernetes/issues/117924
    (found,) = router(rules([MASQUERADE], [f"FORWARD {INVALID}"])).out_of_window()
    assert found.to_host


def test_without_translation_there_is_nothing_to_say() -> None:
    none = router(rules(["POSTROUTING -s 192.168.1.0/24 -o wan0 -j ACCEPT"], []))
    assert list(none.after_expiry()) == []
    local = router(rules(["OUTPUT -p tcp -j DNAT --to-destination 192.0.2.1"], []))
    assert list(local.after_expiry()) == []


def test_what_cannot_be_decided_is_not_said() -> None:
    limited = "FORWARD -m limit --limit 1/sec -j DROP"
    assert list(router(rules([MASQUERADE], [limited])).after_expiry()) == []


def test_both_families() -> None:
    text = rules(["POSTROUTING -s fd07::/64 -o wan0 -j MASQUERADE"], [])
    (found,) = router(text, Family.IPV6).after_expiry()
    assert found.witness.expect[0]["as"][0].startswith("fd07::")
