# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel and the ends of a connection do with packets: no input or output, no clock."""
