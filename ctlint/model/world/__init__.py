# SPDX-License-Identifier: GPL-2.0-only
"""Hosts, links and a box in one run of discrete events: what becomes of sockets, over time."""
