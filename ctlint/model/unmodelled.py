# SPDX-License-Identifier: GPL-2.0-only
"""What the model leaves out, in one place: of conntrack, of the packet's path, of TCP's ends."""

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
        "Loopback, link-local, multicast and broadcast addresses on a wire are refused: routing"
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
    (
        "proxies and queues",
        "What NFQUEUE, QUEUE, TPROXY, SYNPROXY and CLUSTERIP do with a packet is not decided: a"
        " program or a socket decides it.",
    ),
    (
        "copies",
        "TEE lets its packet go on; the copy is not followed.",
    ),
    (
        "lots",
        "A rule that draws lots (statistic --mode random) is not decided. Where NAT draws a port,"
        " any free one is as good: here it is the first.",
    ),
    (
        "NAT of old kernels",
        "Ports are chosen as Linux 6.18 chooses them, on every profile.",
    ),
    (
        "matches of old kernels",
        "Matches and targets are those of Linux 6.18 on every profile: before 3.1 --ctdir asked for"
        " the other direction, before 4.12 UNTRACKED packets shared one entry, before 2.6.36 the"
        " nat table had no INPUT.",
    ),
    (
        "rate limits",
        "Every rejected packet is answered: icmp_ratelimit and icmp_msgs_per_sec do not count.",
    ),
    (
        "links",
        "Packets carry no link-layer header, as in a tunnel, and links take them whole up to 65535"
        " bytes; there is no bridge, no IPsec, no realm, no device group, no VRF.",
    ),
    (
        "sockets",
        "The box sends, and nothing in it listens: -m socket finds none. Cgroups and process names"
        " are not known.",
    ),
    (
        "fwmark routing",
        "There is one routing table: marks change no route.",
    ),
    (
        "legacy and nft at once",
        "Rule sets of both backends beside each other are not played together.",
    ),
    (
        "congestion",
        "An end sends what the peer's window allows, in segments of one MSS: no slow start, no"
        " pacing, no TCP_NODELAY, no segmentation offload.",
    ),
    (
        "reordering",
        "What arrives out of order is taken for a loss at once; without SACK only a timer sends"
        " again. D-SACK is not sent, and nothing is undone.",
    ),
    (
        "delayed ACKs",
        "Data are acknowledged at once unless answers are quick; the sixteen quick ACKs that a"
        " kernel allows itself do not run out.",
    ),
    (
        "receive buffers",
        "Unread data fill 64 KiB byte by byte, whatever tcp_rmem says; windows do not grow.",
    ),
    (
        "options of sockets",
        "TCP_USER_TIMEOUT, TCP_DEFER_ACCEPT, TCP_FASTOPEN, TCP_SYNCNT and SO_REUSEPORT are not"
        " known.",
    ),
    (
        "slots of old kernels",
        "TIME_WAIT ends when its minute is over; old kernels looked every 7.5 s only. SYN/ACKs"
        " of all kernels have timers of their own, as since 4.4.",
    ),
    (
        "time in hosts and on links",
        "Programs, interrupts and the box take no time; a link has one delay and loses packets by"
        " lot, but never queues, doubles or damages them.",
    ),
)
"""Each a name and a sentence."""
