# SPDX-License-Identifier: GPL-2.0-only
"""Cases in which a port is used again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tests.conformance.sockets.case import (
    Accept,
    Case,
    Close,
    Connect,
    Expire,
    Host,
    Listen,
    Rules,
    Step,
    Topology,
    filter_table,
)
from tests.conformance.sockets.parts import (
    BLACK_HOLE,
    ENDED,
    FORWARD_INVALID,
    FORWARD_NEW_NOT_SYN,
    INPUT_INVALID,
    INPUT_NEW_NOT_SYN,
    NEW_NOT_SYN,
    NOTHING,
    OPEN,
    OUTPUT_INVALID,
)

LEAK: Final[tuple[Step, ...]] = (*OPEN, Close(ENDED, "client"))
"""The server leaks the socket it has accepted; the client's is gone 1 s later."""


def port_reuse() -> Iterator[Case]:
    placed: Mapping[str, tuple[Host, str]] = {
        "no-rules": (Host.ROUTER, NOTHING),
        "output-invalid": (Host.CLIENT, OUTPUT_INVALID),
        "input-invalid": (Host.CLIENT, INPUT_INVALID),
        "forward-invalid": (Host.ROUTER, FORWARD_INVALID),
        "forward-new-not-syn": (Host.ROUTER, FORWARD_NEW_NOT_SYN),
        "input-new-not-syn": (Host.CLIENT, INPUT_NEW_NOT_SYN),
    }
    for name, (host, text) in placed.items():
        for is_alive in (True, False) if name != "no-rules" else (True,):
            yield _reuse(name, host, text, is_alive, Topology.ROUTED)
            if host is not Host.ROUTER or name == "no-rules":
                yield _reuse(name, Host.CLIENT, text, is_alive, Topology.LOOPBACK)


def _reuse(name: str, host: Host, text: str, is_alive: bool, topology: Topology) -> Case:
    entry = "alive" if is_alive else "expired"
    is_lo = topology is Topology.LOOPBACK
    about = "A port is used again towards a server that leaks CLOSE_WAIT"
    return Case(
        f"reuse-{name}" + ("" if name == "no-rules" else f"-{entry}") + ("-lo" if is_lo else ""),
        f"{about}; {name}, entry {entry}{', over lo' if is_lo else ''}.",
        (
            *LEAK,
            *(() if is_alive else (Expire(2.5, host),)),
            Connect(3.0, "again"),
            Accept(5.5, "another"),
        ),
        6,
        topology=topology,
        rules={} if text == NOTHING else {host: text},
        sysctls={Host.CLIENT: {"net.ipv4.tcp_fin_timeout": "1"}},
    )


def later_port_reuse() -> Iterator[Case]:
    """As docs/incidents/port-reuse.md has it: the sequence numbers of the new connection lie behind
    those of the old one, and all timers are at their defaults.
    """
    new_not_syn = filter_table(
        f"-A INPUT {NEW_NOT_SYN} -j DROP", f"-A OUTPUT {NEW_NOT_SYN} -j DROP"
    )
    placed: Mapping[str, tuple[Host, str, Topology]] = {
        "no-rules": (Host.ROUTER, NOTHING, Topology.ROUTED),
        "output-invalid": (Host.CLIENT, OUTPUT_INVALID, Topology.ROUTED),
        "input-invalid": (Host.CLIENT, INPUT_INVALID, Topology.ROUTED),
        "server-input-invalid": (Host.SERVER, INPUT_INVALID, Topology.ROUTED),
        "forward-invalid": (Host.ROUTER, FORWARD_INVALID, Topology.ROUTED),
        "output-invalid-lo": (Host.CLIENT, OUTPUT_INVALID, Topology.LOOPBACK),
        "new-not-syn": (Host.CLIENT, new_not_syn, Topology.ROUTED),
        "forward-new-not-syn": (Host.ROUTER, FORWARD_NEW_NOT_SYN, Topology.ROUTED),
    }
    timeout = {"net.netfilter.nf_conntrack_tcp_timeout_close_wait": "600"}
    for name, (host, text, topology) in placed.items():
        for is_alive in (True, False):
            entry = "alive" if is_alive else "expired"
            yield Case(
                f"reuse-160-{name}-{entry}",
                "A port is used again after 160 s towards a server that leaks CLOSE_WAIT;"
                f" {name}, entry {entry}.",
                (*OPEN, Close(1.0, "client"), Connect(160.0, "again"), Accept(162.0, "another")),
                163,
                topology=topology,
                rules={} if text == NOTHING else {host: text},
                sysctls={host: timeout} if is_alive else {},
            )


def time_waits() -> Iterator[Case]:
    both = (*OPEN, Close(0.5, "client"), Close(0.7, "server"))
    yield Case("time-wait", "The client closes, then the server.", both, 64)
    yield Case(
        "time-wait-port-bound",
        "The client binds the port of its own connection in TIME_WAIT.",
        (*both, Connect(2.0, "again")),
        3,
    )
    yield Case(
        "time-wait-of-server",
        "The server closes first; the client connects again from the same port.",
        (
            *OPEN,
            Close(0.5, "server"),
            Close(0.7, "client"),
            Connect(2.0, "again"),
            Accept(2.5, "another"),
        ),
        4,
    )
    yield Case(
        "time-wait-of-server-no-timestamps",
        "The same without timestamps.",
        (
            *OPEN,
            Close(0.5, "server"),
            Close(0.7, "client"),
            Connect(2.0, "again"),
            Accept(2.5, "another"),
        ),
        4,
        sysctls={Host.CLIENT: {"net.ipv4.tcp_timestamps": "0"}},
    )
    for reuse in (0, 1, 2):
        yield Case(
            f"tw-reuse-{reuse}",
            f"The only port is in TIME_WAIT when the client connects again; tcp_tw_reuse {reuse}.",
            (
                Listen(0.0),
                Connect(0.1, "client", None),
                Accept(0.3, "server"),
                Close(0.5, "client"),
                Close(0.7, "server"),
                Connect(0.8, "at once", None),
                Connect(2.5, "later", None),
            ),
            4,
            sysctls={
                Host.CLIENT: {
                    "net.ipv4.ip_local_port_range": "40000 40000",
                    "net.ipv4.tcp_tw_reuse": str(reuse),
                }
            },
        )
    yield Case(
        "simultaneous-close",
        "Both ends close while the router is dark for a moment.",
        (
            *OPEN,
            Rules(0.4, Host.ROUTER, BLACK_HOLE),
            Close(0.5, "client"),
            Close(0.5, "server"),
            Rules(0.6, Host.ROUTER, NOTHING),
        ),
        4,
    )
