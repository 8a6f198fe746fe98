# SPDX-License-Identifier: GPL-2.0-only
"""Writes the table of docs/incidents/port-reuse.md: what becomes of a connection from a port whose
old connection is still in CLOSE_WAIT at the server, by kernel, rules and entry.

    python -m tools.incident_matrix            # prints the table
    python -m tools.incident_matrix --write    # puts it into the page
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.model.endpoint.happening import Errno
from ctlint.model.kernel.profiles import profile
from ctlint.model.world.chronicle import Fate
from ctlint.scenario.rule_index import index_rules
from ctlint.scenario.script_settings import Reference
from ctlint.scenario.socket_play import SocketPlayer
from ctlint.scenario.socket_script import read_socket_script, socket_plans
from ctlint.scenario.socket_story import Story
from ctlint.scenario.span_words import say_span
from ctlint.wire.moments import Micros
from ctlint.wire.tcp_flags import TcpFlags

PAGE: Final = Path(__file__).resolve().parent.parent / "docs/incidents/port-reuse.md"
BEGIN, END = "<!-- matrix: tools/incident_matrix.py -->", "<!-- /matrix -->"

KERNELS: Final = ("rhel7", "5.10", "5.15", "6.0", "6.1", "6.18")
ENTRIES: Final = ("alive", "expired")


class Firewall(NamedTuple):
    """Where rules stand, and which."""

    name: str
    topology: str
    rules: str | None


_INVALID: Final = "-A {chain} -m conntrack --ctstate INVALID -j DROP"
_NEW: Final = "-A {chain} -p tcp ! --syn -m conntrack --ctstate NEW -j DROP"


def _rules(rule: str, *chains: str) -> str:
    lines = [rule.format(chain=chain) for chain in chains]
    policies = (":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]")
    return "\n".join(["*filter", *policies, *lines, "COMMIT", ""])


FIREWALLS: Final = (
    Firewall("no firewall", "forward", None),
    Firewall("INVALID in OUTPUT of the client", "host client", _rules(_INVALID, "OUTPUT")),
    Firewall("INVALID in INPUT of the client", "host client", _rules(_INVALID, "INPUT")),
    Firewall("INVALID in INPUT of the server", "host server", _rules(_INVALID, "INPUT")),
    Firewall("INVALID in FORWARD of a router", "forward", _rules(_INVALID, "FORWARD")),
    Firewall("INVALID in OUTPUT, over lo", "lo", _rules(_INVALID, "OUTPUT")),
    Firewall("NEW but no SYN, on the client", "host client", _rules(_NEW, "INPUT", "OUTPUT")),
    Firewall("NEW but no SYN, on a router", "forward", _rules(_NEW, "FORWARD")),
)

_SCRIPT: Final = """
topology {topology}
{rules}
{sysctl}
server listen 8080 leaks
client connect from 45000 as first
wait 1s
client close
wait 159s
client reuse port as second
"""


class Cell(NamedTuple):
    """What became of connect(): its error, how long it took, SYNs, and RSTs that were dropped."""

    error: Errno | None
    took: Micros
    syns: int
    dropped_resets: int

    def __str__(self) -> str:
        if self.error is None:
            return say_span(self.took)
        resets = f", {self.dropped_resets} RSTs dropped" if self.dropped_resets else ""
        return f"**{self.error.name}** {say_span(self.took)}, {self.syns} SYNs{resets}"


def play(kernel: str, firewall: Firewall, entry: str) -> Cell:
    """One cell: 160 s after the first SYN, all other sysctls at their defaults."""
    text = _SCRIPT.format(
        topology=firewall.topology,
        rules="" if firewall.rules is None else "rules matrix.v4",
        sysctl="sysctl box tcp_timeout_close_wait=600" if entry == "alive" else "",
    )
    script = read_socket_script(text, "matrix.ctw")
    contents: dict[Reference, str] = dict.fromkeys(script.references, firewall.rules or "")
    (plan,) = socket_plans(
        script, contents, lambda one, family: index_rules(contents[one] if one else "", "", family)
    )
    return _cell(SocketPlayer(plan, profile(kernel)).play())


def _cell(story: Story) -> Cell:
    line = story.lines["second"]
    rungs = [rung for rung in story.rungs(line) if rung.packet.flags is not None]
    syns = [rung for rung in rungs if rung.packet.flags == TcpFlags.SYN]
    resets = [
        rung
        for rung in rungs
        if (rung.packet.flags or 0) & TcpFlags.RST and rung.fate is not Fate.ARRIVED
    ]
    over = line.connected if line.failed is None else line.failed
    assert over is not None
    return Cell(line.error, over - line.began, len(syns), len(resets))


def table() -> Iterator[str]:
    """The lines of the table."""
    yield f"| rules | entry | {' | '.join(KERNELS)} |"
    yield f"| --- | --- |{' --- |' * len(KERNELS)}"
    for firewall in FIREWALLS:
        for entry in ENTRIES:
            cells = [str(play(kernel, firewall, entry)) for kernel in KERNELS]
            yield f"| {firewall.name} | {entry} | {' | '.join(cells)} |"


def filled(page: str) -> str:
    """The page with a table of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    lines = "\n".join(table())
    return f"{before}{BEGIN}\n\n{lines}\n\n{END}{behind}"


def main() -> None:
    """Print the table, or write it into its page."""
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print("\n".join(table()))


if __name__ == "__main__":
    main()
