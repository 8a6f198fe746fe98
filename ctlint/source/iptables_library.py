# SPDX-License-Identifier: GPL-2.0-only
"""The legacy tables as python-iptables reads them: for hosts without the programs of iptables.

The library is loaded in a process of its own: it is C underneath, prints through the standard
output of its process, and must not end ours. It knows nothing of nft.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ctlint.source.errors import SourceError
from ctlint.source.programs import printed
from ctlint.wire.addresses import Family

READER: Final = "from ctlint.source.iptables_library_reader import main; main()"
"""What the process runs."""


def why_no_library() -> str | None:
    """Why python-iptables cannot be used; None where it can."""
    if importlib.util.find_spec("iptc") is None:
        return "no python-iptables: pip install 'ctlint[live]'"
    return None


def library_dump(family: Family, tables: Sequence[str]) -> str:
    """Tables that the kernel has, as iptables-save prints them. A rule that the library cannot
    show has a match ``unread-…``, which nothing decides. Raises SourceError.
    """
    # Not what the current folder holds: this may be run by root.
    words = [sys.executable, "-P", "-c", READER, str(family.value), *tables]
    places = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    said = printed(words, environment={"PYTHONPATH": ":".join(filter(None, places))})
    if said.complaint:
        last = said.errors.strip().splitlines()[-1:] or [said.complaint]
        raise SourceError(f"python-iptables: {last[0][:300]}")
    return said.text
