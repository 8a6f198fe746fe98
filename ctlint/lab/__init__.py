# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel as judge: it plays scenarios in private network namespaces."""
