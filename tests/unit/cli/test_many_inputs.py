# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint lint`` on many inputs: all are done, what is broken is named, whatever the jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import REPOSITORY
from tests.unit.cli.running import ctlint
from tests.unit.source.folders import write

DUMP = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -m state --state INVALID -j DROP
-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""
BROKEN = DUMP.replace("-j DROP", "--nonsense\n-A INPUT --more")
FORMS = ("text", "concise", "json", "sarif", "github", "junit", "gitlab")


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Six hosts; two are broken."""
    return write(
        tmp_path / "work",
        {
            "hosts/a/rules.v4": DUMP,
            "hosts/b/rules.v4": BROKEN,
            "hosts/c/rules.v4": DUMP.replace("10.0.0.1", "10.0.0.3"),
            "hosts/c/sysctl": "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n",
            "hosts/d.v4": f"# comment\n{DUMP}",
            "hosts/e/iptables-save": "",
            "hosts/f/rules.v4": DUMP,
            "ctlint.toml": "",
        },
    )


def _json(work: Path, *arguments: str) -> tuple[dict[str, Any], int, str]:
    done = ctlint(["lint", *arguments, "--format", "json"], cwd=work)
    result: dict[str, Any] = json.loads(done.stdout)
    return result, done.returncode, done.stderr


def test_broken_ones_are_named_and_the_others_done(fleet: Path) -> None:
    result, code, told = _json(fleet, "hosts")
    assert code == 2
    lines = told.splitlines()
    assert lines[0].startswith("hosts/b/rules.v4:5:")
    assert lines[0].endswith("(and 1 more)")
    assert "hosts/e: no rules in this folder" in lines
    assert [each["host"] for each in result["inputs"]] == [
        "hosts/a",
        "hosts/c",
        "hosts/d.v4",
        "hosts/f",
    ]
    assert [(each["host"], each["why"]) for each in result["skipped"]] == [
        ("hosts/b", "unreadable"),
        ("hosts/e", "unreadable"),
    ]
    assert [each["line"] for each in result["skipped"][0]["errors"]] == [5, 6]
    page = ctlint(["lint", "hosts"], cwd=fleet)
    assert "left out, as said on standard error: 2 inputs with errors\n" in page.stdout


def test_several_hosts_share_a_cause(fleet: Path) -> None:
    result, _, _ = _json(fleet, "hosts/a", "hosts/c", "hosts/d.v4", "hosts/f")
    drops = [
        each for each in result["findings"] if each["rule"] == "CT101" and each["role"] == "client"
    ]
    causes: dict[int, list[str]] = {}
    for each in drops:
        causes.setdefault(each["cause"], []).append(each["host"])
    # c has another timeout.
    assert sorted(causes.values()) == [["hosts/a", "hosts/d.v4", "hosts/f"], ["hosts/c"]]


def test_one_alone_is_an_error_as_ever(fleet: Path) -> None:
    done = ctlint(["lint", "hosts/b"], cwd=fleet)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) >= 2
    assert "left out" not in done.stderr


def test_where_none_can_be_read_nothing_is_written(fleet: Path) -> None:
    done = ctlint(["lint", "hosts/b", "hosts/e", "--output", "report"], cwd=fleet)
    assert (done.returncode, done.stdout) == (2, "")
    assert not (fleet / "report").exists()
    assert len([line for line in done.stderr.splitlines() if line.startswith("hosts/")]) == 2


def _reports(work: Path, *arguments: str) -> dict[str, bytes]:
    pairs = [word for form in FORMS for word in ("--format", form, "--output", f"out.{form}")]
    done = ctlint(["lint", *arguments, *pairs], cwd=work)
    assert done.returncode in (1, 2), done.stderr
    found = {form: (work / f"out.{form}").read_bytes() for form in FORMS}
    for form in FORMS:
        (work / f"out.{form}").unlink()
    return found | {"errors": done.stderr.encode(), "code": bytes([done.returncode])}


def test_any_number_of_jobs_gives_the_same_bytes(fleet: Path) -> None:
    alone = _reports(fleet, "hosts", "--jobs", "1")
    assert _reports(fleet, "hosts", "--jobs", "2") == alone
    assert _reports(fleet, "hosts", "--jobs", "7") == alone


def test_hosts_together_say_what_each_says_alone(fleet: Path) -> None:
    names = ["hosts/a", "hosts/c", "hosts/d.v4", "hosts/f"]
    together, _, _ = _json(fleet, *names)
    for name in names:
        alone, _, _ = _json(fleet, name)
        for part in ("inputs", "findings"):
            here = [each for each in together[part] if each["host"] == name]
            for each in (*here, *alone[part]):
                each.pop("cause", None)
            assert here == alone[part]


def test_settings_for_all_are_read_once(fleet: Path) -> None:
    """Also those of a pipe, which can be read only once; c has settings of its own too."""
    command = [sys.executable, "-m", "ctlint", "lint", "hosts/a", "hosts/c", "hosts/d.v4"]
    settings = "net.netfilter.nf_conntrack_tcp_timeout_established = 7777\n"
    done = subprocess.run(
        [*command, "--sysctl", "/dev/stdin", "--format", "concise", "--jobs", "2"],
        input=settings,
        capture_output=True,
        text=True,
        cwd=fleet,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    for name in ("a/rules.v4", "c/rules.v4", "d.v4"):
        drops = [line for line in done.stdout.splitlines() if line.startswith(f"hosts/{name}:")]
        assert drops
        assert any("7777" in line for line in drops), name


def test_standard_input_among_others(fleet: Path) -> None:
    for jobs in ("1", "2"):
        done = ctlint(
            ["lint", "hosts/a", "-", "hosts/f", "--jobs", jobs, "--format", "json"],
            stdin=DUMP,
            cwd=fleet,
        )
        assert done.stderr == ""
        hosts = [each["host"] for each in json.loads(done.stdout)["inputs"]]
        assert hosts == ["hosts/a", "-", "hosts/f"]


def test_a_list_of_names(fleet: Path) -> None:
    done = ctlint(
        ["lint", "--files-from", "-", "--format", "json"], stdin="hosts/a\0hosts/f\0", cwd=fleet
    )
    assert [each["host"] for each in json.loads(done.stdout)["inputs"]] == ["hosts/a", "hosts/f"]


def test_what_is_excluded_by_option_and_configuration(fleet: Path) -> None:
    (fleet / "ctlint.toml").write_text('exclude = ["hosts/[be]"]\njobs = 1\n')
    result, code, _ = _json(fleet, "hosts")
    assert (result["skipped"], code) == ([], 1)
    result, _, _ = _json(fleet, "hosts", "--exclude", "hosts/[abef]")
    assert [each["host"] for each in result["inputs"]] == ["hosts/c", "hosts/d.v4"]
    inside = ctlint(["lint", ".", "--format", "json"], cwd=fleet / "hosts")
    hosts = [each["host"] for each in json.loads(inside.stdout)["inputs"]]
    assert hosts == ["a", "c", "d.v4", "f"]


def test_no_baseline_of_a_part(fleet: Path) -> None:
    done = ctlint(["lint", "hosts", "--write-baseline", "base.json", "-q"], cwd=fleet)
    assert done.returncode == 2
    assert "base.json: not written" in done.stderr
    assert not (fleet / "base.json").exists()


def test_a_patch_of_the_others(fleet: Path) -> None:
    done = ctlint(["lint", "hosts", "--fix"], cwd=fleet)
    assert done.returncode == 2
    for name in ("a/rules.v4", "c/rules.v4", "d.v4", "f/rules.v4"):
        assert f"--- hosts/{name}" in done.stdout
    assert "hosts/b" not in done.stdout


def test_a_file_of_a_folder_of_hosts_is_no_output(fleet: Path) -> None:
    done = ctlint(["lint", "hosts", "--output", "hosts/a/rules.v4"], cwd=fleet)
    assert done.returncode == 2
    assert "it is an input" in done.stderr
    assert (fleet / "hosts/a/rules.v4").read_text() == DUMP


def test_what_is_wrong_with_all_is_told_once(fleet: Path) -> None:
    (fleet / "s").write_text("net.netfilter.nf_conntrack_tcp_timeout_established = soon\n")
    inputs = ["hosts/a", "hosts/d.v4", "hosts/f"]
    done = ctlint(["lint", *inputs, "--sysctl", "s", "--jobs", "1"], cwd=fleet)
    assert (done.returncode, done.stdout) == (2, "")
    first, last = done.stderr.splitlines()
    assert first.startswith("s:1:1: ")
    assert last == f"{first}: so it is for 2 more of the inputs"


_FAULTY = """\
import sys
from ctlint.analysis.fault import AnalysisFault
from ctlint.cli import host_checks
from ctlint.cli.main import main
real = host_checks.checked
def checked(host, *rest, **more):
    texts = "".join(host.texts.values())
    if "10.0.0.3" in texts:
        raise AnalysisFault("it cannot be so", {"kernel": "6.18"}, 1, 2)
    if "# comment" in texts:
        raise KeyError("odd")
    return real(host, *rest, **more)
host_checks.checked = checked
main(sys.argv[1:])
"""


def _faulty(work: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _FAULTY, "lint", *arguments],
        capture_output=True,
        text=True,
        cwd=work,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        timeout=120,
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_fault_in_one_host_leaves_the_others(fleet: Path, jobs: str) -> None:
    done = _faulty(fleet, ["hosts", "--format", "json", "--jobs", jobs])
    assert done.returncode == 3
    result = json.loads(done.stdout)
    assert {each["host"] for each in result["findings"]} == {"hosts/a", "hosts/f"}
    faults = [each for each in result["skipped"] if each["why"] == "fault"]
    assert [each["host"] for each in faults] == ["hosts/c", "hosts/d.v4"]
    assert "hosts/c: a fault of ctlint's own: it cannot be so; please report it" in done.stderr
    reports = [json.loads(path.read_text()) for path in fleet.glob("ctlint-fault-*.json")]
    assert sorted(each["fault"] for each in reports) == ["KeyError", "it cannot be so"]
    assert any("odd" in each.get("traceback", "") for each in reports)


_SLOW = """\
import os, signal, sys, time
from ctlint.cli import host_checks
from ctlint.cli.main import main
def checked(host, *rest, **more):
    time.sleep(float(os.environ["SLOW"]))
host_checks.checked = checked
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background ignores it.
main(sys.argv[1:])
"""


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in found.split()]


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc tells the children")
@pytest.mark.parametrize(
    ("number", "to_child", "code"),
    [
        (signal.SIGINT, False, 130),
        (signal.SIGTERM, False, 143),
        (signal.SIGKILL, False, -9),
        (signal.SIGKILL, True, 2),
    ],
)
def test_no_process_stays_behind(
    fleet: Path, number: signal.Signals, to_child: bool, code: int
) -> None:
    is_run_killed = number is signal.SIGKILL and not to_child
    run = subprocess.Popen(
        [sys.executable, "-c", _SLOW, "lint", "hosts", "--jobs", "2", "--output", "report"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=fleet,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "SLOW": "3" if is_run_killed else "100",
        },
    )
    deadline = time.monotonic() + 60
    while len(_children(run.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = _children(run.pid)
    assert len(children) == 2
    time.sleep(0.2)
    os.kill(children[0] if to_child else run.pid, number)
    _, told = run.communicate(timeout=60)
    assert run.returncode == code
    # Those of a run that is killed end when they are done with their host.
    deadline = time.monotonic() + (30 if is_run_killed else 0)
    while any(map(_is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_is_alive, children))
    assert "Traceback" not in told
    assert not (fleet / "report").exists()
    if to_child:
        assert "the process that looked at it was ended from outside" in told
