# SPDX-License-Identifier: GPL-2.0-only
"""Rules about settings: what their pages do not show."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ctlint.analysis.circumstances import circumstances
from ctlint.finding import Confidence, Finding
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import profile
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl

OPEN = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
CONNTRACK = "net.netfilter.nf_conntrack_"
READ = "kernel.osrelease = 6.18.44\n"
"""A line that only what a kernel printed can have."""


def found(
    rule: str,
    *files: str,
    rules: str = OPEN,
    kernel: str = "7.3",
    facts: Sequence[tuple[str, str]] = (),
) -> list[Finding]:
    """The findings of a rule where these sysctl files, a.conf, b.conf …, are read one by one."""
    runs = [
        SysctlRun((parse_sysctl(text, f"{name}.conf"),))
        for name, text in zip("abc", files, strict=False)
    ]
    host = Host(
        parse_rulesets(rules, "rules"),
        SysctlSet(tuple(runs)),
        circumstances=circumstances(facts),
        texts={f"{name}.conf": text for name, text in zip("abc", files, strict=False)},
    )
    chosen = [one for one in shipped_rules() if one.id == rule]
    return list(lint([host], profile(kernel), chosen, persona=Persona.PEDANTIC).findings)


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
