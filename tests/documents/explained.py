# SPDX-License-Identifier: GPL-2.0-only
"""The cases of docs/explain.md: commands with what they print."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, NamedTuple

from tests.corpus import REPOSITORY
from tests.unit.cli.running import ctlint

FOLDER = REPOSITORY / "examples" / "explain"
_CASE = re.compile(r"^### (.+?)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_RUN = re.compile(r"^```sh\nctlint (.*?)\n```\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Explained(NamedTuple):
    """One case: the words of the command behind ``ctlint``, and what it prints."""

    title: str
    words: tuple[str, ...]
    printed: str

    @property
    def rules(self) -> str:
        """The rules that it is about."""
        name = self.words[self.words.index("--rules") + 1]
        return (REPOSITORY / name).read_text(encoding="utf-8")

    def run(self) -> str:
        """What the command prints, 80 columns wide."""
        done = ctlint([*self.words], cwd=REPOSITORY, COLUMNS="80")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def answer(self) -> dict[str, Any]:
        """The same as JSON."""
        done = ctlint([*self.words, "--format", "json"], cwd=REPOSITORY)
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def documented() -> list[Explained]:
    """The cases in their order."""
    page = (REPOSITORY / "docs" / "explain.md").read_text(encoding="utf-8")
    cases = []
    for title, body in _CASE.findall(page):
        run = _RUN.search(body)
        if run is not None:
            words = shlex.split(run[1].replace("\\\n", " "))
            cases.append(Explained(title, tuple(words), run[2]))
    return cases
