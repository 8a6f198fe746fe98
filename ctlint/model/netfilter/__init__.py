# SPDX-License-Identifier: GPL-2.0-only
"""Hooks, chains, matches, targets: the path of one packet through the rules."""
