# SPDX-License-Identifier: GPL-2.0-only
"""Draws docs/report.png: the top of the report in HTML of ``ctlint lint examples/fin-wait-1``,
in headless Chromium.

Run it with the Python of an environment that has ctlint. Its fonts are those of the machine: the
bytes differ from one machine to the next.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tools.browser import Browser, find_chromium  # noqa: E402

TARGET = REPOSITORY / "docs" / "report.png"
ARGUMENTS = ("lint", "examples/fin-wait-1", "--format", "html")
WIDTH = 960
HEIGHT = 1190


def main() -> None:
    """Runs ctlint and writes the file."""
    program = find_chromium()
    if program is None:
        sys.exit("chromium is absent")
    run = subprocess.run(
        [sys.executable, "-m", "ctlint", *ARGUMENTS],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if run.returncode != 1:
        sys.exit(f"ctlint ended with {run.returncode}, not with findings (1):\n{run.stderr}")
    with tempfile.TemporaryDirectory() as folder, Browser(program) as browser:
        page = Path(folder) / "report.html"
        page.write_text(run.stdout, encoding="utf-8")
        browser.open(page, width=WIDTH, height=HEIGHT)
        TARGET.write_bytes(browser.screenshot())


if __name__ == "__main__":
    main()
