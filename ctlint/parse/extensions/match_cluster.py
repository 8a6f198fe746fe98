# SPDX-License-Identifier: GPL-2.0-only
"""``-m cluster``. Source: libxt_cluster of iptables 1.8.11.

``--cluster-local-node N`` is bit N - 1 of ``--cluster-local-nodemask``. iptables-save prints every
mask, though iptables-restore takes none above 32: masks of any size are read here.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, all_checks, match, one_of
from ctlint.parse.operands import UINT32, integer

MAX_NODES = 32


def _check_nodes(options: Sequence[Option], _: RuleContext) -> str | None:
    values = {option.name: option.value for option in options}
    total = values["cluster-total-nodes"]
    if values.get("cluster-local-node", 1) > total:
        return "--cluster-local-node is more than --cluster-total-nodes"
    if values.get("cluster-local-nodemask", 0) >> total:
        return "--cluster-local-nodemask has bits beyond --cluster-total-nodes"
    return None


EXTENSIONS = (
    match(
        "cluster",
        OptionSpec("cluster-total-nodes", (integer(1, MAX_NODES),), required=True),
        OptionSpec(
            "cluster-local-node",
            (integer(1, MAX_NODES),),
            negatable=True,
            excludes=("cluster-local-nodemask",),
        ),
        OptionSpec(
            "cluster-local-nodemask",
            (integer(1, UINT32, show=lambda mask: f"{mask:#010x}"),),
            negatable=True,
            excludes=("cluster-local-node",),
        ),
        OptionSpec("cluster-hash-seed", (integer(show=lambda seed: f"{seed:#x}"),), required=True),
        check=all_checks(one_of("cluster-local-node", "cluster-local-nodemask"), _check_nodes),
    ),
)
