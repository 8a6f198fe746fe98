# SPDX-License-Identifier: GPL-2.0-only
"""The judgement of single packets against the recorded answers of six kernels."""

from __future__ import annotations

from collections import Counter

import pytest

from ctlint.model.conntrack.first_packet import classify_first, classify_with_state
from ctlint.model.conntrack.status import Dir, Mark, Seg, TcpCt
from ctlint.model.conntrack.tcp_flags import get_conntrack_index, has_valid_flags
from ctlint.model.conntrack.tcp_table import tcp_table
from ctlint.model.kernel.profiles import KernelProfile, profile
from tests.unit.model.conntrack.recorded import KERNELS, Before, Step, read_steps

PREFIX = "net.netfilter.nf_conntrack_"


@pytest.mark.parametrize("folder", KERNELS)
def test_packets_without_an_entry(folder: str) -> None:
    """ctstate, reason, state and lifetime of the new entry, for every packet that found none."""
    kernel = profile(KERNELS[folder])
    seen: Counter[str] = Counter()
    for step in read_steps(folder):
        if step.before is not Before.NONE or step.ctstate is None:
            continue
        sysctls = step.sysctls

        def value_of(name: str, sysctls: dict[str, int] = sysctls) -> int:
            default = kernel.sysctl_default(name)
            assert default is not None
            return sysctls.get(name, default)

        first = classify_first(
            step.flags,
            tcp_loose=value_of(f"{PREFIX}tcp_loose") != 0,
            kernel=kernel,
            checksum_ok=not step.badsum,
        )
        assert first.ctstate.name == step.ctstate, step
        words = first.reason.words(kernel) if first.reason else None
        assert step.why == ((f"nf_ct_proto_6: {words}",) if words else ()), step
        if first.entry_state is None:
            assert step.entry is None, step
        elif step.delivered:
            assert step.entry is not None, step
            assert step.entry["state"] == first.entry_state.name, step
            assert step.entry["timeout"] == first.seconds(value_of), step
            seen["entries"] += 1
        seen["packets"] += 1
        seen[step.ctstate] += 1
    assert seen["packets"] >= 3900
    assert min(seen["NEW"], seen["INVALID"], seen["entries"]) >= 500


def is_decided_by_the_table(step: Step, kernel: KernelProfile, state: TcpCt) -> bool:
    """Whether windows and history cannot change the ctstate of a packet of a live entry."""
    assert isinstance(step.before, dict)
    if not has_valid_flags(step.flags):
        return True
    seg = get_conntrack_index(step.flags)
    cell = tcp_table(kernel)[direction_of(step)][seg][state]
    if isinstance(cell, Mark):
        return True
    if seg is Seg.SYN and state >= TcpCt.TIME_WAIT:
        return any("CLOSE_INIT" in flags for flags in step.before["dirflags"])
    if seg is Seg.RST:
        return False  # compared with the highest ACK, liberal or not
    return bool(step.sysctls.get(f"{PREFIX}tcp_be_liberal", 0)) or all(
        "BE_LIBERAL" in flags for flags in step.before["dirflags"]
    )


def direction_of(step: Step) -> Dir:
    """The direction relative to the entry: whoever speaks first is its original end."""
    assert isinstance(step.before, dict)
    from_port_80 = step.direction == "reply"
    reversed_entry = step.before["orig"][1] == 80
    return Dir.ORIGINAL if from_port_80 == reversed_entry else Dir.REPLY


@pytest.mark.parametrize("folder", KERNELS)
def test_packets_of_a_live_entry(folder: str) -> None:
    """ctstate of every packet whose judgement no window and no history can change."""
    kernel = profile(KERNELS[folder])
    seen: Counter[str] = Counter()
    for step in read_steps(folder):
        if isinstance(step.before, Before) or step.badsum or step.ctstate is None:
            continue
        state = TcpCt[step.before["state"]]
        if not is_decided_by_the_table(step, kernel, state):
            continue
        ctstate = classify_with_state(
            step.flags,
            direction_of(step),
            state,
            kernel,
            seen_reply="UNREPLIED" not in step.before["flags"],
        )
        assert ctstate.name == step.ctstate, step
        seen["packets"] += 1
        seen[step.ctstate] += 1
    assert seen["packets"] >= 3200
    assert min(seen["NEW"], seen["INVALID"], seen["ESTABLISHED"]) >= 50
