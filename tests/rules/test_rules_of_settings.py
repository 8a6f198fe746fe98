# SPDX-License-Identifier: GPL-2.0-only
"""Rules about settings: what their pages do not show."""

from __future__ import annotations

import pytest

from ctlint.analysis.settings import BadSettingError
from ctlint.finding import Confidence
from ctlint.model.kernel.profiles import KernelProfile, all_profiles
from ctlint.model.kernel.sysctls import SYSCTLS
from tests.rules.asking import OPEN, found

CONNTRACK = "net.netfilter.nf_conntrack_"
READ = "kernel.osrelease = 6.18.44\n"
"""A line that only what a kernel printed can have."""


# CT501


def test_tw_recycle_does_nothing_without_timestamps() -> None:
    # tcp_conn_request() of Linux 4.11 asks for tw_recycle and for a timestamp seen.
    lines = "net.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_timestamps = 0\n"
    assert not found("CT501", lines, kernel="3.10")


def test_tw_recycle_is_unknown_where_the_kernel_dropped_it() -> None:
    line = "net.ipv4.tcp_tw_recycle = 1\n"
    assert not found("CT501", line, kernel="4.12")
    (one,) = found("CT502", line, kernel="4.12")
    assert "4.12" in one.message
    assert found("CT501", line, kernel="4.11")
    assert not found("CT502", line, kernel="4.11")


# CT502


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("net.netfilter.nf_conntrack_be_liberal", f"{CONNTRACK}tcp_be_liberal"),
        ("net.netfilter.nf_conntrack_tcp_timeout_establish", f"{CONNTRACK}tcp_timeout_established"),
        ("net.ipv4.netfilter.ip_conntrack_max", f"write {CONNTRACK}max"),
        ("net.ipv4.ip_conntrack_max", f"write {CONNTRACK}max"),
        ("nf_conntrack_max", f"write {CONNTRACK}max"),
        ("net.ipv4.nf_conntrack_max", f"write {CONNTRACK}max"),
        ("net.netfilter.nf_conntrack_tcp_no_window_check", "be_liberal"),
        ("net.ipv4.tcp_keepalive_intval", "net.ipv4.tcp_keepalive_intvl"),
        ("net.ipv4.tcp_syncookie", "net.ipv4.tcp_syncookies"),
        ("net.ipv4.somaxconn", "net.core.somaxconn"),
    ],
)
def test_keys_that_no_kernel_has_or_not_this_one(key: str, remedy: str) -> None:
    (one,) = found("CT502", f"{key} = 1\n")
    assert remedy in one.remedy


@pytest.mark.parametrize(
    "key",
    [
        "net.ipv4.tcp_retries1",  # one letter from tcp_retries2
        "net.ipv4.tcp_rto_min_us",
        "net.ipv4.tcp_congestion_control",
        "net.ipv4.tcp_something_of_a_vendor",
        "net.ipv4.ip_local_port_range",
        "net.netfilter.nf_log.2",
        "net.netfilter.nf_log_all_netns",
        "net.nf_conntrack_max",
        "net/netfilter/nf_conntrack_max",
        "net.core.rmem_max",
        "vm.swappiness",
        "net.netfilter.*",
        "max",
    ],
)
def test_keys_that_are_right_or_of_others(key: str) -> None:
    # The names of TCP stand in /proc/sys/net/ipv4 of 6.18.
    assert not found("CT502", f"{key} = 1\n")


def test_what_a_kernel_printed_it_has() -> None:
    dccp = f"{CONNTRACK}dccp_loose = 1\n"
    assert found("CT502", dccp)
    assert not found("CT502", READ + dccp)


def test_a_key_that_may_be_missing_is_none_that_is_misspelled() -> None:
    assert not found("CT502", f"-{CONNTRACK}helper = 1\n")
    assert found("CT502", "-net.netfilter.nf_conntrack_be_liberal = 1\n")


def test_keys_by_kernel() -> None:
    newer = f"{CONNTRACK}tcp_ignore_invalid_rst = 1\n"
    assert "came with Linux 5.14" in found("CT502", newer, kernel="5.10")[0].message
    assert not found("CT502", newer, kernel="5.14")
    old = "net.ipv4.netfilter.ip_conntrack_tcp_loose = 1\n"
    assert not found("CT502", old, kernel="rhel7")
    vendor = f"{CONNTRACK}tcp_no_window_check = 1\n"
    assert not found("CT502", vendor, kernel="openwrt-5.15")


@pytest.mark.parametrize(
    ("line", "edited"),
    [
        ("net.ipv4.netfilter.ip_conntrack_max = 9", "net.netfilter.nf_conntrack_max = 9"),
        (
            "net/ipv4/netfilter/ip_conntrack_tcp_loose=0",
            "net.netfilter.nf_conntrack_tcp_loose=0",
        ),
        ("-nf_conntrack_max =9", "-net.netfilter.nf_conntrack_max =9"),
        # Only likely, or nothing to put in its place.
        ("net.netfilter.nf_conntrack_be_liberal = 1", None),
        ("net.netfilter.nf_conntrack_helper = 1", None),
    ],
)
def test_names_are_put_right(line: str, edited: str | None) -> None:
    (one,) = found("CT502", f"{line}\n")
    assert (one.fix and one.fix.edits[0].insert) == (edited and (edited,))


# CT503


def test_settings_of_a_module_are_named_once() -> None:
    (one,) = found("CT503", f"{CONNTRACK}tcp_loose = 1\nnet.nf_conntrack_max = 9\n")
    assert "1 more" in one.message
    assert not found("CT503", f"{READ}{CONNTRACK}tcp_loose = 1\n")


# CT504

KUBE = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\nCOMMIT\n"


def test_kube_proxy_raises_and_never_lowers() -> None:
    # setIntSysCtl() of cmd/kube-proxy/app/conntrack.go.
    line = f"{CONNTRACK}tcp_timeout_established = "
    assert found("CT504", f"{line}86399\n", rules=KUBE)
    assert not found("CT504", f"{line}86400\n", rules=KUBE)
    assert not found("CT504", f"{line}60\n")
    assert not found("CT504", f"{READ}{line}60\n", rules=KUBE)


# CT505


def test_four_entries_a_bucket_are_the_kernels_own() -> None:
    # nf_conntrack_init_start() until 5.14: nf_conntrack_max = 4 * nf_conntrack_htable_size.
    lines = f"{CONNTRACK}buckets = 65536\n{CONNTRACK}max = "
    assert not found("CT505", lines + "262144\n")
    assert found("CT505", lines + "262145\n")


def test_without_buckets_only_what_no_default_carries() -> None:
    line = f"{CONNTRACK}max = 1048577\n"
    (one,) = found("CT505", line)
    assert one.confidence is Confidence.LIKELY
    # At most 262144 buckets since 5.15 (nf_conntrack-sysctl.rst), 65536 before.
    assert not found("CT505", f"{CONNTRACK}max = 1048576\n")
    assert found("CT505", f"{CONNTRACK}max = 1048576\n", kernel="5.14")


def test_the_other_name_of_the_maximum() -> None:
    assert found("CT505", "net.nf_conntrack_max = 4194304\n")


# CT507


def test_the_default_of_fin_wait_2_is_long_enough() -> None:
    # 60 s: ip-sysctl.rst, tcp_fin_timeout.
    assert not found("CT507", "net.ipv4.tcp_fin_timeout = 60\n")
    assert found("CT507", "net.ipv4.tcp_fin_timeout = 59\n")


# CT508


def test_a_later_file_wins() -> None:
    (one,) = found("CT508", "net.ipv4.tcp_syncookies = 1\n", "net.ipv4.tcp_syncookies=0\n")
    assert (one.location.file, one.related[0].file) == ("a.conf", "b.conf")


def test_the_same_value_twice_is_no_matter() -> None:
    assert not found("CT508", "net.ipv4.tcp_syncookies = 1\n", "net.ipv4.tcp_syncookies = 1\n")


def test_what_the_kernel_said_shows_that_a_file_is_not_in_force() -> None:
    (one,) = found("CT508", f"{CONNTRACK}tcp_loose = 0\n", f"{READ}{CONNTRACK}tcp_loose = 1\n")
    assert "the kernel said 1" in one.message
    # The other way round somebody asks what a file would change.
    assert not found("CT508", f"{READ}{CONNTRACK}tcp_loose = 1\n", f"{CONNTRACK}tcp_loose = 0\n")


def test_globs_and_keys_of_others_are_passed_over() -> None:
    glob = "net.ipv4.tcp_keepalive_* = 60\nnet.ipv4.tcp_keepalive_time = 300\n"
    assert not found("CT508", glob)
    assert not found("CT508", "vm.swappiness = 1\nvm.swappiness = 2\n")


# CT201

MASQUERADE = (
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    ":POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n"
)


def timeouts(established: int, keepalive: int = 300) -> str:
    return (
        f"{CONNTRACK}tcp_timeout_established = {established}\n"
        f"net.ipv4.tcp_keepalive_time = {keepalive}\n"
    )


def test_one_of_two_rules_speaks_of_a_short_timeout() -> None:
    for keepalive in (299, 300, 600, 601, 7200):
        by_rule = [bool(found(rule, timeouts(600, keepalive))) for rule in ("CT201", "CT202")]
        assert sorted(by_rule) == [False, True], keepalive


def test_what_is_told_of_silence_replaces_the_guess() -> None:
    assert not found("CT201", timeouts(600), facts=[("idle", "30s")])
    assert not found("CT201", timeouts(600), facts=[("keepalive", "30s")])


def test_rfc_5382_is_for_nat() -> None:
    # REQ-5: 2 hours 4 minutes.
    assert not found("CT201", timeouts(7439))
    (one,) = found("CT201", timeouts(7439), rules=MASQUERADE)
    assert one.severity.value == "note"
    assert not found("CT201", timeouts(7440), rules=MASQUERADE)


# CT203


@pytest.mark.parametrize(
    ("keepalive", "facts", "is_late"),
    [
        (None, [], True),  # 7200 s, tcp(7)
        (349, [], False),
        (350, [], True),
        (60, [("keepalive", "off")], True),
        (7200, [("keepalive", "30s")], False),
        (7200, [("idle", "349s")], False),
        (60, [("idle", "350s")], True),
        (60, [("keepalive", "off"), ("idle", "60s")], False),
    ],
)
def test_keepalives_and_the_path(
    keepalive: int | None, facts: list[tuple[str, str]], is_late: bool
) -> None:
    text = "" if keepalive is None else f"net.ipv4.tcp_keepalive_time = {keepalive}\n"
    assert bool(found("CT203", text, facts=[*facts, ("path-idle", "350s")])) is is_late
    assert not found("CT203", text, facts=facts)


def test_a_default_is_named_at_the_head_of_the_rules() -> None:
    rules = f"# Generated by iptables-save v1.8.9 on Mon Jan  1 00:00:00 2024\n{OPEN}"
    (one,) = found("CT203", rules=rules, facts=[("path-idle", "350s")])
    assert (one.location.file, one.location.line) == ("rules", 2)


# CT205


@pytest.mark.parametrize(("told", "is_short"), [("59s", False), ("60s", True)])
def test_half_closed_connections_and_the_default_of_close_wait(told: str, is_short: bool) -> None:
    # 60 s: nf_conntrack-sysctl.rst, nf_conntrack_tcp_timeout_close_wait.
    assert bool(found("CT205", facts=[("half-close", told)])) is is_short


# CT212


@pytest.mark.parametrize(
    ("told", "kernel", "is_short"),
    [
        # nf_conntrack-sysctl.rst: 120 s; 180 s before Linux 5.0 (udp_timeouts in the source).
        ("119s", "6.18", False),
        ("120s", "6.18", True),
        ("120s", "4.19", False),
        ("180s", "4.19", True),
    ],
)
def test_udp_flows_and_the_default_of_streams(told: str, kernel: str, is_short: bool) -> None:
    assert bool(found("CT212", kernel=kernel, facts=[("udp-idle", told)])) is is_short


def test_udp_flows_are_told_or_nothing_is_said() -> None:
    assert found("CT212", f"{CONNTRACK}udp_timeout_stream = 1\n") == []


# CT206


@pytest.mark.parametrize(
    ("seconds", "entries", "is_long"),
    [
        (3600, 131_072, False),  # kube-proxy's own
        (3600, 131_071, True),
        (600, 100, False),
        (601, 20_000, True),
        (3600, 0, False),  # no limit
    ],
)
def test_close_wait_and_the_size_of_the_table(seconds: int, entries: int, is_long: bool) -> None:
    text = f"{CONNTRACK}tcp_timeout_close_wait = {seconds}\n{CONNTRACK}max = {entries}\n"
    assert bool(found("CT206", text)) is is_long


# CT207


def test_close_wait_is_measured_by_what_the_sockets_wait() -> None:
    line = f"{CONNTRACK}tcp_timeout_close_wait = 30\n"
    assert found("CT207", line)
    assert not found("CT207", f"{line}net.ipv4.tcp_fin_timeout = 30\n")


def test_defaults_are_long_enough() -> None:
    for rule in ("CT207", "CT210"):
        assert not found(
            rule,
            f"{CONNTRACK}tcp_timeout_close_wait = 60\n{CONNTRACK}tcp_timeout_last_ack = 30\n"
            f"{CONNTRACK}tcp_timeout_unacknowledged = 300\n"
            f"{CONNTRACK}tcp_timeout_max_retrans = 300\n",
        )


# CT210


def test_the_longest_pause_between_retransmissions_can_be_set() -> None:
    # TCP_RTO_MAX is 120 s: an entry with that timeout is gone when the next one comes.
    line = f"{CONNTRACK}tcp_timeout_unacknowledged = "
    assert found("CT210", f"{line}120\n")
    assert not found("CT210", f"{line}121\n")
    assert not found("CT210", f"{line}60\nnet.ipv4.tcp_rto_max_ms = 30000\n")


# CT211


@pytest.mark.parametrize(("flow", "is_slow"), [(599, False), (600, True)])
def test_flowtable(flow: int, is_slow: bool) -> None:
    text = f"{timeouts(600)}net.netfilter.nf_flowtable_tcp_timeout = {flow}\n"
    facts = [("offload", "yes"), ("keepalive", "30s")]
    assert bool(found("CT211", text, facts=facts)) is is_slow
    assert not found("CT211", text, facts=[("offload", "no")])
    # The key came with 5.14.
    assert not found("CT211", text, facts=facts, kernel="5.10")


# CT214


@pytest.mark.parametrize(
    ("count", "most", "is_full"),
    # nf_conntrack_max95 = nf_conntrack_max / 100 * 95
    [(62_224, 65_536, False), (62_225, 65_536, True), (70_000, 65_536, True), (5, 0, False)],
)
def test_count_against_the_maximum(count: int, most: int, is_full: bool) -> None:
    text = f"{CONNTRACK}count = {count}\n{CONNTRACK}max = {most}\n"
    assert bool(found("CT214", text)) is is_full


def test_a_count_says_nothing_of_a_maximum_of_another_time() -> None:
    assert not found("CT214", f"{CONNTRACK}count = 65000\n", f"{CONNTRACK}max = 65536\n")


# CT510


def accepting(rule: str) -> str:
    return OPEN.replace(
        "COMMIT", f":CALLED - [0:0]\n:OTHER - [0:0]\n-A INPUT -j CALLED\n-A {rule}\nCOMMIT"
    )


@pytest.mark.parametrize(
    ("rule", "ports"),
    [
        ("INPUT -p tcp -m tcp --dport 32768 -j ACCEPT", ("32768",)),
        ("INPUT -p tcp -m tcp --dport 32767 -j ACCEPT", ()),
        ("INPUT -p tcp -m tcp --dport 60999 -j ACCEPT", ("60999",)),
        ("INPUT -p tcp -m tcp --dport 61000 -j ACCEPT", ()),
        ("CALLED -p tcp -m tcp --dport 50070 -j ACCEPT", ("50070",)),
        ("OTHER -p tcp -m tcp --dport 50070 -j ACCEPT", ()),
        ("FORWARD -p tcp -m tcp --dport 50070 -j ACCEPT", ()),
        ("INPUT -p tcp -m tcp --dport 50070 -j DROP", ()),
        ("INPUT -p tcp -m tcp ! --dport 50070 -j ACCEPT", ()),
        ("INPUT -p tcp -m tcp --dport 40000:40010 -j ACCEPT", ()),
        ("INPUT -p udp -m udp --dport 50070 -j ACCEPT", ()),
        ("INPUT -p tcp -m tcp --sport 50070 -j ACCEPT", ()),
        ("INPUT -p tcp -m multiport --dports 80,50070,50075 -j ACCEPT", ("50070", "50075")),
        ("INPUT -p tcp -m tcp --dport 50070 -m state --state ESTABLISHED -j ACCEPT", ()),
        ("INPUT -p tcp -m tcp --dport 50070 -m state --state NEW -j ACCEPT", ("50070",)),
    ],
)
def test_ports_that_the_host_may_draw(rule: str, ports: tuple[str, ...]) -> None:
    # 32768 to 60999 by default: ip-sysctl.rst.
    assert (
        tuple(port for one in found("CT510", rules=accepting(rule)) for port in one.ports) == ports
    )


def test_the_range_and_reserved_ports_are_read() -> None:
    rules = accepting("INPUT -p tcp -m tcp --dport 50070 -j ACCEPT")
    assert found("CT510", "net.ipv4.ip_local_port_range = 50070\t50070\n", rules=rules)
    assert not found("CT510", "net.ipv4.ip_local_port_range = 1024 50069\n", rules=rules)
    reserved = "net.ipv4.ip_local_reserved_ports = "
    assert not found("CT510", f"{reserved}8080,50000-50100\n", rules=rules)
    assert found("CT510", f"{reserved}8080\n", rules=rules)
    assert found("CT510", f"{reserved}\n", rules=rules)
    assert not found("CT510", rules=rules, facts=[("role", "router")])


@pytest.mark.parametrize(
    "line",
    [
        "net.ipv4.ip_local_port_range = 32768",
        "net.ipv4.ip_local_port_range = 60999 32768",
        "net.ipv4.ip_local_port_range = 1 65536",
        "net.ipv4.ip_local_reserved_ports = ssh",
        "net.ipv4.ip_local_reserved_ports = 10-9",
    ],
)
def test_values_that_are_no_ports_are_refused(line: str) -> None:
    with pytest.raises(BadSettingError, match="is not"):
        found("CT510", f"{line}\n")


# All together


@pytest.mark.parametrize("kernel", all_profiles()[::4], ids=lambda kernel: kernel.name)
def test_what_a_kernel_has_by_itself_is_nobodys_fault(kernel: KernelProfile) -> None:
    lines = "".join(
        f"{name} = {default}\n"
        for name in SYSCTLS
        if (default := kernel.sysctl_default(name)) is not None
    )
    # A file with these lines may come before the module: that is the only thing to say.
    assert not found("CT2", lines, kernel=kernel.name)
    assert {one.rule for one in found("CT5", lines, kernel=kernel.name)} == {"CT503"}
    assert not found("CT5", READ + lines, kernel=kernel.name)
