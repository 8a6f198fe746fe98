# SPDX-License-Identifier: GPL-2.0-only
"""What lint may leave out: with a live entry a close fares as the first data did, in every state.

Source: net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks: no state of an entry that has seen
an answer calls a FIN, RST, ACK or data of either end sIV.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.losses import Kind
from ctlint.model.conntrack.first_packet import classify_with_state
from ctlint.model.conntrack.status import CtState, Dir, TcpCt
from ctlint.model.kernel.profiles import KernelProfile, all_profiles
from ctlint.wire.tcp_flags import TcpFlags

ANSWERED = (
    *(TcpCt.SYN_RECV, TcpCt.ESTABLISHED, TcpCt.FIN_WAIT, TcpCt.CLOSE_WAIT),
    *(TcpCt.LAST_ACK, TcpCt.TIME_WAIT, TcpCt.CLOSE),
)


@pytest.mark.parametrize("kernel", all_profiles(), ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("state", ANSWERED, ids=lambda state: state.name)
def test_what_either_end_may_send_is_established(kernel: KernelProfile, state: TcpCt) -> None:
    for sender in Dir:
        for kind in Kind:
            found = classify_with_state(kind.flags, sender, state, kernel, seen_reply=True)
            assert found is CtState.ESTABLISHED, (sender, kind)


@pytest.mark.parametrize("kernel", all_profiles(), ids=lambda kernel: kernel.name)
def test_a_syn_on_the_reused_port_is_new_or_part_of_the_old_connection(
    kernel: KernelProfile,
) -> None:
    """sIG in the live states: the server answers it with a challenge ACK; sSS behind the close."""
    for state in ANSWERED:
        is_over = state in (TcpCt.TIME_WAIT, TcpCt.CLOSE)
        found = classify_with_state(TcpFlags.SYN, Dir.ORIGINAL, state, kernel, seen_reply=True)
        assert found is (CtState.NEW if is_over else CtState.ESTABLISHED), state
