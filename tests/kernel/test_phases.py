# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel judges `ctlint whatif`: the witnesses on both sides of each threshold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctlint.analysis.both_sides import BothSides
from tests.unit.analysis.whatif_hosts import asked, host, incident
from tests.unit.cli.running import ctlint

pytestmark = pytest.mark.netns

NAT = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o wan0 -j SNAT --to-source 198.51.100.1
COMMIT
"""


def scenarios(found: Iterator[BothSides | None]) -> Iterator[dict[str, Any]]:
    for sides in found:
        assert sides is not None
        for side in (sides.within, sides.beyond):
            yield {**side.scenario, "expect": list(side.expect)}


def witnesses(name: str) -> Iterator[BothSides | None]:
    asking = incident() if name == "incident" else host(NAT)
    # As the kernel of this machine: the newest profile may do otherwise.
    question = asked("tcp_timeout_last_ack=45", "tcp_timeout_unacknowledged=200", kernel="6.18")
    answer = asking.answer(question)
    for shown in asking.shown(answer):
        yield shown.sides
    if name == "incident":
        for each in answer.alternatives:
            yield asking.keepalives(answer, each)


@pytest.mark.parametrize("name", ["incident", "nat"])
def test_every_threshold_is_where_the_kernel_has_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / "witnesses.jsonl"
    lines = [json.dumps(one) for one in scenarios(witnesses(name))]
    assert len(lines) > 10
    file.write_text("\n".join(lines), encoding="utf-8")
    done = ctlint(["confirm", file], PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    assert done.returncode == 0, done.stdout + done.stderr
