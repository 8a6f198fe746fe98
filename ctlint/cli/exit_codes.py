# SPDX-License-Identifier: GPL-2.0-only
"""How ctlint ends: docs/decisions/0009."""

from __future__ import annotations

from typing import Final

EXIT_CLEAN: Final = 0
EXIT_FINDINGS: Final = 1
EXIT_UNUSABLE: Final = 2
EXIT_FAULT: Final = 3
EXIT_INTERRUPTED: Final = 130
