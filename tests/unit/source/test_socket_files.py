# SPDX-License-Identifier: GPL-2.0-only
"""Which texts are socket scripts, what they name, and the incidents that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.parse.errors import ParseError
from ctlint.source.errors import SourceError
from ctlint.source.scenario_files import ScenarioFile, scenario_files
from ctlint.source.socket_files import (
    SocketFile,
    incident,
    incidents,
    is_socket_script,
    open_script,
)


@pytest.mark.parametrize(
    ("path", "text", "is_one"),
    [
        ("a.ctw", "", True),
        ("a.ct", "server listen", False),
        ("a.json", "server listen", False),
        ("-", "server listen", True),
        ("-", "# x\nkernel 6.1; server listen 80\n", True),
        ("a.txt", "  server\tlisten", True),
        ("-", "client SYN; server SYN,ACK", False),
        ("-", "# server listen\nclient SYN", False),
        ("-", '{"packets": []}', False),
    ],
)
def test_what_a_socket_script_is(path: str, text: str, is_one: bool) -> None:
    assert is_socket_script(path, text) is is_one


def test_files_of_a_script_stand_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "s.ctw"
    path.write_text("# A title\nrules r.v4\nserver listen\nclient connect\n", encoding="utf-8")
    file = open_script(str(path))
    assert isinstance(file, SocketFile)
    assert (file.title, file.name) == ("A title", str(path))
    with pytest.raises(ParseError, match=r"s\.ctw:2:7"):
        file.plans()
    rules = tmp_path / "r.v4"
    rules.write_text("*filter\n:INPUT ACCEPT\nCOMMIT\n", encoding="utf-8")
    plans, named = file.plans()
    assert (len(plans), named) == (1, (str(rules),))
    rules.write_text("*filter\n:INPUT ACCEPT\n-A INPUT -j\nCOMMIT\n", encoding="utf-8")
    with pytest.raises(ParseError, match=r"r\.v4:3"):
        file.plans()


def test_a_folder_holds_scripts_of_both_kinds(tmp_path: Path) -> None:
    for name in ("b.ctw", "a.ct", "c.json", "d.v4"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert [Path(each).name for each in scenario_files(str(tmp_path))] == [
        "a.ct",
        "b.ctw",
        "c.json",
    ]
    assert isinstance(open_script(str(tmp_path / "a.ct")), ScenarioFile)


def test_incidents_are_called_by_their_names() -> None:
    names = [each.name for each in incidents()]
    assert names == sorted(names)
    assert incident("half-close").open().name == "half-close.ctw"
    with pytest.raises(SourceError) as caught:
        incident("Half-Closed")
    assert caught.value.hint == "did you mean half-close?"
