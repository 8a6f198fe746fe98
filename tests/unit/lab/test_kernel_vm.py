# SPDX-License-Identifier: GPL-2.0-only
"""What a virtual machine needs before it starts: a kernel's modules, and its first files."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest

from ctlint.lab.kernel_vm import CannotRunError, modules_beside, run, write_cpio

RELEASE = "6.1.0-57-amd64"


@pytest.mark.parametrize("place", ["lib/modules", "usr/lib/modules"])
def test_modules_are_those_of_the_package(tmp_path: Path, place: str) -> None:
    """Where dpkg-deb unpacks them; newer packages have them below /usr."""
    image = tmp_path / "boot" / f"vmlinuz-{RELEASE}"
    modules = tmp_path / place / RELEASE
    modules.mkdir(parents=True)
    assert modules_beside(image) == modules


@pytest.mark.parametrize("name", ["vmlinuz", "vmlinuz-", f"vmlinuz-{RELEASE}"])
def test_an_image_without_modules(tmp_path: Path, name: str) -> None:
    (tmp_path / "lib" / "modules").mkdir(parents=True)
    with pytest.raises(CannotRunError, match="its modules are not beside it"):
        modules_beside(tmp_path / "boot" / name)


def test_the_first_files_are_an_archive() -> None:
    if shutil.which("cpio") is None and shutil.which("busybox") is None:
        pytest.skip("needs cpio or busybox")
    archive = io.BytesIO()
    write_cpio(archive, {"dev": None, "init": b"#!/bin/sh\n", "odd": b"12345"})
    words = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]
    done = subprocess.run(
        [*words, "-t"], input=archive.getvalue(), stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.split() == [b"dev", b"init", b"odd"]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotRunError, match="qemu-system-x86_64 is not installed"):
        run(tmp_path / "vmlinuz", tmp_path, ["true"], to=io.BytesIO())
    for name in ("qemu-system-x86_64", "busybox", "modprobe"):
        (tmp_path / name).symlink_to("/bin/true")
    with pytest.raises(CannotRunError, match="vmlinuz does not exist"):
        run(tmp_path / "vmlinuz", tmp_path, ["true"], to=io.BytesIO())
    (tmp_path / "vmlinuz").write_bytes(b"")
    with pytest.raises(CannotRunError, match=r"modules\.dep is missing: depmod -b makes it"):
        run(tmp_path / "vmlinuz", tmp_path, ["true"], to=io.BytesIO())
    (tmp_path / "modules.dep").write_text("")
    (tmp_path / "modules.builtin").write_text("")
    with pytest.raises(CannotRunError, match="has no module virtio_pci"):
        run(tmp_path / "vmlinuz", tmp_path, ["true"], to=io.BytesIO())
