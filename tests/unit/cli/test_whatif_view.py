# SPDX-License-Identifier: GPL-2.0-only
"""`ctlint whatif` on a terminal: the view opens, ends, and says where it cannot open."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY

COMMAND = [sys.executable, "-m", "ctlint", "whatif", "--rules"]
HOST = "examples/fin-wait-1"


def on_terminal(
    arguments: list[str],
    keys: bytes,
    *,
    rows: int = 24,
    columns: int = 80,
    ready: bytes = b"established 120",
    **environment: str,
) -> tuple[int, str]:
    """Runs ctlint on a terminal of its own: its exit code, and all that it wrote there. Keys are
    typed one by one once the view is there.
    """
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        cwd=REPOSITORY,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUTF8": "1",
            "TERM": "xterm-256color",
            **environment,
        },
    )
    os.close(inner)
    written = b""
    deadline = time.monotonic() + 60
    waiting = list(keys)
    try:
        while time.monotonic() < deadline:
            readable, _, _ = select.select([terminal], [], [], 0.3)
            if readable:
                try:
                    chunk = os.read(terminal, 65536)
                except OSError:  # the other end is closed
                    break
                if not chunk:
                    break
                written += chunk
            elif waiting and ready in written:
                os.write(terminal, bytes([waiting.pop(0)]))
        return process.wait(timeout=30), written.decode("utf-8", "replace")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.mark.parametrize("size", [(24, 80), (10, 40)])
def test_it_opens_and_ends(size: tuple[int, int]) -> None:
    code, written = on_terminal([HOST, "--idle", "15m"], b"2eqq", rows=size[0], columns=size[1])
    assert code == 0, written
    assert "100% stranded" in written
    assert "Traceback" not in written
    # What was exported is what it leaves behind.
    assert written.rstrip().endswith(
        f"ctlint whatif --rules {HOST} --kernel 7.3 --idle 15m --format text"
    )


def test_who_leaves_does_not_wait(tmp_path: Path) -> None:
    """Rules that take seconds: the process ends at once, and well."""
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    for number in range(3000):
        source = f"10.{number % 250}.{number // 250}.0/24"
        lines.append(f"-A FORWARD -s {source} -p tcp -m tcp --dport {number + 1} -j ACCEPT")
        lines.append(f"-A INPUT -s {source} -p tcp -m tcp --dport {number + 1} -j ACCEPT")
    file = tmp_path / "rules.v4"
    file.write_text("\n".join([*lines, "COMMIT", ""]))
    began = time.monotonic()
    code, written = on_terminal([str(file)], b"q", ready=b"looking at the rules")
    assert code == 0
    assert "Traceback" not in written
    assert time.monotonic() - began < 30


def test_without_colour_no_colour_is_written() -> None:
    code, written = on_terminal([HOST], b"q", NO_COLOR="1")
    assert code == 0
    assert "\x1b[31m" not in written
    assert "\x1b[91m" not in written


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_can_do_nothing_is_told(term: str) -> None:
    code, written = on_terminal([HOST], b"", TERM=term)
    assert code == 2
    assert "this terminal cannot show the interactive view" in written
    assert "--format text" in written


def test_with_format_it_prints() -> None:
    code, written = on_terminal([HOST, "--format", "text"], b"", TERM="dumb")
    assert code == 0
    assert "safe as long as every silence is" in written


def test_bad_settings_are_told_before_it_opens(tmp_path: Path) -> None:
    file = tmp_path / "sysctl"
    file.write_text("net.netfilter.nf_conntrack_tcp_timeout_established = soon\n")
    code, written = on_terminal([HOST, "--sysctl", str(file)], b"")
    assert code == 2
    assert "is not a whole number" in written
