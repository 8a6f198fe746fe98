# SPDX-License-Identifier: GPL-2.0-only
"""Edits of the protocol, made as it says (Language Server Protocol 3.17, "TextEdit[]"): all refer
to the text as it was; what is inserted at one place comes in the order of the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def applied(text: str, edits: Iterable[Mapping[str, Any]]) -> str:
    """The text with the edits; positions count UTF-16."""
    several = list(edits)
    found = sorted(
        (_offset(text, edit["range"]["start"]), _offset(text, edit["range"]["end"]), number)
        for number, edit in enumerate(several)
    )
    parts = []
    at = 0
    for start, end, number in found:
        assert at <= start <= end, "edits overlap"
        parts += [text[at:start], several[number]["newText"]]
        at = end
    return "".join([*parts, text[at:]])


def _offset(text: str, position: Mapping[str, int]) -> int:
    starts = [0, *(end.end() for end in re.finditer(r"\r\n|\n|\r", text))]
    start = starts[position["line"]]
    units = text[start:].encode("utf-16-le", "surrogatepass")[: 2 * position["character"]]
    return start + len(units.decode("utf-16-le", "surrogatepass"))
