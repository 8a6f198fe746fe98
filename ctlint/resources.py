# SPDX-License-Identifier: GPL-2.0-only
"""The project's own data: grammars, lint rules with their pages, incidents, and the script of
``ctlint collect``.

In the repository ``grammar/``, ``rules/`` and ``docs/rules/`` stand beside the package, in an
installed wheel inside it; ``incidents/`` and the script are always inside. An editable install is
the repository. This module is the only one that knows.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


class ResourceError(Exception):
    """A file of the project's own is missing: the installation is broken."""


def grammar_dir() -> Path:
    """The folder of the Lark grammars. Raises ResourceError."""
    return _folder("grammar", _PACKAGE)


def rules_dir() -> Path:
    """The folder of the lint rules. Raises ResourceError."""
    return _folder("rules", _PACKAGE)


def pages_dir() -> Path:
    """The folder of the rules' pages as Markdown. Raises ResourceError."""
    return _folder("docs/rules", _PACKAGE)


def incidents_dir() -> Path:
    """The folder of the incidents that ``ctlint simulate --incident`` plays. Raises
    ResourceError.
    """
    return _folder("incidents", _PACKAGE)


@cache
def grammar_text(name: str) -> str:
    """The text of the grammar ``name``, given without folder and suffix. Raises ResourceError."""
    path = grammar_dir() / f"{name}.lark"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"cannot read the grammar {name!r}: {error.strerror} ({path}); install ctlint anew"
        ) from error


@cache
def collect_script() -> str:
    """The shell script that collects evidence for ``ctlint diagnose``. Raises ResourceError."""
    path = _PACKAGE / "collect.sh"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"cannot read the script: {error.strerror} ({path}); install ctlint anew"
        ) from error


def _folder(name: str, package: Path) -> Path:
    """The folder ``name`` inside the package or, in a source tree, beside it.

    A folder beside the package counts only next to pyproject.toml: in ``site-packages`` a folder
    named ``rules`` is somebody else's, and rules are code that we run.
    """
    inside = package / name
    if inside.is_dir():
        return inside
    root = package.parent
    if (root / "pyproject.toml").is_file() and (root / name).is_dir():
        return root / name
    raise ResourceError(f"cannot find the folder {name!r} in {package} or beside it; install anew")
