# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong before there is a text."""

from __future__ import annotations


class SourceError(Exception):
    """An input cannot be read. ``hint`` says what to do about it, where that is known."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
