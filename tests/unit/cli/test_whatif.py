# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint whatif`` as a user calls it, and that docs/whatif.md shows what it prints."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from ctlint.report.whatif_words import command_line
from tests.corpus import REPOSITORY
from tests.unit.analysis.whatif_hosts import asked
from tests.unit.cli.pages import Command, commands
from tests.unit.cli.running import Done, ctlint

PAGE = REPOSITORY / "docs" / "whatif.md"
HOST = "examples/fin-wait-1"
LOOP = "*filter\n:INPUT ACCEPT [0:0]\n:A - [0:0]\n-A INPUT -j A\n-A A -j A\nCOMMIT\n"


def whatif(*arguments: str, **environment: str) -> Done:
    done = ctlint(["whatif", "--rules", HOST, *arguments], "", REPOSITORY, **environment)
    assert "Traceback" not in done.stderr
    return done


def whatif_json(*arguments: str) -> dict[str, Any]:
    done = whatif("--format", "json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_incident() -> None:
    """I1: 120 s is the threshold, 1200 s merely moves it, keepalives below each make it safe."""
    found = whatif_json("--idle", "15m")
    idle = found["thresholds"][0]
    assert (idle["phase"], idle["safe_below"], idle["share"]) == ("idle", 120, 1)
    assert {"OUTPUT", "INPUT"} == {lost["location"]["chain"] for lost in idle["lost"]}
    assert [
        (each["timeout"], each["safe_below"], each["share"], each["keepalive_below"])
        for each in found["established"]
        if each["timeout"] in (120, 1200, 432000)
    ] == [(120, 120, 1, 120), (1200, 1200, 0, 1200), (432000, 432000, 0, 432000)]


def test_one_setting_is_answered_with_what_was_before() -> None:
    found = whatif_json("--set", "tcp_timeout_established=1200", "--idle", "15m")
    assert (found["before"]["stranded_share"], found["stranded_share"]) == (1, 0)
    assert found["set"] == {"net.netfilter.nf_conntrack_tcp_timeout_established": 1200}


def test_a_table_that_is_too_small_is_said() -> None:
    """100 a second for 120 s are 12,000."""
    done = whatif("--idle", "15m", "--rate", "100", "--sweep", "nf_conntrack_max=1000..50000")
    assert (done.returncode, done.stderr) == (0, "")
    assert "at 12000: the table holds all entries from there on" in done.stdout


def test_check() -> None:
    assert whatif("--idle", "15m", "--check").returncode == 1
    assert whatif("--idle", "119", "--check").returncode == 0
    assert whatif("--check").returncode == 0
    assert whatif("--idle", "15m").returncode == 0


def test_the_text_fits_a_narrow_terminal() -> None:
    done = whatif("--idle", "15m", COLUMNS="40")
    assert (done.returncode, done.stderr) == (0, "")
    long = [line for line in done.stdout.splitlines() if len(line) > 40]
    assert not long


def test_an_ascii_terminal_gets_the_numbers_without_the_plot() -> None:
    sweep = ("--idle", "60", "--sweep", "tcp_timeout_established=10..100")
    done = whatif(*sweep, PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "at 61: idle" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "nope=1"),
        ("--set", "tcp_loose"),
        ("--set", "tcp_loose=2"),
        ("--sweep", "tcp_timeout_established=10"),
        ("--sweep", "tcp_timeout_established=10..5"),
        ("--idle", "never"),
        ("--idle", "1s:50%"),
        ("--half-close", "0"),
        ("--keepalive", "60/10/0"),
        ("--rate", "-1"),
        ("--vanish", "1"),
        ("--role", "king"),
        ("--kernel", "nope"),
        ("--kernel", "5.10", "--set", "tcp_ignore_invalid_rst=1"),
        ("--idle", "\x1b[31m"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_one_error_and_2(arguments: tuple[str, ...]) -> None:
    done = whatif(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "\x1b" not in done.stderr


def test_bad_input_is_2(tmp_path: Path) -> None:
    for arguments in (["--rules", "no-such-file"], ["--rules", HOST, "--sysctl", "no-such-file"]):
        done = ctlint(["whatif", *arguments])
        assert (done.returncode, done.stdout) == (2, "")
    (tmp_path / "sysctl").write_text("net.netfilter.nf_conntrack_tcp_timeout_established = soon\n")
    done = whatif("--sysctl", str(tmp_path / "sysctl"))
    assert done.returncode == 2
    assert f"{tmp_path}/sysctl:1:" in done.stderr
    (tmp_path / "loop.v4").write_text(LOOP)
    done = ctlint(["whatif", "--rules", tmp_path / "loop.v4"])
    assert (done.returncode, done.stdout) == (2, "")


def test_what_is_exported_asks_the_same() -> None:
    arguments = (
        *("--set", "tcp_timeout_established=1200", "--idle", "1s:50%,20m:50%"),
        *("--half-close", "5m@off", "--keepalive", "60/10/3", "--rate", "0.5", "--vanish", "1%"),
        *("--role", "client", "--role", "router"),
    )
    question = asked("tcp_timeout_established=1200", idle="1s:50%,20m:50%")
    assert command_line(question, [HOST], [], [])[:7] == [
        *("ctlint", "whatif", "--rules", HOST, "--kernel", question.kernel.name, "--set"),
    ]
    first = whatif_json(*arguments)
    assert first["told"]["roles"] == ["client", "router"]
    words = shlex.split(" ".join(map(shlex.quote, command_line(question, [HOST], [], []))))
    assert ctlint(words[1:]).returncode == 0


@pytest.mark.parametrize("command", commands(PAGE), ids=lambda each: " ".join(each.arguments[3:]))
def test_the_page_shows_what_is_printed(command: Command) -> None:
    done = ctlint(command.arguments, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    printed = command.printed.split("…\n")
    at = 0
    for part in printed:
        assert part in done.stdout[at:], part
        at = done.stdout.index(part, at) + len(part)
