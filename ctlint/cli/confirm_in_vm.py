# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint confirm --kernel-image``: the same command, on another kernel in a virtual machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import ctlint
from ctlint.lab.kernel_vm import CONTROL, CannotRunError, modules_beside, run
from ctlint.model.kernel.profiles import KernelProfile, UnknownKernel, profile
from ctlint.source.errors import SourceError

_SECONDS: Final = 4 * 3600.0
"""How long the machine may take: its processor is emulated, and a run may have many witnesses."""


class Machine(NamedTuple):
    """A kernel's image, its modules, and the profile that fits it; ``accelerator`` is named as qemu
    names it.
    """

    image: Path
    modules: Path
    profile: KernelProfile
    accelerator: str

    @classmethod
    def of(cls, image: str, modules: str | None, accelerator: str) -> Machine:
        """Raises SourceError."""
        if not Path(image).is_file():
            raise SourceError(f"{image}: no image of a kernel")
        try:
            found = Path(modules) if modules is not None else modules_beside(Path(image))
        except CannotRunError as error:
            raise SourceError(str(error), "name their folder with --modules") from None
        release = found.resolve().name
        try:
            return cls(Path(image), found, profile(release), accelerator)
        except UnknownKernel as error:
            raise SourceError(f"{found}: {error}") from None


def confirm_in_vm(
    machine: Machine,
    given: Sequence[str | bytes],
    backend: str | None,
    form: str,
    report_dir: str,
    color: str,
) -> int:
    """Plays what is given, prints what the machine prints, and returns its exit code. Raises
    SourceError.
    """
    files = {f"given-{n}": one for n, one in enumerate(given) if isinstance(one, bytes)}
    paths = [one if isinstance(one, str) else f"{CONTROL}/given-{n}" for n, one in enumerate(given)]
    is_colored = color == "always" or (color == "auto" and sys.stdout.isatty())
    folder = Path(report_dir).resolve()
    words = [
        *_python(),
        *("confirm", "--format", form, "--color", "always" if is_colored else "never"),
        *("--report-dir", str(folder)),
        *(() if backend is None else ("--backend", backend)),
        *("--", *paths),
    ]
    sys.stdout.flush()
    try:
        return run(
            machine.image,
            machine.modules,
            words,
            to=_bytes(sys.stdout),
            errors=_bytes(sys.stderr),
            files=files,
            out=folder,
            accelerator=machine.accelerator,
            seconds=_SECONDS,
        )
    except CannotRunError as error:
        said = "; ".join(line for line in str(error).splitlines() if line)
        raise SourceError(f"the virtual machine: {said[:_SHOWN]}", _HINT) from None


_SHOWN: Final = 600
"""How much is told of what a machine says that does not come up."""

_HINT: Final = (
    "it takes qemu-system-x86 and busybox-static, and a kernel's package with the index of its "
    "modules (depmod -b): docs/confirm.md"
)


def _python() -> tuple[str, ...]:
    """How the machine starts this ctlint: it sees the same files."""
    place = str(Path(ctlint.__file__).resolve().parent.parent)
    search = ":".join(filter(None, (place, os.environ.get("PYTHONPATH", ""))))
    columns = shutil.get_terminal_size((80, 24)).columns
    said = f"PYTHONPATH={search}", f"COLUMNS={columns}", "PYTHONDONTWRITEBYTECODE=1"
    return ("env", *said, sys.executable, "-P", "-m", "ctlint")


def _bytes(stream: object) -> BinaryIO:
    found: BinaryIO = stream.buffer  # type: ignore[attr-defined]
    return found
