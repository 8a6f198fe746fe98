# SPDX-License-Identifier: GPL-2.0-only
"""Private network namespaces in which tests may use the real netfilter tools."""

from __future__ import annotations

from ctlint.lab.namespace import PrivateNetns, private_netns, why_no_netns

__all__ = ["PrivateNetns", "private_netns", "why_no_netns"]
