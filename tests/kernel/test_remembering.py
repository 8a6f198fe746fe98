# SPDX-License-Identifier: GPL-2.0-only
"""Matches that remember, and sets: the model's rules and the live kernel's, packet by packet.

The lab lets no time pass really; here it does, for the kernel counts in its own clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import pytest

from ctlint.lab.lab import Lab, open_lab
from ctlint.model.kernel.profiles import NEWEST
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import Wait
from ctlint.wire.moments import SECOND

pytestmark = pytest.mark.netns

Packets = Sequence[Mapping[str, Any]]


_numbers: Final = count()


def syn(sport: int = 40000, **given: object) -> dict[str, Any]:
    return {"dir": "orig", "flags": "S", "seq": 1, "sport": sport, **given}


def syns(number: int) -> list[dict[str, Any]]:
    return [syn(1000 + index) for index in range(number)]


HANDSHAKE: Final[Packets] = (
    {"dir": "orig", "flags": "S", "seq": 1},
    {"dir": "reply", "flags": "SA", "seq": 5, "ack": 2},
    {"dir": "orig", "flags": "A", "seq": 2, "ack": 6},
)

UDP: Final = {"dir": "orig", "proto": "udp", "dport": 53, "len": 5}


def compare(
    kernel: Lab,
    conditions: Sequence[str],
    packets: Packets,
    pauses: Mapping[int, float] | None = None,
    table: str = "filter",
    key: str = "ruleset",
    **given: object,
) -> None:
    """``conditions`` are rules of FORWARD; ``pauses`` are seconds before packets."""
    # No rule set is loaded twice: what the one before has remembered would be there still.
    rules = [*conditions, f"-m comment --comment {next(_numbers)}.{time.time_ns()}"]
    ruleset = f"*{table}\n" + "".join(f"-A FORWARD {rule}\n" for rule in rules) + "COMMIT\n"
    scenario = scenario_from_json({key: ruleset, "packets": list(packets), **given})
    player = Player(scenario, NEWEST)
    kernel.start(scenario)
    for number, step in enumerate(scenario.steps):
        pause = (pauses or {}).get(number)
        if pause is not None:
            time.sleep(pause)
            player.step(Wait(round(pause * SECOND)))
        real, ours = kernel.step(step), player.step(step)
        assert isinstance(real, PacketAnswer)
        assert isinstance(ours, PacketAnswer)
        assert not ours.undecided, (number, ours.undecided)
        assert ours.rules == real.rules, number


def test_limit(kernel: Lab) -> None:
    compare(kernel, ["-m limit --limit 6/minute --limit-burst 3"], syns(6))
    compare(kernel, ["-m limit", "-m limit --limit 1/hour"], syns(8))
    # What stands before it keeps a packet from it, what stands behind does not.
    conditions = [
        "-p tcp --dport 81 -m limit --limit-burst 2",
        "-p tcp -m limit --limit-burst 2 -m tcp --dport 81",
    ]
    compare(kernel, conditions, [*syns(2), *(syn(port, dport=81) for port in range(4))])


def test_limit_fills_with_time(kernel: Lab) -> None:
    compare(kernel, ["-m limit --limit 1/second --limit-burst 2"], syns(8), {4: 1.3, 6: 2.5})


def hashlimit(words: str) -> str:
    return f"-m hashlimit --hashlimit-name h{next(_numbers)}x{time.time_ns()} {words}"


def test_hashlimit(kernel: Lab) -> None:
    upto = "--hashlimit-upto 3/minute --hashlimit-burst 2"
    others = [syn(2000 + number, saddr="10.1.0.9") for number in range(3)]
    compare(kernel, [hashlimit(f"{upto} --hashlimit-mode srcip")], [*syns(4), *others])
    above = "--hashlimit-above 3/minute --hashlimit-burst 2 --hashlimit-srcmask 24"
    packets = [*syns(3), *others[:1], syn(1, saddr="10.1.0.9", dport=81), syn(saddr="10.1.9.9")]
    compare(kernel, [hashlimit(f"{above} --hashlimit-mode srcip,dstport")], packets)


def test_hashlimit_of_bytes(kernel: Lab) -> None:
    packets = [syn(port, flags="PA", ack=1, len=200) for port in range(1000, 1012)]
    compare(kernel, [hashlimit("--hashlimit-upto 1kb/s --hashlimit-mode srcip")], packets[:8])
    burst = "--hashlimit-above 512b/s --hashlimit-burst 1kb --hashlimit-mode srcip"
    compare(kernel, [hashlimit(burst)], packets, {9: 1.1})


def test_hashlimit_rate_match(kernel: Lab) -> None:
    words = (
        "--hashlimit-upto 3/second --hashlimit-burst 1 --hashlimit-rate-match "
        "--hashlimit-rate-interval 1 --hashlimit-htable-expire 60000 --hashlimit-mode srcip"
    )
    compare(kernel, [hashlimit(words)], syns(14), {7: 1.1, 10: 1.2, 13: 2.2})


def test_the_first_rule_says_how_a_hashlimit_table_is(kernel: Lab) -> None:
    name = f"--hashlimit-name shared{time.time_ns()}"
    rules = [
        f"-m hashlimit --hashlimit-upto {upto} --hashlimit-burst {burst} {name}"
        for upto, burst in (("3/minute", 2), ("100/minute", 50))
    ]
    compare(kernel, rules, syns(4))


def test_statistic(kernel: Lab) -> None:
    rules = [
        "-m statistic --mode nth --every 3 --packet 1",
        "-m statistic --mode nth ! --every 2 --packet 0",
        "-m statistic --mode random --probability 1",
        "-m statistic --mode random ! --probability 0",
        "-m statistic --mode random --probability 0",
    ]
    compare(kernel, rules, syns(7))


def test_quota(kernel: Lab) -> None:
    packets = [syn(port, len=length) for port, length in enumerate((10, 20, 50, 10, 0, 0, 0), 1)]
    compare(kernel, ["-m quota --quota 200", "-m quota ! --quota 100"], packets)


def recent(words: str, name: str) -> str:
    return f"-m recent --name {name} {words}"


@pytest.fixture
def name() -> str:
    """The name of a list that nobody has used."""
    return f"r{time.time_ns()}"


def test_recent(kernel: Lab, name: str) -> None:
    rules = [
        recent("--rcheck --hitcount 3 --seconds 60", name),
        recent("--set", name),
        recent("--update --hitcount 5", name),
        recent("! --rcheck --rdest", name),
    ]
    compare(kernel, rules, [*syns(7), syn(saddr="10.1.0.7")])


def test_recent_forgets(kernel: Lab, name: str) -> None:
    rules = [
        recent("--update --seconds 1 --reap", name),
        recent("--set --mask 255.255.255.0", name),
    ]
    # The first rule gives the list its mask, and has none.
    compare(kernel, rules, [syn(1), syn(2, saddr="10.1.0.6"), syn(3), syn(4)], {3: 1.5})
    rules = [
        recent("--rcheck --rttl", name + "x"),
        "-p tcp " + recent("--remove -m tcp --dport 81", name + "x"),
        recent("--set", name + "x"),
    ]
    packets = [syn(1), syn(2, ttl=33), syn(3, ttl=33), syn(4, dport=81), syn(5)]
    compare(kernel, rules, packets)


def test_recent_keeps_as_many_stamps_as_a_rule_asks(kernel: Lab, name: str) -> None:
    rules = [recent("--set", name), recent("--rcheck --hitcount 40", name)]
    compare(kernel, rules, syns(42))


def test_connlimit(kernel: Lab) -> None:
    rules = [
        "-m connlimit --connlimit-above 2",
        "-m connlimit --connlimit-upto 1 --connlimit-mask 24",
        "-m connlimit --connlimit-above 1 --connlimit-daddr -j DROP",
    ]
    packets = [syn(1), syn(1), syn(2), syn(3), syn(4, saddr="10.1.0.8"), syn(2, flags="R"), syn(5)]
    # What is dropped leaves the list behind a tick or two.
    compare(kernel, rules, packets, dict.fromkeys(range(7), 0.02))


def test_connlimit_of_closed_connections(kernel: Lab) -> None:
    rules = [
        "-m connlimit --connlimit-above 1",
        "-p tcp --syn -m connlimit --connlimit-above 1 --connlimit-mask 0",
    ]
    reset = {"dir": "orig", "flags": "R", "seq": 2, "ack": 6}
    compare(kernel, rules, [*HANDSHAKE, syn(7), syn(8), reset, syn(9)])


def test_time(kernel: Lab) -> None:
    now = datetime.now(UTC)
    today, tomorrow = now.strftime("%a"), "Mon" if now.strftime("%a") != "Mon" else "Tue"
    hour = now.hour
    rules = [
        f"-m time --timestart {hour:02}:00 --timestop {hour:02}:59:59",
        f"-m time --timestart {(hour + 1) % 24:02}:00 --timestop {(hour + 2) % 24:02}:00",
        f"-m time --timestart {(hour + 1) % 24:02}:00 --timestop {hour:02}:59:59",
        f"-m time --weekdays {today}",
        f"-m time ! --weekdays {today}",
        f"-m time --weekdays {tomorrow}",
        f"-m time --monthdays {now.day}",
        f"-m time --datestart {now.year}-01-01 --datestop 2038-01-01",
        "-m time --datestop 2020-01-01",
    ]
    compare(kernel, rules, [syn()], facts={"time": now.strftime("%Y-%m-%dT%H:%M:%SZ")})


def carried(words: str, side: str, mode: str) -> str:
    return f"-m connbytes {words} --connbytes-dir {side} --connbytes-mode {mode}"


def test_connbytes(kernel: Lab) -> None:
    rules = [
        carried("--connbytes 2", "original", "packets"),
        carried("! --connbytes 2:3", "both", "packets"),
        carried("--connbytes 3:3", "both", "packets"),
        carried("--connbytes 100:160", "original", "bytes"),
        carried("--connbytes 41", "both", "avgpkt"),
        carried("--connbytes :40", "reply", "bytes"),
    ]
    data = {"dir": "orig", "flags": "PA", "seq": 2, "ack": 6, "len": 60}
    # A repeated SYN is no news, a segment out of the window none of the connection.
    more = [data, syn(seq=99), {**data, "seq": 1 << 30}, {**UDP, "len": 20}, {**UDP, "len": 80}]
    compare(kernel, rules, [*HANDSHAKE, *more], sysctls={"tcp_be_liberal": 0})


A: Final = "10.1.0.2"
B: Final = "10.2.0.2"
SETS: Final = f"""\
create ip hash:ip
add ip {A}
create masked hash:ip netmask 24
add masked 10.1.0.0
create ipport hash:ip,port
add ipport {B},tcp:80
add ipport {B},udp:53
add ipport {B},icmp:echo-request
add ipport {A},tcp:40000
create netport hash:net,port
add netport 10.2.0.0/16,tcp:80 nomatch
add netport 10.0.0.0/8,tcp:80
add netport 10.0.0.0/8,udp:53
create ipportip hash:ip,port,ip
add ipportip {A},tcp:80,{B}
create ipportnet hash:ip,port,net
add ipportnet {A},tcp:80,10.2.0.0/16
add ipportnet {A},tcp:81,10.2.1.0/24
create iface hash:net,iface
add iface 10.0.0.0/8,eth0
add iface 10.1.0.0/16,eth7
create wildcard hash:net,iface
add wildcard 10.1.0.0/16,eth wildcard
add wildcard 10.1.0.0/24,eth0 nomatch
create port bitmap:port range 0-1000
add port 80
add port 50-60
create map bitmap:ip range 10.1.0.0/24
add map 10.1.0.1-10.1.0.3
create net hash:net
add net 10.0.0.0/8
add net 10.1.0.0/24 nomatch
create counters hash:ip counters
add counters {A} packets 3 bytes 100
create list list:set counters
add list map
add list counters
create nets list:set
add nets net
add nets ipport
create marks hash:ip skbinfo
add marks {A} skbmark 0x5/0xf
add marks {B} skbmark 0x10
create seen hash:ip timeout 0 counters
create services hash:ip,port timeout 1
create wide hash:net
add wide 192.168.0.0/16
create small hash:ip maxelem 2
"""
PACKETS: Final[Packets] = (
    *HANDSHAKE,
    UDP,
    {"dir": "orig", "proto": "icmp", "type": 8, "id": 3},
    {"dir": "reply", "proto": "icmp", "type": 0, "id": 3},
    syn(5, saddr="10.1.0.9"),
    syn(6, dport=81),
    syn(7, saddr="10.1.1.9"),
)


@pytest.fixture
def fresh() -> Iterator[Lab]:
    """A lab whose sets nobody has changed: asking counts."""
    with open_lab() as lab:
        yield lab


def of_set(name: str, where: str, more: str = "", negation: str = "") -> str:
    return f"-m set {negation} --match-set {name} {where} {more}"


def test_sets_of_all_types(fresh: Lab) -> None:
    rules = [
        of_set("ip", "src"),
        of_set("ip", "dst"),
        of_set("ip", "src", negation="!"),
        of_set("masked", "src"),
        *(of_set("ipport", where) for where in ("dst,dst", "src,src", "src", "dst,dst,src")),
        *(of_set("netport", where) for where in ("dst,dst", "src,dst")),
        of_set("netport", "dst,dst", "--return-nomatch"),
        of_set("ipportip", "src,dst,dst"),
        of_set("ipportnet", "src,dst,dst"),
        *(of_set("iface", where) for where in ("src,src", "src,dst")),
        *(of_set("wildcard", where) for where in ("src,src", "src,dst")),
        of_set("wildcard", "src,src", "--return-nomatch"),
        *(of_set("port", where) for where in ("dst", "src")),
        *(of_set("map", where) for where in ("dst", "src")),
        of_set("net", "src"),
        of_set("net", "src", "--return-nomatch"),
        of_set("net", "src", "--return-nomatch", "!"),
        *(of_set("nets", where) for where in ("src", "dst,dst")),
        of_set("nets", "src", "--return-nomatch"),
    ]
    compare(fresh, rules, PACKETS, ipsets=SETS)


def test_counters_of_sets(fresh: Lab) -> None:
    rules = [
        of_set("counters", "src", "--packets-gt 5"),
        of_set("counters", "src", "! --update-counters --packets-eq 6"),
        of_set("counters", "src", "--bytes-gt 300"),
        of_set("counters", "src", "! --packets-eq 9"),
        of_set("counters", "src", "--packets-lt 9", "!"),
        of_set("list", "src", "--packets-gt 2"),
        of_set("list", "src", "! --update-subcounters"),
        of_set("counters", "src", "--packets-gt 12"),
        of_set("list", "src", "! --update-counters --packets-eq 5"),
    ]
    compare(fresh, rules, PACKETS, ipsets=SETS)


def test_rules_change_sets(fresh: Lab) -> None:
    rules = [
        of_set("seen", "src"),
        "-p tcp -j SET --add-set seen src",
        of_set("seen", "src", "--packets-gt 2"),
        of_set("services", "dst,dst"),
        "-p udp -j SET --add-set services dst,dst --exist",
        # A network of the longest prefix that is there already.
        of_set("wide", "src"),
        "-j SET --add-set wide src",
        of_set("wide", "dst"),
        of_set("small", "src"),
        "-j SET --add-set small src",
        "-p icmp -j SET --del-set seen src",
    ]
    packets = [*PACKETS, UDP, syn(3), syn(4, saddr="10.1.2.2")]
    compare(fresh, rules, packets, {4: 0.3, 9: 1.4}, ipsets=SETS)


def test_elements_time_out(fresh: Lab) -> None:
    rules = [
        of_set("seen", "src"),
        "-j SET --add-set seen src --timeout 1",
        "-p udp -j SET --add-set seen src --exist --timeout 3",
    ]
    packets = [syn(1), syn(2), syn(3), UDP, syn(4), syn(5)]
    compare(fresh, rules, packets, {2: 1.4, 4: 1.5, 5: 2.0}, ipsets=SETS)


def test_rules_change_the_sets_of_lists(fresh: Lab) -> None:
    rules = [
        "-j SET --add-set nets src",
        of_set("net", "src"),
        of_set("ip", "src"),
        "-j SET --del-set nets dst",
        "-j SET --del-set list src",
        of_set("map", "src"),
        of_set("counters", "src"),
        "-j SET --add-set list src",
    ]
    compare(fresh, rules, [*PACKETS, *PACKETS[-2:]], ipsets=SETS)


def test_marks_from_sets(fresh: Lab) -> None:
    rules = [
        "-j SET --map-set marks src --map-mark",
        "-m mark --mark 5",
        "-j SET --map-set marks dst --map-mark",
        "-m mark --mark 0x10",
        "-m mark --mark 0",
    ]
    compare(fresh, rules, PACKETS, table="mangle", ipsets=SETS)


SETS6: Final = """\
create ipport hash:ip,port family inet6
add ipport fd02::2,tcp:80
add ipport fd02::2,icmpv6:echo-request
create net hash:net family inet6
add net fd01::/16
add net fd01::2 nomatch
create iface hash:net,iface family inet6
add iface fd00::/8,eth0
create seen hash:ip family inet6 netmask 64
create port bitmap:port range 0-1000
add port 80
create list list:set
add list seen
add list net
"""


def test_ipv6(fresh: Lab, name: str) -> None:
    mode = "--hashlimit-upto 3/minute --hashlimit-burst 2 --hashlimit-mode srcip"
    rules = [
        "-m limit --limit-burst 2",
        hashlimit(f"{mode} --hashlimit-srcmask 64"),
        recent("--rcheck --mask ffff::", name),
        recent("--set", name),
        "-m connlimit --connlimit-above 1 --connlimit-mask 48",
        "-m quota --quota 150",
        carried("--connbytes 2", "both", "packets"),
        of_set("ipport", "dst,dst"),
        *(of_set("net", where) for where in ("src", "dst")),
        of_set("net", "src", "--return-nomatch"),
        of_set("iface", "src,src"),
        of_set("seen", "src"),
        "-p tcp -j SET --add-set list src",
        of_set("port", "dst"),
        of_set("list", "src"),
    ]
    packets = [
        *HANDSHAKE,
        {"dir": "orig", "proto": "icmp", "type": 128, "id": 3},
        syn(5, saddr="fd01::9"),
        syn(6, saddr="fd01:0:0:9::9"),
        syn(7, saddr="fd01::9"),
    ]
    topology = {"kind": "forward", "v6": True}
    compare(fresh, rules, packets, key="ruleset6", topology=topology, ipsets=SETS6)
