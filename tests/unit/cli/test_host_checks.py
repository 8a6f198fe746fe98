# SPDX-License-Identifier: GPL-2.0-only
"""A check goes to another process, and what it finds comes back, also where nothing is forked."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from ctlint.cli import host_checks
from ctlint.cli.crew import shared
from ctlint.cli.host_checks import HostCheck, Outcome
from ctlint.finding import SkipReason
from ctlint.lint.config_reader import read_config
from ctlint.lint.configuration import Said
from ctlint.source.config_files import ConfigFile
from ctlint.source.configured import Configured
from ctlint.source.inputs import HostReader, read_shared
from tests.unit.source.folders import write

_DUMP = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
# ctlint: allow CT101 because it is known
-A OUTPUT -m state --state INVALID -j DROP
COMMIT
"""
_CONFIG = """\
[severity]
CT101 = "error"
[[allow]]
rules = ["CT102"]
reason = "known"
"""


def _check(tmp_path: Path, *, with_witnesses: bool = True) -> HostCheck:
    write(tmp_path, {"s": "net.netfilter.nf_conntrack_tcp_be_liberal = 0\n"})
    configuration = read_config(_CONFIG, "ctlint.toml")
    assert configuration is not None
    configured = Configured(
        ConfigFile(configuration, str(tmp_path)), {"facts.idle": Said("10m", "--fact")}
    )
    reader = HostReader(read_shared([f"{tmp_path}/s"], []))
    return HostCheck(reader, configured, with_witnesses=with_witnesses)


def test_processes_that_are_not_forked_say_the_same(tmp_path: Path) -> None:
    write(tmp_path, {"a.v4": _DUMP, "b.v4": _DUMP + "typo\n"})
    names = [f"{tmp_path}/a.v4", f"{tmp_path}/b.v4"]
    check = _check(tmp_path)
    here = [check(name) for name in names]
    there = dict(shared(check, names, 2, "spawn"))
    for number, outcome in enumerate(here):
        result, other = outcome.result, there[number].result
        assert there[number].skipped == outcome.skipped
        if result is None:
            assert other is None
            continue
        assert other is not None
        assert result.findings == other.findings
        assert any(finding.suppressed for finding in other.findings)
        assert [use.used for use in other.uses.files[names[0]]] == [{"CT101"}]
        assert [use.source for use in other.uses.entries] == [
            use.source for use in result.uses.entries
        ]


def test_witnesses_are_kept_only_where_they_are_shown(tmp_path: Path) -> None:
    write(tmp_path, {"a.v4": _DUMP})
    shown, hidden = (
        _check(tmp_path, with_witnesses=each)(f"{tmp_path}/a.v4").result for each in (True, False)
    )
    assert shown is not None
    assert hidden is not None
    assert any(finding.witness for finding in shown.findings)
    assert not any(finding.witness for finding in hidden.findings)
    assert len(shown.findings) == len(hidden.findings)


def test_what_cannot_be_read_is_an_outcome(tmp_path: Path) -> None:
    check = _check(tmp_path)
    outcome = check(f"{tmp_path}/absent")
    assert outcome.result is None
    assert outcome.skipped is not None
    assert outcome.skipped.reason is SkipReason.UNREADABLE
    assert str(outcome.skipped.troubles[0]).endswith("/absent: No such file or directory")
    write(tmp_path, {"bad": "*filter\n-A INPUT --nonsense\n-A\nCOMMIT\n"})
    outcome = check(f"{tmp_path}/bad")
    assert outcome.skipped is not None
    assert [trouble.line for trouble in outcome.skipped.troubles] == [2, 3]
    assert isinstance(pickle.loads(pickle.dumps(outcome)), Outcome)


def test_a_setting_that_is_no_number_is_of_its_host(tmp_path: Path) -> None:
    key = "net.netfilter.nf_conntrack_tcp_timeout_established"
    write(tmp_path / "h", {"rules.v4": _DUMP, "sysctl": f"{key} = soon\n"})
    outcome = _check(tmp_path)(f"{tmp_path}/h")
    assert outcome.skipped is not None
    (trouble,) = outcome.skipped.troubles
    assert (trouble.file, trouble.line) == (f"{tmp_path}/h/sysctl", 1)


def test_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7})
    assert host_checks.usable_cores() == 3
