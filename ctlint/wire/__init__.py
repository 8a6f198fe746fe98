# SPDX-License-Identifier: GPL-2.0-only
"""Values that every layer shares: addresses, protocol numbers, TCP flags, packets, moments."""
