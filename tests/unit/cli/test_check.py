# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint simulate --check`` as a user calls it, and scripts without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY
from tests.unit.cli.pages import Command, commands, scripts
from tests.unit.cli.running import Done, ctlint

PAGE = REPOSITORY / "docs" / "scripts.md"
FOLDER = REPOSITORY / "examples" / "firewall-tests"

GOOD = "client SYN => NEW, delivered\n"
BAD = "client SYN => INVALID\n"


def check(*arguments: str | Path, stdin: str = "", cwd: Path = FOLDER) -> Done:
    done = ctlint(["simulate", "--check", *arguments], stdin, cwd, COLUMNS="80")
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("command", commands(PAGE), ids=lambda one: one.arguments[-1])
def test_the_documented_output_is_what_is_printed(command: Command) -> None:
    cwd = FOLDER if command.stdin else REPOSITORY
    done = ctlint(command.arguments, command.stdin, cwd, COLUMNS="80")
    assert done.stderr + done.stdout == command.printed


@pytest.mark.parametrize("script", scripts(PAGE))
def test_the_documented_scripts_do_as_they_say(script: str) -> None:
    done = check("-", stdin=script)
    about_errors = any(
        script == one.stdin and one.printed.startswith("-:") for one in commands(PAGE)
    )
    about_failures = "a close after the entry has expired" in script
    assert done.returncode == (2 if about_errors else int(about_failures)), done.stdout


def test_the_examples_pass() -> None:
    done = check(FOLDER, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    *tests, sums = map(json.loads, done.stdout.splitlines())
    assert sums["tests"] == sums["passed"] == len(tests) == 11
    assert [Path(test["file"]).name for test in tests] == sorted(
        Path(test["file"]).name for test in tests
    )
    assert all(test["expected"] and not test["unmet"] for test in tests)


def test_the_examples_fail_with_other_rules(tmp_path: Path) -> None:
    """Each rule of the set matters to one of its tests."""
    rules = (FOLDER / "gateway.v4").read_text()
    lost = rules.replace("-A FORWARD -m conntrack --ctstate INVALID -j DROP\n", "")
    open_ = rules.replace("INVALID -j DROP", "INVALID -j ACCEPT")
    unmasked = rules.replace("-A POSTROUTING -o eth1 -j MASQUERADE\n", "")
    for script in FOLDER.glob("*.ct"):
        (tmp_path / script.name).write_text(script.read_text())
    for text, code, words in (
        (rules, 0, "11 passed"),
        (lost, 2, "chain filter/FORWARD has 4 rules"),
        (open_, 1, "got       delivered"),
        (unmasked, 1, "got       delivered as 10.1.0.2:40000 > 10.2.0.2:443"),
    ):
        (tmp_path / "gateway.v4").write_text(text)
        done = check(tmp_path)
        assert done.returncode == code, done.stdout
        assert words in done.stdout + done.stderr


def test_a_failure_names_packet_and_rule() -> None:
    script = "rules gateway.v4; test x\nclient FIN => ESTABLISHED, delivered"
    done = check("-", stdin=script)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "FAIL  -:1  x",
        "      line 2: client FIN => ESTABLISHED, delivered",
        "        expected  ESTABLISHED",
        "        got       INVALID",
        "        expected  delivered",
        "        got       dropped by filter/FORWARD#2",
        "        decided   filter/FORWARD#2: -A FORWARD -m conntrack --ctstate INVALID -j",
        "                  DROP",
        "",
        "1 test, 0 passed, 1 failed",
    ]


def test_what_is_not_decided_fails_with_its_match(tmp_path: Path) -> None:
    rules = (FOLDER / "gateway.v4").read_text()
    unknown = "-A FORWARD -m cpu --cpu 1 -j DROP\n-A FORWARD -m conntrack --ctstate REL"
    (tmp_path / "r").write_text(rules.replace("-A FORWARD -m conntrack --ctstate REL", unknown))
    (tmp_path / "t.ct").write_text("rules r\nclient SYN => delivered\nserver SYN,ACK => NEW")
    done = check(tmp_path, "--format", "json")
    assert done.returncode == 1
    test, _ = map(json.loads, done.stdout.splitlines())
    for unmet in test["unmet"]:
        (miss,) = unmet["misses"]
        assert miss["undecided"] is True
        assert miss["got"].startswith("not decided: filter/FORWARD#1: -m cpu --cpu 1: ")
    assert [unmet["packet"] for unmet in test["unmet"]] == [0, 1]


def test_scenarios_are_tests_too(tmp_path: Path) -> None:
    syn = {"dir": "orig", "flags": "S"}
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"name": "one", "packets": [syn | {"expect": {"ctstate": "NEW"}}]})
        + "\n"
        + json.dumps({"packets": [syn], "expect": [{"packet": 0, "ctstate": "INVALID"}]})
        + "\n"
        + json.dumps({"packets": [syn]})
    )
    done = check("a.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-5:] == [
        "        expected  INVALID",
        "        got       NEW",
        "none  a.jsonl:3  scenario 3: it expects nothing",
        "",
        "3 tests, 1 passed, 1 failed, 1 without expectations",
    ]
    ruleset = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
    said = {"ruleset": ruleset, "packets": [syn | {"expect": {"rule": "filter/FORWARD#1"}}]}
    done = check("-", stdin=json.dumps(said))
    assert done.returncode == 2
    assert done.stderr == (
        '-:1: scenario 1: packet 0: "expect": chain filter/FORWARD has no rules (the first is #1)\n'
    )


def test_files_that_cannot_be_read_do_not_keep_others_from_being_played(tmp_path: Path) -> None:
    for name, text in (
        ("a.ct", GOOD),
        ("b.ct", "clinet SYN"),
        ("c.ct", BAD),
        ("d.json", '{"packets": ]}'),
        ("e.ct", "client SYN daddr=224.0.0.1 => NEW"),
        ("f.ct", GOOD),
    ):
        (tmp_path / name).write_text(text)
    done = check(tmp_path)
    assert done.returncode == 2
    assert [line.split()[0] for line in done.stdout.splitlines() if line[:1].isalpha()] == [
        *("pass", "FAIL", "pass"),
    ]
    assert done.stdout.endswith("3 tests, 2 passed, 1 failed, 3 files not readable\n")
    told = done.stderr.splitlines()
    assert told[0].startswith(f"{tmp_path}/b.ct:1:1: expected a statement")
    assert told[1:4] == ["  clinet SYN", "  ^~~~~~", "  hint: did you mean client?"]
    assert told[4] == f"{tmp_path}/d.json:1:13: not JSON: Expecting value"
    assert told[5] == f"{tmp_path}/e.ct:1:1: how the box routes 224.0.0.1 is not simulated"
    assert told[6:] == ["  client SYN daddr=224.0.0.1 => NEW", "  ^" + "~" * 32]


def test_exit_codes(tmp_path: Path) -> None:
    assert check("-", stdin=GOOD).returncode == 0
    assert check("-", stdin=BAD).returncode == 1
    assert check("-", stdin="client SYN").returncode == 0
    assert check("-", stdin="client").returncode == 2
    assert check(tmp_path).returncode == 2
    assert check(tmp_path / "none").returncode == 2
    assert check("-", "--internals", stdin=GOOD).returncode == 2
    assert check().returncode == 2


def test_the_kernel_of_the_option_wins() -> None:
    # nf_conntrack_proto_udp.c: UDP_CT_REPLIED was 180 s before it became 120 s.
    script = "client udp; idle 3s; server udp; idle 3s; client udp; idle 150s; client udp => {}"
    old = script.format("ESTABLISHED")
    assert check("-", "--kernel", "rhel7", stdin=old).returncode == 0
    assert check("-", "--kernel", "6.18", stdin=old).returncode == 1
    assert check("-", stdin=f"kernel rhel7; {old}").returncode == 0


def test_results_go_to_a_file(tmp_path: Path) -> None:
    to = tmp_path / "out"
    assert check("-", "--output", to, stdin=BAD).returncode == 1
    assert to.read_text().endswith("1 test, 0 passed, 1 failed\n")
    assert check("-", "--output", to, stdin="client").returncode == 2
    assert to.read_text().endswith("1 test, 0 passed, 1 failed\n")


def test_an_input_is_no_output(tmp_path: Path) -> None:
    script = tmp_path / "a" / "t.ct"
    script.parent.mkdir()
    script.write_text(GOOD)
    done = check(tmp_path, "--output", script)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cannot write {script}: it is an input ({script})\n"
    assert script.read_text() == GOOD


@pytest.mark.parametrize("how", [["--check"], []])
def test_the_rules_of_a_script_are_no_output(tmp_path: Path, how: list[str]) -> None:
    rules = tmp_path / "gateway.v4"
    rules.write_text((FOLDER / "gateway.v4").read_text())
    script = tmp_path / "t.ct"
    script.write_text(f"rules gateway.v4\n{GOOD}")
    before = rules.read_text()
    done = ctlint(["simulate", *how, script, "--output", rules], COLUMNS="80")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cannot write {rules}: it is an input ({rules})\n"
    assert rules.read_text() == before


def test_many_undecided_matches_are_counted(tmp_path: Path) -> None:
    matches = "".join(f"-A FORWARD -m set --match-set s{each} src -j DROP\n" for each in range(9))
    rules = f"*filter\n:FORWARD ACCEPT [0:0]\n{matches}COMMIT\n"
    (tmp_path / "x.v4").write_text(rules)
    (tmp_path / "t.ct").write_text("rules x.v4\nclient SYN => delivered\n")
    done = check("t.ct", cwd=tmp_path)
    assert "'s3' are not known; and 5 more" in " ".join(done.stdout.split())
    assert "s4" not in done.stdout
    done = ctlint(["simulate", "t.ct"], cwd=tmp_path, COLUMNS="80")
    assert "not decided: and 5 more\n" in done.stdout
    assert "s4" not in done.stdout


def test_scripts_are_shown_like_scenarios() -> None:
    done = ctlint(["simulate", FOLDER / "late-close.ct"], COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Late close: a close too late is lost\n" in done.stdout
    assert "4   2h → FA 1 ack 1  INVALID     no entry\n" in done.stdout
    done = ctlint(["simulate", FOLDER / "late-close.ct", "--format", "json"])
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == [
        "Late close: a close in time",
        "Late close: a close too late is lost",
        "Late close: data before it would have saved it",
    ]


def test_a_script_that_cannot_be_read_is_told_with_a_mark() -> None:
    done = ctlint(["simulate", "-"], "connect\nclient SYN => NWE")
    assert (done.returncode, done.stdout) == (2, "")
    first, line, mark, hint = done.stderr.splitlines()
    assert first.startswith("-:2:15: expected an expectation")
    assert (line, mark) == ("  client SYN => NWE", "  " + " " * 14 + "^~~")
    assert hint == "  hint: did you mean NEW?"


def test_colours() -> None:
    assert "\x1b[" not in check("-", stdin=BAD).stdout
    assert "\x1b[1;31mFAIL" in check("-", "--color", "always", stdin=BAD).stdout
    assert "\x1b[32mpass" in check("-", "--color", "always", stdin=GOOD).stdout


def test_the_witnesses_of_findings_are_tests(tmp_path: Path) -> None:
    """As lint has found them they pass; where the rules have changed, they do not."""
    rules = REPOSITORY / "examples" / "fin-wait-1"
    found = ctlint(["lint", rules, "--format", "json", "--select", "CT101"]).stdout
    done = ctlint(["simulate", "--check", "-"], stdin=found)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "3 tests, 3 passed, 0 failed"
    assert f"{rules / 'iptables-save'}:22  CT101: FIN of the " in done.stdout
    mended = found.replace("--state INVALID -j DROP", "--state INVALID -j ACCEPT")
    done = ctlint(["simulate", "--check", "-"], stdin=mended)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-1] == "3 tests, 0 passed, 3 failed"


def test_findings_without_packets_have_nothing_to_play(tmp_path: Path) -> None:
    (tmp_path / "sysctl.conf").write_text("net.ipv4.tcp_syncookies = 0\n", encoding="utf-8")
    rules = REPOSITORY / "examples" / "fin-wait-1" / "iptables-save"
    words = ["lint", str(rules), "--sysctl", str(tmp_path / "sysctl.conf"), "--select", "CT506"]
    found = ctlint([*words, "--format", "json"]).stdout
    assert '"CT506"' in found
    done = ctlint(["simulate", "-"], stdin=found)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
