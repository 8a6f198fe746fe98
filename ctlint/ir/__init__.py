# SPDX-License-Identifier: GPL-2.0-only
"""What the text says: immutable, with the place of everything."""
