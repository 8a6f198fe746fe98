# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint simulate`` as a user calls it. What kernels answered is in tests of the model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctlint.model.conntrack.unmodelled import UNMODELLED
from ctlint.scenario.reader import scenario_from_json
from tests.corpus import REPOSITORY
from tests.unit.cli.running import Done, ctlint

EXAMPLES = REPOSITORY / "examples" / "scenarios"
PAGE = REPOSITORY / "docs" / "simulate.md"
_CONSOLE = re.compile(r"^```console\n\$ ctlint (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SYN = {"dir": "orig", "flags": "S", "seq": 1}
FIN = {"dir": "orig", "flags": "FA", "seq": 1, "ack": 1}


def simulate(*options: str, said: object = None, text: str = "", **environment: str) -> Done:
    stdin = text if said is None else json.dumps(said)
    return ctlint(["simulate", "-", *options], stdin, REPOSITORY, **environment)


def answers(*options: str, said: object) -> list[dict[str, Any]]:
    done = simulate("--format", "json", *options, said=said)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    return [json.loads(line) for line in done.stdout.splitlines()]


def refusal(text: str) -> list[str]:
    done = simulate("--format", "json", text=text)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("arguments", "printed"), _CONSOLE.findall(PAGE.read_text(encoding="utf-8"))
)
def test_the_documented_output_is_what_is_printed(arguments: str, printed: str) -> None:
    done = ctlint(arguments.split(), COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == printed


def test_the_page_shows_every_example() -> None:
    shown = {arguments.split()[1] for arguments, _ in _CONSOLE.findall(PAGE.read_text("utf-8"))}
    assert shown == {str(path.relative_to(REPOSITORY)) for path in EXAMPLES.iterdir()}


@pytest.mark.parametrize(
    ("name", "ctstates"),
    [
        # nf_conntrack_proto_tcp.c: an ACK of no entry opens one, a FIN does not.
        ("close-after-expiry.json", "NEW ESTABLISHED ESTABLISHED INVALID INVALID"),
        # The entry's close-wait timeout is 60 s.
        ("half-close.json", "NEW" + " ESTABLISHED" * 6 + " - INVALID"),
        # The SYN over an open entry is ignored; the one after the RST opens an entry.
        ("port-reuse.json", "NEW" + " ESTABLISHED" * 5 + " NEW ESTABLISHED ESTABLISHED"),
        ("pick-up.json", "NEW ESTABLISHED ESTABLISHED ESTABLISHED"),
        ("icmp-error.json", "NEW ESTABLISHED ESTABLISHED ESTABLISHED RELATED INVALID"),
        ("udp-stream.jsonl", "NEW ESTABLISHED"),
    ],
)
def test_what_the_examples_are_about(name: str, ctstates: str) -> None:
    done = ctlint(["simulate", EXAMPLES / name, "--format", "json"])
    first = json.loads(done.stdout.splitlines()[0])
    assert [packet.get("ctstate", "-") for packet in first["packets"]] == ctstates.split()


def test_witnesses_are_scenarios() -> None:
    done = ctlint(["lint", "examples/fin-wait-1", "--format", "json"])
    witnesses = [one["witness"] for one in json.loads(done.stdout)["findings"] if one["witness"]]
    assert witnesses
    for witness in witnesses:
        scenario = scenario_from_json(witness["scenario"])
        assert len(scenario.steps) == len(witness["scenario"]["packets"])


def test_one_line_for_each_scenario_in_order() -> None:
    said = [{"name": name, "packets": [SYN]} for name in "abc"]
    found = answers(said=said)
    assert [answer["name"] for answer in found] == ["a", "b", "c"]
    assert set(found[0]["packets"][0]) == {
        *("ctstate", "hooks", "delivered", "out", "entry", "pktdir"),
    }
    lines = "".join(json.dumps(one) + "\n" for one in said)
    assert [json.loads(line) for line in simulate("--format", "json", text=lines).stdout.split()]


def test_the_kernel_of_the_option_wins() -> None:
    # nf_conntrack_proto_udp.c: UDP_CT_REPLIED was 180 s before it became 120 s.
    packets = [{"dir": end, "proto": "udp", "dt": 3} for end in ("orig", "reply", "orig")]
    said = {"kernel": "rhel7", "packets": packets}
    assert answers(said=said)[0]["entries"][0]["timeout"] == 180
    assert answers("--kernel", "6.18", said=said)[0]["entries"][0]["timeout"] == 120


def test_missing_sysctls_are_named() -> None:
    said = {"kernel": "5.10", "sysctls": {"tcp_ignore_invalid_rst": 1}, "packets": []}
    name = "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst"
    assert answers(said=said)[0]["missing_sysctls"] == [name]
    assert f"ignored: this kernel has no {name}" in simulate(said=said).stdout


def test_internals_are_shown_where_they_are_asked_for() -> None:
    said = {"packets": [SYN | {"opts": {"wscale": 7, "sackok": True}}]}
    assert not {"wscale", "dirflags", "fresh"} & set(answers(said=said)[0]["entries"][0])
    entry = answers("--internals", said=said)[0]["packets"][0]["entry"]
    assert entry["wscale"] == [7, 0]
    assert entry["dirflags"] == [["WINDOW_SCALE", "SACK_PERM"], []]
    assert entry["fresh"] is True
    text = simulate("--internals", said=said).stdout
    assert "orig: wscale 7, WINDOW_SCALE SACK_PERM" in text
    assert "wscale" not in simulate(said=said).stdout


def test_answers_come_as_scenarios_go_in() -> None:
    """The answer to the first line is there before the second is at fault."""
    done = simulate("--format", "json", text='{"packets": []}\n{"packets": ]}\n')
    assert done.returncode == 2
    assert done.stdout == '{"name":null,"packets":[],"entries":[]}\n'
    assert done.stderr == "-:2:13: not JSON: Expecting value\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "-:1:1: empty: no scenario here"),
        ('{"packets": 1}', '-: scenario 1: "packets" must be a list, not 1'),
        (
            '{"name": "n", "packets": [{"dir": "orig", "flag": "S"}]}',
            '-: scenario "n": packet 0: a packet has an unknown key "flag"; did you mean "flags"?',
        ),
        (
            json.dumps({"name": "\x1b[2J\nx" + "y" * 500, "packets": 1}),
            '-: scenario "\\x1b[2J\\nx' + "y" * 74 + '…": "packets" must be a list, not 1',
        ),
        ("\0", "-: binary data (it holds NUL bytes), not text"),
        ("[" * 100_000, "-: scenario 1: lists or objects are nested too deeply"),
        (
            '{"packets": [{"dir": "orig", "dt": NaN}]}',
            "-: scenario 1: NaN is not a number that JSON has",
        ),
    ],
)
def test_unusable_input_is_told_in_one_line(text: str, line: str) -> None:
    assert refusal(text) == [line]


def test_a_fault_of_playing_is_told_like_one_of_reading() -> None:
    scenarios = [{"packets": []}, {"packets": [SYN], "ruleset": "*filter\nCOMMIT\n"}]
    done = simulate("--format", "json", said=scenarios)
    assert done.returncode == 2
    assert done.stdout.count("\n") == 1
    line, hint = done.stderr.splitlines()
    assert line == "-: scenario 2: rule sets are not simulated yet"
    assert hint.startswith("  hint: ")


def test_hints() -> None:
    assert refusal("*filter\nCOMMIT\n")[1].startswith('  hint: a rule set is the "ruleset"')


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    packed = tmp_path / "s.json.gz"
    packed.write_bytes(b"\x1f\x8b\x08\0")
    for path, words in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (packed, "compressed with gzip"),
    ):
        done = ctlint(["simulate", path])
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_a_file_over_the_bound(tmp_path: Path) -> None:
    big = tmp_path / "big.json"
    with big.open("wb") as stream:
        stream.write(b'{"packets": [')
        stream.write(b'{"dir":"orig","flags":"A"},' * 2_500_000)
    done = ctlint(["simulate", big])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{big}: larger than 64 MiB\n"


def test_usage() -> None:
    for arguments in (["simulate"], ["simulate", "-", "-"], ["simulate", "-", "--not-modelled"]):
        done = ctlint(arguments)
        assert (done.returncode, done.stdout) == (2, "")
    done = ctlint(["simulate", "-", "--kernel", "6.99"])
    assert done.returncode == 2
    assert "unknown kernel '6.99': the nearest known is 6.19" in done.stderr


def test_output_goes_to_a_file(tmp_path: Path) -> None:
    to = tmp_path / "out.jsonl"
    done = simulate("--format", "json", "--output", str(to), said={"packets": []})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(to.read_text()) == {"name": None, "packets": [], "entries": []}
    done = simulate("--output", str(tmp_path), said={"packets": []})
    assert done.returncode == 2
    assert "cannot write" in done.stderr


def test_what_is_not_modelled_is_listed() -> None:
    done = ctlint(["simulate", "--not-modelled"], COLUMNS="200")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == [
        name for name, _ in UNMODELLED
    ]


def test_colours() -> None:
    said = {"packets": [FIN]}
    assert "\x1b[" not in simulate(said=said).stdout
    assert "\x1b[1;31mINVALID" in simulate("--color", "always", said=said).stdout
    assert "\x1b[" not in simulate("--color", "never", said=said, FORCE_COLOR="1").stdout
    assert "\x1b[1;31m" not in simulate("--color", "always", said=said, NO_COLOR="1").stdout


def test_names_cannot_write_on_the_terminal() -> None:
    name = "\x1b[31m[bold]x[/bold]\u202e\nfake line\ud800"
    done = simulate(said={"name": name, "packets": [SYN]})
    assert done.returncode == 0
    assert "\\x1b[31m[bold]x[/bold]\\u202e\\nfake line\\ud800" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout)
    assert answers(said={"name": name, "packets": []})[0]["name"] == name


def test_text_for_a_terminal_of_ascii() -> None:
    done = simulate(said={"packets": [SYN]}, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "0s > S" in done.stdout


def test_a_reader_that_goes_away_is_no_fault() -> None:
    line = json.dumps({"packets": [SYN]}) + "\n"
    command = f"{sys.executable} -m ctlint simulate - --format json | head -n 1"
    done = subprocess.run(
        command,
        shell=True,
        input=line * 3000,
        capture_output=True,
        encoding="utf-8",
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
