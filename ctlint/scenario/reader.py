# SPDX-License-Identifier: GPL-2.0-only
"""Reads scenarios from JSON. docs/scenario.md is the definition of the format.

Nothing is guessed: a key that the format does not have, a value of another type and a packet that
cannot be put on a wire are errors. Numbers are read exactly, so a span of 0.1 s is 100000 µs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import UnknownKernel, profile
from ctlint.model.kernel.sysctls import NETFILTER, Sysctl, Unit, UnknownSysctl, resolve
from ctlint.scenario.defaults import (
    LEFT_ADDRESS,
    LEFT_INTERFACE,
    RIGHT_ADDRESS,
    RIGHT_INTERFACE,
    default_flow,
    default_icmp_type,
)
from ctlint.scenario.document import Document, Elements, ScenarioSyntaxError
from ctlint.scenario.expectation import Expectation
from ctlint.scenario.expectation_reader import CLAIM_KEYS, read_claims
from ctlint.scenario.facts_reader import read_facts
from ctlint.scenario.scenario import (
    DIR_NAMES,
    NO_FACTS,
    Expire,
    Flow,
    Flush,
    Forward,
    Host,
    Loopback,
    Scenario,
    ScenarioError,
    Send,
    SetSysctls,
    Step,
    Topology,
    Wait,
)
from ctlint.scenario.values import (
    read_address,
    read_choice,
    read_object,
    read_text,
    read_truth,
    read_whole,
    require,
    shown,
)
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import DEFAULT_TTL, TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP, is_icmp_error
from ctlint.wire.sequence import LAST
from ctlint.wire.tcp_flags import TcpFlags

MAX_PACKETS: Final = 100_000
"""Packets and operations of one scenario."""

MAX_TEXT: Final = 64 << 20
"""Characters of one document."""

MAX_WAIT: Final[Micros] = 3650 * 86_400 * SECOND
"""The longest span between two packets: ten years."""

_MAX_NUMBER: Final = 64
_MICRO_DIGITS: Final = 6
_NANOS_OF_MICRO: Final = 1000
_SHOWN: Final = 60
_INT_MAX: Final = 2**31 - 1

_SCENARIO_KEYS: Final = frozenset(
    (
        *("name", "kernel", "sysctls", "ruleset", "ruleset6", "ipsets", "facts", "topology"),
        *("flow", "packets", "expect"),
    )
)
_FLOW_KEYS: Final = frozenset(("saddr", "sport", "daddr", "dport"))
_FORWARD_KEYS: Final = frozenset(
    ("kind", "v6", "left_if", "right_if", "left_addr", "right_addr", "left_addr6", "right_addr6")
)
_HOST_KEYS: Final = frozenset(("kind", "v6", "role", "if", "addr", "addr6"))
_LOOPBACK_KEYS: Final = frozenset(("kind", "v6"))
_ANY_KEYS: Final = frozenset(
    (
        *("dir", "proto", "len", "saddr", "daddr", "dt", "expire"),
        *("ttl", "tos", "data", "expect"),
    )
)
_PORT_KEYS: Final = frozenset(("sport", "dport"))
_TCP_KEYS: Final = _ANY_KEYS | _PORT_KEYS | {"flags", "seq", "ack", "win", "opts", "badsum"}
_UDP_KEYS: Final = _ANY_KEYS | _PORT_KEYS | {"badsum"}
_ICMP_KEYS: Final = _ANY_KEYS | {"type", "code", "id", "seq", "quote", "badsum"}
_PACKET_KEYS: Final = _TCP_KEYS | _ICMP_KEYS
_OPTION_KEYS: Final = frozenset(("mss", "wscale", "sackok", "ts", "sack"))
_BARE: Final = '; packets are a scenario\'s "packets": {"packets": [ … ]}'
_BARE_KEYS: Final = dict.fromkeys((_PACKET_KEYS - _SCENARIO_KEYS) | {"op"}, _BARE)
_EXPECT_KEYS: Final = CLAIM_KEYS | {"packet"}
_OP_KEYS: Final[Mapping[str, frozenset[str]]] = {
    Expire.op: frozenset(("op",)),
    Flush.op: frozenset(("op",)),
    Wait.op: frozenset(("op", "dt")),
    SetSysctls.op: frozenset(("op", "sysctls")),
}

_DIRS: Final[Mapping[str, Dir]] = {name: direction for direction, name in DIR_NAMES.items()}
_PROTOCOLS: Final[Mapping[str, int]] = {"tcp": TCP, "udp": UDP, "icmp": ICMP}
_OWN_TRACKER: Final[Mapping[int, str]] = {
    33: "DCCP",
    47: "GRE",
    132: "SCTP",
    136: "UDP-Lite",
}
"""Protocols that conntrack follows in their own ways, which are not modelled."""
# ipv6_ext_hdr() of net/ipv6/exthdrs_core.c.
_EXTENSION_HEADERS: Final = frozenset((0, 43, 44, 51, 59, 60))

# RFC 9293, section 3.1; RFC 7323, section 2.2 and 3.2; RFC 2018, section 2 and 3.
_OPTIONS_ROOM: Final = 40
_MSS_LENGTH: Final = 4
_WSCALE_LENGTH: Final = 3
_SACKOK_LENGTH: Final = 2
_TS_LENGTH: Final = 10
_SACK_HEAD: Final = 2
_SACK_BLOCK: Final = 8
_MAX_BLOCKS: Final = 4
# What a payload may have: the datagram's most less the IP header (IPv6 does not count it).
_DATAGRAM: Final[Mapping[Family, int]] = {Family.IPV4: 65535 - 20, Family.IPV6: 65535}
_TCP_HEADER: Final = 20
_UDP_HEADER: Final = 8
_ICMP_HEADER: Final = 8

# dev_valid_name() of net/core/dev.c; IFNAMSIZ is 16 with the final NUL.
_INTERFACE: Final = re.compile(r"(?!\.\.?\Z)[^\s/:\0]+\Z")
_MAX_INTERFACE: Final = 15

# nf_conntrack_standalone.c: the count has mode 0444, and so has the size of the hash table in all
# network namespaces but the first. No conversation depends on either.
_READ_ONLY: Final = frozenset((f"{NETFILTER}count", f"{NETFILTER}buckets"))
_HIGHEST: Final[Mapping[Unit, int]] = {
    Unit.FLAG: 1,
    Unit.CHOICE: 255,
    Unit.PACKETS: 255,
    # proc_dointvec_jiffies refuses more than INT_MAX ticks; the usual least is 100 a second.
    Unit.SECONDS: _INT_MAX // 100,
}
"""The highest value of a sysctl by what it counts; others go up to INT_MAX. The lowest is 0."""


def read_scenarios(text: str) -> ScenarioReader:
    """The scenarios of a document: one object, a list of them, or JSON Lines.

    They are read one at a time. Raises ScenarioError when it comes to what it cannot read;
    ScenarioSyntaxError where the text is no JSON.
    """
    return ScenarioReader(text)


class ScenarioReader:
    """Iterates over the scenarios of a document, and knows where in it it stands."""

    def __init__(self, text: str) -> None:
        self._document = Document(text, MAX_PACKETS)
        self._scenarios = self._read()
        self.number = 0
        """Of the scenario that was read last, or is at fault; the first is 1."""

    def __iter__(self) -> Iterator[Scenario]:
        return self

    def __next__(self) -> Scenario:
        return next(self._scenarios)

    @property
    def line(self) -> int:
        """Where the last scenario begins, from 1; where one cannot be read, that of its packet at
        fault, if it is one.
        """
        return self._document.line

    def _read(self) -> Iterator[Scenario]:
        if len(self._document.text) > MAX_TEXT:
            raise ScenarioError(f"longer than {MAX_TEXT >> 20} MiB")
        for members in self._document.scenarios():
            self.number += 1
            given: dict[str, Any] = {}
            try:
                for key, value in members:
                    if key in given:
                        raise ScenarioError(f"a scenario has the key {shown(key)} twice")
                    given[key] = value
                    read_object(given, _SCENARIO_KEYS, "a scenario", _BARE_KEYS)
            except ScenarioSyntaxError:
                raise
            except ScenarioError as error:
                name = given.get("name")
                known = name if isinstance(name, str) else None
                raise ScenarioError(error.message, error.packet, known) from None
            yield scenario_from_json(given)


def scenario_from_json(obj: object) -> Scenario:
    """The scenario that a JSON value says, with all defaults filled in. Raises ScenarioError."""
    name = None
    try:
        given = read_object(obj, _SCENARIO_KEYS, "a scenario", _BARE_KEYS)
        if "name" in given:
            name = read_text(given["name"], "name")
        return _scenario(given)
    except ScenarioError as error:
        raise ScenarioError(error.message, error.packet, name) from None


# Scenarios


def _scenario(given: Mapping[str, Any]) -> Scenario:
    topology = _topology(given.get("topology", "forward"))
    packets = require(given, "packets", "a scenario")
    steps, expectations = _steps(packets, topology.family)
    if "expect" in given:
        expectations = _expectations(given["expect"], steps, expectations, topology.family)
    return Scenario(
        name=read_text(given["name"], "name") if "name" in given else None,
        kernel=_kernel(given["kernel"]) if "kernel" in given else None,
        sysctls=read_sysctls(given.get("sysctls", {})),
        ruleset=read_text(given.get("ruleset", ""), "ruleset"),
        ruleset6=read_text(given.get("ruleset6", ""), "ruleset6"),
        topology=topology,
        flow=_flow(given["flow"], topology) if "flow" in given else default_flow(topology),
        steps=steps,
        ipsets=read_text(given.get("ipsets", ""), "ipsets"),
        facts=read_facts(given["facts"]) if "facts" in given else NO_FACTS,
        expectations=expectations,
    )


def _kernel(value: object) -> str:
    name = read_text(value, "kernel")
    try:
        profile(name)
    except UnknownKernel as error:
        raise ScenarioError(f"{error}; `ctlint kernel --list` names all") from None
    return name


def read_sysctls(value: object) -> dict[str, int]:
    """Settings by their full names. Raises ScenarioError."""
    found: dict[str, int] = {}
    for name, setting in read_object(value, None, '"sysctls"').items():
        sysctl = _sysctl(name)
        if sysctl.name in found:
            raise ScenarioError(f'"sysctls" sets {sysctl.name} twice')
        found[sysctl.name] = read_whole(setting, name, 0, highest_value(sysctl))
    return found


def highest_value(sysctl: Sysctl) -> int:
    """The highest value that a sysctl takes."""
    return _HIGHEST.get(sysctl.unit, _INT_MAX)


def _sysctl(name: str) -> Sysctl:
    """The sysctl of that name, if it can be set."""
    try:
        # Blanks are no part of a name, though a line of sysctl.conf may have them around it.
        if name != "".join(name.split()):
            raise ScenarioError(f'"sysctls": the name {shown(name)} has blanks')
        sysctl = resolve(name).sysctl
    except UnknownSysctl as error:
        raise ScenarioError(_in_lower_case(name) or str(error)) from None
    if sysctl.name in _READ_ONLY:
        raise ScenarioError(f'"sysctls": {sysctl.name} is read-only: it cannot be set')
    return sysctl


def _in_lower_case(name: str) -> str | None:
    """What is wrong with the name of a sysctl that is one but for its case."""
    try:
        resolve(name.lower())
    except UnknownSysctl:
        return None
    return f'no kernel has a sysctl {shown(name)}: did you mean "{name.lower()}"?'


def _topology(value: object) -> Topology:
    given = {"kind": value} if isinstance(value, str) else value
    if not isinstance(given, dict):
        raise ScenarioError(f'"topology" must be a name or an object, not {shown(value)}')
    kind = require(given, "kind", '"topology"')
    reader = read_choice(kind, _TOPOLOGIES, "topology" if given is not value else "kind")
    return reader(given)


def _forward(given: Mapping[str, Any]) -> Forward:
    given = read_object(given, _FORWARD_KEYS, 'a "forward" topology')
    family = _family(given, ("left_addr", "right_addr"))
    left = _interface(given.get("left_if", LEFT_INTERFACE), "left_if")
    right = _interface(given.get("right_if", RIGHT_INTERFACE), "right_if")
    left_addr = _own_address(given, "left_addr", family, LEFT_ADDRESS)
    right_addr = _own_address(given, "right_addr", family, RIGHT_ADDRESS)
    address = left_addr.partition("/")[0]
    if left != right and address == right_addr.partition("/")[0]:
        raise ScenarioError(f"the address {address} is on two interfaces, {left} and {right}")
    return Forward(family, left, left_addr, right, right_addr)


def _host(given: Mapping[str, Any]) -> Host:
    given = read_object(given, _HOST_KEYS, 'a "host" topology')
    family = _family(given, ("addr",))
    return Host(
        family,
        read_choice(given.get("role", "orig"), _DIRS, "role"),
        _interface(given.get("if", LEFT_INTERFACE), "if"),
        _own_address(given, "addr", family, LEFT_ADDRESS),
    )


def _loopback(given: Mapping[str, Any]) -> Loopback:
    return Loopback(_family(read_object(given, _LOOPBACK_KEYS, 'a "lo" topology'), ()))


_TOPOLOGIES: Final[Mapping[str, Callable[[Mapping[str, Any]], Topology]]] = {
    "forward": _forward,
    "host": _host,
    "lo": _loopback,
}


def _family(given: Mapping[str, Any], addresses: Iterable[str]) -> Family:
    is_v6 = read_truth(given.get("v6", False), "v6")
    for key in addresses:
        if is_v6 and key in given and f"{key}6" not in given:
            raise ScenarioError(f'"{key}" is that of IPv4; with "v6": true write "{key}6"')
        if not is_v6 and f"{key}6" in given and key not in given:
            raise ScenarioError(f'"{key}6" is used with "v6": true only')
    return Family.IPV6 if is_v6 else Family.IPV4


def _own_address(
    given: Mapping[str, Any], key: str, family: Family, default: Mapping[Family, str]
) -> str:
    """An address of the box with its prefix length; that of the other family is only checked."""
    found = dict(default)
    for each, name in ((Family.IPV4, key), (Family.IPV6, f"{key}6")):
        if name in given:
            found[each] = _prefixed(given[name], name, each)
    return found[family]


def _prefixed(value: object, what: str, family: Family) -> str:
    text = read_text(value, what)
    host, slash, length = text.partition("/")
    if not (slash and length.isascii() and length.isdigit() and len(length) <= 3):
        raise ScenarioError(
            f'"{what}" must be an address with its prefix length, as '
            f"{LEFT_ADDRESS[family]}, not {shown(value)}"
        )
    address = read_address(host, what, family)
    if int(length) > family.bits:
        raise ScenarioError(f'"{what}": prefix length /{length} is more than {family.bits}')
    return f"{format_address(family, address)}/{int(length)}"


def _interface(value: object, what: str) -> str:
    name = read_text(value, what)
    size = len(name.encode())
    if not _INTERFACE.match(name) or size > _MAX_INTERFACE or name == "lo":
        raise ScenarioError(
            f'"{what}" must be an interface name of up to {_MAX_INTERFACE} characters, other than '
            f"lo, not {shown(value)}"
        )
    return name


def _flow(value: object, topology: Topology) -> Flow:
    given = read_object(value, _FLOW_KEYS, '"flow"')
    default = default_flow(topology)
    family = topology.family
    return Flow(
        read_address(given["saddr"], "saddr", family) if "saddr" in given else default.saddr,
        read_whole(given.get("sport", default.sport), "sport", 0, 65535),
        read_address(given["daddr"], "daddr", family) if "daddr" in given else default.daddr,
        read_whole(given.get("dport", default.dport), "dport", 0, 65535),
    )


# Packets


def _steps(value: object, family: Family) -> tuple[tuple[Step, ...], tuple[Expectation, ...]]:
    """The steps, and what the packets themselves expect."""
    if not isinstance(value, list | Elements):
        raise ScenarioError(f'"packets" must be a list, not {shown(value)}')
    if len(value) > MAX_PACKETS:
        raise ScenarioError(f"more than {MAX_PACKETS:,} packets")
    steps: list[Step] = []
    senders: set[Dir] = set()
    shared: dict[TcpOptions, TcpOptions] = {}
    expectations: list[Expectation] = []
    for index, each in enumerate(value):
        try:
            step = _step(each, family)
            if isinstance(step, Send):
                if step.quote is not None and step.quote not in senders:
                    raise ScenarioError(
                        f'"quote": there is no packet of {DIR_NAMES[step.quote]} before this one'
                    )
                senders.add(step.sender)
                if "expect" in each:
                    claims = read_claims(each["expect"], family)
                    expectations.append(Expectation(index, claims))
                if step.options is not None:
                    options = shared.setdefault(step.options, step.options)
                    if options is not step.options:
                        step = replace(step, options=options)
        except ScenarioError as error:
            raise ScenarioError(error.message, index) from None
        steps.append(step)
    return tuple(steps), tuple(expectations)


def _expectations(
    value: object, steps: Sequence[Step], own: Iterable[Expectation], family: Family
) -> tuple[Expectation, ...]:
    """The expectations of a scenario, with those that stand in its packets."""
    if not isinstance(value, list):
        raise ScenarioError(f'"expect" must be a list, not {shown(value)}')
    claims = {each.packet: each.claims for each in own}
    for each in value:
        given = read_object(each, _EXPECT_KEYS, "an expectation")
        last = len(steps) - 1
        if last < 0:
            raise ScenarioError('"expect": there is no packet of which to expect anything')
        packet = read_whole(require(given, "packet", "an expectation"), "packet", 0, last)
        if not isinstance(steps[packet], Send):
            raise ScenarioError('"expect": this is an operation, not a packet', packet)
        rest = {key: value for key, value in given.items() if key != "packet"}
        try:
            claims[packet] = read_claims(rest, family, claims.get(packet, ()))
        except ScenarioError as error:
            raise ScenarioError(error.message, packet) from None
    return tuple(Expectation(packet, claims[packet]) for packet in sorted(claims))


def _step(value: object, family: Family) -> Step:
    if isinstance(value, dict) and "op" in value:
        return _operation(value)
    given = read_object(value, _PACKET_KEYS, "a packet")
    protocol = _protocol(given.get("proto", "tcp"), family)
    if protocol == TCP:
        return _tcp(given, family)
    if protocol == UDP:
        _require_applicable(given, _UDP_KEYS, "UDP")
        return _send(given, family, protocol, _UDP_HEADER)
    if protocol in (ICMP, ICMPV6):
        return _icmp(given, family, protocol)
    _require_applicable(given, _ANY_KEYS, f"protocol {protocol}")
    return _send(given, family, protocol, 0)


def _operation(given: Mapping[str, Any]) -> Step:
    op = given["op"]
    keys = read_choice(op, _OP_KEYS, "op")
    read_object(given, keys, f'operation "{op}"')
    if op == Expire.op:
        return Expire()
    if op == Flush.op:
        return Flush()
    if op == Wait.op:
        return Wait(_span(require(given, "dt", 'operation "wait"')))
    return SetSysctls(read_sysctls(require(given, "sysctls", 'operation "sysctl"')))


def _protocol(value: object, family: Family) -> int:
    if isinstance(value, str):
        number = read_choice(value, _PROTOCOLS, "proto")
        return ICMPV6 if number == ICMP and family is Family.IPV6 else number
    number = read_whole(value, "proto", 0, 255)
    if number in _OWN_TRACKER:
        raise ScenarioError(
            f'"proto" {number}: the kernel tracks {_OWN_TRACKER[number]} in its own way, which is '
            "not modelled"
        )
    if family is Family.IPV6 and number in _EXTENSION_HEADERS:
        raise ScenarioError(f'"proto" {number} is an extension header of IPv6, not a protocol')
    if number == (ICMP if family is Family.IPV6 else ICMPV6):
        raise ScenarioError(f'"proto" {number} is the ICMP of the other family; write "icmp"')
    return number


def _tcp(given: Mapping[str, Any], family: Family) -> Send:
    _require_applicable(given, _TCP_KEYS, "TCP")
    options, room = _options(given["opts"]) if "opts" in given else (None, 0)
    return _send(
        given,
        family,
        TCP,
        _TCP_HEADER + room,
        flags=_flags(given.get("flags", "")),
        seq=read_whole(given.get("seq", 0), "seq", 0, LAST),
        ack=read_whole(given.get("ack", 0), "ack", 0, LAST),
        window=read_whole(given.get("win", 65535), "win", 0, 65535),
        options=options,
    )


def _icmp(given: Mapping[str, Any], family: Family, protocol: int) -> Send:
    _require_applicable(given, _ICMP_KEYS, "ICMP")
    sender = _dir(given)
    quote = read_choice(given["quote"], _DIRS, "quote") if "quote" in given else None
    kind = default_icmp_type(family, sender, is_error=quote is not None)
    kind = read_whole(given.get("type", kind), "type", 0, 255)
    if quote is not None:
        if not is_icmp_error(protocol, kind):
            raise ScenarioError(f'"quote": an ICMP packet of type {kind} is no error')
        if quote is sender:
            raise ScenarioError('"quote": an end does not receive its own packets')
        if "len" in given and read_whole(given["len"], "len", 0, 65535):
            raise ScenarioError('"len": what an ICMP error carries is the packet that it quotes')
        if given.get("data"):
            raise ScenarioError('"data": what an ICMP error carries is the packet that it quotes')
    return _send(
        given,
        family,
        protocol,
        _ICMP_HEADER,
        icmp_type=kind,
        icmp_code=read_whole(given.get("code", 0), "code", 0, 255),
        icmp_id=read_whole(given.get("id", 0), "id", 0, 65535),
        icmp_seq=read_whole(given.get("seq", 0), "seq", 0, 65535),
        quote=quote,
    )


def _send(given: Mapping[str, Any], family: Family, protocol: int, header: int, **own: Any) -> Send:
    """A packet: what all protocols have, and what is its own. `header` counts bytes."""
    most = _DATAGRAM[family] - header
    data = read_text(given["data"], "data").encode() if "data" in given else b""
    length = read_whole(given.get("len", len(data)), "len", 0, most)
    if length < len(data):
        raise ScenarioError(f'"len" is {length}, but the "data" have {len(data)} bytes')
    return Send(
        sender=_dir(given),
        protocol=protocol,
        length=length,
        saddr=read_address(given["saddr"], "saddr", family) if "saddr" in given else None,
        sport=read_whole(given["sport"], "sport", 0, 65535) if "sport" in given else None,
        daddr=read_address(given["daddr"], "daddr", family) if "daddr" in given else None,
        dport=read_whole(given["dport"], "dport", 0, 65535) if "dport" in given else None,
        has_bad_checksum=read_truth(given.get("badsum", False), "badsum"),
        wait=_span(given["dt"]) if "dt" in given else 0,
        expire=read_truth(given.get("expire", False), "expire"),
        ttl=read_whole(given.get("ttl", DEFAULT_TTL), "ttl", 0, 255),
        tos=read_whole(given.get("tos", 0), "tos", 0, 255),
        data=data,
        **own,
    )


def _dir(given: Mapping[str, Any]) -> Dir:
    return read_choice(require(given, "dir", "a packet"), _DIRS, "dir")


def _require_applicable(given: Mapping[str, Any], keys: frozenset[str], what: str) -> None:
    """Refuses keys of packets of another protocol."""
    if not given.keys() <= keys:
        key = next(key for key in given if key not in keys)
        raise ScenarioError(f'"{key}" says nothing of a packet of {what}')


def _flags(value: object) -> TcpFlags:
    text = read_text(value, "flags")
    known = _KNOWN_FLAGS.get(text)
    if known is not None:
        return known
    if not _LETTERS.issuperset(text):
        raise ScenarioError(
            f'"flags" must be letters of {_ORDER}, not {shown(text)}{_as_letters(text)}'
        )
    if len(set(text)) < len(text):
        raise ScenarioError(f'"flags" {shown(text)} has a letter twice')
    return TcpFlags.parse(text)


def _as_letters(text: str) -> str:
    """The letters for flags that are written in another way."""
    try:
        letters = TcpFlags.parse(text).letters if len(text) <= _SHOWN else ""
    except ValueError:
        letters = ""
    return f'; did you mean "{letters}"?' if letters else ""


_ORDER: Final = "SFRPAUEC"
_LETTERS: Final = frozenset(_ORDER)
_KNOWN_FLAGS: Final = {
    letters: TcpFlags.parse(letters)
    for letters in ("", "S", "SA", "A", "PA", "FA", "F", "R", "RA", "FPA")
}


def _options(value: object) -> tuple[TcpOptions | None, int]:
    """The options, and the bytes that they take, filled up to whole words.

    A header has options only where there is one: without any, they are None.
    """
    given = read_object(value, _OPTION_KEYS, '"opts"')
    mss = read_whole(given["mss"], "mss", 0, 65535) if "mss" in given else None
    wscale = read_whole(given["wscale"], "wscale", 0, 255) if "wscale" in given else None
    sackok = read_truth(given.get("sackok", False), "sackok")
    stamps = _pair(given["ts"], "ts") if "ts" in given else None
    sack = _sack(given.get("sack", []))
    size = (
        _MSS_LENGTH * (mss is not None)
        + _WSCALE_LENGTH * (wscale is not None)
        + _SACKOK_LENGTH * sackok
        + _TS_LENGTH * (stamps is not None)
        + (_SACK_HEAD + _SACK_BLOCK * len(sack) if sack else 0)
    )
    if size > _OPTIONS_ROOM:
        raise ScenarioError(f'"opts" take {size} bytes; a TCP header has {_OPTIONS_ROOM} for them')
    if not size:
        return None, 0
    return TcpOptions(mss, wscale, sackok, stamps, sack), (size + 3) // 4 * 4


def _sack(value: object) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list):
        raise ScenarioError(f'"sack" must be a list of blocks, not {shown(value)}')
    if len(value) > _MAX_BLOCKS:
        raise ScenarioError(f'"sack" has {len(value)} blocks; at most {_MAX_BLOCKS} fit')
    return tuple(_pair(block, "sack") for block in value)


def _pair(value: object, what: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ScenarioError(f'"{what}" needs pairs of two numbers, not {shown(value)}')
    return read_whole(value[0], what, 0, LAST), read_whole(value[1], what, 0, LAST)


def _span(value: object) -> Micros:
    """Seconds as whole microseconds; exactly, but for what floats leave of a sum."""
    number: int | Decimal
    if type(value) is int or isinstance(value, Decimal):
        number = value
    elif isinstance(value, float) and math.isfinite(value):
        number = Decimal(repr(value))
    else:
        raise ScenarioError(f'"dt" must be a number of seconds, not {shown(value)}')
    if isinstance(number, Decimal) and not number.is_finite():
        raise ScenarioError(f'"dt" must be a number of seconds, not {shown(value)}')
    if not 0 <= number <= MAX_WAIT // SECOND:
        raise ScenarioError(
            f'"dt" must be from 0 to {MAX_WAIT // SECOND} seconds (ten years), not {shown(value)}'
        )
    if isinstance(number, int):
        return number * SECOND
    # Through integers: the operators of Decimal round to their context.
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if not any(digits):
        return 0
    power = exponent + _MICRO_DIGITS
    if len(digits) <= _MAX_NUMBER:
        mantissa = int("".join(map(str, digits)))
        if power >= 0:
            return mantissa * int(10**power)
        # Behind so many digits the span is shorter than a nanosecond, however far it goes on.
        scale = int(10 ** min(-power, len(digits) + 4))
        whole, rest = divmod(mantissa, scale)
        # What a sum of floats says instead of 0.3 is less than a nanosecond off.
        if rest * _NANOS_OF_MICRO < scale:
            return whole
        if (scale - rest) * _NANOS_OF_MICRO < scale:
            return whole + 1
    raise ScenarioError(f'"dt" has parts of a microsecond: {shown(value)}')
