# SPDX-License-Identifier: GPL-2.0-only
"""A finding that the model does not bear out: exit code 3, one line, and a file to report it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctlint import __version__
from ctlint.analysis.stranding import _Examiner
from ctlint.analysis.witness import Witnesses
from ctlint.cli.main import main
from ctlint.finding import Witness

RULES = """*filter
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -m conntrack --ctstate INVALID -j DROP
COMMIT
"""
MADE = Witnesses.witness


def _liar(self: Witnesses, *arguments: object) -> Witness:
    witness = MADE(self, *arguments)  # type: ignore[arg-type]
    return Witness(witness.scenario, [{**one, "delivered": True} for one in witness.expect])


def lint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    rules = folder / "rules.v4"
    rules.write_text(RULES)
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as caught:
        main(["lint", str(rules), "--kernel", "5.15"])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_witness_that_does_not_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Witnesses, "witness", _liar)
    assert lint(tmp_path, monkeypatch) == 3
    out, err = capsys.readouterr()
    (path,) = tmp_path.glob("ctlint-fault-*.json")
    assert (out, err.count("\n")) == ("", 1)
    assert "expected delivered, got dropped by filter/OUTPUT#1" in err
    assert err.endswith(f"please report it with {path.name}\n")
    report = json.loads(path.read_text())
    assert report["kernel_profile"] == "5.15"
    assert report["versions"]["ctlint"] == __version__
    assert report["scenario"]["packets"]
    assert report["expected"][-1]["delivered"] is True
    assert report["got"][-1]["got"] == "dropped by filter/OUTPUT#1"


def test_an_analysis_that_contradicts_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Examiner, "establish", lambda *_: None)
    assert lint(tmp_path, monkeypatch) == 3
    assert "they can be opened; of that one: it cannot be opened" in capsys.readouterr().err
    (path,) = tmp_path.glob("ctlint-fault-*.json")
    assert json.loads(path.read_text())["scenario"]["packets"]


def test_a_report_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.v4"
    rules.write_text(RULES)
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.setattr(Witnesses, "witness", _liar)
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(SystemExit) as caught:
        main(["lint", str(rules)])
    err = capsys.readouterr().err
    assert (caught.value.code, err.count("\n")) == (3, 1)
    assert "could not be written to the current folder (No such file or directory)" in err
