# SPDX-License-Identifier: GPL-2.0-only
"""What NAT does to a packet, or does not, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctlint.analysis.location import cause_location
from ctlint.analysis.sending import Sent, opened
from ctlint.analysis.settings import Settings
from ctlint.analysis.tracking import Inquiry, first_packet
from ctlint.analysis.translation import Bound, Translation, first_packets_behind
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.transit import Field
from ctlint.wire.addresses import Family, format_address, format_end
from ctlint.wire.packet import Packet

_ENDS = {Manip.SRC: "source", Manip.DST: "destination"}


def nat_notes(
    chains: ChainStore, inquiry: Inquiry, sent: Sent, settings: Settings
) -> Iterator[str]:
    """The sentences, in the order of the packet's way."""
    if not sent.fate.ctstates or "nat" not in chains.ruleset.tables:
        return
    if sent.lost is not None:
        family, bound = inquiry.packet.family, sent.lost
        new, own = _say_bound(family, bound), format_end(family, *bound.own)
        yield (
            f"no entry leads it from {new}, which {_say_rule(chains, bound.ref)} made of the "
            f"client's source, back to {own}: it comes to this host's own address and stays here"
        )
    ctstate = list(sent.fate.ctstates.values())[-1]
    if ctstate in (CtState.INVALID, CtState.UNTRACKED):
        found = opened(chains, inquiry, settings)
        yield from _missed(chains, inquiry, sent, ctstate, found)
        return
    if first_packet(inquiry) is None:
        yield (
            "what the error quotes is not known, and so is what NAT makes of it: its connection is "
            "taken to be without translation"
        )
        return
    family = inquiry.packet.family
    notes = list(_done(chains, inquiry, sent))
    yield from notes
    if not notes and not sent.tracking.makes_entry:
        yield from _untranslated(chains, inquiry)
    leaving = sent.fate.packet
    is_rewritten = any(sent.is_certain(one.bound) for _, one in sent.fate.rewritings)
    if leaving is not None and is_rewritten and len(sent.translations) == 1:
        verb = "arrives" if sent.fate.ends_at_host else "leaves"
        yield f"it {verb} as {_say_packet(leaving, sent, family)}"


def _untranslated(chains: ChainStore, inquiry: Inquiry) -> Iterator[str]:
    """An entry that no rule translates, as far as the packet tells."""
    if inquiry.sender is Dir.REPLY:
        for ref, first in first_packets_behind(chains, inquiry.packet):
            if first is None:
                yield (
                    f"{_say_rule(chains, ref)} leads connections to where this packet comes from; "
                    "its entry is taken to be without translation, so if it is one of those, write "
                    "the packet as its client gets it"
                )
                return
    yield "no rule translates the first packet of its connection, so neither does its entry"


def _done(chains: ChainStore, inquiry: Inquiry, sent: Sent) -> Iterator[str]:
    """What the packet's entry does to it."""
    family = inquiry.packet.family
    is_reply = not sent.tracking.makes_entry and inquiry.sender is Dir.REPLY
    bounds = list(dict.fromkeys(one for each in sent.translations for one in each.bounds))
    for bound in reversed(bounds) if is_reply else bounds:
        rule = _say_rule(chains, bound.ref)
        own, new = format_end(family, *bound.own), _say_bound(family, bound)
        end, other = _ENDS[bound.manip], _ENDS[Manip(1 - bound.manip)]
        is_certain = sent.is_certain(bound)
        if sent.tracking.makes_entry:
            verb = "rewrites" if is_certain else "may rewrite"
            yield f"{rule} {verb} its {end} {own} to {new}{_say_choice(family, bound)}"
            continue
        verb = "translates" if is_certain else "may translate"
        if is_reply:
            yield (
                f"its entry {verb} its {other} back, from {new} to {own}: {rule} met the first "
                "packet of its connection"
            )
        else:
            yield (
                f"its entry {verb} its {end} {own} to {new}, by {rule}, which the first packet of "
                f"its connection met{_say_choice(family, bound)}"
            )
    for each in sent.translations:
        if each.unfollowed is not None:
            yield f"{_say_rule(chains, each.unfollowed.ref)}: {each.unfollowed.why}"
            return


def _missed(
    chains: ChainStore,
    inquiry: Inquiry,
    sent: Sent,
    ctstate: CtState,
    found: Sequence[Translation],
) -> Iterator[str]:
    """What becomes of a packet that NAT would translate if it had an entry."""
    packet, family = inquiry.packet, inquiry.packet.family
    bounds = list(dict.fromkeys(one for each in found for one in each.bounds))
    gets_out = any(end.cause is None for end in sent.ends)
    leaves = "leaves" if gets_out else "would leave"
    for bound in bounds:
        rule = _say_rule(chains, bound.ref)
        own = format_end(family, *bound.own)
        may = "" if all(bound in each.bounds for each in found) else "perhaps "
        new = _say_bound(family, bound)
        lead = f"an {ctstate.name} packet is not translated"
        if inquiry.sender is Dir.REPLY and bound.manip is Manip.DST:
            yield (
                f"{lead}: it {leaves} as {new}, and the client, which {may}knows this end as "
                f"{own} by {rule}, does not know it"
            )
        elif inquiry.sender is Dir.REPLY:
            if sent.lost is not None:
                continue
            yield (
                f"{lead}: what comes to {new}, {may}the client's source by {rule}, is not led back "
                f"to {own}"
            )
        elif bound.manip is Manip.SRC:
            yield (
                f"{lead}: {rule} never sees it; it {leaves} as "
                f"{format_end(family, packet.saddr, packet.sport)}, and the outer end, which "
                f"{may}knows the connection as {new}, does not know it"
            )
        else:
            own = format_end(family, packet.daddr, packet.dport)
            goes = "goes" if gets_out else "would go"
            yield f"{lead}: {rule} never sees it; it {goes} to {own} itself, {may}not to {new}"


def _say_rule(chains: ChainStore, ref: RuleRef) -> str:
    location = cause_location(chains.ruleset, ref)
    return f"{ref} ({location.file}:{location.line})"


def _say_bound(family: Family, bound: Bound) -> str:
    """What a rule makes of one end, as far as it is known."""
    has_port = bound.own[1] is not None
    if bound.address is not None and (bound.port is not None or not has_port):
        return format_end(family, bound.address, bound.port)
    text = bound.whose if bound.address is None else format_address(family, bound.address)
    if not has_port:
        return text
    return f"{text}, port {bound.port}" if bound.port is not None else f"{text}, a port by lot"


def _say_choice(family: Family, bound: Bound) -> str:
    if bound.choice is None:
        return ""
    low, high = (format_address(family, one) for one in bound.choice[1:])
    return f" (of {low}-{high} a hash of both addresses chooses)"


def _say_packet(packet: Packet, sent: Sent, family: Family) -> str:
    """Source and destination of a packet, as far as they are known."""
    ends = []
    for fields, address, port in (
        ((Field.SADDR, Field.SPORT), packet.saddr, packet.sport),
        ((Field.DADDR, Field.DPORT), packet.daddr, packet.dport),
    ):
        why = sent.fate.unknown.get(fields[0])
        if why is not None:
            text = f"<{why.removesuffix(' is not known')}>"
        elif family is Family.IPV6 and port is not None:
            text = f"[{format_address(family, address)}]"
        else:
            text = format_address(family, address)
        if port is not None:
            text += f":{port if fields[1] not in sent.fate.unknown else '?'}"
        ends.append(text)
    return " > ".join(ends)
