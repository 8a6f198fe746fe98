# SPDX-License-Identifier: GPL-2.0-only
"""Text to IR and IR to text. Lark grammars stand in ``grammar/``; one table row per option here."""
