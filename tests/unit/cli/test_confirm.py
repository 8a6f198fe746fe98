# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint confirm`` where it cannot play: inputs that are none, no root, no netfilter. What it
plays is in tests/kernel/test_confirm.py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctlint.cli.main import main
from tests.corpus import REPOSITORY

SCENARIO = {"packets": [{"dir": "orig", "flags": "S"}]}
EXAMPLE = REPOSITORY / "examples" / "scenarios" / "close-after-expiry.json"


def confirm(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["confirm", *map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The error of a call that ends with exit code 2 and prints nothing."""
    code = confirm(*arguments)
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no PATH"),
        (("-", "-"), "given twice"),
        ((EXAMPLE, "--report-dir", "/no/such"), "/no/such: no folder"),
        ((EXAMPLE, "--backend", "pf"), "'pf' is not one of"),
        ((EXAMPLE, "--sets", EXAMPLE), "--sysctl and --sets go with rules"),
        (("/no/such",), "No such file"),
        ((EXAMPLE, "--kernel", "9.99.weird"), "kernel"),
    ],
)
def test_a_call_that_is_none(
    arguments: tuple[str | Path, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\n", "neither rules nor witnesses nor a scenario"),
        ('{"version": 9, "findings": []}', "a lint result of version 9, not 1"),
        ('{"packets": [{"dir": "up"}]}', "packet 0"),
        ("*filter\n-A INPUT -j\nCOMMIT\n", ":2:"),
        ("client SYN => frobbed\n", ":1:"),
        (json.dumps({**SCENARIO, "expect": [{"packet": 0, "by": "filter/NO#1"}]}), "filter"),
    ],
)
def test_an_input_that_is_none(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "input"
    path.write_text(text)
    err = refused(capsys, path)
    assert words in err
    assert str(path) in err


def test_without_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    err = refused(capsys, EXAMPLE, "--report-dir", tmp_path)
    assert err.splitlines() == [
        "confirm needs root: it plays packets in network namespaces of its own",
        "  hint: run it with sudo; or `ctlint simulate` asks the model alone",
    ]


def test_without_netfilter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda _: None)
    err = refused(capsys, EXAMPLE)
    assert "this machine cannot play scenarios: needs the program ip" in err
    assert "hint: " in err


def test_a_kernel_that_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release="1.2.\x1b13"))
    err = refused(capsys, EXAMPLE)
    assert "the running kernel" in err
    assert "\x1b" not in err


def test_nothing_to_confirm_needs_no_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    path = tmp_path / "rules.v4"
    path.write_text("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert confirm(path, "--format", "json") == 0
    (sums,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert sums["confirmed"] == 0
