# SPDX-License-Identifier: GPL-2.0-only
"""Every default of a sysctl that the tracker reads is held by a recorded answer.

A wrong default must make the model differ from a scenario that leaves the sysctl alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import NETFILTER, SYSCTLS, Unit, canonical_name
from tests.conformance.answers import RecordedAnswer
from tests.conformance.test_recorded_answers import agreeing_answers, differences

RELEASE = "6.18.44"
"""The kernel whose recordings are asked."""

READ = tuple(
    NETFILTER + short
    for short in (
        "tcp_loose",
        "tcp_be_liberal",
        "tcp_ignore_invalid_rst",
        "tcp_max_retrans",
        "checksum",
        *(
            f"tcp_timeout_{state}"
            for state in (
                "syn_sent",
                "syn_recv",
                "established",
                "fin_wait",
                "close_wait",
                "last_ack",
                "time_wait",
                "close",
                "max_retrans",
                "unacknowledged",
            )
        ),
        "udp_timeout",
        "udp_timeout_stream",
        "icmp_timeout",
        "icmpv6_timeout",
        "generic_timeout",
    )
)
"""The sysctls that decide what the tracker does.

The size of the table is not among them: its default depends on memory.
"""


def set_by(recorded: RecordedAnswer) -> frozenset[str]:
    """The sysctls that a scenario sets, at its start or later."""
    steps = recorded.source["packets"]
    settings: list[Mapping[str, int]] = [recorded.source.get("sysctls", {})]
    settings += [step["sysctls"] for step in steps if step.get("op") == "sysctl"]
    return frozenset(canonical_name(name) for setting in settings for name in setting)


@cache
def scenarios_by_default() -> tuple[tuple[RecordedAnswer, frozenset[str]], ...]:
    """Recorded scenarios with what they set; those that set the least come first."""
    found = [(recorded, set_by(recorded)) for recorded in agreeing_answers(RELEASE)]
    return tuple(sorted(found, key=lambda item: (len(item[1]), len(item[0].packets))))


def other_values(name: str) -> Iterator[int]:
    """Wrong values for a default: the other way, or a little more and less."""
    sysctl = SYSCTLS[name]
    assert sysctl.default is not None
    if sysctl.unit is Unit.FLAG:
        yield 1 - sysctl.default
    else:
        yield sysctl.default + 1
        yield sysctl.default - 1


def with_default(patch: pytest.MonkeyPatch, name: str, value: int) -> None:
    """Changes what kernels have where a scenario does not say."""
    true_default = KernelProfile.sysctl_default

    def sysctl_default(kernel: KernelProfile, asked: str) -> int | None:
        return value if canonical_name(asked) == name else true_default(kernel, asked)

    patch.setattr(KernelProfile, "sysctl_default", sysctl_default)


@pytest.mark.parametrize("name", READ, ids=lambda name: name.removeprefix(NETFILTER))
def test_wrong_default_is_noticed(name: str) -> None:
    """Whatever else the default is, a recorded answer contradicts it."""
    scenarios = [recorded for recorded, names in scenarios_by_default() if name not in names]
    assert scenarios, "no recorded scenario leaves it alone"
    for value in other_values(name):
        with pytest.MonkeyPatch.context() as patch:
            with_default(patch, name, value)
            assert any(differences(recorded) for recorded in scenarios), value
