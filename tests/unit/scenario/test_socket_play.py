# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts, played: calls in order, settings that change, kernels, NAT, IPv6, bounds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.kernel.profiles import profile
from ctlint.model.world.bounds import Bounds, Why
from ctlint.model.world.chronicle import Deed, Rung
from ctlint.model.world.line import Side
from ctlint.scenario.scenario import ScenarioError
from ctlint.scenario.socket_play import WATCHED, SocketPlayer
from ctlint.wire.moments import SECOND
from tests.unit.scenario.sockets import misses, plans_of, play

OPEN = "server listen\nclient connect\n"


def test_a_call_waits_until_connect_has_returned() -> None:
    story = play("link delay 1s\n" + OPEN + "client send 10\nclient close")
    (line,) = story.lines.values()
    assert line.connected == 4 * SECOND
    deeds = [(event.at, event.trouble) for event in story.events if isinstance(event, Deed)]
    assert deeds == [(0, None), (0, None), (4 * SECOND, None), (4 * SECOND, None)]
    assert [stay.state for stay in line.ends[Side.CLIENT].stays][:3] == [
        *(TcpState.SYN_SENT, TcpState.ESTABLISHED, TcpState.FIN_WAIT_1),
    ]


def test_a_call_on_what_was_never_open_is_told() -> None:
    story = play("client connect\nclient send 10")
    deed = [event for event in story.events if isinstance(event, Deed)][-1]
    assert deed.trouble is not None


def test_settings_change_while_it_runs() -> None:
    text = (
        "server listen leaks\nclient connect\nwait 1s\n{}client close => client FIN_WAIT_2 for {}"
    )
    assert misses(text.format("sysctl client tcp_fin_timeout=20\n", "20s..24s")) == []
    assert misses(text.format("", "60s..68s")) == []


def test_a_full_table_may_be_flushed() -> None:
    assert misses(OPEN + "wait 1s => entry ESTABLISHED\nflush\nwait 1s => no entry") == []


@pytest.mark.parametrize("topology", ["forward", "host client", "host server", "lo"])
@pytest.mark.parametrize("family", ["", " v6"])
def test_each_topology_and_family(topology: str, family: str) -> None:
    text = f"topology {topology}{family}\n{OPEN}wait 1s => entry ESTABLISHED\nclient send 100\n"
    assert misses(text + "client close => server gets EOF, server gets data, client gone") == []


def test_a_kernel_of_the_command_line_counts_for_all() -> None:
    story = play("kernel client 6.1 server 5.10\n" + OPEN, kernel=profile("4.19"))
    assert {kernel.name for kernel in story.kernels.values()} == {"4.19"}
    assert story.box_kernel.name == "4.19"


def test_sysctls_that_the_kernel_does_not_have_are_named() -> None:
    story = play("kernel 6.1\nsysctl tcp_tw_recycle=1\n" + OPEN)
    assert story.missing_sysctls == ("net.ipv4.tcp_tw_recycle",)


def test_clients_behind_nat() -> None:
    nat = (
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
        "-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
    )
    story = play(
        "rules n.v4\nserver listen\nclient connect as a\nclient2 connect as b", {"n.v4": nat}
    )
    assert [line.connected is not None for line in story.lines.values()] == [True, True]
    for line in story.lines.values():
        # The ends of one connection have different tuples, and are told to be one all the same.
        assert line.line is not None
        server, client = line.line.server.key, line.line.client.key
        assert server is not None
        assert client is not None
        assert server[3] != client[1]
        assert len([*story.rungs(line)]) == 3


def test_of_what_is_repeated_the_first_rounds_are_told() -> None:
    story = play("server listen\nrepeat 50 every 100ms { client connect; wait 50ms; client close }")
    (tally,) = story.tallies.values()
    assert (tally.begun, tally.connected, sum(tally.failed.values())) == (50, 50, 0)
    assert [*story.lines] == [f"1.{number + 1}" for number in range(WATCHED)]
    assert len({event.line for event in story.events if isinstance(event, Rung)}) == WATCHED


def test_the_same_seed_gives_the_same_story() -> None:
    def run(seed: int) -> list[tuple[int, str]]:
        story = play(f"seed {seed}\nlink loss 30%\n{OPEN}client send 5000\nclient close")
        return [(event.at, event.fate.value) for event in story.events if isinstance(event, Rung)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_years_pass_in_a_blink() -> None:
    story = play(OPEN + "wait 20000d\nwait 10000d")
    assert story.ending.why is Why.QUIET


def test_a_storm_ends() -> None:
    # Keepalives every second for years: packets go on, and nothing changes.
    bounds = Bounds(idle_packets=200)
    story = play("until 30000d\n" + OPEN + "client keepalive 1s 1s 3", bounds=bounds)
    assert (story.ending.why, story.ending.at < 300 * SECOND) == (Why.STEADY, True)
    story = play(OPEN + "client keepalive 1s 1s 3\nwait 1h", bounds=bounds)
    assert (story.ending.why, story.ending.at >= 3_600 * SECOND) == (Why.STEADY, True)
    story = play(OPEN + "client keepalive 1s 1s 3\nwait 1h", bounds=Bounds(idle_packets=10))
    assert (story.ending.why, story.ending.at < 60 * SECOND) == (Why.STEADY, True)
    story = play(OPEN + "client keepalive 1s 1s 3\nwait 1h", bounds=Bounds(events=1_000))
    assert (story.ending.why, story.ending.is_whole) == (Why.EVENTS, False)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("flow 10.1.0.2 > 10.1.0.2", "two hosts have the same address"),
        ("flow 10.1.0.1 > 10.2.0.2", "10.1.0.1, the client's address, is one of the box"),
        ("flow 10.1.0.2 > 224.0.0.1", "how the box routes 224.0.0.1 is not simulated"),
        ("flow 10.1.255.254 > 10.2.0.2", "10.1.255.255 is not simulated"),
        ("flow 192.168.1.1 > 10.2.0.2", "does not route 192.168.1.2, the client2's, to eth0"),
        ("topology host client\nflow 10.9.9.9 > 10.2.0.2", "the client's address, is not one"),
        ("topology lo\nflow 127.0.0.1 > 127.0.0.2", "over lo client and server have one address"),
    ],
)
def test_hosts_that_cannot_be_told_apart_or_reached(setting: str, message: str) -> None:
    more = "" if "topology" in setting else "client2 connect"
    with pytest.raises(ScenarioError, match=message):
        play(f"{setting}\n{OPEN}{more}")


def test_a_client_from_afar() -> None:
    assert misses("flow 192.168.1.1 > 172.16.0.1\n" + OPEN + "wait 1s => client ESTABLISHED") == []


def test_rules_that_cannot_be_read_are_named() -> None:
    with pytest.raises(ScenarioError, match="ruleset"):
        play("rules r.v4\n" + OPEN, {"r.v4": "*filter\n-A NOWHERE -j ACCEPT\nCOMMIT\n"})


def test_who_watches_is_told_of_each_round() -> None:
    seen: list[None] = []

    def watch(rounds: Iterator[None]) -> Iterator[None]:
        for each in rounds:
            seen.append(each)
            yield each

    (plan,) = plans_of("server listen\nrepeat 3000 every 1ms { client connect; client abort }")
    player = SocketPlayer(plan)
    story = player.play(watch)
    assert player.rounds == story.tallies[1].begun == 3000
    assert 2000 < len(seen) <= 3000  # the last part is over before it is told


def test_rounds_of_several_repetitions_are_told_apart() -> None:
    part = "repeat 2 every 1ms { client connect; wait 1s; client connect as b }\n"
    story = play("server listen\n" + part + part)
    assert sorted(story.lines) == ["1.1", "1.1b", "1.2", "1.2b", "2.1", "2.1b", "2.2", "2.2b"]
    assert len({line.line for line in story.lines.values()}) == 8
