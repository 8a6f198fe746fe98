# SPDX-License-Identifier: GPL-2.0-only
"""Selective acknowledgements: what has arrived behind holes, and what that says to the sender.

Source: RFC 2018, RFC 8985 (RACK); net/ipv4/tcp_input.c and tcp_recovery.c, Linux 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.model.kernel.features import Feature
from ctlint.wire.sequence import after, before

if TYPE_CHECKING:
    from ctlint.model.endpoint.flight import Segment
    from ctlint.model.endpoint.socket import Socket

_MOST_BLOCKS: Final = 4
"""Of SACK in a header; with timestamps one less."""

_DUPLICATES: Final = 3
"""So many duplicate ACKs tell of a loss (RFC 5681)."""


def sack_blocks(sk: Socket) -> tuple[tuple[int, int], ...]:
    """Port of tcp_sack_new_ofo_skb: what has arrived behind holes, the newest first."""
    blocks: list[tuple[int, int]] = []
    for start, end, _ in reversed(sk.out_of_order):
        for number, (left, right) in enumerate(blocks):
            if not after(start, right) and not after(left, end):
                start = start if before(start, left) else left
                end = end if after(end, right) else right
                del blocks[number]
                break
        blocks.append((start, end))
    return tuple(blocks[: _MOST_BLOCKS - sk.ts_ok])


def tcp_sacktag_write_queue(sk: Socket, blocks: tuple[tuple[int, int], ...]) -> None:
    """Port of tcp_sacktag_write_queue and tcp_rack_detect_loss: what was sent before something that
    has arrived is taken for lost.
    """
    newest: Segment | None = None
    sacked = 0
    for segment in sk.rtx:
        if not segment.is_sacked:
            segment.is_sacked = any(
                not before(segment.seq, left) and not after(segment.end, right)
                for left, right in blocks
            )
        if segment.is_sacked:
            segment.is_lost = False
            sacked += 1
            if newest is None or segment.sent_at >= newest.sent_at:
                newest = segment
    if newest is None:
        return
    if sacked < _DUPLICATES and Feature.EARLY_RETRANSMIT not in sk.host.kernel:
        return
    lost = 0
    for segment in sk.rtx:
        if segment is newest:
            break
        if not segment.is_sacked and not segment.is_lost and segment.sent_at <= newest.sent_at:
            segment.is_lost = True
            lost += 1
    if lost and not sk.in_loss:
        sk.in_loss = True
        sk.high_seq = sk.snd_nxt
        sk.cwnd = len(sk.rtx) - sacked
