# SPDX-License-Identifier: GPL-2.0-only
"""What holds in every world: packets take the time of their links, arrive in order, and each has
one fate; where both ends close, all comes to an end.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctlint.model.kernel.profiles import profile
from ctlint.model.world.bounds import Why
from ctlint.model.world.chronicle import Fate
from ctlint.model.world.line import Line, Manner, Side
from ctlint.wire.moments import SECOND
from tests.unit.model.world.worlds import Told

LINKS = {"forward": 2, "client": 1, "server": 1}
WEEK = 7 * 86_400 * SECOND
KERNELS = ("2.6.32", "3.10", "rhel7", "4.4", "5.10", "6.0", "6.18")

_CALLS = st.lists(
    st.tuples(
        st.integers(0, 90 * SECOND),
        st.sampled_from(list(Side)),
        st.sampled_from(("send", "shutdown", "close", "abort")),
    ),
    max_size=6,
)


def call(told: Told, line: Line, side: Side, what: str) -> None:
    half = line.half(side)
    if half.socket is None or half.is_gone or half.peer is None or half.socket.is_dead:
        return
    if half.socket.state.name == "SYN_RECV":
        return  # nobody has accepted it
    now = told.world.now
    if what == "close":
        half.socket.close(now)
    elif what == "abort":
        half.socket.abort(now)
    elif half.socket.state.name in ("ESTABLISHED", "CLOSE_WAIT") and not half.socket.has_fin:
        if what == "send":
            half.socket.send(4000, now)
        else:
            half.socket.shutdown(now)
    told.world.settle(half.peer)


@given(
    place=st.sampled_from(list(LINKS)),
    kernel=st.sampled_from(KERNELS),
    delay=st.integers(0, 2 * SECOND),
    loss=st.sampled_from((0, 0, 100_000, 500_000)),
    seed=st.integers(0, 1000),
    manner=st.sampled_from(list(Manner)),
    calls=_CALLS,
)
def test_every_world(
    place: str,
    kernel: str,
    delay: int,
    loss: int,
    seed: int,
    manner: Manner,
    calls: list[tuple[int, Side, str]],
) -> None:
    told = Told(place=place, kernel=profile(kernel), delay=delay, loss=loss, seed=seed)
    world = told.world
    world.listen("server", 80, 8, manner)
    line = world.new_line()
    world.at(0, world.connect, line, "client", "server", 80)
    for at, side, what in calls:
        world.at(at, call, told, line, side, what)
    for side in Side:
        world.at(300 * SECOND, call, told, line, side, "close")
    ending = world.run(WEEK)
    assert ending.why is Why.QUIET
    moments = [event.at for event in told.chronicle.events]
    assert moments == sorted(moments)
    for side in Side:
        arrived = [
            rung.arrived
            for rung in told.rungs
            if rung.half is line.half(side) and rung.arrived is not None
        ]
        assert arrived == sorted(arrived)
    for rung in told.rungs:
        assert rung.fate in (Fate.ARRIVED, Fate.LOST)
        assert (rung.arrived is not None) is (rung.fate is Fate.ARRIVED)
        if rung.arrived is not None:
            assert rung.arrived - rung.at == delay * LINKS[place]
    if not loss:
        assert {rung.fate for rung in told.rungs} <= {Fate.ARRIVED}
    for peer in world.peers.values():
        assert all(half.manner is Manner.LEAK or half.is_gone for half in peer.by_socket.values())
