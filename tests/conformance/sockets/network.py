# SPDX-License-Identifier: GPL-2.0-only
"""The hosts of a case as network namespaces joined by veth pairs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from ctlint.lab.log import WATCH_GROUP
from ctlint.lab.namespace import PrivateNetns, private_netns
from ctlint.lab.table import Table
from tests.conformance.sockets.case import Case, Expire, Host, Topology

_CLIENT: Final = "10.1.0.2"
_SERVER: Final = "10.2.0.2"
_LOOPBACK: Final = "127.0.0.1"

_SETTINGS: Final = {
    # Nothing of IPv6 is on the wire.
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    # A machine may have another default; this one is everywhere, and sends at once.
    "net.ipv4.tcp_congestion_control": "reno",
}

_WATCHED: Final = (
    ("output", "output", -500),
    ("wire", "postrouting", 500),
    ("arrived", "prerouting", -500),
    ("socket", "input", 500),
)
"""Where packets are logged: before all rules of a host and behind all of them."""

_CTSTATES: Final = ("new", "established", "related", "invalid", "untracked")
_BEHIND_CONNTRACK: Final = -199


class Network:
    """The hosts of one case; they are gone when the stack is closed.

    Raises CalledProcessError where a program refuses, OSError.
    """

    def __init__(self, case: Case, stack: ExitStack) -> None:
        self._case = case
        self.hosts: dict[Host, PrivateNetns] = {
            host: stack.enter_context(private_netns()) for host in case.hosts
        }
        self._tables: dict[Host, Table] = {}
        for namespace in self.hosts.values():
            _set(namespace, _SETTINGS)
        match case.topology:
            case Topology.ROUTED:
                _set(self.hosts[Host.ROUTER], {"net.ipv4.ip_forward": "1"})
                self._join(Host.CLIENT, f"{_CLIENT}/24", Host.ROUTER, "left", "10.1.0.1/24")
                self._join(Host.SERVER, f"{_SERVER}/24", Host.ROUTER, "right", "10.2.0.1/24")
                self._ip(Host.CLIENT, "route add default via 10.1.0.1")
                self._ip(Host.SERVER, "route add default via 10.2.0.1")
            case Topology.DIRECT:
                self._join(Host.CLIENT, f"{_CLIENT}/8", Host.SERVER, "eth0", f"{_SERVER}/8")
            case Topology.LOOPBACK:
                pass
        for host, settings in case.sysctls.items():
            _set(self.hosts[host], settings)
        for host, text in case.rules.items():
            self.load(host, text)
        for host, namespace in self.hosts.items():
            namespace.run(["nft", "-f", "-"], input=_watch(host, self._asks_conntrack(host)))

        for host in {case.host(step.host) for step in case.steps if isinstance(step, Expire)}:
            with self.hosts[host].inside():
                self._tables[host] = table = Table()
            stack.callback(table.close)

    @property
    def client_address(self) -> str:
        """Where the client is."""
        return _LOOPBACK if self._case.topology is Topology.LOOPBACK else _CLIENT

    @property
    def server_address(self) -> str:
        """Where the server is."""
        return _LOOPBACK if self._case.topology is Topology.LOOPBACK else _SERVER

    def _join(self, host: Host, address: str, other: Host, name: str, its_address: str) -> None:
        there = self.hosts[other].name
        self._ip(
            host,
            f"link add eth0 type veth peer name {name} netns {there}",
            f"address add {address} dev eth0",
            "link set eth0 up",
        )
        self._ip(other, f"address add {its_address} dev {name}", f"link set {name} up")

    def _ip(self, host: Host, *commands: str) -> None:
        self.hosts[host].run(["ip", "-batch", "-"], input="".join(f"{each}\n" for each in commands))

    def _asks_conntrack(self, host: Host) -> bool:
        return "state" in self._case.rules.get(host, "")

    def load(self, host: Host, text: str) -> None:
        """Replace the rules of a host."""
        self.hosts[host].run(["iptables-restore"], input=text)

    def expire(self, host: Host) -> None:
        """Let all entries of a host be gone."""
        self._tables[host].flush()


def _set(namespace: PrivateNetns, settings: Mapping[str, str]) -> None:
    with namespace.inside():
        for name, value in settings.items():
            path = Path("/proc/sys") / name.replace(".", "/")
            if path.exists() or not name.startswith("net.ipv6."):
                path.write_text(value)


def _watch(host: Host, with_states: bool) -> str:
    """Rules that log the packets of a host, and the ctstate where its own rules ask for it."""
    log = f"group {WATCH_GROUP} queue-threshold 1"
    lines = ["table ip ctlint_watch {"]
    if host is not Host.ROUTER:
        for place, hook, priority in _WATCHED:
            lines.append(f"chain at_{place} {{ type filter hook {hook} priority {priority}")
            lines.append(f'meta l4proto tcp log prefix "{place}" {log}')
            lines.append("}")
    if with_states:
        for hook in ("forward",) if host is Host.ROUTER else ("output", "input"):
            head = f"type filter hook {hook} priority {_BEHIND_CONNTRACK}"
            lines.append(f"chain state_{hook} {{ {head}")
            for state in _CTSTATES:
                prefix = f"state {hook} {state}"
                lines.append(f'meta l4proto tcp ct state {state} log prefix "{prefix}" {log}')
            lines.append("}")
    lines.append("}\n")
    return "\n".join(lines)
