# SPDX-License-Identifier: GPL-2.0-only
"""The packets that a rule matches, as sets: those for certain, and those that may be.

A point is any packet at one hook: protocol, addresses, ports, flags, ctstate, interfaces, mark. A
match that looks at something else, but answers alike for one packet all through a table, is a bit
of the point. What may answer otherwise the next time (``limit``) matches nothing for certain.

Source: ip_tables.c, xt_tcpudp.c, xt_multiport.c, xt_conntrack.c; what conntrack's match does
without an entry was measured on 6.18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from ctlint.analysis.coordinates import covers
from ctlint.headerspace import space_over
from ctlint.headerspace.space import Layout, PacketSet, Space
from ctlint.ir.rule import AnyMatch, Match, Option, Rule, UnknownTarget
from ctlint.ir.ruleset import Table
from ctlint.ir.values import Range
from ctlint.model.netfilter.hooks import HAS_OUT, Hook
from ctlint.model.netfilter.targets import Action, action
from ctlint.wire.addresses import Family, Hostname, Net
from ctlint.wire.protocols import TCP, UDP

_STATES: Final = ("INVALID", "UNTRACKED", "NEW", "ESTABLISHED", "RELATED")
"""Values of the part ``ctstate``: the first two have no entry."""
_NO_ENTRY: Final = 1
"""The last state without an entry."""
_TRANSLATIONS: Final = ("SNAT", "DNAT")
_SYN: Final = (0x17, 0x02)
"""FIN, SYN, RST, ACK; of those SYN alone."""

# Matches that read only the packet, its entry or its sockets.
_OF_PACKET: Final = frozenset(
    {
        *("addrtype", "ah", "bpf", "cgroup", "cluster", "cpu", "dccp", "devgroup", "dscp", "dst"),
        *("ecn", "esp", "eui64", "frag", "hbh", "helper", "hl", "icmp", "icmp6", "ipcomp"),
        *("ipv6header", "ipvs", "length", "mac", "mh", "osf", "owner", "physdev", "pkttype"),
        *("policy", "realm", "rpfilter", "rt", "sctp", "set", "socket", "srh", "string", "tcp"),
        *("tcpmss", "tos", "ttl", "u32", "connmark", "conntrack"),
    }
)
_CHANGED_BY: Final = {
    Action.ALTER: frozenset(
        {"bpf", "dscp", "ecn", "hl", "length", "string", "tcp", "tcpmss", "tos", "ttl", "u32"}
    ),
    Action.REMEMBER: frozenset({"set"}),
    Action.MARK: frozenset({"mark", "socket", "rpfilter"}),
    Action.CONNMARK: frozenset({"connmark", "mark", "socket", "rpfilter"}),
}
"""What rules of a table change for the matches behind them."""
_MAX_BITS: Final = 64
"""Matches of a table that get a bit; those beyond match nothing for certain."""


class Matched(NamedTuple):
    """The packets that match for certain, and those that may."""

    certain: PacketSet
    possible: PacketSet

    def __and__(self, other: Matched) -> Matched:
        possible = self.possible & other.possible
        if self.certain is self.possible and other.certain is other.possible:
            return Matched(possible, possible)
        return Matched(self.certain & other.certain, possible)


class RulePackets:
    """The packets of one table's rules. All methods raise TooLargeError."""

    def __init__(self, table: Table, family: Family, max_work: int) -> None:
        self._family = family
        self._changed = _changed(table)
        self.names = ("", *_interface_names(table))
        self._bits = self._bits_of(table)
        width = (len(self.names) - 1).bit_length() or 1
        layout: Layout = {
            **{"protocol": 8, "ctstate": 3, "fragment": 1, "SNAT": 1, "DNAT": 1},
            **{"in": width, "out": width, "dport": 16, "sport": 16, "flags": 8},
            **{f"bit {number}": 1 for number in self._bits.values()},
            **{"saddr": family.bits, "daddr": family.bits, "mark": 32},
        }
        self.space: Space = space_over(layout, max_work)
        everything, nothing = self.space.everything, self.space.nothing
        self.everything = Matched(everything, everything)
        self._unknown = Matched(nothing, everything)
        self._known: dict[int, Matched] = {}

    def at(self, hook: Hook) -> PacketSet:
        """The packets that there can be at a hook."""
        space, last = self.space, len(self.names) - 1
        has_in = hook not in (Hook.LOCAL_OUT, Hook.POSTROUTING)
        found: PacketSet = space.between("ctstate", 0, len(_STATES) - 1)
        for each in _TRANSLATIONS:
            found = found - (space.between(each, 1, 1) & space.between("ctstate", 0, _NO_ENTRY))
        if hook is Hook.POSTROUTING:
            # A forwarded packet has its incoming interface here too.
            found = found & space.between("in", 0, last)
        else:
            found = found & space.between("in", int(has_in), last if has_in else 0)
        has_out = hook in HAS_OUT
        return found & space.between("out", int(has_out), last if has_out else 0)

    def matched(self, rule: Rule) -> Matched:
        """The packets that match a rule."""
        found = self.everything
        for match in rule.matches:
            # Matches are shared between rules that say the same.
            if id(match) not in self._known:
                self._known[id(match)] = self._of(match)
            found = found & self._known[id(match)]
        return found

    def _of(self, match: AnyMatch) -> Matched:
        if not isinstance(match, Match):
            return self._unknown
        if match.name == "comment":
            return self.everything
        compiler = _COMPILERS.get(match.name)
        if compiler is None or match.name in self._changed:
            return self._bit(match)
        return compiler(self, match)

    def _bit(self, match: Match) -> Matched:
        """A match of which only is known that it is asked the same of a packet everywhere."""
        number = self._bits.get(match)
        if number is None:
            return self._unknown
        return self._exactly(self.space.between(f"bit {number}", 1, 1))

    def _bits_of(self, table: Table) -> dict[Match, int]:
        asked = dict.fromkeys(
            one
            for chain in table.chains.values()
            for rule in chain.rules
            for match in rule.matches
            if isinstance(match, Match)
            for one in _parts(match)
            if one.name in _OF_PACKET and one.name not in self._changed
        )
        return {match: number for number, match in enumerate(list(asked)[:_MAX_BITS])}

    @staticmethod
    def _exactly(found: PacketSet) -> Matched:
        return Matched(found, found)

    def _signed(self, option: Option, found: PacketSet) -> PacketSet:
        everything: PacketSet = self.space.everything
        return everything - found if option.negated else found

    # Matches

    def of_head(self, match: Match) -> Matched:
        """``-p -s -d -i -o -f``."""
        space = self.space
        found = self.everything
        for option in match.options:
            value = option.value
            if option.name in ("source", "destination"):
                if isinstance(value, Hostname):
                    found = found & self._unknown
                    continue
                assert isinstance(value, Net)
                part = "saddr" if option.name == "source" else "daddr"
                each = space.masked(part, value.address, value.mask)
            elif option.name in ("in-interface", "out-interface"):
                each = self._named("in" if option.name == "in-interface" else "out", value)
            elif option.name == "protocol":
                each = space.between("protocol", value, value) if value else space.everything
            else:
                each = space.between("fragment", 1, 1)
            found = found & self._exactly(self._signed(option, each))
        return found

    def _named(self, part: str, pattern: str) -> PacketSet:
        found: PacketSet = self.space.nothing
        for number, name in enumerate(self.names):
            if covers(pattern, name):
                found = found | self.space.between(part, number, number)
        return found

    def of_transport(self, match: Match) -> Matched:
        """Ports and flags; what is no first fragment has none."""
        space = self.space
        found = self._exactly(space.between("fragment", 0, 0))
        protocol = {"tcp": TCP, "udp": UDP}.get(match.name)
        if protocol is not None:
            found = found & self._exactly(space.between("protocol", protocol, protocol))
        for option in match.options:
            if option.name in _PORTS:
                value = option.value
                each = self._ports(option.name, [value] if isinstance(value, Range) else value)
                if option.negated and each == space.everything:
                    # iptables-nft 1.8.9 takes "not 0:65535" for any port.
                    return Matched(space.nothing, found.possible)
            elif option.name == "syn":
                each = space.masked("flags", _SYN[1], _SYN[0])
            elif option.name == "tcp-flags":
                mask, wanted = option.value
                each = space.masked("flags", wanted, mask) if wanted & ~mask == 0 else space.nothing
            else:
                found = found & self._bit(_part(match, option))
                continue
            found = found & self._exactly(self._signed(option, each))
        return found

    def _ports(self, name: str, ranges: Iterable[Range]) -> PacketSet:
        found: PacketSet = self.space.nothing
        for part in _PORTS[name]:
            for each in ranges:
                found = found | self.space.between(part, each.low, each.high)
        return found

    def of_addresses(self, match: Match) -> Matched:
        """``-m iprange``."""
        found = self.everything
        for option in match.options:
            part = "saddr" if option.name == "src-range" else "daddr"
            each = self.space.between(part, option.value.low, option.value.high)
            found = found & self._exactly(self._signed(option, each))
        return found

    def of_mark(self, match: Match) -> Matched:
        """``-m mark``, where no rule of the table changes marks."""
        found = self.everything
        for option in match.options:
            value, mask = option.value
            space = self.space
            each = space.masked("mark", value, mask) if value & ~mask == 0 else space.nothing
            found = found & self._exactly(self._signed(option, each))
        return found

    def of_states(self, match: Match) -> Matched:
        """``ctstate``; other options are asked of packets with an entry alone."""
        space = self.space
        without: PacketSet = space.between("ctstate", 0, _NO_ENTRY)
        found: PacketSet = space.everything
        has_state = False
        others = []
        for option in match.options:
            if option.name in ("ctstate", "state"):
                has_state = True
                found = found & self._signed(option, self._in_states(option.value))
            else:
                others.append(option)
        if not others:
            return self._exactly(found)
        bit = self._bit(Match(match.name, tuple(others)))
        both = self._exactly(found) & bit
        if not has_state:
            return Matched(both.certain - without, both.possible - without)
        alone = found & without
        return Matched(both.certain | alone, both.possible | alone)

    def _in_states(self, names: Iterable[str]) -> PacketSet:
        found: PacketSet = self.space.nothing
        for name in names:
            if name in _TRANSLATIONS:
                found = found | self.space.between(name, 1, 1)
            else:
                number = _STATES.index(name)
                found = found | self.space.between("ctstate", number, number)
        return found


_PORTS: Final = {
    "sport": ("sport",),
    "dport": ("dport",),
    "sports": ("sport",),
    "dports": ("dport",),
    "ports": ("sport", "dport"),
}
_COMPILERS: Final[dict[str, Callable[[RulePackets, Match], Matched]]] = {
    "ip": RulePackets.of_head,
    "tcp": RulePackets.of_transport,
    "udp": RulePackets.of_transport,
    "multiport": RulePackets.of_transport,
    "iprange": RulePackets.of_addresses,
    "mark": RulePackets.of_mark,
    "conntrack": RulePackets.of_states,
    "state": RulePackets.of_states,
}


def _part(match: Match, option: Option) -> Match:
    return Match(match.name, (option,))


def _parts(match: Match) -> Iterator[Match]:
    """What of a match may need a bit."""
    if match.name == "tcp":
        yield from (_part(match, each) for each in match.options if each.name == "tcp-option")
    elif match.name == "conntrack":
        others = tuple(each for each in match.options if each.name != "ctstate")
        # The time that an entry has left passes.
        if others and not any(each.name == "ctexpire" for each in others):
            yield Match(match.name, others)
    elif match.name not in _COMPILERS:
        yield match


def _changed(table: Table) -> frozenset[str]:
    """The names of matches that may answer otherwise behind a rule of the table."""
    found: set[str] = set()
    for chain in table.chains.values():
        for rule in chain.rules:
            found |= _CHANGED_BY.get(action(rule.target), frozenset())
            if isinstance(rule.target, UnknownTarget) or any(map(_restores_mark, rule.matches)):
                found |= _CHANGED_BY[Action.MARK]
    if table.name == "raw":
        # Conntrack has not seen the packet yet, and what CT says to it looks like an entry.
        found |= {"conntrack", "state", "connmark", "helper"}
    return frozenset(found)


def _restores_mark(match: AnyMatch) -> bool:
    """Whether a match gives the packet its socket's mark."""
    return isinstance(match, Match) and match.get("restore-skmark") is not None


def _interface_names(table: Table) -> Iterator[str]:
    """Interfaces that rules tell apart: one that no rule names, those that they name, and for each
    pattern one that it takes and no other name says.
    """
    patterns = {
        option.value
        for chain in table.chains.values()
        for rule in chain.rules
        for match in rule.matches
        if isinstance(match, Match) and match.name == "ip"
        for option in match.options
        if option.name in ("in-interface", "out-interface")
    }
    yield "\0"
    for pattern in sorted(patterns - {"+"}):
        # No name in a rule holds this character.
        yield f"{pattern[:-1]}\0" if pattern.endswith("+") else pattern
