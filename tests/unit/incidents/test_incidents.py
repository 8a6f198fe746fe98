# SPDX-License-Identifier: GPL-2.0-only
"""The incidents that ship with ctlint: each script holds what was published or measured, and the
matrix of kernels and firewalls is what was measured with real sockets.
"""

from __future__ import annotations

import re

import pytest

from ctlint.model.endpoint.happening import Errno
from ctlint.report.socket_check import SocketResult
from ctlint.resources import incidents_dir
from ctlint.scenario.socket_check import check_story
from ctlint.scenario.socket_play import SocketPlayer
from ctlint.source.socket_files import incident, incidents
from ctlint.wire.moments import SECOND
from tests.corpus import REPOSITORY
from tools.incident_matrix import FIREWALLS, KERNELS, filled, play

PAGES = REPOSITORY / "docs" / "incidents"
BY_NAME = {firewall.name: firewall for firewall in FIREWALLS}


@pytest.mark.parametrize("name", [each.name for each in incidents()])
def test_what_an_incident_expects_comes(name: str) -> None:
    file = incident(name).open()
    plans, _ = file.plans()
    for plan in plans:
        story = SocketPlayer(plan).play()
        result = SocketResult(file.path, "", story, check_story(story), file.lines)
        told = [
            (result.text(miss.claim.span), miss.got) for un in result.unmet for miss in un.misses
        ]
        assert (plan.name, told) == (plan.name, [])
        assert plan.expected, f"{plan.name} expects nothing"


@pytest.mark.parametrize("name", [each.name for each in incidents()])
def test_each_incident_has_its_page(name: str) -> None:
    page = (PAGES / f"{name.removesuffix('-3.10')}.md").read_text(encoding="utf-8")
    assert f"--incident {name}" in page


def test_the_scripts_name_files_that_are_there() -> None:
    for each in incidents():
        assert each.title.startswith("I"), each.name
        for rules in re.findall(r"^rules (\S+)$", each.path.read_text(encoding="utf-8"), re.M):
            assert (incidents_dir() / rules).is_file()


# The matrix


@pytest.mark.parametrize(
    ("firewall", "least", "most"),
    [
        # across-kernels.md, section 4: 129.512 s and 129.521 s in OUTPUT, 129.299 s in FORWARD,
        # with 7 SYNs and 6 RSTs.
        ("INVALID in OUTPUT of the client", 127, 132),
        ("INVALID in FORWARD of a router", 127, 132),
        ("INVALID in OUTPUT, over lo", 127, 132),
    ],
)
def test_6_0_times_out_where_the_entry_has_expired(firewall: str, least: int, most: int) -> None:
    cell = play("6.0", BY_NAME[firewall], "expired")
    assert (cell.error, cell.syns, cell.dropped_resets) == (Errno.ETIMEDOUT, 7, 6)
    assert least * SECOND <= cell.took <= most * SECOND


@pytest.mark.parametrize("entry", ["alive", "expired"])
@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.18"])
@pytest.mark.parametrize("firewall", ["no firewall", "INVALID in OUTPUT of the client"])
def test_other_kernels_connect_at_once(firewall: str, kernel: str, entry: str) -> None:
    # Measured: 0.009 s to 0.42 s, two SYNs, whatever the rule.
    cell = play(kernel, BY_NAME[firewall], entry)
    assert (cell.error, cell.syns, cell.dropped_resets) == (None, 2, 0)
    assert cell.took < SECOND // 2


@pytest.mark.parametrize("firewall", ["no firewall", "INVALID in OUTPUT of the client"])
def test_6_0_connects_without_the_rule_and_with_the_entry(firewall: str) -> None:
    cell = play("6.0", BY_NAME[firewall], "alive")
    assert (cell.error, cell.syns) == (None, 2)
    assert play("6.0", BY_NAME["no firewall"], "expired").error is None


def test_3_10_connects_after_a_second() -> None:
    cell = play("rhel7", BY_NAME["no firewall"], "expired")
    assert (cell.error, cell.took // SECOND, cell.syns) == (None, 1, 2)


def test_the_page_has_the_matrix_of_today() -> None:
    page = (PAGES / "port-reuse.md").read_text(encoding="utf-8")
    assert filled(page) == page, "python -m tools.incident_matrix --write"
    assert all(f"| {kernel} " in page for kernel in KERNELS)
