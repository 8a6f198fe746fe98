# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint config``, and how a configuration changes what ``ctlint lint`` does: docs/config.md."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY
from tests.unit.cli.running import Done, ctlint

RULES = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
"""
SETTINGS = "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository with two inputs."""
    (tmp_path / ".git").mkdir()
    for host in ("edge1", "web1"):
        (tmp_path / "hosts" / host).mkdir(parents=True)
        (tmp_path / "hosts" / host / "rules.v4").write_text(RULES, encoding="utf-8")
    (tmp_path / "sysctl.conf").write_text(SETTINGS, encoding="utf-8")
    return tmp_path


def configure(folder: Path, text: str) -> None:
    (folder / "ctlint.toml").write_text(text, encoding="utf-8")


def lint(folder: Path, *arguments: str) -> Done:
    return ctlint(["lint", "hosts/edge1", "hosts/web1", *arguments], cwd=folder)


def found(done: Done) -> set[tuple[str, str, str]]:
    """Input, rule and severity of what is found and not allowed."""
    assert done.stderr == ""
    return {
        (each["location"]["file"].split("/")[-2], each["rule"], each["severity"])
        for each in json.loads(done.stdout)["findings"]
        if each["suppressed"] is None and "/" in each["location"]["file"]
    }


def test_values_and_overrides(work: Path) -> None:
    configure(
        work,
        "select = ['CT102']\nformat = 'json'\nsysctl = ['sysctl.conf']\nfail-on = 'note'\n"
        "[[override]]\npaths = ['hosts/edge*']\nseverity.CT102 = 'note'\n"
        "[[override]]\npaths = ['**/web1']\nfacts.keepalive = '30s'\n",
    )
    done = lint(work)
    # 120 s without facts is an error; keepalives that come in time make it a note.
    assert found(done) == {("edge1", "CT102", "note"), ("web1", "CT102", "note")}
    assert done.returncode == 1
    assert json.loads(done.stdout)["config"] == "ctlint.toml"
    assert found(lint(work, "--fact", "idle=1h", "--fact", "keepalive=off")) == {
        ("edge1", "CT102", "note"),
        ("web1", "CT102", "error"),
    }
    assert lint(work, "--fail-on", "warning").returncode == 0
    assert found(lint(work, "--ignore", "CT102")) == set()
    assert found(lint(work, "--select", "CT412")) == set()
    isolated = lint(work, "--isolated", "--format", "json", "--sysctl", "sysctl.conf")
    assert ("edge1", "CT102", "error") in found(isolated)
    assert json.loads(isolated.stdout)["config"] is None


def test_from_a_folder_below(work: Path) -> None:
    configure(work, "sysctl = ['sysctl.conf']\n[[override]]\npaths = ['hosts/web1']\nselect = []\n")
    done = ctlint(["lint", "rules.v4", "--format", "concise"], cwd=work / "hosts" / "edge1")
    assert "error CT102" in done.stdout
    done = ctlint(["lint", "rules.v4", "--format", "concise"], cwd=work / "hosts" / "web1")
    assert (done.stdout, done.returncode) == ("", 0)


def test_entries_that_allow(work: Path) -> None:
    configure(
        work,
        "sysctl = ['sysctl.conf']\nselect = ['CT102', 'CT9']\n"
        "[[allow]]\nrules = ['CT102']\nreason = 'x'\npaths = ['hosts/web1']\nchain = 'INPUT'\n"
        "[[allow]]\nrules = ['CT108']\nreason = 'y'\n"
        "[[allow]]\nrules = ['CT102']\nreason = 'z'\npaths = ['elsewhere']\n",
    )
    done = lint(work, "--format", "json")
    assert found(done) == {("edge1", "CT102", "error")}
    done = lint(work, "--format", "json", "--select", "CT1,CT9")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert [
        (each["location"]["file"], each["location"]["line"], each["location"]["text"])
        for each in result["findings"]
        if each["rule"] == "CT903"
    ] == [("ctlint.toml", 8, "[[allow]]")]
    shown = ctlint(["lint", "hosts/web1", "--show-suppressed"], cwd=work, COLUMNS="200").stdout
    assert "hosts/web1/rules.v4:6:1 (server): x (the configuration at ctlint.toml:3)" in shown
    assert "configuration: ctlint.toml" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("selct = []\n", "ctlint.toml:1:1: the configuration has no key 'selct'\n"),
        ("select = [\n", "ctlint.toml:2:1: no TOML: "),
        ("kernel = 'x\x1b[31m'\n", "ctlint.toml:1:12: no TOML: "),
        ('"\\u001b[2J\\u202e" = 1\n', None),
        ("format = 'xml'\n", "ctlint.toml:1:10: 'xml' is not text, concise, "),
    ],
)
def test_a_bad_configuration(work: Path, text: str, said: str | None) -> None:
    configure(work, text)
    done = lint(work)
    assert (done.returncode, done.stdout) == (2, "")
    assert not {"\x1b", "\u202e"} & set(done.stderr)
    assert "Traceback" not in done.stderr
    if said is not None:
        assert done.stderr.startswith(said)
    assert lint(work, "--isolated").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "gone.toml"], "gone.toml: No such file or directory"),
        (["--config", "hosts"], "hosts: Is a directory"),
        (["--config", "x", "--isolated"], "--isolated reads no configuration"),
        (["--select", "CT1O1"], "no rule 'CT1O1'; did you mean CT101?"),
    ],
)
def test_bad_options(work: Path, arguments: list[str], said: str) -> None:
    done = lint(work, *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_file_that_the_configuration_names_is_missing(work: Path) -> None:
    configure(work, "sysctl = ['gone.conf']\n")
    done = ctlint(["lint", "rules.v4"], cwd=work / "hosts" / "web1")
    assert done.returncode == 2
    assert done.stderr.startswith("../../gone.conf: No such file")


def test_no_output_replaces_the_configuration(work: Path) -> None:
    configure(work, "")
    done = lint(work, "--output", "ctlint.toml")
    assert done.returncode == 2
    assert done.stderr == "cannot write ctlint.toml: it is an input (ctlint.toml)\n"
    assert (work / "ctlint.toml").read_text(encoding="utf-8") == ""


def test_what_holds_is_shown_with_its_origin(work: Path) -> None:
    configure(
        work,
        "kernel = '5.15'\n[facts]\nrole = ['server', 'client']\nidle = '10m'\n"
        "[[override]]\npaths = ['hosts/edge*']\nfacts.idle = '1h'\n"
        "[[allow]]\nrules = ['CT101']\n"
        r'reason = "\u001b[2J\"\\"'
        "\n",
    )
    for arguments in (["config"], ["config", "--show"]):
        done = ctlint([*arguments, "hosts/edge1", "--fact", "keepalive=5m"], cwd=work)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.split("\n") == [
            "# configuration: ctlint.toml",
            "ignore = []          # default",
            'persona = "regular"  # default',
            'kernel = "5.15"      # ctlint.toml:1',
            'fail-on = "warning"  # default',
            'format = "text"      # default',
            "sysctl = []          # default",
            "sets = []            # default",
            "exclude = []         # default",
            "# select: all rules  # default",
            "# baseline: none  # default",
            "# jobs: as many as there are cores  # default",
            "",
            "[facts]",
            'idle = "1h"                  # ctlint.toml:7',
            'keepalive = "5m"             # --fact',
            'role = ["server", "client"]  # ctlint.toml:3',
            "",
            "[[allow]]  # ctlint.toml:8",
            'rules = ["CT101"]',
            r'reason = "\u001b[2J\"\\"',
            "",
        ]
    # What is shown is a configuration that says the same.
    (work / "same.toml").write_text(done.stdout, encoding="utf-8")
    assert tomllib.loads(done.stdout)["allow"][0]["reason"] == '\x1b[2J"\\'
    shown = ["config", "--format", "json"]
    here = json.loads(ctlint([*shown, "hosts/edge1", "--fact", "keepalive=5m"], cwd=work).stdout)
    same = json.loads(ctlint([*shown, "--config", "same.toml"], cwd=work).stdout)
    for each in (here, same):
        each["values"] = {key: said["value"] for key, said in each["values"].items()}
    assert here["values"] == same["values"]
    assert here["file"] == "ctlint.toml"


def test_the_schema_is_printed(tmp_path: Path) -> None:
    done = ctlint(["config", "--schema", "--isolated"], cwd=tmp_path)
    page = REPOSITORY / "docs" / "ctlint.schema.json"
    assert done.stdout == page.read_text(encoding="utf-8")
    assert ctlint(["config", "--schema", "--show"], cwd=tmp_path).returncode == 2


def test_the_shipped_example_is_read() -> None:
    done = ctlint(["config", "hosts/edge1"], cwd=REPOSITORY / "examples" / "config")
    assert 'role = ["router"]' in done.stdout
