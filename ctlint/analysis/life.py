# SPDX-License-Identifier: GPL-2.0-only
"""The life of one connection: opened, silent, closed, and what both sockets do in that time.

The end that is the host itself closes (the client where neither or both are); the other closes
when it is told. Both ends are Linux with the settings of this host, links are short and lose
nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.phase import played_sysctls
from ctlint.analysis.settings import Settings
from ctlint.analysis.silence import Keepalive
from ctlint.analysis.stage import as_scenario, home_of, stage
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import Dir
from ctlint.model.endpoint.happening import SocketError
from ctlint.model.endpoint.settings import read_end_settings
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.stack import Stack
from ctlint.model.world.bounds import Bounds, Ending
from ctlint.model.world.chronicle import Chronicle, Rung, Turn
from ctlint.model.world.line import Line, Manner, Side
from ctlint.model.world.link import Link
from ctlint.model.world.lots import Lots
from ctlint.model.world.world import World
from ctlint.scenario.box import Box, UnroutableError
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.moments import SECOND, Micros

MOST_EVENTS: Final = 4000
"""Events of one life: with keepalives every second, about an hour of silence."""

MOST_RUNGS: Final = 2000
LONGEST_SILENCE: Final[Micros] = 3650 * 86_400 * SECOND

_BYTES: Final = 100
_SAID_AT: Final[Micros] = SECOND // 10
_NAMES: Final = {Dir.ORIGINAL: "client", Dir.REPLY: "server"}
_SIDES: Final = {Dir.ORIGINAL: Side.CLIENT, Dir.REPLY: Side.SERVER}


class Life(NamedTuple):
    """Packets and changes of state in order. ``closed_at`` is when the closing end closed, None
    where it did not come to that; ``left_out`` counts what is not kept.
    """

    events: tuple[Rung | Turn, ...]
    closer: Side
    closed_at: Micros | None
    ending: Ending
    states: tuple[TcpState | None, TcpState | None]
    left_out: int


class NotShownError(Exception):
    """A connection whose life is not simulated; the words say why."""


def life(
    chains: ChainStore,
    connection: Connection,
    settings: Settings,
    idle: int,
    keepalive: Keepalive | None,
) -> Life:
    """The life of a connection that is silent for so many seconds. Raises NotShownError."""
    if connection.translated is not None and connection.translated.destination is not None:
        raise NotShownError("connections whose destination NAT changes are not shown")
    chronicle = Chronicle(MOST_RUNGS)
    try:
        world = _world(chains, connection, settings, chronicle)
    except (ScenarioError, UnroutableError) as error:
        raise NotShownError(str(error)) from error
    closer = home_of(connection.role)
    line = world.new_line()
    manner = (Manner.SERVE, Manner.HOLD)[closer is Dir.REPLY]
    world.listen("server", connection.reply_port, 16, manner)
    try:
        _open(world, line, connection, closer)
    except SocketError as error:
        raise NotShownError(f"it cannot be opened: {error}") from error
    world.at(_SAID_AT, _say, world, line, keepalive)
    ending = world.run(10 * _SAID_AT)
    closed_at = None
    half = line.half(_SIDES[closer])
    if ending.is_whole and half.socket is not None and not half.is_gone:
        rungs = [each for each in chronicle.events if isinstance(each, Rung)]
        last = max(each.arrived or each.at for each in rungs)
        closed_at = max(last + min(idle * SECOND, LONGEST_SILENCE), world.now)
        world.at(closed_at, _close, world, line, closer)
        ending = world.run()
    events = tuple(each for each in chronicle.events if isinstance(each, Rung | Turn))
    states = (world.state_of(line.client), world.state_of(line.server))
    return Life(events, _SIDES[closer], closed_at, ending, states, chronicle.left_out)


def _open(world: World, line: Line, connection: Connection, closer: Dir) -> None:
    manner = Manner.HOLD if closer is Dir.ORIGINAL else Manner.SERVE
    port = connection.orig_port
    world.connect(line, "client", "server", connection.reply_port, local_port=port, manner=manner)


def _say(world: World, line: Line, keepalive: Keepalive | None) -> None:
    """The client says something, which makes the connection one that is in use."""
    for side in (Side.CLIENT, Side.SERVER):
        socket = line.half(side).socket
        if socket is not None and keepalive is not None:
            time, interval, probes = keepalive
            socket.set_keepalive(world.now, time=time, interval=interval, probes=probes)
    client = line.client.socket
    if client is not None and client.state is TcpState.ESTABLISHED:
        client.send(_BYTES, world.now)
    for peer in world.peers.values():
        world.settle(peer)


def _close(world: World, line: Line, closer: Dir) -> None:
    half = line.half(_SIDES[closer])
    if half.socket is not None and half.peer is not None and not half.is_gone:
        half.socket.close(world.now)
        world.settle(half.peer)


def _world(
    chains: ChainStore, connection: Connection, settings: Settings, chronicle: Chronicle
) -> World:
    kernel = settings.kernel
    scenario = as_scenario({**stage(connection), "packets": []})
    box = Box(scenario.topology, scenario.flow)
    tracker = Tracker(kernel, read_settings(kernel, played_sysctls(settings)))
    lots = Lots(1)
    family = connection.family
    stack = Stack(
        tracker, {family: chains}, box.host, memory=Memory({}), draw=lots.draw, lots=lots.draw
    )
    world = World(stack, tracker, lots.draw, chronicle=chronicle, bounds=Bounds(events=MOST_EVENTS))
    ends = read_end_settings(kernel, settings.numbers())
    addresses = {Dir.ORIGINAL: scenario.flow.saddr, Dir.REPLY: scenario.flow.daddr}
    for end, address in addresses.items():
        if box.is_box(end) and world.box is not None:
            world.peers[_NAMES[end]] = world.box
            continue
        link = Link(lots.draw)
        world.add_host(_NAMES[end], family, address, kernel, ends, link, box.entrances[end])
    return world
