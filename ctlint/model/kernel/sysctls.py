# SPDX-License-Identifier: GPL-2.0-only
"""The sysctls of conntrack and of TCP that decide what becomes of a connection.

Names are full and with dots (`net.netfilter.nf_conntrack_tcp_loose`). Known are all of conntrack's,
and of TCP's those that bear on opening, closing and reuse: a TCP name that is missing here is not
thereby misspelled. A default that changed over time has its newest value here and a
`DefaultDelta` for each change.

Source: net/netfilter/nf_conntrack_standalone.c, Documentation/networking/nf_conntrack-sysctl.rst,
Documentation/networking/ip-sysctl.rst, and the values that kernels 5.10 … 7.3 print.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from ctlint.model.kernel.features import Feature, Version

NETFILTER = "net.netfilter.nf_conntrack_"
IPV4 = "net.ipv4."
OBSOLETE = "net.ipv4.netfilter.ip_conntrack_"

_LONGEST_NAME = 128
"""Longer names are not compared with known ones, nor repeated whole: they are no typing errors."""


class Unit(Enum):
    """What the number of a sysctl counts."""

    FLAG = "0 or 1"
    CHOICE = "a choice by number"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    PACKETS = "packets"
    PER_SECOND = "packets a second"
    ENTRIES = "entries"
    BYTES = "bytes"


class DefaultDelta(NamedTuple):
    """The default of kernels that lack a feature."""

    feature: Feature
    before: int


@dataclass(frozen=True, slots=True)
class Sysctl:
    """One setting of the kernel.

    `default` is None where it depends on memory, where the value is a reading, or where kernels
    differ in ways that are not known. `since` and `gone` are features, or the first release that
    has or lacks it; `since` None: no kernel of the range is known to lack it. `mirrors` are other
    names of the same value that exist as long as it does; `obsolete` ones exist until
    `Feature.IP_CONNTRACK_NAMES_GONE`.
    `per_netns` is the feature since which each network namespace has its own, None where
    nothing is known of it. `config` is the build option without which it is missing. `vendor`
    names the distributions outside which it does not exist.
    """

    name: str
    default: int | None
    unit: Unit
    since: Feature | Version | None = None
    gone: Feature | Version | None = None
    deltas: tuple[DefaultDelta, ...] = ()
    mirrors: tuple[str, ...] = ()
    obsolete: tuple[str, ...] = ()
    per_netns: Feature | None = None
    config: str | None = None
    vendor: str | None = None

    @property
    def short_name(self) -> str:
        """The name as scenarios write it: without the prefix, and without `nf_conntrack_`."""
        return self.name.removeprefix(NETFILTER).rpartition(".")[2]


class Resolved(NamedTuple):
    """What a name stands for; `name` is its full form as written, which may be an older name."""

    sysctl: Sysctl
    name: str

    @property
    def is_obsolete(self) -> bool:
        """Whether the name is one that current kernels no longer have."""
        return self.name in self.sysctl.obsolete


class UnknownSysctl(ValueError):  # noqa: N818 (named for what is wrong)
    """No kernel has a sysctl of this name. `suggestions` are known full names that look like it."""

    def __init__(self, name: str, suggestions: tuple[str, ...]) -> None:
        hint = f": did you mean {suggestions[0]}?" if suggestions else ""
        super().__init__(f"no kernel has a sysctl {name[:_LONGEST_NAME]!r}{hint}")
        self.name = name
        self.suggestions = suggestions


def _conntrack(
    short: str,
    default: int | None,
    unit: Unit,
    *,
    since: Feature | Version | None = None,
    gone: Feature | Version | None = None,
    deltas: tuple[DefaultDelta, ...] = (),
    mirrors: tuple[str, ...] = (),
    obsolete: bool = False,
    config: str | None = None,
    vendor: str | None = None,
) -> Sysctl:
    """A sysctl of conntrack; `obsolete`: it once had a twin below net.ipv4.netfilter."""
    return Sysctl(
        name=NETFILTER + short,
        default=default,
        unit=unit,
        since=since,
        gone=gone,
        deltas=deltas,
        mirrors=mirrors,
        obsolete=(OBSOLETE + short,) if obsolete else (),
        per_netns=Feature.TCP_SYSCTLS_PER_NETNS if short.startswith("tcp_") else None,
        config=config,
        vendor=vendor,
    )


def _timeouts(protocol: str, config: str, values: Mapping[str, int | None]) -> Iterable[Sysctl]:
    """The timeouts of a protocol other than TCP that all behave alike."""
    for state, default in values.items():
        yield _conntrack(f"{protocol}_timeout_{state}", default, Unit.SECONDS, config=config)


_SCTP = "CONFIG_NF_CT_PROTO_SCTP"
_DCCP = "CONFIG_NF_CT_PROTO_DCCP"
_GRE = "CONFIG_NF_CT_PROTO_GRE"
_FLOWTABLE = "CONFIG_NF_FLOW_TABLE"
_INT_MAX = 2**31 - 1


def _dccp() -> Iterable[Sysctl]:
    """DCCP left the kernel, and its timeouts with it."""
    gone = Feature.DCCP_TRACKER_GONE
    yield _conntrack("dccp_loose", 1, Unit.FLAG, gone=gone, config=_DCCP)
    for state, default in (
        ("request", 240),
        ("respond", 480),
        ("partopen", 480),
        ("open", 43200),
        ("closereq", 64),
        ("closing", 64),
        ("timewait", 240),
    ):
        yield _conntrack(f"dccp_timeout_{state}", default, Unit.SECONDS, gone=gone, config=_DCCP)


# fmt: off
_ALL: tuple[Sysctl, ...] = (
    # ---- TCP tracker
    _conntrack("tcp_loose", 1, Unit.FLAG, obsolete=True),
    _conntrack("tcp_be_liberal", 0, Unit.FLAG, obsolete=True),
    _conntrack("tcp_ignore_invalid_rst", 0, Unit.FLAG, since=Feature.IGNORE_INVALID_RST),
    _conntrack("tcp_max_retrans", 3, Unit.PACKETS, obsolete=True),
    _conntrack("tcp_timeout_syn_sent", 120, Unit.SECONDS, obsolete=True),
    Sysctl(  # SYN_SENT2 never had a name below net.netfilter
        OBSOLETE + "tcp_timeout_syn_sent2", 120, Unit.SECONDS,
        gone=Feature.IP_CONNTRACK_NAMES_GONE,
    ),
    _conntrack("tcp_timeout_syn_recv", 60, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_established", 432000, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_fin_wait", 120, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_close_wait", 60, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_last_ack", 30, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_time_wait", 120, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_close", 10, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_max_retrans", 300, Unit.SECONDS, obsolete=True),
    _conntrack("tcp_timeout_unacknowledged", 300, Unit.SECONDS,
               since=Feature.UNACKNOWLEDGED_TIMEOUT),
    _conntrack("tcp_no_window_check", None, Unit.FLAG, vendor="OpenWrt, Armbian"),

    # ---- conntrack core
    _conntrack("checksum", 1, Unit.FLAG, obsolete=True),
    _conntrack("log_invalid", 0, Unit.CHOICE, obsolete=True),
    _conntrack("max", None, Unit.ENTRIES, mirrors=("net.nf_conntrack_max",), obsolete=True),
    _conntrack("buckets", None, Unit.ENTRIES, obsolete=True),
    _conntrack("count", None, Unit.ENTRIES, obsolete=True),
    _conntrack("expect_max", None, Unit.ENTRIES),
    _conntrack("acct", 0, Unit.FLAG),
    _conntrack("events", 2, Unit.CHOICE, deltas=(DefaultDelta(Feature.EVENTS_AUTO, 1),),
               config="CONFIG_NF_CONNTRACK_EVENTS"),
    _conntrack("timestamp", 0, Unit.FLAG, since=Feature.TIMESTAMP_SYSCTL,
               config="CONFIG_NF_CONNTRACK_TIMESTAMP"),
    _conntrack("helper", 0, Unit.FLAG, since=Feature.HELPER_SYSCTL,
               gone=Feature.HELPER_SYSCTL_GONE, deltas=(DefaultDelta(Feature.HELPER_OFF, 1),)),
    _conntrack("frag6_timeout", 60, Unit.SECONDS, config="CONFIG_IPV6"),
    _conntrack("frag6_low_thresh", 3145728, Unit.BYTES, config="CONFIG_IPV6"),
    _conntrack("frag6_high_thresh", 4194304, Unit.BYTES, config="CONFIG_IPV6"),

    # ---- other protocols
    _conntrack("generic_timeout", 600, Unit.SECONDS, obsolete=True),
    _conntrack("udp_timeout", 30, Unit.SECONDS, obsolete=True),
    _conntrack("udp_timeout_stream", 120, Unit.SECONDS, obsolete=True,
               deltas=(DefaultDelta(Feature.UDP_STREAM_120, 180),)),
    _conntrack("icmp_timeout", 30, Unit.SECONDS, obsolete=True),
    _conntrack("icmpv6_timeout", 30, Unit.SECONDS, config="CONFIG_IPV6"),
    _conntrack("gre_timeout", 30, Unit.SECONDS, config=_GRE),
    _conntrack("gre_timeout_stream", 180, Unit.SECONDS, config=_GRE),
    _conntrack("sctp_timeout_established", 210, Unit.SECONDS, config=_SCTP,
               deltas=(DefaultDelta(Feature.SCTP_ESTABLISHED_210, 432000),)),
    _conntrack("sctp_timeout_heartbeat_acked", 210, Unit.SECONDS, config=_SCTP,
               gone=Feature.SCTP_ESTABLISHED_210),
    *_timeouts("sctp", _SCTP, {
        "closed": 10, "cookie_wait": 3, "cookie_echoed": 3, "heartbeat_sent": 30,
        "shutdown_sent": None, "shutdown_recd": None, "shutdown_ack_sent": 3,
    }),
    *_dccp(),
    # Seen absent in 5.10 and present in 6.1; the releases in between are not verified.
    Sysctl("net.netfilter.nf_flowtable_tcp_timeout", 30, Unit.SECONDS, since=(5, 14),
           config=_FLOWTABLE),
    Sysctl("net.netfilter.nf_flowtable_udp_timeout", 30, Unit.SECONDS, since=(5, 14),
           config=_FLOWTABLE),
    Sysctl("net.netfilter.nf_hooks_lwtunnel", 0, Unit.FLAG, since=(5, 15),
           config="CONFIG_LWTUNNEL"),

    # ---- TCP endpoint
    Sysctl(IPV4 + "tcp_syn_retries", 6, Unit.PACKETS,
           deltas=(DefaultDelta(Feature.SYN_RETRIES_6, 5),)),
    Sysctl(IPV4 + "tcp_syn_linear_timeouts", 4, Unit.PACKETS, since=Feature.SYN_LINEAR_TIMEOUTS),
    Sysctl(IPV4 + "tcp_synack_retries", 5, Unit.PACKETS),
    Sysctl(IPV4 + "tcp_retries2", 15, Unit.PACKETS),
    Sysctl(IPV4 + "tcp_orphan_retries", 0, Unit.PACKETS),
    Sysctl(IPV4 + "tcp_max_orphans", None, Unit.ENTRIES),
    Sysctl(IPV4 + "tcp_fin_timeout", 60, Unit.SECONDS),
    Sysctl(IPV4 + "tcp_keepalive_time", 7200, Unit.SECONDS),
    Sysctl(IPV4 + "tcp_keepalive_intvl", 75, Unit.SECONDS),
    Sysctl(IPV4 + "tcp_keepalive_probes", 9, Unit.PACKETS),
    Sysctl(IPV4 + "tcp_timestamps", 1, Unit.CHOICE),
    Sysctl(IPV4 + "tcp_rfc1337", 0, Unit.FLAG),
    Sysctl(IPV4 + "tcp_tw_recycle", 0, Unit.FLAG, gone=Feature.TW_RECYCLE_GONE),
    Sysctl(IPV4 + "tcp_tw_reuse", 2, Unit.CHOICE,
           deltas=(DefaultDelta(Feature.TW_REUSE_LOOPBACK, 0),)),
    Sysctl(IPV4 + "tcp_tw_reuse_delay", 1000, Unit.MILLISECONDS, since=Feature.TW_REUSE_DELAY),
    Sysctl(IPV4 + "tcp_max_tw_buckets", None, Unit.ENTRIES),
    Sysctl(IPV4 + "tcp_challenge_ack_limit", _INT_MAX, Unit.PER_SECOND,
           since=Feature.RFC5961_CHALLENGE_ACK,
           deltas=(DefaultDelta(Feature.CHALLENGE_LIMIT_OFF, 1000),
                   DefaultDelta(Feature.CHALLENGE_LIMIT_1000, 100))),
    Sysctl(IPV4 + "tcp_invalid_ratelimit", 500, Unit.MILLISECONDS,
           since=Feature.INVALID_RATELIMIT),
    Sysctl(IPV4 + "tcp_syncookies", 1, Unit.CHOICE, config="CONFIG_SYN_COOKIES"),
    Sysctl(IPV4 + "tcp_max_syn_backlog", None, Unit.ENTRIES),
    Sysctl(IPV4 + "tcp_abort_on_overflow", 0, Unit.FLAG),
    Sysctl(IPV4 + "tcp_rto_max_ms", 120000, Unit.MILLISECONDS, since=Feature.RTO_MAX_MS),
    Sysctl("net.core.somaxconn", 4096, Unit.ENTRIES,
           deltas=(DefaultDelta(Feature.SOMAXCONN_4096, 128),)),
)
# fmt: on

# fmt: off
_OTHER_TCP: Final = (
    "adv_win_scale", "allowed_congestion_control", "app_win", "autocorking",
    "available_congestion_control", "available_ulp", "backlog_ack_defer", "base_mss",
    "child_ehash_entries", "comp_sack_delay_ns", "comp_sack_nr", "comp_sack_slack_ns",
    "congestion_control", "dsack", "early_demux", "early_retrans", "ecn", "ecn_fallback",
    "ecn_option", "ecn_option_beacon", "ehash_entries", "fack", "fastopen",
    "fastopen_blackhole_timeout_sec", "fastopen_key", "frto", "fwmark_accept", "l3mdev_accept",
    "limit_output_bytes", "low_latency", "max_reordering", "mem", "migrate_req", "min_rtt_wlen",
    "min_snd_mss", "min_tso_segs", "moderate_rcvbuf", "mtu_probe_floor", "mtu_probing",
    "no_metrics_save", "no_ssthresh_metrics_save", "notsent_lowat", "pacing_ca_ratio",
    "pacing_ss_ratio", "pingpong_thresh", "plb_cong_thresh", "plb_enabled",
    "plb_idle_rehash_rounds", "plb_rehash_rounds", "plb_suspend_rto_sec", "probe_interval",
    "probe_threshold", "recovery", "reflect_tos", "reordering", "retrans_collapse", "retries1",
    "rmem", "rto_min_us", "sack", "shrink_window", "slow_start_after_idle", "stdurg",
    "thin_linear_timeouts", "tso_rtt_log", "tso_win_divisor", "window_scaling", "wmem",
    "workaround_signed_windows",
)
# fmt: on
OTHER_TCP: Final = frozenset(f"{IPV4}tcp_{name}" for name in _OTHER_TCP)
"""Names of TCP that have no bearing here: they are not misspelled. From /proc/sys/net/ipv4 of
6.18.44.
"""

SYSCTLS: Mapping[str, Sysctl] = MappingProxyType({sysctl.name: sysctl for sysctl in _ALL})
"""Every known sysctl by its full name, in the order in which they are shown."""


def _names() -> Mapping[str, Resolved]:
    """Every spelling that stands for a sysctl: full, last part, and without `nf_conntrack_`."""
    names: dict[str, Resolved] = {}
    for sysctl in _ALL:
        for full in (sysctl.name, *sysctl.mirrors, *sysctl.obsolete):
            resolved = Resolved(sysctl, full)
            names[full] = resolved
            names.setdefault(full.rpartition(".")[2], resolved)
        names.setdefault(sysctl.short_name, Resolved(sysctl, sysctl.name))
    return names


_NAMES = _names()


def resolve(name: str) -> Resolved:
    """What a name stands for, with `.` or `/` between its parts, full or short.

    Short is the last part (`nf_conntrack_tcp_loose`, `somaxconn`), also without `nf_conntrack_`
    (`tcp_loose`). Raises UnknownSysctl.
    """
    text = name.strip().removeprefix("/proc/sys/").replace("/", ".")
    found = _NAMES.get(text)
    if found is None:
        raise UnknownSysctl(name, _suggestions(text))
    return found


def canonical_name(name: str) -> str:
    """The full current name that `name` stands for; raises UnknownSysctl."""
    return resolve(name).sysctl.name


def _suggestions(text: str) -> tuple[str, ...]:
    """Known full names that look like `text`, best first."""
    if len(text) > _LONGEST_NAME:
        return ()
    close = difflib.get_close_matches(text, list(_NAMES), n=3, cutoff=0.75)
    return tuple(dict.fromkeys(_NAMES[spelling].sysctl.name for spelling in close))
