# SPDX-License-Identifier: GPL-2.0-only
"""Cases in which a connection is opened, and that does not go as usual."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.sockets.case import (
    Accept,
    Case,
    Close,
    Connect,
    Expire,
    Host,
    Listen,
    Rules,
    filter_table,
)
from tests.conformance.sockets.parts import (
    BLACK_HOLE,
    ENDED,
    NO_ACK,
    NO_SYN_ACK,
    NOTHING,
    OPEN,
)


def handshakes() -> Iterator[Case]:
    yield Case(
        "syn-sent",
        "The client's SYNs are dropped on the router.",
        (Listen(0.0), Connect(0.1, "client")),
        140,
        rules={Host.ROUTER: BLACK_HOLE},
    )
    yield Case(
        "syn-sent-2",
        "The client's SYNs are dropped on the router; tcp_syn_retries 2.",
        (Listen(0.0), Connect(0.1, "client")),
        8,
        rules={Host.ROUTER: BLACK_HOLE},
        sysctls={Host.CLIENT: {"net.ipv4.tcp_syn_retries": "2"}},
    )
    yield Case(
        "syn-sent-output",
        "The client's SYNs are dropped in its OUTPUT; tcp_syn_retries 2.",
        (Listen(0.0), Connect(0.1, "client")),
        8,
        rules={Host.CLIENT: filter_table("-A OUTPUT -p tcp -j DROP")},
        sysctls={Host.CLIENT: {"net.ipv4.tcp_syn_retries": "2"}},
    )
    for retries, seconds in ((5, 70), (1, 6)):
        yield Case(
            f"syn-recv-{retries}",
            f"The server hears one SYN and is not answered; tcp_synack_retries {retries}.",
            (Listen(0.0), Connect(0.1, "client"), Rules(0.6, Host.ROUTER, BLACK_HOLE)),
            seconds,
            rules={Host.ROUTER: NO_SYN_ACK},
            sysctls={Host.SERVER: {"net.ipv4.tcp_synack_retries": str(retries)}},
        )
    yield Case(
        "syn-ack-late",
        "The server hears one SYN; its second SYN/ACK comes through.",
        (
            Listen(0.0),
            Connect(0.1, "client"),
            Rules(0.6, Host.ROUTER, filter_table("-A FORWARD -p tcp -m tcp --syn -j DROP")),
        ),
        3,
        rules={Host.ROUTER: NO_SYN_ACK},
    )
    yield Case("refused", "Nobody listens.", (Connect(0.1, "client"),), 2)


def rejections() -> Iterator[Case]:
    for answer in ("tcp-reset", "icmp-port-unreachable", "icmp-admin-prohibited"):
        for host, chain in ((Host.ROUTER, "FORWARD"), (Host.CLIENT, "OUTPUT")):
            if answer != "tcp-reset" and host is Host.ROUTER:
                continue
            rule = f"-A {chain} -p tcp -m tcp --dport 80 -j REJECT --reject-with {answer}"
            yield Case(
                f"syn-{answer}-{chain.lower()}",
                f"The client's SYN meets REJECT --reject-with {answer} in {chain}.",
                (Listen(0.0), Connect(0.1, "client")),
                8,
                rules={host: filter_table(rule)},
                sysctls={Host.CLIENT: {"net.ipv4.tcp_syn_retries": "2"}},
            )
        # Between namespaces the ICMP error of a router is back before connect() has let go of its
        # socket, as it is from OUTPUT. A real network takes longer, like a retransmission here.
        yield Case(
            f"syn-{answer}-late",
            f"The client's second SYN meets REJECT --reject-with {answer} in FORWARD.",
            (
                Listen(0.0),
                Connect(0.1, "client"),
                Rules(
                    0.5,
                    Host.ROUTER,
                    filter_table(f"-A FORWARD -p tcp -j REJECT --reject-with {answer}"),
                ),
            ),
            3,
            rules={Host.ROUTER: BLACK_HOLE},
        )
    for host, chain in ((Host.ROUTER, "FORWARD"), (Host.CLIENT, "OUTPUT")):
        rule = f"-A {chain} -p tcp -m conntrack --ctstate INVALID -j REJECT"
        yield Case(
            f"fin-tcp-reset-{chain.lower()}",
            f"The client's FIN meets REJECT --reject-with tcp-reset in {chain}.",
            (*OPEN, Expire(0.4, host), Close(ENDED, "client")),
            8,
            rules={host: filter_table(f"{rule} --reject-with tcp-reset")},
            sysctls={Host.CLIENT: {"net.ipv4.tcp_orphan_retries": "3"}},
        )


def queues() -> Iterator[Case]:
    names = ("first", "second", "third", "fourth")
    for abort in (0, 1):
        settings = {Host.SERVER: {"net.ipv4.tcp_abort_on_overflow": str(abort)}}
        yield Case(
            f"accept-queue-{abort}",
            f"Four connect one after the other, backlog 1; tcp_abort_on_overflow {abort}.",
            (
                Listen(0.0, backlog=1),
                *(
                    Connect(0.1 + number / 10, name, 40000 + number)
                    for number, name in enumerate(names)
                ),
                Accept(4.8, "accepted"),
                Accept(4.9, "accepted too"),
            ),
            8,
            sysctls=settings,
        )
        yield Case(
            f"accept-queue-late-{abort}",
            "The last ACK of a handshake comes late, to an accept queue that has become full,"
            f" backlog 1; tcp_abort_on_overflow {abort}.",
            (
                Listen(0.0, backlog=1),
                Connect(0.1, "first", 40000),
                Rules(0.2, Host.ROUTER, NO_ACK),
                Connect(0.3, "second", 40001),
                Connect(0.5, "third", 40002),
                Rules(0.7, Host.ROUTER, NOTHING),
                Accept(4.8, "accepted"),
                Accept(4.9, "accepted too"),
            ),
            8,
            sysctls=settings,
        )
    yield Case(
        "no-syncookies",
        "Four SYNs, of which no handshake ends; backlog 1, tcp_syncookies 0.",
        (
            Listen(0.0, backlog=1),
            *(Connect(0.1 + n / 10, f"client {n}", 40000 + n) for n in range(4)),
            Rules(0.8, Host.ROUTER, BLACK_HOLE),
        ),
        4,
        rules={Host.ROUTER: NO_SYN_ACK},
        sysctls={Host.SERVER: {"net.ipv4.tcp_syncookies": "0"}},
    )
    yield Case(
        "syncookies",
        "The third SYN meets a full queue of requests, backlog 1: a cookie.",
        (
            Listen(0.0, backlog=1),
            *(Connect(0.1 + n / 10, f"client {n}", 40000 + n) for n in range(3)),
            Rules(0.8, Host.ROUTER, BLACK_HOLE),
        ),
        4,
        rules={Host.ROUTER: NO_SYN_ACK},
    )
