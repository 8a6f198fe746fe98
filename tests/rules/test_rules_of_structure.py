# SPDX-License-Identifier: GPL-2.0-only
"""Rules about the structure of rule sets: what their pages do not show."""

from __future__ import annotations

import pytest

from ctlint.finding import Severity
from tests.rules.asking import found

DROP = "-m conntrack --ctstate INVALID -j DROP"


def filtering(*rules: str, raw: tuple[str, ...] = (), policy: str = "ACCEPT") -> str:
    """A rule set with these rules."""
    text = ""
    if raw:
        lines = "".join(f"-A {rule}\n" for rule in raw)
        text = f"*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{lines}COMMIT\n"
    lines = "".join(f"-A {rule}\n" for rule in rules)
    return (
        f"{text}*filter\n:INPUT {policy} [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        f":CALLED - [0:0]\n{lines}COMMIT\n"
    )


# CT208


def test_an_entry_that_goes_with_its_socket_hinders_nobody() -> None:
    rules = filtering(f"FORWARD {DROP}")
    line = "net.netfilter.nf_conntrack_tcp_timeout_time_wait = "
    # TCP_TIMEWAIT_LEN is 60 s.
    assert not found("CT208", f"{line}60\n", rules=rules, kernel="3.16")
    assert found("CT208", f"{line}61\n", rules=rules, kernel="3.16")


# CT108


def test_rejects_by_answer_and_kernel() -> None:
    invalid = "INPUT -p tcp -m conntrack --ctstate INVALID -j REJECT --reject-with"

    def worst(answer: str, kernel: str, *sysctl: str) -> set[Severity]:
        rules = filtering(f"{invalid} {answer}")
        return {one.severity for one in found("CT108", *sysctl, rules=rules, kernel=kernel)}

    # d9a6f0d0df18 (6.1): what comes late is not INVALID any more.
    assert worst("tcp-reset", "6.0") == {Severity.ERROR}
    assert worst("tcp-reset", "6.1") == {Severity.WARNING}
    # RFC 5927, section 5.2, and tcp_v4_err(): an ICMP error ends no open connection.
    assert worst("icmp-port-unreachable", "6.0") == {Severity.NOTE}
    short = "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n"
    assert worst("icmp-port-unreachable", "6.18", short) == {Severity.ERROR}


# CT209

DNAT = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j {}\nCOMMIT\n"


def test_dnat_by_kernel_and_timeout() -> None:
    rules = DNAT.format("DNAT --to-destination 10.0.0.1")
    line = "net.netfilter.nf_conntrack_tcp_timeout_syn_sent = "
    # e15d4cdf27cb (5.14): a repeated SYN leaves the timer as it is.
    assert found("CT209", rules=rules, kernel="5.13")
    assert not found("CT209", rules=rules, kernel="5.14")
    assert not found("CT209", f"{line}120\n", rules=rules)
    assert found("CT209", f"{line}121\n", rules=rules)
    assert not found("CT209", f"{line}121\n", rules=DNAT.format("REDIRECT"))


def test_dnat_lasts_no_longer_than_the_kernel_keeps_the_entry() -> None:
    # fbcd253d2448 (4.15): no window is known, so max_retrans, 300 s, bounds it (seen on 6.18).
    rules = DNAT.format("DNAT --to-destination 10.0.0.1")
    line = "net.netfilter.nf_conntrack_tcp_timeout_{} = {}\n".format
    (one,) = found("CT209", line("syn_sent", 600), rules=rules)
    assert "its entry lives for 300 s" in one.message
    both = line("syn_sent", 600) + line("max_retrans", 500)
    (one,) = found("CT209", both, rules=rules)
    assert "its entry lives for 500 s" in one.message
    assert not found("CT209", line("syn_sent", 600) + line("max_retrans", 60), rules=rules)


# CT309

SYNPROXY = (
    "{} -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED "
    "-j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460"
)
NOTRACK = "PREROUTING -p tcp -m tcp --dport 80 --syn -j CT --notrack"
TIGHT = "net.netfilter.nf_conntrack_tcp_loose = 0\n"


@pytest.mark.parametrize("chain", ["INPUT", "FORWARD"])
def test_synproxy_as_its_manual_has_it(chain: str) -> None:
    rules = filtering(SYNPROXY.format(chain), raw=(NOTRACK,))
    assert not found("CT309", TIGHT, rules=rules)
    (one,) = found("CT309", rules=rules)
    assert one.witness is not None
    assert one.witness.expect[0]["ctstate"] == "NEW"


def test_synproxy_whose_syns_are_tracked() -> None:
    (one,) = found("CT309", TIGHT, rules=filtering(SYNPROXY.format("INPUT")))
    assert "no rule has SYNs not tracked" in one.message


def test_synproxy_that_asks_for_too_little() -> None:
    rule = SYNPROXY.format("INPUT").replace("INVALID,UNTRACKED", "UNTRACKED")
    (one,) = found("CT309", TIGHT, rules=filtering(rule, raw=(NOTRACK,)))
    assert "does not ask for both" in one.message


# CT401


def test_ten_rules_may_stand_before() -> None:
    others = [f"INPUT -s 192.0.2.{last} -j ACCEPT" for last in range(10)]
    accept = "INPUT -m state --state ESTABLISHED -j ACCEPT"
    assert not found("CT401", rules=filtering(*others[:9], accept))
    assert found("CT401", rules=filtering(*others, accept))
    # A narrower one before it is not the one that is meant.
    narrow = "INPUT -p tcp -m state --state ESTABLISHED -j ACCEPT"
    assert found("CT401", rules=filtering(narrow, *others, accept))
    assert not found("CT401", rules=filtering(accept, *others, accept))


# CT403


@pytest.mark.parametrize(
    ("dropped", "who"),
    [
        # RFC 4861, section 4: a solicitation (135) asks, an advertisement (136) answers.
        ("INPUT {135}", "no neighbour finds the host"),
        ("INPUT {136}", "the host finds no neighbour"),
        ("OUTPUT {135}", "the host finds no neighbour"),
        ("OUTPUT {136}", "no neighbour finds the host"),
        ("INPUT", "neither the host nor its neighbours find each other"),
    ],
)
def test_who_does_not_find_whom(dropped: str, who: str) -> None:
    chain, _, kind = dropped.partition(" ")
    match = f" -m icmp6 --icmpv6-type {kind.strip('{}')}" if kind else ""
    rules = filtering(f"{chain} -p ipv6-icmp{match} -j DROP")
    (one,) = found("CT403", rules=rules)
    assert one.message.endswith(f"over IPv6 {who}")


# CT406


@pytest.mark.parametrize(
    ("rule", "is_flagged"),
    [
        ("INPUT -m helper --helper ftp -j ACCEPT", True),
        ("INPUT -m helper --helper ftp-2121 -j ACCEPT", True),
        ("CALLED -m helper --helper ftp -j ACCEPT", False),
        ("INPUT -m helper ! --helper ftp -j ACCEPT", False),
        ("INPUT -m helper --helper ftp -j DROP", False),
        ("INPUT -p tcp -m state --state RELATED -j ACCEPT", True),
        ("INPUT -p icmp -m state --state RELATED -j ACCEPT", False),
        # The RST of a REJECT: measured on 6.18, it is RELATED.
        ("FORWARD -p tcp -m tcp --tcp-flags RST RST -m state --state RELATED -j ACCEPT", False),
        ("INPUT -m state --state RELATED -j ACCEPT", False),
        ("INPUT -p tcp -m state --state RELATED,ESTABLISHED -j ACCEPT", False),
    ],
)
def test_rules_that_need_a_helper(rule: str, is_flagged: bool) -> None:
    assert bool(found("CT406", rules=filtering(rule))) is is_flagged


def test_helpers_by_port() -> None:
    rules = filtering("INPUT -m helper --helper ftp -j ACCEPT")
    helper = "net.netfilter.nf_conntrack_helper = "
    # Off by default since 4.7, gone since 6.1.
    assert not found("CT406", rules=rules, kernel="4.6")
    assert found("CT406", rules=rules, kernel="4.7")
    assert not found("CT406", f"{helper}1\n", rules=rules, kernel="4.7")
    assert found("CT406", f"{helper}0\n", rules=rules, kernel="4.6")
    assert found("CT406", f"{helper}1\n", rules=rules, kernel="6.1")
    assert not found("CT406", rules=rules, kernel="3.4")


def test_another_helper_is_assigned() -> None:
    tftp = "PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp"
    ftp = "PREROUTING -p tcp -m tcp --dport 2121 -j CT --helper ftp"
    rule = "INPUT -m helper --helper ftp-2121 -j ACCEPT"
    assert found("CT406", rules=filtering(rule, raw=(tftp,)))
    assert not found("CT406", rules=filtering(rule, raw=(ftp,)))


def test_helpers_are_named_together() -> None:
    each = "{} -m state --state RELATED -m helper --helper {} -j ACCEPT"
    chains = (("INPUT", "sip"), ("FORWARD", "ftp"), ("FORWARD", "sip"))
    (one,) = found("CT406", rules=filtering(*(each.format(*names) for names in chains)))
    assert "the helpers ftp, sip," in one.message
    assert one.location.chain == "INPUT"


# CT411


@pytest.mark.parametrize(
    ("rules", "is_flagged"),
    [
        ((f"INPUT {DROP}",), True),
        (("INPUT -j LOG", f"INPUT {DROP}"), False),
        (("INPUT -m state --state INVALID -j NFLOG", f"INPUT {DROP}"), False),
        (("INPUT -m state --state NEW -j LOG", f"INPUT {DROP}"), True),
        ((f"INPUT {DROP}", "INPUT -j LOG"), True),
        (("INPUT -m state --state INVALID -j REJECT",), False),
        (("INPUT -m state --state INVALID,NEW -j DROP",), False),
    ],
)
def test_logs_before_drops(rules: tuple[str, ...], is_flagged: bool) -> None:
    assert bool(found("CT411", rules=filtering(*rules), kernel="6.1")) is is_flagged
    # "invalid new" is logged since 6.8: measured on 6.12 and not on 6.1.
    assert not found("CT411", rules=filtering(*rules), kernel="6.12")


# CT413

NEW = "INPUT -p tcp -m tcp --dport 22 -m state --state NEW -j ACCEPT"
OPEN = "INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT"


def test_an_ack_that_is_new_comes_in() -> None:
    rules = filtering(OPEN, NEW, policy="DROP")
    (one,) = found("CT413", rules=rules)
    assert (one.location.position, one.ports) == (2, ("22",))
    # nf_conntrack_tcp_loose=0: it is INVALID then.
    assert not found("CT413", TIGHT, rules=rules)
    assert not found("CT413", rules=rules, facts=[("role", "client")])


def test_an_ack_that_is_invalid_is_not_new() -> None:
    both = NEW.replace("NEW", "INVALID,NEW")
    rules = filtering(OPEN, both, policy="DROP")
    assert found("CT413", rules=rules)
    assert not found("CT413", TIGHT, rules=rules)


def test_what_asks_for_no_state_lets_more_in_than_new() -> None:
    rules = filtering(OPEN, NEW.replace(" -m state --state NEW", ""), policy="DROP")
    assert not found("CT413", rules=rules)
