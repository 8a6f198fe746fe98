# SPDX-License-Identifier: GPL-2.0-only
"""Questions asked of a rule set: what becomes of a packet, which connections are stranded."""
