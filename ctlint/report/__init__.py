# SPDX-License-Identifier: GPL-2.0-only
"""Findings as text for people and for other programs. Only the text form imports rich."""
