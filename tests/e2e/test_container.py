# SPDX-License-Identifier: GPL-2.0-only
"""The container file: what `COPY . /src` takes, less what is ignored, is enough to build from."""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.corpus import REPOSITORY
from tests.e2e.conftest import git


def test_what_is_copied_builds(tmp_path: Path) -> None:
    lines = (REPOSITORY / ".containerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    taken = [line[1:] for line in lines if line.startswith("!")]
    ignored = [line for line in lines[1:] if not line.startswith("!")]
    for name in git(REPOSITORY, "ls-files", "-co", "--exclude-standard").splitlines():
        wanted = any(name == part or name.startswith(f"{part}/") for part in taken)
        if wanted and not any(fnmatch.fnmatch(name, pattern) for pattern in ignored):
            (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, tmp_path / "src" / name)
    build = "import hatchling.build as b, sys; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, tmp_path],
        cwd=tmp_path / "src",
        check=True,
        capture_output=True,
        text=True,
    )
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
    assert {"ctlint/cli/main.py", "ctlint/grammar/socket_script.lark"} <= names
    assert any(name.startswith("ctlint/rules/") for name in names)
