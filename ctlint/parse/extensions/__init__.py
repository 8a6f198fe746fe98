# SPDX-License-Identifier: GPL-2.0-only
"""The extensions of iptables 1.8.11, one module an extension name: ``match_tcp``, ``target_dnat``.

A module is imported when a rule first names the extension. It exports ``EXTENSIONS``, a tuple of
:class:`ctlint.parse.extension.Extension` (more than one where the families differ).
"""
