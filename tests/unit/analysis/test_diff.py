# SPDX-License-Identifier: GPL-2.0-only
"""Two firewalls made by hand: what differs, why, how bad that is, and its witness."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ctlint.analysis.diff import NOT_COMPARED, FamiliesDifferError, Firewall, diff
from ctlint.analysis.difference import Difference, DiffResult, Kind, Phase
from ctlint.analysis.difference_replay import unmet
from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.settings import Settings
from ctlint.finding import Confidence, Role, Severity
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.ir.values import Range
from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.model.netfilter.ipsets import address_sets
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.wire.addresses import Family

HEAD = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
LO = "-A INPUT -i lo -j ACCEPT"
KNOWN = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
SSH = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
WEB = "-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 8088 -j ACCEPT"
INVALID = "-A INPUT -m conntrack --ctstate INVALID -j DROP"


def rules(*lines: str, head: str = HEAD) -> str:
    return head + "".join(f"{line}\n" for line in (LO, *lines)) + "COMMIT\n"


def firewall(
    text: str,
    name: str,
    sysctl: str = "",
    kernel: str = NEWEST.name,
    family: Family = Family.IPV4,
    ipsets: str = "",
) -> Firewall:
    runs = (SysctlRun((parse_sysctl(sysctl, "sysctl"),)),) if sysctl else ()
    facts = Facts(sets=address_sets(parse_ipset_save(ipsets, "ipsets"), frozenset()))
    given = Settings(SysctlSet(runs), profile(kernel))
    return Firewall(parse_rulesets(text, name, family), given, facts)


def compared(old: str, new: str, *, with_causes: bool = False, ipsets: str = "") -> DiffResult:
    pair = (firewall(old, "old.v4", ipsets=ipsets), firewall(new, "new.v4", ipsets=ipsets))
    return diff(*pair, with_causes=with_causes)


def only(result: DiffResult) -> Difference:
    (one,) = result.differences
    return one


# Kinds


def test_a_rule_that_goes_closes_its_port() -> None:
    one = only(compared(rules(KNOWN, SSH, WEB), rules(KNOWN, SSH)))
    assert (one.kind, one.role, one.severity) == (
        Kind.NEWLY_DROPPED,
        Role.SERVER,
        Severity.WARNING,
    )
    assert one.confidence is Confidence.CERTAIN
    assert one.scope.ports == (Range(8088, 8088),)
    assert one.scope.clients == ("10.0.0.0/8",)
    assert one.message == (
        "port 8088: connections to the host could be opened, and cannot now: the client's SYN is "
        "dropped by filter/INPUT policy (new.v4:2); before, filter/INPUT#4 (old.v4:8) accepted it"
    )


def test_a_rule_that_comes_opens_its_port() -> None:
    one = only(compared(rules(KNOWN, SSH), rules(KNOWN, SSH, WEB)))
    assert one.kind is Kind.NEWLY_ACCEPTED
    assert one.severity is Severity.WARNING
    assert (one.old.location, one.new.location) != (None, None)
    assert one.old.location is not None
    assert one.old.location.line == 2
    assert one.new.location is not None
    assert one.new.location.line == 8


def test_a_host_that_is_open_to_all_is_an_error() -> None:
    old = rules(KNOWN, SSH)
    found = compared(old, rules("-A INPUT -j ACCEPT")).differences
    (one,) = (each for each in found if each.kind is Kind.NEWLY_ACCEPTED)
    assert (one.severity, one.role) == (Severity.ERROR, Role.SERVER)
    assert one.scope.ports == (Range(1, 21), Range(23, 65535))
    almost = rules("-A INPUT ! -s 10.9.9.9 -j ACCEPT", SSH)
    (one,) = (
        each for each in compared(old, almost).differences if each.kind is Kind.NEWLY_ACCEPTED
    )
    assert one.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("timeout", "severity"),
    [(120, Severity.ERROR), (7200, Severity.WARNING), (432000, Severity.NOTE)],
)
def test_a_drop_of_invalid_strands_what_a_port_rule_let_pass(
    timeout: int, severity: Severity
) -> None:
    sysctl = f"net.netfilter.nf_conntrack_tcp_timeout_established = {timeout}\n"
    old = firewall(rules(KNOWN, SSH), "old.v4", sysctl)
    new = firewall(rules(KNOWN, INVALID, SSH), "new.v4", sysctl)
    one = only(diff(old, new))
    assert (one.kind, one.severity) == (Kind.NEWLY_STRANDED, severity)
    assert [(each.phase, each.dir, each.flags) for each in one.packets] == [
        (Phase.EXPIRED, "orig", "FA"),
        (Phase.EXPIRED, "orig", "RA"),
    ]
    assert one.stranded is not None
    assert (one.stranded.end, one.stranded.state) == ("remote", "FIN_WAIT_1")
    back = only(diff(new, old))
    assert (back.kind, back.severity) == (Kind.NO_LONGER_STRANDED, Severity.NOTE)


def test_a_packet_that_is_lost_with_its_entry_too_is_no_matter_of_expiry() -> None:
    reset = "-A INPUT -p tcp -m tcp --tcp-flags RST RST -j DROP"
    open_to_all = "-A INPUT -j ACCEPT"
    found = compared(rules(open_to_all), rules(reset, open_to_all)).differences
    assert {each.role for each in found} == {Role.CLIENT, Role.SERVER}
    for one in found:
        assert one.kind is Kind.NEWLY_DROPPED
        assert [(each.phase, each.flags) for each in one.packets] == [(Phase.OPEN, "RA")]


def test_another_cause_is_told_only_when_asked_for() -> None:
    old, new = rules(KNOWN, SSH), rules(KNOWN, SSH, "-A INPUT -j REJECT")
    assert compared(old, new).differences == ()
    found = compared(old, new, with_causes=True).differences
    assert (
        "connections to the host cannot be opened, as before: the client's SYN is rejected by "
        "filter/INPUT#4 (new.v4:8); before, it was dropped by filter/INPUT policy (old.v4:2)"
    ) in [each.message[each.message.index("connections") :] for each in found]
    assert {(each.kind, each.severity) for each in found} == {(Kind.OTHER_CAUSE, Severity.NOTE)}


# What makes no difference


CHAIN = HEAD + ":web - [0:0]\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(rules(KNOWN, SSH, WEB), rules(KNOWN, WEB, SSH), id="moved"),
        pytest.param(
            rules(KNOWN, "-A INPUT -j web", "-A web -p tcp --dport 80 -j ACCEPT", head=CHAIN),
            rules(
                KNOWN,
                "-A INPUT -j www",
                "-A www -p tcp --dport 80 -j ACCEPT",
                head=CHAIN.replace("web", "www"),
            ),
            id="renamed",
        ),
        pytest.param(
            rules(KNOWN, "-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT"),
            rules(
                KNOWN,
                "-A INPUT -p tcp --dport 443 -j ACCEPT",
                "-A INPUT -p tcp --dport 80 -j ACCEPT",
            ),
            id="split",
        ),
        pytest.param(
            rules(KNOWN, "-A INPUT -s 10.0.0.0/8 -p tcp --dport 80 -j ACCEPT"),
            rules(
                KNOWN,
                "-A INPUT -s 10.0.0.0/9 -p tcp --dport 80 -j ACCEPT",
                "-A INPUT -s 10.128.0.0/9 -p tcp --dport 80 -j ACCEPT",
            ),
            id="halved",
        ),
        pytest.param(
            rules(KNOWN, SSH),
            rules(KNOWN, SSH.replace(" -j", ' -m comment --comment "for us" -j')).replace(
                "[0:0]", "[12:34]"
            ),
            id="comment and counters",
        ),
        pytest.param(
            rules(KNOWN, "-A INPUT -p tcp --dport 80 -j web", "-A web -j ACCEPT", head=CHAIN),
            rules(KNOWN, "-A INPUT -p tcp --dport 80 -j ACCEPT"),
            id="inlined",
        ),
        pytest.param(
            rules(KNOWN, SSH), rules(KNOWN, SSH, "-A INPUT -p udp --dport 53 -j ACCEPT"), id="udp"
        ),
        pytest.param(
            rules(KNOWN, SSH),
            rules("-A INPUT -i eth7 -j LOG", KNOWN, SSH),
            id="an interface is named",
        ),
    ],
)
def test_rules_that_do_the_same(old: str, new: str) -> None:
    assert compared(old, new).differences == ()
    assert compared(new, old).differences == ()


def test_the_same_undecided_match_on_both_sides_is_no_difference() -> None:
    recent = "-A INPUT -p tcp --dport 80 -m recent --rcheck --name a --mask 255.255.255.255 -j DROP"
    text = rules(KNOWN, recent, "-A INPUT -p tcp --dport 80 -j ACCEPT")
    result = compared(text, text)
    assert result.differences == ()
    (note,) = result.new.undecided
    assert result.old.undecided[0].location.file == "old.v4"
    assert (note.match, note.location.line) == ("recent", 7)


def test_the_packet_that_is_lost_for_certain_is_named() -> None:
    """The SYN may come through, the client's ACK does not: an entry's mark is not known."""
    marked = "-A INPUT -p tcp --dport 80 --syn -m connmark --mark 0x0 -j ACCEPT"
    old = rules(marked)
    one = only(compared(old, rules("-A INPUT -p tcp --dport 80 -j ACCEPT")))
    assert (one.kind, one.confidence) == (Kind.NEWLY_ACCEPTED, Confidence.LIKELY)
    assert one.packets[0].flags == "A"


def test_an_undecided_match_that_comes_makes_a_possible_difference() -> None:
    web = "-A INPUT -p tcp --dport 80 -j ACCEPT"
    limit = "-A INPUT -p tcp --dport 80 -m limit --limit 1/sec -j DROP"
    found = compared(rules(KNOWN, web), rules(KNOWN, limit, web)).differences
    # The FIN of a forgotten connection may be one too many too.
    assert [each.kind for each in found] == [Kind.NEWLY_DROPPED, Kind.NEWLY_STRANDED]
    for each in found:
        assert each.confidence is Confidence.POSSIBLE
        assert each.new.location is not None
        assert each.new.location.line == 7


# Interfaces, sets, kernels, settings, families


def test_an_interface_that_one_side_alone_names() -> None:
    old = rules("-A INPUT -p tcp --dport 80 -j ACCEPT", KNOWN)
    new = rules("-A INPUT -i lan0 -p tcp --dport 80 -j ACCEPT", KNOWN)
    one, *rest = compared(old, new).differences
    assert one.kind is Kind.NEWLY_DROPPED
    assert one.scope.client_interfaces == ("others",)
    assert {each.role for each in rest} <= {Role.SERVER, Role.LOOPBACK}


def test_members_of_a_set_are_in_the_witness() -> None:
    ipsets = "create office hash:net family inet\nadd office 10.9.0.0/16\n"
    asked = "-A INPUT -p tcp --dport 80 -m set --match-set office src -j ACCEPT"
    one = only(compared(rules(KNOWN, asked), rules(KNOWN), ipsets=ipsets))
    assert one.scope.clients == ("10.9.0.0/16",)
    assert "add office 10.9.0.0/16" in one.old_witness.scenario["ipsets"]
    assert unmet(one.old_witness) == []


def test_a_kernel_that_takes_other_packets_for_new() -> None:
    old = firewall(rules(KNOWN, SSH), "old.v4", "net.netfilter.nf_conntrack_tcp_loose = 1\n")
    new = firewall(
        rules(KNOWN, INVALID, SSH), "old.v4", "net.netfilter.nf_conntrack_tcp_loose = 0\n"
    )
    one = only(diff(old, new))
    assert {each.flags for each in one.packets} == {"FA", "RA", "A", "PA"}
    assert one.new_witness.scenario["sysctls"] == {"tcp_loose": 0}


def test_families_that_do_not_meet() -> None:
    old = firewall(rules(KNOWN), "rules.v4")
    new = firewall(rules(KNOWN), "rules.v6", family=Family.IPV6)
    with pytest.raises(FamiliesDifferError):
        diff(old, new)
    both = new._replace(rulesets=(*old.rulesets, *new.rulesets))
    result = diff(old, both)
    assert result.differences == ()
    assert [note.why for note in result.undecided] == [
        "only one side has IPv6 rules: they are not compared"
    ]


NAT = (
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    ":POSTROUTING ACCEPT [0:0]\n"
)
PUBLISHED = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.7.0.7:8080"
LED = "-A FORWARD -i wan0 -d 10.7.0.7/32 -p tcp -m tcp --dport 8080 -j ACCEPT"
LED_ON = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
OUTWARD = "-A FORWARD -i lan0 -o wan0 -p tcp -j ACCEPT"
MASQUERADE = "-A POSTROUTING -o wan0 -j MASQUERADE"


def routed(nat: str, *lines: str) -> str:
    return f"{NAT}{nat}{chr(10) if nat else ''}COMMIT\n{rules(KNOWN, LED_ON, *lines)}"


def of_kind(result: DiffResult, kind: Kind) -> list[Difference]:
    return [each for each in result.differences if each.kind is kind]


def test_a_published_service_that_goes_elsewhere() -> None:
    led = LED.replace("10.7.0.7/32", "10.7.0.0/24")
    elsewhere = PUBLISHED.replace("10.7.0.7", "10.7.0.8")
    result = compared(routed(PUBLISHED, led), routed(elsewhere, led))
    one = only(result)
    assert (one.kind, one.severity) == (Kind.TRANSLATED_OTHERWISE, Severity.WARNING)
    assert (one.role, one.confidence) == (Role.FORWARD, Confidence.CERTAIN)
    assert one.scope.ports == (Range(80, 80),)
    assert one.message == (
        "port 80: forwarded connections are translated otherwise: nat/PREROUTING#1 (new.v4:6) "
        "translates them to 10.7.0.8, port 8080; before, nat/PREROUTING#1 (old.v4:6) translated "
        "them to 10.7.0.7, port 8080"
    )
    assert [note.match for note in (*result.old.undecided, *result.new.undecided)] == []


def test_a_published_service_that_is_not_published_any_more() -> None:
    result = compared(routed(PUBLISHED, LED), routed("", LED))
    assert {(each.kind, each.role) for each in result.differences} == {
        (Kind.NEWLY_DROPPED, Role.FORWARD)
    }
    # What calls the host itself stays there now, what calls through it goes on.
    places = {each.new.location.chain for each in result.differences if each.new.location}
    assert places == {"INPUT", "FORWARD"}
    for one in result.differences:
        assert [each.line for each in one.old.translated_by] == [6]
        assert one.new.translated_by == ()
        assert one.old.becomes == "to 10.7.0.7, port 8080"
        if one.new.location is not None and one.new.location.chain == "FORWARD":
            # Who calls the other end by its own address meets the rule in FORWARD too.
            assert one.scope.ports == (Range(80, 80),)


def test_a_published_service_whose_port_is_closed_behind_nat() -> None:
    result = compared(routed(PUBLISHED, LED), routed(PUBLISHED))
    dropped = of_kind(result, Kind.NEWLY_DROPPED)
    assert len(dropped) == len(result.differences)
    assert {each.scope.ports for each in dropped} == {(Range(80, 80),), (Range(8080, 8080),)}
    one = next(each for each in dropped if each.scope.ports == (Range(80, 80),))
    assert one.role is Role.FORWARD
    assert one.new.location is not None
    assert (one.new.location.chain, one.new.location.position) == ("FORWARD", None)
    assert one.old.location is not None
    assert one.old.location.text == LED
    assert [each.chain for each in one.new.translated_by] == ["PREROUTING"]
    last = one.new_witness.expect[-1]
    assert (last["packet"], last["delivered"]) == (0, False)
    assert last["rules"] == ["nat/PREROUTING#1", "filter/FORWARD policy"]


def test_masquerade_that_comes_strands_closes() -> None:
    result = compared(routed("", OUTWARD), routed(MASQUERADE, OUTWARD))
    (stranded,) = of_kind(result, Kind.NEWLY_STRANDED)
    (translated,) = of_kind(result, Kind.NEWLY_TRANSLATED)
    assert len(result.differences) == 2
    assert translated.severity is Severity.NOTE
    assert (translated.role, stranded.role) == (Role.FORWARD, Role.FORWARD)
    assert {(each.phase, each.dir, each.flags) for each in stranded.packets} >= {
        (Phase.EXPIRED, "orig", "FA"),
        (Phase.EXPIRED, "orig", "RA"),
    }
    assert stranded.new.location is not None
    assert stranded.new.location.text == MASQUERADE
    back = compared(routed(MASQUERADE, OUTWARD), routed("", OUTWARD)).differences
    assert {each.kind for each in back} == {Kind.NO_LONGER_STRANDED, Kind.NO_LONGER_TRANSLATED}


def test_masquerade_in_place_of_snat_may_give_the_same() -> None:
    snat = "-A POSTROUTING -o wan0 -j SNAT --to-source 198.51.100.1"
    result = compared(routed(snat, OUTWARD), routed(MASQUERADE, OUTWARD))
    (one,) = of_kind(result, Kind.TRANSLATED_OTHERWISE)
    assert (one.confidence, one.severity) == (Confidence.POSSIBLE, Severity.NOTE)
    # What has that address already was not translated before.
    (new,) = of_kind(result, Kind.NEWLY_TRANSLATED)
    assert new.scope.clients == ("198.51.100.1",)


@pytest.mark.parametrize(
    "nat",
    [
        # Another rule for the same, in another place.
        f"-A PREROUTING -p udp -j ACCEPT\n{PUBLISHED}",
        PUBLISHED.replace("-m tcp", "-m comment --comment web -m tcp"),
        "-N web\n".replace("-N web\n", "") + PUBLISHED.replace("10.7.0.7:", "10.7.0.7-10.7.0.7:"),
    ],
)
def test_nat_rules_that_do_the_same(nat: str) -> None:
    assert compared(routed(PUBLISHED, LED), routed(nat, LED)).differences == ()


def test_a_packet_of_an_open_translated_connection() -> None:
    """Behind DNAT the rule sees the new port."""
    rst = "-A FORWARD -p tcp -m tcp --dport 8080 --tcp-flags RST RST -j DROP"
    head = f"{NAT}{PUBLISHED}\nCOMMIT\n"
    old = head + rules(KNOWN, LED_ON, LED)
    new = head + rules(KNOWN, rst, LED_ON, LED)
    result = compared(old, new)
    led = [each for each in result.differences if each.scope.ports == (Range(80, 80),)]
    assert {(each.kind, each.role) for each in led} == {(Kind.NEWLY_DROPPED, Role.FORWARD)}
    for one in led:
        assert [(each.phase, each.dir, each.flags) for each in one.packets] == [
            (Phase.OPEN, "orig", "RA")
        ]
        assert one.new.location is not None
        assert one.new.location.text == rst
    assert len(led) + 1 == len(result.differences)


def test_another_cause_behind_nat() -> None:
    explicit = "-A FORWARD -p tcp -m tcp --dport 8080 -j DROP"
    closed, dropped = routed(PUBLISHED), routed(PUBLISHED, explicit)
    assert compared(closed, dropped).differences == ()
    found = compared(closed, dropped, with_causes=True).differences
    assert {each.kind for each in found} == {Kind.OTHER_CAUSE}
    (one,) = (each for each in found if each.new.translated_by)
    assert one.scope.ports == (Range(80, 80),)
    assert (one.old.becomes, one.new.becomes) == ("to 10.7.0.7, port 8080",) * 2


def test_packets_that_nat_takes_for_others_after_expiry() -> None:
    """Data without an entry is NEW: of a connection that came from outside it meets MASQUERADE."""
    inward = "-A FORWARD -i wan0 -o lan0 -p tcp -m tcp --dport 8088 -j ACCEPT"
    data = "-A FORWARD -i lan0 -p tcp -m tcp --sport 8088 -j ACCEPT"
    result = compared(routed("", inward, data), routed(MASQUERADE, inward, data))
    one = only(result)
    assert (one.kind, one.role) == (Kind.NEWLY_STRANDED, Role.FORWARD)
    assert {(each.dir, each.flags) for each in one.packets} == {("reply", "PA"), ("reply", "A")}
    assert one.new.location is not None
    assert one.new.location.text == MASQUERADE
    assert "as if it were of another connection" in one.message


def test_rules_that_are_too_many_to_tell_apart() -> None:
    many = [PUBLISHED.replace("80 -j", f"{80 + n} -j") for n in range(30)]
    old, new = routed("\n".join(many), LED), routed("\n".join((*many[:5], *many[6:])), LED)
    assert compared(old, old).differences == ()
    assert compared(old, old).old.undecided == ()
    result = compared(old, new)
    assert of_kind(result, Kind.TRANSLATED_OTHERWISE) == []
    assert {each.kind for each in result.differences} == {Kind.NEWLY_DROPPED}
    assert {each.scope.ports for each in result.differences} == {(Range(85, 85),)}


def test_which_of_many_rules_translates_is_not_told() -> None:
    many = [
        PUBLISHED.replace("80 -j", f"{80 + n} -j").replace("0.7:", f"0.{n + 1}:") for n in range(30)
    ]
    led = LED.replace("10.7.0.7/32", "10.7.0.0/24")
    old = routed("\n".join(many), led)
    assert compared(old, old).differences == ()
    assert compared(old, old).old.undecided == ()
    many[5] = many[5].replace("0.6:", "0.20:")
    result = compared(old, routed("\n".join(many), led))
    assert result.differences == ()
    assert {note.why for note in result.old.undecided} == {NOT_COMPARED}
    assert {note.why for note in result.new.undecided} == {NOT_COMPARED}


def test_nat_that_is_not_followed_is_named_once_for_each_rule() -> None:
    """What lo gives to MASQUERADE is not known."""
    masquerade = "-A POSTROUTING -o lo -j MASQUERADE"
    result = compared(routed(masquerade), routed(masquerade))
    assert [(note.match, note.location.line) for note in result.old.undecided] == [
        ("MASQUERADE", 6)
    ]


def test_rules_behind_notrack_in_its_table_see_what_is_untracked() -> None:
    """nf_conntrack_get() is IP_CT_UNTRACKED from there on: xt_conntrack says UNTRACKED."""
    head = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    notrack = "-A PREROUTING -p tcp --dport 80 -j CT --notrack\n"
    drop = "-A PREROUTING -p tcp --dport 80 -m conntrack --ctstate INVALID -j DROP\n"
    end = "COMMIT\n" + rules("-A INPUT -j ACCEPT")
    assert compared(head + notrack + end, head + notrack + drop + end).differences == ()
    assert compared(head + end, head + drop + end).differences != ()


def test_what_has_no_entry_is_not_judged_as_if_it_had_one() -> None:
    raw = (
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A PREROUTING -p tcp -m tcp --dport 80 --syn -j CT --notrack\nCOMMIT\n"
    )
    fins = "-A INPUT -p tcp -m tcp --tcp-flags FIN FIN -m conntrack --ctstate ESTABLISHED -j DROP"
    every = "-A INPUT -j ACCEPT"
    found = compared(raw + rules(every), raw + rules(fins, every)).differences
    (one,) = (each for each in found if each.role is Role.SERVER)
    assert one.packets[0].phase is Phase.OPEN
    assert one.scope.ports == (Range(1, 79), Range(81, 65535))


def test_no_more_than_so_many_are_named() -> None:
    ports = [f"-A INPUT -p tcp -m tcp --dport {1000 + 2 * n} -j ACCEPT" for n in range(103)]
    result = compared(rules(KNOWN), rules(KNOWN, *ports))
    assert len(result.differences) == 100
    assert [note.why for note in result.undecided] == [
        "role server: 3 more differences of the kind newly-accepted are not named"
    ]


# Witnesses


def test_the_witness_shows_the_same_packet_under_both() -> None:
    one = only(compared(rules(KNOWN, SSH), rules(KNOWN, INVALID, SSH)))
    old, new = one.old_witness.expect[-1], one.new_witness.expect[-1]
    assert old["packet"] == new["packet"] == 5
    assert (old["delivered"], new["delivered"]) == (True, False)
    assert one.old_witness.scenario["packets"] == one.new_witness.scenario["packets"]
    assert unmet(one.old_witness) == unmet(one.new_witness) == []


def test_a_witness_that_expects_what_does_not_come_is_unmet() -> None:
    one = only(compared(rules(KNOWN, SSH), rules(KNOWN, INVALID, SSH)))
    wrong = replace(one.old_witness, expect=one.new_witness.expect)
    assert "packet 5: not delivered, not delivered" in unmet(wrong)


def test_a_policy_of_a_table_without_rules_is_in_the_witness() -> None:
    mangle = "*mangle\n" + "".join(
        f":{chain} {'DROP' if chain == 'INPUT' else 'ACCEPT'} [0:0]\n"
        for chain in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    )
    found = compared(rules(KNOWN, SSH), f"{mangle}COMMIT\n" + rules(KNOWN, SSH)).differences
    assert {each.role for each in found} == {Role.CLIENT, Role.SERVER, Role.LOOPBACK}
    for one in found:
        assert one.old.location is None, "there was no table mangle"
        assert "*mangle" in one.new_witness.scenario["ruleset"]


def test_a_witness_that_does_not_play_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctlint.analysis.diff.unmet", lambda _: ["packet 0: another"])
    with pytest.raises(AnalysisFault) as caught:
        compared(rules(KNOWN, SSH), rules(KNOWN))
    assert caught.value.got == ["packet 0: another"]
    assert caught.value.scenario["packets"]


def test_both_ends_of_loopback_are_two_sockets() -> None:
    """Port 40000 of 127.0.0.1 cannot answer itself: the entry would be its own answer."""
    gone = "-A OUTPUT -o lo -p tcp --dport 40000 -m conntrack --ctstate NEW -j DROP"
    one, *_ = compared(rules(), rules(gone)).differences
    assert one.role is Role.LOOPBACK
    flow = one.old_witness.scenario["flow"]
    assert flow["sport"] != flow["dport"] or flow["saddr"] != flow["daddr"]
