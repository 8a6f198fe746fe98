# SPDX-License-Identifier: GPL-2.0-only
"""Real connections through a box of this kernel, captured where packets come in, with what the
kernel's conntrack called each packet and whether its rules let it through.

``python -m tests.conformance.captured --connections 1000`` plays the captures by ``ctlint replay``
and counts the packets of which the two do not say the same.

A client, a box and a server stand in namespaces of their own. Connections that are idle are so for
twice as long as any timeout of the box that is short, so that no packet comes near an expiry.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.lab.log import Log
from ctlint.lab.namespace import PrivateNetns, private_netns
from ctlint.wire.addresses import Family
from tests.captures import interface, packet, section

IDLE: Final = 7.0
"""Seconds for which idle connections are idle; see TIMEOUTS."""

_SETTLING: Final = 3.0
_PORT, _CLOSED_PORT, _UDP_PORT, _UDP_CLOSED_PORT = 8080, 8081, 5353, 5354
_GROUP: Final = 25460

TIMEOUTS: Final = {
    "tcp_timeout_established": 3,
    "tcp_timeout_close_wait": 2,
    "tcp_timeout_fin_wait": 2,
    "udp_timeout": 2,
    "udp_timeout_stream": 3,
}

_STATEFUL: Final = """*filter
:INPUT {inward} [0:0]
:FORWARD {through} [0:0]
:OUTPUT ACCEPT [0:0]
-A {chain} -m conntrack --ctstate INVALID -j DROP
-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A {chain} -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j ACCEPT
-A {chain} -i eth0 -p udp -m conntrack --ctstate NEW -j ACCEPT
-A {chain} -m conntrack --ctstate UNTRACKED -j ACCEPT
COMMIT
"""
_NAT: Final = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
"""


class View(Enum):
    """What is captured: what comes in to the box on both sides, that and what leaves it, or all on
    the near side alone, where answers are seen when they leave.
    """

    ARRIVALS = "arrivals"
    BOTH = "both"
    NEAR = "near"


class Setting(NamedTuple):
    """A box: its rules, and its sysctls beside TIMEOUTS. ``is_server``: it is the server itself."""

    name: str
    rules: str
    sysctls: dict[str, int]
    is_server: bool = False
    view: View = View.ARRIVALS


def _rules(policy: str, chain: str = "FORWARD") -> str:
    policies = {"inward": "ACCEPT", "through": policy}
    if chain == "INPUT":
        policies = {"inward": policy, "through": "ACCEPT"}
    return _STATEFUL.format(chain=chain, **policies)


SETTINGS: Final = (
    Setting("closed by policy", _rules("DROP"), {}),
    Setting("picked up", _rules("ACCEPT"), {}),
    Setting("never picked up", _rules("DROP"), {"tcp_loose": 0}),
    Setting("masqueraded", _NAT + _rules("ACCEPT"), {}),
    Setting("the box is the server", _rules("DROP", "INPUT"), {}, is_server=True),
    Setting("seen twice", _rules("ACCEPT"), {}, view=View.BOTH),
    Setting("masqueraded, seen twice", _NAT + _rules("ACCEPT"), {}, view=View.BOTH),
    Setting("seen on the near side", _rules("ACCEPT"), {}, view=View.NEAR),
    Setting("masqueraded, seen on the near side", _NAT + _rules("ACCEPT"), {}, view=View.NEAR),
)


@dataclass(slots=True)
class Recording:
    """A capture, with what the kernel said of each of its packets: the ctstate, and whether it came
    through. ``seen_again`` are frames beside those packets: the same as they left.
    """

    family: Family
    capture: bytes
    answers: list[tuple[str, bool]]
    seen_again: int
    connections: int
    kinds: Counter[str] = field(default_factory=Counter)


# The namespaces


class _Site(NamedTuple):
    client: PrivateNetns
    box: PrivateNetns
    server: PrivateNetns


_HOSTS: Final = {
    Family.IPV4: ("10.1.0.{}", "10.2.0.{}", "24"),
    Family.IPV6: ("fd01::{}", "fd02::{}", "64"),
}


@contextmanager
def _site(setting: Setting) -> Iterator[_Site]:
    with private_netns() as client, private_netns() as box, private_netns() as server:
        site = _Site(client, box, server)
        for number, (other, name) in enumerate(((client, "eth0"), (server, "eth1"))):
            peer = ["peer", "name", "wire", "netns", other.name]
            box.run(["ip", "link", "add", name, "type", "veth", *peer])
            for near, far, length in (hosts for hosts in _HOSTS.values()):
                network = (near, far)[number]
                own, its = network.format(1), network.format(2)
                _add_address(box, f"{own}/{length}", name)
                _add_address(other, f"{its}/{length}", "wire")
            box.run(["ip", "link", "set", name, "up"])
            other.run(["ip", "link", "set", "wire", "up"])
            for near, far, _ in _HOSTS.values():
                network = (near, far)[number]
                version = ["-6"] if ":" in network else []
                via = ["default", "via", network.format(1)]
                other.run(["ip", *version, "route", "add", *via])
        for one in site:
            # Errors are as many as packets: no refused one goes without.
            _set(one, "net.ipv4.icmp_ratelimit", 0)
            _set(one, "net.ipv6.icmp.ratelimit", 0)
        _set(box, "net.ipv4.ip_forward", 1)
        _set(box, "net.ipv6.conf.all.forwarding", 1)
        yield site


def _add_address(namespace: PrivateNetns, address: str, device: str) -> None:
    flags = ["nodad"] if ":" in address else []
    namespace.run(["ip", "address", "add", address, "dev", device, *flags])


def _set(namespace: PrivateNetns, name: str, value: int) -> None:
    with namespace.inside():
        Path("/proc/sys/" + name.replace(".", "/")).write_text(f"{value}\n")


def _watch() -> str:
    """Rules that tell what conntrack calls a packet, and that it came through."""
    states = ("new", "established", "related", "invalid", "untracked")
    chains = [
        f"chain {hook} {{ type filter hook {hook} priority -199\n"
        + "\n".join(
            f'ct state {state} log prefix "{hook} {state.upper()}" group {_GROUP} queue-threshold 1'
            for state in states
        )
        + "\n}"
        for hook in ("prerouting", "output")
    ]
    chains += [
        f"chain passed_{hook} {{ type filter hook {hook} priority 299\n"
        f'log prefix "passed" group {_GROUP} queue-threshold 1\n}}'
        for hook in ("input", "forward", "output")
    ]
    return "table inet watch {\n" + "\n".join(chains) + "\n}\n"


# What is seen


_INCOMING, _OUTGOING = 0, 4
"""PACKET_HOST and PACKET_OUTGOING (linux/if_packet.h)."""


class _Captured(NamedTuple):
    at: int
    name: str
    data: bytes
    is_leaving: bool


class _Tap:
    """Captures what comes in to the box on its two wires, or what else the setting says."""

    def __init__(self, box: PrivateNetns, setting: Setting) -> None:
        with_output = setting.is_server or setting.view is not View.ARRIVALS
        self._kinds = (_INCOMING, _OUTGOING) if with_output else (_INCOMING,)
        self._names = ("eth0",) if setting.view is View.NEAR else ("eth0", "eth1")
        self.frames: list[_Captured] = []
        with box.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self._socket.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def drain(self) -> None:
        """Take what was captured since the last call."""
        while True:
            try:
                data, ancillary, _, address = self._socket.recvmsg(1 << 17, 256)
            except BlockingIOError:
                return
            name, _, kind, _, _ = address
            if name not in self._names or kind not in self._kinds:
                continue
            if not _is_of_interest(data[14:]):
                continue
            (stamp,) = (value for _, _, value in ancillary)
            seconds, nanos = struct.unpack("qq", stamp[:16])
            self.frames.append(_Captured(seconds * 10**9 + nanos, name, data, kind == _OUTGOING))

    def require_all(self) -> None:
        """Fail where the kernel captured more than was taken."""
        statistics = self._socket.getsockopt(263, 6, 8)  # SOL_PACKET, PACKET_STATISTICS
        _, dropped = struct.unpack("II", statistics)
        assert not dropped, f"{dropped} packets were not captured"

    def pcapng(self) -> bytes:
        """All as a file."""
        nanos = (9, b"\x09")
        parts = [section()]
        parts += [interface(options=[(2, name.encode()), nanos]) for name in self._names]
        parts += [packet(one.at, one.data, self._names.index(one.name)) for one in self.frames]
        return b"".join(parts)


def _is_of_interest(data: bytes) -> bool:
    """Whether a packet goes between the two hosts: no neighbour discovery, no router's own."""
    if not data or data[0] >> 4 not in (4, 6):
        return False
    if data[0] >> 4 == 4:
        return all(data[at] == 10 for at in (12, 16))
    return all(data[at] == 0xFD for at in (8, 24))


def _key(data: bytes) -> bytes:
    """What tells a packet from others, and is the same before and behind routing and NAT."""
    if data[0] >> 4 == 4:
        start = (data[0] & 15) * 4
        head, protocol = data[4:6] + data[2:4], data[9]
    else:
        start = 40
        head, protocol = data[:6], data[6]
    rest = data[start:112]
    if protocol == 6:
        return head + b"t" + rest[4:16] + rest[20:]
    if protocol == 17:
        return head + b"u" + rest[8:]
    return head + bytes((protocol,)) + rest[:2]


class _Said(NamedTuple):
    state: str
    passed: list[bool]


class _Listener:
    """Hears what the kernel says of each packet."""

    def __init__(self, box: PrivateNetns) -> None:
        with box.inside():
            self._log = Log()
        self.said: dict[bytes, deque[_Said]] = defaultdict(deque)
        self.sent: dict[bytes, deque[_Said]] = defaultdict(deque)
        """Of packets of the box's own."""
        self._waiting: dict[bytes, _Said] = {}

    def close(self) -> None:
        self._log.close()

    def drain(self) -> None:
        for prefix, data in self._log.lines():
            if not _is_of_interest(data):
                continue
            key = _key(data)
            if prefix == b"passed":
                self._waiting[key].passed[0] = True
                continue
            hook, state = prefix.decode().split()
            said = self._waiting[key] = _Said(state, [False])
            (self.sent if hook == "output" else self.said)[key].append(said)


# The traffic


class _Traffic:
    """Connections of all kinds, a number of each. ``drain`` is called between them."""

    def __init__(
        self, site: _Site, setting: Setting, family: Family, drain: Callable[[], None]
    ) -> None:
        self._site = site
        self._drain = drain
        self._family = socket.AF_INET if family is Family.IPV4 else socket.AF_INET6
        near, far, _ = _HOSTS[family]
        self._address = near.format(1) if setting.is_server else far.format(2)
        self._server = site.box if setting.is_server else site.server
        self._later: list[Callable[[], None]] = []
        self._sockets: list[socket.socket] = []
        with self._server.inside():
            self._listener = socket.socket(self._family, socket.SOCK_STREAM)
            self._udp = socket.socket(self._family, socket.SOCK_DGRAM)
        self._listener.bind((self._address, _PORT))
        self._listener.listen(64)
        self._listener.settimeout(5)
        self._udp.bind((self._address, _UDP_PORT))
        self._udp.settimeout(5)
        self._sockets += [self._listener, self._udp]

    kinds: Final = (
        "closed",
        "aborted",
        "refused",
        "idle, then data",
        "idle, then closed",
        "idle, then the server sends",
        "idle, then aborted",
        "half closed, then the server sends",
        "udp",
        "udp, idle, then the server sends",
        "udp, refused",
    )

    def open(self, number: int) -> str:
        """Begin the next connection; tells of which kind it is."""
        kind = self.kinds[number % len(self.kinds)]
        if kind.startswith("udp"):
            self._datagrams(kind, number)
        elif kind == "refused":
            with self._site.client.inside():
                client = socket.socket(self._family, socket.SOCK_STREAM)
            with suppress(ConnectionRefusedError):
                client.connect((self._address, _CLOSED_PORT))
            client.close()
        else:
            self._stream(kind)
        self._drain()
        return kind

    def _stream(self, kind: str) -> None:
        with self._site.client.inside():
            client = socket.socket(self._family, socket.SOCK_STREAM)
        client.settimeout(5)
        client.connect((self._address, _PORT))
        server, _ = self._listener.accept()
        server.settimeout(5)
        self._sockets += [client, server]
        client.sendall(b"question")
        server.recv(100)
        server.sendall(b"answer" * 300)
        received = 0
        while received < 1800:
            received += len(client.recv(4096))
        if kind == "closed":
            client.close()
            server.recv(10)
            server.close()
        elif kind == "aborted":
            _abort(client)
        elif kind == "idle, then data":
            self._later.append(lambda: client.sendall(b"more"))
        elif kind == "idle, then closed":
            self._later.append(client.close)
        elif kind == "idle, then the server sends":
            self._later.append(lambda: server.sendall(b"more"))
        elif kind == "idle, then aborted":
            self._later.append(lambda: _abort(client))
        else:
            client.shutdown(socket.SHUT_WR)
            server.recv(10)

            def send_and_close() -> None:
                server.sendall(b"late answer")
                server.close()

            self._later.append(send_and_close)

    def _datagrams(self, kind: str, number: int) -> None:
        with self._site.client.inside():
            client = socket.socket(self._family, socket.SOCK_DGRAM)
        client.settimeout(5)
        self._sockets.append(client)
        # Every payload is another: there is nothing else that tells them apart.
        port = _UDP_CLOSED_PORT if kind == "udp, refused" else _UDP_PORT
        client.connect((self._address, port))
        client.send(b"question %d" % number)
        if kind == "udp, refused":
            client.settimeout(0.5)
            with suppress(ConnectionRefusedError, TimeoutError):
                client.recv(100)
            return
        _, peer = self._udp.recvfrom(100)
        self._udp.sendto(b"answer %d" % number, peer)
        client.recv(100)
        if kind == "udp":
            self._later.append(lambda: _ignore(client.send(b"again %d" % number)))
        else:
            self._later.append(lambda: _ignore(self._udp.sendto(b"late %d" % number, peer)))

    def go_on(self) -> None:
        """What comes after the silence."""
        for action in self._later:
            action()
            self._drain()

    def close(self) -> None:
        for one in self._sockets:
            one.close()


def _ignore(_: int) -> None:
    pass


def _abort(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def sysctls_of(setting: Setting) -> dict[str, int]:
    """The sysctls of conntrack in a setting, by their full names."""
    return {f"net.netfilter.nf_conntrack_{k}": v for k, v in (TIMEOUTS | setting.sysctls).items()}


@contextmanager
def _on_one_processor() -> Iterator[None]:
    """What is sent is then handled before the next is: packets come in one order for all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def record(setting: Setting, family: Family, connections: int) -> Recording:
    """Let connections go by a box, and record them. Raises AssertionError where the kernel did not
    tell of all packets.
    """
    with ExitStack() as stack:
        stack.enter_context(_on_one_processor())
        site = stack.enter_context(_site(setting))
        program = "iptables" if family is Family.IPV4 else "ip6tables"
        site.box.run([f"{program}-nft-restore"], input=setting.rules)
        site.box.run(["nft", "-f", "-"], input=_watch())
        for name, value in sysctls_of(setting).items():
            _set(site.box, name, value)
        listener, tap = _Listener(site.box), _Tap(site.box, setting)
        stack.callback(listener.close)
        stack.callback(tap.close)

        def drain() -> None:
            tap.drain()
            listener.drain()

        traffic = _Traffic(site, setting, family, drain)
        stack.callback(traffic.close)
        kinds = Counter(traffic.open(number) for number in range(connections))
        _pass_time(IDLE, drain)
        traffic.go_on()
        _pass_time(_SETTLING, drain)
        tap.require_all()
        answers = []
        for frame in tap.frames:
            key = _key(frame.data[14:])
            if frame.is_leaving and listener.sent[key]:
                said = listener.sent[key].popleft()
            elif frame.is_leaving and setting.view is View.BOTH:
                continue
            else:
                said = listener.said[key].popleft()
            answers.append((said.state, said.passed[0]))
        seen_again = len(tap.frames) - len(answers)
        return Recording(family, tap.pcapng(), answers, seen_again, connections, kinds)


def _pass_time(seconds: float, drain: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)
        drain()


# The comparison


class Difference(NamedTuple):
    """A packet of which the two do not say the same."""

    number: int
    kernel: tuple[str, bool]
    replay: tuple[str | None, bool | None]
    line: dict[str, object]


def differences(setting: Setting, recording: Recording, folder: Path) -> list[Difference]:
    """What `ctlint replay` says of the capture, beside what the kernel did."""
    (folder / "capture.pcapng").write_bytes(recording.capture)
    is_v6 = recording.family is Family.IPV6
    (folder / "rules").write_text(f"# Generated by ip{'6' * is_v6}tables-save\n{setting.rules}")
    lines = [f"{name} = {value}\n" for name, value in sysctls_of(setting).items()]
    (folder / "sysctl").write_text("".join(lines))
    arguments = ["replay", "capture.pcapng", "--rules", "rules", "--sysctl", "sysctl"]
    arguments += ["--kernel", platform.release(), "--format", "json", "--packets", "--only", "all"]
    for near, far, length in _HOSTS.values():
        arguments += ["--local", f"{near.format(1)}/{length}@eth0"]
        arguments += ["--local", f"{far.format(1)}/{length}@eth1"]
    done = subprocess.run(
        [sys.executable, "-m", "ctlint", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    packets = [line for line in told if line["kind"] == "packet"]
    assert len(packets) == len(recording.answers), told[-1]
    left_out = {one["reason"]: one["count"] for one in told[-1]["left_out"]}
    assert left_out == ({"output": recording.seen_again} if recording.seen_again else {})
    found = []
    for number, (answer, line) in enumerate(zip(recording.answers, packets, strict=True)):
        verdict = line["verdict"]
        said = (line["ctstate"], None if verdict == "undecided" else verdict == "passed")
        if said != answer:
            found.append(Difference(number, answer, said, line))
    return found


def main() -> int:
    """Record, play and compare; the exit code is 1 where there is a difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=1000)
    arguments = parser.parse_args()
    each = -(-arguments.connections // (len(SETTINGS) * len(Family)))
    connections = packets = different = 0
    states: Counter[str] = Counter()
    for setting in SETTINGS:
        for family in Family:
            recording = record(setting, family, each)
            with tempfile.TemporaryDirectory() as name:
                found = differences(setting, recording, Path(name))
            connections += recording.connections
            packets += len(recording.answers)
            different += len(found)
            own = Counter(f"{state}{'' if ok else ' dropped'}" for state, ok in recording.answers)
            states += own
            print(  # noqa: T201 - the command's output
                setting.name, family.name, len(recording.answers), dict(own), len(found)
            )
            for difference in found[:5]:
                print("  ", difference)  # noqa: T201
    print(  # noqa: T201
        f"{connections} connections, {packets} packets: {different} differences; {dict(states)}"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
