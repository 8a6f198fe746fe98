# SPDX-License-Identifier: GPL-2.0-only
"""Matches: each condition of a rule as a predicate over a transit.

A predicate says which parts of the transit it reads, so that everything that a question fixes
(protocol, flags, ctstate) can be decided once for all packets. A match without a row here is
undecided, with the reason.

Sources: the kernel's net/netfilter/xt_*.c, net/ipv4/netfilter/ip_tables.c; iptables-extensions(8);
what matches do without an entry was measured on 6.18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from ctlint.ir.rule import AnyMatch, Match, Option, UnknownMatch
from ctlint.ir.values import IcmpType
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import AddressSet, AddressType, Facts, Field, Transit
from ctlint.wire.addresses import Family, Hostname, Net
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

TRUE: Final = Tern.TRUE
FALSE: Final = Tern.FALSE
UNKNOWN: Final = Tern.UNKNOWN

Test = Callable[[Transit], Tern]


class Predicate(NamedTuple):
    """One condition.

    ``exact`` names the field and the one value without which the condition is false: an index
    can skip the rule for every other value. ``why`` is set where the condition is not decided.
    """

    test: Test
    reads: frozenset[Field]
    exact: tuple[Field, object] | None = None
    why: str | None = None


Row = Callable[[Match, Facts], Iterator[Predicate]]


def predicates(match: AnyMatch, facts: Facts) -> tuple[Predicate, ...]:
    """The conditions of a match; all must hold."""
    if isinstance(match, UnknownMatch):
        return (undecided(f"ctlint does not know the match {match.name!r}"),)
    row = _ROWS.get(match.name)
    if row is None:
        return (undecided(_WHY_NOT.get(match.name, _NOT_MODELLED)),)
    return tuple(row(match, facts))


def undecided(why: str, reads: frozenset[Field] = frozenset()) -> Predicate:
    """A condition that is not decided."""
    return Predicate(_always_unknown, reads, None, why)


def _always_unknown(_: Transit) -> Tern:
    return UNKNOWN


def _always(_: Transit) -> Tern:
    return TRUE


def _never(_: Transit) -> Tern:
    return FALSE


def _constant(truth: bool, /) -> Predicate:
    return Predicate(_always if truth else _never, frozenset())


def _of(
    option: Option,
    test: Callable[[Transit], bool | None],
    *reads: Field,
    exact: tuple[Field, object] | None = None,
    why: str | None = None,
) -> Predicate:
    """A predicate from a test that says None where it cannot tell; negation as the option says."""
    negated = option.negated

    def run(transit: Transit) -> Tern:
        truth = test(transit)
        if truth is None:
            return UNKNOWN
        return TRUE if truth is not negated else FALSE

    return Predicate(run, frozenset(reads), None if negated else exact, why)


# The head of a rule

_ADDRESS_UNKNOWN: Final = "the name is resolved when the rules are loaded"


def _address(option: Option, field: Field) -> Predicate:
    value = option.value
    if isinstance(value, Hostname):
        return undecided(f"{value}: {_ADDRESS_UNKNOWN}", frozenset({field}))
    assert isinstance(value, Net)
    address, mask = value.address, value.mask
    exact = (field, address) if value.is_host else None
    if field is Field.SADDR:
        return _of(option, lambda t: t.packet.saddr & mask == address, field, exact=exact)
    return _of(option, lambda t: t.packet.daddr & mask == address, field, exact=exact)


def _interface(option: Option, field: Field) -> Predicate:
    pattern: str = option.value
    attribute = "in_interface" if field is Field.IN_INTERFACE else "out_interface"
    why = "the interface of the packet is not known"
    if pattern.endswith("+"):
        prefix = pattern[:-1]

        def starts(transit: Transit) -> bool | None:
            name = getattr(transit, attribute)
            return None if name is None and prefix else str(name or "").startswith(prefix)

        return _of(option, starts, field, why=why)

    def equals(transit: Transit) -> bool | None:
        name = getattr(transit, attribute)
        if name is None:
            return False if pattern == "lo" else None
        return bool(name == pattern)

    return _of(option, equals, field, exact=(field, pattern), why=why)


def _ip(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        value = option.value
        if option.name == "source":
            yield _address(option, Field.SADDR)
        elif option.name == "destination":
            yield _address(option, Field.DADDR)
        elif option.name == "in-interface":
            yield _interface(option, Field.IN_INTERFACE)
        elif option.name == "out-interface":
            yield _interface(option, Field.OUT_INTERFACE)
        elif option.name == "protocol":
            yield _of(option, partial(_is_protocol, value), Field.PROTOCOL)
        else:
            # Conntrack needs whole packets: defragmentation comes before every rule.
            yield _constant(option.negated)


def _is_protocol(number: int, transit: Transit) -> bool:
    return number in (0, transit.packet.protocol)


# Ports and flags


def _port(option: Option, field: Field) -> Predicate:
    low, high = option.value.low, option.value.high
    exact = (field, low) if low == high else None
    if field is Field.SPORT:
        return _of(option, lambda t: low <= (t.packet.sport or 0) <= high, field, exact=exact)
    return _of(option, lambda t: low <= (t.packet.dport or 0) <= high, field, exact=exact)


def _needs(protocol: int) -> Predicate:
    return Predicate(
        lambda t: TRUE if t.packet.protocol == protocol else FALSE, frozenset({Field.PROTOCOL})
    )


def _tcp(match: Match, _: Facts) -> Iterator[Predicate]:
    yield _needs(TCP)
    for option in match.options:
        if option.name == "sport":
            yield _port(option, Field.SPORT)
        elif option.name == "dport":
            yield _port(option, Field.DPORT)
        elif option.name == "syn":
            yield _of(option, partial(_has_flags, 0x17, 0x02), Field.FLAGS)
        elif option.name == "tcp-flags":
            mask, wanted = option.value
            yield _of(option, partial(_has_flags, mask, wanted), Field.FLAGS)
        else:
            yield undecided("the TCP options of the packet are not known")


def _has_flags(mask: int, wanted: int, transit: Transit) -> bool:
    return int(transit.packet.flags or 0) & mask == wanted


def _udp(match: Match, _: Facts) -> Iterator[Predicate]:
    yield _needs(UDP)
    for option in match.options:
        yield _port(option, Field.SPORT if option.name == "sport" else Field.DPORT)


def _multiport(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        ranges = tuple((r.low, r.high) for r in option.value)
        if option.name == "sports":
            yield _of(option, partial(_in_ranges, ranges, "sport"), Field.SPORT)
        elif option.name == "dports":
            yield _of(option, partial(_in_ranges, ranges, "dport"), Field.DPORT)
        else:
            yield _of(
                option,
                lambda t, ranges=ranges: (  # type: ignore[misc]
                    _in_ranges(ranges, "sport", t) or _in_ranges(ranges, "dport", t)
                ),
                Field.SPORT,
                Field.DPORT,
            )


def _in_ranges(ranges: tuple[tuple[int, int], ...], attribute: str, transit: Transit) -> bool:
    port = getattr(transit.packet, attribute)
    return port is not None and any(low <= port <= high for low, high in ranges)


def _icmp(protocol: int) -> Row:
    def row(match: Match, _: Facts) -> Iterator[Predicate]:
        yield _needs(protocol)
        for option in match.options:
            yield _of(option, partial(_is_icmp, option.value), Field.ICMP)

    return row


def _is_icmp(wanted: IcmpType, transit: Transit) -> bool | None:
    if wanted.type == _ANY_ICMP and transit.packet.protocol == ICMP:
        return True
    kind, code = transit.packet.icmp_type, transit.packet.icmp_code
    if kind is None or code is None:
        return None
    return kind == wanted.type and wanted.code_low <= code <= wanted.code_high


_ANY_ICMP: Final = 255


# Connection tracking


def _state_mask(names: tuple[str, ...]) -> CtState:
    mask = CtState(0)
    for name in names:
        mask |= CtState[name]
    return mask


def _has_state(mask: CtState, transit: Transit) -> bool:
    return bool(transit.ctstate & mask)


def _state(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        yield _of(option, partial(_has_state, _state_mask(option.value)), Field.CTSTATE)


def _conntrack(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of conntrack_mt: without an entry, ctstate is all that is asked.

    A rule without ``--ctstate`` then never matches; one with it ignores its other options.
    """
    state = match.get("ctstate")
    others = [option for option in match.options if option.name != "ctstate"]
    if state is not None:
        yield _of(state, partial(_has_state, _state_mask(state.value)), Field.CTSTATE)
    if not others:
        return
    tests = [(_ENTRY_TESTS.get(option.name), option) for option in others]
    decided = [(test, option) for test, option in tests if test is not None]
    open_options = [option for test, option in tests if test is None]

    def run(transit: Transit) -> Tern:
        if transit.ctstate & (CtState.INVALID | CtState.UNTRACKED):
            return TRUE if state is not None else FALSE
        if transit.entry is None:
            return UNKNOWN
        result = UNKNOWN if open_options else TRUE
        for test, option in decided:
            truth = test(option.value, transit)
            if truth is None:
                result = UNKNOWN
            elif truth is option.negated:
                return FALSE
        return result

    yield Predicate(
        run,
        frozenset({Field.CTSTATE, Field.ENTRY}),
        why="depends on the entry beyond its state",
    )


EntryTest = Callable[[object, Transit], bool | None]


def _entry_address(attribute: str) -> EntryTest:
    def test(value: object, transit: Transit) -> bool | None:
        if not isinstance(value, Net):
            return None
        return value.contains(getattr(transit.entry, attribute))

    return test


def _entry_port(attribute: str) -> EntryTest:
    def test(value: object, transit: Transit) -> bool:
        return (getattr(transit.entry, attribute) or 0) in value  # type: ignore[operator]

    return test


def _entry_direction(value: object, transit: Transit) -> bool:
    assert transit.entry is not None
    return (value == "ORIGINAL") is (transit.entry.direction is Dir.ORIGINAL)


def _entry_status(value: object, transit: Transit) -> bool:
    entry = transit.entry
    assert entry is not None
    assert isinstance(value, tuple)
    given = {
        "CONFIRMED": entry.is_confirmed,
        "SEEN_REPLY": entry.seen_reply,
        "ASSURED": entry.is_assured,
    }
    # NONE contributes no bit: alone it never matches. Nothing here is made by a helper.
    return any(given.get(name, False) for name in value)


def _entry_protocol(value: object, transit: Transit) -> bool:
    return value == transit.packet.protocol


_ENTRY_TESTS: Final[dict[str, EntryTest]] = {
    "ctproto": _entry_protocol,
    "ctorigsrc": _entry_address("orig_saddr"),
    "ctorigdst": _entry_address("orig_daddr"),
    "ctreplsrc": _entry_address("orig_daddr"),
    "ctrepldst": _entry_address("orig_saddr"),
    "ctorigsrcport": _entry_port("orig_sport"),
    "ctorigdstport": _entry_port("orig_dport"),
    "ctreplsrcport": _entry_port("orig_dport"),
    "ctrepldstport": _entry_port("orig_sport"),
    "ctstatus": _entry_status,
    "ctdir": _entry_direction,
}


# Addresses and marks


def _addrtype(match: Match, _: Facts) -> Iterator[Predicate]:
    limited = any(option.name.startswith("limit-iface") for option in match.options)
    for option in match.options:
        if option.name in ("src-type", "dst-type"):
            if limited:
                yield undecided("the addresses of the interface are not known")
                continue
            attribute = "source_type" if option.name == "src-type" else "destination_type"
            yield _of(
                option,
                partial(_is_address_type, option.value, attribute),
                Field.ADDRESS_TYPE,
                Field.DADDR,
                why="depends on the routing table",
            )


def _is_address_type(names: tuple[str, ...], attribute: str, transit: Transit) -> bool | None:
    kind: AddressType = getattr(transit, attribute)
    if attribute == "destination_type" and not _is_for_one_host(transit):
        return None
    if transit.packet.family is Family.IPV6:
        return _is_address_type6(names, kind)
    if kind.value in names:
        return True
    # Special kinds of routes (BLACKHOLE, PROHIBIT, …) depend on the routing table.
    decided = {"LOCAL", "UNICAST", "BROADCAST", "MULTICAST", "ANYCAST", "UNSPEC"}
    return False if set(names) <= decided else None


def _is_address_type6(names: tuple[str, ...], kind: AddressType) -> bool | None:
    """Port of match_type6() for an address of a TCP connection.

    UNICAST says something of the address, so it holds for the host's own too; and what is said of
    the address and of its route must both hold.
    """
    if "MULTICAST" in names or "UNSPEC" in names:
        return False
    if not {"LOCAL", "ANYCAST", "UNREACHABLE"} & set(names):
        return True
    if kind is AddressType.LOCAL and "LOCAL" in names:
        return True
    return None if "UNREACHABLE" in names else False


def _iprange(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        low, high = option.value.low, option.value.high
        if option.name == "src-range":
            yield _of(
                option,
                lambda t, low=low, high=high: low <= t.packet.saddr <= high,  # type: ignore[misc]
                Field.SADDR,
            )
        else:
            yield _of(
                option,
                lambda t, low=low, high=high: low <= t.packet.daddr <= high,  # type: ignore[misc]
                Field.DADDR,
            )


def _mark(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        value, mask = option.value

        def test(transit: Transit, value: int = value, mask: int = mask) -> bool | None:
            return None if transit.mark is None else transit.mark & mask == value

        yield _of(option, test, Field.MARK, why="the packet's mark is not known")


def _connmark(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        value, mask = option.value
        # Without an entry there is no mark, and no match, negated or not.
        matches_zero = (value == 0) is not option.negated

        def test(transit: Transit, mask: int = mask, zero: bool = matches_zero) -> Tern:
            if transit.ctstate & (CtState.INVALID | CtState.UNTRACKED):
                return FALSE
            if mask == 0:
                return Tern.of(zero)
            return UNKNOWN

        yield Predicate(test, frozenset({Field.CTSTATE}), why="the entry's mark is not known")


def _set(match: Match, facts: Facts) -> Iterator[Predicate]:
    for option in match.options:
        if option.name != "match-set":
            yield undecided("the set's counters are not known")
            continue
        name, flags = option.value
        directions = flags if isinstance(flags, tuple) else (flags,)
        known = facts.sets.get(name)
        if known is None or len(directions) != 1:
            yield undecided(f"the members of the set {name!r} are not known")
        elif directions[0] == "src":
            yield _of(option, partial(_is_source_in, known), Field.SADDR)
        else:
            yield _of(option, partial(_is_destination_in, known), Field.DADDR)


def _is_source_in(known: AddressSet, transit: Transit) -> bool:
    return known.contains(transit.packet.saddr, transit.packet.family)


def _is_destination_in(known: AddressSet, transit: Transit) -> bool:
    return known.contains(transit.packet.daddr, transit.packet.family)


def _comment(match: Match, facts: Facts) -> Iterator[Predicate]:
    del match, facts
    return iter(())


def _pkttype(match: Match, _: Facts) -> Iterator[Predicate]:
    # A packet for one host is unicast; on lo the kernel says so too.
    for option in match.options:
        yield _of(
            option,
            partial(_is_packet_type, option.value),
            Field.DADDR,
            why="depends on the link layer",
        )


def _is_packet_type(wanted: str, transit: Transit) -> bool | None:
    return wanted == "unicast" if _is_for_one_host(transit) else None


def _is_for_one_host(transit: Transit) -> bool:
    """Whether the destination is neither a multicast nor the limited broadcast address."""
    address = transit.packet.daddr
    if transit.packet.family is Family.IPV6:
        return address >> 120 != 0xFF
    return address >> 28 != 0xE and address != 0xFFFFFFFF


def _extension_header(match: Match, facts: Facts) -> Iterator[Predicate]:
    # Packets here have no IPv6 extension headers, and conntrack puts fragments together first.
    del match, facts
    yield _constant(False)


_ROWS: Final[dict[str, Row]] = {
    "dst": _extension_header,
    "frag": _extension_header,
    "hbh": _extension_header,
    "rt": _extension_header,
    "ip": _ip,
    "tcp": _tcp,
    "udp": _udp,
    "icmp": _icmp(ICMP),
    "icmp6": _icmp(ICMPV6),
    "multiport": _multiport,
    "state": _state,
    "conntrack": _conntrack,
    "addrtype": _addrtype,
    "iprange": _iprange,
    "mark": _mark,
    "connmark": _connmark,
    "set": _set,
    "comment": _comment,
    "pkttype": _pkttype,
}

_NOT_MODELLED: Final = "this match is not modelled"
_WHY_NOT: Final = {
    "limit": "depends on how many packets came before",
    "hashlimit": "depends on how many packets came before",
    "recent": "depends on which packets came before",
    "connlimit": "depends on how many connections are open",
    "connbytes": "depends on what the connection has carried",
    "quota": "depends on how much went through before",
    "statistic": "is drawn by lot or counted",
    "time": "depends on the time of day",
    "mac": "the sender's MAC address is not known",
    "owner": "the socket's owner is not known",
    "socket": "depends on the sockets of the host",
    "rpfilter": "depends on the routing table",
    "physdev": "depends on the bridge",
    "policy": "depends on IPsec policies",
    "ttl": "the packet's TTL is not known",
    "hl": "the packet's hop limit is not known",
    "length": "the packet's length is not known",
    "string": "depends on the payload",
    "u32": "depends on the packet's bytes",
    "bpf": "runs a program",
    "tcpmss": "the TCP options of the packet are not known",
}
