# SPDX-License-Identifier: GPL-2.0-only
"""Draws docs/screenshot.svg: what ``ctlint lint examples/fin-wait-1`` shows on a terminal.

Run it with the Python of an environment that has ctlint; the same output gives the same bytes.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

REPOSITORY = Path(__file__).resolve().parent.parent
TARGET = REPOSITORY / "docs" / "screenshot.svg"
ARGUMENTS = ("lint", "examples/fin-wait-1")
WIDTH = 96
"""Columns of the terminal that is drawn."""


def draw(output: str) -> str:
    """The SVG of a terminal that shows the command and its output with colour codes.

    The fonts that rich would load from the network are left out: the reader's monospaced font
    serves, every run of text has its width.
    """
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ ctlint {' '.join(ARGUMENTS)}", style="bold"))
    console.print(Text.from_ansi(output), soft_wrap=True)
    svg = console.export_svg(title="ctlint", theme=MONOKAI, unique_id="ctlint")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def screenshot() -> str:
    """What is to stand in the file."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "PYTHONUTF8": "1"}
    environment.pop("NO_COLOR", None)
    run = subprocess.run(
        [sys.executable, "-m", "ctlint", *ARGUMENTS, "--color", "always"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if run.returncode != 1:
        sys.exit(f"ctlint ended with {run.returncode}, not with findings (1):\n{run.stderr}")
    return draw(run.stdout)


if __name__ == "__main__":
    TARGET.write_text(screenshot(), encoding="utf-8")
