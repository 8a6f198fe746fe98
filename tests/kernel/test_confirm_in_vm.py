# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint confirm --kernel-image``: another kernel in a virtual machine says the same.

CTLINT_KERNEL_IMAGE names the image, boot/vmlinuz-RELEASE, with lib/modules/RELEASE beside boot.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctlint.lab.kernel_vm import CannotRunError, modules_beside
from tests.corpus import REPOSITORY
from tests.unit.cli.running import Done, ctlint

EXAMPLES = REPOSITORY / "examples"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def image() -> Path:
    """The kernel; skips with the reason where it cannot be run."""
    named = os.environ.get("CTLINT_KERNEL_IMAGE")
    if not named:
        pytest.skip("CTLINT_KERNEL_IMAGE names no kernel")
    for program in ("qemu-system-x86_64", "busybox", "modprobe"):
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"needs the program {program}")
    try:
        modules_beside(Path(named))
    except CannotRunError as error:
        pytest.skip(str(error))
    return Path(named)


def confirm(*arguments: str | Path, stdin: str = "", path: str = PATH) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "ctlint", "confirm", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=REPOSITORY,
        timeout=1_500,
        env={"PATH": path, "PYTHONPATH": str(REPOSITORY)},
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.slow
def test_witnesses_and_scenarios_are_played_on_the_other_kernel(
    image: Path, tmp_path: Path
) -> None:
    """One machine plays it all: rules, a lint result from standard input, a scenario, a script."""
    linted = ctlint(["lint", EXAMPLES / "fin-wait-1", "--format", "json"])
    result: dict[str, Any] = json.loads(linted.stdout)
    packets = [one for one in result["findings"] if one["witness"]]
    false = packets[0]
    false["witness"]["expect"][-1] = {
        "packet": false["witness"]["expect"][-1]["packet"],
        "delivered": True,
    }
    result["findings"] = [false]
    done = confirm(
        EXAMPLES / "fin-wait-1",
        "-",
        EXAMPLES / "scenarios" / "close-after-expiry.json",
        *("--kernel-image", image, "--format", "json", "--report-dir", tmp_path),
        stdin=json.dumps(result),
    )
    assert (done.returncode, done.stderr) == (1, "")
    *found, sums = (json.loads(line) for line in done.stdout.splitlines())
    release = modules_beside(image).name
    assert sums["kernel"] == release
    assert [one["status"] for one in found] == [
        *["confirmed"] * len(packets),
        "refuted",
        "confirmed",
    ]
    assert all(packet["agree"] for one in found for packet in one["packets"])
    (report,) = tmp_path.glob("ctlint-difference-*.json")
    said = json.loads(report.read_text())
    assert said["kernel"] == release
    assert said["scenario"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    rules = EXAMPLES / "fin-wait-1"
    (tmp_path / "boot").mkdir()
    image = tmp_path / "boot" / "vmlinuz-6.1.0-57-amd64"
    image.write_bytes(b"")
    done = confirm(rules, "--kernel-image", image)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{image}: its modules are not beside it" in done.stderr
    assert "--modules" in done.stderr
    modules = tmp_path / "lib" / "modules" / "6.1.0-57-amd64"
    modules.mkdir(parents=True)
    # In an empty PATH there is no qemu.
    done = confirm(rules, "--kernel-image", image, path=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "the virtual machine: qemu-system-x86_64 is not installed" in done.stderr
    for program in ("qemu-system-x86_64", "busybox", "modprobe"):
        (tmp_path / program).symlink_to("/bin/true")
    done = confirm(rules, "--kernel-image", image, path=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "modules.dep is missing: depmod -b makes it" in done.stderr
    for name in ("modules.dep", "modules.builtin"):
        (modules / name).write_text(
            "/virtio_pci.ko /9pnet_virtio.ko /9p.ko /overlay.ko" if "builtin" in name else ""
        )
    # A qemu that says what is wrong, and ends.
    (tmp_path / "qemu-system-x86_64").unlink()
    (tmp_path / "qemu-system-x86_64").write_text("#!/bin/sh\necho one\necho two >&2\nexit 1\n")
    (tmp_path / "qemu-system-x86_64").chmod(0o755)
    done = confirm(rules, "--kernel-image", image, path=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "the virtual machine: the guest ended too early; one; two" in done.stderr
    unknown = tmp_path / "lib" / "modules" / "windows"
    unknown.mkdir()
    done = confirm(rules, "--kernel-image", image, "--modules", unknown)
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown kernel 'windows'" in done.stderr
