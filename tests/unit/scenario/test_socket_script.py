# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts as plans: what their statements mean, and which mean nothing (docs/sockets.md)."""

from __future__ import annotations

import pytest

from ctlint.model.kernel.profiles import profile
from ctlint.model.world.line import Manner, Side
from ctlint.scenario.socket_plan import (
    AFTERWARDS,
    Call,
    Connect,
    Kill,
    Listen,
    Pass,
    Repeat,
    SetLink,
    SetSysctls,
)
from ctlint.wire.moments import SECOND
from tests.unit.scenario.sockets import filter_rules, plans_of, problems_of

START = "server listen\nclient connect as one\n"


def test_settings_of_hosts() -> None:
    (plan,) = plans_of(
        "name N\nkernel 6.1\nkernel server 5.10\n".replace("kernel 6.1\n", "")
        + "topology forward\nsysctl tcp_fin_timeout=30 tcp_loose=0\nsysctl client tcp_retries2=5\n"
        "sysctl server ip_local_port_range=2000-3000\nlink delay 10ms\nlink server loss 0.5%\n"
        "uptime client2 1h\nseed 9\nuntil 1h\nclient2 connect\n" + START
    )
    client, client2, server = plan.hosts
    assert [host.name for host in plan.hosts] == ["client", "client2", "server"]
    assert client.kernel is None
    assert server.kernel is profile("5.10")
    assert client.sysctls == {"net.ipv4.tcp_fin_timeout": 30, "net.ipv4.tcp_retries2": 5}
    assert client2.sysctls == client.sysctls  # where nothing else is said of it
    assert server.sysctls == {"net.ipv4.tcp_fin_timeout": 30}
    assert server.local_ports == (2000, 3000)
    assert plan.box.sysctls == {"net.netfilter.nf_conntrack_tcp_loose": 0}
    assert (client.delay, client.loss, server.loss) == (10_000, 0, 5_000)
    assert (client.uptime, client2.uptime) == (None, 3_600 * SECOND)
    assert (plan.seed, plan.until, plan.name) == (9, 3_600 * SECOND, "N")


def test_a_kernel_is_that_of_all_or_of_one() -> None:
    (plan,) = plans_of("kernel 5.10\n" + START)
    assert plan.box_kernel is profile("5.10")
    assert {host.kernel for host in plan.hosts} == {profile("5.10")}
    (plan,) = plans_of("kernel box 5.10 server 6.1\n" + START)
    assert plan.box_kernel is profile("5.10")
    assert [host.kernel for host in plan.hosts] == [None, profile("6.1")]
    (plan,) = plans_of("topology host client\nkernel client 5.10\n" + START)
    assert plan.box_kernel is profile("5.10")


def test_steps_and_their_moments() -> None:
    (plan,) = plans_of(
        "server listen 8080 backlog 7 leaks accepts nothing\nclient connect from any as a\n"
        "wait 1m; client keepalive 30s 10s 3\nat 2m\nserver send 5 a\nlink loss 100%\n"
        "sysctl client tcp_retries2=3\nclient reuse port\nclient kill\n"
        "repeat 3 every 10ms { client connect; wait 1s; client close }\n"
    )
    acts = [(step.at // SECOND, step.act, step.label) for step in plan.steps]
    assert acts[0] == (0, Listen(8080, 7, Manner.LEAK, False), "")
    assert acts[1] == (0, Connect("client", 8080, 0, False, "a", Manner.HOLD), "a")
    assert acts[2] == (60, Pass(0), "a")
    assert acts[3] == (60, Call("keepalive", Side.CLIENT, "a", (30, 10, 3)), "a")
    assert acts[4] == (120, Pass(60 * SECOND), "a")
    assert acts[5] == (120, Call("send", Side.SERVER, "a", (5,)), "a")
    assert acts[6] == (120, SetLink(("client", "server"), None, 1_000_000), "")
    assert acts[7] == (120, SetSysctls(("client",), {"net.ipv4.tcp_retries2": 3}, None), "")
    assert acts[8] == (120, Connect("client", 8080, None, True, "#2", Manner.HOLD), "#2")
    assert acts[9] == (120, Kill("client", Side.CLIENT), "#2")
    repeat = acts[10][1]
    assert isinstance(repeat, Repeat)
    assert (repeat.number, repeat.every) == (3, 10_000)
    assert [step.at for step in repeat.steps] == [0, SECOND, SECOND]
    assert plan.until == 120 * SECOND + AFTERWARDS


def test_tests_have_their_own_settings() -> None:
    one, two = plans_of(
        "kernel 6.1\nsysctl box tcp_loose=0\ntest a\n" + START + "test b\nkernel 5.10\n"
        "sysctl box tcp_loose=1\n" + START
    )
    assert (one.name, two.name) == ("a", "b")
    assert one.box_kernel is profile("6.1")
    assert two.box_kernel is profile("5.10")
    assert one.box.sysctls != two.box.sysctls


def test_a_rule_that_is_expected_must_exist() -> None:
    files = {"r.v4": filter_rules("OUTPUT -j DROP")}
    text = "rules r.v4\n" + START + "client close => 1 FIN is refused by filter/OUTPUT#"
    assert len(plans_of(text + "1", files)[0].steps[-1].claims) == 1
    (problem,) = problems_of(text + "7", files)
    assert (problem.span.line, problem.message) == (4, "chain filter/OUTPUT has 1 rule")


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("client close", "1:1", "the client has no connection yet", "client connect"),
        ("server close", "1:1", "the server has no connection yet", "client connect"),
        (START + "client close two", "3:14", "there is no connection 'two'", "connect as NAME"),
        (START + "client close ont", "3:14", "there is no connection 'ont'", "did you mean one?"),
        (START + "client2 close", "3:1", "the client2 has no connection yet", "client connect"),
        ("client reuse port", "1:8", "no connection yet whose port", "client connect"),
        (START + "client connect as one", "3:19", "there is a connection 'one' already", None),
        (START + "wait 10s\nat 5s", "4:4", "this moment lies in the past", "write wait"),
        (START + "wait 1000000d", "3:6", "at most a hundred years", None),
        (START + "wait 30000d; wait 30000d", "3:19", "at most a hundred years", None),
        (START + "repeat 1000000 every 1s { flush }", "3:8", "from 1 to 200000", None),
        (
            START + "repeat 200000 every 1s { flush }; repeat 1 every 1s { flush }",
            "3:42",
            "all together",
            None,
        ),
        (
            START + "repeat 200000 every 1s { flush; flush; flush; flush; flush; flush }",
            "3:8",
            "at most 1000000 statements are repeated",
            None,
        ),
        (START + "client connect; " * 1_000, "3:15985", "at most 1000 connections", "repeat"),
        (START + "flush; " * 10_000, "3:69987", "at most 10000 statements", None),
        (START + "repeat 2 every 1s { repeat 2 every 1s { flush } }", "3:21", "no other", None),
        (START + "repeat 2 every 1s { client kill }", "3:21", "has no connection yet", None),
        (START + "repeat 2 every 1s { client connect => connected }", "3:39", "nothing is", "}"),
        (START + "client close => 3 connected", "3:17", "how many connect", "} =>"),
        ("client listen", "1:1", "only the server listens", None),
        ("server connect", "1:1", "only clients connect", None),
        (START + "client close => client FIN_WAIT1, client FINWAIT", "3:42", "no state", "FIN_WAI"),
        (START + "client close => fails ETIMDOUT", "3:23", "no error", "ETIMEDOUT"),
        (START + "wait 1s => client ESTABLISHED for 1s", "3:12", "the state at its end", "before"),
        (START + "client close => client gone after 3s..1s", "3:35", "shorter than the", None),
        (START + "client close => 9..1 FINs arrive", "3:17", "less than the first", None),
        ("sysctl client tcp_loose=0\n" + START, "1:8", "conntrack runs on the box only", "box"),
        ("sysctl box tcp_retries2=0\n" + START, "1:8", "the box is a router", None),
        ("sysctl tcp_looose=0\n" + START, "1:8", "no kernel has a sysctl", None),
        ("sysctl tcp_retries2=1-2\n" + START, "1:21", "a whole number", None),
        ("sysctl ip_local_port_range=5-2\n" + START, "1:28", "two ports", None),
        ("kernel 9.9\n" + START, "1:8", "unknown kernel", None),
        (
            "topology host client\n" + START + "client2 connect",
            "4:1",
            "there is no client2",
            "host",
        ),
        ("uptime client2 1h\n" + START, "1:8", "nothing is done by client2", None),
        ("link loss 120%\n" + START, "1:11", "a share from 0% to 100%", None),
        ("seed 1; seed 2\n" + START, "1:9", "seed stands twice", None),
        (START + "seed 1", "3:1", "in front of what is done first", None),
        (START + "wait 1h\ntest x", "1:1", "in front of the first test", "begin with"),
        ("test x", "1:1", "a test in which nothing is done", None),
        ("until 1s\n" + START + "wait 2s", "1:7", "goes on longer", None),
        (START + "client send 99999999999", "3:13", "a number of bytes", None),
        (START + "client keepalive 1h 100000s 3", "3:21", "from 1s to 32767s", None),
        (START + "client kill one", "3:13", "loses all its sockets", "close"),
        (START + "client close => entry ESTABLISH", "3:23", "no state of an entry", "ESTABLISHED"),
        (START + "client close => 1 FIN is dropped by filter/X#1", "3:37", "has no rules", "rules"),
    ],
)
def test_what_means_nothing(text: str, place: str, message: str, hint: str | None) -> None:
    first = problems_of(text)[0]
    assert message in first.message
    assert f"{first.span.line}:{first.span.column}" == place
    assert hint is None or (first.hint is not None and hint in first.hint)


def test_all_problems_are_told_at_once() -> None:
    found = problems_of(START + "client close a\nclient close b\nat 0s\nwait 1s\nat 0s")
    assert [problem.span.line for problem in found] == [3, 4, 7]
