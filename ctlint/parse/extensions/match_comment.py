# SPDX-License-Identifier: GPL-2.0-only
"""``-m comment``. Source: libxt_comment of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import cut_text

MAX_COMMENT = 255
"""Longest comment in bytes (XT_MAX_COMMENT_LEN - 1)."""

EXTENSIONS = (match("comment", OptionSpec("comment", (cut_text(MAX_COMMENT),), required=True)),)
