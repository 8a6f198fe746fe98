# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint diagnose`` on real sockets in private namespaces: what it says is compared with what the
kernel then does.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ctlint.lab.namespace import PrivateNetns, private_netns
from ctlint.resources import collect_script

pytestmark = pytest.mark.netns

_DROPS_INVALID = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p icmp -j ACCEPT
-A OUTPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
"""
_RESETS_DROPPED = _DROPS_INVALID.replace(
    "-m conntrack --ctstate INVALID", "-p tcp -m tcp --tcp-flags RST RST"
).replace("-p icmp", "-m conntrack --ctstate RELATED")
_STATEFUL = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
"""


class Hosts:
    """Two hosts that are joined by a cable."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.client = stack.enter_context(private_netns())
        self.server = stack.enter_context(private_netns())
        self.client.run(
            ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns",
             self.server.name]
        )  # fmt: skip
        for host, address in ((self.client, "10.1.0.1/24"), (self.server, "10.1.0.2/24")):
            host.run(["ip", "address", "add", address, "dev", "eth0"])
            host.run(["ip", "link", "set", "eth0", "up"])

    def listener(self, backlog: int = 8) -> socket.socket:
        """A socket of the server's that listens at port 80."""
        with self.server.inside():
            made = self.stack.enter_context(socket.socket())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("10.1.0.2", 80))
        made.listen(backlog)
        return made

    def caller(self, port: int = 0) -> socket.socket:
        """A socket of the client's."""
        with self.client.inside():
            made = self.stack.enter_context(socket.socket())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("10.1.0.1", port))
        return made

    def pair(self, listener: socket.socket, port: int = 0) -> tuple[socket.socket, socket.socket]:
        """Both ends of a connection."""
        made = self.caller(port)
        made.connect(("10.1.0.2", 80))
        accepted, _ = listener.accept()
        return made, self.stack.enter_context(accepted)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(stack)


def _rules(host: PrivateNetns, text: str) -> None:
    host.run(["iptables-restore"], input=text)


def _set(host: PrivateNetns, name: str, value: str) -> None:
    with host.inside():
        Path("/proc/sys", name.replace(".", "/")).write_text(value)


def _forget(host: PrivateNetns) -> None:
    """All entries expire."""
    host.run(["conntrack", "-F"])


def _collect(host: PrivateNetns, folder: Path, interval: int = 1) -> None:
    host.run([sys.executable, "-m", "ctlint", "collect", "--interval", str(interval), str(folder)])


def _diagnose(host: PrivateNetns, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the JSON."""
    words = [sys.executable, "-m", "ctlint", "diagnose", "--format", "json", *arguments]
    done = host.run(words, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def _of_state(found: dict[str, Any], state: str) -> dict[str, Any]:
    (trouble,) = [
        one for one in found["troubles"] if one["socket"] and one["socket"]["state"] == state
    ]
    assert isinstance(trouble, dict)
    return trouble


class _Watch(Thread):
    """Sees when no socket of a host is in a state any more: ``ended``, a moment of the clock."""

    def __init__(self, host: PrivateNetns, state: str) -> None:
        super().__init__(daemon=True)
        self.host, self.state = host, state
        self.ended: float | None = None
        self.start()

    def run(self) -> None:
        while self.host.run(["ss", "-Htan", "state", self.state]).stdout.strip():
            time.sleep(0.2)
        self.ended = time.time()

    def wait(self, most: float) -> float:
        """The end, which must come within so many seconds."""
        self.join(most)
        assert self.ended is not None, f"still in {self.state} after {most} s"
        return self.ended


def _check_remaining(host: PrivateNetns, folder: Path, state: str, ss_state: str) -> dict[str, Any]:
    """The trouble of the only socket in a state; the seconds that it still lasts are compared with
    when the kernel ends it.
    """
    watch = _Watch(host, ss_state)
    _collect(host, folder)
    # The sockets of the second dump were listed at this moment.
    listed = (folder / "ss.later").stat().st_mtime
    code, found = _diagnose(host, str(folder))
    assert code == 1
    trouble = _of_state(found, state)
    lasts = trouble["lasts"]
    assert lasts["known"]
    lasted = watch.wait(lasts["at_most"] + 30) - listed
    assert lasts["seconds"] - 1 <= lasted <= lasts["at_most"] + 1
    return trouble


def _line(folder: Path, text: str) -> int:
    lines = (folder / "iptables-save").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    "retries", ["3", "5", pytest.param("0", marks=pytest.mark.slow, id="default")]
)
def test_the_fin_of_a_forgotten_connection(hosts: Hosts, tmp_path: Path, retries: str) -> None:
    """I1: the FIN is INVALID, and the host's own OUTPUT drops it."""
    _rules(hosts.client, _DROPS_INVALID)
    _set(hosts.client, "net.ipv4.tcp_orphan_retries", retries)
    client, _ = hosts.pair(hosts.listener())
    port = client.getsockname()[1]
    _forget(hosts.client)
    client.close()
    time.sleep(0.3)
    folder = tmp_path / "evidence"
    trouble = _check_remaining(hosts.client, folder, "FIN_WAIT_1", "fin-wait-1")
    assert trouble["pattern"] == "fin-wait-1"
    assert trouble["page"] == "docs/incidents/fin-wait-1.md"
    assert trouble["socket"]["local"] == {
        "family": "ipv4", "address": "10.1.0.1", "port": port, "zone": None,
    }  # fmt: skip
    assert trouble["entry_known"] == "missing"
    (lost,) = trouble["lost"]
    assert (lost["flags"], lost["sender"], lost["ctstate"]) == ("FA", "local", "INVALID")
    assert lost["location"]["file"] == str(folder / "iptables-save")
    assert lost["location"]["line"] == _line(folder, "INVALID")
    assert lost["counter"]["moved"] is not None
    assert lost["counter"]["total"] >= 1
    assert any("has never left" in sign for sign in trouble["signs"])


def test_the_rules_that_it_advises_let_the_connection_end(hosts: Hosts, tmp_path: Path) -> None:
    _rules(hosts.client, _DROPS_INVALID)
    client, server = hosts.pair(hosts.listener())
    _forget(hosts.client)
    client.close()
    time.sleep(0.5)
    _, found = _diagnose(hosts.client, "--live", "--interval", "1")
    trouble = _of_state(found, "FIN_WAIT_1")
    assert trouble["lost"][0]["location"]["file"] == "iptables-save"
    advice = trouble["now"][0]
    assert advice["checked"]
    for command in advice["commands"]:
        hosts.client.run(command.split())
    server.settimeout(20)
    assert server.recv(1) == b""
    server.close()
    _Watch(hosts.client, "fin-wait-1").wait(20)


def test_the_ack_of_a_fin_that_input_drops(hosts: Hosts, tmp_path: Path) -> None:
    """I1 as the article notes it: without the rule in OUTPUT it hangs as well."""
    _rules(hosts.client, _STATEFUL)
    _set(hosts.client, "net.ipv4.tcp_orphan_retries", "4")
    client, _ = hosts.pair(hosts.listener())
    _forget(hosts.client)
    client.close()
    time.sleep(1)
    folder = tmp_path / "evidence"
    trouble = _check_remaining(hosts.client, folder, "FIN_WAIT_1", "fin-wait-1")
    assert trouble["pattern"] == "fin-wait-1"
    assert [(one["flags"], one["sender"], one["ctstate"]) for one in trouble["lost"]] == [
        ("A", "peer", "NEW"),
        ("FA", "peer", "INVALID"),
    ]
    assert {one["name"] for one in trouble["lost"]} == {"filter/INPUT policy"}
    assert trouble["lost"][0]["counter"]["moved"] >= 0


def test_last_ack(hosts: Hosts, tmp_path: Path) -> None:
    """The server closes last, long after the client has."""
    _rules(hosts.server, _DROPS_INVALID)
    _set(hosts.server, "net.ipv4.tcp_orphan_retries", "3")
    client, server = hosts.pair(hosts.listener())
    client.close()
    time.sleep(0.2)
    _forget(hosts.server)
    server.close()
    time.sleep(0.3)
    trouble = _check_remaining(hosts.server, tmp_path / "evidence", "LAST_ACK", "last-ack")
    assert trouble["pattern"] == "fin-wait-1"
    assert trouble["lost"][0]["name"] == "filter/OUTPUT#2"


def test_a_port_that_meets_a_leaked_socket(hosts: Hosts, tmp_path: Path) -> None:
    """I2: the SYN meets CLOSE_WAIT; the RST that would end it is dropped."""
    _rules(hosts.client, _RESETS_DROPPED)
    _set(hosts.client, "net.ipv4.tcp_fin_timeout", "1")
    _set(hosts.client, "net.ipv4.tcp_syn_retries", "3")
    # The server asks conntrack, too.
    _rules(hosts.server, _STATEFUL)
    listener = hosts.listener()
    client, _leaked = hosts.pair(listener, 40_000)
    client.close()
    _Watch(hosts.client, "fin-wait-2").wait(10)
    _forget(hosts.client)
    _forget(hosts.server)
    again = hosts.caller(40_000)
    again.setblocking(False)
    assert again.connect_ex(("10.1.0.2", 80))
    time.sleep(1.2)
    folder = tmp_path / "client"
    trouble = _check_remaining(hosts.client, folder, "SYN_SENT", "syn-sent")
    assert trouble["pattern"] == "port-reuse"
    assert trouble["entry_known"] == "found"
    (lost,) = trouble["lost"]
    assert (lost["flags"], lost["sender"]) == ("R", "local")
    assert lost["location"]["line"] == _line(folder, "RST RST")
    # The server's side of the same.
    again = hosts.caller(40_000)
    again.setblocking(False)
    assert again.connect_ex(("10.1.0.2", 80))
    time.sleep(1.2)
    code, found = _diagnose(hosts.server, "--live", "--interval", "1")
    assert code == 1
    leaked = _of_state(found, "CLOSE_WAIT")
    assert leaked["pattern"] == "port-reuse"
    assert leaked["lasts"]["seconds"] is None
    assert f"(pid {os.getpid()})" in leaked["lasts"]["why"]


def test_full_accept_queue(hosts: Hosts, tmp_path: Path) -> None:
    """I5 b: backlog 1, so two connections wait; a third client gets no answer."""
    _set(hosts.client, "net.ipv4.tcp_syn_retries", "3")
    _set(hosts.client, "net.ipv4.tcp_syn_linear_timeouts", "0")
    hosts.listener(backlog=1)
    for _ in range(2):
        hosts.caller().connect(("10.1.0.2", 80))
    waiting = hosts.caller()
    waiting.setblocking(False)
    assert waiting.connect_ex(("10.1.0.2", 80))
    time.sleep(0.2)
    code, found = _diagnose(hosts.server, "--live", "--interval", "3")
    assert code == 1
    queue = _of_state(found, "LISTEN")
    assert queue["pattern"] == "accept-queue"
    assert (queue["socket"]["recv_q"], queue["socket"]["send_q"]) == (2, 1)
    assert any("TcpExtListenOverflows" in sign for sign in queue["signs"])
    trouble = _check_remaining(hosts.client, tmp_path / "evidence", "SYN_SENT", "syn-sent")
    assert trouble["pattern"] == "syn-retries"


def test_healthy_hosts(hosts: Hosts) -> None:
    for host in (hosts.client, hosts.server):
        _rules(host, _STATEFUL)
    listener = hosts.listener()
    pairs = [hosts.pair(listener) for _ in range(3)]
    pairs[0][0].close()
    pairs[0][1].close()
    pairs[1][0].shutdown(socket.SHUT_WR)
    for host in (hosts.client, hosts.server):
        code, found = _diagnose(host, "--live", "--interval", "1")
        assert code == 0, found["troubles"]
        assert found["troubles"] == []
        looked = {one["what"] for one in found["looked_at"]}
        assert {"rules of IPv4", "rules of IPv4, again", "sockets", "conntrack entries"} <= looked


def test_nothing_is_changed(hosts: Hosts, tmp_path: Path) -> None:
    """Neither rules nor counters, nor settings; no module is asked for by a table."""

    def state() -> list[str]:
        return [
            hosts.client.run(words).stdout
            for words in (["iptables-save", "-c"], ["nft", "list", "ruleset"], ["sysctl", "-aN"])
        ]

    _rules(hosts.client, _STATEFUL)

    def bare(texts: list[str]) -> list[str]:
        return ["\n".join(ln for ln in text.split("\n") if ln[:1] != "#") for text in texts]

    before = bare(state())
    _collect(hosts.client, tmp_path / "evidence")
    assert bare(state()) == before


def test_without_root_it_says_what_is_missing(hosts: Hosts) -> None:
    with hosts.client.inside():
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-s", "--", "-i",
             "0", f"/tmp/ctlint-unprivileged-{time.monotonic_ns()}"],
            input=collect_script(), capture_output=True, text=True, timeout=60, cwd="/tmp",
        )  # fmt: skip
    folder = Path(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    try:
        _, found = _diagnose(hosts.client, str(folder))
        missing = {one["what"] for one in found["missing"]}
        assert {"rules", "conntrack entries"} <= missing
        assert "sockets" in {one["what"] for one in found["looked_at"]}
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_ipv6_over_loopback(netns: PrivateNetns) -> None:
    """I1 where both ends are this host, with the rules of ip6tables."""
    netns.run(["ip6tables-restore"], input=_DROPS_INVALID.replace("-p icmp", "-p ipv6-icmp"))
    with ExitStack() as stack:
        with netns.inside():
            listener = stack.enter_context(socket.socket(socket.AF_INET6))
            client = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.bind(("::1", 80))
        listener.listen()
        client.connect(("::1", 80))
        accepted, _ = listener.accept()
        stack.enter_context(accepted)
        netns.run(["conntrack", "-F"])
        client.close()
        time.sleep(0.3)
        code, found = _diagnose(netns, "--live", "--interval", "1")
    assert code == 1
    trouble = _of_state(found, "FIN_WAIT_1")
    assert (trouble["pattern"], trouble["role"]) == ("fin-wait-1", "loopback")
    assert trouble["entry_known"] == "missing"
    assert trouble["socket"]["peer"]["address"] == "::1"
    (lost,) = trouble["lost"]
    assert (lost["location"]["file"], lost["name"]) == ("ip6tables-save", "filter/OUTPUT#2")
