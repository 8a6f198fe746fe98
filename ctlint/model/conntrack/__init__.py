# SPDX-License-Identifier: GPL-2.0-only
"""The port of nf_conntrack: TCP state table, flag checks, and the judgement of single packets."""
