# SPDX-License-Identifier: GPL-2.0-only
"""Plays scenarios (docs/scenario.md) on the kernel of this machine, in a private namespace.

The far ends are TUN devices that the test holds: no stack stands behind them, so nothing answers.
What the host itself sends goes out through a raw socket and so passes LOCAL_OUT. Every packet is
handled before write() or sendto() returns, so its whole story can be read at once:

- ``nftrace`` set by a table of ours makes the xtables rules say which of them matched;
- chains of ours right behind conntrack log the ctstate at each hook;
- a chain of ours at the very end of LOCAL_IN, behind conntrack's confirmation, logs what was
  delivered to the host and drops it, so that the host's own TCP never sees it.

It plays what witnesses and the tests here need: TCP, no waiting, no NAT to another address.
"""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import os
import re
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from ctlint.ir.ruleset import BUILTIN_CHAINS
from tests.kernel.netlink import WATCH_GROUP, Log, LogLine, Table
from tests.kernel.segments import Segment, build, parse
from tests.netns import PrivateNetns, private_netns

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_IPV6_HDRINCL = 36

_HOOKS: Final = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT")
_CTSTATES: Final = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")

# Equal priorities stand in the reverse order of their registration, and conntrack's confirmation
# has the last one too: this table is loaded before anything asks for conntrack.
_SINK = f"""
table inet ctlint_sink {{
  chain host {{
    type filter hook input priority 2147483647
    log prefix "delivered" group {WATCH_GROUP} queue-threshold 1
    drop
  }}
}}
"""


def _watch() -> str:
    lines = ["table inet ctlint_watch {"]
    for hook in ("prerouting", "output"):
        lines += [
            f"chain mark_{hook} {{ type filter hook {hook} priority -450",
            # What IPv6 says on its own when an interface comes up.
            "icmpv6 type { 130-137, 143 } drop",
            "meta nftrace set 1",
            "}",
        ]
    for hook in _HOOKS:
        lines.append(f"chain {hook} {{ type filter hook {hook.lower()} priority -199")
        lines += [
            f'ct state {state.lower()} log prefix "state {hook} {state}" '
            f"group {WATCH_GROUP} queue-threshold 1"
            for state in _CTSTATES
        ]
        lines.append("}")
    return "\n".join([*lines, "}", ""])


_SYSCTLS: Final = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/all/forwarding": "1",
    # No link-local address, so next to no packets of IPv6's own.
    "net/ipv6/conf/default/addr_gen_mode": "1",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    # Without a logger for its family, TRACE is silent.
    "net/netfilter/nf_log/2": "nfnetlink_log",
    "net/netfilter/nf_log/10": "nfnetlink_log",
}

Topology: TypeAlias = str | Mapping[str, Any]


class CannotLoadError(Exception):
    """The real restore refuses the rule set on this machine."""


class Answer(NamedTuple):
    """What the kernel did with one packet; the words are those of docs/scenario.md.

    ``rules`` are the rules that the packet itself matched, ``made_rules`` those that packets of
    REJECT matched afterwards. Both hold only tables that the rule set has.
    """

    ctstate: str | None
    hooks: Mapping[str, str]
    delivered: bool
    rules: tuple[str, ...]
    made_rules: tuple[str, ...] = ()


class _Place(NamedTuple):
    """Where packets enter: None for the host's own raw socket."""

    orig: str | None
    reply: str | None


class Player:
    """A firewall, its wires and its kernel settings; see :meth:`play`."""

    def __init__(self, namespace: PrivateNetns) -> None:
        self.namespace = namespace
        namespace.run(["nft", "-f", "-"], input=_SINK)
        namespace.run(["nft", "-f", "-"], input=_watch())
        self._tuns: dict[str, int] = {}
        self._wired: tuple[object, ...] | None = None
        self._place = _Place(None, None)
        self._on_lo: list[str] = []
        self._loaded: dict[str, str] = {}
        self._saved: dict[str, str] = {}
        self._rule_counts: dict[int, Counter[tuple[str, str]]] = {}
        self._tables: dict[int, frozenset[str]] = {}
        self._changed: dict[str, str] = {}
        with inside(namespace):
            for name, value in _SYSCTLS.items():
                _sysctl(name).write_text(value)
            self._log = Log()
            self._table = Table()
            raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw6.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        self._raw = {4: raw4, 6: raw6}

    def close(self) -> None:
        """Close what holds the namespace open."""
        for sock in self._raw.values():
            sock.close()
        for descriptor in self._tuns.values():
            os.close(descriptor)
        self._table.close()
        self._log.close()

    def play(self, scenario: Mapping[str, Any], backend: str = "legacy") -> list[Answer]:
        """Set everything up, then send the packets; see :meth:`load`."""
        known = {"name", "kernel", "sysctls", "ruleset", "ruleset6", "topology", "flow", "packets"}
        _refuse_unknown(scenario, known)
        self.load(scenario.get("ruleset", ""), scenario.get("ruleset6", ""), backend)
        self.configure(scenario.get("sysctls", {}))
        return self.converse(scenario["topology"], scenario["flow"], scenario["packets"])

    def converse(
        self, topology: Topology, flow: Mapping[str, Any], packets: Iterable[Mapping[str, Any]]
    ) -> list[Answer]:
        """Wire the host, forget every connection and send the packets."""
        self.wire(topology, flow)
        self.flush()
        return [self.send(flow, packet) for packet in packets]

    # The host

    def load(self, ruleset: str, ruleset6: str = "", backend: str = "legacy") -> None:
        """Load rule sets as iptables-save prints them, in place of all that was loaded.

        ``backend`` is ``legacy`` or ``nft``; what matched is told by the first alone. Raises
        CannotLoadError.
        """
        for family, text in ((4, ruleset), (6, ruleset6)):
            name = "iptables" if family == 4 else "ip6tables"
            for other in ("legacy", "nft"):
                self._restore(f"{name}-{other}", text if other == backend else "")
            if backend == "legacy":
                saved = self._saved.get(f"{name}-legacy", "")
                self._tables[family] = frozenset(_NAMED_TABLE.findall(text))
                self._rule_counts[family] = _count_rules(saved)

    def _restore(self, tool: str, text: str) -> None:
        before = self._loaded.get(tool, "")
        if text == before:
            return
        named = _NAMED_TABLE.findall(text)
        old = _NAMED_TABLE.findall(before)
        emptied = "".join(_empty(table) for table in old if table not in named)
        # Should it fail, any table may have been left half way.
        self._loaded[tool] = _EVERY_TABLE
        script = f"{tool}-restore -w 60 && {tool}-save" if "legacy" in tool else f"{tool}-restore"
        done = self.namespace.run(["sh", "-c", script], input=emptied + text, check=False)
        if done.returncode:
            raise CannotLoadError(done.stderr.strip())
        self._loaded[tool], self._saved[tool] = text, done.stdout

    def configure(self, sysctls: Mapping[str, int]) -> None:
        """Set sysctls of conntrack by their short names; the others go back to their defaults."""
        with inside(self.namespace):
            for name, value in self._changed.items():
                _sysctl(name).write_text(value)
            self._changed.clear()
            for short, wanted in sysctls.items():
                name = f"net/netfilter/nf_conntrack_{short}"
                self._changed[name] = _sysctl(name).read_text()
                _sysctl(name).write_text(str(wanted))

    def flush(self) -> None:
        """Forget every connection."""
        self._table.flush()

    def wire(self, topology: Topology, flow: Mapping[str, Any]) -> None:
        """Give the host its interfaces, addresses and routes."""
        kind = topology if isinstance(topology, str) else topology["kind"]
        given = {} if isinstance(topology, str) else topology
        key = (kind, tuple(given.items()), flow["saddr"], flow["daddr"])
        if key == self._wired:
            return
        lines = [line for name in self._tuns for line in _bare(name)]
        lines += [f"address delete {address} dev lo" for address in self._on_lo]
        self._on_lo = []
        suffix, everything = ("6", "::/0") if ":" in flow["saddr"] else ("", "0.0.0.0/0")
        if kind == "lo":
            self._place = _Place(None, None)
            ends = dict.fromkeys((flow["saddr"], flow["daddr"]))
            foreign = [end for end in ends if not ipaddress.ip_address(end).is_loopback]
            self._on_lo = [_host(end) for end in foreign]
            lines += [f"address replace {address} dev lo" for address in self._on_lo]
        elif kind == "host":
            name = given["if"]
            is_orig = given["role"] == "orig"
            self._place = _Place(None, name) if is_orig else _Place(name, None)
            peer = flow["daddr" if is_orig else "saddr"]
            lines += self._up(name, given[f"addr{suffix}"])
            lines += [_route(_host(peer), name), _route(everything, name)]
        else:
            left, right = given["left_if"], given["right_if"]
            self._place = _Place(left, right)
            lines += self._up(left, given[f"left_addr{suffix}"])
            lines += self._up(right, given[f"right_addr{suffix}"])
            lines += [
                _route(_host(flow["saddr"]), left),
                _route(_host(flow["daddr"]), right),
                _route(everything, right),
            ]
        self.namespace.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")
        self._wired = key

    def _up(self, name: str, address: str) -> list[str]:
        if name not in self._tuns:
            with inside(self.namespace):
                descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                self._tuns[name] = descriptor
                request = struct.pack("16sH14x", name.encode(), _IFF_TUN | _IFF_NO_PI)
                fcntl.ioctl(descriptor, _TUNSETIFF, request)
        nodad = " nodad" if ":" in address else ""
        return [f"link set {name} up", f"address replace {address} dev {name}{nodad}"]

    # Packets

    def send(self, flow: Mapping[str, Any], packet: Mapping[str, Any]) -> Answer:
        """Send one packet and hear what became of it."""
        _refuse_unknown(packet, {"dir", "flags", "seq", "ack", "win", "len", "opts", "expire"})
        if packet.get("expire"):
            self.flush()
        self._listen()
        ends = flow["saddr"], flow["daddr"], flow["sport"], flow["dport"]
        entrance = self._place.orig
        if packet["dir"] == "reply":
            ends = ends[1], ends[0], ends[3], ends[2]
            entrance = self._place.reply
        data = build(*ends, packet)
        if entrance is None:
            self._send_own(ends[1], data)
        else:
            os.write(self._tuns[entrance], data)
        return self._answer(parse(data), *self._listen())

    def _send_own(self, destination: str, data: bytes) -> None:
        # A PermissionError says that rules of OUTPUT dropped it; the log says so too.
        try:
            self._raw[data[0] >> 4].sendto(data, (destination, 0))
        except PermissionError:
            return

    def _listen(self) -> tuple[list[LogLine], list[bytes]]:
        """Everything that was logged and that came out since the last call."""
        came_out: list[bytes] = []
        for descriptor in self._tuns.values():
            while True:
                try:
                    came_out.append(os.read(descriptor, 1 << 16))
                except BlockingIOError:
                    break
        return list(self._log.lines()), came_out

    def _answer(self, sent: Segment, lines: list[LogLine], came_out: list[bytes]) -> Answer:
        hooks: dict[str, str] = {}
        rules: list[str] = []
        made_rules: list[str] = []
        delivered = any(parse(data).is_same(sent) for data in came_out)
        for line in lines:
            is_ours = parse(line.data).is_same(sent)
            words = line.prefix.split(" ")
            if words[0] == "TRACE:":
                family = line.data[0] >> 4
                table, step = self._step(words[1], family)
                if table in self._tables.get(family, ()):
                    (rules if is_ours else made_rules).append(step)
            elif is_ours and words[0] == "state":
                hooks.setdefault(words[1], words[2])
            elif is_ours and line.prefix == "delivered":
                delivered = True
        main = next((h for h in ("OUTPUT", "FORWARD", "INPUT", "PREROUTING") if h in hooks), None)
        ctstate = hooks[main] if main else None
        return Answer(ctstate, hooks, delivered, tuple(rules), tuple(made_rules))

    def _step(self, traced: str, family: int) -> tuple[str, str]:
        """A TRACE line in the words of scenarios.

        The kernel says "policy" or "return" of every unconditional ACCEPT, DROP or RETURN, with
        the rule's number; the number behind the last rule is the real thing.
        """
        table, chain, _, number = _TRACE.fullmatch(traced).groups()  # type: ignore[union-attr]
        if int(number) <= self._rule_counts[family][table, chain]:
            return table, f"{table}/{chain}#{number}"
        end = "policy" if chain in BUILTIN_CHAINS[table] else "return"
        return table, f"{table}/{chain} {end}"


_EVERY_TABLE = "".join(f"*{table}\n" for table in BUILTIN_CHAINS)
_NAMED_TABLE = re.compile(r"^\*(\w+)", re.MULTILINE)
_TRACE = re.compile(r"(\w+):(.+):(rule|policy|return):(\d+)")


@contextmanager
def player() -> Iterator[Player]:
    """A player in a namespace of its own."""
    with private_netns() as namespace:
        found = Player(namespace)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def inside(namespace: PrivateNetns) -> Iterator[None]:
    """Run in the namespace for a moment; what is opened there stays there."""
    with Path("/proc/thread-self/ns/net").open() as home:
        with Path("/run/netns", namespace.name).open() as there:
            _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    # os.setns() came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _sysctl(name: str) -> Path:
    return Path("/proc/sys", name)


def _empty(table: str) -> str:
    chains = "".join(f":{chain} ACCEPT [0:0]\n" for chain in BUILTIN_CHAINS[table])
    return f"*{table}\n{chains}COMMIT\n"


def _count_rules(saved: str) -> Counter[tuple[str, str]]:
    """How many rules each chain has, from what the real save prints."""
    counts: Counter[tuple[str, str]] = Counter()
    table = ""
    for line in saved.split("\n"):
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            counts[table, line.split(" ", 2)[1]] += 1
    return counts


def _refuse_unknown(given: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = given.keys() - set(known)
    if unknown:
        raise ValueError(f"this player does not know {sorted(unknown)}")


def _host(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _route(destination: str, interface: str) -> str:
    return f"route replace {destination} dev {interface}"


def _bare(interface: str) -> Sequence[str]:
    return (f"address flush dev {interface}", f"link set {interface} down")
