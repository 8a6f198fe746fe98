# SPDX-License-Identifier: GPL-2.0-only
"""Grammar and rules are found wherever the package runs from: each case is built for real."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ctlint import __version__, resources
from tests.corpus import REPOSITORY

PARTS = (
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
    *("ctlint", "grammar", "rules", "docs/rules"),
)
"""What a build reads."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the repository with one grammar and one rule that only the test has."""
    root = tmp_path / "checkout"
    root.mkdir()
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    (root / "grammar" / "probe.lark").write_text("start: /x/\n", encoding="utf-8")
    (root / "rules" / "probe.py").write_text("PROBE = 1\n", encoding="utf-8")
    return root


def _call(hook: str, root: Path, out: Path) -> Path:
    """Calls one PEP 517 hook of the build backend in ``root``; the path of what it built."""
    out.mkdir(exist_ok=True)
    script = f"import hatchling.build as b, sys; print(b.{hook}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(out)],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return out / done.stdout.split()[-1]


def _unpack(wheel: Path, target: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def _places(site: Path) -> list[str]:
    """What a fresh interpreter, without our own environment, finds through ``site``."""
    script = (
        "import site, sys; site.addsitedir(sys.argv[1])\n"
        "from ctlint.resources import grammar_text, pages_dir, rules_dir\n"
        "print(repr(grammar_text('probe')))\n"
        "print(rules_dir())\n"
        "print((rules_dir() / 'probe.py').is_file(), (pages_dir() / 'CT101.md').is_file())\n"
        "from ctlint.resources import collect_script\n"
        "assert collect_script().startswith('#!/bin/sh')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(site)],
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def test_bare_checkout(checkout: Path) -> None:
    assert _places(checkout) == ["'start: /x/\\n'", str(checkout / "rules"), "True True"]


def test_editable_install_reads_the_checkout(checkout: Path, tmp_path: Path) -> None:
    site = _unpack(_call("build_editable", checkout, tmp_path / "dist"), tmp_path / "site")
    (checkout / "grammar" / "probe.lark").write_text("start: /later/\n", encoding="utf-8")
    assert _places(site) == ["'start: /later/\\n'", str(checkout / "rules"), "True True"]


def test_wheel(checkout: Path, tmp_path: Path) -> None:
    wheel = _call("build_wheel", checkout, tmp_path / "dist")
    assert wheel.name == f"ctlint-{__version__}-py3-none-any.whl"
    site = _unpack(wheel, tmp_path / "site")
    assert _places(site) == ["'start: /x/\\n'", str(site / "ctlint" / "rules"), "True True"]
    assert (site / "ctlint" / "py.typed").is_file()


def test_wheel_from_sdist(checkout: Path, tmp_path: Path) -> None:
    sdist = _call("build_sdist", checkout, tmp_path / "dist")
    subprocess.run(["tar", "-xzf", str(sdist), "-C", str(tmp_path)], check=True)
    unpacked = tmp_path / f"ctlint-{__version__}"
    site = _unpack(_call("build_wheel", unpacked, tmp_path / "dist"), tmp_path / "site")
    assert _places(site) == ["'start: /x/\\n'", str(site / "ctlint" / "rules"), "True True"]


def test_missing_grammar_is_a_clear_error() -> None:
    with pytest.raises(resources.ResourceError, match="cannot read the grammar 'absent'"):
        resources.grammar_text("absent")


def test_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(resources.ResourceError, match="cannot find the folder 'rules'"):
        resources._folder("rules", tmp_path / "ctlint")


def test_folder_beside_an_installed_package_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    with pytest.raises(resources.ResourceError):
        resources._folder("rules", tmp_path / "ctlint")
    (tmp_path / "pyproject.toml").touch()
    assert resources._folder("rules", tmp_path / "ctlint") == tmp_path / "rules"
