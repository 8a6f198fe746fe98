# SPDX-License-Identifier: GPL-2.0-only
"""What cannot be read of an input, for standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from ctlint.parse.errors import Problem
from ctlint.report.escape import visible


def print_problems(problems: Sequence[Problem], stream: TextIO) -> None:
    """Writes ``FILE:LINE:COL: MESSAGE`` for each problem, and its hint on a line below it.

    What the stream's encoding cannot hold is escaped.
    """
    encoding = stream.encoding or "utf-8"  # a StringIO has none
    for problem in problems:
        stream.write(visible(f"{problem.span}: {problem.message}", encoding) + "\n")
        if problem.hint is not None:
            stream.write("  hint: " + visible(problem.hint, encoding) + "\n")
