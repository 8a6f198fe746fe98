# SPDX-License-Identifier: GPL-2.0-only
"""Packets of connections that live, or are just being opened, and that are INVALID nevertheless:
whether what loses the packets of forgotten connections loses these too.

Each is tried on the model, on a connection that is known to lose something to the same rule or
policy. What the play answers is what the witness expects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ctlint.analysis.losses import Stranding
from ctlint.analysis.settings import TCP_BE_LIBERAL, TCP_LOOSE, Settings
from ctlint.analysis.stage import HANDSHAKE, as_scenario, stage
from ctlint.analysis.witness import Witnesses
from ctlint.finding import PacketKind, Witness
from ctlint.ir.rule_ref import ref_named
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.targets import Action, action
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import DIR_NAMES, ScenarioError

_BEHIND: Final = 1 << 30
_HIDDEN: Final = 20_000_000
"""Bytes: so far beyond what conntrack has seen no window reaches, on any kernel."""
_SEQUENCES: Final = 1 << 32


class Talk(NamedTuple):
    """What the ends say; the last packet is the one that may be lost, ``entry`` the state of its
    entry before it.
    """

    name: str
    sender: Dir
    entry: str
    packets: tuple[Mapping[str, Any], ...]


class Shown(NamedTuple):
    """A packet that is lost as INVALID, and the scenario that shows it."""

    packet: PacketKind
    witness: Witness


_SYN, _SYN_ACK, _ACK = HANDSHAKE

CHALLENGE: Final = Talk(
    "RST that answers a challenge ACK",
    Dir.ORIGINAL,
    "SYN_SENT",
    (
        *HANDSHAKE,
        # The entry has gone, the server's socket has not; the client's port comes again.
        {**_SYN, "seq": (1001 - _BEHIND) % _SEQUENCES, "expire": True},
        {"dir": "reply", "flags": "A", "seq": 5001, "ack": 1001, "win": 502},
        {"dir": "orig", "flags": "R", "seq": 1001, "win": 0},
    ),
)
"""A SYN for a connection whose server still holds its socket, in CLOSE_WAIT."""

REOPENED: Final = Talk(
    "SYN of the server on the ports of a connection in TIME_WAIT",
    Dir.REPLY,
    "TIME_WAIT",
    (
        *HANDSHAKE,
        {"dir": "orig", "flags": "FA", "seq": 1001, "ack": 5001, "win": 502},
        {"dir": "reply", "flags": "FA", "seq": 5001, "ack": 1002, "win": 502},
        {"dir": "orig", "flags": "A", "seq": 1002, "ack": 5002, "win": 502},
        {**_SYN, "dir": "reply", "seq": 900_000},
    ),
)
"""The ends change parts while the entry of their last connection is still there."""

ONE_WAY: Final = (
    Talk(
        "ACK of a handshake whose SYN/ACK went elsewhere",
        Dir.ORIGINAL,
        "SYN_SENT",
        (_SYN, _ACK),
    ),
    Talk("SYN/ACK of a SYN that went elsewhere", Dir.REPLY, "none", (_SYN_ACK,)),
)
"""Handshakes of which one direction takes another way."""

OFFLOADED: Final = tuple(
    Talk(
        f"FIN of the {end} behind data that conntrack has not seen",
        sender,
        "ESTABLISHED",
        (
            *HANDSHAKE,
            {
                "dir": DIR_NAMES[sender],
                "flags": "FA",
                "seq": seq + _HIDDEN,
                "ack": ack + _HIDDEN,
                "win": 502,
            },
        ),
    )
    for end, sender, seq, ack in (
        ("client", Dir.ORIGINAL, 1001, 5001),
        ("server", Dir.REPLY, 5001, 1001),
    )
)
"""Closes of connections whose data something else has forwarded."""


def shown(
    stranding: Stranding,
    talk: Talk,
    chains: ChainStore,
    settings: Settings,
    witnesses: Witnesses,
) -> Shown | None:
    """Whether the last packet of a talk is lost as INVALID to what loses those of the stranding;
    None where it is not, or where that is not decided.
    """
    connection = stranding.case.connection
    scenario: dict[str, Any] = {
        "name": f"{talk.name}, {stranding.role.value}",
        "kernel": settings.kernel.name,
        **stage(connection),
        "packets": [dict(packet) for packet in talk.packets],
    }
    sysctls = {
        name.rpartition(".")[2].removeprefix("nf_conntrack_"): settings.value(name)
        for name in (TCP_LOOSE, TCP_BE_LIBERAL)
        if settings.value(name) != settings.kernel.sysctl_default(name)
    }
    if sysctls:
        scenario["sysctls"] = sysctls
    try:
        read = as_scenario(scenario)
        player = Player(read, settings.kernel, chains={connection.family: chains})
        answers = [player.step(step) for step in read.steps]
    except ScenarioError:
        # Not all interface names and addresses of rules can be played.
        return None
    *before, last = [each for each in answers if isinstance(each, PacketAnswer)]
    if not all(each.delivered is True for each in before) or last.delivered is not False:
        return None
    causes = {str(stranding.cause), *(str(lost.dropped_by) for lost in stranding.lost)}
    if last.ctstate != CtState.INVALID.name or last.cause not in causes:
        return None
    with_nat = connection.translated is not None
    rules, tables = witnesses.rules(connection, with_nat=with_nat)
    expect: dict[str, Any] = {
        "packet": len(before),
        "ctstate": last.ctstate,
        "delivered": False,
    }
    if not last.undecided and not rejects(chains.ruleset, last.cause):
        matched = last.rules or ()
        expect["rules"] = [name for name in matched if name.partition("/")[0] in tables]
    flags = str(talk.packets[-1]["flags"])
    kind = PacketKind(flags, DIR_NAMES[talk.sender], talk.entry, last.ctstate)
    return Shown(kind, Witness({**scenario, **rules}, [expect]))


def rejects(ruleset: Ruleset, cause: str | None) -> bool:
    """Whether a rule, by its name, rejects: then the rules that its own packets meet follow those
    that matched, and not all of these stand in a witness.
    """
    if cause is None or "#" not in cause:
        return False
    return action(ref_named(ruleset, cause).rule.target) is Action.REJECT
