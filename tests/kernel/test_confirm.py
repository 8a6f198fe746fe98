# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint confirm`` on the live kernel: what it confirms, what it refutes, what it leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctlint.scenario.reader import scenario_from_json
from tests.corpus import REPOSITORY
from tests.unit.cli.running import Done, ctlint

pytestmark = pytest.mark.netns

RULES = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m set --match-set friends src -j ACCEPT
-A INPUT -p tcp -m conntrack --ctstate INVALID -j DROP
COMMIT
"""
SETS = """create friends hash:ip family inet hashsize 1024 maxelem 65536
add friends 192.0.2.7
create others hash:ip family inet hashsize 1024 maxelem 65536
"""
EXAMPLES = REPOSITORY / "examples"


def confirm(*arguments: str | Path, stdin: str = "", cwd: Path = REPOSITORY) -> Done:
    done = ctlint(["confirm", *arguments], stdin, cwd, PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    assert "Traceback" not in done.stderr
    return done


def lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.v4"
    path.write_text(RULES)
    (tmp_path / "sets").write_text(SETS)
    return path


@pytest.fixture
def result(rules: Path) -> dict[str, Any]:
    """What lint says of the rules."""
    done = ctlint(["lint", rules, "--sets", rules.with_name("sets"), "--format", "json"])
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def namespaces(process: int) -> list[str]:
    """Those that this process has made."""
    done = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith(f"ctlint-{process}-")]


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_rules_are_linted_and_confirmed(rules: Path, backend: str) -> None:
    sets = rules.with_name("sets")
    done = confirm(rules, "--sets", sets, "--format", "json", "--backend", backend)
    assert (done.returncode, done.stderr) == (0, "")
    *found, sums = lines(done)
    assert sums["confirmed"] == len(found) == 3
    for one in found:
        assert (one["status"], one["made_for"], one["file"]) == ("confirmed", None, str(rules))
        assert all(packet["agree"] for packet in one["packets"])
        *opening, last = (packet["kernel"] for packet in one["packets"])
        assert all(packet["delivered"] for packet in opening)
        assert (last["ctstate"], last["delivered"]) == ("INVALID", False)
        assert last["rules"][-1] == "filter/INPUT#2"


def test_a_lint_result_is_confirmed_and_brings_its_sets(result: dict[str, Any]) -> None:
    scenario = result["findings"][0]["witness"]["scenario"]
    assert "create friends" in scenario["ipsets"]
    assert "others" not in scenario["ipsets"]
    done = confirm("-", stdin=json.dumps(result))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "3 witnesses confirmed, 0 refuted"
    assert f"made for kernel {result['kernel']}; played on" in done.stdout


def test_a_witness_that_expects_something_else_is_refuted(
    result: dict[str, Any], tmp_path: Path
) -> None:
    result["findings"] = result["findings"][:2]
    result["findings"][0]["witness"]["expect"][-1]["delivered"] = True
    del result["findings"][0]["witness"]["expect"][-1]["rules"]
    done = confirm("-", "--format", "json", stdin=json.dumps(result), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    refuted, confirmed, sums = lines(done)
    assert (refuted["status"], confirmed["status"]) == ("refuted", "confirmed")
    assert refuted["unmet"] == [
        {"packet": 3, "expected": "delivered", "got": "dropped by filter/INPUT#2"}
    ]
    assert (sums["confirmed"], sums["refuted"]) == (1, 1)
    report = json.loads((tmp_path / refuted["report"]).read_text())
    assert scenario_from_json(report["scenario"]).ipsets
    assert report["kernel"] == sums["kernel"]
    assert len(report["kernel_answers"]) == len(report["model_answers"]) == 4


def test_a_model_that_differs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is made to answer wrongly: as another kernel does."""
    from ctlint.cli import confirm as module
    from ctlint.cli.main import main
    from ctlint.model.kernel.profiles import profile

    # What it does with a RST out of the window is not what any newer kernel does.
    monkeypatch.setattr(module, "profile", lambda _: profile("2.6.32"))
    scenario = {
        "packets": [
            {"dir": "orig", "flags": "S", "seq": 1000},
            {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001},
            {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001},
            {"dir": "orig", "flags": "S", "seq": 9000},
            {"dir": "orig", "flags": "R", "seq": 70_001},
        ]
    }
    path = tmp_path / "s.json"
    path.write_text(json.dumps(scenario))
    with pytest.raises(SystemExit) as caught:
        main(["confirm", str(path), "--report-dir", str(tmp_path)])
    out, err = capsys.readouterr()
    assert (caught.value.code, err) == (1, "")
    assert "model and kernel differ" in out
    assert "1 in which model and kernel differ" in out
    (report,) = tmp_path.glob("ctlint-difference-*.json")
    assert json.loads(report.read_text())["differences"]


def test_scripts_and_scenarios_are_played() -> None:
    done = confirm(EXAMPLES / "scenarios" / "close-after-expiry.json", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found, sums = lines(done)
    assert (found["rule"], found["status"], sums["confirmed"]) == (None, "confirmed", 1)
    done = confirm(EXAMPLES / "firewall-tests" / "office.ct")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "4 scenarios confirmed, 0 refuted"


def test_rules_that_the_real_restore_refuses_are_not_played(result: dict[str, Any]) -> None:
    result["findings"] = result["findings"][:1]
    del result["findings"][0]["witness"]["scenario"]["ipsets"]
    done = confirm("-", stdin=json.dumps(result))
    assert done.returncode == 2
    assert "not played" in done.stdout
    assert "the real restore refuses the rules: " in done.stdout
    assert "0 witnesses confirmed, 0 refuted, 1 could not be played" in done.stdout


@pytest.mark.parametrize(
    ("number", "code"), [(None, 0), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_no_namespace_stays_behind(
    number: signal.Signals | None, code: int, tmp_path: Path
) -> None:
    count = 3 if number is None else 5_000
    path = tmp_path / "scenarios.jsonl"
    path.write_text('{"packets": [{"dir": "orig", "flags": "S"}]}\n' * count)
    command = [sys.executable, "-m", "ctlint", "confirm", str(path), "--format", "json"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b'"confirmed"' in process.stdout.readline()
        assert number is None or namespaces(process.pid)
        if number is not None:
            process.send_signal(number)
        process.stdout.read()
    assert process.returncode == code
    assert namespaces(process.pid) == []
