# SPDX-License-Identifier: GPL-2.0-only
"""Where texts come from: files, folders, the live host. The only input of the program."""
