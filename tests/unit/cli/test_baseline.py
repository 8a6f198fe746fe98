# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint lint --baseline`` and ``--write-baseline`` as a user calls them: docs/baseline.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import Done, ctlint

DROP = "-A INPUT -m conntrack --ctstate INVALID -j DROP\n"
RULES = f"""*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
{DROP}COMMIT
"""
SETTINGS = "net.netfilter.nf_conntrack_tcp_timeout_established = "
COUNTED = f"# a comment\n{RULES.replace('-A', '[7:420] -A').replace('[0:0]', '[9:999]')}"
FURTHER = RULES.replace(DROP, f"{DROP}-A OUTPUT -m conntrack --ctstate INVALID -j DROP\n")
FORMATS = ("json", "sarif", "github", "junit", "gitlab", "concise")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a baseline of its rules."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "r").write_text(RULES, encoding="utf-8")
    (tmp_path / "s").write_text(f"{SETTINGS}1200\n", encoding="utf-8")
    done = lint(tmp_path, "--write-baseline", "b")
    assert done.returncode == 0
    assert done.stderr == "b: a baseline of 3 findings\n"
    return tmp_path


def lint(folder: Path, *arguments: str, rules: str | None = None) -> Done:
    if rules is not None:
        (folder / "r").write_text(rules, encoding="utf-8")
    return ctlint(["lint", "r", "--sysctl", "s", *arguments], cwd=folder, COLUMNS="200")


def test_what_was_found_before_is_hidden(work: Path) -> None:
    for rules in (RULES, COUNTED):
        done = lint(work, "--baseline", "b", rules=rules)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("no findings in 1 file")
        assert done.stdout.endswith("; 3 in the baseline\n")
    done = lint(work, "--baseline", "b", "--show-suppressed")
    assert "r:8:9 (server): in the baseline b\n" in done.stdout


def test_what_is_new_is_not(work: Path) -> None:
    done = lint(work, "--baseline", "b", "--format", "concise", rules=FURTHER)
    assert done.returncode == 1
    assert [line.split(" ")[0] for line in done.stdout.splitlines()] == ["r:8:1:"] * 3
    # The same rule once more.
    twice = lint(work, "--baseline", "b", "--format", "json", rules=RULES.replace("lo", "eth0"))
    assert json.loads(twice.stdout)["baseline"]["hidden"] >= 2


def test_what_is_more_severe_is_new(work: Path) -> None:
    (work / "s").write_text(f"{SETTINGS}120\n", encoding="utf-8")
    done = lint(work, "--baseline", "b", "--format", "json")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    shown = [each for each in result["findings"] if each["suppressed"] is None]
    assert [each["severity"] for each in shown if each["rule"] == "CT102"] == ["error"] * 2
    # The line of the setting is another one now.
    assert {gone["rule"] for gone in result["baseline"]["gone"]} == {"CT202"}


def test_what_is_gone_is_told(work: Path) -> None:
    done = lint(work, "--baseline", "b", rules=RULES.replace(DROP, ""))
    assert done.returncode == 0
    assert f"  CT102 filter/INPUT (server): {DROP}" in done.stdout
    result = json.loads(lint(work, "--baseline", "b", "--format", "json").stdout)
    assert result["baseline"] == {
        "file": "b",
        "hidden": 1,
        "gone": [
            {
                "rule": "CT102",
                "role": role,
                "family": "ipv4",
                "table": "filter",
                "chain": "INPUT",
                "text": DROP.strip(),
                "count": 1,
            }
            for role in ("client", "server")
        ],
    }
    # Of rules that are not asked nothing is gone.
    result = json.loads(
        lint(work, "--baseline", "b", "--format", "json", "--ignore", "CT102").stdout
    )
    assert result["baseline"]["gone"] == []


def test_reports_for_programs(work: Path) -> None:
    arguments = [word for form in FORMATS for word in ("--format", form, "--output", form)]
    assert lint(work, "--baseline", "b", *arguments, rules=FURTHER).returncode == 1
    texts = {form: (work / form).read_text(encoding="utf-8") for form in FORMATS}
    results = json.loads(texts["sarif"])["runs"][0]["results"]
    assert sorted(each["baselineState"] for each in results) == ["new"] * 3 + ["unchanged"] * 3
    for each in results:
        hidden = each["baselineState"] == "unchanged"
        assert [one["kind"] for one in each.get("suppressions", ())] == ["external"] * hidden
    # 3.27.24: where there is no baseline, no result has a state.
    other = json.loads(lint(work, "--format", "sarif").stdout)["runs"][0]["results"]
    assert not any("baselineState" in each for each in other)
    assert len(json.loads(texts["gitlab"])) == 3
    assert texts["github"].count("\n") == 3
    assert texts["junit"].count("<skipped ") == 3
    summary = json.loads(texts["json"])["summary"]
    assert summary["suppressed"] == 0
    assert sum(summary.values()) == 3


def test_writing_it_again(work: Path) -> None:
    before = (work / "b").read_bytes()
    done = lint(work, "--baseline", "b", "--write-baseline", "b", rules=COUNTED)
    assert done.returncode == 0
    assert (work / "b").read_bytes() == before
    done = lint(work, "--baseline", "b", "--write-baseline", "b", rules=FURTHER)
    assert done.returncode == 0
    assert done.stderr == "b: a baseline of 6 findings\n"
    assert lint(work, "--baseline", "b").returncode == 0


def test_in_the_configuration(work: Path) -> None:
    (work / "ctlint.toml").write_text("baseline = 'conf/b'\n", encoding="utf-8")
    done = lint(work)
    assert done.returncode == 2
    assert done.stderr == "conf/b: No such file or directory\n"
    (work / "conf").mkdir()
    # For the first time.
    assert lint(work, "--write-baseline", "conf/b", "-q").returncode == 0
    assert lint(work).returncode == 0
    assert lint(work, "--baseline", "b").returncode == 0
    assert lint(work, "--isolated").returncode == 1
    for target in ("conf/b", "./conf/../conf/b"):
        done = lint(work, "--output", target)
        assert (done.returncode, "it is an input" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "b:1:2: a baseline is JSON, and this is not\n"),
        ('{"findings": []}', "b: no baseline of ctlint\n"),
        ('{"tool": "ctlint", "version": 7}', "b: a baseline of version 7, not 1\n"),
        (None, "b: No such file or directory\n"),
    ],
)
def test_a_bad_baseline(work: Path, text: str | None, said: str) -> None:
    (work / "b").unlink()
    if text is not None:
        (work / "b").write_text(text, encoding="utf-8")
    done = lint(work, "--baseline", "b")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--write-baseline", "-"],
        ["--write-baseline", ""],
        ["--write-baseline", "r"],
        ["--write-baseline", "s"],
        ["--write-baseline", "gone/b"],
        ["--write-baseline", "x", "--output", "x"],
        ["--write-baseline", "x", "--fix"],
    ],
)
def test_what_cannot_be_written(work: Path, arguments: list[str]) -> None:
    done = lint(work, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert (work / "r").read_text(encoding="utf-8") == RULES
    assert (work / "s").read_text(encoding="utf-8") == f"{SETTINGS}1200\n"
    assert not (work / "x").exists()


def test_a_fix_leaves_alone_what_is_hidden(work: Path) -> None:
    done = lint(work, "--baseline", "b", "--fix")
    assert "+++" not in done.stdout
    assert "+++" in lint(work, "--fix").stdout
