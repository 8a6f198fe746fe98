# SPDX-License-Identifier: GPL-2.0-only
"""Sends the packet of an inquiry: conntrack's judgement, its connection's translation, its fate.

Where the translation is not decided, the packet is sent once for each that is possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ctlint.analysis.fate import Circumstances, Disposition, End, Fate, send
from ctlint.analysis.settings import Settings
from ctlint.analysis.tracking import (
    Inquiry,
    Tracking,
    entry_status,
    first_packet,
    is_error,
    track,
)
from ctlint.analysis.translation import (
    Bound,
    Translation,
    first_packets_behind,
    translations,
)
from ctlint.analysis.way import ANSWERING, Ends
from ctlint.finding import Role
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.conntrack.tuple import get_tuple, invert_tuple
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path, Stop, stops
from ctlint.model.netfilter.host import LOOPBACK, AddressType
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.reject import TCP_RESET, reset_for
from ctlint.model.netfilter.transit import EntryView, Field
from ctlint.wire.encoding import total_length
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet

_WITH_ENTRY: Final = frozenset({CtState.NEW, CtState.ESTABLISHED, CtState.RELATED})


class Sent(NamedTuple):
    """A packet that was sent. ``fate`` is that under the first of its ``translations``, certain
    for the first ``kept`` tables; ``ends`` are those under any. ``lost`` is the rule that gave the
    client another source, where no entry leads this packet of the server back to it.
    """

    tracking: Tracking
    fate: Fate
    ends: tuple[End, ...]
    kept: int
    translations: tuple[Translation, ...]
    lost: Bound | None = None

    def is_certain(self, bound: Bound) -> bool:
        """Whether the connection is translated so whatever is not decided."""
        return all(bound in one.bounds for one in self.translations)


def send_inquiry(chains: ChainStore, inquiry: Inquiry, settings: Settings) -> Sent:
    """Send the packet. Raises NotFollowedError, BadSettingError, EndlessWalkError."""
    tracking = track(inquiry, settings)
    lost = _lost(chains, inquiry, settings)
    bound = None
    if lost is not None:
        chains, inquiry, bound = lost
    found, is_whole = _translations(chains, inquiry, tracking, settings)
    fates = [_send(chains, inquiry, tracking, one) for one in found or (None,)]
    ends = {(end.disposition, end.cause, end.hook): end for fate in fates for end in fate.ends}
    if not is_whole:
        first = next(bound for one in found for bound in one.bounds)
        end = End(Disposition.UNDECIDED, first.ref, first.hook)
        ends.setdefault((end.disposition, end.cause, end.hook), end)
    kept = _kept(fates, found, stops(inquiry.path, is_nft=chains.ruleset.is_nft))
    return Sent(tracking, fates[0], tuple(ends.values()), kept, tuple(found), bound)


def _lost(
    chains: ChainStore, inquiry: Inquiry, settings: Settings
) -> tuple[ChainStore, Inquiry, Bound] | None:
    """A packet of the server for which no entry is there, written as the client would get it: it
    comes to the source that NAT gave the client, which is an address of this host, and stays here.
    """
    packet = inquiry.packet
    if (
        inquiry.path is not Path.FORWARD
        or inquiry.sender is not Dir.REPLY
        or inquiry.entry.is_alive
        or is_error(packet)
    ):
        return None
    found = opened(chains, inquiry, settings)
    bound = found[0].bound(Dir.ORIGINAL, Manip.SRC) if len(found) == 1 else None
    if bound is None or bound.own != (packet.daddr, packet.dport):
        return None
    unknown = found[0].unknown(Dir.REPLY, frozenset({Manip.SRC}))
    unknown = {field: why for field, why in unknown.items() if field is not Field.ADDRESS_TYPE}
    asked = replace(inquiry, packet=found[0].as_sent(packet), role=Role.CLIENT, out_interface=None)
    return chains.blind(unknown), asked, bound


def opened(chains: ChainStore, inquiry: Inquiry, settings: Settings) -> list[Translation]:
    """What NAT makes of the connection of a packet, if its rules see its first packet."""
    return _of_connection(chains, inquiry, settings)[0]


def send_reset(chains: ChainStore, inquiry: Inquiry, sent: Sent) -> tuple[Packet, Sent] | None:
    """The RST with which a rule answers the packet, and what becomes of it; None where none does.

    It carries the packet's entry the other way round, as RELATED; see nf_send_reset and
    nf_conntrack_attach.
    """
    end = sent.ends[0]
    if len(sent.ends) > 1 or end.disposition is not Disposition.REJECTED or end.cause is None:
        return None
    target = end.cause.rule.target if isinstance(end.cause, RuleRef) else None
    option = target.get("reject-with") if isinstance(target, Target) else None
    if option is None or option.value != TCP_RESET:
        return None
    transit, _ = sent.fate.seen[-1]
    reset = reset_for(transit.packet)
    if reset is None:
        return None
    if transit.in_interface == "" or inquiry.path is Path.LOOPBACK:
        ends = ends_of(inquiry, Path.LOOPBACK)
    else:
        local = transit.destination_type
        ends = Ends(Path.OUT, "", transit.in_interface, local, AddressType.UNICAST)
    view = transit.entry
    ctstate = CtState.INVALID
    if view is not None:
        ctstate, view = CtState.RELATED, EntryView(view.direction.other, view.entry)
    fate = send(chains, reset, ends, ctstate, view, explain=True)
    return reset, Sent(sent.tracking, fate, tuple(fate.ends), len(fate.walks), ())


def ends_of(inquiry: Inquiry, path: Path | None = None) -> Ends:
    """The ends of the packet's path, or of another path."""
    local, unicast = AddressType.LOCAL, AddressType.UNICAST
    into, out = inquiry.in_interface, inquiry.out_interface
    path = path or inquiry.path
    if path is Path.LOOPBACK:
        return Ends(path, LOOPBACK, LOOPBACK, local, local)
    if path is Path.FORWARD:
        return Ends(path, into, out, unicast, unicast)
    if path is Path.OUT:
        return Ends(path, "", out, local, unicast)
    return Ends(path, into, out, unicast, local)


def _of_client(inquiry: Inquiry) -> Inquiry:
    """The inquiry as one about a packet of the other end, where the server sends this one."""
    if inquiry.sender is Dir.ORIGINAL:
        return inquiry
    return replace(
        inquiry,
        sender=Dir.ORIGINAL,
        in_interface=inquiry.out_interface,
        out_interface=inquiry.in_interface,
        mark=0,
    )


def _translations(
    chains: ChainStore, inquiry: Inquiry, tracking: Tracking, settings: Settings
) -> tuple[list[Translation], bool]:
    if tracking.ctstate not in _WITH_ENTRY:
        return [], True
    if tracking.makes_entry:
        ends, kernel = ends_of(inquiry), settings.kernel
        return translations(chains, inquiry.packet, ends, inquiry.mark, kernel)
    return _of_connection(chains, inquiry, settings)


def _of_connection(
    chains: ChainStore, inquiry: Inquiry, settings: Settings
) -> tuple[list[Translation], bool]:
    """The translations of the connection whose first packet came before this one.

    A packet of the server may be written as the client gets it or as the server sends it: the
    latter finds its connection by the DNAT rule that led it there.
    """
    packet, kernel = inquiry.packet, settings.kernel
    first = first_packet(inquiry)
    if first is None or invert_tuple(get_tuple(first)) is None:
        return [], True
    asked = _of_client(inquiry)
    ends = ends_of(asked)
    found, is_whole = translations(chains, first, ends, asked.mark, kernel)
    is_answer = inquiry.sender is Dir.REPLY and not is_error(packet)
    if is_answer and not any(one.bounds for one in found):
        for _, other in first_packets_behind(chains, packet):
            if other is None:
                continue
            better, is_all = translations(chains, other, ends, asked.mark, kernel)
            if is_all and all(one.entry.reply == get_tuple(packet) for one in better):
                return better, True
    return found, is_whole


def _send(
    chains: ChainStore, inquiry: Inquiry, tracking: Tracking, translation: Translation | None
) -> Fate:
    packet, ends = _of_length(inquiry), ends_of(inquiry)
    known, mark = inquiry.known, inquiry.mark
    if translation is None:
        circumstances = Circumstances(None, tracking.makes_entry, known=known, mark=mark)
        return send(
            chains, packet, ends, tracking.ctstate, explain=True, circumstances=circumstances
        )
    error = is_error(packet)
    if tracking.makes_entry:
        view = translation.view_at_first()
    else:
        view = translation.view(inquiry.sender, entry_status(inquiry, tracking))
        if inquiry.sender is Dir.REPLY:
            ends = ends_of(inquiry, ANSWERING[translation.path])
            packet = packet if error else translation.as_sent(packet)
    return send(
        chains,
        packet,
        ends,
        tracking.ctstate,
        view,
        explain=True,
        circumstances=Circumstances(translation, tracking.makes_entry, error, known, mark),
    )


def _of_length(inquiry: Inquiry) -> Packet:
    """The packet with as much payload as its length, where that is known, leaves for it."""
    packet = inquiry.packet
    if HeaderField.LENGTH not in inquiry.known:
        return packet
    headers = total_length(packet) - packet.payload
    return packet._replace(payload=max(inquiry.length - headers, 0))


def _kept(fates: list[Fate], found: list[Translation], way: Sequence[Stop]) -> int:
    """How many tables the packet comes to whatever its translation: to the one that decides on its
    destination, or all where they do the same with each.
    """
    fate = fates[0]
    if all(_courses(other) == _courses(fate) for other in fates[1:]):
        return len(fate.walks)
    destinations = {
        tuple((str(one.ref), one.hook) for one in each.bounds if one.hook in _REROUTING)
        for each in found
    }
    if len(destinations) < 2:
        return len(fate.walks)
    fork = min((hook for each in destinations for _, hook in each), key=_REROUTING.index)
    order = [stop[:2] for stop in way]
    last = order.index((fork, "nat")) if (fork, "nat") in order else -1
    for index, (hook, table, _) in enumerate(fate.walks):
        if (hook, table) not in order or order.index((hook, table)) > last:
            return index
    return len(fate.walks)


def _courses(fate: Fate) -> list[tuple[object, ...]]:
    """What each table did."""
    return [
        (hook, table, tuple((outcome.verdict, outcome.cause) for outcome in found.outcomes))
        for hook, table, found in fate.walks
    ]


_REROUTING: Final = (Hook.PREROUTING, Hook.LOCAL_OUT)
