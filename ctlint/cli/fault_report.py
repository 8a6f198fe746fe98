# SPDX-License-Identifier: GPL-2.0-only
"""Faults of ctlint's own, as files that users can send."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from ctlint import __version__
from ctlint.analysis.fault import AnalysisFault

PREFIX: Final = "ctlint-fault-"


def describe(fault: AnalysisFault) -> dict[str, Any]:
    """What somebody needs who looks for the fault."""
    return {
        "fault": str(fault),
        "scenario": fault.scenario,
        "expected": fault.expected,
        "got": fault.got,
        "kernel_profile": fault.scenario.get("kernel"),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """What was running."""
    return {
        "ctlint": __version__,
        "python": platform.python_version(),
        "running_kernel": platform.release(),
    }


def write_report(report: Mapping[str, Any], folder: str, prefix: str = PREFIX) -> str:
    """Writes a report to a new file in the folder, and returns its path. Raises OSError."""
    text = json.dumps(report, indent=1) + "\n"
    descriptor, path = tempfile.mkstemp(".json", prefix, folder)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
    return os.path.relpath(path) if folder == os.curdir else path


def keep(report: Mapping[str, Any]) -> str:
    """Writes a report to the current folder, and says in words where it is, or why nowhere."""
    try:
        path = write_report(report, os.curdir)
    except OSError as error:
        return f"the report could not be written to the current folder ({error.strerror or error})"
    return f"please report it with {path}"
