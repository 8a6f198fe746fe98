# SPDX-License-Identifier: GPL-2.0-only
"""Where a configuration is looked for: docs/config.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ctlint.parse.errors import ParseError
from ctlint.source.config_files import (
    MAX_CONFIG,
    NO_CONFIG,
    beside,
    config_of,
    found_config,
    named_config,
    seen_from,
)
from ctlint.source.errors import SourceError

TOP = "fail-on = 'error'\n"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a/b in a folder that has a .git."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(folder)
    return folder


def found() -> tuple[str, str]:
    """The name and the folder of what is found."""
    config = found_config()
    return config.configuration.file, config.folder


def test_nothing_is_found(work: Path) -> None:
    assert found_config() == NO_CONFIG


def test_the_nearest_one_upwards(work: Path) -> None:
    (work.parent.parent / "ctlint.toml").write_text(TOP)
    assert found() == ("../../ctlint.toml", str(work.parent.parent))
    (work.parent / "pyproject.toml").write_text("[tool.ctlint]\n")
    assert found() == ("../pyproject.toml", str(work.parent))
    # Beside each other: the file that is for ctlint alone.
    (work.parent / "ctlint.toml").write_text(TOP)
    assert found() == ("../ctlint.toml", str(work.parent))
    (work / "ctlint.toml").write_text("")
    assert found() == ("ctlint.toml", str(work))


def test_a_project_of_others_is_passed_by(work: Path) -> None:
    (work.parent / "ctlint.toml").write_text(TOP)
    for text in ("[tool.ruff]\n", "= broken", "# ctlint\n[tool]\n"):
        (work / "pyproject.toml").write_text(text)
        assert found()[0] == "../ctlint.toml"
    (work / "pyproject.toml").write_text("[tool.ctlint]\nx = ")
    with pytest.raises(ParseError, match=r"^pyproject\.toml:2:5: "):
        found_config()


@pytest.mark.parametrize("is_file", [True, False])
def test_a_repository_is_not_left(work: Path, is_file: bool) -> None:
    (work.parent.parent / "ctlint.toml").write_text(TOP)
    git = work.parent / ".git"
    git.write_text("gitdir: x") if is_file else git.mkdir()
    assert found_config() == NO_CONFIG
    (work.parent / "ctlint.toml").write_text(TOP)
    assert found()[0] == "../ctlint.toml"


def test_what_may_be_anybodys_is_passed_by(work: Path) -> None:
    (work.parent / "ctlint.toml").write_text(TOP)
    (work / "ctlint.toml").write_text("kernel = 'mine'\n")
    work.chmod(0o1777)
    assert found()[0] == "../ctlint.toml"
    work.chmod(0o0777)
    with pytest.raises(ParseError):
        found_config()


def test_a_folder_or_pipe_of_that_name_is_none(work: Path) -> None:
    (work / "ctlint.toml").mkdir()
    os.mkfifo(work.parent / "ctlint.toml")
    assert found_config() == NO_CONFIG


def test_a_working_directory_that_is_gone(work: Path) -> None:
    work.rmdir()
    assert found_config() == NO_CONFIG


def test_a_file_that_is_named(work: Path) -> None:
    (work.parent / "my.toml").write_text(TOP)
    config = named_config("../my.toml")
    assert (config.configuration.file, config.folder) == ("../my.toml", str(work.parent))
    assert config.configuration.values["fail-on"].origin == "../my.toml:1"
    (work / "-").write_text(TOP)
    assert named_config("-").configuration.file == "-"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gone.toml", None, "gone.toml: No such file or directory"),
        ("pyproject.toml", "[tool.ruff]\n", "pyproject.toml: no section [tool.ctlint]"),
        ("x\0", None, r"'x\x00': embedded null byte"),
        ("big.toml", "#" * (MAX_CONFIG + 1), "big.toml: larger than 1 MiB"),
        ("nul.toml", "a\0", "nul.toml: binary data (it holds NUL bytes), not text"),
    ],
)
def test_a_file_that_cannot_be_read(work: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (work / name).write_text(text)
    with pytest.raises(SourceError) as error:
        named_config(name)
    assert error.value.message == message


def test_how_globs_see_an_input(work: Path) -> None:
    top = str(work.parent)
    assert seen_from(top, "x/../rules.v4") == ("b/rules.v4", f"{work}/rules.v4")
    assert seen_from(top, "/etc/x")[1] == "/etc/x"
    assert seen_from(top, "-") == ("-",)
    assert seen_from("", "x") == ("x",)


def test_files_beside_a_configuration(work: Path) -> None:
    assert beside(str(work.parent), "sysctl.d") == "../sysctl.d"
    assert beside(str(work), "./sysctl.d") == "sysctl.d"
    assert beside(str(work), "/etc/sysctl.d") == "/etc/sysctl.d"


def test_the_configuration_of_a_folder_has_its_whole_name(work: Path) -> None:
    (work.parent / "ctlint.toml").write_text(TOP)
    config = config_of(f"{work}")
    assert config.configuration.file == f"{work.parent}/ctlint.toml"
    assert config.folder == str(work.parent)
    assert config_of(f"{work.parent.parent}") == NO_CONFIG
