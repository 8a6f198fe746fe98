# SPDX-License-Identifier: GPL-2.0-only
"""What many cases have in common: rules, and how a connection is opened."""

from __future__ import annotations

from typing import Final

from tests.conformance.sockets.case import Accept, Connect, Listen, Step, filter_table

INVALID: Final = "-m conntrack --ctstate INVALID -j DROP"
OUTPUT_INVALID: Final = filter_table(f"-A OUTPUT {INVALID}")
INPUT_INVALID: Final = filter_table(f"-A INPUT {INVALID}")
FORWARD_INVALID: Final = filter_table(f"-A FORWARD {INVALID}")
NEW_NOT_SYN: Final = "-p tcp -m tcp ! --tcp-flags SYN,RST,ACK,FIN SYN -m conntrack --ctstate NEW"
FORWARD_NEW_NOT_SYN: Final = filter_table(f"-A FORWARD {NEW_NOT_SYN} -j DROP")
INPUT_NEW_NOT_SYN: Final = filter_table(f"-A INPUT {NEW_NOT_SYN} -j DROP")
ONLY_ESTABLISHED: Final = filter_table(
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -j DROP"
)
BLACK_HOLE: Final = filter_table("-A FORWARD -p tcp -j DROP")
NO_SYN_ACK: Final = filter_table("-A FORWARD -p tcp -m tcp --sport 80 -j DROP")
NO_ACK: Final = filter_table(
    "-A FORWARD -p tcp -m tcp --dport 80 --tcp-flags SYN,RST,ACK,FIN ACK -j DROP"
)
NOTHING: Final = filter_table()

OPEN: Final[tuple[Step, ...]] = (
    Listen(0.0),
    Connect(0.1, "client"),
    Accept(0.3, "server"),
)
"""A connection that stands at 0.3 s."""

ENDED: Final = 0.5
"""When the first end of such a connection does something."""
