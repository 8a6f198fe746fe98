# SPDX-License-Identifier: GPL-2.0-only
"""Where the pages of the rules are."""

from __future__ import annotations

from ctlint.lsp.names import uri_of
from ctlint.resources import ResourceError, pages_dir


def page_uri(rule: str) -> str | None:
    """The URI of the page of a rule that came with ctlint; None where it is not there."""
    try:
        path = pages_dir() / f"{rule}.md"
    except ResourceError:
        return None
    return uri_of(str(path)) if path.is_file() else None
