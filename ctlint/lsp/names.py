# SPDX-License-Identifier: GPL-2.0-only
"""Names of documents: the path of a file, or the URI itself of what is none."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote, unquote, urlsplit

_LOCAL: Final = ("", "localhost")


def name_of(uri: str) -> str:
    """The absolute path that a URI means; the URI where it means no file of this machine.

    Octets that are not UTF-8 become lone surrogates (RFC 8089; PEP 383).
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    path = unquote(parts.path, errors="surrogateescape")
    if parts.scheme.lower() != "file" or parts.netloc.lower() not in _LOCAL:
        return uri
    if not path.startswith("/") or "\0" in path:
        return uri
    return "/" + os.path.normpath(path).lstrip("/")


def is_path(name: str) -> bool:
    """Whether this is the name of a file."""
    return name.startswith("/")


def uri_of(name: str) -> str:
    """A URI of that name: of a path that which editors write, percent-encoded."""
    if not is_path(name):
        return name
    return "file://" + quote(name.encode("utf-8", "surrogateescape"), safe="/")
