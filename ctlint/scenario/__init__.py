# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios: a firewall, its kernel settings, the wire, and packets in time; and their answers."""
