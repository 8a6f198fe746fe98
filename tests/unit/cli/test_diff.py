# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint diff`` as a user calls it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ctlint.analysis.difference_replay import unmet
from ctlint.finding import Witness
from tests.corpus import REPOSITORY
from tests.unit.cli.running import ctlint

OLD = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 8088 -j ACCEPT
COMMIT
"""
NEW = OLD.replace("-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 8088 -j ACCEPT\n", "").replace(
    "-A INPUT -p tcp -m tcp --dport 22",
    "-A INPUT -m conntrack --ctstate INVALID -j DROP\n-A INPUT -p tcp -m tcp --dport 22",
)
MESSAGE = (
    "port 8088: connections to the host could be opened, and cannot now: the client's SYN is "
    "dropped by filter/INPUT policy (new.v4:2); before, filter/INPUT#4 (old.v4:8) accepted it"
)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    (tmp_path / "old.v4").write_text(OLD, encoding="utf-8")
    (tmp_path / "new.v4").write_text(NEW, encoding="utf-8")
    return tmp_path


def diff_json(folder: Path, *arguments: str, old: str = "old.v4") -> dict[str, Any]:
    done = ctlint(["diff", old, "new.v4", "--format", "json", *arguments], cwd=folder)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_concise_is_one_line_each(pair: Path) -> None:
    done = ctlint(["diff", "old.v4", "new.v4", "--format", "concise"], cwd=pair)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0] == (f"new.v4:2:1: warning newly-dropped {MESSAGE} [server]")
    assert len(done.stdout.splitlines()) == 2


def test_text_shows_the_lines_of_both(pair: Path) -> None:
    done = ctlint(["diff", "old.v4", "new.v4"], cwd=pair)
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        """warning: newly-dropped (certain, server, IPv4)
 --> new.v4:2:1 (filter/INPUT, policy)
2 │ :INPUT DROP
  │ ^^^^^^^^^^^ now: dropped by a policy
 --> old.v4:8:1 (filter/INPUT, rule 4)
8 │ -A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 8088 -j ACCEPT
"""
        in done.stdout
    )
    assert "  = clients: 10.0.0.0/8\n" in done.stdout
    assert done.stdout.endswith(
        "1 warning, 1 note: old.v4 (4 rules) to new.v4 (4 rules), kernel 7.3\n"
    )


def test_json_has_witnesses_that_play(pair: Path) -> None:
    found = diff_json(pair)
    assert found["version"] == 1
    assert [each["kind"] for each in found["differences"]] == ["newly-dropped", "newly-stranded"]
    first = found["differences"][0]
    assert first["message"] == MESSAGE
    assert first["ports"] == ["8088"]
    assert first["old"]["location"]["line"] == 8
    assert first["new"]["location"]["text"] == ":INPUT DROP"
    assert found["summary"] == {"error": 0, "warning": 1, "note": 1}
    for each in found["differences"]:
        for side in ("old", "new"):
            played = each["witness"][side]
            assert played["expect"]
            assert unmet(Witness(played["scenario"], played["expect"])) == []


def test_markdown_gives_no_meaning_to_what_rules_say(pair: Path) -> None:
    evil = '-m comment --comment "`x` <b>*y*" -j ACCEPT'
    (pair / "old.v4").write_text(OLD.replace("8088 -j ACCEPT", f"8088 {evil}"), encoding="utf-8")
    done = ctlint(["diff", "old.v4", "new.v4", "--format", "markdown"], cwd=pair)
    assert done.returncode == 1
    assert "- **warning: newly-dropped** (server, IPv4, certain): port 8088:" in done.stdout
    assert "  - before: goes on ``-A INPUT " in done.stdout
    assert "<b>" not in re.sub(r"``.*?``", "", done.stdout)


def test_fail_on(pair: Path) -> None:
    for least, code in (("error", 0), ("warning", 1), ("note", 1)):
        done = ctlint(["diff", "old.v4", "new.v4", "--fail-on", least], cwd=pair)
        assert done.returncode == code
    same = ctlint(["diff", "old.v4", "old.v4", "--fail-on", "note", "--all"], cwd=pair)
    assert same.returncode == 0
    assert same.stdout == "no differences: old.v4 (4 rules) to old.v4 (4 rules), kernel 7.3\n"


def test_settings_of_each_side(pair: Path) -> None:
    (pair / "short").write_text("net.netfilter.nf_conntrack_tcp_timeout_established = 120\n")
    key = "--new-sysctl"
    stranded = diff_json(pair, key, "short")["differences"][0]
    assert (stranded["kind"], stranded["severity"]) == ("newly-stranded", "error")
    key = "--old-sysctl"
    assert diff_json(pair, key, "short")["differences"][0]["kind"] == "newly-dropped"


def test_a_kernel_upgrade(pair: Path) -> None:
    found = diff_json(pair, "--old-kernel", "4.19", "--new-kernel", "6.12")
    assert (found["old"]["kernel"], found["new"]["kernel"]) == ("4.19", "6.12")
    both = diff_json(pair, "--kernel", "5.15")
    assert (both["old"]["kernel"], both["new"]["kernel"]) == ("5.15", "5.15")


def test_standard_input(pair: Path) -> None:
    done = ctlint(["diff", "-", "new.v4", "--format", "concise"], stdin=OLD, cwd=pair)
    assert done.returncode == 1
    assert "filter/INPUT#4 (-:8) accepted it" in done.stdout


def test_host_folders(pair: Path) -> None:
    for name, text in (("a", OLD), ("b", NEW)):
        (pair / name).mkdir()
        (pair / name / "iptables-save").write_text(text, encoding="utf-8")
        (pair / name / "sysctl").write_text("net.ipv4.tcp_keepalive_time = 7200\n")
    done = ctlint(["diff", "a", "b", "--output", "c", "--format", "markdown"], cwd=pair)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert "b/iptables-save" in (pair / "c").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-", "-"), "- (standard input) is given twice"),
        (("-", "new.v4", "--sysctl", "-"), "- (standard input) is given twice"),
        (("old.v4", "absent"), "absent: No such file"),
        (("old.v4", "new.v6"), "old.v4 and new.v6: one has IPv4 rules alone, the other IPv6"),
        (
            ("old.v4", "new.v4", "--kernel", "5.15", "--new-kernel", "6.1"),
            "--kernel is for both: leave out --old-kernel and --new-kernel",
        ),
        (("old.v4", "new.v4", "--old-kernel", "nine"), "nine"),
        (("old.v4", "bad.v4"), "bad.v4:2:"),
    ],
)
def test_what_cannot_be_compared(pair: Path, arguments: tuple[str, ...], said: str) -> None:
    (pair / "new.v6").write_text(NEW.replace("10.0.0.0/8", "fd00::/8"), encoding="utf-8")
    (pair / "bad.v4").write_text("*filter\n-A INPUT --nonsense\nCOMMIT\n", encoding="utf-8")
    done = ctlint(["diff", *arguments], cwd=pair)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_shipped_example_against_itself() -> None:
    example = REPOSITORY / "examples" / "fin-wait-1"
    done = ctlint(["diff", example, example, "--fail-on", "note", "--all"])
    assert (done.returncode, done.stderr) == (0, "")
