# SPDX-License-Identifier: GPL-2.0-only
"""Strategies for every scenario that the format can say."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import all_profiles
from ctlint.model.kernel.sysctls import SYSCTLS
from ctlint.model.netfilter.transit import Facts, Mac, Owner
from ctlint.scenario.expectation import (
    CTSTATES,
    ENTRY_STATES,
    As,
    By,
    Claim,
    Ctstate,
    Delivered,
    Expectation,
    HasEntry,
    Matched,
    NoEntry,
    Rejected,
    Rules,
    Seen,
)
from ctlint.scenario.scenario import (
    Expire,
    Flow,
    Flush,
    Forward,
    Host,
    Loopback,
    Scenario,
    Send,
    SetSysctls,
    Step,
    Topology,
    Wait,
)
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.packet import TcpOptions
from ctlint.wire.tcp_flags import TcpFlags

TEN_YEARS = 3650 * 86_400 * 1_000_000

_DIRS = st.sampled_from(Dir)
_PORTS = st.integers(0, 65535)
_NUMBERS = st.integers(0, 2**32 - 1)
_SPANS = st.one_of(st.just(0), st.integers(0, TEN_YEARS), st.integers(0, 60_000_000))
_OCTETS = st.just(64) | st.just(0) | st.integers(0, 255)
_TEXTS = st.text(max_size=30)
_READ_ONLY = {f"net.netfilter.nf_conntrack_{name}" for name in ("count", "buckets")}
_SYSCTLS = st.dictionaries(
    st.sampled_from(sorted(SYSCTLS.keys() - _READ_ONLY)), st.integers(0, 1), max_size=4
)
_INTERFACES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.@", min_size=3, max_size=15)


def _addresses(family: Family) -> SearchStrategy[int]:
    return st.integers(0, family.full_mask)


@st.composite
def topologies(draw: DrawFn) -> Topology:
    """Any topology."""
    family = draw(st.sampled_from(Family))

    def own(usual: str) -> str:
        if draw(st.booleans()):
            return usual
        length = draw(st.integers(0, family.bits))
        return f"{format_address(family, draw(_addresses(family)))}/{length}"

    is_v6 = family is Family.IPV6
    left, right = ("fd01::1/64", "fd02::1/64") if is_v6 else ("10.1.0.1/16", "10.2.0.1/16")
    kind = draw(st.sampled_from(("forward", "host", "lo")))
    if kind == "lo":
        return Loopback(family)
    if kind == "host":
        interface = draw(st.just("eth0") | _INTERFACES)
        return Host(family, draw(_DIRS), interface, own(left))
    one, other = draw(
        st.just(("eth0", "eth1"))
        | st.tuples(_INTERFACES, _INTERFACES).filter(lambda pair: pair[0] != pair[1])
    )
    near, far = own(left), own(right)
    assume(near.partition("/")[0] != far.partition("/")[0])
    return Forward(family, one, near, other, far)


@st.composite
def tcp_options(draw: DrawFn) -> TcpOptions:
    """Options of which there is at least one, and that fit into a header."""
    stamps = draw(st.none() | st.tuples(_NUMBERS, _NUMBERS))
    blocks = draw(st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=3 if stamps else 4))
    has_room = len(blocks) <= 2
    options = TcpOptions(
        draw(st.none() | _PORTS) if has_room else None,
        draw(st.none() | st.integers(0, 255)) if has_room else None,
        draw(st.booleans()) if has_room else False,
        stamps,
        tuple(blocks),
    )
    return options if options != TcpOptions() else TcpOptions(mss=1460)


@st.composite
def packets(draw: DrawFn, family: Family, senders: frozenset[Dir]) -> Send:
    """Any packet; `senders` are the ends that have sent before it."""
    addresses = st.none() | _addresses(family)
    ports = st.none() | _PORTS
    sender = draw(_DIRS)
    common: dict[str, Any] = {
        "saddr": draw(addresses),
        "daddr": draw(addresses),
        "wait": draw(_SPANS),
    }
    expire = draw(st.booleans())
    bad = draw(st.booleans())
    common |= {"ttl": draw(_OCTETS), "tos": draw(_OCTETS)}
    data = draw(st.just(b"") | _TEXTS.map(str.encode))

    def load(most: int = 65455) -> dict[str, Any]:
        return {"data": data, "length": draw(st.just(len(data)) | st.integers(len(data), most))}

    kind = draw(st.sampled_from(("tcp", "tcp", "udp", "icmp", "error", "other")))
    if kind == "tcp":
        return Send(
            sender,
            6,
            flags=TcpFlags(draw(st.integers(0, 255))),
            seq=draw(_NUMBERS),
            ack=draw(_NUMBERS),
            window=draw(_PORTS),
            options=draw(st.none() | tcp_options()),
            sport=draw(ports),
            dport=draw(ports),
            has_bad_checksum=bad,
            expire=expire,
            **load(),
            **common,
        )
    if kind == "udp":
        return Send(
            sender,
            17,
            sport=draw(ports),
            dport=draw(ports),
            has_bad_checksum=bad,
            expire=expire,
            **load(),
            **common,
        )
    if kind == "other":
        number = draw(st.sampled_from((2, 50, 89, 112, 255)))
        return Send(sender, number, expire=expire, **load(), **common)
    is_error = kind == "error" and sender.other in senders
    errors = (3, 4, 5, 11, 12) if family is Family.IPV4 else (0, 1, 2, 3, 4, 127)
    return Send(
        sender,
        1 if family is Family.IPV4 else 58,
        icmp_type=draw(st.sampled_from(errors) if is_error else st.integers(0, 255)),
        icmp_code=draw(st.integers(0, 255)),
        icmp_id=draw(_PORTS),
        icmp_seq=draw(_PORTS),
        quote=sender.other if is_error else None,
        has_bad_checksum=bad,
        expire=expire,
        **({} if is_error else load()),
        **common,
    )


@st.composite
def steps(draw: DrawFn, family: Family) -> tuple[Step, ...]:
    """Any packets and operations."""
    found: list[Step] = []
    senders: set[Dir] = set()
    operations: SearchStrategy[Step] = st.one_of(
        st.just(Expire()),
        st.just(Flush()),
        st.builds(Wait, _SPANS),
        st.builds(SetSysctls, _SYSCTLS),
    )
    for _ in range(draw(st.integers(0, 6))):
        step = draw(st.one_of(packets(family, frozenset(senders)), operations))
        if isinstance(step, Send):
            senders.add(step.sender)
        found.append(step)
    return tuple(found)


def claims(family: Family) -> SearchStrategy[tuple[Claim, ...]]:
    """Claims in the order in which they are read, at least one."""
    rule = st.sampled_from(("filter/FORWARD#2", "nat/PREROUTING policy", "filter/a-b return"))
    port = st.none() | _PORTS
    address = _addresses(family).map(lambda number: format_address(family, number))
    # A packet comes through or is stopped.
    seen = st.builds(Seen, address, port, address, port)
    arrives = st.just(Delivered(True)), st.just(Rejected(False)), st.builds(As, seen)
    stops = st.just(Delivered(False)), st.builds(Rejected, st.booleans()), st.builds(By, rule)
    each: list[SearchStrategy[tuple[Claim, ...]]] = [
        st.builds(Ctstate, st.none() | st.sampled_from(CTSTATES)).map(lambda one: (one,)),
        st.one_of(_some_of(*arrives), _some_of(*stops)),
        st.lists(st.builds(Matched, rule), min_size=1, max_size=3).map(tuple),
        st.builds(Rules, st.lists(rule, max_size=3).map(tuple)).map(lambda one: (one,)),
        st.one_of(
            st.just(NoEntry()), st.builds(HasEntry, st.none() | st.sampled_from(ENTRY_STATES))
        ).map(lambda one: (one,)),
    ]
    parts = [st.just(()) | one for one in each]
    return st.tuples(*parts).map(lambda found: sum(found, ())).filter(bool)


def _some_of(*claims: SearchStrategy[Any]) -> SearchStrategy[tuple[Claim, ...]]:
    parts = [st.just(()) | one.map(lambda claim: (claim,)) for one in claims]
    return st.tuples(*parts).map(lambda found: sum(found, ()))


@st.composite
def facts(draw: DrawFn) -> Facts:
    """Anything that may be known of a host."""
    numbers = st.integers(0, 2**32 - 2)
    owner = st.builds(Owner, numbers, numbers, st.lists(numbers, max_size=3).map(tuple))
    return Facts(
        clock=draw(st.none() | st.integers(0, 30_000 * 86_400 * 1_000_000)),
        owner=draw(st.none() | owner),
        mac=draw(st.none() | st.builds(Mac, st.none() | st.integers(0, 2**48 - 1))),
    )


@st.composite
def scenarios(draw: DrawFn, *, has_rules: bool = True) -> Scenario:
    """Any scenario that the reader can give."""
    topology = draw(topologies())
    family = topology.family
    rules = _TEXTS if has_rules else st.just("")
    found = draw(steps(family))
    packets = [number for number, step in enumerate(found) if isinstance(step, Send)]
    expected = draw(st.sets(st.sampled_from(packets))) if packets else ()
    return Scenario(
        draw(st.none() | _TEXTS),
        draw(st.none() | st.sampled_from([kernel.name for kernel in all_profiles()])),
        draw(_SYSCTLS),
        draw(rules),
        draw(rules),
        topology,
        Flow(draw(_addresses(family)), draw(_PORTS), draw(_addresses(family)), draw(_PORTS)),
        found,
        draw(rules),
        draw(facts()),
        tuple(Expectation(number, draw(claims(family))) for number in sorted(expected)),
    )
