# SPDX-License-Identifier: GPL-2.0-only
"""Hosts of which tests ask what if."""

from __future__ import annotations

from ctlint.analysis.override import override
from ctlint.analysis.silence import Usage, keepalive_of, silences
from ctlint.analysis.whatif import Question, WhatIf
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.source.inputs import read_inputs
from tests.corpus import REPOSITORY

INCIDENT = REPOSITORY / "examples" / "fin-wait-1"
"""I1 of the incidents: established = 120, INVALID dropped in OUTPUT, a policy DROP in INPUT."""

OPEN = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
"""


def incident() -> WhatIf:
    (host,) = read_inputs([str(INCIDENT)])
    return WhatIf(host.rulesets, host.sysctls)


def host(rules: str, sysctls: str = "") -> WhatIf:
    parsed = SysctlSet((SysctlRun((parse_sysctl(sysctls, "sysctl"),)),))
    return WhatIf(parse_rulesets(rules, "rules.v4", None), parsed)


def asked(
    *tried: str, idle: str = "", half_close: str = "", keepalive: str = "off", kernel: str = ""
) -> Question:
    chosen = profile(kernel) if kernel else NEWEST
    usage = Usage(
        silences("idle", idle) if idle else (),
        silences("half-close", half_close) if half_close else (),
        keepalive_of(keepalive),
    )
    return Question(chosen, tuple(override(one, chosen) for one in tried), usage)
