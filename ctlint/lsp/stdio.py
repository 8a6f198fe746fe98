# SPDX-License-Identifier: GPL-2.0-only
"""The server over standard input and output, until the client ends it or goes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def run() -> bool:
    """Serves the client. Whether it has ended the server as it should."""
    # Nothing but messages may go to the client: what prints, prints to standard error.
    wire = os.dup(1)
    os.dup2(2, 1)
    from ctlint.lsp.worker import Worker

    # It starts while this process loads the rest.
    worker = Worker()
    worker.start()
    from ctlint.lsp.features import create

    server = create(worker)

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        worker.stop()
        # Not in the usual way: a thread waits for what the client says next.
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    with os.fdopen(wire, "wb") as stdout:
        try:
            server.start_io(sys.stdin.buffer, stdout)
        finally:
            worker.stop()
    return server.was_shut_down
