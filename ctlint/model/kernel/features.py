# SPDX-License-Identifier: GPL-2.0-only
"""The changes by which kernels differ, each with its evidence.

A kernel is a set of these, not a number: distributions and stable branches backport. Every
member is a *change that was made*: "absent" is always the older behaviour, and a fault or a
removal is a change like any other (a later one repairs it).

Rules for whoever adds one:

* `since` is the first mainline release that is documented to have the change. Where only a
  bracket is known (`absent` … `present`, the newest tree read without it and the oldest read
  with it), it is the upper end of the bracket, unless other evidence names an earlier release;
  `present` then stays what was read.
* `verified` grades the claim that the change is there, `commit_verified` the commit id.
* A backport names the profile that gets it, the tree that shows it, and its own grade.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

Version = tuple[int, ...]
"""A release as numbers: (2, 6, 32), (3, 10), (6, 1)."""


class Grade(Enum):
    """How a fact about a kernel is known, best first."""

    MEASURED = "measured with packets on a running kernel"
    SOURCE = "read in the kernel's source"
    ARCHIVE = "named in a mailing list or changelog"
    UNVERIFIED = "not verified"


class Area(Enum):
    """What part of a kernel a change concerns."""

    TABLE = "state table"
    TRACKER = "TCP tracker"
    CORE = "conntrack core"
    MATCH = "matches and targets"
    LOG = "words of the log"
    SYSCTL = "sysctls and defaults"
    ENDPOINT = "TCP endpoint"


@dataclass(frozen=True, slots=True)
class Backport:
    """A change in a tree whose version is older than the change."""

    profile: str
    tree: str
    verified: Grade


@dataclass(frozen=True, slots=True)
class Change:
    """What is known of one change; `Feature` gives it its name."""

    area: Area
    sentence: str
    since: Version
    absent: str | None
    present: str | None
    verified: Grade
    commit: str | None = None
    commit_verified: Grade | None = None
    backports: tuple[Backport, ...] = ()


_M, _S, _A, _U = Grade.MEASURED, Grade.SOURCE, Grade.ARCHIVE, Grade.UNVERIFIED


@unique
class Feature(Enum):
    """A named change of the kernel: `Feature.X in kernel` asks whether a profile has it."""

    # fmt: off
    # ---- state table
    SIMULTANEOUS_OPEN = Change(
        Area.TABLE,
        "A SYN from both ends is a simultaneous open: the column LISTEN becomes SYN_SENT2.",
        (2, 6, 31), "2.6.24", "2.6.31", _S, "874ab9233eed", _U,
        (Backport("rhel6", "2.6.32-642.el6", _S),),
    )
    SYNACK_IN_SYN_RECV_IGNORED = Change(
        Area.TABLE,
        "A SYN/ACK repeated by the reply side in SYN_RECV is ignored instead of accepted again.",
        (3, 1), "2.6.37", "3.1.3", _S,
    )
    ORIG_SYNACK_INVALID = Change(
        Area.TABLE,
        "A SYN/ACK from the original direction is INVALID from ESTABLISHED on, and accepted"
        " in SYN_RECV, instead of ignored.",
        (3, 6), "3.5.0", "3.6", _S, "64f509ce71b0", _U,
        (Backport("3.2", "3.2.71", _S), Backport("3.4", "3.4.111", _S)),
    )
    SERVER_REOPENS_TIME_WAIT = Change(
        Area.TABLE,
        "A SYN from the reply side reopens an entry in TIME_WAIT instead of being INVALID.",
        (3, 18), "3.16", "3.18.20", _S, "e37ad9fd6360", _U,
        (Backport("rhel6", "2.6.32-642.el6", _S), Backport("rhel7", "3.10.0-514.el7", _S)),
    )

    # ---- TCP tracker
    BE_LIBERAL_PICKUP = Change(
        Area.TRACKER,
        "A connection picked up in mid-stream is marked liberal in both directions instead of"
        " counting down a number of unchecked packets.",
        (2, 6, 22), "2.6.20", "2.6.22.19", _S,
    )
    RST_MAXACK_TEST = Change(
        Area.TRACKER,
        "A RST with a sequence number before the highest ACK of the peer is INVALID.",
        (2, 6, 31), "2.6.24", "2.6.31", _S,
    )
    UNACKNOWLEDGED_TIMEOUT = Change(
        Area.TRACKER,
        "Unacknowledged data lower the timeout to nf_conntrack_tcp_timeout_unacknowledged.",
        (2, 6, 31), "2.6.24", "2.6.31", _S,
    )
    RESYNC_ON_SYNACK = Change(
        Area.TRACKER,
        "A SYN/ACK that answers an ignored SYN resynchronises the entry instead of killing"
        " it and being dropped.",
        (2, 6, 37), "2.6.32.69", "2.6.37", _S, "c4832c7bbc3f", _A,
        (Backport("rhel6", "2.6.32-642.6.2.el6", _S),),
    )
    PICKUP_PEER_FROM_ACK = Change(
        Area.TRACKER,
        "The first packet of a side in mid-stream sets what the other side has sent from"
        " its acknowledgement, and its own window is scaled.",
        (2, 6, 37), "2.6.32.69", "2.6.37", _S,
    )
    MAXWIN_GROWTH_NEEDS_WINDOW = Change(
        Area.TRACKER,
        "Data beyond the window widen the receiver's window only if that is known already.",
        (2, 6, 37), "2.6.32.69", "2.6.37", _S,
    )
    SEQ_CHECK_WITHOUT_DATA = Change(
        Area.TRACKER,
        "The sequence number of a packet without data is checked too.",
        (3, 6), "3.5.0", "3.6", _S, "4a70bbfaef03", _U,
        (Backport("3.2", "3.2.71", _S), Backport("3.4", "3.4.111", _S)),
    )
    PICKUP_UNACKNOWLEDGED_TIMEOUT = Change(
        Area.TRACKER,
        "An entry that no reply has confirmed has at most the unacknowledged timeout (300"
        " s) in ESTABLISHED instead of five days.",
        (3, 10), "3.9.6", "3.10.17", _S,
        backports=(Backport("rhel6", "2.6.32-642.6.2.el6", _S),),
    )
    UNKNOWN_WINDOW_ACCEPTED = Change(
        Area.TRACKER,
        "Old data are not held against a side whose peer's window is still unknown.",
        (3, 13), "3.10.105", "3.13.10", _S,
        backports=(Backport("rhel7", "3.10.0-514.el7", _S),),
    )
    CHALLENGE_ACK_IN_LAST_ACK = Change(
        Area.TRACKER,
        "In LAST_ACK an ACK that answers an ignored SYN changes nothing instead of leading"
        " to TIME_WAIT.",
        (4, 2), "4.0.5", "4.1.52", _S,
        backports=(
            Backport("rhel6", "2.6.32-504.28.1.el6", _A),
            Backport("rhel7", "3.10.0-514.el7", _S),
            Backport("4.1", "4.1.52", _S),
        ),
    )
    ZERO_WINDOW_TIMEOUT = Change(
        Area.TRACKER,
        "While the last packet advertised a zero window, or none was recorded, the timeout"
        " is at most nf_conntrack_tcp_timeout_max_retrans.",
        (4, 15), "4.14.325", "4.15.1", _S, "fbcd253d2448", _A,
        (Backport("rhel8", "4.18.0-147.el8", _S),),
    )
    SIMULTANEOUS_OPEN_ESTABLISHES = Change(
        Area.TRACKER,
        "After a simultaneous open an ACK of the reply side too leads from SYN_RECV to"
        " ESTABLISHED.",
        (4, 17), "4.16.13", "4.17.0", _S,
        backports=(Backport("rhel8", "4.18.0-147.el8", _S),),
    )
    RST_EXACT_SEQ = Change(
        Area.TRACKER,
        "A RST inside the window of an ASSURED connection, but not exactly at the expected"
        " sequence number, leaves the state ESTABLISHED.",
        (5, 1), "5.0.1", "5.2.1", _S, "be0502a3f2e9", _A,
        (Backport("rhel8", "4.18.0-394.el8", _S), Backport("4.19", "4.19.90", _S)),
    )
    RST_CLOSE_TIMEOUT = Change(
        Area.TRACKER,
        "Every accepted RST sets the CLOSE timeout (10 s), whatever the state becomes.",
        (5, 1), "5.0.1", "5.2.1", _S,
        backports=(Backport("rhel8", "4.18.0-394.el8", _S), Backport("4.19", "4.19.90", _S)),
    )
    RETRANS_COMPARES_RAW_WINDOW = Change(
        Area.TRACKER,
        "Retransmissions are recognised by the window as on the wire, not by the scaled one"
        " cut to 16 bits (which took 512<<7 for a zero window).",
        (5, 3), "5.2.1", "5.3", _S,
        backports=(
            Backport("rhel8", "4.18.0-394.el8", _S),
            Backport("4.19", "4.19.222", _S),
            Backport("5.2", "5.2.y", _A),
        ),
    )
    KEEPALIVE_PICKUP = Change(
        Area.TRACKER,
        "The answer to a keepalive that opened an entry in mid-stream is in window.",
        (5, 10), "5.7.14", "5.10.13", _S, "4f25434bccc2", _A,
        (
            Backport("rhel8", "4.18.0-394.el8", _S),
            Backport("4.19", "4.19.222", _S),
            Backport("5.4", "5.4.124", _S),
            Backport("5.9", "5.9.2", _S),
        ),
    )
    RST_IN_CLOSING_ACCEPTED = Change(
        Area.TRACKER,
        "In FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT and CLOSE a RST is accepted with any"
        " sequence number.",
        (5, 14), "5.11", "5.14", _M, "c4edc3ccbc63", _A,
    )
    RST_SEQ_ZERO_ACCEPTED = Change(
        Area.TRACKER,
        "A RST with sequence number 0 is not compared with the peer's highest ACK, unless the"
        " entry is ESTABLISHED and ASSURED.",
        (5, 14), "5.11", "5.14", _M,
    )
    RST_AFTER_IGNORED_SYN = Change(
        Area.TRACKER,
        "A RST right after a SYN on a live entry is not compared with the peer's highest ACK.",
        (5, 14), "5.11", "5.14", _M,
    )
    IGNORE_INVALID_RST = Change(
        Area.TRACKER,
        "nf_conntrack_tcp_ignore_invalid_rst exists: it lifts the test of a RST against the"
        " peer's highest ACK.",
        (5, 14), "5.11", "5.14", _M, "1da4cd82dd18", _A,
    )
    SYN_RETRANSMISSION_KEEPS_TIMER = Change(
        Area.TRACKER,
        "A repeated SYN does not refresh the timer of SYN_SENT.",
        (5, 14), "5.11.0", "5.14.2", _M, "e15d4cdf27cb", _A,
        (
            Backport("rhel8", "4.18.0-394.el8", _S),
            Backport("5.4", "5.4.286", _S),
            Backport("5.10", "5.10.166", _M),
        ),
    )
    SYNACK_REINIT_IN_SYN_SENT = Change(
        Area.TRACKER,
        "A second SYN/ACK while the entry is in SYN_SENT brings its window, scale and SACK anew.",
        (5, 17), "5.15.215", "5.17", _M, "82b72cb94666", _A,
    )
    REINIT_DROPS_WSCALE = Change(
        Area.TRACKER,
        "Fault: a repeated SYN with a higher sequence number in SYN_SENT sets the window"
        " scale to 0, and later data are INVALID.",
        (5, 18), "5.17-rc5", "5.18.0", _M,
        backports=(Backport("rhel8", "4.18.0-394.el8", _S),),
    )
    REINIT_ONLY_BY_SYN = Change(
        Area.TRACKER,
        "In SYN_SENT and SYN_RECV only a SYN with a higher sequence number makes its side"
        " start anew, not any packet.",
        (5, 18), "5.17", "5.18", _M, "c7aab4f17021", _A,
        (Backport("rhel8", "4.18.0-394.el8", _S), Backport("5.17", "5.17.6", _A)),
    )
    REINIT_KEEPS_BE_LIBERAL = Change(
        Area.TRACKER,
        "A side that starts anew after a pick-up stays liberal.",
        (5, 18), "5.17-rc5", "5.18", _S,
        backports=(
            Backport("4.9", "4.9.337", _S),
            Backport("4.14", "4.14.325", _S),
            Backport("rhel8", "4.18.0-394.el8", _S),
            Backport("4.19", "4.19.y", _U),
            Backport("5.4", "5.4.286", _S),
            Backport("5.10", "5.10.110", _M),
            Backport("5.15", "5.15.215", _S),
        ),
    )
    WINDOW_OVERSHOOT = Change(
        Area.TRACKER,
        "Data beyond the window by less than one more window are remembered, so that their"
        " ACK is valid.",
        (6, 0), "6.0-rc1", "6.1", _M, "cf97769c761a", _A,
        (Backport("5.15", "5.15.215", _S), Backport("5.19", "5.19.9", _A)),
    )
    OLD_SEGMENTS_IGNORED = Change(
        Area.TRACKER,
        "Old data, old ACKs and data just beyond the window pass with the state of their entry,"
        " ignored, instead of INVALID.",
        (6, 1), "6.0", "6.1", _M, "d9a6f0d0df18", _A,
    )
    INVALID_CLOSE_LOWERS_TIMEOUT = Change(
        Area.TRACKER,
        "Out-of-window FIN or RST of both ends lower the timer of an ASSURED entry to the"
        " unacknowledged timeout.",
        (6, 1), "6.0", "6.1", _M,
    )
    LIBERAL_COUNTS_UNACKNOWLEDGED = Change(
        Area.TRACKER,
        "On a liberal entry, data beyond the known window count as unacknowledged.",
        (6, 1), "6.0", "6.1", _M,
    )
    RST_AFTER_CHALLENGE_ACK = Change(
        Area.TRACKER,
        "In SYN_SENT the RST that answers a challenge ACK is accepted without a window check.",
        (6, 2), "6.0", "6.2.1", _M, "c410cb974f2b", _A,
        (Backport("6.1", "6.1.9", _M),),
    )
    RESENT_SYN_KEEPS_WSCALE = Change(
        Area.TRACKER,
        "Repair: a repeated SYN with a higher sequence number keeps its window scale.",
        (6, 8), "6.4.6", "6.8.1", _M, "fb366fc7541a", _A,
        (Backport("6.1", "6.1.77", _S), Backport("6.6", "6.6.57", _S)),
    )
    RST_DIRECTION_CHECK = Change(
        Area.TRACKER,
        "A RST is taken for the answer to an ignored SYN only if it comes from the other side.",
        (7, 1), "6.19", "7.1.5", _S, "bed6e04be8e6", _A,
        (
            Backport("5.10", "5.10.259", _M),
            Backport("5.15", "5.15.215", _S),
            Backport("6.1", "6.1.176", _M),
            # Stable fixes go to every newer branch too: 6.6 is inferred, not seen.
            Backport("6.6", "6.6.y", _U),
            Backport("6.12", "6.12.93", _M),
            Backport("6.18", "6.18.35", _M),
        ),
    )
    OPEN_RST_UNACKNOWLEDGED_TIMEOUT = Change(
        Area.TRACKER,
        "A RST that leaves the state ESTABLISHED sets the unacknowledged timeout (300 s) instead of"
        " that of CLOSE (10 s).",
        (7, 3), "7.2.13", "7.3.4", _M,
        backports=(Backport("6.12", "6.12.117", _M),),
    )

    # ---- conntrack core
    TIMESTAMP_EXPIRY = Change(
        Area.CORE,
        "An entry expires by comparing timestamps at look-up, not by a timer of its own (which"
        " may fire up to a second early).",
        (4, 9), "4.4.155", "4.9.0", _S,
    )
    GC_EARLY_DROP = Change(
        Area.CORE,
        "Near a full table the collector also evicts ASSURED entries that are closing.",
        (4, 12), "4.11.0", "4.12.4", _S,
    )
    CHECKS_AFTER_ALLOCATION = Change(
        Area.CORE,
        "Header checks run after an entry was allocated: with a full table a malformed"
        " packet is dropped instead of INVALID.",
        (4, 20), "4.19.222", "4.20.1", _S,
        backports=(Backport("rhel8", "4.18.0-394.el8", _S),),
    )
    CLASH_RESOLVED = Change(
        Area.CORE,
        "Of two UDP packets that open the same connection at the same time both pass,"
        " instead of the first alone.",
        (4, 9), "4.4.178", "4.9.337", _S,
        backports=(Backport("rhel7", "3.10.0-1160.el7", _S),),
    )
    CLASH_NEEDS_MATCH = Change(
        Area.CORE,
        "The second of two packets that clash takes the entry of the first only if it is"
        " that of the same connection, zones included.",
        (6, 12), "6.10.0", "6.12.63", _S,
    )
    GENERIC_ALLOWS_CLASH = Change(
        Area.CORE,
        "Clashes are resolved for protocols without a tracker of their own, too.",
        (7, 1), "6.19.0", "7.1.5", _S,
        backports=(Backport("5.15", "5.15.215", _S), Backport("6.1", "6.1.175", _S)),
    )
    ICMP_ALLOWS_CLASH = Change(
        Area.CORE,
        "Clashes are resolved for ICMP and ICMPv6, too.",
        (7, 1), "6.19.0", "7.1.5", _S,
    )
    UDP_STREAM_AFTER_2S = Change(
        Area.CORE,
        "A UDP entry gets the stream timeout only once it has lived two seconds, not with"
        " the first answer.",
        (5, 0), "4.20.1", "5.0.1", _S,
        backports=(Backport("rhel8", "4.18.0-394.el8", _S),),
    )
    UDP_ASSURED_AS_STREAM = Change(
        Area.CORE,
        "A UDP entry is ASSURED only once it counts as a stream.",
        (5, 16), "5.14.2", "5.17-rc5", _S,
        backports=(
            Backport("5.4", "5.4.286", _S),
            Backport("5.10", "5.10.80", _M),
            Backport("5.15", "5.15.215", _S),
        ),
    )
    ICMP_OUTER_DESTINATION = Change(
        Area.CORE,
        "An ICMP error is RELATED only if its own destination fits the quoted connection.",
        (5, 2), "5.0.1", "5.2.1", _S,
        backports=(Backport("rhel8", "4.18.0-394.el8", _S),),
    )
    ICMPV6_REDIRECT = Change(
        Area.CORE,
        "ICMPv6 redirects are looked at as errors are: one that no neighbour can have sent"
        " is INVALID for that reason.",
        (6, 1), "5.19.0", "6.1.175", _S,
        backports=(
            Backport("5.4", "5.4.286", _S),
            Backport("5.10", "5.10.163", _S),
            Backport("5.15", "5.15.215", _S),
        ),
    )
    ICMPV6_ROUTER_DISCOVERY_UNTRACKED = Change(
        Area.CORE,
        "Multicast router discovery (ICMPv6 types 151 and 152) is UNTRACKED instead of"
        " INVALID.",
        (6, 10), "6.8.1", "6.10.0", _S,
    )
    REJECT_CLOSES_ENTRY = Change(
        Area.CORE,
        "REJECT --reject-with tcp-reset sets a confirmed entry to CLOSE.",
        (6, 3), "6.2.12", "6.3.8", _M, "2954fe60e33d", _A,
        (Backport("5.15", "5.15.215", _S), Backport("6.1", "6.1.175", _S)),
    )

    # ---- matches and targets
    NAT_INPUT_CHAIN = Change(
        Area.MATCH,
        "The nat table has an INPUT chain.",
        (2, 6, 36), None, None, _U,
    )
    CTDIR_NOT_INVERTED = Change(
        Area.MATCH,
        "--ctdir means what it says; before, the kernel tested the opposite direction.",
        (3, 1), "2.6.37", "3.1.3", _S, "96120d86", _A,
    )
    CT_TIMEOUT_POLICY = Change(
        Area.MATCH,
        "The CT target can give a connection its own timeouts (--timeout).",
        (3, 4), None, None, _S,
    )
    UNTRACKED_WITHOUT_ENTRY = Change(
        Area.MATCH,
        "An UNTRACKED packet has no entry; before, it had a shared fake one that the"
        " conntrack match could test.",
        (4, 12), "4.11.0", "4.12.4", _S,
    )

    # ---- words of the log
    LOG_IGNORED_STATE = Change(
        Area.LOG,
        "The log names the state of the entry that ignores a packet.",
        (3, 5), "3.4.111", "3.5.0", _S,
    )
    LOG_ICMPV6_NEW_GONE = Change(
        Area.LOG,
        "An ICMPv6 answer without an entry is no longer logged ('invalid new with type').",
        (4, 14), "4.13.9", "4.14.325", _S,
    )
    LOG_COMMON_WORDS = Change(
        Area.LOG,
        "Log lines begin with nf_ct_proto_6 instead of nf_ct_tcp, and are in lower case.",
        (4, 15), "4.14.325", "4.15.1", _S,
    )
    LOG_SPEAKS_AGAIN = Change(
        Area.LOG,
        "Repair: nf_conntrack_log_invalid has an effect again; since LOG_COMMON_WORDS"
        " nothing was logged at all, whatever its value.",
        (5, 1), "5.0.1", "5.2.1", _S,
        backports=(Backport("rhel8", "4.18.0-394.el8", _S), Backport("4.19", "4.19.90", _S)),
    )
    LOG_TABLE_CELL = Change(
        Area.LOG,
        "The log names class, direction and state of a packet that the table ignores.",
        (5, 12), "5.11.0", "5.14.2", _S,
    )
    LOG_REFUSED_CELL = Change(
        Area.LOG,
        "The log names class, direction and state of a packet that the table refuses,"
        " instead of 'invalid state'.",
        (5, 19), "5.18.0", "5.19.0", _S,
    )
    LOG_WINDOW_BOUND = Change(
        Area.LOG,
        "The log names the bound of the window that a packet misses.",
        (6, 1), "6.0.0-1016", "6.1.192", _M,
    )
    LOG_INVALID_NEW = Change(
        Area.LOG,
        "The log says 'invalid new' of a packet that may not open an entry; before,"
        " nothing.",
        (6, 8), "6.6.87", "6.8.1", _M,
    )

    LOG_LOWERED_WITHOUT_NUMBERS = Change(
        Area.LOG,
        "The log says 'lowered timeout to UNACK', and no longer why in numbers.",
        (7, 2), "7.1.5", "7.2.13", _M,
        backports=(Backport("6.1", "6.1.184", _M), Backport("6.12", "6.12.104", _M)),
    )

    # ---- sysctls and defaults
    TIMESTAMP_SYSCTL = Change(
        Area.SYSCTL,
        "nf_conntrack_timestamp exists.",
        (3, 1), "2.6.37", "3.1.3", _S,
    )
    HELPER_SYSCTL = Change(
        Area.SYSCTL,
        "nf_conntrack_helper exists.",
        (3, 5), "3.4.39", "3.5.0", _S,
    )
    TCP_SYSCTLS_PER_NETNS = Change(
        Area.SYSCTL,
        "The conntrack TCP sysctls belong to the network namespace; before, to the machine.",
        (3, 6), "3.5.0", "3.6", _S,
    )
    TABLE_SIZE_4GIB = Change(
        Area.SYSCTL,
        "With more than 4 GiB of memory the table has 65536 buckets and 262144 entries.",
        (4, 4), "3.10.99", "4.4.155", _S,
    )
    HELPER_OFF = Change(
        Area.SYSCTL,
        "nf_conntrack_helper defaults to 0.",
        (4, 7), None, None, _U,
    )
    IP_CONNTRACK_NAMES_GONE = Change(
        Area.SYSCTL,
        "The old names net.ipv4.netfilter.ip_conntrack_* no longer exist.",
        (4, 9), "4.4.155", "4.9.0", _S,
    )
    UDP_STREAM_120 = Change(
        Area.SYSCTL,
        "nf_conntrack_udp_timeout_stream defaults to 120 s instead of 180 s.",
        (5, 0), "4.20.1", "5.0.1", _S,
        backports=(Backport("rhel8", "4.18.0-394.el8", _S),),
    )
    TABLE_SIZE_ONE_PER_BUCKET = Change(
        Area.SYSCTL,
        "The table holds as many entries as it has buckets: 65536 above 1 GiB of memory, 262144"
        " above 4 GiB.",
        (5, 15), "5.14-rc5", "5.15.215", _S,
    )
    EVENTS_AUTO = Change(
        Area.SYSCTL,
        "nf_conntrack_events defaults to 2: events only while somebody listens.",
        (5, 19), "5.10.262", "6.1.176", _U,
    )
    HELPER_SYSCTL_GONE = Change(
        Area.SYSCTL,
        "nf_conntrack_helper no longer exists.",
        (6, 1), "6.0-rc1", "6.1.175", _S,
    )
    SCTP_ESTABLISHED_210 = Change(
        Area.SYSCTL,
        "SCTP has one established timeout of 210 s instead of 5 days and a heartbeat state.",
        (6, 2), "5.10.46", "6.1.176", _U,
        backports=(
            Backport("5.10", "5.10.262", _M),
            Backport("5.15", "5.15.y", _U),
            Backport("6.1", "6.1.176", _M),
        ),
    )
    DCCP_TRACKER_GONE = Change(
        Area.SYSCTL,
        "DCCP is no longer tracked: nf_conntrack_dccp_* do not exist.",
        (6, 18), "6.12.107", "6.18.44", _M,
    )
    UDPLITE_TRACKER_GONE = Change(
        Area.SYSCTL,
        "UDP-Lite is no longer tracked as UDP is, but as any other protocol.",
        (7, 1), "6.19.0", "7.1.5", _S,
    )

    # ---- TCP endpoint
    RETRANSMIT_TIME_BOUND = Change(
        Area.ENDPOINT,
        "Retransmission ends by elapsed time since the first one, not by a plain count.",
        (2, 6, 32), "2.6.31", "2.6.32.67", _S,
    )
    SYN_TIME_BOUND_BASE = Change(
        Area.ENDPOINT,
        "The time bound of a SYN is computed from the initial RTO, not from 0.2 s (which ended"
        " connect() after 21 s).",
        (2, 6, 37), "2.6.32.67", "2.6.37", _S,
        backports=(Backport("rhel6", "2.6.32-642.el6", _S),),
    )
    INITIAL_RTO_1S = Change(
        Area.ENDPOINT,
        "The initial retransmission timeout is 1 s instead of 3 s.",
        (3, 1), "2.6.37", "3.1.3", _S,
        backports=(Backport("rhel6", "2.6.32-642.el6", _S),),
    )
    EARLY_RETRANSMIT = Change(
        Area.ENDPOINT,
        "What is missing is sent again as soon as something later has arrived, also where less than"
        " three duplicate ACKs tell of it.",
        (3, 5), None, "6.18.44", _M,
    )
    RFC5961_CHALLENGE_ACK = Change(
        Area.ENDPOINT,
        "A SYN on a live socket is answered by a challenge ACK instead of a reset, and only a"
        " RST at exactly the expected sequence number resets.",
        (3, 6), "3.5.0", "3.6", _S,
        backports=(
            Backport("3.4", "3.4.39", _S),
            Backport("rhel6", "2.6.32-504.28.1.el6", _A),
        ),
    )
    SYN_RETRIES_6 = Change(
        Area.ENDPOINT,
        "tcp_syn_retries defaults to 6 instead of 5.",
        (3, 7), "3.6", "3.9.6", _S,
    )
    SYN_DISCARDED_ON_LIVE_SOCKET = Change(
        Area.ENDPOINT,
        "A segment without ACK and RST is discarded before any check: a SYN on a live socket"
        " gets no answer at all.",
        (3, 8), "3.6", "3.9.6", _S, "c3ae62af8e75", _A,
    )
    TAIL_LOSS_PROBE = Change(
        Area.ENDPOINT,
        "The last segment is sent once more after two round trips, before the retransmission"
        " timeout counts: of a lost FIN one more is seen.",
        (3, 10), None, "5.10.262", _M,
    )
    SYN_CHALLENGE_RESTORED = Change(
        Area.ENDPOINT,
        "A SYN on a live socket is answered by a challenge ACK again.",
        (3, 18), "3.16", "3.18.20", _S,
        backports=(
            Backport("rhel6", "2.6.32-504.28.1.el6", _A),
            Backport("rhel7", "3.10.0-514.el7", _S),
        ),
    )
    INVALID_RATELIMIT = Change(
        Area.ENDPOINT,
        "tcp_invalid_ratelimit: a socket sends challenge ACKs at most every 500 ms.",
        (4, 0), "3.19.8", "4.0.5", _S,
        backports=(Backport("rhel7", "3.10.0-514.el7", _S),),
    )
    EVEN_PORTS_FIRST = Change(
        Area.ENDPOINT,
        "connect() takes ports of the parity of the lowest one of ip_local_port_range (even ones)"
        " as long as there are any; the range ends at 60999 instead of 61000.",
        (4, 2), None, "6.18.44", _M,
    )
    REQUEST_QUEUE_BY_BACKLOG = Change(
        Area.ENDPOINT,
        "The request queue of a listener is full when it is as long as its backlog, not at the"
        " next power of two of the backlog or tcp_max_syn_backlog.",
        (4, 4), "3.10.105", "4.4.155", _S,
    )
    BIND_TAKES_ODD_PORTS = Change(
        Area.ENDPOINT,
        "bind() to port 0 takes a random port of the other parity than connect() does first.",
        (4, 6), None, "6.18.44", _M,
    )
    CHALLENGE_LIMIT_1000 = Change(
        Area.ENDPOINT,
        "tcp_challenge_ack_limit is 1000 a second, randomised, instead of 100.",
        (4, 7), "4.0.5", "4.9.0", _U,
        backports=(
            Backport("4.4", "4.4.155", _S),
            Backport("rhel6", "2.6.32-642.el6", _S),
            Backport("rhel7", "3.10.0-514.el7", _S),
        ),
    )
    COARSE_TIMER_WHEEL = Change(
        Area.ENDPOINT,
        "Timers go off later than asked for, by up to an eighth of the span, never earlier.",
        (4, 8), None, "5.10.262", _M,
    )
    TIMESTAMP_OFFSETS = Change(
        Area.ENDPOINT,
        "Timestamps start at a number of their own for each pair of addresses, not at the host's"
        " uptime.",
        (4, 10), None, "4.10", _U,
    )
    ACCEPT_QUEUE_DROPS_SYN = Change(
        Area.ENDPOINT,
        "A full accept queue alone drops a SYN; before, it also took a second young request.",
        (4, 10), "4.9.0", "4.10.17", _S, "5ea8ea2cb7f1", _A,
        (
            Backport("3.16", "3.16.8x", _A),
            Backport("4.4", "4.4.17x", _A),
            Backport("4.9", "4.9.x", _A),
        ),
    )
    TW_RECYCLE_GONE = Change(
        Area.ENDPOINT,
        "tcp_tw_recycle no longer exists.",
        (4, 12), "4.10.17", "4.12", _S,
    )
    RST_AFTER_FIN_ACCEPTED = Change(
        Area.ENDPOINT,
        "A RST one before the expected sequence number resets too after a FIN was received.",
        (4, 12), "4.10.17", "4.12", _S,
    )
    ACK_CHECKED_IN_ALL_STATES = Change(
        Area.ENDPOINT,
        "An ACK that is old or of the future is challenged in all states, and its segment"
        " discarded, not in ESTABLISHED only.",
        (4, 13), None, "4.13", _A,
        backports=(
            Backport("4.4", "4.4.y", _A),
            # Stable fixes go to every newer branch too: 4.9 is inferred, not seen.
            Backport("4.9", "4.9.y", _U),
        ),
    )
    TIMESTAMP_MILLISECONDS = Change(
        Area.ENDPOINT,
        "Timestamps count milliseconds, not clock ticks.",
        (4, 13), None, "4.13", _U,
    )
    TW_REUSE_LOOPBACK = Change(
        Area.ENDPOINT,
        "tcp_tw_reuse defaults to 2: TIME_WAIT sockets are reused on loopback only.",
        (4, 19), None, "4.19", _S,
    )
    SOMAXCONN_4096 = Change(
        Area.ENDPOINT,
        "net.core.somaxconn defaults to 4096 instead of 128.",
        (5, 4), "5.3", "5.4.124", _S,
    )
    TRANSMIT_FAILURE_KEEPS_START = Change(
        Area.ENDPOINT,
        "A retransmission that cannot be sent does not restart the time bound.",
        (5, 4), "5.0.1", "5.4.124", _S,
    )
    FAST_SYN_RETRY = Change(
        Area.ENDPOINT,
        "A client in SYN_SENT that answered a challenge ACK repeats its SYN within milliseconds"
        " instead of after its retransmission timeout.",
        (5, 7), "5.4.124", "5.7", _S,
    )
    CHALLENGE_LIMIT_OFF = Change(
        Area.ENDPOINT,
        "tcp_challenge_ack_limit defaults to no limit.",
        (6, 1), "6.0-rc1", "6.1.175", _S,
    )
    SYN_LINEAR_TIMEOUTS = Change(
        Area.ENDPOINT,
        "The first tcp_syn_linear_timeouts (4) SYN retries come a second apart.",
        (6, 5), "6.4", "6.5", _S,
    )
    TW_REUSE_DELAY = Change(
        Area.ENDPOINT,
        "tcp_tw_reuse_delay: the age in milliseconds from which a TIME_WAIT socket is reused.",
        (6, 14), "6.13", "6.14", _S,
    )
    RTO_MAX_MS = Change(
        Area.ENDPOINT,
        "tcp_rto_max_ms: the longest retransmission timeout is a sysctl.",
        (6, 18), "6.14", "6.18.2", _S,
    )
    REQUEST_QUEUE_ONE_MORE = Change(
        Area.ENDPOINT,
        "The request queue of a listener is full when it is longer than its backlog.",
        (6, 18), "4.4.155", "6.18.44", _M,
        backports=(Backport("5.10", "5.10.262", _M), Backport("6.1", "6.1.192", _M)),
    )
    # fmt: on

    @property
    def area(self) -> Area:
        """The part of the kernel that the change concerns."""
        return self.value.area

    @property
    def sentence(self) -> str:
        """What changed, in one sentence."""
        return self.value.sentence

    @property
    def since(self) -> Version:
        """The first mainline release taken to have the change."""
        return self.value.since

    @property
    def commit(self) -> str | None:
        """The commit id, where one is known; see `commit_verified`."""
        return self.value.commit

    @property
    def commit_verified(self) -> Grade | None:
        """How the commit id is known; None where there is none."""
        return self.value.commit_verified

    @property
    def verified(self) -> Grade:
        """How the change is known."""
        return self.value.verified

    @property
    def bracket(self) -> str:
        """The newest tree seen without the change and the oldest seen with it, as "a..b"."""
        return f"{self.value.absent or '?'}..{self.value.present or '?'}"

    @property
    def backports(self) -> tuple[Backport, ...]:
        """Older trees that have the change."""
        return self.value.backports
