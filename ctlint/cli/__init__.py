# SPDX-License-Identifier: GPL-2.0-only
"""The command line. Each command is a module, imported when it is called."""
