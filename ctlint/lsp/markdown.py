# SPDX-License-Identifier: GPL-2.0-only
"""Untrusted text in Markdown as editors render it: it shows as it is, and neither links nor marks
anything up. (ctlint.report.markdown_text is for GitHub and GitLab, where more than that works.)

Source: CommonMark 0.31, sections 2.4 "Backslash escapes" and 6.1 "Code spans".
"""

from __future__ import annotations

import re
from typing import Final

from ctlint.report.escape import visible

_ACTIVE: Final = re.compile(r"[\\`*<>\[\]&~|]|(?<![^\W_])_|_(?![^\W_])")
"""What has a meaning inside a line. An underscore within a word has none."""


def prose(text: str) -> str:
    """Text within a line. Pairs of single backticks stay code."""
    text = visible(text).strip()
    if "``" in text or text.count("`") % 2:
        return _escaped(text)
    parts = text.split("`")
    parts[0::2] = [_escaped(part) for part in parts[0::2]]
    return "`".join(parts)


def _escaped(text: str) -> str:
    return _ACTIVE.sub(lambda found: f"\\{found[0]}", text)
