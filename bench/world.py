# SPDX-License-Identifier: GPL-2.0-only
"""Lets many connections live and end in one world, and says how fast it was.

    python -m bench.world
    python -m bench.world --connections 50000

A client connects, sends a request, gets an answer and closes; the server closes when it has; the
box between them has stateful rules. A connection begins every two milliseconds, so that some
thirty thousand are in TIME_WAIT at a time.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Final

from ctlint.scenario.rule_index import index_rules
from ctlint.scenario.script_settings import Reference
from ctlint.scenario.socket_play import SocketPlayer
from ctlint.scenario.socket_script import read_socket_script, socket_plans
from ctlint.wire.addresses import Family

_SCRIPT: Final = """
rules bench.v4
sysctl client ip_local_port_range=1024-65535
server listen 80
repeat {connections} every 2ms {{
  client connect; wait 1ms; client send 200; wait 1ms; client close
}}
"""

_RULES: Final = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
"""


def player(connections: int) -> SocketPlayer:
    """A world in which so many connections are about to begin."""
    script = read_socket_script(_SCRIPT.format(connections=connections), "bench.ctw")
    contents: dict[Reference, str] = dict.fromkeys(script.references, _RULES)
    (plan,) = socket_plans(
        script, contents, lambda one, _: index_rules(_RULES if one else "", "", Family.IPV4)
    )
    return SocketPlayer(plan)


def main() -> None:
    """Run, and print connections a second of CPU time, and what memory it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=10_000, help="how many [default: 10000]")
    arguments = parser.parse_args()
    world = player(arguments.connections)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    story = world.play()
    took = time.process_time() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (tally,) = story.tallies.values()
    print(
        f"{tally.connected:,} connections, {story.packets:,} packets: "
        f"{tally.begun / took:,.0f} connections/s, {story.packets / took:,.0f} packets/s, "
        f"{(most - before) / 1024:,.0f} MiB more at most"
    )


if __name__ == "__main__":
    main()
