# SPDX-License-Identifier: GPL-2.0-only
"""Values of the kernel's headers xt_conntrack.h, nf_conntrack_common.h, nf_conntrack_tcp.h."""

from __future__ import annotations

from ctlint.model.conntrack.status import CtState, Dir, Seg, TcpCt


def test_ctstate_bits() -> None:
    # XT_CONNTRACK_STATE_BIT(ctinfo) is 1 << (ctinfo % IP_CT_IS_REPLY + 1); IP_CT_NUMBER is 5.
    assert CtState.INVALID == 1 << 0
    assert CtState.ESTABLISHED == 1 << (0 % 3 + 1)
    assert CtState.RELATED == 1 << (1 % 3 + 1)
    assert CtState.NEW == 1 << (2 % 3 + 1)
    assert CtState.SNAT == 1 << (5 + 1)
    assert CtState.DNAT == 1 << (5 + 2)
    assert CtState.UNTRACKED == 1 << (5 + 3)


def test_directions() -> None:
    assert (Dir.ORIGINAL, Dir.REPLY) == (0, 1)
    assert Dir.ORIGINAL.other is Dir.REPLY
    assert Dir.REPLY.other is Dir.ORIGINAL


def test_order_of_states_and_classes() -> None:
    assert [state.name for state in sorted(TcpCt)] == [
        "NONE",
        "SYN_SENT",
        "SYN_RECV",
        "ESTABLISHED",
        "FIN_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "SYN_SENT2",
    ]
    assert [seg.name for seg in sorted(Seg)] == ["SYN", "SYNACK", "FIN", "ACK", "RST", "NONE"]
