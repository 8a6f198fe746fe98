# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of a world does what it says: all connect and close, and little is kept of each."""

from __future__ import annotations

from bench.world import player
from ctlint.model.world.bounds import Why


def test_all_connections_come_and_go() -> None:
    world = player(300)
    story = world.play()
    (tally,) = story.tallies.values()
    assert (tally.begun, tally.connected) == (300, 300)
    assert story.ending.why is Why.QUIET
    assert story.packets == 300 * 8
    for peer in world.world.peers.values():
        assert not peer.by_socket
        # Those of the watched rounds are kept: their host may still answer for them.
        assert len(peer.halves) <= 10
        assert len([*peer.tcp.sockets(story.ending.at)]) <= 1
