# SPDX-License-Identifier: GPL-2.0-only
"""Which changes a kernel has: features, sysctls and profiles, all of it data."""
