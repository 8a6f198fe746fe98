# SPDX-License-Identifier: GPL-2.0-only
"""The words of a replay that text and JSON share."""

from __future__ import annotations

import datetime
from typing import Final

from ctlint.analysis.capture.played import Fate
from ctlint.wire.addresses import format_end
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, PROTOCOL_NAMES

FATE_WORDS: Final = {
    Fate.PASSED: "passed",
    Fate.DROPPED: "dropped",
    Fate.REJECTED: "rejected",
    Fate.LOST: "stopped by no rule",
    Fate.UNDECIDED: "not decided",
}

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def say_moment(at: Micros) -> str:
    """A moment since 1970, in UTC, as ISO 8601 has it."""
    moment = _EPOCH + datetime.timedelta(microseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def say_seconds(span: Micros) -> str:
    """A span in seconds, to the millisecond."""
    seconds, rest = divmod(abs(span), SECOND)
    fraction = f".{rest // 1000:03}".rstrip("0").rstrip(".")
    return f"{'-' if span < 0 else ''}{seconds}{fraction}s"


def say_protocol(packet: Packet) -> str:
    """The protocol of a packet; its number where it has no usual name."""
    if packet.protocol in (ICMP, ICMPV6):
        return "icmp"
    return PROTOCOL_NAMES.get(packet.protocol, f"ip {packet.protocol}")


def say_ends(packet: Packet) -> str:
    """Who has sent a packet, to whom; of an error, about whose packet it is."""
    about = packet if packet.quoted is None else packet.quoted
    source = format_end(about.family, about.saddr, about.sport)
    return f"{source} > {format_end(about.family, about.daddr, about.dport)}"


def say_what(packet: Packet) -> str:
    """The flags of a TCP segment, else the protocol with what tells its packets apart."""
    if packet.flags is not None:
        return packet.flags.letters or "no flags"
    if packet.icmp_type is not None:
        return f"icmp {packet.icmp_type}/{packet.icmp_code}"
    return say_protocol(packet)
