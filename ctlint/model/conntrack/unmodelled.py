# SPDX-License-Identifier: GPL-2.0-only
"""What the tracker leaves out, in one place."""

from __future__ import annotations

from typing import Final

UNMODELLED: Final[tuple[tuple[str, str], ...]] = (
    (
        "helpers",
        "Expectations (FTP, SIP, …) are not made, so no new connection is RELATED; sequence"
        " numbers that a helper shifts are not followed.",
    ),
    (
        "SYNPROXY",
        "The keepalive that a proxied client sends in SYN_SENT is INVALID here.",
    ),
    (
        "other protocols",
        "GRE, SCTP, DCCP (before 6.18) and UDP-Lite (before 7.1) have trackers of their own, which"
        " are refused here; all protocols without one share the generic tracker, which is"
        " modelled.",
    ),
    (
        "fragments",
        "Packets are whole: defragmentation happens before conntrack sees them.",
    ),
    (
        "special addresses",
        "Martian, loopback, link-local, multicast and broadcast addresses are refused: routing"
        " does more with them than find a way.",
    ),
    (
        "flow offload",
        "Packets of a flowtable pass conntrack by; here every packet is seen.",
    ),
    (
        "eviction",
        "Which entry a full table evicts depends on a hash that the kernel seeds at boot; the"
        " model takes it that none stands in the eight buckets that are looked at. Kernels since"
        " 4.9 evict all of a bucket, the model one.",
    ),
    (
        "translated clashes",
        "Since 5.8 a packet whose translated connection clashes with another gets an entry of one"
        " second for its answer alone; here it is dropped.",
    ),
    (
        "ICMPv6 redirects",
        "A redirect of a neighbour (link-local source, hop limit 255) is looked up by what it"
        " quotes; here all come from afar and are INVALID.",
    ),
    (
        "collection",
        "Entries that have expired count as gone at once; the kernel's collector may need"
        " minutes until they no longer count against nf_conntrack_max.",
    ),
    (
        "timers of old kernels",
        "Before Linux 4.9 a timer may fire up to a second early; here all are exact.",
    ),
    (
        "hooks registered again",
        "When the last rule that needs conntrack goes and one comes back, kernels since 4.19"
        " forget the windows of established entries; here they stay.",
    ),
)
"""Each a name and a sentence."""
