# SPDX-License-Identifier: GPL-2.0-only
"""Why a packet is INVALID or ignored, in the kernel's own words.

The words are what nf_conntrack_log_invalid makes the kernel print, after "nf_ct_proto_6: " (before
Feature.LOG_COMMON_WORDS: after "nf_ct_tcp: "). Numbers in them stand in braces: `bound`, `excess`
(bytes), `index` (the Seg), `dir` (the Dir), `state` (the name of the TcpCt), `last_index` (the Seg
before), `timeout` (in ticks of the kernel's clock).

Source: net/netfilter/nf_conntrack_proto_tcp.c, _udp.c, _icmp.c and _icmpv6.c; recorded lines of
kernels 5.10, 6.0, 6.1, 6.12, 6.18, 7.2 and 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile


@dataclass(frozen=True, slots=True)
class Wording:
    """What a reason means, and how kernels log it.

    `since_change` pairs a feature with the words of kernels that have it, newest first;
    `at_first` are the words of those that have none of them. None: that kernel logs nothing.
    """

    sentence: str
    since_change: tuple[tuple[Feature, str | None], ...]
    at_first: str | None


_COMMON = Feature.LOG_COMMON_WORDS
_CELL = Feature.LOG_TABLE_CELL
_REFUSED = Feature.LOG_REFUSED_CELL
_BOUND = Feature.LOG_WINDOW_BOUND


@unique
class Reason(Enum):
    """Why conntrack does not follow a packet."""

    TRUNCATED = Wording(
        "The TCP header is cut short, or its length is impossible.",
        ((_COMMON, "truncated packet"),),
        "truncated/malformed packet",
    )
    BAD_CHECKSUM = Wording(
        "The checksum is wrong.",
        ((_COMMON, "bad checksum"),),
        "bad TCP checksum",
    )
    INVALID_FLAGS = Wording(
        "No TCP sends this combination of flags.",
        ((_COMMON, "invalid tcp flag combination"),),
        "invalid TCP flag combination",
    )
    INVALID_NEW = Wording(
        "There is no entry, and a packet of this class cannot open one.",
        ((Feature.LOG_INVALID_NEW, "invalid new"),),
        None,
    )
    NOT_PICKED_UP = Wording(
        "There is no entry, and nf_conntrack_tcp_loose=0 forbids to open one in mid-stream.",
        (),
        None,
    )
    INVALID_STATE = Wording(
        "A packet of this class cannot come from this side in the state of the entry.",
        ((_REFUSED, "packet (index {index}) in dir {dir} invalid, state {state}"),),
        "invalid state",
    )
    IGNORED = Wording(
        "The packet may belong to another connection than the entry: it passes, the entry stays.",
        (
            (_CELL, "packet (index {index}) in dir {dir} ignored, state {state}"),
            (Feature.LOG_IGNORED_STATE, "invalid packet ignored in state {state}"),
        ),
        "invalid packet ignored",
    )
    OUT_OF_SYNC = Wording(
        "The SYN/ACK answers a SYN that was ignored: both it and the entry are given up.",
        (),
        "killing out of sync session",
    )
    CHALLENGE_ACK = Wording(
        "The ACK answers a SYN that was let through, not the FIN: it changes nothing.",
        ((_COMMON, "challenge-ack ignored"),),
        "challenge-ACK ignored",
    )
    INVALID_RST = Wording(
        "The RST lies before what the other side has acknowledged.",
        ((_COMMON, "invalid rst"),),
        "invalid RST",
    )
    SEQ_OVER_BOUND = Wording(
        "The data begin beyond the window of the receiver.",
        ((_BOUND, "SEQ is over upper bound {bound} (over the window of the receiver)"),),
        "SEQ is over the upper bound (over the window of the receiver)",
    )
    SEQ_UNDER_BOUND = Wording(
        "The data end more than a window before what was sent already.",
        ((_BOUND, "SEQ is under lower bound {bound} (already ACKed data retransmitted)"),),
        "SEQ is under the lower bound (already ACKed data retransmitted)",
    )
    ACK_OVER_BOUND = Wording(
        "The packet acknowledges data that conntrack has not seen.",
        ((_BOUND, "ACK is over upper bound {bound} (ACKed data not seen yet)"),),
        "ACK is over the upper bound (ACKed data not seen yet)",
    )
    ACK_UNDER_BOUND = Wording(
        "The acknowledgement is very old.",
        ((_BOUND, "ignored ACK under lower bound {bound} (possible overly delayed)"),),
        "ACK is under the lower bound (possible overly delayed ACK)",
    )
    OVERSHOOT = Wording(
        "The data go beyond the window of the receiver, by less than one more window.",
        ((Feature.WINDOW_OVERSHOOT, "{excess} bytes more than expected"),),
        None,
    )
    TIMEOUT_LOWERED = Wording(
        "Both sides have closed outside the window: the entry is given less time.",
        (
            (Feature.LOG_LOWERED_WITHOUT_NUMBERS, "lowered timeout to UNACK"),
            (
                Feature.INVALID_CLOSE_LOWERS_TIMEOUT,
                "packet (index {index}, dir {dir}) response for index {last_index}"
                " lower timeout to {timeout}",
            ),
        ),
        None,
    )

    TRUNCATED_UDP = Wording(
        "The UDP datagram is cut short, or its length is impossible.",
        ((_COMMON, "truncated/malformed packet"),),
        "truncated/malformed packet",
    )
    SHORT_ICMP = Wording(
        "The ICMP message is cut short.",
        ((_COMMON, "short packet"),),
        "short packet",
    )
    BAD_UDP_CHECKSUM = Wording(
        "The checksum of the UDP datagram is wrong.",
        ((_COMMON, "bad checksum"),),
        "bad UDP checksum",
    )
    BAD_ICMP_CHECKSUM = Wording(
        "The checksum of the ICMP message is wrong.",
        ((_COMMON, "bad hw icmp checksum"),),
        "bad HW ICMP checksum",
    )
    BAD_ICMPV6_CHECKSUM = Wording(
        "The checksum of the ICMPv6 message is wrong.",
        ((_COMMON, "ICMPv6 checksum failed"),),
        "ICMPv6 checksum failed",
    )
    UNKNOWN_ICMP_TYPE = Wording(
        "No ICMP message of this type is known.",
        ((_COMMON, "invalid icmp type"),),
        "invalid ICMP type",
    )
    SHORT_REDIRECT = Wording(
        "The redirect is cut short.",
        ((_COMMON, "short redirect"),),
        None,
    )
    FAR_REDIRECT = Wording(
        "A redirect is believed only from a neighbour.",
        ((_COMMON, "invalid saddr or hoplimit for redirect"),),
        None,
    )
    NOT_A_QUERY = Wording(
        "There is no entry, and an ICMPv6 answer cannot open one.",
        ((Feature.LOG_ICMPV6_NEW_GONE, None),),
        "invalid new with type {type}",
    )
    OPENS_NOTHING = Wording(
        "There is no entry, and an ICMP message of this type cannot open one.",
        (),
        None,
    )
    UNRELATED_ERROR = Wording(
        "The ICMP error quotes a packet of a connection that is not known.",
        (),
        None,
    )
    OUTER_DESTINATION = Wording(
        "The ICMP error goes to another address than the packet that it quotes came from.",
        ((_COMMON, "outer daddr {outer} != inner {inner}"),),
        None,
    )

    @property
    def sentence(self) -> str:
        """What the reason means."""
        return self.value.sentence

    def words(self, kernel: KernelProfile) -> str | None:
        """What this kernel logs, with its numbers in braces; None where it logs nothing."""
        for feature, words in self.value.since_change:
            if feature in kernel:
                return words
        return self.value.at_first
