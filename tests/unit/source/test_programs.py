# SPDX-License-Identifier: GPL-2.0-only
"""What programs print is read within bounds."""

from __future__ import annotations

import sys
import time

import pytest

from ctlint.source import files
from ctlint.source.errors import SourceError
from ctlint.source.programs import Printed, printed, program


def python(code: str, seconds: float = 30) -> Printed:
    return printed([sys.executable, "-c", code], seconds=seconds)


def test_output_errors_and_status() -> None:
    said = python("import sys; print('out'); print('\\nbad\\nworse', file=sys.stderr); sys.exit(3)")
    assert (said.status, said.text, said.complaint) == (3, "out\n", "bad")
    assert python("import sys; sys.exit(4)").complaint == "exit status 4"
    assert python("print('fine')").complaint == ""


def test_it_gets_no_input_and_the_c_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    code = "import os, sys; print(sys.stdin.read() == '', sorted(os.environ), os.environ['PATH'])"
    said = python(code).text
    assert said.startswith("True ['LC_ALL', 'LC_CTYPE', 'PATH']") or "['LC_ALL', 'PATH']" in said
    assert said.strip().endswith(":/usr/sbin:/sbin")


def test_what_does_not_end_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(SourceError, match=r"does not end within 0 s"):
        python("import time; time.sleep(60)", 0.3)
    # Its output is closed, and it stays.
    with pytest.raises(SourceError, match="does not end"):
        python("import os, time; os.close(1); os.close(2); time.sleep(60)", 0.5)
    assert time.monotonic() - begin < 20


def test_too_much_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1 << 20)
    with pytest.raises(SourceError, match="larger than 1 MiB"):
        python("while True: print('x' * 1000)")


def test_much_on_standard_error_does_not_block() -> None:
    said = python("import sys; sys.stderr.write('x' * 1_000_000); print('done')")
    assert (said.text, len(said.errors)) == ("done\n", 1 << 16)


def test_absent_programs() -> None:
    assert program("ctlint-no-such-program") is None
    assert program("ctlint-no-such-program", "sh") in ("/bin/sh", "/usr/bin/sh")
    with pytest.raises(SourceError, match="absent: No such file"):
        printed(["/nowhere/absent"])
