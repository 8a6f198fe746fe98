# SPDX-License-Identifier: GPL-2.0-only
"""Linter and simulator for netfilter rule sets that use connection tracking."""

from __future__ import annotations

__version__ = "0.1.0"
