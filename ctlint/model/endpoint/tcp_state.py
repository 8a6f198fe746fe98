# SPDX-License-Identifier: GPL-2.0-only
"""The states of a TCP endpoint.

Source: RFC 9293, section 3.3.2; include/net/tcp_states.h. The values are what ss(8) prints.
"""

from __future__ import annotations

from enum import Enum


class TcpState(Enum):
    """The state of a socket; not that of an entry, which is `TcpCt`."""

    CLOSE = "UNCONN"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECV = "SYN-RECV"
    ESTABLISHED = "ESTAB"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"
