# SPDX-License-Identifier: GPL-2.0-only
"""What the campaigns' commands share: their options, the lab, how faults and errors are told.

Exit status 1 if anything differed, 2 if the comparison cannot be made or goes no further.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from ctlint.lab.errors import LabError, LabUnavailable
from ctlint.lab.lab import Lab, open_lab
from ctlint.model.kernel.profiles import KernelProfile, UnknownKernel, profile
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family


class Figures(Protocol):
    """What a campaign came to, in words too."""

    @property
    def faults(self) -> int:
        """How much was not as it must be."""


class Told(Protocol):
    """What a campaign finds, such as a fault of the model."""

    def lines(self) -> Iterator[str]:
        """It for the eye."""

    def report(self, kernel: KernelProfile) -> dict[str, Any]:
        """It as a bug report, as JSON knows it."""


class Campaign(NamedTuple):
    """What a campaign is run with. `family` is None for both."""

    seed: int
    family: Family | None
    kernel: KernelProfile
    lab: Lab
    tell: Callable[[Told], None]


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong. Has the options that every campaign has."""

    def __init__(self, module: str) -> None:
        super().__init__(prog=f"python -m {module}")
        self.add_argument("--seed", type=int, help="default: a fresh one, printed")
        self.add_argument("--family", type=int, choices=[4, 6], help="default: both")
        self.add_argument("--report", type=Path, help="bug reports, one JSON object a line")

    def error(self, message: str) -> NoReturn:
        """As argparse wants it: ends the program."""
        self.exit(2, f"{self.prog}: {message}\n")


def positive(text: str) -> int:
    """A number from 1 on. Raises ArgumentTypeError."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return number


def fresh_seed() -> int:
    """A seed that no run had; CTLINT_SEED where it is set. Raises ValueError."""
    named = os.environ.get("CTLINT_SEED")
    if not named:
        return int.from_bytes(os.urandom(4), "big")
    try:
        return int(named)
    except ValueError:
        raise ValueError(f"CTLINT_SEED is no whole number: {named[:40]!r}") from None


def run_command(
    parser: Parser,
    words: Sequence[str],
    run: Callable[[argparse.Namespace, Campaign], Figures],
) -> int:
    """Runs a campaign as the words say and prints its figures; the exit status."""
    arguments = parser.parse_args(words)
    try:
        seed = fresh_seed() if arguments.seed is None else arguments.seed
        kernel = profile(platform.release())
    except (ValueError, UnknownKernel) as error:
        parser.error(str(error))
    family = None if arguments.family is None else Family(arguments.family)

    def tell(fault: Told) -> None:
        told = json.dumps(fault.report(kernel))
        print(*fault.lines(), told, sep="\n", flush=True)  # noqa: T201 - the command's output
        if arguments.report is not None:
            with arguments.report.open("a", encoding="utf-8") as file:
                file.write(f"{told}\n")

    try:
        if arguments.report is not None:
            arguments.report.write_text("", encoding="utf-8")
        with open_lab() as lab:
            figures = run(arguments, Campaign(seed, family, kernel, lab, tell))
    except OSError as error:
        parser.error(
            str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        )
    except ScenarioError as error:
        parser.error(f"seed {seed}: no kernel can play {error.name}: {error}")
    except LabUnavailable as error:
        parser.error(f"no kernel can be asked: {error}")
    except LabError as error:
        parser.error(f"seed {seed}: the kernel's answer was not seen: {error}")
    print(f"seed {seed}: {figures}")  # noqa: T201 - the command's output
    return 1 if figures.faults else 0
