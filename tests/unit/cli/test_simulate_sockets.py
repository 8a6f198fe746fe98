# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint simulate`` with socket scripts and incidents, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from ctlint.cli.simulate import command
from tests.corpus import REPOSITORY
from tests.unit.cli.pages import Command, commands, scripts
from tests.unit.cli.running import ctlint

SOCKETS = REPOSITORY / "docs" / "sockets.md"
PAGES = (SOCKETS, *sorted((REPOSITORY / "docs" / "incidents").glob("*.md")))

SCRIPT = "server listen\nclient connect => connected\nwait 1s\nclient close => client gone\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "s.ctw"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def test_a_ladder_and_its_outcome(script: Path) -> None:
    done = ctlint(["simulate", script])
    assert (done.returncode, done.stderr) == (0, "")
    assert "SYN,ACK 0:1" in done.stdout
    assert "client: TIME_WAIT for 6" in done.stdout


def test_standard_input_is_known_by_its_words() -> None:
    done = ctlint(["simulate", "-"], stdin=SCRIPT)
    assert done.returncode == 0
    assert "TIME_WAIT" in done.stdout
    assert ctlint(["simulate", "-"], stdin="client SYN").stdout.startswith("test 1")


def test_json_svg_and_html(script: Path, tmp_path: Path) -> None:
    done = ctlint(["simulate", script, "--format", "json"])
    assert json.loads(done.stdout)["ended"]["why"] == "quiet"
    picture = tmp_path / "a.svg"
    assert ctlint(["simulate", script, "--format", "svg", "--output", picture]).returncode == 0
    assert ElementTree.fromstring(picture.read_text(encoding="utf-8")).tag.endswith("svg")
    page = ctlint(["simulate", script, "--format", "html"]).stdout
    assert page.startswith("<!DOCTYPE html>")
    assert "client connect =&gt; connected" in page


def test_check(script: Path, tmp_path: Path) -> None:
    done = ctlint(["simulate", "--check", script])
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 test, 1 passed, 0 failed")
    bad = tmp_path / "bad.ctw"
    bad.write_text(SCRIPT.replace("client gone", "server gets ECONNRESET"), encoding="utf-8")
    (tmp_path / "other.ct").write_text("connect => delivered\n", encoding="utf-8")
    done = ctlint(["simulate", "--check", tmp_path])
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    assert "expected  server gets ECONNRESET" in done.stdout
    assert "3 tests, 2 passed, 1 failed" in done.stdout
    done = ctlint(["simulate", "--check", "--format", "json", bad])
    result, tally = map(json.loads, done.stdout.splitlines())
    assert (result["status"], tally["failed"]) == ("failed", 1)
    assert result["unmet"][0]["line"] == 4


def test_errors_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "s.ctw"
    path.write_text("server listen\nclient conect\n", encoding="utf-8")
    for options in ([], ["--check"]):
        done = ctlint(["simulate", *options, path])
        assert done.returncode == 2
        assert done.stderr.startswith(f"{path}:2:8: expected what it does")
        assert "did you mean connect?" in done.stderr
    path.write_text("rules nowhere.v4\nclient connect\n", encoding="utf-8")
    done = ctlint(["simulate", path])
    assert (done.returncode, done.stderr.startswith(f"{path}:1:7: ")) == (2, True)


def test_incidents() -> None:
    done = ctlint(["simulate", "--list"])
    names = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert names == [
        *("accept-queue", "fin-wait-1", "half-close", "port-reuse", "port-reuse-3.10"),
        *("syn-retries", "tw-recycle"),
    ]
    done = ctlint(["simulate", "--incident", "syn-retries", "--check"])
    assert done.returncode == 0
    done = ctlint(["simulate", "--incident", "syn-retries", "--check", "--kernel", "6.1"])
    assert done.returncode == 1  # 127 s, whatever the tests of other kernels expect
    done = ctlint(["simulate", "--incident", "fin-wait"])
    assert (done.returncode, "did you mean fin-wait-1?" in done.stderr) == (2, True)


def test_the_shell_completes_names_of_incidents() -> None:
    (option,) = [each for each in command.params if each.name == "incident"]
    found = option.shell_complete(click.Context(command), "port")
    assert [each.value for each in found] == ["port-reuse", "port-reuse-3.10"]
    assert all(each.help for each in found)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--list", "a.ctw"],
        ["--incident", "fin-wait-1", "a.ctw"],
        ["--check", "--format", "svg", "a.ctw"],
        ["--list", "--not-modelled"],
        ["--list", "--format", "html"],
    ],
)
def test_what_does_not_go_together(arguments: list[str]) -> None:
    done = ctlint(["simulate", *arguments])
    assert (done.returncode, "Usage" in done.stderr) == (2, True)


def test_scenarios_have_no_picture() -> None:
    done = ctlint(["simulate", "examples/scenarios/port-reuse.json", "--format", "svg"])
    assert (done.returncode, "no socket script" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "shown",
    [shown for page in PAGES for shown in commands(page)],
    ids=lambda shown: shown.arguments[-2],
)
def test_the_documented_output_is_what_is_printed(shown: Command) -> None:
    done = ctlint(shown.arguments, shown.stdin, COLUMNS="80")
    assert done.stderr + done.stdout == shown.printed


def test_the_documented_script_does_as_it_says() -> None:
    (script,) = scripts(SOCKETS)
    folder = REPOSITORY / "examples" / "sockets"
    done = ctlint(["simulate", "--check", "-"], script, folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert ctlint(["simulate", "--check", folder]).returncode == 0


def test_the_picture_in_the_documents_is_that_of_today() -> None:
    done = ctlint(["simulate", "examples/sockets/close-after-expiry.ctw", "--format", "svg"])
    assert done.stdout == (REPOSITORY / "docs" / "sockets.svg").read_text(encoding="utf-8")


def test_what_is_no_business_of_sockets(script: Path) -> None:
    done = ctlint(["simulate", script, "--internals"])
    assert (done.returncode, "--internals" in done.stderr) == (2, True)
    done = ctlint(["confirm", script])
    assert (done.returncode, "ctlint simulate plays it" in done.stderr) == (2, True)
