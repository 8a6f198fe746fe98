# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of captures does what it says: whole conversations, all of which pass the rules."""

from __future__ import annotations

from pathlib import Path

from bench.capture import RULES, write
from ctlint.analysis.capture.ledger import Ledger
from ctlint.analysis.capture.played import Fate
from ctlint.analysis.capture.replay import Firewall, Replay
from ctlint.analysis.capture.whereabouts import Stage
from ctlint.model.kernel.profiles import NEWEST
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.source.captures import CaptureStream, frames


def test_all_conversations_pass(tmp_path: Path) -> None:
    count = write(tmp_path / "f", 1_000)
    assert count == 12 * 86
    replay = Replay(Firewall(NEWEST, {}, parse_rulesets(RULES, "rules"), {}, Stage()))
    ledger = Ledger()
    for frame in frames(CaptureStream(str(tmp_path / "f"))):
        played = replay.play(frame)
        assert played is not None
        ledger.add(played)
    found = list(ledger.close())
    assert {sum(one.packets) for one in found} == {86}
    assert ledger.totals.fates == {Fate.PASSED: count}
    assert ledger.totals.ctstates["INVALID"] == 0
