# SPDX-License-Identifier: GPL-2.0-only
"""The TCP of a Linux host, as far as it decides which packets are sent and when sockets go."""
