# SPDX-License-Identifier: GPL-2.0-only
"""The examples of a page of the documentation: commands with their output, and scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```(console|ctw?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """A command and what it prints; `stdin` is the script in front of it where it reads one."""

    arguments: tuple[str, ...]
    printed: str
    stdin: str


def commands(page: Path) -> list[Command]:
    """The commands of a page, in order."""
    found: list[Command] = []
    script = ""
    for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind != "console":
            script = text
            continue
        first, _, printed = text.partition("\n")
        arguments = tuple(first.removeprefix("$ ctlint ").split())
        found.append(Command(arguments, printed, script if "-" in arguments else ""))
    return found


def scripts(page: Path) -> list[str]:
    """The scripts of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [text for kind, text in _BLOCK.findall(text) if kind != "console"]
