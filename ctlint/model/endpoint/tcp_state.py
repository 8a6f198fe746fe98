# SPDX-License-Identifier: GPL-2.0-only
"""The states of a TCP endpoint.

Source: RFC 9293, section 3.3.2; include/net/tcp_states.h. The values are what ss(8) prints.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


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


# A name of a module is found faster than a member of an enumeration, and these are asked for each
# segment.
CLOSE: Final = TcpState.CLOSE
LISTEN: Final = TcpState.LISTEN
SYN_SENT: Final = TcpState.SYN_SENT
SYN_RECV: Final = TcpState.SYN_RECV
ESTABLISHED: Final = TcpState.ESTABLISHED
FIN_WAIT_1: Final = TcpState.FIN_WAIT_1
FIN_WAIT_2: Final = TcpState.FIN_WAIT_2
CLOSE_WAIT: Final = TcpState.CLOSE_WAIT
CLOSING: Final = TcpState.CLOSING
LAST_ACK: Final = TcpState.LAST_ACK
TIME_WAIT: Final = TcpState.TIME_WAIT
