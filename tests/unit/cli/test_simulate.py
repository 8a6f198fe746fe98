# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint simulate`` as a user calls it. What kernels answered is in tests of the model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ctlint.model.unmodelled import UNMODELLED
from ctlint.scenario.reader import scenario_from_json
from tests.corpus import REPOSITORY
from tests.unit.cli.pages import Command, commands
from tests.unit.cli.running import Done, ctlint

EXAMPLES = REPOSITORY / "examples" / "scenarios"
PAGE = REPOSITORY / "docs" / "simulate.md"

NOTHING = '{"name":null,"packets":[],"entries":[]}\n'
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
    assert "]}\n" not in done.stdout.replace(NOTHING, "")
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("command", commands(PAGE), ids=lambda one: one.arguments[1])
def test_the_documented_output_is_what_is_printed(command: Command) -> None:
    done = ctlint(command.arguments, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == command.printed


def test_the_page_shows_every_example() -> None:
    shown = {command.arguments[1] for command in commands(PAGE)}
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
        ('{"packets": 1}', '-:1: scenario 1: "packets" must be a list, not 1'),
        (
            '{"name": "n", "packets": [{"dir": "orig", "flag": "S"}]}',
            '-:1: scenario 1 "n": packet 0: a packet has an unknown key "flag"; '
            'did you mean "flags"?',
        ),
        (
            json.dumps({"name": "\x1b[2J\nx" + "y" * 500, "packets": 1}),
            '-:1: scenario 1 "\\x1b[2J\\nx' + "y" * 74 + '…": "packets" must be a list, not 1',
        ),
        ("\0", "-: binary data (it holds NUL bytes), not text"),
        ("[" * 100_000, "-:1: scenario 1: lists or objects are nested too deeply"),
        (
            '{"packets": [{"dir": "orig", "dt": NaN}]}',
            "-:1: scenario 1: packet 0: NaN is not a number that JSON has",
        ),
        (
            '{"packets": []}\n\n[]',
            "-:3:1: a scenario is an object: { is expected here",
        ),
        (
            '[{"packets": []},\n{"name": "t",\n"packets": [{"dir": "orig"},\n{"dir": 1}]}]',
            '-:4: scenario 2 "t": packet 1: "dir" is 1; known are orig, reply',
        ),
        (
            '[{"packets": []},\n[]]',
            "-:2: scenario 2: a scenario must be an object",
        ),
        (
            '{"packets": [%s{}]}' % ("{}," * 100_000),
            "-:1: scenario 1: more than 100,000 packets",
        ),
    ],
)
def test_unusable_input_is_told_in_one_line(text: str, line: str) -> None:
    assert refusal(text) == [line]


def test_a_fault_of_playing_is_told_like_one_of_reading() -> None:
    scenarios = [{"packets": []}, {"packets": [SYN, SYN | {"daddr": "224.0.0.1"}]}]
    done = simulate("--format", "json", said=scenarios)
    assert done.returncode == 2
    assert done.stdout.count("\n") == 1
    (line,) = done.stderr.splitlines()
    assert line == "-:1: scenario 2: packet 1: how the box routes 224.0.0.1 is not simulated"


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
    assert to.read_text() == NOTHING
    done = simulate("--output", str(tmp_path), said={"packets": []})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cannot write {tmp_path}: Is a directory\n"


def test_what_stands_in_an_output_outlives_bad_input(tmp_path: Path) -> None:
    to = tmp_path / "out"
    to.write_text("precious")
    for text in ("{", '{"packets": []}\n{"packets": 1}', json.dumps({"packets": [{}]})):
        done = simulate("--output", str(to), text=text)
        assert done.returncode == 2
        assert to.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [to]


def test_an_input_is_no_output(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"packets": [SYN]}))
    link = tmp_path / "link"
    link.symlink_to(file)
    for output in (file, link):
        done = ctlint(["simulate", EXAMPLES / "half-close.json", file, "--output", output])
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"cannot write {output}: it is an input ({file})\n"
        assert json.loads(file.read_text()) == {"packets": [SYN]}


def test_answers_are_handed_on_scenario_by_scenario() -> None:
    """The first is read from the pipe while the second is still played."""
    long = json.dumps({"packets": [SYN, *[FIN] * 60_000]})
    with subprocess.Popen(
        [sys.executable, "-m", "ctlint", "simulate", "-", "--format", "json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"packets": []}\n' + long.encode())
        process.stdin.close()
        assert process.stdout.readline().decode() == NOTHING
        assert process.poll() is None
        # A long one begins to be written before it has been played.
        assert process.stdout.read(1 << 16).startswith(b'{"name":null,"packets":[{"ctstate":"NEW"')
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_output_as_it_was(number: signal.Signals, tmp_path: Path) -> None:
    """What timeout(1) and a cancelled job send."""
    to = tmp_path / "out"
    to.write_text("old")
    # Under nohup the tests ignore SIGHUP, and so would what they start.
    before = signal.signal(number, signal.SIG_DFL)
    with subprocess.Popen(
        [sys.executable, "-m", "ctlint", "simulate", "-", "--output", to],
        stdin=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as process:
        signal.signal(number, before)
        assert process.stdin is not None
        process.stdin.write(json.dumps({"packets": [SYN, *[FIN] * 60_000]}).encode())
        process.stdin.close()
        while len(list(tmp_path.iterdir())) == 1:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
    assert process.returncode == 128 + number
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("out", "old")]


def test_a_scenario_that_fails_leaves_no_half_answer() -> None:
    # An ICMP error that arrives before the packet that it quotes: known when it is played only.
    lost = {"dir": "orig", "flags": "S", "daddr": "10.2.0.1"}
    quote = {"dir": "reply", "proto": "icmp", "quote": "orig"}
    for form in ("json", "text"):
        done = simulate("--format", form, said={"packets": [lost, quote]})
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("-:1: scenario 1: packet 1: there is no packet to quote")


def test_much_is_played_in_little_memory() -> None:
    """The memory does not grow with the answers: some 3 kB each as values."""
    script = (
        "import resource, sys\n"
        "from ctlint.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    data = {"dir": "reply", "flags": "PA", "seq": 1, "ack": 2, "len": 1}
    peaks = []
    for count in (1_000, 15_000):
        done = subprocess.run(
            [sys.executable, "-c", script, "simulate", "-", "--format", "json"],
            input=json.dumps({"packets": [SYN, *[data] * count]}),
            capture_output=True,
            encoding="utf-8",
            cwd=REPOSITORY,
            check=True,
        )
        peaks.append(int(done.stderr))
    assert peaks[1] - peaks[0] < 12_000  # kilobytes; with all answers kept 45,000


def test_too_little_memory_is_told_in_one_line() -> None:
    said = " " * (60 << 20) + '{"packets": []}'
    command = f"ulimit -v 120000; exec {sys.executable} -m ctlint simulate -"
    done = subprocess.run(
        ["bash", "-c", command], input=said, capture_output=True, encoding="utf-8", cwd=REPOSITORY
    )
    assert done.returncode == 2
    assert done.stderr == "ctlint: this takes more memory than there is\n"


def test_what_is_not_modelled_is_listed(tmp_path: Path) -> None:
    done = ctlint(["simulate", "--not-modelled"], COLUMNS="200")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == [
        name for name, _ in UNMODELLED
    ]
    to = tmp_path / "list"
    done = ctlint(["simulate", "--not-modelled", "--format", "json", "--output", to])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [tuple(json.loads(line).values()) for line in to.read_text().splitlines()] == list(
        UNMODELLED
    )


def test_colours() -> None:
    said = {"packets": [FIN]}
    assert "\x1b[" not in simulate(said=said).stdout
    assert "\x1b[1;31mINVALID" in simulate("--color", "always", said=said).stdout
    assert "\x1b[" not in simulate("--color", "never", said=said, FORCE_COLOR="1").stdout
    assert "\x1b[1;31m" not in simulate("--color", "always", said=said, NO_COLOR="1").stdout


def test_names_cannot_write_on_the_terminal() -> None:
    name = "\x1b[31m[bold]x[/bold]\u202e\nfake line"
    done = simulate(said={"name": name, "packets": [SYN]})
    assert done.returncode == 0
    assert "\\x1b[31m[bold]x[/bold]\\u202e\\nfake line" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout)
    assert answers(said={"name": name, "packets": []})[0]["name"] == name


def test_text_for_a_terminal_of_ascii() -> None:
    done = simulate(said={"packets": [SYN]}, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "0s > S" in done.stdout
