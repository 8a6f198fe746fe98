# SPDX-License-Identifier: GPL-2.0-only
"""The language server: what lint finds, in an editor (docs/editors.md)."""
