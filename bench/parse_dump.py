# SPDX-License-Identifier: GPL-2.0-only
"""Parses one dump as the commands do, without the cyclic collector, and prints its rules' number.
Only run.py needs it, to tell the cost of reading from that of linting.
"""

from __future__ import annotations

import gc
import sys

from ctlint.parse.iptables_save import parse_rulesets
from ctlint.source.files import read_text


def main() -> None:
    """Parse the file that the command line names."""
    gc.disable()
    text = read_text(sys.argv[1])
    print(sum(ruleset.rule_count for ruleset in parse_rulesets(text, sys.argv[1])))


if __name__ == "__main__":
    main()
