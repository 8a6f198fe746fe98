# SPDX-License-Identifier: GPL-2.0-only
"""Scripts and scenarios from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.parse.errors import ParseError
from ctlint.scenario.scenario import ScenarioError
from ctlint.source.errors import SourceError
from ctlint.source.scenario_files import ScenarioFile, Told, scenario_files

RULES = "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"
JSON = '{"packets": [{"dir": "orig", "flags": "S"}]}'


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def told(path: str) -> list[Told]:
    return list(ScenarioFile(path))


def test_what_is_a_script(tmp_path: Path) -> None:
    for name, text, is_script in (
        ("a.ct", "connect", True),
        ("b.ct", "nonsense", True),
        ("c.json", "connect", False),
        ("d.jsonl", JSON, False),
        ("e", "# x\nconnect", True),
        ("f.txt", JSON, False),
        ("g", "*filter", False),
    ):
        opened = ScenarioFile(written(tmp_path, name, text))
        assert (opened.script is not None) is is_script, name


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.ct", "a/z.json", "a/y.jsonl", "rules.v4", ".git/x.ct", ".h.ct", "d.ct/e.ct"):
        written(tmp_path, name, "connect")
    found = [str(Path(each).relative_to(tmp_path)) for each in scenario_files(str(tmp_path))]
    assert found == ["a/y.jsonl", "a/z.json", "b.ct", "d.ct/e.ct"]
    assert scenario_files(str(tmp_path / "none")) == (str(tmp_path / "none"),)
    assert scenario_files("-") == ("-",)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no script and no scenario"):
        scenario_files(str(tmp_path / "empty"))


def test_named_files_stand_beside_the_script(tmp_path: Path) -> None:
    written(tmp_path, "rules/a b.v4", RULES)
    written(tmp_path, "rules/6", RULES)
    written(tmp_path, "sets", "create x hash:ip\nadd x 10.1.0.2\n")
    path = written(
        tmp_path,
        "tests/t.ct",
        'rules "../rules/a b.v4"; rules6 ../rules/6; ipsets ../sets\n'
        "test a; client SYN => rule filter/INPUT#1\n"
        f"test b; rules {tmp_path}/rules/6; topology lo v6; client SYN => rule filter/INPUT#1\n",
    )
    one, two = told(path)
    assert one.scenario.ruleset == one.scenario.ruleset6 == RULES
    assert one.scenario.ipsets == "create x hash:ip\nadd x 10.1.0.2\n"
    assert (one.line, one.number, two.line, two.number) == (2, 1, 3, 2)
    assert one.rules == str(tmp_path / "tests/../rules/a b.v4")
    assert two.rules == str(tmp_path / "tests/../rules/6")
    assert one.rule_index().text("filter/INPUT#1") == "-A INPUT -j ACCEPT"


def problem(path: str) -> str:
    with pytest.raises(ParseError) as caught:
        told(path)
    found = caught.value.problems[0]
    return f"{found.span}: {found.message}"


def test_named_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, "t.ct", "rules none\nrules6 -\nconnect")
    with pytest.raises(ParseError) as caught:
        told(path)
    assert [str(each.span) for each in caught.value.problems] == [f"{path}:1:7", f"{path}:2:8"]
    assert "No such file" in caught.value.problems[0].message
    written(tmp_path, "bad", "*filter\n-A INPUT -j\nCOMMIT\n")
    assert problem(written(tmp_path, "t.ct", "rules bad; connect")).startswith(f"{tmp_path}/bad:2:")
    written(tmp_path, "nft", "table ip x {}\n")
    assert "a rule set of nft" in problem(written(tmp_path, "t.ct", "rules nft; connect"))
    written(tmp_path, "sets", "create x\n")
    assert problem(written(tmp_path, "t.ct", "ipsets sets; connect")).startswith(
        f"{tmp_path}/sets:1"
    )


def test_faults_of_playing_have_the_place_of_the_statement(tmp_path: Path) -> None:
    (one,) = told(written(tmp_path, "t.ct", "connect\n client udp 5"))
    fault = one.fault(ScenarioError("x", 3))
    assert isinstance(fault, ParseError)
    assert str(fault.problems[0].span).endswith("t.ct:2:2")
    fault = one.fault(ScenarioError("x"))
    assert isinstance(fault, ParseError)
    assert str(fault.problems[0].span).endswith("t.ct:1:1")
    (one,) = told(written(tmp_path, "t.json", f"\n{JSON}"))
    fault = one.fault(ScenarioError("x", 0))
    assert isinstance(fault, SourceError)
    assert fault.message == f"{tmp_path}/t.json:2: scenario 1: packet 0: x"


def test_rules_of_json_that_cannot_be_read(tmp_path: Path) -> None:
    said = '{"packets": [], "ruleset": "*filter\\n-A INPUT -j\\nCOMMIT\\n"}'
    (one,) = told(written(tmp_path, "t.json", said))
    with pytest.raises(SourceError, match='scenario 1: "ruleset", line 2: '):
        one.rule_index()
