# SPDX-License-Identifier: GPL-2.0-only
"""What tcpdump prints before the addresses with -e and -v, and of TCP options.

Source: print-ether.c, print-sll.c, print-ip.c, print-ip6.c and print-tcp.c of tcpdump 4.99.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ctlint.wire.encoding import IPV6_HEADER
from ctlint.wire.packet import TcpOptions

_MAC: Final = r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
_LINK: Final = re.compile(
    rf"(?:ifindex \d{{1,9}} )?({_MAC}) (?:\([^()]{{1,40}}\) )?(?:> (?:{_MAC}|Broadcast) "
    r"?(?:\([^()]{1,40}\))?, )?(?:ethertype 802\.1Q \(0x8100\), length \d{1,6}: vlan [^:]{1,40}, )?"
    r"ethertype IPv([46]) \(0x[0-9a-f]{4}\), (?:length \d{1,6}: )?"
)
_IP_HEAD: Final = re.compile(r"\bIP6?\s{1,99}(\((?:[^()]|\([^()]{0,40}\)){1,300}\))\s")
_QUOTED_LINES: Final = re.compile(r"\n[ \t]{1,16}")


class Head(NamedTuple):
    """What the head says; None where it says nothing. ``mac`` is the sender's."""

    mac: int | None = None
    ttl: int | None = None
    tos: int | None = None
    length: int | None = None
    protocol: int | None = None


def take_head(text: str) -> tuple[str, Head]:
    """The line as tcpdump prints it without -e and -v, each word still in its place, and what was
    blanked out.
    """
    if _LINK.search(text) is None and _IP_HEAD.search(text) is None:
        return text, Head()
    text = _QUOTED_LINES.sub(lambda found: " " * len(found[0]), text)
    head = Head()
    link = _LINK.search(text)
    if link is not None:
        head = head._replace(mac=int(link[1].replace(":", ""), 16))
        name = "IP6 " if link[2] == "6" else "IP "
        text = text[: link.start()] + name.rjust(len(link[0])) + text[link.end() :]
    found = _IP_HEAD.search(text)
    if found is not None:
        head = _read(found[1], head)
        text = text[: found.start(1)] + " " * len(found[1]) + text[found.end(1) :]
    return text, head


def _read(inner: str, head: Head) -> Head:
    def number(pattern: str, base: int = 10) -> int | None:
        found = re.search(pattern, inner)
        return int(found[1], base) if found else None

    protocol = number(r"(?:proto|next-header) [^()]{1,40}\((\d{1,3})\)")
    if "hlim" in inner:
        length = number(r"payload length: (\d{1,5})\b")
        return head._replace(
            ttl=number(r"hlim (\d{1,3})\b"),
            tos=number(r"class 0x([0-9a-f]{1,2})\b", 16) or 0,
            length=None if length is None else length + IPV6_HEADER,
            protocol=protocol,
        )
    return head._replace(
        ttl=number(r"ttl (\d{1,3})\b"),
        tos=number(r"tos 0x([0-9a-f]{1,2})\b", 16),
        length=number(r", length (\d{1,5})\b"),
        protocol=protocol,
    )


def quoted_line(text: str) -> str | None:
    """The line of the packet that an ICMP error quotes, which tcpdump -v prints behind it."""
    found = re.search(r"\sIP6?\s.*", text)
    return None if found is None else found[0].strip()


_OPTION: Final = {
    "mss": re.compile(r"mss (\d{1,5})"),
    "wscale": re.compile(r"wscale (\d{1,3})"),
    "timestamps": re.compile(r"TS val (\d{1,10}) ecr (\d{1,10})"),
    "sack": re.compile(r"sack \d ((?:\{\d{1,10}:\d{1,10}\}){1,4})"),
}
_PADDING: Final = frozenset({"nop", "eol"})


def read_options(rest: str) -> tuple[TcpOptions | None, bool]:
    """The TCP options of a line, and whether they are known: not where one is not read here."""
    found = re.search(r"options \[([^\]]{0,400})\]", rest)
    if found is None:
        return None, "options" not in rest
    values: dict[str, object] = {}
    for word in found[1].split(","):
        if word in _PADDING:
            continue
        if word == "sackOK":
            values["sack_permitted"] = True
            continue
        name, fits = next(
            ((name, fits) for name, row in _OPTION.items() if (fits := row.fullmatch(word))),
            ("", None),
        )
        if fits is None:
            return None, False
        if name == "sack":
            # Shown relative to the connection's first packet: how many there are is what counts.
            values[name] = ((0, 0),) * fits[1].count("{")
        elif name == "timestamps":
            values[name] = (int(fits[1]), int(fits[2]))
        else:
            values[name] = int(fits[1])
    return TcpOptions(**values), True  # type: ignore[arg-type]


def read_option_bytes(text: str) -> tuple[TcpOptions | None, bool]:
    """The same from the bytes of a log line (``OPT (0204…)``)."""
    if len(text) % 2 or not re.fullmatch(r"[0-9A-Fa-f]{2,80}", text):
        return None, False
    data = bytes.fromhex(text)
    values: dict[str, object] = {}
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        body = data[at + 2 : at + size]
        if size < 2 or len(body) != size - 2 or not _take(values, kind, body):
            return None, False
        at += size
    return TcpOptions(**values), True  # type: ignore[arg-type]


def _take(values: dict[str, object], kind: int, body: bytes) -> bool:
    numbers = tuple(int.from_bytes(body[n : n + 4], "big") for n in range(0, len(body), 4))
    if kind == 2 and len(body) == 2:
        values["mss"] = numbers[0]
    elif kind == 3 and len(body) == 1:
        values["wscale"] = numbers[0]
    elif kind == 4 and not body:
        values["sack_permitted"] = True
    elif kind == 5 and len(body) in (8, 16, 24, 32):
        values["sack"] = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    elif kind == 8 and len(body) == 8:
        values["timestamps"] = numbers
    else:
        return False
    return True
