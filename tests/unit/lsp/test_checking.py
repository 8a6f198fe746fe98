# SPDX-License-Identifier: GPL-2.0-only
"""What is looked at with a document: its host, its configuration, texts that are not saved."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest

from ctlint.finding import AllowedBy
from ctlint.lsp.checking import Answer, Question, answer
from ctlint.lsp.documents import Kind
from tests.unit.source.folders import write

DUMP = (
    "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
)
"""CT101, of severity note as long as entries live for five days (docs/rules/CT101.md)."""

SHORT = "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n"
"""With which CT101 is an error, and CT202 speaks of the line (docs/rules/CT202.md)."""


def ask(path: Path | str, texts: Mapping[str, str] | None = None, workspace: str = "") -> Answer:
    """The answer for a document, whose text is that of its file unless it is given."""
    name = str(path)
    known = dict(texts or {})
    if name not in known:
        known[name] = Path(name).read_text()
    kinds = {"sysctl": Kind.SETTINGS, "ctlint.toml": Kind.CONFIG, "ipset-save": Kind.SETS}
    kind = kinds.get(name.rpartition("/")[2], Kind.RULES)
    found = answer(Question(name, kind, known, workspace))
    assert pickle.loads(pickle.dumps(found)) == found
    return found


def said(found: Answer) -> set[tuple[str, str, str, int]]:
    """Rules, severities and places of what is not allowed."""
    return {
        (each.rule, each.severity.value, Path(each.location.file).name, each.location.line)
        for each in found.findings
        if each.suppressed is None
    }


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder whose configuration is its own."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_a_loose_file_is_looked_at_alone(top: Path) -> None:
    write(top, {"edge.rules": DUMP, "sysctl": SHORT})
    found = ask(top / "edge.rules")
    assert (found.unit, found.own) == (f"{top}/edge.rules", (f"{top}/edge.rules",))
    assert said(found) == {("CT101", "note", "edge.rules", 5)}


def test_the_host_of_a_document(top: Path) -> None:
    write(top, {"h/iptables-save": DUMP, "h/sysctl": SHORT})
    expected = {("CT101", "error", "iptables-save", 5), ("CT202", "warning", "sysctl", 1)}
    for name in ("iptables-save", "sysctl"):
        found = ask(top / "h" / name)
        assert found.unit == f"{top}/h"
        assert set(found.own) == {f"{top}/h/iptables-save", f"{top}/h/sysctl"}
        assert said(found) == expected
    # Of files that are not open the text comes along: places hang on it.
    assert found.texts == {f"{top}/h/iptables-save": DUMP}


def test_texts_that_are_open_win(top: Path) -> None:
    write(top, {"h/iptables-save": DUMP, "h/sysctl": SHORT})
    rules, settings = f"{top}/h/iptables-save", f"{top}/h/sysctl"
    assert said(ask(rules, {settings: "\n"})) == {("CT101", "note", "iptables-save", 5)}
    accepting = DUMP.replace("-j DROP", "-j ACCEPT")
    assert not any(rule == "CT101" for rule, *_ in said(ask(settings, {rules: accepting})))


def test_the_file_that_counts_in_a_folder(top: Path) -> None:
    """Beside iptables-save a rules.v4 does not count (docs/input.md): it is looked at alone."""
    write(top, {"h/iptables-save": DUMP, "h/rules.v4": DUMP, "h/sysctl": SHORT})
    assert ask(top / "h/rules.v4").unit == f"{top}/h/rules.v4"


def test_a_document_that_is_no_file(top: Path) -> None:
    name = "untitled:/a//b"
    assert said(ask(name, {name: DUMP})) == {("CT101", "note", "b", 5)}
    settings = answer(Question(name, Kind.SETTINGS, {name: "net.ipv4.tcp_fin_timeou = 3\n"}, ""))
    assert [each.rule for each in settings.findings] == ["CT502"]


def test_its_configuration(top: Path) -> None:
    config = (
        "ignore = ['CT202']\n[severity]\nCT101 = 'warning'\n"
        "[[override]]\npaths = ['h']\nseverity.CT101 = 'error'\n"
        "[[allow]]\nrules = ['CT101']\nreason = 'so'\npaths = ['g/*']\n"
    )
    files = {"ctlint.toml": config, "h/rules.v4": DUMP, "g/x.rules": DUMP, "x.rules": DUMP}
    write(top, files)
    assert said(ask(top / "x.rules")) == {("CT101", "warning", "x.rules", 5)}
    assert said(ask(top / "h/rules.v4")) == {("CT101", "error", "rules.v4", 5)}
    found = ask(top / "g/x.rules")
    assert said(found) == set()
    assert {each.suppressed and each.suppressed.by for each in found.findings} == {AllowedBy.CONFIG}
    # What is no file has that of the workspace.
    name = "untitled:x"
    assert {each[:2] for each in said(ask(name, {name: DUMP}, str(top)))} == {("CT101", "warning")}


def test_what_the_configuration_excludes(top: Path) -> None:
    write(top, {"ctlint.toml": "exclude = ['old']\n", "old/x.rules": "-A x\n", "x.rules": DUMP})
    found = ask(top / "old/x.rules")
    assert (found.problems, found.findings) == ((), ())
    assert said(ask(top / "x.rules"))


def test_settings_that_the_configuration_names(top: Path) -> None:
    config = "sysctl = ['common.conf']\nbaseline = 'old.json'\n"
    old = '{"tool": "ctlint", "version": 1, "findings": []}\n'
    write(top, {"ctlint.toml": config, "common.conf": SHORT, "old.json": old, "x.rules": DUMP})
    found = ask(top / "x.rules")
    shared = f"{top}/common.conf"
    assert said(found) >= {("CT101", "error", "x.rules", 5), ("CT202", "warning", "common.conf", 1)}
    assert shared in found.read
    assert shared not in found.own
    assert said(ask(top / "x.rules", {shared: ""})) == {("CT101", "note", "x.rules", 5)}


def test_a_configuration_that_is_not_read(top: Path) -> None:
    write(top, {"ctlint.toml": "\nselct = 1\n", "x.rules": DUMP})
    here, there = ask(top / "x.rules").problems
    assert here.span[:2] == (f"{top}/x.rules", 1)
    assert here.message == f"not looked at, since this is not read: {top}/ctlint.toml:2:1"
    assert there.span[:2] == (f"{top}/ctlint.toml", 2)
    assert ask(top / "ctlint.toml").problems == (there,)
    assert ask(top / "ctlint.toml", {f"{top}/ctlint.toml": "[severity]\n"}).problems == ()


def test_errors_stand_where_they_are(top: Path) -> None:
    write(top, {"h/iptables-save": DUMP + "-A x\n", "h/sysctl": "a b\n", "h/ipset-save": "add\n"})
    for name in ("iptables-save", "sysctl", "ipset-save"):
        found = ask(top / "h" / name)
        assert found.findings == ()
        assert {Path(each.span.file).name for each in found.problems} == {
            "iptables-save",
            "sysctl",
            "ipset-save",
        }


def test_a_loose_file_of_sets(top: Path) -> None:
    write(top, {"ipset-save": "create a hash:ip\nadd b 1.2.3.4\n"})
    (problem,) = ask(top / "ipset-save").problems
    assert problem.span.line == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("iptables -A INPUT -j DROP\n", "this is a shell script"),
        ("Chain INPUT (policy ACCEPT)\n", "this is a listing of `iptables -L`"),
        ("\n", "empty"),
    ],
)
def test_what_is_no_dump_is_told_at_the_first_line(top: Path, text: str, said: str) -> None:
    write(top, {"x.rules": text})
    (problem,) = ask(top / "x.rules").problems
    assert problem.span[:2] == (f"{top}/x.rules", 1)
    assert problem.message.startswith(said)
    assert problem.hint


def test_a_setting_that_is_no_number(top: Path) -> None:
    write(top, {"h/iptables-save": DUMP, "h/sysctl": SHORT.replace("120", "soon")})
    problem, here = ask(top / "h/iptables-save").problems
    assert problem.span[:2] == (f"{top}/h/sysctl", 1)
    # Who looks at the rules sees why nothing is said of them.
    assert here.span[:2] == (f"{top}/h/iptables-save", 1)
    assert here.message.endswith(f"{top}/h/sysctl:1:1")
