# SPDX-License-Identifier: GPL-2.0-only
"""The tool that records answers: which kernel a folder names, and what it reads."""

from __future__ import annotations

import json
import lzma
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

from ctlint.scenario.reader import scenario_from_json
from tests.conformance.answers import recordings
from tools.record_answers import CannotRecordError, is_folder_of, main, random_rules, read_input

SYN = '{"name": "syn", "packets": [{"dir": "orig", "flags": "S", "seq": 1}]}'


@pytest.mark.parametrize(
    ("folder", "release", "wanted"),
    [
        ("6.18.44", "6.18.44-fc-v669", True),
        ("6.18.44-fc-v669", "6.18.44-fc-v669", True),
        ("6.18.44-fc", "6.18.44-fc-v669", True),
        ("6.0.0-1016-ubuntu", "6.0.0-1016-ubuntu", True),
        ("6.12.107", "6.12.107+deb13-amd64", True),
        ("7.0.0", "7.0.0rc1", True),
        ("6", "6.18.44-fc-v669", False),
        ("6.1", "6.18.44-fc-v669", False),
        ("6.18", "6.18.44-fc-v669", False),
        ("6.18.4", "6.18.44-fc-v669", False),
        ("6.18.44.", "6.18.44-fc-v669", False),
        ("6.18.44-f", "6.18.44-fc-v669", False),
        ("6.18.44-fc-v6", "6.18.44-fc-v669", False),
        ("6.18.44-aws", "6.18.44-fc-v669", False),
        ("6.18.440", "6.18.44-fc-v669", False),
        ("", "6.18.44", False),
        ("answers", "6.18.44", False),
        ("next", "next-20261121", False),
    ],
)
def test_the_folder_names_the_whole_version(folder: str, release: str, wanted: bool) -> None:
    assert is_folder_of(folder, release) is wanted


@pytest.mark.parametrize(
    "text",
    [
        f"{SYN}\n{SYN}\n",
        f"\n{SYN}\n\n\n{SYN}",
        f"[{SYN},\n{SYN}]",
        json.dumps(json.loads(SYN), indent=2) + "\n" + SYN,
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_documents(text: str, packed: bool, tmp_path: Path) -> None:
    source = tmp_path / ("a.jsonl.xz" if packed else "a.json")
    source.write_bytes(lzma.compress(text.encode()) if packed else text.encode())
    wanted = scenario_from_json(json.loads(SYN))
    found = list(read_input(source))
    assert [one.scenario for one in found] == [wanted, wanted]
    # Both begin in a line that has a brace.
    lines = [int(one.where.rpartition(":")[2]) for one in found]
    assert lines[0] < lines[1]
    assert all("{" in text.split("\n")[line - 1] for line in lines)


def test_a_recording_gives_the_scenarios_that_were_played(tmp_path: Path) -> None:
    recording = min(recordings(), key=lambda one: one.path.stat().st_size)
    with lzma.open(recording.path, "rt", encoding="utf-8") as lines:
        sources = [json.loads(line)["scenario"] for line in lines]
    found = list(read_input(recording.path))
    assert [one.scenario for one in found] == [scenario_from_json(each) for each in sources]
    assert found[-1].where == f"{recording.path}:{len(sources)}"


BAD = [
    ('{"packets": [], "packets": []}', 1, "twice"),
    (f'{SYN}\n{{"packets": [{{"dir": "orig", "flags": "S", "dt": NaN}}]}}', 2, "NaN"),
    (f'{SYN}\n\n{{"packets": [{{"dir": "up", "flags": "S"}}]}}', 3, "packet 0"),
    (f'[\n{SYN},\n{{"packets": 1}}\n]', 3, "packets"),
    (f'{SYN}\n{{"packets": [\n', 3, "not JSON"),
    (f'{{"scenario": {SYN}}}\n{{"scenario": {{"packets": 1}}}}', 2, "packets"),
    (f'{{"scenario": {SYN}}}\n{{"scenario": {{"packets": [], "packets": []}}}}', 2, "twice"),
    (f'{{"scenario": {SYN}}}\n{{"scenario": {{"packets": [NaN]}}}}', 2, "NaN"),
    (f'{{"scenario": {SYN}}}\n{SYN}', 2, "recording"),
    (f'{{"scenario": {SYN}}}\n{{', 2, "not JSON"),
    (f'{{"scenario": {SYN}}}\n' + "[" * 100_000, 2, ""),
    ("", 1, "empty"),
    ("-A INPUT -j DROP", 1, "JSON"),
]


@pytest.mark.parametrize(("text", "line", "word"), BAD)
def test_what_is_wrong_is_said_with_its_line(
    text: str, line: int, word: str, tmp_path: Path
) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text(text)
    with pytest.raises(CannotRecordError) as caught:
        list(read_input(source))
    message = caught.value.message
    assert message.startswith(f"{source}:{line}: ")
    assert word in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.xz", "absent", "folder"])
def test_the_command_ends_with_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.uname", lambda: type("Uname", (), {"release": "6.18.44-x"}))
    (tmp_path / "a.jsonl").write_bytes(b"\xff")
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(b"{}")[:-3])
    (tmp_path / "folder").mkdir()
    output = tmp_path / "6.18.44" / "a.jsonl.xz"
    done = CliRunner().invoke(main, [str(tmp_path / name), "-o", str(output)])
    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {tmp_path / name}")
    assert done.output.count("\n") == 1
    assert not output.parent.exists()


def test_another_kernels_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: type("Uname", (), {"release": "6.18.44-x"}))
    (tmp_path / "a.jsonl").write_text(SYN)
    output = tmp_path / "6.18.4" / "a.jsonl.xz"
    done = CliRunner().invoke(main, [str(tmp_path / "a.jsonl"), "-o", str(output)])
    assert done.exit_code == 2
    assert "6.18.44-x" in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["a.jsonl", "--random-rules", "1"]])
def test_either_a_file_or_random_ones_are_played(words: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "6.18.44" / "a.jsonl.xz")])
    assert done.exit_code == 2
    assert "either SCENARIOS or --random-rules" in done.output


def test_random_rules_do_not_ask_what_differs_from_run_to_run() -> None:
    """The same seed gives the same scenarios, and none counts real time."""
    found = list(islice(random_rules(7), 60))
    assert found == list(islice(random_rules(7), 60))
    texts = [one.scenario.ruleset + one.scenario.ruleset6 for one in found]
    assert all(texts)
    for word in ("limit", "hashlimit", "recent", "time", "connlimit"):
        assert not any(f"-m {word} " in text for text in texts), word
    assert not any("--ctexpire" in text for text in texts)
    assert any("-m quota " in text for text in texts)
