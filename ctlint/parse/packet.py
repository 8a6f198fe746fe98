# SPDX-License-Identifier: GPL-2.0-only
"""Reads one packet from text: as ``ctlint explain`` documents it, a line of tcpdump, or a line that
the LOG target wrote. ``grammar/packet.lark`` says what each may be.

Sources: tcpdump(1) and its print-icmp.c; net/ipv4/netfilter/nf_log_ipv4.c and its IPv6 twin of
Linux 5.10 (nf_log_syslog.c since 5.13).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem, expected_terminals
from ctlint.parse.extensions.match_icmp6 import parse_icmp_type
from ctlint.parse.tcpdump_head import (
    Head,
    quoted_line,
    read_option_bytes,
    read_options,
    take_head,
)
from ctlint.resources import grammar_text
from ctlint.wire.addresses import Family, parse_exact_address
from ctlint.wire.encoding import IPV4_HEADER, IPV6_HEADER, total_length
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP, parse_port, parse_protocol
from ctlint.wire.tcp_flags import TcpFlags

if TYPE_CHECKING:
    from lark import Lark, Token, Tree, UnexpectedInput

MAX_LENGTH: Final = 4_000
"""Characters of the text; the kernel writes less than 1,024 a log line."""

_HINT: Final = "for example: 10.0.0.5:44321 > 10.0.0.9:443 FIN,ACK"
_PORT_HINT: Final = "write 10.0.0.5:443, or [fd00::1]:443"
_LOG: Final = re.compile(r"IN=\S* OUT=\S*\s")
_TCPDUMP: Final = re.compile(r"\s{0,9}(?:\S+\s+){0,5}?IP6?\s+\S+ > \S+: ")
_PORTED: Final = frozenset({TCP, UDP, 33, 132, 136})
_FIELD_MOST: Final = {"seq": 2**32 - 1, "ack": 2**32 - 1, "win": 65_535, "len": 65_535}
_SHORT_FLAGS: Final = {".": "A", "W": "C", "e": ""}
_LOG_FLAGS: Final = ("CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN")

# What tcpdump prints of a message, and the type and code that make it print so.
_MESSAGES: Final = tuple(
    (re.compile(pattern), ICMP, kind, code)
    for pattern, kind, code in (
        (r"ICMP echo request\b", 8, 0),
        (r"ICMP echo reply\b", 0, 0),
        (r"ICMP net \S+ unreachable - admin prohibited\b", 3, 9),
        (r"ICMP host \S+ unreachable - admin prohibited filter\b", 3, 13),
        (r"ICMP host \S+ unreachable - admin prohibited\b", 3, 10),
        (r"ICMP net \S+ unreachable,", 3, 0),
        (r"ICMP host \S+ unreachable,", 3, 1),
        (r"ICMP \S+ protocol \S+ unreachable\b", 3, 2),
        (r"ICMP \S+ (?:tcp|udp) port \S+ unreachable\b", 3, 3),
        (r"ICMP \S+ unreachable - need to frag\b", 3, 4),
        (r"ICMP time exceeded in-transit\b", 11, 0),
    )
) + tuple(
    (re.compile(pattern), ICMPV6, kind, code)
    for pattern, kind, code in (
        (r"ICMP6, echo request\b", 128, 0),
        (r"ICMP6, echo reply\b", 129, 0),
        (r"ICMP6, destination unreachable, unreachable route\b", 1, 0),
        (r"ICMP6, destination unreachable, unreachable prohibited\b", 1, 1),
        (r"ICMP6, destination unreachable, unreachable address\b", 1, 3),
        (r"ICMP6, destination unreachable, unreachable port\b", 1, 4),
        (r"ICMP6, packet too big\b", 2, 0),
        (r"ICMP6, time exceeded in-transit\b", 3, 0),
        (r"ICMP6, router solicitation\b", 133, 0),
        (r"ICMP6, router advertisement\b", 134, 0),
        (r"ICMP6, neighbor solicitation\b", 135, 0),
        (r"ICMP6, neighbor advertisement\b", 136, 0),
    )
)

_TCPDUMP_REST: Final = ("DATAGRAM", "MESSAGE", "SPOKEN")
_SPOKEN: Final = (
    *(("ESP(", 50), ("AH(", 51), ("GREv", 47), ("igmp ", 2), ("VRRPv", 112), ("CARPv", 112)),
    *(("OSPFv", 89), ("PIMv", 103), ("IP ", 4), ("IP6 ", 41)),
)
"""How tcpdump begins with packets of other protocols, and their numbers."""

_EXPECTED: Final = (
    ({"IPV4", "IPV6"}, "an address such as 10.0.0.5:443 or [fd00::1]:443"),
    ({"_ARROW"}, "'>' between the addresses"),
    ({"FLAGS"}, "TCP flags such as FIN,ACK or SA or none, or udp, or icmp TYPE"),
    ({"ICMP_TYPE"}, "a type such as echo-request or 3/1"),
    ({"PORT"}, "a port, by number or name"),
    ({"NUMBER"}, "a number"),
    ({"FIELD"}, "seq=, ack=, win= or len="),
    ({"KIND"}, "IP or IP6"),
    ({"DATAGRAM"}, "Flags […], UDP or ICMP"),
    ({"SHORT_FLAGS"}, "flags such as F."),
    ({"RSQB"}, "']'"),
    ({"PAIR"}, "a field of a log line such as SPT=443"),
)


class PacketText(NamedTuple):
    """A packet, and what else the text says of it.

    An interface is None where the text says nothing of it, and empty where it says that there is
    none (``OUT=`` of a packet that comes in). ``known`` are the parts of the packet's header that
    are as the text says, ``length`` is that of the whole packet where it is among them. ``mac`` is
    the sender's address on the link, ``mark`` the packet's mark.
    """

    packet: Packet
    in_interface: str | None = None
    out_interface: str | None = None
    known: frozenset[HeaderField] = frozenset()
    length: int = 0
    mac: int | None = None
    mark: int | None = None


def parse_packet(text: str, name: str = "PACKET") -> PacketText:
    """Read one packet. ``name`` stands for the text in messages.

    The payload of a TCP segment comes from ``len=`` or tcpdump's ``length``, else it is 0: a log
    line without options tells the length of the IP packet, but not that of the TCP header. Sequence
    numbers and windows are checked and passed over: the packet has none.

    Raises ParseError with one problem.
    """
    return _Reader(text, name).read()


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.text = text.rstrip("\r\n \t")
        self.name = name
        self.head = Head()

    def read(self) -> PacketText:
        text = self.text
        if not text.strip():
            self.refuse(0, 0, "no packet", _HINT)
        if len(text) > MAX_LENGTH:
            self.refuse(0, len(text), f"longer than {MAX_LENGTH:,} characters")
        if not _LOG.search(text):
            text, self.head = take_head(text)
            self.text = text
        if "\n" in text:
            end = text.index("\n")
            self.refuse(end, end, "one packet on one line is expected")
        if _LOG.search(text):
            return self.logged(self.tree("log"))
        if _TCPDUMP.match(text):
            return self.dumped(self.tree("tcpdump"))
        return self.described(self.tree("described"))

    def refuse(self, start: int, end: int, message: str, hint: str | None = None) -> NoReturn:
        span = Span(self.name, 1, start + 1, max(start, end) + 1)
        raise ParseError((Problem(span, message, hint),))

    def refuse_token(self, token: Token, message: str, hint: str | None = None) -> NoReturn:
        self.refuse(token.start_pos or 0, token.end_pos or 0, message, hint)

    def tree(self, start: str) -> Tree[Token]:
        from lark import UnexpectedInput

        try:
            return _parser().parse(self.text, start)
        except UnexpectedInput as error:
            self.refuse_syntax(error)

    def refuse_syntax(self, error: UnexpectedInput) -> NoReturn:
        expected, is_end = expected_terminals(error)
        position = len(self.text) if is_end else error.column - 1
        what = next((text for names, text in _EXPECTED if names & expected), "the end")
        found = self.text[position:].split(" ")[0][:40]
        message = f"expected {what}, found {found!r}" if found else f"expected {what} at the end"
        self.refuse(position, position + len(found), message, _HINT)

    # Described

    def described(self, tree: Tree[Token]) -> PacketText:
        from lark import Token, Tree

        (family, saddr, sport, source), (other, daddr, dport, target) = (
            self.endpoint(child)
            for child in tree.children
            if isinstance(child, Tree) and child.data == "endpoint"
        )
        if family is not other:
            self.refuse_token(target, "the addresses are of two families")
        words = {child.type: child for child in tree.children if isinstance(child, Token)}
        payload = self.fields(
            [child for child in tree.children if isinstance(child, Tree) and child.data == "field"]
        )
        protocol = TCP
        flags: TcpFlags | None = None
        kind: tuple[int, int] | None = None
        if "FLAGS" in words:
            flags = self.flags(words["FLAGS"])
        elif "TRANSPORT" in words:
            protocol = parse_protocol(str(words["TRANSPORT"]))
        elif "OTHER" in words or "PROTOCOL" in words:
            protocol = self.protocol(words.get("OTHER") or words["PROTOCOL"])
        else:
            protocol = ICMP if family is Family.IPV4 else ICMPV6
            if protocol == ICMP and str(words["ICMP"]).lower() != "icmp":
                self.refuse_token(words["ICMP"], "ICMPv6 has IPv6 addresses")
            kind = self.icmp(words["ICMP_TYPE"], family)
        for port, token in ((sport, source), (dport, target)):
            if (port is None) is (protocol in _PORTED):
                end = token.end_pos or 0
                if port is None:
                    self.refuse(end, end, "expected ':' and a port behind the address", _PORT_HINT)
                self.refuse_token(token, "a packet of this protocol has no ports")
        packet = Packet(family, saddr, daddr, protocol, sport, dport, flags, payload=payload)
        return PacketText(packet if kind is None else _with_kind(packet, kind))

    def endpoint(self, tree: Tree[Token]) -> tuple[Family, int, int | None, Token]:
        """Family, address, port and the last word of an endpoint."""
        from lark import Token

        tokens = [child for child in tree.children if isinstance(child, Token)]
        address, last = tokens[0], tokens[-1]
        family = Family.IPV4 if address.type == "IPV4" else Family.IPV6
        hint = _PORT_HINT if str(address).count(":") == 1 else None
        said = f"not an IP address: {str(address)[:50]!r}"
        number = self.address(str(address), family, address, said, hint)
        if last is address:
            return family, number, None, last
        return family, number, self.port(last), last

    def address(
        self, text: str, family: Family, token: Token, message: str, hint: str | None = None
    ) -> int:
        try:
            return parse_exact_address(text, family)
        except ValueError:
            self.refuse_token(token, message, hint)

    def port(self, token: Token) -> int:
        try:
            return parse_port(str(token))
        except ValueError as error:
            self.refuse_token(token, str(error))

    def flags(self, token: Token) -> TcpFlags:
        text = str(token)
        try:
            return TcpFlags.parse("" if text.lower() == "none" else text)
        except ValueError as error:
            self.refuse_token(token, str(error))

    def icmp(self, token: Token, family: Family) -> tuple[int, int]:
        try:
            found = parse_icmp_type(str(token), family)
        except ValueError as error:
            self.refuse_token(token, str(error), "for example echo-request, 8 or 3/1")
        return found.type, found.code_low

    def fields(self, trees: list[Tree[Token]]) -> int:
        """Checks ``seq= ack= win= len=``; gives the length."""
        from lark import Token

        seen: set[str] = set()
        payload = 0
        for tree in trees:
            key, value = (child for child in tree.children if isinstance(child, Token))
            field = str(key).lower()
            if field in seen:
                self.refuse_token(key, f"{field} is given twice")
            seen.add(field)
            number = self.number(value, _FIELD_MOST[field])
            if field == "len":
                payload = number
        return payload

    def number(self, token: Token, most: int) -> int:
        text = str(token)
        if len(text) > 12 or int(text) > most:
            self.refuse_token(token, f"a number up to {most:,} is expected")
        return int(text)

    # tcpdump

    def dumped(self, tree: Tree[Token]) -> PacketText:
        tokens = {token.type: token for token in tree.scan_values(lambda _: True)}
        family = Family.IPV6 if tokens["KIND"] == "IP6" else Family.IPV4
        head = self.head
        what = next(
            token for name, token in tokens.items() if name in ("SHORT_FLAGS", *_TCPDUMP_REST)
        )
        rest = str(tokens.get("REST", "")) if what.type == "SHORT_FLAGS" else str(what)
        protocol, length = TCP, self.length(rest)
        flags: TcpFlags | None = None
        kind: tuple[int, int] | None = None
        options, has_options = None, False
        if what.type == "SHORT_FLAGS":
            flags = self.short_flags(what)
            options, has_options = read_options(rest)
        elif what.type == "DATAGRAM":
            protocol = UDP
        elif what.type == "MESSAGE":
            protocol, kind = self.message(what)
        else:
            has_ports = str(tokens["SOURCE"]).count(".") == (1 if family is Family.IPV6 else 4)
            protocol = UDP if has_ports else self.spoken(what)
            answered = re.search(r" \((\d{1,5})\)$", rest)
            length = int(answered[1]) if answered and length is None else length
        has_port = protocol in _PORTED
        saddr, sport = self.dotted(tokens["SOURCE"], family, has_port=has_port)
        daddr, dport = self.dotted(tokens["TARGET"], family, has_port=has_port)
        packet = Packet(family, saddr, daddr, protocol, sport, dport, flags, options=options)
        if kind is not None:
            packet = _with_kind(packet, kind)._replace(
                icmp_id=self.identifier(rest), quoted=self.quoted(rest)
            )
        elif has_port:
            packet = packet._replace(payload=length or 0)
        interface = str(tokens["INTERFACE"]) if "INTERFACE" in tokens else None
        is_out = interface is not None and tokens["DIRECTION"] == "Out"
        text = PacketText(packet, "" if is_out else interface, interface if is_out else None)
        text = _with_head(text, ttl=head.ttl, tos=head.tos, length=head.length)
        if has_options:
            text = text._replace(known=text.known | {HeaderField.OPTIONS})
        if head.length is None and length is not None and (has_options or protocol != TCP):
            headers = IPV6_HEADER if family is Family.IPV6 else IPV4_HEADER
            whole = total_length(packet) if has_port else headers + length
            text = _with_head(text, length=whole)
        return text._replace(mac=None if is_out else head.mac)

    def spoken(self, token: Token) -> int:
        """The protocol of a line that has no ports."""
        if self.head.protocol is not None:
            return self.head.protocol
        numbered = re.match(r"ip-proto-(\d{1,3})\b", token)
        if numbered is not None:
            return self.protocol(token.update(value=numbered[1]))
        found = next((protocol for start, protocol in _SPOKEN if token.startswith(start)), None)
        if found is None:
            hint = "write it as 10.0.0.5 > 10.0.0.9 NUMBER"
            self.refuse_token(token, "this protocol is not read", hint)
        return found

    def identifier(self, rest: str) -> int:
        found = re.search(r", id (\d{1,5})(?!\d)", rest)
        return min(int(found[1]), 65_535) if found else 0

    def quoted(self, rest: str) -> Packet | None:
        """The packet that an error quotes, where tcpdump -v prints it."""
        line = quoted_line(rest)
        if line is None:
            return None
        try:
            return parse_packet(line, self.name).packet
        except ParseError:
            return None

    def short_flags(self, token: Token) -> TcpFlags:
        text = str(token)
        letters = "" if text == "none" else text
        return self.flags(token.update(value="".join(_SHORT_FLAGS.get(c, c) for c in letters)))

    def length(self, text: str) -> int | None:
        found = re.search(r", length (\d{1,5})(?!\d)", text)
        return min(int(found[1]), 65_535) if found else None

    def message(self, token: Token) -> tuple[int, tuple[int, int]]:
        text = re.sub(r"^\[[^\]]*\] ", "", str(token))
        found = next((row for row in _MESSAGES if row[0].match(text)), None)
        if found is None:
            hint = "write it as 10.0.0.5 > 10.0.0.9 icmp TYPE/CODE"
            self.refuse_token(token, "this message is not read", hint)
        return found[1], (found[2], found[3])

    def dotted(self, token: Token, family: Family, *, has_port: bool) -> tuple[int, int | None]:
        """``10.0.0.5.443`` or ``fd00::1.443``; without the port where there is none."""
        text = str(token)
        address, _, port = text.rpartition(".") if has_port else (text, "", "")
        said = f"not an IP address and port: {text[:60]!r}"
        number = self.address(address, family, token, said, "use tcpdump -n")
        if not has_port:
            return number, None
        try:
            return number, parse_port(port)
        except ValueError as error:
            self.refuse_token(token, str(error), "use tcpdump -n")

    # The LOG target

    def logged(self, tree: Tree[Token]) -> PacketText:
        pairs: dict[str, Token] = {}
        lengths: list[str] = []
        marks: set[str] = set()
        fragment: Token | None = None
        quote = options = ""
        for token in tree.scan_values(lambda _: True):
            if token.type == "PAIR":
                key, _, value = str(token).partition("=")
                pairs.setdefault(key, token.update(value=value))
                if key == "LEN":
                    lengths.append(value)
            elif token.type == "MARK":
                marks.add(str(token))
            elif token.type == "QUOTE":
                quote = str(token)
            elif token.type == "OPTIONS":
                options = token[5:-1]
            elif token.type == "FRAGMENT" and not token.endswith(":0"):
                fragment = token
        source, target, proto = (self.pair(pairs, key) for key in ("SRC", "DST", "PROTO"))
        family = Family.IPV6 if ":" in source else Family.IPV4
        saddr, daddr = (
            self.address(str(token), family, token, "not an IP address")
            for token in (source, target)
        )
        protocol = self.protocol(proto)
        packet = Packet(family, saddr, daddr, protocol)
        if fragment is not None:
            self.refuse_token(fragment, "a later fragment has no ports and is no packet to follow")
        if protocol in _PORTED:
            sport, dport = (self.octets(self.pair(pairs, key), 65_535) for key in ("SPT", "DPT"))
            packet = packet._replace(sport=sport, dport=dport)
        known: set[HeaderField] = set()
        if protocol == TCP:
            if not marks.intersection(_LOG_FLAGS):
                self.pair(pairs, "URGP")  # stands behind the flags: the line is whole
            flags = TcpFlags.parse(",".join(flag for flag in _LOG_FLAGS if flag in marks))
            packet = packet._replace(flags=flags)
            found, is_read = read_option_bytes(options)
            if is_read:
                packet = packet._replace(options=found)
                known.add(HeaderField.OPTIONS)
        elif protocol == UDP and len(lengths) > 1 and re.fullmatch(r"\d{1,5}", lengths[1]):
            packet = packet._replace(payload=max(0, int(lengths[1]) - 8))
        elif protocol in (ICMP, ICMPV6):
            kind = (
                self.octets(self.pair(pairs, "TYPE"), 255),
                self.octets(self.pair(pairs, "CODE"), 255),
            )
            # The identification of IPv4 is an ID, too: that of a query is the last one.
            identifiers = re.findall(r" ID=(\d{1,5}) SEQ=", self.text)
            packet = _with_kind(packet, kind)._replace(
                icmp_id=min(int(identifiers[-1]), 65_535) if identifiers else 0,
                quoted=self.bracketed(quote),
            )
        text = PacketText(packet, known=frozenset(known), mac=_sender(pairs.get("MAC")))
        text = self.with_fields(text, pairs)
        into, out = str(pairs["IN"]), str(pairs["OUT"])
        if not into and not out:
            # conntrack's own messages, which know no interface.
            return text
        return text._replace(in_interface=into, out_interface=out)

    def with_fields(self, text: PacketText, pairs: Mapping[str, Token]) -> PacketText:
        """What the fields of a log line say of the IP header, and the mark."""

        def number(key: str, base: int = 10) -> int | None:
            try:
                return int(str(pairs[key]), base)
            except (KeyError, ValueError):
                return None

        packet = text.packet
        length, mark = number("LEN"), number("MARK", 16)
        if mark is not None and not 0 <= mark < 2**32:
            mark = None
        if packet.family is Family.IPV6:
            text = _with_head(text, ttl=number("HOPLIMIT"), tos=number("TC"), length=length)
        else:
            text = _with_head(text, ttl=number("TTL"), length=length)
            service, precedence = number("TOS", 16), number("PREC", 16)
            if service is not None and precedence is not None:
                # The lowest bit is in neither, and not known.
                tos = (service | precedence) & 0xFF
                known = text.known | {HeaderField.DSCP}
                text = text._replace(packet=text.packet._replace(tos=tos), known=known)
        if packet.protocol == TCP and HeaderField.OPTIONS in text.known and length is not None:
            payload = max(0, length - total_length(packet))
            text = text._replace(packet=text.packet._replace(payload=payload))
        return text._replace(mark=mark)

    def bracketed(self, quote: str) -> Packet | None:
        """The packet that an ICMP error quotes."""
        if not quote:
            return None
        try:
            return parse_packet(f"IN= OUT= {quote[1:-1]}", self.name).packet
        except ParseError:
            return None

    def pair(self, pairs: Mapping[str, Token], key: str) -> Token:
        if key not in pairs:
            self.refuse(len(self.text), len(self.text), f"{key}= is missing in the log line")
        return pairs[key]

    def protocol(self, token: Token) -> int:
        try:
            return parse_protocol(str(token))
        except ValueError as error:
            self.refuse_token(token, str(error))

    def octets(self, token: Token, most: int) -> int:
        if not (token.isascii() and token.isdigit()):
            self.refuse_token(token, f"a number up to {most:,} is expected")
        return self.number(token, most)


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text("packet"),
        parser="lalr",
        lexer="contextual",
        start=["described", "tcpdump", "log"],
        maybe_placeholders=False,
    )


def _with_head(
    text: PacketText,
    *,
    ttl: int | None = None,
    tos: int | None = None,
    length: int | None = None,
) -> PacketText:
    """The same with parts of the header that are known."""
    packet, known = text.packet, set(text.known)
    if ttl is not None and 0 <= ttl <= 255:
        packet = packet._replace(ttl=ttl)
        known.add(HeaderField.TTL)
    if tos is not None and 0 <= tos <= 255:
        packet = packet._replace(tos=tos)
        known |= {HeaderField.DSCP, HeaderField.TOS}
    if length is not None and 0 < length <= 65_535:
        text = text._replace(length=length)
        known.add(HeaderField.LENGTH)
    return text._replace(packet=packet, known=frozenset(known))


def _sender(mac: Token | None) -> int | None:
    """The sender's address of the link header that a log line has: of Ethernet's alone."""
    octets = str(mac or "").split(":")
    if len(octets) != 14 or not all(re.fullmatch(r"[0-9a-f]{2}", octet) for octet in octets):
        return None
    return int("".join(octets[6:12]), 16)


def _with_kind(packet: Packet, kind: tuple[int, int]) -> Packet:
    return packet._replace(icmp_type=kind[0], icmp_code=kind[1])
