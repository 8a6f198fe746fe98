# SPDX-License-Identifier: GPL-2.0-only
"""``--live`` and ``--netns``: what goes with them, and errors that need no root."""

from __future__ import annotations

import pytest

from tests.unit.cli.running import ctlint

PACKET = "10.0.0.1:1 > 10.0.0.2:2 S"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", PACKET], "no rules: give --rules FILE, or --live to read this host"),
        (["whatif"], "no rules: give --rules FILE, or --live to read this host"),
        (["explain", PACKET, "--rules", "x", "--live"], "--rules and --live are two hosts"),
        (["whatif", "--rules", "x", "--netns", "y"], "--rules and --live are two hosts"),
        (["explain", PACKET, "--netns", "a", "--netns", "b"], "one --netns at most"),
        (["lint"], "no PATH; use - to read standard input, --live to read this host"),
        (["lint", "--netns", "ctlint-absent"], "--netns ctlint-absent: no such network namespace"),
        (["lint", "--netns", ""], "--netns '': no name of a network namespace"),
        (["lint", "--netns", "/proc/self/status"], "/proc/self/status: "),
        (["confirm", "x", "--modules", "y"], "--modules goes with --kernel-image"),
        (["confirm", "x", "--kernel-image", "absent"], "absent: no image of a kernel"),
    ],
)
def test_errors(arguments: list[str], said: str) -> None:
    done = ctlint(arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
