# SPDX-License-Identifier: GPL-2.0-only
"""The interactive view of ``ctlint whatif``. Needs textual: ``ctlint[tui]``."""
