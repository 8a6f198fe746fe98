# SPDX-License-Identifier: GPL-2.0-only
"""Coverage-guided fuzzing of the reader with Atheris, which is no dependency of the tests.

    pip install atheris
    python -m tests.fuzz.fuzz_parser -max_total_time=600 FOLDER

FOLDER keeps interesting inputs between runs; dumps put there are a good start. Anything but
ParseError, a problem outside the text, a difference between line shapes and grammar, or a
printed form that reads differently ends the run with the input that shows it.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["ctlint"]):
    from tests.fuzz.properties import check_text


def one_input(data: bytes) -> None:
    """One input: bytes as a file has them."""
    check_text(data.decode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
