# SPDX-License-Identifier: GPL-2.0-only
"""Cases in which an end closes, and what it says is lost, or nobody answers it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.sockets.case import (
    Abort,
    Case,
    Close,
    Expire,
    Host,
    Keepalive,
    Kill,
    Read,
    Rules,
    Send,
    Shutdown,
)
from tests.conformance.sockets.parts import (
    BLACK_HOLE,
    ENDED,
    FORWARD_INVALID,
    NOTHING,
    ONLY_ESTABLISHED,
    OPEN,
    OUTPUT_INVALID,
)


def _where(place: str) -> tuple[Host, dict[Host, str]]:
    """The host that loses a packet, and its rules."""
    if place == "output":
        return Host.CLIENT, {Host.CLIENT: OUTPUT_INVALID}
    return Host.ROUTER, {Host.ROUTER: FORWARD_INVALID}


def lost_fins() -> Iterator[Case]:
    for place in ("output", "forward"):
        host, rules = _where(place)
        for retries, seconds in ((0, 115), (3, 8)):
            settings = {Host.CLIENT: {"net.ipv4.tcp_orphan_retries": str(retries)}}
            said = f"dies in {place.upper()} (INVALID); tcp_orphan_retries {retries}"
            yield Case(
                f"fin-wait-1-{place}-{retries}",
                f"The client closes after its entry has expired, and its FIN {said}.",
                (*OPEN, Expire(0.4, host), Close(ENDED, "client")),
                seconds,
                rules=rules,
                sysctls=settings,
            )
            yield Case(
                f"last-ack-{place}-{retries}",
                f"The server closes, the client later, when its FIN {said}.",
                (*OPEN, Close(0.4, "server"), Expire(0.5, host), Close(0.6, "client")),
                seconds,
                rules=rules,
                sysctls=settings,
            )
    yield Case(
        "fin-wait-1-owned",
        "The client shuts down and keeps its socket; its FIN dies on the router.",
        (*OPEN, Expire(0.4, Host.ROUTER), Shutdown(ENDED, "client")),
        30,
        rules={Host.ROUTER: FORWARD_INVALID},
    )
    yield Case(
        "fin-wait-1-input",
        "The client closes after its entry has expired; the ACK of its FIN is NEW, which its INPUT"
        " drops.",
        (*OPEN, Expire(0.4, Host.CLIENT), Close(ENDED, "client")),
        8,
        rules={Host.CLIENT: ONLY_ESTABLISHED},
        sysctls={Host.CLIENT: {"net.ipv4.tcp_orphan_retries": "3"}},
    )
    yield Case(
        "close-wait-input",
        "The server closes after the client's entry has expired: its FIN is INVALID, and the"
        " client's INPUT drops it.",
        (*OPEN, Expire(0.4, Host.CLIENT), Close(ENDED, "server")),
        8,
        rules={Host.CLIENT: ONLY_ESTABLISHED},
        sysctls={Host.SERVER: {"net.ipv4.tcp_orphan_retries": "3"}},
    )
    yield Case(
        "killed-expired",
        "The client is killed after its entry has expired, and its FIN dies in OUTPUT.",
        (*OPEN, Expire(0.4, Host.CLIENT), Kill(ENDED, "client")),
        8,
        rules={Host.CLIENT: OUTPUT_INVALID},
        sysctls={Host.CLIENT: {"net.ipv4.tcp_orphan_retries": "3"}},
    )
    yield Case(
        "killed-alive",
        "The client is killed; the server reads the end and closes.",
        (*OPEN, Kill(ENDED, "client"), Close(1.0, "server")),
        3,
        rules={Host.CLIENT: OUTPUT_INVALID},
    )
    yield Case(
        "data-before-fin-expired",
        "After its entry has expired the client sends, which is NEW, and then closes.",
        (*OPEN, Expire(0.4, Host.CLIENT), Send(0.5, "client", 10), Close(0.7, "client")),
        3,
        rules={Host.CLIENT: OUTPUT_INVALID},
    )


def fin_wait_2() -> Iterator[Case]:
    yield Case(
        "fin-wait-2",
        "The client closes, the server never does.",
        (*OPEN, Close(ENDED, "client")),
        66,
    )
    for seconds, watched in ((2, 5), (5, 8), (61, 5), (90, 96)):
        yield Case(
            f"fin-wait-2-{seconds}",
            f"The client closes, the server never does; tcp_fin_timeout {seconds}.",
            (*OPEN, Close(ENDED, "client")),
            watched,
            sysctls={Host.CLIENT: {"net.ipv4.tcp_fin_timeout": str(seconds)}},
        )
    yield Case(
        "fin-wait-2-owned",
        "The client shuts down and keeps its socket, the server never closes.",
        (*OPEN, Shutdown(ENDED, "client")),
        75,
    )
    yield Case(
        "fin-wait-2-late-close",
        "The client shuts down and closes 3 s later; tcp_fin_timeout 2.",
        (*OPEN, Shutdown(ENDED, "client"), Close(3.5, "client")),
        8,
        sysctls={Host.CLIENT: {"net.ipv4.tcp_fin_timeout": "2"}},
    )
    yield Case(
        "fin-after-fin-wait-2",
        "The server closes when the client's socket is gone; tcp_fin_timeout 1.",
        (*OPEN, Close(ENDED, "client"), Close(3.0, "server")),
        5,
        sysctls={Host.CLIENT: {"net.ipv4.tcp_fin_timeout": "1"}},
    )
    yield Case(
        "data-to-fin-wait-2",
        "The server sends to a client that has closed.",
        (*OPEN, Close(ENDED, "client"), Send(1.0, "server", 100), Send(1.2, "server", 100)),
        3,
    )


def half_closes() -> Iterator[Case]:
    for pause, count in ((1.0, 5), (10.0, 7)):
        sends = tuple(Send(1.0 + n * pause, "server", 1000) for n in range(count))
        last = 1.0 + count * pause
        yield Case(
            f"half-close-{int(pause)}",
            f"The client shuts down; the server sends every {int(pause)} s, then closes.",
            (
                *OPEN,
                Shutdown(ENDED, "client"),
                *sends,
                Close(last, "server"),
                Close(last + 1, "client"),
            ),
            last + 2,
            rules={Host.ROUTER: FORWARD_INVALID},
        )
    yield Case(
        "half-close-expired",
        "The client shuts down; the server's FIN comes when the router has forgotten both.",
        (
            *OPEN,
            Shutdown(ENDED, "client"),
            Expire(1.0, Host.ROUTER),
            Close(1.2, "server"),
        ),
        8,
        rules={Host.ROUTER: FORWARD_INVALID},
        sysctls={Host.SERVER: {"net.ipv4.tcp_orphan_retries": "2"}},
    )


def resets() -> Iterator[Case]:
    yield Case(
        "linger-0-alive",
        "The client closes with SO_LINGER 0.",
        (*OPEN, Abort(ENDED, "client")),
        2,
        rules={Host.CLIENT: OUTPUT_INVALID},
    )
    yield Case(
        "linger-0-expired",
        "The client closes with SO_LINGER 0 when its RST dies in OUTPUT.",
        (*OPEN, Expire(0.4, Host.CLIENT), Abort(ENDED, "client"), Send(2.0, "server", 10)),
        5,
        rules={Host.CLIENT: OUTPUT_INVALID},
    )
    yield Case(
        "unread-data",
        "The client closes without reading what has come.",
        (*OPEN, Send(0.4, "server", 100), Close(0.6, "client")),
        2,
    )
    yield Case(
        "read-data",
        "The client reads what has come, and closes.",
        (*OPEN, Send(0.4, "server", 100), Read(0.5, "client"), Close(0.6, "client")),
        2,
    )
    yield Case(
        "send-after-close",
        "The client sends to a server that has closed.",
        (*OPEN, Close(0.4, "server"), Send(0.6, "client", 10), Send(0.8, "client", 10)),
        2,
    )


def silences() -> Iterator[Case]:
    for time, interval, seconds in ((30, 10, 66), (2, 1, 8)):
        yield Case(
            f"keepalive-{time}-{interval}-3",
            f"The router goes dark; keepalive {time}/{interval}/3 on the client.",
            (
                *OPEN,
                Keepalive(0.4, "client", time, interval, 3),
                Rules(0.5, Host.ROUTER, BLACK_HOLE),
            ),
            seconds,
        )
    yield Case(
        "keepalive-expired-output",
        "The client's entry has expired; its keepalive probes are NEW and make one again.",
        (
            *OPEN,
            Keepalive(0.4, "client", 2, 1, 3),
            Expire(0.5, Host.CLIENT),
            Close(4.0, "client"),
        ),
        6,
        rules={Host.CLIENT: OUTPUT_INVALID},
    )
    yield Case(
        "retries2-3",
        "The router goes dark, and the client sends; tcp_retries2 3.",
        (*OPEN, Rules(0.4, Host.ROUTER, BLACK_HOLE), Send(ENDED, "client", 100)),
        8,
        sysctls={Host.CLIENT: {"net.ipv4.tcp_retries2": "3"}},
    )
    yield Case(
        "retries2-8",
        "The router goes dark, and the client sends; tcp_retries2 8.",
        (*OPEN, Rules(0.4, Host.ROUTER, BLACK_HOLE), Send(ENDED, "client", 100)),
        115,
        sysctls={Host.CLIENT: {"net.ipv4.tcp_retries2": "8"}},
    )
    yield Case(
        "dark-for-a-while",
        "The router goes dark for 2 s while the client sends; the data come in the end.",
        (
            *OPEN,
            Rules(0.4, Host.ROUTER, BLACK_HOLE),
            Send(ENDED, "client", 100),
            Rules(2.5, Host.ROUTER, NOTHING),
            Close(5.0, "client"),
            Close(5.2, "server"),
        ),
        7,
    )
