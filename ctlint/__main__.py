# SPDX-License-Identifier: GPL-2.0-only
"""``python -m ctlint``: the command line."""

from __future__ import annotations

from ctlint.cli.main import main

if __name__ == "__main__":
    main()
