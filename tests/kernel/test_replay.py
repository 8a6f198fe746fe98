# SPDX-License-Identifier: GPL-2.0-only
"""A replay says of every packet of real connections what the kernel said when it saw them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.wire.addresses import Family
from tests.conformance.captured import SETTINGS, Setting, differences, record
from tests.netns import why_no_netns

pytestmark = [pytest.mark.netns, pytest.mark.slow]


@pytest.mark.parametrize(
    ("setting", "family"),
    [(SETTINGS[0], Family.IPV4), (SETTINGS[4], Family.IPV6), (SETTINGS[8], Family.IPV4)],
    ids=lambda value: getattr(value, "name", None),
)
def test_as_the_kernel_said(setting: Setting, family: Family, tmp_path: Path) -> None:
    reason = why_no_netns("nft", "iptables-nft-restore")
    if reason is not None:
        pytest.skip(reason)
    recording = record(setting, family, 17)
    states = {state for state, _ in recording.answers}
    # What makes the difference is there: entries that ran out, and packets that were dropped.
    assert {"NEW", "ESTABLISHED", "RELATED", "INVALID"} <= states
    assert not all(passed for _, passed in recording.answers)
    assert differences(setting, recording, tmp_path) == []
