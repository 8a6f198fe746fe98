# SPDX-License-Identifier: GPL-2.0-only
"""Every command of the README and the documents, run as a reader would: it must not be refused, and
where its output stands on a page of the guide, it must be that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.corpus import REPOSITORY
from tests.netns import private_netns, why_no_netns

GUIDE = ("getting-started", "ci", "findings", "model", "comparison")
"""Pages whose output is compared here; others have tests of their own."""

ELSEWHERE = (
    "python3 -m venv",  # the two commands of the README, and tests/e2e
    "python -m tests.",  # campaigns of hours; tests/conformance holds that they run
    "docker ",  # needs a service; tests/e2e/test_container.py builds what it would copy
)
_PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHOWN = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"# exits with ([0-3])$")


class Script(NamedTuple):
    """The commands of one block, in order."""

    page: str
    commands: tuple[str, ...]


def _scripts() -> Iterator[Script]:
    for page in _PAGES:
        for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
            commands = block.replace("\\\n", " ").splitlines()
            wanted = tuple(one for one in commands if one and not one.startswith(ELSEWHERE))
            if wanted:
                yield Script(page.stem, wanted)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with what the commands name, and the programs of a host that has such rules."""
    sample, example = REPOSITORY / "tests/e2e/sample", REPOSITORY / "examples/fin-wait-1"
    folder = tmp_path / "place"
    shutil.copytree(sample / "hosts", folder / "hosts")
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    shutil.copytree(example, folder / "host-folder")
    shutil.copytree(example, folder / "sosreports" / "db")
    web = (sample / "hosts/web/iptables-save").read_text(encoding="utf-8")
    (folder / "rules.v4").write_text(web, encoding="utf-8")
    new = web.replace("COMMIT", "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT")
    (folder / "rules.v4.new").write_text(new, encoding="utf-8")
    for name in ("etc/iptables", "more/db"):
        (folder / name).mkdir(parents=True)
    (folder / "more/db/rules.v4").write_text(web, encoding="utf-8")
    (folder / "etc/iptables/rules.v4").write_text(web, encoding="utf-8")
    (folder / "etc/sysctl.d").mkdir()
    shutil.copy(example / "sysctl", folder / "etc/sysctl.d/10-conntrack.conf")
    shutil.copy(example / "sysctl", folder / "sysctl.conf")
    shutil.copy(sample / "ctlint-baseline.json", folder)
    programs = {
        "ctlint": f'PYTHONPATH={REPOSITORY} exec {sys.executable} -m ctlint "$@"',
        "sudo": 'exec "$@"',
        "iptables-save": f"cat {folder}/rules.v4",
        "ip6tables-save": "printf '*filter\\n:INPUT ACCEPT [0:0]\\nCOMMIT\\n'",
        "ipset": "true",
        "sysctl": f"cat {folder}/sysctl.conf",
    }
    for name, text in programs.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "hosts"]):
        identity = ["-c", "user.name=reader", "-c", "user.email=reader@example.org"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    return folder


def _run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    path = f"{place.parent / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("/etc/", "etc/")],
        cwd=place,
        input="",
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
        env={"PATH": path, "PYTHONUTF8": "1", "COLUMNS": "80", "HOME": str(place.parent)},
    )


@contextmanager
def _on_a_host(place: Path) -> Iterator[None]:
    """Programs that are started meanwhile see a host with such rules, whatever this one has."""
    reason = why_no_netns("iptables-restore", "nft", "conntrack", "ipset")
    if reason is not None:
        pytest.skip(reason)
    with private_netns() as namespace:
        rules = (place / "rules.v4").read_text(encoding="utf-8")
        namespace.run(["iptables-restore"], input=rules)
        with namespace.inside():
            yield


@pytest.mark.parametrize("script", list(_scripts()), ids=lambda one: one.page)
def test_commands_of_the_documents_run(script: Script, place: Path) -> None:
    for command in script.commands:
        with _on_a_host(place) if "sudo " in command else nullcontext():
            done = _run(command, place)
        said = _CODE.search(command)
        wanted = {int(said[1])} if said else {0, 1} if "ctlint" in command else {0}
        assert done.returncode in wanted, (command, done.stdout[-500:], done.stderr)
        assert "Usage:" not in done.stderr, (command, done.stderr)


@pytest.mark.parametrize("page", GUIDE)
def test_what_the_guide_shows_is_printed(page: str, place: Path) -> None:
    text = (REPOSITORY / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for block in _SHOWN.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, shown = part.split("\n", 1)
            done = _run(command, place)
            pattern = re.escape(shown).replace("…\\\n", "(?:.*\n)*")
            assert re.fullmatch(pattern, done.stdout), (command, done.stdout, done.stderr)


def test_the_guide_shows_something() -> None:
    """A change of the fences would leave nothing to run."""
    assert {script.page for script in _scripts()} >= {"README", "getting-started", "ci", "findings"}
    assert len(list(_scripts())) >= 20
