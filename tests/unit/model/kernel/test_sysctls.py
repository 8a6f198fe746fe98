# SPDX-License-Identifier: GPL-2.0-only
"""Sysctls: names, defaults by kernel, and what kernels of 5.10 to 7.2 print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.model.kernel.profiles import KernelProfile, all_profiles, profile
from ctlint.model.kernel.sysctls import SYSCTLS, UnknownSysctl, canonical_name, resolve
from tests.unit.model.kernel.kernel_facts import shared

LOOSE = "net.netfilter.nf_conntrack_tcp_loose"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tcp_loose", LOOSE),
        ("nf_conntrack_tcp_loose", LOOSE),
        (LOOSE, LOOSE),
        ("net/netfilter/nf_conntrack_tcp_loose", LOOSE),
        ("/proc/sys/net/netfilter/nf_conntrack_tcp_loose", LOOSE),
        (" tcp_loose ", LOOSE),
        ("net.ipv4.netfilter.ip_conntrack_tcp_loose", LOOSE),
        ("ip_conntrack_tcp_loose", LOOSE),
        ("net.nf_conntrack_max", "net.netfilter.nf_conntrack_max"),
        ("max", "net.netfilter.nf_conntrack_max"),
        ("tcp_fin_timeout", "net.ipv4.tcp_fin_timeout"),
        ("somaxconn", "net.core.somaxconn"),
        ("net/core/somaxconn", "net.core.somaxconn"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert canonical_name(text) == name


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("tcp_lose", LOOSE),
        ("nf_conntrack_tcp_timout_fin_wait", "net.netfilter.nf_conntrack_tcp_timeout_fin_wait"),
        (
            "net.netfilter.nf_conntrack_tcp_timeout_etablished",
            "net.netfilter.nf_conntrack_tcp_timeout_established",
        ),
        ("net.ipv4.tcp_fin_time_out", "net.ipv4.tcp_fin_timeout"),
    ],
)
def test_misspelled_names_get_a_suggestion(text: str, suggestion: str) -> None:
    with pytest.raises(UnknownSysctl) as caught:
        canonical_name(text)
    assert caught.value.suggestions[0] == suggestion
    assert suggestion in str(caught.value)


@pytest.mark.parametrize("text", ["", "xyzzy", ".", "a" * 10_000])
def test_names_that_look_like_nothing_known(text: str) -> None:
    with pytest.raises(UnknownSysctl) as caught:
        canonical_name(text)
    assert caught.value.suggestions == ()
    assert len(str(caught.value)) < 200


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_unknown(text: str) -> None:
    try:
        assert canonical_name(text) in SYSCTLS
    except UnknownSysctl as error:
        assert set(error.suggestions) <= set(SYSCTLS)


def test_short_names_are_unique() -> None:
    for sysctl in SYSCTLS.values():
        assert resolve(sysctl.short_name).sysctl is sysctl
        assert resolve(sysctl.name.rpartition(".")[2]).sysctl is sysctl


def test_obsolete_names_are_told_from_current_ones() -> None:
    assert resolve("net.ipv4.netfilter.ip_conntrack_max").is_obsolete
    assert not resolve("net.netfilter.nf_conntrack_max").is_obsolete
    assert not resolve("net.nf_conntrack_max").is_obsolete


# by-version.md, section 7.
@pytest.mark.parametrize(
    ("kernel", "name", "default"),
    [
        ("3.6", "tcp_syn_retries", 5),
        ("3.7", "tcp_syn_retries", 6),
        ("rhel6", "tcp_syn_retries", 5),
        ("rhel7", "tcp_syn_retries", 6),
        ("5.3", "somaxconn", 128),
        ("5.4", "somaxconn", 4096),
        ("rhel7", "somaxconn", 128),
        ("4.18", "tcp_tw_reuse", 0),
        ("4.19", "tcp_tw_reuse", 2),
        ("4.6", "nf_conntrack_helper", 1),
        ("4.7", "nf_conntrack_helper", 0),
        ("6.1", "nf_conntrack_helper", None),
        ("4.6", "tcp_challenge_ack_limit", 100),
        ("4.9", "tcp_challenge_ack_limit", 1000),
        ("4.4", "tcp_challenge_ack_limit", 1000),
        ("rhel6", "tcp_challenge_ack_limit", 1000),
        ("rhel7", "tcp_challenge_ack_limit", 1000),
        ("3.5", "tcp_challenge_ack_limit", None),
        ("6.1", "tcp_challenge_ack_limit", 2147483647),
        ("2.6.32", "tcp_loose", 1),
        ("7.2", "tcp_loose", 1),
        ("2.6.32", "tcp_timeout_established", 432000),
        ("7.2", "tcp_timeout_established", 432000),
        ("6.18", "nf_conntrack_max", None),
        ("5.10", "nf_conntrack_events", 1),
        ("6.1", "nf_conntrack_events", 2),
        ("rhel8", "tcp_keepalive_time", 7200),
    ],
)
def test_defaults(kernel: str, name: str, default: int | None) -> None:
    assert profile(kernel).sysctl_default(name) == default


# by-version.md, section 7.
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("tcp_ignore_invalid_rst", "5.14", "7.3"),
        ("nf_conntrack_timestamp", "3.1", "7.3"),
        ("nf_conntrack_helper", "3.5", "6.0"),
        ("tcp_tw_recycle", "2.6.32", "4.11"),
        ("tcp_syn_linear_timeouts", "6.5", "7.3"),
        ("tcp_tw_reuse_delay", "6.14", "7.3"),
        ("tcp_rto_max_ms", "6.18", "7.3"),
        ("net.ipv4.netfilter.ip_conntrack_max", "2.6.32", "4.8"),
        ("net.ipv4.netfilter.ip_conntrack_tcp_timeout_syn_sent2", "2.6.32", "4.8"),
        ("nf_conntrack_tcp_loose", "2.6.32", "7.3"),
    ],
)
def test_when_sysctls_exist(name: str, first: str, last: str) -> None:
    having = [
        kernel.name
        for kernel in all_profiles()
        if kernel.has_sysctl(name) and not kernel.name.startswith("rhel")
    ]
    lines = [kernel.name for kernel in all_profiles() if not kernel.name.startswith("rhel")]
    assert having == lines[lines.index(first) : lines.index(last) + 1]


def test_rhel7_has_the_old_names_and_the_rate_limit() -> None:
    assert profile("rhel7").has_sysctl("net.ipv4.netfilter.ip_conntrack_tcp_be_liberal")
    assert profile("rhel7").has_sysctl("tcp_invalid_ratelimit")
    assert not profile("rhel8").has_sysctl("net.ipv4.netfilter.ip_conntrack_tcp_be_liberal")


def test_a_vendor_sysctl_is_known_but_no_mainline_profile_has_it() -> None:
    assert SYSCTLS[canonical_name("tcp_no_window_check")].vendor == "OpenWrt, Armbian"
    having = [kernel for kernel in all_profiles() if kernel.has_sysctl("tcp_no_window_check")]
    defaults = {kernel.name: kernel.sysctl_default("tcp_no_window_check") for kernel in having}
    # Read in OpenWrt's patch of nf_conntrack_proto_tcp.c in a 5.4 and in a 5.15 tree.
    assert defaults == {"openwrt-5.4": 1, "openwrt-5.15": 0}
    assert all(
        profile(kernel.name.partition("-")[2]).features == kernel.features for kernel in having
    )


# ---- what nine kernels printed -----------------------------------------------------------------

DUMPS = [
    "sysctl-5.10.0-46-amd64.txt",
    "sysctl-5.10.46.txt",
    "sysctl-6.1.0-56-amd64.txt",
    "sysctl-6.1.176.txt",
    "sysctl-6.12.101.txt",
    "sysctl-6.12.107+deb13-amd64.txt",
    "sysctl-6.18.44-netns.txt",
    "sysctl-7.2.13+deb14-amd64.txt",
    "sysctl-7.2.7.txt",
]

# 5.10.46 is older than the stable changes of SCTP that the profile 5.10 stands for.
OLDER_THAN_ITS_PROFILE = {
    ("sysctl-5.10.46.txt", "net.netfilter.nf_conntrack_sctp_timeout_established"),
    ("sysctl-5.10.46.txt", "net.netfilter.nf_conntrack_sctp_timeout_heartbeat_acked"),
}

# The initial namespace has it, a new one has not.
INITIAL_NAMESPACE_ONLY = {"net.nf_conntrack_max"}


def printed(name: str) -> tuple[KernelProfile, dict[str, int]]:
    path: Path = shared("kernel-facts", "sysctl", name)
    pairs = [line.split(" = ") for line in path.read_text(encoding="ascii").splitlines()]
    return profile(name.split("-")[1].removesuffix(".txt")), {
        name: int(value) for name, value in pairs
    }


@pytest.mark.parametrize("dump", DUMPS)
def test_printed_sysctls_exist_with_their_defaults(dump: str) -> None:
    kernel, values = printed(dump)
    compared = 0
    for name, value in values.items():
        if (dump, name) in OLDER_THAN_ITS_PROFILE:
            continue
        assert kernel.has_sysctl(name), name
        default = kernel.sysctl_default(name)
        if default is not None:
            assert default == value, name
            compared += 1
    assert compared >= 30


@pytest.mark.parametrize("dump", DUMPS)
def test_sysctls_that_need_no_option_are_printed(dump: str) -> None:
    kernel, values = printed(dump)
    for name, sysctl in SYSCTLS.items():
        if re.match(r"net\.netfilter\.|net\.ipv4\.netfilter\.", name) and sysctl.config is None:
            assert (name in values) == kernel.has_sysctl(name), name
