# SPDX-License-Identifier: GPL-2.0-only
"""When a packet on lo has been handled: the kernel may do so later, in a thread of its own.

Each processor has one queue of packets that come in (the backlog), lo's among them, and handles
them one after the other. So whatever was sent on lo is done with when a frame comes back that the
same processor has sent afterwards. That frame belongs to no protocol, and netfilter, which sees IP
only here, does not see it.

Source: net/core/dev.c (enqueue_to_backlog, process_backlog), drivers/net/loopback.c; packet(7).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ctlint.lab.errors import LabStalled

_LOCAL_EXPERIMENT: Final = 0x88B5
"""An EtherType that IEEE 802 leaves to everybody."""

_HEADER: Final = bytes(12) + struct.pack("!H", _LOCAL_EXPERIMENT)
_SECONDS_TO_WAIT: Final = 5


class Loopback:
    """The lo of the namespace in which this is made. All methods raise OSError."""

    def __init__(self) -> None:
        self._number = 0
        self._libc = ctypes.CDLL(None)
        kind = socket.SOCK_RAW
        self._socket = socket.socket(socket.AF_PACKET, kind, socket.htons(_LOCAL_EXPERIMENT))
        try:
            self._socket.bind(("lo", _LOCAL_EXPERIMENT))
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        """Close what holds the namespace open."""
        self._socket.close()

    @contextmanager
    def on_one_processor(self) -> Iterator[None]:
        """Keeps this thread where it is: `flush` is about what the same processor has sent."""
        allowed = os.sched_getaffinity(0)
        if len(allowed) == 1:
            yield
            return
        os.sched_setaffinity(0, {self._libc.sched_getcpu()})
        try:
            yield
        finally:
            os.sched_setaffinity(0, allowed)

    def flush(self) -> None:
        """Wait until all that this processor had in its queue is handled. Raises LabStalled."""
        self._number += 1
        frame = _HEADER + struct.pack("!Q", self._number) + bytes(38)
        self._socket.send(frame)
        give_up = time.monotonic() + _SECONDS_TO_WAIT
        while True:
            self._socket.settimeout(max(give_up - time.monotonic(), 0.001))
            try:
                if self._socket.recv(len(frame)) == frame:
                    return
            except TimeoutError:
                raise LabStalled("a packet on lo is under way for too long") from None
