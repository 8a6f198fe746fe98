# SPDX-License-Identifier: GPL-2.0-only
"""What a box would have made of captured packets."""
