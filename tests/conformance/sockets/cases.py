# SPDX-License-Identifier: GPL-2.0-only
"""The cases: what the two ends of a connection come to, by the rules and settings between them.

Most run client - router - server. `client` and `server` are the names of the two sockets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from tests.conformance.sockets.case import (
    Accept,
    Case,
    Connect,
    Expire,
    Host,
    Kill,
    Listen,
    Rules,
    filter_table,
)
from tests.conformance.sockets.closes import fin_wait_2, half_closes, lost_fins, resets, silences
from tests.conformance.sockets.openings import handshakes, queues, rejections
from tests.conformance.sockets.parts import FORWARD_INVALID, FORWARD_NEW_NOT_SYN
from tests.conformance.sockets.reopenings import later_port_reuse, port_reuse, time_waits

_MADE: Final[Mapping[str, Sequence[Iterator[Case]]]] = {
    "A FIN that is lost": (lost_fins(),),
    "FIN_WAIT_2": (fin_wait_2(),),
    "Handshakes": (handshakes(), rejections()),
    "A peer that is silent": (silences(),),
    "Half-closed connections": (half_closes(),),
    "Resets": (resets(),),
    "A port that is used again": (port_reuse(), later_port_reuse(), time_waits()),
    "Queues of a listener": (queues(),),
}
_GROUPED: Final = {title: tuple(chain(*made)) for title, made in _MADE.items()}

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    title: tuple(case.name for case in cases) for title, cases in _GROUPED.items()
}
"""The names of the cases by what they are about."""

CASES: Final[Mapping[str, Case]] = {
    case.name: case for cases in _GROUPED.values() for case in cases
}
"""All cases by their names."""

REHEARSAL: Final = Case(
    "rehearsal",
    "What other cases do, in short.",
    (
        Listen(0.0),
        Connect(0.1, "client"),
        Accept(0.6, "server"),
        Rules(0.7, Host.ROUTER, FORWARD_NEW_NOT_SYN),
        Rules(0.8, Host.SERVER, filter_table("-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset")),
        Expire(0.9, Host.ROUTER),
        Kill(1.0, "client"),
    ),
    1.5,
    rules={Host.ROUTER: FORWARD_INVALID},
)
