# SPDX-License-Identifier: GPL-2.0-only
"""Settings of the network namespace of this thread, read from /proc/sys.

What stands below /proc/sys/net is that of whoever reads it (net/sysctl_net.c, net_ctl_root).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SETTINGS: Final = "/proc/sys"
"""The name of the text: where its values come from."""

_ROOT: Final = Path(SETTINGS)
_FOLDERS: Final = ("netfilter", "ipv4", "ipv6", "core")
_OTHERS: Final = ("kernel/osrelease", "net/nf_conntrack_max")
_LEFT_OUT: Final = ("neigh",)
"""Settings of single neighbours' tables: some 20 for each interface, and no rule asks for them."""

_MOST_FILES: Final = 100_000
_MOST_VALUE: Final = 4096
"""Bytes; no setting is longer (sysctl.conf(5))."""


def live_settings() -> str:
    """All settings, a line each, as ``sysctl -a`` prints them; what cannot be read is left out."""
    lines: list[str] = []
    for path in _paths():
        value = _value(path)
        if value is not None:
            key = ".".join(part.replace(".", "/") for part in path.relative_to(_ROOT).parts)
            # A value has several lines where it is a table; keys of ours have one.
            lines.append(f"{key} = {value.splitlines()[0] if value else ''}\n")
    return "".join(lines)


def live_setting(key: str) -> int | None:
    """The value of one setting that is a number; None where there is none."""
    value = _value(_ROOT / key.replace(".", "/"))
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


def _paths() -> Iterator[Path]:
    yield from (_ROOT / name for name in _OTHERS)
    count = 0
    for folder in _FOLDERS:
        for place, folders, files in os.walk(_ROOT / "net" / folder):
            folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
            for name in sorted(files):
                count += 1
                if count > _MOST_FILES:
                    return
                yield Path(place, name)


def _value(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_VALUE)
    except OSError:
        return None
    return data.decode("utf-8", "surrogateescape").strip()
