# SPDX-License-Identifier: GPL-2.0-only
"""Kernel profiles as JSON, version 1. The keys are a contract: docs/kernel.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ctlint.model.conntrack.first_packet import FirstPacket
from ctlint.model.conntrack.status import Dir, Seg, TcpCt
from ctlint.model.conntrack.tcp_table import tcp_table
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.report.kernel_facts import (
    FirstRow,
    backport_tree,
    first_rows,
    short_name,
    sysctls_of,
)

FORMAT_VERSION = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""


def render_kernel_json(kernel: KernelProfile) -> str:
    """One profile as one JSON object with a final newline; the text is ASCII."""
    table = tcp_table(kernel)
    document: dict[str, object] = {
        "version": FORMAT_VERSION,
        **_kernel(kernel),
        "states": [state.name for state in TcpCt],
        "state_table": {
            name: {
                seg.name.lower(): [short_name(cell) for cell in table[direction][seg]]
                for seg in Seg
            }
            for name, direction in (("orig", Dir.ORIGINAL), ("reply", Dir.REPLY))
        },
        "first_packet": [_first(row) for row in first_rows(kernel)],
        "features": [_feature(feature, kernel) for feature in Feature],
        "sysctls": [
            {
                "name": sysctl.name,
                "default": kernel.sysctl_default(sysctl.name),
                "unit": sysctl.unit.value,
            }
            for sysctl in sysctls_of(kernel)
        ],
    }
    return _dump(document)


def render_kernels_json(kernels: Sequence[KernelProfile]) -> str:
    """All profiles, one short object each."""
    listed = [{**_kernel(kernel), "features": len(kernel.features)} for kernel in kernels]
    return _dump({"version": FORMAT_VERSION, "kernels": listed})


def _dump(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _kernel(kernel: KernelProfile) -> dict[str, object]:
    return {
        "kernel": kernel.name,
        "description": kernel.description,
        "lifetime": kernel.lifetime,
    }


def _first(row: FirstRow) -> dict[str, object]:
    return {
        "flags": None if row.flags is None else [flags.letters for flags in row.flags],
        "class": row.loose.seg.name.lower() if row.flags is not None else None,
        "loose": {**_answer(row.loose), "seconds": row.seconds},
        "strict": {
            **_answer(row.strict),
            "seconds": row.seconds if row.strict.entry_state is not None else None,
        },
    }


def _answer(first: FirstPacket) -> dict[str, object]:
    return {
        "ctstate": first.ctstate.name,
        "entry": first.entry_state.name if first.entry_state is not None else None,
        "timeout": first.timeout,
        "timeout_caps": list(first.timeout_caps),
        "reason": first.reason.name if first.reason is not None else None,
    }


def _feature(feature: Feature, kernel: KernelProfile) -> dict[str, object]:
    return {
        "name": feature.name,
        "present": feature in kernel,
        "area": feature.area.value,
        "sentence": feature.sentence,
        "since": ".".join(map(str, feature.since)),
        "backported": backport_tree(feature, kernel),
        "commit": feature.commit,
        "commit_verified": feature.commit_verified.value if feature.commit_verified else None,
        "verified": feature.verified.value,
    }
