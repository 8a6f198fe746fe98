# SPDX-License-Identifier: GPL-2.0-only
"""Lint rules: how they are written, found and run. The rules themselves stand in ``rules/``."""
