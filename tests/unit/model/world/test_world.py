# SPDX-License-Identifier: GPL-2.0-only
"""Two hosts and a box: who gets which packet when, what a refused or lost one does, where a run
ends. Durations are those measured with real sockets (FINs of a killed client, docs/sockets.md).
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.happening import HappeningKind
from ctlint.model.kernel.profiles import profile
from ctlint.model.world.bounds import Bounds, Why
from ctlint.model.world.chronicle import Fate
from ctlint.model.world.line import Line, Manner, Side
from ctlint.wire.moments import SECOND
from tests.unit.model.world.worlds import Told

PLACES = ("forward", "client", "server", "lo")
DAY = 86_400 * SECOND


def open_line(told: Told, at: int = 0, manner: Manner = Manner.SERVE) -> Line:
    """A server that listens, and a client that connects."""
    world = told.world
    world.listen("server", 80, 128, manner)
    line = world.new_line()
    world.at(at, world.connect, line, "client", "server", 80)
    return line


def close(told: Told, line: Line, at: int) -> None:
    def act() -> None:
        half = line.client
        assert half.socket is not None
        assert half.peer is not None
        half.socket.close(told.world.now)
        told.world.settle(half.peer)

    told.world.at(at, act)


@pytest.mark.parametrize("place", PLACES)
def test_a_connection_opens_and_closes(place: str) -> None:
    told = Told(place=place)
    close(told, open_line(told), SECOND)
    ending = told.world.run(DAY)
    assert ending.why is Why.QUIET
    flags = [rung.packet.flags.letters for rung in told.rungs if rung.packet.flags is not None]
    assert flags[:4] == ["S", "SA", "A", "FA"]
    assert {rung.fate for rung in told.rungs} == {Fate.ARRIVED}
    assert [name for _, name in told.states(Side.CLIENT)] == [
        *("SYN_SENT", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSE"),
    ]
    assert [name for _, name in told.states(Side.SERVER)] == [
        *("SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"),
    ]
    assert told.told(Side.CLIENT)[-1][0] is HappeningKind.GONE


@pytest.mark.parametrize(("place", "links"), [("forward", 2), ("client", 1), ("server", 1)])
def test_a_packet_takes_as_long_as_the_links_on_its_way(place: str, links: int) -> None:
    told = Told(place=place, delay=10_000)
    open_line(told)
    told.world.run(SECOND)
    syn, syn_ack, ack = told.rungs
    assert [(rung.at, rung.arrived) for rung in (syn, syn_ack, ack)] == [
        (0, links * 10_000),
        (links * 10_000, links * 20_000),
        (links * 20_000, links * 30_000),
    ]


def test_who_refuses_where() -> None:
    # netfilter(9): NF_DROP in LOCAL_OUT is EPERM for the caller; on a router nobody is told.
    fates = {}
    for place, chain in (
        ("client", "OUTPUT"),
        ("forward", "FORWARD"),
        ("server", "INPUT"),
        ("lo", "OUTPUT"),
        ("lo", "INPUT"),
    ):
        told = Told(f"{chain} -p tcp --dport 80 -j DROP", place=place)
        open_line(told)
        told.world.run(SECOND // 2)
        (rung,) = told.rungs
        fates[place, chain] = (rung.fate, rung.cause)
    assert fates == {
        ("client", "OUTPUT"): (Fate.REFUSED, "filter/OUTPUT#1"),
        ("forward", "FORWARD"): (Fate.DROPPED, "filter/FORWARD#1"),
        ("server", "INPUT"): (Fate.DROPPED, "filter/INPUT#1"),
        ("lo", "OUTPUT"): (Fate.REFUSED, "filter/OUTPUT#1"),
        ("lo", "INPUT"): (Fate.DROPPED, "filter/INPUT#1"),
    }


@pytest.mark.parametrize(
    ("place", "chain"),
    [("forward", "FORWARD"), ("server", "INPUT"), ("client", "OUTPUT"), ("lo", "OUTPUT")],
)
def test_a_reset_of_the_box_comes_to_the_client(place: str, chain: str) -> None:
    told = Told(f"{chain} -p tcp --dport 80 -j REJECT --reject-with tcp-reset", place=place)
    open_line(told)
    told.world.run(SECOND)
    assert (HappeningKind.CONNECT_FAILED, "ECONNREFUSED") in told.told(Side.CLIENT)
    fate = Fate.REFUSED if chain == "OUTPUT" else Fate.REJECTED
    assert [(rung.sender, rung.fate) for rung in told.rungs] == [
        ("client", fate),
        ("box", Fate.ARRIVED),
    ]


def test_lost_packets_come_again() -> None:
    told = Told(loss=1_000_000)
    open_line(told)
    ending = told.world.run(DAY)
    # by-version.md 7.3: SYNs at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67 s since 6.5, gone at 131 s.
    assert len(told.rungs) == 11
    assert {rung.fate for rung in told.rungs} == {Fate.LOST}
    assert (HappeningKind.CONNECT_FAILED, "ETIMEDOUT") in told.told(Side.CLIENT)
    assert 131 * SECOND <= ending.at <= 136 * SECOND


def test_a_fin_that_the_own_output_drops() -> None:
    # across-kernels.md 5: 9 tries, none on the wire, gone after 106 to 110 s; the peer never knows.
    told = Told(
        "OUTPUT -m conntrack --ctstate INVALID -j DROP",
        place="client",
        sysctls={"net.netfilter.nf_conntrack_tcp_timeout_established": 120},
    )
    close(told, open_line(told), 130 * SECOND)
    ending = told.world.run(DAY)
    assert ending.why is Why.QUIET
    fins = [rung for rung in told.rungs if rung.at >= 130 * SECOND]
    assert len(fins) == 9
    assert {rung.fate for rung in fins} == {Fate.REFUSED}
    began = {name: at for at, name in told.states(Side.CLIENT)}
    assert 102 * SECOND <= began["CLOSE"] - began["FIN_WAIT_1"] <= 110 * SECOND
    assert told.states(Side.SERVER)[-1][1] == "ESTABLISHED"


def test_a_server_that_leaks_stays_in_close_wait() -> None:
    told = Told(kernel=profile("6.1"))
    close(told, open_line(told, manner=Manner.LEAK), SECOND)
    ending = told.world.run(DAY)
    assert ending.why is Why.QUIET
    assert told.states(Side.SERVER)[-1][1] == "CLOSE_WAIT"
    assert told.states(Side.CLIENT)[-2][1] == "FIN_WAIT_2"
    assert 60 * SECOND <= ending.at <= 70 * SECOND


def test_the_server_is_killed() -> None:
    told = Told()
    open_line(told)
    told.world.at(SECOND, told.world.kill, "server", Side.SERVER)
    told.world.run(DAY)
    assert (HappeningKind.EOF, None) in told.told(Side.CLIENT)
    assert told.states(Side.SERVER)[-1][1] in ("FIN_WAIT_2", "CLOSE")


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[tuple[int, Fate]]:
        told = Told(loss=300_000, seed=seed)
        close(told, open_line(told), SECOND)
        told.world.run(DAY)
        return [(rung.at, rung.fate) for rung in told.rungs]

    assert run(3) == run(3)
    assert any(run(3) != run(seed) for seed in range(4, 8))


# Where a run ends


def test_a_run_ends_at_its_time_with_what_is_left() -> None:
    told = Told(loss=1_000_000)
    open_line(told)
    ending = told.world.run(10 * SECOND)
    assert (ending.why, ending.at) == (Why.TIME, 10 * SECOND)
    assert told.world.run(DAY).why is Why.QUIET


def test_a_run_has_bounds() -> None:
    told = Told(bounds=Bounds(events=5))
    open_line(told)
    ending = told.world.run(DAY)
    assert (ending.why, ending.is_whole) == (Why.EVENTS, False)


def test_keepalives_that_are_answered_change_nothing() -> None:
    told = Told(bounds=Bounds(idle_packets=50))
    line = open_line(told)

    def keep_alive() -> None:
        assert line.client.socket is not None
        assert line.client.peer is not None
        line.client.socket.set_keepalive(told.world.now, time=10, interval=5, probes=3)
        told.world.settle(line.client.peer)

    told.world.at(SECOND, keep_alive)
    ending = told.world.run(365 * DAY)
    assert ending.why is Why.STEADY
    assert ending.at < DAY


def test_what_cannot_be_decided_ends_the_run_with_its_reason() -> None:
    told = Told("FORWARD -m time --timestart 10:00 -j DROP")
    open_line(told)
    ending = told.world.run(DAY)
    assert ending.why is Why.UNDECIDED
    assert "filter/FORWARD#1" in ending.detail
    assert told.rungs[-1].fate is Fate.UNDECIDED


def test_lines_that_are_over_are_forgotten() -> None:
    told = Told()
    world = told.world
    world.listen("server", 80, 128, Manner.SERVE)
    lines = [world.new_line(is_watched=False) for _ in range(50)]
    for number, line in enumerate(lines):
        world.at(number * SECOND, world.connect, line, "client", "server", 80)
        close(told, line, number * SECOND + SECOND // 2)
    world.run(DAY)
    for peer in world.peers.values():
        assert not peer.by_socket
        assert not peer.halves
    assert not told.rungs
